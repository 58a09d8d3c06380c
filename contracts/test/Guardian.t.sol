// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Guardian} from "../src/Guardian.sol";
import {Settlement} from "../src/Settlement.sol";
import {AssetTotal, Result} from "../src/Types.sol";
import {PayoutTree} from "./kit/PayoutTree.sol";
import {World} from "./kit/World.sol";

contract GuardianTest is World {
    event Appointed(address indexed holder, uint64 until);
    event Halted(uint64 indexed epoch, address indexed holder, uint64 readyAt);

    address private immutable alice = named("alice");
    address private immutable bob = named("bob");

    function setUp() external {
        deploy();
        populate();
    }

    /// @dev Finalises the next epoch with nothing in it.
    function next(uint64 epoch) private {
        if (block.timestamp < endOf(epoch) + GRACE + CONFIRM) warpToDeadline(epoch);
        settlement.close(epoch);
        agree(epoch, resultFor(epoch, bytes32(uint256(epoch) + 1), 0, new AssetTotal[](0)));
    }

    function haltAs(address account, uint64 epoch) private {
        vm.prank(account);
        guardian.halt(epoch);
    }

    function appointAs(address account, address newHolder, uint64 until) private {
        vm.prank(account);
        guardian.appoint(newHolder, until);
    }

    // --- halting -----------------------------------------------------------------------------

    function test_the_holder_stops_a_root_and_must_then_wait() external {
        next(0);
        uint64 readyAt = uint64(block.timestamp) + HALT + COOLDOWN;
        vm.expectEmit(address(guardian));
        emit Halted(0, holder, readyAt);
        haltAs(holder, 0);
        vm.assertEq(guardian.readyAt(), readyAt, "ready at");
        (, bool halted) = settlement.holdOf(0);
        vm.assertTrue(halted, "stopped");
        next(1);
        vm.expectRevert(abi.encodeWithSelector(Guardian.NotReady.selector, readyAt));
        haltAs(holder, 1);
        vm.warp(readyAt - 1);
        next(2);
        vm.expectRevert(abi.encodeWithSelector(Guardian.NotReady.selector, readyAt));
        haltAs(holder, 2);
        vm.warp(readyAt);
        haltAs(holder, 2);
    }

    function test_nobody_else_halts() external {
        next(0);
        address[3] memory others = [governance, founder, alice];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Guardian.NotHolder.selector, others[i]));
            haltAs(others[i], 0);
        }
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotVerifier.selector, holder, 0));
        vm.prank(holder);
        settlement.halt(0); // the key alone is nothing to Settlement
    }

    function test_what_cannot_be_stopped_costs_no_wait() external {
        next(0);
        uint256 holdEnds = block.timestamp + HOLD;
        vm.warp(holdEnds);
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotInHold.selector, 0, holdEnds));
        haltAs(holder, 0);
        vm.assertEq(guardian.readyAt(), 0, "no wait");
    }

    function test_the_halt_is_as_long_as_in_its_epoch() external {
        vm.warp(GENESIS);
        vm.prank(governance);
        policy.set("halt_s", 250_007); // from epoch 1 on
        next(0);
        haltAs(holder, 0);
        vm.assertEq(guardian.readyAt(), block.timestamp + HALT + COOLDOWN, "halt of epoch 0");
        (,, uint64 claimableAt) = vault.lastRoot();
        vm.assertEq(claimableAt, block.timestamp + HALT, "the same as the Vault's");
    }

    /// @dev Whatever is voted within the bounds: a stopped root is in force before the next halt.
    function testFuzz_what_was_stopped_comes_into_force_before_the_next_halt(
        uint256 hold,
        uint256 halted,
        uint256 wait
    ) external {
        vm.prank(governance);
        policy.set("hold_s", int256(within(hold, 1, 300_000)));
        vm.prank(governance);
        policy.set("halt_s", int256(within(halted, 0, 300_000)));
        vm.prank(governance);
        policy.set("guardian_cooldown_s", int256(within(wait, 300_001, 1_000_000)));
        next(0);
        haltAs(holder, 0);
        next(1); // waits behind it
        vm.warp(guardian.readyAt() > block.timestamp ? guardian.readyAt() : block.timestamp);
        (uint64 epoch, bytes32 root) = vault.claimableRoot(); // reverts where none is in force
        vm.assertEq(root, bytes32(uint256(epoch) + 1), "the stopped one or the one behind it");
    }

    // --- what is out of reach ----------------------------------------------------------------

    /// @dev Two members, one root in force, one in its hold and stopped.
    function stopped() private returns (PayoutTree.Leaf[] memory leaves) {
        vm.warp(GENESIS);
        depositAs(alice, 100);
        leaves = new PayoutTree.Leaf[](2);
        leaves[0] = PayoutTree.Leaf(address(euro), alice, 0, 71);
        leaves[1] = PayoutTree.Leaf(address(euro), bob, 71, 0);
        settle(0, leaves);
        vm.warp(block.timestamp + HOLD);
        settle(1, leaves);
        haltAs(holder, 1);
    }

    function settle(uint64 epoch, PayoutTree.Leaf[] memory leaves) private {
        if (block.timestamp < endOf(epoch) + GRACE + CONFIRM) warpToDeadline(epoch);
        settlement.close(epoch);
        AssetTotal[] memory totals = new AssetTotal[](1);
        totals[0] = AssetTotal(address(euro), 71, 71);
        Result memory result = resultFor(epoch, PayoutTree.root(leaves), 0, totals);
        agree(epoch, result);
    }

    function test_claims_of_a_root_in_force_go_on() external {
        PayoutTree.Leaf[] memory leaves = stopped();
        vm.expectRevert(
            abi.encodeWithSelector(Guardian.NotReady.selector, block.timestamp + HALT + COOLDOWN)
        );
        haltAs(holder, 0);
        vault.claim(address(euro), bob, 71, 0, PayoutTree.proof(leaves, leaves[1]));
        vm.assertEq(euro.balanceOf(bob), 71, "paid");
    }

    function test_the_exit_opens_and_pays() external {
        PayoutTree.Leaf[] memory leaves = stopped();
        vm.warp(block.timestamp + EXIT_AFTER);
        vault.enterExit();
        (uint64 holdEnds,) = settlement.holdOf(1);
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotInHold.selector, 1, holdEnds));
        haltAs(holder, 1);
        vault.exit(address(euro), bob, 71, 0, PayoutTree.proof(leaves, leaves[1]));
        vault.exit(address(euro), alice, 0, 71, PayoutTree.proof(leaves, leaves[0]));
        vm.assertEq(euro.balanceOf(bob), 71, "bob");
        vm.assertEq(euro.balanceOf(alice), 29, "alice");
    }

    // --- the office --------------------------------------------------------------------------

    function test_the_term_ends_by_itself() external {
        uint64 until = guardian.until();
        vm.assertEq(until, GENESIS - 500 + TERM, "first term");
        vm.warp(until - 1);
        next(0);
        vm.warp(until);
        vm.expectRevert(abi.encodeWithSelector(Guardian.TermOver.selector, until));
        haltAs(holder, 0);
        vm.expectEmit(address(guardian));
        emit Appointed(holder, until + 365 days);
        appointAs(governance, holder, until + 365 days);
        haltAs(holder, 0);
    }

    function test_no_term_is_longer_than_a_year() external {
        uint256 latest = block.timestamp + 365 days;
        vm.expectRevert(
            abi.encodeWithSelector(Guardian.TermTooLong.selector, uint64(latest + 1), latest)
        );
        appointAs(governance, alice, uint64(latest + 1));
        vm.expectRevert(
            abi.encodeWithSelector(Guardian.TermTooLong.selector, uint64(latest + 1), latest)
        );
        new Guardian(
            governance,
            founder,
            GENESIS,
            address(settlement),
            address(policy),
            holder,
            uint64(latest + 1)
        );
        appointAs(governance, alice, uint64(latest));
        vm.assertEq(guardian.holder(), alice, "holder");
    }

    function test_a_new_holder_waits_as_the_old_one_would_have() external {
        next(0);
        haltAs(holder, 0);
        uint64 readyAt = guardian.readyAt();
        appointAs(governance, alice, readyAt + 1);
        next(1);
        vm.expectRevert(abi.encodeWithSelector(Guardian.NotHolder.selector, holder));
        haltAs(holder, 1);
        vm.expectRevert(abi.encodeWithSelector(Guardian.NotReady.selector, readyAt));
        haltAs(alice, 1);
    }

    function test_governance_dismisses() external {
        appointAs(governance, address(0), 0);
        next(0);
        vm.expectRevert(abi.encodeWithSelector(Guardian.NotHolder.selector, holder));
        haltAs(holder, 0);
    }

    function test_nobody_appoints_itself() external {
        vm.warp(GENESIS);
        address[3] memory others = [holder, founder, alice];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, others[i])
            );
            appointAs(others[i], others[i], GENESIS + 1);
        }
    }
}
