// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {
    GovernorCountingSimple
} from "@openzeppelin/contracts/governance/extensions/GovernorCountingSimple.sol";
import {GovernorVotes} from "@openzeppelin/contracts/governance/extensions/GovernorVotes.sol";
import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import {Devices, NewDevice} from "../src/Devices.sol";
import {Membership} from "../src/Membership.sol";
import {TestEuro} from "../src/test-assets/TestEuro.sol";
import {Call, MemberAccount} from "../src/MemberAccount.sol";
import {MemberAccountBench} from "./MemberAccountBench.sol";
import {VaultBench} from "./kit/VaultBench.sol";

/// @notice OpenZeppelin's Governor with nothing added: who may vote by signature is decided there.
contract PlainGovernor is GovernorCountingSimple, GovernorVotes {
    constructor(IVotes votes) Governor("Commonworks Governor") GovernorVotes(votes) {}

    function votingDelay() public pure override returns (uint256) {
        return 1;
    }

    function votingPeriod() public pure override returns (uint256) {
        return 1 days;
    }

    function quorum(uint256) public pure override returns (uint256) {
        return 1;
    }
}

/// @notice A member with a passkey and no coin enrols, asks for its deposit, limits, deposits, votes.
contract MemberAccountMessagesTest is MemberAccountBench, VaultBench {
    string private constant ENROL =
        "Enrol(address owner,bytes32 thumbprint,int8 alg,bytes publicKey,bytes32 resource,uint64 cell,uint256 nonce,uint256 deadline)";
    string private constant ENROL_BATCH =
        "EnrolBatch(address owner,bytes32 resource,NewDevice[] devices,uint256 nonce,uint256 deadline)NewDevice(bytes32 thumbprint,int8 alg,bytes publicKey,uint64 cell)";
    string private constant WITHDRAWAL =
        "WithdrawalRequest(address account,address asset,uint256 amount,uint256 nonce,uint256 deadline)";
    string private constant BALLOT =
        "Ballot(uint256 proposalId,uint8 support,address voter,uint256 nonce)";
    bytes32 private constant PRINT = keccak256("thumbprint");

    function setUp() external {
        deployBench();
        deployAccounts();
        devices = new Devices(address(this), address(0), 0);
    }

    function withdrawalMessage(uint256 amount) private view returns (bytes memory) {
        return abi.encode(
            keccak256(bytes(WITHDRAWAL)), address(member), address(euro), amount, 0, DEADLINE
        );
    }

    function signedFor(string memory name, address app, bytes memory message, string memory text)
        private
        view
        returns (bytes memory)
    {
        return nested(KEY, member, domain(name, app), message, text);
    }

    function test_enrols_a_device() external {
        bytes memory message = abi.encode(
            keccak256(bytes(ENROL)),
            address(member),
            PRINT,
            int8(-8),
            keccak256(new bytes(32)),
            bytes32("energy"),
            uint64(7),
            0,
            DEADLINE
        );
        bytes memory signature = signedFor("Commonworks Devices", address(devices), message, ENROL);
        uint256 id = devices.enrolFor(
            address(member), PRINT, -8, new bytes(32), "energy", 7, DEADLINE, signature
        );
        vm.assertEq(devices.ownerOf(id), address(member), "owner");
        vm.expectRevert(
            abi.encodeWithSelector(MemberAccount.InvalidSignature.selector, address(member))
        );
        devices.enrolFor(
            address(member), PRINT, -8, new bytes(32), "energy", 7, DEADLINE, signature
        );
    }

    function test_enrols_many_devices() external {
        NewDevice[] memory batch = new NewDevice[](2);
        batch[0] = NewDevice(PRINT, -8, new bytes(32), 7);
        batch[1] = NewDevice(~PRINT, -7, new bytes(64), 11);
        bytes32 kind =
            keccak256("NewDevice(bytes32 thumbprint,int8 alg,bytes publicKey,uint64 cell)");
        bytes memory hashes;
        for (uint256 i = 0; i < 2; ++i) {
            bytes32 key = keccak256(batch[i].publicKey);
            hashes = abi.encodePacked(
                hashes,
                keccak256(abi.encode(kind, batch[i].thumbprint, batch[i].alg, key, batch[i].cell))
            );
        }
        bytes memory message = abi.encode(
            keccak256(bytes(ENROL_BATCH)),
            address(member),
            bytes32("energy"),
            keccak256(hashes),
            0,
            DEADLINE
        );
        bytes memory signature =
            signedFor("Commonworks Devices", address(devices), message, ENROL_BATCH);
        uint256 first = devices.enrolBatchFor(address(member), "energy", batch, DEADLINE, signature);
        vm.assertEq(devices.ownerOf(first + 1), address(member), "owner of the second");
    }

    function test_deposits_in_one_batch_and_asks_for_it_back() external {
        euro.mint(address(member), 100);
        Call[] memory calls = new Call[](2);
        calls[0] = Call(address(euro), 0, abi.encodeCall(euro.approve, (address(vault), 70)));
        calls[1] = Call(address(vault), 0, abi.encodeCall(vault.deposit, (address(euro), 70)));
        execute(member, KEY, calls);
        (uint256 deposited,,,) = vault.accountOf(address(euro), address(member));
        vm.assertEq(deposited, 70, "deposited");
        bytes memory signature =
            signedFor("Commonworks Vault", address(vault), withdrawalMessage(30), WITHDRAWAL);
        uint256 id =
            vault.requestWithdrawalFor(address(member), address(euro), 30, DEADLINE, signature);
        vm.assertEq(id, 1, "asked");
    }

    function test_refuses_other_amounts_domains_descriptions_and_keys() external {
        euro.mint(address(member), 100);
        execute(
            member, KEY, one(address(euro), 0, abi.encodeCall(euro.approve, (address(vault), 70)))
        );
        execute(
            member, KEY, one(address(vault), 0, abi.encodeCall(vault.deposit, (address(euro), 70)))
        );
        bytes memory message = withdrawalMessage(30);
        bytes32 vaults = domain("Commonworks Vault", address(vault));
        refused(31, nested(KEY, member, vaults, message, WITHDRAWAL));
        refused(30, nested(KEY, member, domain("Commonworks Vault", bob), message, WITHDRAWAL));
        refused(30, nested(OTHER_KEY, member, vaults, message, WITHDRAWAL));
        MemberAccount twin = created(OTHER_KEY, new address[](0), 0);
        refused(30, nested(KEY, twin, vaults, message, WITHDRAWAL));
        refused(30, assertion(KEY, typedData(vaults, message)));
        bytes memory signature = nested(KEY, member, vaults, message, WITHDRAWAL);
        signature[signature.length - 3] = "]";
        refused(30, signature);
        vm.warp(DEADLINE + 1);
        vm.expectRevert(abi.encodeWithSelector(MemberAccount.SignatureExpired.selector, DEADLINE));
        vault.requestWithdrawalFor(address(member), address(euro), 30, DEADLINE, "");
    }

    function refused(uint256 amount, bytes memory signature) private {
        vm.expectRevert(
            abi.encodeWithSelector(MemberAccount.InvalidSignature.selector, address(member))
        );
        vault.requestWithdrawalFor(address(member), address(euro), amount, DEADLINE, signature);
    }

    function test_votes() external {
        address[] memory members = new address[](1);
        members[0] = address(member);
        Membership membership = new Membership(address(this), address(0), uint64(START), members);
        PlainGovernor governor = new PlainGovernor(membership);
        vm.warp(START + 1);
        address[] memory targets = new address[](1);
        uint256 proposal = governor.propose(targets, new uint256[](1), new bytes[](1), "be kind");
        vm.warp(START + 3);
        bytes memory message =
            abi.encode(keccak256(bytes(BALLOT)), proposal, uint8(1), address(member), 0);
        bytes memory signature =
            signedFor("Commonworks Governor", address(governor), message, BALLOT);
        vm.prank(named("anyone"));
        governor.castVoteBySig(proposal, 1, address(member), signature);
        (, uint256 inFavour,) = governor.proposalVotes(proposal);
        vm.assertEq(inFavour, 1, "counted");
    }

    function test_holds_devices_that_are_sent_safely() external {
        uint256 id = devices.enrol(PRINT, -8, new bytes(32), "energy", 0);
        devices.safeTransferFrom(address(this), address(member), id);
        vm.assertEq(devices.ownerOf(id), address(member), "owner");
    }
}
