// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {CommonsToken} from "../../src/CommonsToken.sol";
import {Nodes} from "../../src/Nodes.sol";
import {Settlement} from "../../src/Settlement.sol";
import {Vault} from "../../src/Vault.sol";
import {InvariantTest} from "../kit/Test.sol";
import {NetworkHandler} from "./NetworkHandler.sol";

/// @notice What holds at every moment of a network's life, and at its end.
contract NetworkInvariants is InvariantTest {
    NetworkHandler private network;
    CommonsToken private token;
    Vault private vault;
    Settlement private settlement;
    Nodes private nodes;
    address[3] private governed;
    address private governance;
    bytes4[] private aimed;

    function setUp() external {
        network = new NetworkHandler();
        address[7] memory c;
        (c[0], c[1], c[2], c[3], c[4], c[5], c[6]) = network.contracts();
        (token, vault, settlement) = (CommonsToken(c[0]), Vault(c[1]), Settlement(c[2]));
        nodes = Nodes(c[3]);
        governed = [c[4], c[5], c[6]];
        governance = Ownable(c[4]).owner();
        weigh(network.settle.selector, 10);
        weigh(network.claim.selector, 5);
        weigh(network.deposit.selector, 3);
        aimAtMembers();
        aimAtNodes();
        aimAtDevices();
        aimAtGovernance();
        aim(address(network), aimed);
    }

    function weigh(bytes4 selector, uint256 times) private {
        for (uint256 i = 0; i < times; ++i) {
            aimed.push(selector);
        }
    }

    function aimAtMembers() private {
        aimed.push(network.depositFor.selector);
        aimed.push(network.depositWithPermit.selector);
        aimed.push(network.requestWithdrawal.selector);
        aimed.push(network.requestWithdrawalFor.selector);
        aimed.push(network.setSpendLimit.selector);
        aimed.push(network.setSpendLimitFor.selector);
        aimed.push(network.transfer.selector);
        aimed.push(network.transferFrom.selector);
        aimed.push(network.permit.selector);
        aimed.push(network.delegate.selector);
        aimed.push(network.delegateBySig.selector);
        aimed.push(network.extendSchedule.selector);
        aimed.push(network.mintEpoch.selector);
        aimed.push(network.wait.selector);
        aimed.push(network.enterExit.selector);
        aimed.push(network.exit.selector);
    }

    function aimAtNodes() private {
        aimed.push(network.registerGateway.selector);
        aimed.push(network.registerVerifier.selector);
        aimed.push(network.bond.selector);
        aimed.push(network.startUnbonding.selector);
        aimed.push(network.finishUnbonding.selector);
        aimed.push(network.refreshStake.selector);
        aimed.push(network.anchor.selector);
        aimed.push(network.confirm.selector);
        aimed.push(network.close.selector);
        aimed.push(network.attest.selector);
        aimed.push(network.finalise.selector);
        aimed.push(network.halt.selector);
        aimed.push(network.pretend.selector);
    }

    function aimAtDevices() private {
        aimed.push(network.enrol.selector);
        aimed.push(network.enrolFor.selector);
        aimed.push(network.enrolBatch.selector);
        aimed.push(network.enrolBatchFor.selector);
        aimed.push(network.setPayees.selector);
        aimed.push(network.transferShare.selector);
        aimed.push(network.transferShareFor.selector);
        aimed.push(network.changePayees.selector);
        aimed.push(network.retire.selector);
        aimed.push(network.retireByAll.selector);
        aimed.push(network.approve.selector);
        aimed.push(network.setApprovalForAll.selector);
        aimed.push(network.moveDevice.selector);
    }

    function aimAtGovernance() private {
        weigh(network.set.selector, 3);
        aimed.push(network.defineParameter.selector);
        aimed.push(network.setRegistrar.selector);
        aimed.push(network.setReference.selector);
        aimed.push(network.adoptSite.selector);
        aimed.push(network.appoint.selector);
        aimed.push(network.own.selector);
    }

    /// @dev One campaign for all: the runner plays a campaign of its own for each such function.
    function invariant_network() external view {
        moneyIsConserved();
        supplyFollowsTheSchedule();
        votesAddUp();
        stakesAddUp();
        epochsFollowEachOther();
        for (uint256 i = 0; i < 3; ++i) {
            vm.assertEq(Ownable(governed[i]).owner(), governance, "another owner");
        }
    }

    /// @dev Invariant 3 of the design, and the books of the network against the Vault's. Every
    /// payment was a claim or an exit of the handler's, against a root that a quorum attested.
    function moneyIsConserved() private view {
        for (uint256 a = 0; a < 2; ++a) {
            address asset = network.assets(a);
            (uint256 deposited, uint256 spent, uint256 earned, uint256 claimed, uint256 returned) =
                vault.totalsOf(asset);
            uint256 minted = asset == address(token) ? vault.mintedWei() : 0;
            uint256 gifts = asset == address(token) ? network.gifts() : 0;
            vm.assertLe(claimed, earned, "claimed <= earned");
            vm.assertLe(earned, spent + minted, "earned <= spent + minted");
            vm.assertLe(spent, deposited, "spent <= deposited");
            vm.assertEq(deposited, network.sumOfDeposits(asset), "deposits");
            vm.assertEq(claimed + returned, network.sumOfPayments(asset), "payments");
            vm.assertEq(
                IERC20(asset).balanceOf(address(vault)),
                deposited + minted + gifts - claimed - returned,
                "the Vault is not solvent"
            );
        }
    }

    function supplyFollowsTheSchedule() private view {
        uint256 supply = token.totalSupply();
        vm.assertEq(supply, 100_003e18 + network.minted(), "genesis + minted");
        vm.assertLe(network.minted(), network.allowance(), "above the schedule");
        vm.assertLe(supply, token.cap(), "above the cap");
    }

    /// @dev The handler lets a second pass after each action, so a second ago all was as it is now.
    function votesAddUp() private view {
        uint256 time = block.timestamp - 1;
        uint256 outside = heldAndBonded(address(vault)) + heldAndBonded(token.treasury());
        address[] memory everybody = network.everybody();
        uint256 sum = 0;
        for (uint256 i = 0; i < everybody.length; ++i) {
            sum += token.getPastVotes(everybody[i], time);
        }
        vm.assertEq(sum, token.getPastTotalSupply(time), "votes are not all there");
        vm.assertEq(sum, token.totalSupply() - outside, "more or less than votes");
    }

    function heldAndBonded(address account) private view returns (uint256) {
        return token.balanceOf(account) + token.bondedOf(account);
    }

    function stakesAddUp() private view {
        address[] memory voters = network.voters();
        uint256 stakes = 0;
        uint256 owed = 0;
        for (uint256 i = 0; i < voters.length; ++i) {
            (uint192 leaving,) = nodes.unbondingOf(voters[i]);
            uint256 bonded = nodes.bondOf(voters[i]);
            stakes += nodes.stakeOf(voters[i]);
            owed += bonded + leaving;
            vm.assertLe(bonded + leaving, token.bondedOf(voters[i]), "bonded");
        }
        vm.assertEq(stakes, nodes.totalStake(), "stakes");
        vm.assertLe(owed, token.balanceOf(address(nodes)), "bonds are not all there");
    }

    function epochsFollowEachOther() private view {
        vm.assertEq(settlement.nextToFinalise(), network.epochs(), "finalised");
        vm.assertLe(network.epochs(), settlement.nextToClose(), "finalised before it was closed");
        vm.assertLe(
            settlement.closedSize(bytes32(uint256(0xA))),
            settlement.anchoredSize(bytes32(uint256(0xA))),
            "closed beyond the anchor"
        );
    }

    function afterInvariant() external {
        network.checkDevices();
        network.exitEverybody();
    }

    // --- the handler itself ------------------------------------------------------------------

    /// @dev The handler is not idle: in one long life every function that changes anything in a
    /// contract of the network is called, all but four with success, and everything happens.
    function test_a_life_calls_every_function() external {
        for (uint256 i = 0; i < 24 * aimed.length; ++i) {
            uint256 word = uint256(keccak256(abi.encode("a life", i)));
            bytes4 action = aimed[word % aimed.length];
            if (action == network.enterExit.selector) continue; // at the end
            bytes memory call = abi.encodeWithSelector(action, word >> 16, word >> 32);
            (bool ok,) = address(network).call(call);
            vm.assertTrue(ok, "an action reverted");
        }
        network.enterExit(0);
        network.exitEverybody();
        assertCalledOfMoney();
        assertCalledOfNodes();
        assertCalledOfDevices();
        assertCalledOfGovernance();
        vm.assertGe(network.epochs(), 24, "epochs");
        vm.assertGe(network.lies(), 4, "lies");
        vm.assertGe(network.trips(), 2, "trips");
        vm.assertGe(network.halts(), 1, "halts");
        vm.assertGe(network.payments(), 20, "payments");
    }

    /// @dev Where nothing was ever finalised nobody has a leaf.
    function test_a_life_without_a_settlement_ends_too() external {
        network.deposit(0, 1_009);
        network.enterExit(0);
        network.exit(0);
        network.exitEverybody();
        called(address(vault), "exitWithoutLeaf(address,address)");
    }

    function called(address target, string memory signature) private view {
        vm.assertGe(network.done(target, bytes4(keccak256(bytes(signature)))), 1, signature);
    }

    function refused(address target, string memory signature) private view {
        bytes4 selector = bytes4(keccak256(bytes(signature)));
        vm.assertGe(network.tried(target, selector), 1, signature);
        vm.assertEq(network.done(target, selector), 0, signature);
    }

    function assertCalledOfMoney() private view {
        address t = address(token);
        called(t, "transfer(address,uint256)");
        called(t, "approve(address,uint256)");
        called(t, "transferFrom(address,address,uint256)");
        called(t, "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)");
        called(t, "delegate(address)");
        called(t, "delegateBySig(address,uint256,uint256,uint8,bytes32,bytes32)");
        called(t, "extendSchedule()");
        refused(t, "mintEpoch(uint64,address,uint256)"); // the Vault alone may
        address v = address(vault);
        called(v, "deposit(address,uint256)");
        called(v, "depositFor(address,address,uint256)");
        called(v, "depositWithPermit(address,address,uint256,uint256,uint8,bytes32,bytes32)");
        called(v, "requestWithdrawal(address,uint256)");
        called(v, "requestWithdrawalFor(address,address,uint256,uint256,bytes)");
        called(v, "setSpendLimit(uint256,uint256)");
        called(v, "setSpendLimitFor(address,uint256,uint256,uint256,bytes)");
        refused(v, "finalise(uint64,bytes32,uint256,(address,uint256,uint256)[])");
        refused(v, "halt(uint64,uint64)"); // both are for Settlement alone
        called(v, "claim(address,address,uint256,uint256,bytes32[])");
        called(v, "enterExit()");
        called(v, "exit(address,address,uint256,uint256,bytes32[])");
    }

    function assertCalledOfNodes() private view {
        address n = address(nodes);
        called(n, "registerGateway(string,string,string,bytes32,bytes,bytes)");
        called(n, "registerVerifier(string,string)");
        called(n, "bond(uint256)");
        called(n, "startUnbonding(uint256)");
        called(n, "finishUnbonding()");
        called(n, "refreshStake(address)");
        address s = address(settlement);
        called(s, "anchor(bytes32,uint64,bytes32)");
        called(s, "confirm(uint64,(bytes32,uint64,bytes32)[])");
        called(s, "close(uint64)");
        string memory result =
            "(bytes32,bytes32,bytes32,bytes32,bytes32,bytes32,bytes32,bytes32,uint256,(address,uint256,uint256)[])";
        called(s, string.concat("attest(uint64,", result, ")"));
        called(s, string.concat("finalise(uint64,", result, ")"));
        called(s, "halt(uint64)");
    }

    function assertCalledOfDevices() private view {
        address d = governed[1];
        called(d, "enrol(bytes32,int8,bytes,bytes32,uint64)");
        called(d, "enrolFor(address,bytes32,int8,bytes,bytes32,uint64,uint256,bytes)");
        called(d, "enrolBatch(bytes32,(bytes32,int8,bytes,uint64)[])");
        called(d, "enrolBatchFor(address,bytes32,(bytes32,int8,bytes,uint64)[],uint256,bytes)");
        called(d, "setPayees(uint256,(address,uint32)[])");
        called(d, "transferShare(uint256,address,uint32)");
        called(d, "transferShareFor(uint256,address,address,uint32,uint256,bytes)");
        called(d, "changePayees(uint256,(address,uint32)[],uint256,bytes[])");
        called(d, "retire(uint256)");
        called(d, "retireByAll(uint256,uint256,bytes[])");
        called(d, "approve(address,uint256)");
        called(d, "setApprovalForAll(address,bool)");
        called(d, "transferFrom(address,address,uint256)");
        called(d, "safeTransferFrom(address,address,uint256)");
        called(d, "safeTransferFrom(address,address,uint256,bytes)");
        called(d, "setRegistrar(bytes32,bytes32,int8,bytes,bool)");
        called(d, "setReference(uint256,bool)");
        called(d, "adoptSite(bytes32,bytes32,bytes32)");
    }

    function assertCalledOfGovernance() private view {
        called(governed[0], "set(bytes32,int256)");
        called(governed[0], "defineParameter(bytes32,int256,int256,int256)");
        called(governed[2], "halt(uint64)");
        called(governed[2], "appoint(address,uint64)");
        for (uint256 i = 0; i < 3; ++i) {
            called(governed[i], "transferOwnership(address)");
            refused(governed[i], "renounceOwnership()");
        }
    }
}
