// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CommonsToken} from "../../src/CommonsToken.sol";
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

    function setUp() external {
        network = new NetworkHandler();
        (address t, address v, address s) = network.contracts();
        (token, vault, settlement) = (CommonsToken(t), Vault(v), Settlement(s));
        bytes4[] memory selectors = new bytes4[](10);
        selectors[0] = NetworkHandler.deposit.selector;
        selectors[1] = NetworkHandler.requestWithdrawal.selector;
        selectors[2] = NetworkHandler.claim.selector;
        selectors[3] = NetworkHandler.settle.selector;
        selectors[4] = NetworkHandler.halt.selector;
        selectors[5] = NetworkHandler.wait.selector;
        selectors[6] = NetworkHandler.openExit.selector;
        selectors[7] = NetworkHandler.exit.selector;
        selectors[8] = NetworkHandler.settle.selector; // twice as likely as the rest
        selectors[9] = NetworkHandler.claim.selector;
        aim(address(network), selectors);
    }

    /// @dev One campaign for all: the runner plays a campaign of its own for each such function.
    function invariant_network() external view {
        moneyIsConserved();
        supplyFollowsTheSchedule();
        epochsFollowEachOther();
    }

    /// @dev Invariant 3 of the design, and the books of the network against the Vault's.
    function moneyIsConserved() private view {
        for (uint256 a = 0; a < 2; ++a) {
            address asset = network.assets(a);
            (uint256 deposited, uint256 spent, uint256 earned, uint256 claimed, uint256 returned) =
                vault.totalsOf(asset);
            uint256 minted = asset == address(token) ? vault.mintedWei() : 0;
            vm.assertLe(claimed, earned, "claimed <= earned");
            vm.assertLe(earned, spent + minted, "earned <= spent + minted");
            vm.assertLe(spent, deposited, "spent <= deposited");
            vm.assertEq(deposited, network.sumOfDeposits(asset), "deposits");
            vm.assertEq(claimed + returned, network.sumOfPayments(asset), "payments");
        }
    }

    function supplyFollowsTheSchedule() private view {
        uint256 supply = token.totalSupply();
        vm.assertEq(supply, 100_003e18 + network.minted(), "genesis + minted");
        vm.assertLe(network.minted(), network.scheduleSoFar(), "above the schedule");
        vm.assertLe(supply, token.cap(), "above the cap");
    }

    function epochsFollowEachOther() private view {
        vm.assertEq(settlement.nextToFinalise(), network.epochs(), "finalised");
        vm.assertEq(settlement.nextToClose(), network.epochs(), "closed");
        vm.assertLe(
            settlement.closedSize(bytes32(uint256(0xA))),
            settlement.anchoredSize(bytes32(uint256(0xA))),
            "closed beyond the anchor"
        );
    }

    function afterInvariant() external {
        network.exitEverybody();
    }

    /// @dev The handler is not idle: one straight life passes through every gate.
    function test_a_life() external {
        network.deposit(0, 1_000);
        network.deposit(1 << 8, 2_003);
        network.settle(uint256(keccak256("one")));
        network.requestWithdrawal(0, 7);
        network.settle(3 * uint256(keccak256("two") >> 8));
        network.wait(2 * 907 - 1);
        for (uint256 i = 0; i < 10; ++i) {
            network.claim((i / 2) << 8 | i % 2, 1);
        }
        network.deposit(2 << 8, 11);
        network.openExit(0);
        network.exit(0);
        network.exitEverybody();
        vm.assertEq(network.epochs(), 2, "epochs");
        vm.assertEq(network.lies(), 1, "lies");
        vm.assertGe(network.payments(), 2, "payments");
    }
}
