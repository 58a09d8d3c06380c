// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Settlement} from "../src/Settlement.sol";
import {AssetTotal, Result} from "../src/Types.sol";
import {World} from "./kit/World.sol";

/// @notice Who stops a root in its hold period, and when.
contract SettlementHaltTest is World {
    event HaltVoted(uint64 indexed epoch, address indexed verifier, uint256 stake);
    event Halted(uint64 indexed epoch, uint64 until);

    function setUp() external {
        deploy();
        populate();
    }

    function plainResult(uint64 epoch) private view returns (Result memory) {
        return resultFor(epoch, keccak256("root"), 0, new AssetTotal[](0));
    }

    function test_the_guardian_stops_a_root_once() external {
        closeEmpty(0);
        agree(0, plainResult(0));
        uint64 until = uint64(block.timestamp) + HALT;
        vm.expectEmit(address(settlement));
        emit Halted(0, until);
        vm.prank(holder);
        guardian.halt(0);
        (,, uint64 claimableAt) = vault.lastRoot();
        vm.assertEq(claimableAt, until, "the root waits");
        vm.expectRevert(abi.encodeWithSelector(Settlement.AlreadyHalted.selector, 0));
        vm.prank(address(guardian));
        settlement.halt(0);
    }

    function test_verifiers_who_could_prevent_a_quorum_stop_a_root() external {
        closeEmpty(0);
        agree(0, plainResult(0));
        vm.expectEmit(address(settlement));
        emit HaltVoted(0, verifiers[3], 1_021e18);
        vm.prank(verifiers[3]);
        settlement.halt(0);
        (, bool halted) = settlement.holdOf(0);
        vm.assertTrue(!halted, "one is not enough");
        vm.expectRevert(abi.encodeWithSelector(Settlement.AlreadyVoted.selector, 0, verifiers[3]));
        vm.prank(verifiers[3]);
        settlement.halt(0);
        vm.prank(verifiers[0]);
        settlement.halt(0);
        (, halted) = settlement.holdOf(0);
        vm.assertTrue(halted, "two of four are");
    }

    function test_stops_only_in_the_hold_period() external {
        closeEmpty(0);
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotInHold.selector, 0, 0));
        vm.prank(holder);
        guardian.halt(0);
        agree(0, plainResult(0));
        uint256 holdEnds = block.timestamp + HOLD;
        vm.warp(holdEnds);
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotInHold.selector, 0, holdEnds));
        vm.prank(holder);
        guardian.halt(0);
    }

    function test_strangers_stop_nothing() external {
        closeEmpty(0);
        agree(0, plainResult(0));
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotVerifier.selector, treasury, 0));
        vm.prank(treasury);
        settlement.halt(0);
    }
}
