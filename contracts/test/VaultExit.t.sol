// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PayoutRoots} from "../src/PayoutRoots.sol";
import {Vault} from "../src/Vault.sol";
import {AssetTotal} from "../src/Types.sol";
import {PayoutTree} from "./kit/PayoutTree.sol";
import {VaultBench} from "./kit/VaultBench.sol";

contract VaultExitTest is VaultBench {
    event ExitEntered(uint64 time);
    event Exited(address indexed asset, address indexed account, uint256 amount);

    AssetTotal[] private none;

    function setUp() external {
        deployBench();
    }

    /// @dev Epoch 0: alice deposited 100 and spent 71, of which bob earned 59 and she 5.
    function settled() private {
        vm.warp(GENESIS + 10);
        depositAs(alice, 100);
        leaf(alice, 5, 71);
        leaf(bob, 59, 0);
        vm.warp(endOf(0) + GRACE + CONFIRM);
        finaliseLeaves(0, 0);
    }

    function test_opens_when_nothing_was_finalised_for_long() external {
        settled();
        uint256 opensAt = block.timestamp + EXIT_AFTER;
        vm.warp(opensAt - 1);
        vm.expectRevert(abi.encodeWithSelector(Vault.ExitTooEarly.selector, opensAt));
        vault.enterExit();
        vm.warp(opensAt);
        vm.expectEmit(address(vault));
        emit ExitEntered(uint64(opensAt));
        vault.enterExit();
        vm.expectRevert(abi.encodeWithSelector(Vault.ExitOpen.selector, opensAt));
        vault.enterExit();
    }

    function test_counts_from_genesis_when_nothing_was_ever_finalised() external {
        vm.expectRevert(abi.encodeWithSelector(Vault.ExitTooEarly.selector, GENESIS + EXIT_AFTER));
        vault.enterExit();
        depositAs(alice, 100);
        vm.warp(GENESIS + EXIT_AFTER);
        vault.enterExit();
        vault.exitWithoutLeaf(address(euro), alice);
        vm.assertEq(euro.balanceOf(alice), 100, "everything back");
        vm.expectRevert(abi.encodeWithSelector(PayoutRoots.NoRoot.selector));
        vault.exit(address(euro), alice, 0, 0, new bytes32[](0));
    }

    function test_is_irreversible() external {
        settled();
        openExit();
        bytes memory refusal = abi.encodeWithSelector(Vault.ExitOpen.selector, vault.exitAt());
        vm.expectRevert(refusal);
        vault.finalise(1, 0, 0, none);
        vm.expectRevert(refusal);
        vault.depositFor(address(euro), alice, 1);
        vm.expectRevert(refusal);
        vm.prank(alice);
        vault.requestWithdrawal(address(euro), 1);
    }

    function test_is_shut_before() external {
        settled();
        bytes memory refusal = abi.encodeWithSelector(Vault.ExitShut.selector);
        vm.expectRevert(refusal);
        exitLeaf(0);
        vm.expectRevert(refusal);
        vault.exitWithoutLeaf(address(euro), alice);
    }

    function test_pays_unclaimed_earnings_and_unspent_deposits_once() external {
        settled();
        openExit();
        vm.expectEmit(address(vault));
        emit Exited(address(euro), alice, 5 + 29);
        exitLeaf(0);
        exitLeaf(1);
        vm.assertEq(euro.balanceOf(alice), 34, "alice");
        vm.assertEq(euro.balanceOf(bob), 59, "bob");
        vm.assertEq(euro.balanceOf(address(vault)), 7, "what nobody earned stays");
        bytes memory refusal =
            abi.encodeWithSelector(Vault.NothingToExit.selector, address(euro), alice);
        vm.expectRevert(refusal);
        exitLeaf(0);
        vm.expectRevert(
            abi.encodeWithSelector(Vault.NothingToClaim.selector, address(euro), bob, 59)
        );
        claimLeaf(1);
    }

    function test_claims_and_exits_in_any_order_pay_the_same() external {
        settled();
        vm.warp(block.timestamp + HOLD);
        claimLeaf(0);
        openExit();
        claimLeaf(1); // claims stay possible
        exitLeaf(0);
        vm.assertEq(euro.balanceOf(alice), 34, "alice");
        vm.assertEq(euro.balanceOf(bob), 59, "bob");
        vm.expectRevert(abi.encodeWithSelector(Vault.NothingToExit.selector, address(euro), bob));
        exitLeaf(1);
    }

    /// @dev Whatever hold and halt the bounds allow: when the exit opens, both have passed, and it
    /// pays against the last root.
    function testFuzz_no_halt_outlasts_the_wait_for_the_exit(
        uint256 hold,
        uint256 halted,
        uint256 wait,
        uint256 after_
    ) external {
        hold = within(hold, 1, 300_000);
        halted = within(halted, 0, 300_000);
        wait = within(wait, 600_000, 700_000);
        vm.prank(governance);
        policy.set("hold_s", int256(hold));
        vm.prank(governance);
        policy.set("exit_after_s", int256(wait));
        settled();
        uint256 opensAt = block.timestamp + wait;
        vm.warp(block.timestamp + within(after_, 0, hold - 1)); // in the hold
        vault.halt(0, uint64(block.timestamp + halted));
        vm.warp(opensAt - 1);
        vm.expectRevert(abi.encodeWithSelector(Vault.ExitTooEarly.selector, opensAt));
        vault.enterExit();
        vm.warp(opensAt);
        vault.enterExit();
        (uint64 epoch,) = vault.claimableRoot();
        vm.assertEq(epoch, 0, "in force when the exit opens");
        exitLeaf(0);
        exitLeaf(1);
        vm.assertEq(euro.balanceOf(alice), 34, "alice");
        vm.assertEq(euro.balanceOf(bob), 59, "bob");
    }

    function test_who_came_after_the_last_epoch_needs_no_leaf() external {
        vm.warp(endOf(0) - 1);
        depositAs(bob, 3); // in epoch 0: has a leaf
        vm.warp(endOf(0));
        depositAs(signer, 41); // in epoch 1: the last root does not know
        leaf(bob, 0, 1);
        leaf(signer, 1, 0); // earned before it first deposited
        finaliseLeaves(0, 0);
        openExit();
        vm.expectRevert(
            abi.encodeWithSelector(Vault.LeafNeeded.selector, address(euro), bob, endOf(0) - 1)
        );
        vault.exitWithoutLeaf(address(euro), bob);
        vault.exitWithoutLeaf(address(euro), signer);
        vm.assertEq(euro.balanceOf(signer), 41, "its deposit");
        vm.expectRevert(abi.encodeWithSelector(Vault.NothingToExit.selector, address(euro), signer));
        vault.exitWithoutLeaf(address(euro), signer);
        exitLeaf(1); // whoever made it exit without its leaf, its earnings are still there
        vm.assertEq(euro.balanceOf(signer), 42, "and its earnings");
        exitLeaf(0);
        vm.assertEq(euro.balanceOf(bob), 2, "bob by his leaf");
        vm.assertEq(euro.balanceOf(address(vault)), 0, "all is paid");
    }

    function test_forged_leaves_and_leaves_beyond_the_totals_are_not_paid() external {
        vm.warp(GENESIS);
        depositAs(alice, 100);
        leaf(alice, 0, 60); // the totals say that 71 was spent
        vault.finalise(0, PayoutTree.root(leaves), 0, total(address(euro), 0, 71));
        openExit();
        vm.expectRevert(
            abi.encodeWithSelector(Vault.ReturnsExceedUnspent.selector, address(euro), 40, 29)
        );
        exitLeaf(0);
        vm.expectRevert(
            abi.encodeWithSelector(PayoutRoots.InvalidProof.selector, address(euro), alice, 0)
        );
        vault.exit(address(euro), alice, 0, 59, new bytes32[](0));
    }
}
