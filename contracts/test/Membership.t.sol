// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import {Votes} from "@openzeppelin/contracts/governance/utils/Votes.sol";
import {Governed} from "../src/Governed.sol";
import {Membership} from "../src/Membership.sol";
import {Test} from "./kit/Test.sol";

/// @notice Reaches what the base contracts would use for minting in batches.
contract BatchMembership is Membership {
    constructor(address owner_, address[] memory members)
        Membership(owner_, address(0), 0, members)
    {}

    function increase(address account, uint128 amount) external {
        _increaseBalance(account, amount);
    }
}

contract MembershipTest is Test {
    event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);
    event Locked(uint256 tokenId);
    event DelegateChanged(
        address indexed delegator, address indexed fromDelegate, address indexed toDelegate
    );

    uint64 private constant GENESIS = 1_000_003;
    uint256 private constant ANN_KEY = 0xA11;
    uint256 private constant ACCOUNTS = 6;

    address private immutable owner = named("timelock");
    address private immutable founder = named("founder");
    address private immutable ann = vm.addr(ANN_KEY);
    address private immutable bob = named("bob");
    address private immutable cleo = named("cleo");

    Membership private membership;

    function setUp() external {
        vm.warp(GENESIS - 500);
        membership = new Membership(owner, founder, GENESIS, pair(ann, bob));
    }

    function pair(address a, address b) private pure returns (address[] memory list) {
        list = new address[](2);
        (list[0], list[1]) = (a, b);
    }

    function admit(address account) private {
        vm.prank(owner);
        membership.admit(account);
    }

    function remove(address account) private {
        vm.prank(owner);
        membership.remove(account);
    }

    // --- being a member ----------------------------------------------------------------------

    function test_members_from_the_start() external {
        vm.assertEq(membership.memberCount(), 2, "members");
        vm.assertTrue(membership.isMember(ann), "Ann");
        vm.assertTrue(!membership.isMember(cleo), "not Cleo");
        vm.assertEq(membership.idOf(ann), uint256(uint160(ann)), "id");
        vm.assertEq(membership.ownerOf(membership.idOf(ann)), ann, "the id is hers");
        vm.assertEq(membership.balanceOf(ann), 1, "one");
        vm.assertTrue(membership.locked(membership.idOf(ann)), "locked");
        vm.assertEq(membership.getVotes(ann), 1, "votes from the start");
        vm.assertEq(membership.clock(), block.timestamp, "clock");
        vm.assertEq(keccak256(bytes(membership.CLOCK_MODE())), keccak256("mode=timestamp"), "mode");
        vm.assertTrue(membership.supportsInterface(0x80ac58cd), "ERC-721");
        vm.assertTrue(membership.supportsInterface(0xb45a3c0e), "ERC-5192");
        (, string memory name, string memory version,,,,) = membership.eip712Domain();
        vm.assertEq(keccak256(bytes(name)), keccak256("Commonworks Membership"), "domain");
        vm.assertEq(keccak256(bytes(version)), keccak256("1"), "version");
        vm.warp(block.timestamp + 1);
        vm.assertEq(membership.getPastTotalSupply(block.timestamp - 1), 2, "past members");
    }

    function test_admission_and_removal() external {
        vm.expectEmit(address(membership));
        emit Transfer(address(0), cleo, membership.idOf(cleo));
        vm.expectEmit(address(membership));
        emit Locked(membership.idOf(cleo));
        admit(cleo);
        vm.assertEq(membership.getVotes(cleo), 1, "votes");
        vm.expectEmit(address(membership));
        emit Transfer(bob, address(0), membership.idOf(bob));
        remove(bob);
        vm.assertTrue(!membership.isMember(bob), "Bob is out");
        vm.assertEq(membership.getVotes(bob), 0, "and has no vote");
        vm.assertEq(membership.memberCount(), 2, "members");
        admit(bob);
        vm.assertEq(membership.getVotes(bob), 1, "back again");
    }

    function test_refuses_what_is_no_change() external {
        vm.expectRevert(abi.encodeWithSelector(Membership.AlreadyMember.selector, ann));
        admit(ann);
        vm.expectRevert(abi.encodeWithSelector(Membership.NotMember.selector, cleo));
        remove(cleo);
        vm.expectRevert(
            abi.encodeWithSelector(IERC721Errors.ERC721InvalidReceiver.selector, address(0))
        );
        admit(address(0));
        vm.expectRevert(abi.encodeWithSelector(Membership.AlreadyMember.selector, ann));
        new Membership(owner, founder, GENESIS, pair(ann, ann));
        uint256 id = membership.idOf(cleo);
        bytes memory unknown =
            abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, id);
        vm.expectRevert(unknown);
        membership.locked(id);
        vm.expectRevert(unknown);
        membership.ownerOf(id);
    }

    function test_the_last_member_stays() external {
        remove(ann);
        vm.expectRevert(abi.encodeWithSelector(Membership.LastMember.selector, bob));
        remove(bob);
    }

    // --- who admits --------------------------------------------------------------------------

    function test_the_founder_until_genesis() external {
        vm.warp(GENESIS - 1);
        vm.prank(founder);
        membership.admit(cleo);
        vm.prank(founder);
        membership.remove(cleo);
        vm.warp(GENESIS);
        refuses(founder);
        vm.assertEq(membership.founder(), founder, "founder");
        vm.assertEq(membership.foundingEnds(), GENESIS, "founding ends");
    }

    function test_refuses_everybody_else() external {
        refuses(ann);
        refuses(address(this));
    }

    function refuses(address caller) private {
        bytes memory refusal =
            abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, caller);
        vm.expectRevert(refusal);
        vm.prank(caller);
        membership.admit(cleo);
        vm.expectRevert(refusal);
        vm.prank(caller);
        membership.remove(bob);
    }

    function test_ownership_is_the_owners_to_move() external {
        vm.expectRevert(abi.encodeWithSelector(Governed.OwnerIsForEver.selector));
        vm.prank(owner);
        membership.renounceOwnership();
        vm.expectRevert(
            abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, founder)
        );
        vm.prank(founder);
        membership.transferOwnership(founder);
        vm.prank(owner);
        membership.transferOwnership(cleo);
        vm.assertEq(membership.owner(), cleo, "owner");
    }

    // --- it stays where it is ----------------------------------------------------------------

    function test_nothing_moves_a_membership() external {
        uint256 id = membership.idOf(ann);
        bytes memory refusal = abi.encodeWithSelector(Membership.NotTransferable.selector);
        address[2] memory callers = [ann, owner];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.expectRevert(refusal);
            vm.prank(callers[i]);
            membership.transferFrom(ann, cleo, id);
            vm.expectRevert(refusal);
            vm.prank(callers[i]);
            membership.safeTransferFrom(ann, cleo, id);
            vm.expectRevert(refusal);
            vm.prank(callers[i]);
            membership.safeTransferFrom(ann, cleo, id, "");
            vm.expectRevert(refusal);
            vm.prank(callers[i]);
            membership.approve(cleo, id);
            vm.expectRevert(refusal);
            vm.prank(callers[i]);
            membership.setApprovalForAll(cleo, true);
        }
        vm.assertEq(membership.getApproved(id), address(0), "approved");
        vm.assertTrue(!membership.isApprovedForAll(ann, cleo), "approved for all");
    }

    /// @dev Whatever the ERC-721 face is asked for, by whomever: it stays.
    function testFuzz_nothing_moves_a_membership(address caller, address to, uint256 id) external {
        bytes[5] memory calls = [
            abi.encodeCall(IERC721.transferFrom, (ann, to, membership.idOf(ann))),
            abi.encodeCall(IERC721.transferFrom, (ann, to, id)),
            abi.encodeCall(IERC721.approve, (to, id)),
            abi.encodeCall(IERC721.setApprovalForAll, (to, true)),
            abi.encodeWithSignature("safeTransferFrom(address,address,uint256)", ann, to, id)
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(caller);
            (bool done,) = address(membership).call(calls[i]);
            vm.assertTrue(!done, "refused");
        }
        vm.assertEq(membership.ownerOf(membership.idOf(ann)), ann, "still hers");
    }

    // --- delegation --------------------------------------------------------------------------

    function test_delegation() external {
        vm.assertEq(membership.delegates(ann), ann, "itself");
        vm.assertEq(membership.delegates(address(0)), address(0), "nobody is nobody");
        vm.expectEmit(address(membership));
        emit DelegateChanged(ann, ann, bob);
        vm.prank(ann);
        membership.delegate(bob);
        vm.assertEq(membership.getVotes(ann), 0, "Ann gave hers");
        vm.assertEq(membership.getVotes(bob), 2, "Bob has two");
        vm.expectEmit(address(membership));
        emit DelegateChanged(ann, bob, ann);
        vm.prank(ann);
        membership.delegate(address(0));
        vm.assertEq(membership.delegates(ann), ann, "itself again");
        vm.assertEq(membership.getVotes(ann), 1, "Ann took it back");
        vm.assertEq(membership.getVotes(bob), 1, "Bob has his");
    }

    function test_removing_takes_the_vote_from_the_delegate() external {
        vm.prank(ann);
        membership.delegate(cleo);
        vm.assertEq(membership.getVotes(cleo), 1, "a delegate need not be a member");
        remove(ann);
        vm.assertEq(membership.getVotes(cleo), 0, "gone with the member");
    }

    function test_delegation_by_signature() external {
        bytes32 digest = delegation(bob, 0, GENESIS);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(ANN_KEY, digest);
        vm.prank(cleo);
        membership.delegateBySig(bob, 0, GENESIS, v, r, s);
        vm.assertEq(membership.delegates(ann), bob, "delegated");
        vm.assertEq(membership.nonces(ann), 1, "nonce");
        (v, r, s) = vm.sign(ANN_KEY, delegation(bob, 1, GENESIS));
        vm.warp(GENESIS + 1);
        vm.expectRevert(abi.encodeWithSelector(IVotes.VotesExpiredSignature.selector, GENESIS));
        membership.delegateBySig(bob, 1, GENESIS, v, r, s);
    }

    function delegation(address to, uint256 nonce, uint256 expiry) private view returns (bytes32) {
        (, string memory name, string memory version, uint256 chain, address verifier,,) =
            membership.eip712Domain();
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256(bytes(name)),
                keccak256(bytes(version)),
                chain,
                verifier
            )
        );
        bytes32 kind = keccak256("Delegation(address delegatee,uint256 nonce,uint256 expiry)");
        return typedData(domain, abi.encode(kind, to, nonce, expiry));
    }

    /// @dev Nothing mints in batches here; if ever something did, votes would not be forgotten.
    function test_votes_follow_however_a_balance_grows() external {
        BatchMembership batch = new BatchMembership(owner, pair(ann, bob));
        batch.increase(cleo, 3);
        vm.assertEq(batch.getVotes(cleo), 3, "votes");
        vm.assertEq(batch.memberCount(), 5, "all votes");
    }

    function test_the_future_is_not_known() external {
        vm.expectRevert(
            abi.encodeWithSelector(
                Votes.ERC5805FutureLookup.selector, block.timestamp, uint48(block.timestamp)
            )
        );
        membership.getPastTotalSupply(block.timestamp);
    }

    /// @dev Admitted, removed, delegated to and fro: at every past second the votes of all are the
    /// members of then, and everybody's vote is where it said.
    function testFuzz_votes_are_members(uint256 seed) external {
        address[] memory accounts = new address[](ACCOUNTS);
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            accounts[i] = i == 0 ? ann : i == 1 ? bob : address(uint160(0x1000 + i));
        }
        uint256[] memory members = new uint256[](24);
        uint256 start = membership.clock();
        for (uint256 step = 0; step < members.length; ++step) {
            uint256 word = uint256(keccak256(abi.encode(seed, step)));
            move(accounts[word % ACCOUNTS], accounts[(word >> 16) % ACCOUNTS], (word >> 32) % 4);
            requireSums(accounts);
            members[step] = membership.memberCount();
            vm.warp(start + step + 1);
        }
        for (uint256 step = 0; step < members.length; ++step) {
            uint256 votes = 0;
            for (uint256 i = 0; i < ACCOUNTS; ++i) {
                votes += membership.getPastVotes(accounts[i], start + step);
            }
            uint256 past = membership.getPastTotalSupply(start + step);
            vm.assertEq(past, members[step], "past members");
            vm.assertEq(votes, past, "past votes");
        }
    }

    function move(address account, address other, uint256 kind) private {
        if (kind == 0) {
            vm.prank(account);
            membership.delegate(other);
        } else if (kind == 1) {
            vm.prank(account);
            membership.delegate(address(0));
        } else if (!membership.isMember(account)) {
            admit(account);
        } else if (membership.memberCount() > 1) {
            remove(account);
        }
    }

    function requireSums(address[] memory accounts) private view {
        uint256 members = 0;
        for (uint256 i = 0; i < accounts.length; ++i) {
            uint256 votes = 0;
            for (uint256 j = 0; j < accounts.length; ++j) {
                if (!membership.isMember(accounts[j])) continue;
                if (membership.delegates(accounts[j]) == accounts[i]) ++votes;
            }
            vm.assertEq(membership.getVotes(accounts[i]), votes, "votes");
            if (membership.isMember(accounts[i])) ++members;
        }
        vm.assertEq(membership.memberCount(), members, "members");
    }
}
