// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PayoutRoots} from "../src/PayoutRoots.sol";
import {AssetTotal} from "../src/Types.sol";
import {VaultBench} from "./kit/VaultBench.sol";

/// @notice Which root is in force when, and what a halt does to it.
contract VaultRootsTest is VaultBench {
    event RootDelayed(uint64 indexed epoch, uint64 claimableAt);

    AssetTotal[] private none;

    function setUp() external {
        deployBench();
    }

    function current() private view returns (uint64 epoch) {
        (epoch,) = vault.claimableRoot();
    }

    function test_a_root_waits_for_its_hold() external {
        vm.expectRevert(abi.encodeWithSelector(PayoutRoots.NothingClaimable.selector));
        vault.claimableRoot();
        vm.expectRevert(abi.encodeWithSelector(PayoutRoots.NoRoot.selector));
        vault.lastRoot();
        vm.warp(GENESIS);
        vault.finalise(0, 0, 0, none);
        vm.warp(GENESIS + HOLD - 1);
        vm.expectRevert(abi.encodeWithSelector(PayoutRoots.NothingClaimable.selector));
        vault.claim(address(euro), alice, 1, 0, new bytes32[](0));
        vm.warp(GENESIS + HOLD);
        vm.assertEq(current(), 0, "claimable");
    }

    function test_the_old_root_stays_while_the_new_one_waits() external {
        vm.warp(GENESIS);
        vault.finalise(0, 0, 0, none);
        vm.warp(GENESIS + HOLD);
        vault.finalise(1, 0, 0, none);
        vm.assertEq(current(), 0, "0 while 1 waits");
        vm.warp(GENESIS + 2 * HOLD);
        vm.assertEq(current(), 1, "then 1");
    }

    /// @dev Epochs shorter than the hold: whatever is finalised, claims lag two holds at most.
    function testFuzz_claims_lag_two_holds_at_most(uint256 seed) external {
        uint64[] memory finalisedAt = new uint64[](24);
        vm.warp(GENESIS);
        for (uint64 epoch = 0; epoch < 24; ++epoch) {
            uint256 gap = uint256(keccak256(abi.encode(seed, epoch))) % (HOLD / 2);
            vm.warp(block.timestamp + gap);
            vault.finalise(epoch, bytes32(uint256(epoch) + 1), 0, none);
            finalisedAt[epoch] = uint64(block.timestamp);
            for (uint64 old = 0; old <= epoch; ++old) {
                if (block.timestamp < finalisedAt[old] + HOLD) {
                    vm.assertTrue(!claimableYet(old), "claimable in its hold");
                } else if (block.timestamp >= finalisedAt[old] + 2 * HOLD) {
                    vm.assertTrue(claimableYet(old), "lags more than two holds");
                }
            }
        }
        vm.warp(block.timestamp + 2 * HOLD);
        (uint64 last, bytes32 root) = vault.claimableRoot();
        vm.assertEq(last, 23, "the last one comes");
        vm.assertEq(root, bytes32(uint256(24)), "with its root");
    }

    function claimableYet(uint64 epoch) private view returns (bool) {
        try vault.claimableRoot() returns (uint64 now_, bytes32) {
            return now_ >= epoch;
        } catch {
            return false;
        }
    }

    function test_a_halted_root_waits_and_the_next_behind_it() external {
        vm.warp(GENESIS);
        vault.finalise(0, 0, 0, none);
        vm.warp(GENESIS + HOLD);
        vault.finalise(1, 0, 0, none);
        uint64 until = uint64(block.timestamp) + HALT;
        vm.expectEmit(address(vault));
        emit RootDelayed(1, until);
        vault.halt(1, until);
        vault.finalise(2, 0, 0, none);
        vm.warp(until - 1);
        vm.assertEq(current(), 0, "both wait");
        vm.warp(until);
        vm.assertEq(current(), 2, "both are in force");
    }

    function test_a_later_root_does_not_overtake_a_halted_one() external {
        vm.warp(GENESIS);
        vault.finalise(0, 0, 0, none); // waits
        vault.finalise(1, 0, 0, none); // waits behind it
        uint64 until = GENESIS + HALT;
        vault.halt(1, until);
        vault.finalise(2, 0, 0, none); // replaces 1 and carries what 1 earned
        vm.warp(GENESIS + HOLD);
        vm.assertEq(current(), 0, "0 was not halted");
        vm.warp(until - 1);
        vm.assertEq(current(), 0, "2 waits for 1");
        vm.warp(until);
        vm.assertEq(current(), 2, "then it is in force");
    }

    function test_halting_a_replaced_root_stops_what_replaced_it() external {
        vm.warp(GENESIS);
        vault.finalise(0, 0, 0, none);
        vault.finalise(1, 0, 0, none);
        vault.finalise(2, 0, 0, none);
        vm.expectEmit(address(vault));
        emit RootDelayed(2, GENESIS + HALT);
        vault.halt(1, GENESIS + HALT);
    }

    function test_what_is_in_force_or_unknown_cannot_be_halted() external {
        vm.warp(GENESIS);
        vault.finalise(0, 0, 0, none);
        vm.warp(GENESIS + HOLD);
        vm.expectRevert(abi.encodeWithSelector(PayoutRoots.NotHeld.selector, 0));
        vault.halt(0, GENESIS + HALT);
        vm.expectRevert(abi.encodeWithSelector(PayoutRoots.NotHeld.selector, 1));
        vault.halt(1, GENESIS + HALT);
    }
}
