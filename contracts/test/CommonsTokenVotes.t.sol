// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CommonsToken} from "../src/CommonsToken.sol";
import {World} from "./kit/World.sol";

/// @notice Who votes with which tokens.
contract CommonsTokenVotesTest is World {
    event DelegateChanged(
        address indexed delegator, address indexed fromDelegate, address indexed toDelegate
    );

    uint256 private constant SIGNER_KEY = 7919;

    address private immutable alice = named("alice");
    address private immutable bob = named("bob");
    address private immutable signer = vm.addr(SIGNER_KEY);

    function setUp() external {
        deploy();
        moveAs(treasury, alice, 101e18);
        later();
    }

    function moveAs(address from, address to, uint256 amount) private {
        vm.prank(from);
        token.transfer(to, amount);
    }

    function delegateAs(address account, address to) private {
        vm.prank(account);
        token.delegate(to);
    }

    function later() private {
        vm.warp(block.timestamp + 1);
    }

    /// @dev All votes there were a second ago.
    function all() private view returns (uint256) {
        return token.getPastTotalSupply(block.timestamp - 1);
    }

    // --- oneself and others ------------------------------------------------------------------

    function test_everybody_votes_for_itself() external {
        vm.assertEq(token.delegates(alice), alice, "delegate");
        vm.assertEq(token.getVotes(alice), 101e18, "votes");
        moveAs(alice, bob, 7e18);
        vm.assertEq(token.getVotes(alice), 94e18, "alice");
        vm.assertEq(token.getVotes(bob), 7e18, "bob");
        later();
        vm.assertEq(all(), 101e18, "all");
        vm.assertEq(token.getPastVotes(alice, block.timestamp - 2), 101e18, "before");
    }

    function test_delegates_and_takes_it_back() external {
        delegateAs(alice, bob);
        vm.assertEq(token.getVotes(alice), 0, "alice gave hers away");
        vm.assertEq(token.getVotes(bob), 101e18, "bob");
        moveAs(treasury, alice, 3e18);
        vm.assertEq(token.getVotes(bob), 104e18, "what comes later goes along");
        vm.expectEmit(address(token));
        emit DelegateChanged(alice, bob, alice);
        delegateAs(alice, address(0)); // nobody means oneself
        vm.assertEq(token.delegates(alice), alice, "delegate");
        vm.assertEq(token.getVotes(alice), 104e18, "back");
        vm.assertEq(token.getVotes(bob), 0, "bob has none");
    }

    function test_votes_are_not_handed_on() external {
        moveAs(alice, bob, 1e18);
        delegateAs(alice, bob);
        delegateAs(bob, signer);
        vm.assertEq(token.getVotes(bob), 100e18, "alice's, not his own");
        vm.assertEq(token.getVotes(signer), 1e18, "bob's own, not alice's");
    }

    function test_delegates_by_signature() external {
        moveAs(alice, signer, 11e18);
        bytes memory message = abi.encode(
            keccak256("Delegation(address delegatee,uint256 nonce,uint256 expiry)"),
            bob,
            uint256(0),
            uint256(GENESIS)
        );
        bytes32 digest = typedData(token.DOMAIN_SEPARATOR(), message);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(SIGNER_KEY, digest);
        token.delegateBySig(bob, 0, GENESIS, v, r, s);
        vm.assertEq(token.getVotes(bob), 11e18, "bob");
    }

    // --- outside the vote --------------------------------------------------------------------

    function test_the_treasury_does_not_vote() external {
        vm.assertEq(token.getVotes(treasury), 0, "votes");
        vm.assertEq(token.delegates(treasury), address(0), "delegate");
        vm.assertEq(all(), 101e18, "all");
        vm.expectRevert(abi.encodeWithSelector(CommonsToken.OutsideTheVote.selector, treasury));
        delegateAs(treasury, bob);
        moveAs(alice, treasury, 100e18);
        later();
        vm.assertEq(all(), 1e18, "what goes back leaves the vote");
    }

    function test_deposits_do_not_vote() external {
        vm.prank(alice);
        token.approve(address(vault), 41e18);
        vm.prank(alice);
        vault.deposit(address(token), 41e18);
        later();
        vm.assertEq(token.getVotes(alice), 60e18, "the rest");
        vm.assertEq(token.getVotes(address(vault)), 0, "vault");
        vm.assertEq(all(), 60e18, "all");
        moveAs(address(vault), bob, 41e18); // as a claim does
        later();
        vm.assertEq(token.getVotes(bob), 41e18, "whoever is paid votes");
        vm.assertEq(all(), 101e18, "all again");
    }

    function test_minted_tokens_vote_once_they_are_claimed() external {
        vm.warp(GENESIS);
        vm.prank(address(vault));
        token.mintEpoch(0, address(vault), 13e18);
        later();
        vm.assertEq(all(), 101e18, "not before");
        moveAs(address(vault), bob, 13e18);
        vm.assertEq(token.getVotes(bob), 13e18, "then");
    }

    function test_the_treasury_may_pay_itself_and_the_vault() external {
        moveAs(treasury, treasury, 1e18);
        moveAs(treasury, address(vault), 1e18);
        later();
        vm.assertEq(all(), 101e18, "none of it votes");
    }

    // --- bonds -------------------------------------------------------------------------------

    function unbondAll(address account) private {
        uint256 bonded = nodes.bondOf(account);
        vm.prank(account);
        nodes.startUnbonding(bonded);
        vm.warp(block.timestamp + UNBONDING);
        vm.prank(account);
        nodes.finishUnbonding();
    }

    function test_bonds_keep_their_voter() external {
        bondAs(alice, 31e18);
        later();
        vm.assertEq(token.getVotes(alice), 101e18, "bonded or not");
        vm.assertEq(token.bondedOf(alice), 31e18, "bonded");
        vm.assertEq(token.getVotes(address(nodes)), 0, "nodes");
        vm.assertEq(all(), 101e18, "all");
        delegateAs(alice, bob);
        vm.assertEq(token.getVotes(bob), 101e18, "delegated with the rest");
        unbondAll(alice);
        vm.assertEq(token.bondedOf(alice), 0, "out");
        vm.assertEq(token.getVotes(bob), 101e18, "unchanged");
        vm.assertEq(all(), 101e18, "all still");
    }

    function test_bonds_of_the_treasury_do_not_vote() external {
        vm.prank(treasury);
        token.approve(address(nodes), 17e18);
        vm.prank(treasury);
        nodes.bond(17e18);
        later();
        vm.assertEq(all(), 101e18, "in");
        unbondAll(treasury);
        vm.assertEq(all(), 101e18, "and out");
        vm.assertEq(token.bondedOf(treasury), 0, "booked out");
    }

    function test_what_was_sent_to_the_bonds_by_mistake_still_votes() external {
        moveAs(alice, address(nodes), 5e18);
        bondAs(alice, 10e18);
        unbondAll(alice);
        vm.assertEq(token.bondedOf(alice), 5e18, "lost");
        vm.assertEq(token.getVotes(alice), 101e18, "but counted");
        moveAs(address(nodes), address(nodes), 1e18);
        vm.assertEq(token.bondedOf(address(nodes)), 0, "moves nothing");
    }

    function test_bonds_go_back_to_who_bonded_only() external {
        bondAs(alice, 10e18);
        vm.expectRevert(abi.encodeWithSelector(CommonsToken.NotBonded.selector, bob, 1e18, 0));
        moveAs(address(nodes), bob, 1e18);
    }

    function test_where_bonds_are_in_another_asset_nodes_is_anybody() external {
        token = createToken(address(vault), address(0));
        moveAs(treasury, alice, 9e18);
        moveAs(alice, address(nodes), 4e18);
        vm.assertEq(token.getVotes(alice), 5e18, "alice");
        vm.assertEq(token.getVotes(address(nodes)), 4e18, "nodes");
        vm.assertEq(token.bondedOf(alice), 0, "no bonds");
        vm.assertEq(token.delegates(address(0)), address(0), "nobody is nobody");
    }

    // --- any order ---------------------------------------------------------------------------

    /// @dev Whatever moves where: at every second, all votes together are the supply less what the
    /// Vault and the treasury hold or have bonded, and each account's are what it can account for.
    function testFuzz_votes_add_up(uint256 seed) external {
        address[5] memory people = [alice, bob, signer, treasury, address(vault)];
        uint64 start = uint64(block.timestamp);
        uint256[] memory expected = new uint256[](40);
        for (uint256 i = 0; i < 40; ++i) {
            act(people, uint256(keccak256(abi.encode(seed, i))));
            expected[i] = token.totalSupply();
            for (uint256 p = 3; p < 5; ++p) {
                expected[i] -= token.balanceOf(people[p]) + token.bondedOf(people[p]);
            }
            later();
        }
        for (uint64 i = 0; i < 40; ++i) {
            uint256 sum = 0;
            for (uint256 p = 0; p < 5; ++p) {
                sum += token.getPastVotes(people[p], start + i);
            }
            vm.assertEq(sum, token.getPastTotalSupply(start + i), "votes are not all there");
            vm.assertEq(sum, expected[i], "more or less than votes");
        }
        for (uint256 p = 0; p < 3; ++p) {
            uint256 represented = 0;
            for (uint256 q = 0; q < 3; ++q) {
                if (token.delegates(people[q]) != people[p]) continue;
                represented += token.balanceOf(people[q]) + token.bondedOf(people[q]);
            }
            vm.assertEq(token.getVotes(people[p]), represented, "not what was delegated");
        }
    }

    function act(address[5] memory people, uint256 word) private {
        address from = people[(word >> 8) % 5];
        address to = people[(word >> 16) % 5];
        uint256 amount = within(word >> 32, 0, token.balanceOf(from));
        uint256 kind = word % 4;
        if (kind == 0) {
            if (from == treasury) amount %= 1e21;
            moveAs(from, to, amount);
        } else if (kind == 1) {
            moveAs(from, address(nodes), amount % 1e21);
        } else if (kind == 2) {
            moveAs(address(nodes), from, token.bondedOf(from) / 2);
        } else if (token.delegates(from) != address(0)) {
            delegateAs(from, (word >> 24) % 2 == 0 ? people[(word >> 16) % 3] : address(0));
        }
    }
}
