// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {
    GovernorTimelockControl
} from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import {CommonsTimelock} from "../src/CommonsTimelock.sol";
import {Policy} from "../src/Policy.sol";
import {Parameter} from "../src/Types.sol";
import {GovernmentVm, GovernmentWorld, Thing} from "./GovernmentWorld.t.sol";

/// @notice A target that carries out its own operation once more while it is carried out.
contract Reentrant {
    CommonsTimelock private immutable _timelock;
    bytes32 private _salt;
    uint256 public calls;

    constructor(CommonsTimelock timelock) {
        _timelock = timelock;
    }

    function aim(bytes32 salt) external {
        _salt = salt;
    }

    function touch() external {
        if (++calls > 1) return;
        _timelock.execute(address(this), 0, abi.encodeCall(this.touch, ()), 0, _salt);
    }
}

contract GovernmentTimelockTest is GovernmentWorld {
    event ReplacementScheduled(bytes32 indexed id, uint256 readyAt);

    bytes32 private constant SALT = "salt";

    function setUp() external {
        deployToken();
    }

    // --- helpers: what the governor says to the timelock -------------------------------------

    function scheduleOne(address target, bytes memory data, uint256 delay)
        private
        returns (bytes32)
    {
        vm.prank(address(governor));
        timelock.schedule(target, 0, data, 0, SALT, delay);
        return timelock.hashOperation(target, 0, data, 0, SALT);
    }

    function scheduleAll(Plan memory p, uint256 delay) private returns (bytes32) {
        vm.prank(address(governor));
        timelock.scheduleBatch(p.targets, p.values, p.calldatas, 0, SALT, delay);
        return timelock.hashOperationBatch(p.targets, p.values, p.calldatas, 0, SALT);
    }

    function run(address target, bytes memory data) private {
        timelock.execute(target, 0, data, 0, SALT);
    }

    function requireDelay(bytes32 id, uint256 delay) private view {
        vm.assertEq(timelock.getTimestamp(id), block.timestamp + delay, "delay");
    }

    function touch() private pure returns (bytes memory) {
        return abi.encodeCall(Thing.touch, ());
    }

    function transfer() private view returns (bytes memory) {
        return abi.encodeCall(Ownable.transferOwnership, (stranger));
    }

    function replacing() private pure returns (bytes4[7] memory) {
        return [
            Ownable.transferOwnership.selector,
            Ownable.renounceOwnership.selector,
            IAccessControl.grantRole.selector,
            IAccessControl.revokeRole.selector,
            IAccessControl.renounceRole.selector,
            TimelockController.updateDelay.selector,
            GovernorTimelockControl.updateTimelock.selector
        ];
    }

    function notReady(bytes32 id) private pure returns (bytes memory) {
        return abi.encodeWithSelector(
            TimelockController.TimelockUnexpectedOperationState.selector,
            id,
            bytes32(uint256(1) << uint8(TimelockController.OperationState.Ready))
        );
    }

    function lacks(address account, bytes32 role) private pure returns (bytes memory) {
        return abi.encodeWithSelector(
            IAccessControl.AccessControlUnauthorizedAccount.selector, account, role
        );
    }

    // --- who may what ------------------------------------------------------------------------

    /// @dev Every role that was ever given, from the events of the construction.
    function test_roles_after_construction() external {
        address governor_ = named("another governor");
        gvm.recordLogs();
        CommonsTimelock fresh = new CommonsTimelock(governor_, policy);
        GovernmentVm.Log[] memory logs = gvm.getRecordedLogs();
        bytes32[4] memory roles =
            [bytes32(0), fresh.PROPOSER_ROLE(), fresh.CANCELLER_ROLE(), fresh.EXECUTOR_ROLE()];
        address[4] memory holders = [address(fresh), governor_, governor_, address(0)];
        uint256 granted = 0;
        for (uint256 i = 0; i < logs.length; ++i) {
            bytes32 topic = logs[i].topics[0];
            if (topic == TimelockController.MinDelayChange.selector) continue;
            vm.assertEq(topic, IAccessControl.RoleGranted.selector, "nothing but grants");
            vm.assertEq(logs[i].topics[1], roles[granted], "role");
            vm.assertEq(
                logs[i].topics[2], bytes32(uint256(uint160(holders[granted]))), "its holder"
            );
            ++granted;
        }
        vm.assertEq(granted, 4, "roles");
        for (uint256 i = 0; i < roles.length; ++i) {
            vm.assertEq(fresh.getRoleAdmin(roles[i]), bytes32(0), "the admin of each role");
            vm.assertTrue(!fresh.hasRole(roles[i], address(this)), "the deployer has none");
        }
        vm.assertTrue(fresh.hasRole(0, address(fresh)), "nobody is admin but itself");
    }

    function test_only_the_governor_schedules_and_cancels() external {
        bytes32 proposer = timelock.PROPOSER_ROLE();
        bytes32 canceller = timelock.CANCELLER_ROLE();
        Plan memory p = touchPlan();
        bytes32 id = scheduleAll(p, TIMELOCK_DELAY);
        address[4] memory callers = [stranger, founder, ann, address(timelock)];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.expectRevert(lacks(callers[i], proposer));
            vm.prank(callers[i]);
            timelock.schedule(address(thing), 0, touch(), 0, SALT, REPLACEMENT_DELAY);
            vm.expectRevert(lacks(callers[i], proposer));
            vm.prank(callers[i]);
            timelock.scheduleBatch(p.targets, p.values, p.calldatas, 0, "other", REPLACEMENT_DELAY);
            vm.expectRevert(lacks(callers[i], canceller));
            vm.prank(callers[i]);
            timelock.cancel(id);
        }
        vm.prank(address(governor));
        timelock.cancel(id);
        vm.assertEq(timelock.getTimestamp(id), 0, "cancelled");
    }

    function test_nobody_gives_roles() external {
        bytes32 proposer = timelock.PROPOSER_ROLE();
        address[3] memory callers = [stranger, founder, address(governor)];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.expectRevert(lacks(callers[i], 0));
            vm.prank(callers[i]);
            timelock.grantRole(proposer, stranger);
            vm.expectRevert(lacks(callers[i], 0));
            vm.prank(callers[i]);
            timelock.revokeRole(proposer, address(governor));
        }
    }

    function test_everybody_carries_out() external {
        bytes32 id = scheduleOne(address(thing), touch(), TIMELOCK_DELAY);
        vm.warp(block.timestamp + TIMELOCK_DELAY - 1);
        vm.expectRevert(notReady(id));
        run(address(thing), touch());
        vm.warp(block.timestamp + 1);
        vm.prank(stranger);
        run(address(thing), touch());
        vm.assertEq(thing.lastCaller(), address(timelock), "by the timelock");
        vm.expectRevert(notReady(id));
        run(address(thing), touch());
    }

    function test_keeps_money() external {
        gvm.deal(address(this), 5);
        (bool paid,) = address(timelock).call{value: 5}("");
        vm.assertTrue(paid, "takes ether");
        vm.prank(address(governor));
        timelock.schedule(address(thing), 3, "", 0, SALT, TIMELOCK_DELAY);
        vm.warp(block.timestamp + TIMELOCK_DELAY);
        timelock.execute(address(thing), 3, "", 0, SALT);
        vm.assertEq(address(thing).balance, 3, "and spends it");
    }

    // --- the delay is policy -----------------------------------------------------------------

    function test_the_delay_follows_policy_by_epoch() external {
        vm.assertEq(timelock.getMinDelay(), TIMELOCK_DELAY, "at first");
        vm.assertEq(timelock.replacementDelay(), REPLACEMENT_DELAY, "for a replacement");
        vm.prank(address(timelock));
        policy.set("timelock_delay_s", 3_607);
        vm.assertEq(timelock.getMinDelay(), TIMELOCK_DELAY, "in this epoch");
        vm.warp(GENESIS + 4 * LENGTH);
        vm.assertEq(timelock.getMinDelay(), 3_607, "in the next");
        vm.assertEq(timelock.replacementDelay(), EXIT_AFTER + 3_607, "for a replacement");
    }

    function test_refuses_a_shorter_delay() external {
        vm.expectRevert(
            abi.encodeWithSelector(
                TimelockController.TimelockInsufficientDelay.selector,
                TIMELOCK_DELAY - 1,
                TIMELOCK_DELAY
            )
        );
        vm.prank(address(governor));
        timelock.schedule(address(thing), 0, touch(), 0, SALT, TIMELOCK_DELAY - 1);
    }

    function test_nobody_sets_the_delay() external {
        bytes memory refusal = abi.encodeWithSelector(CommonsTimelock.DelayIsPolicy.selector);
        vm.expectRevert(refusal);
        timelock.updateDelay(0);
        vm.expectRevert(refusal);
        vm.prank(address(timelock));
        timelock.updateDelay(0);
        bytes memory data = abi.encodeCall(TimelockController.updateDelay, (0));
        scheduleOne(address(timelock), data, 0);
        vm.warp(block.timestamp + REPLACEMENT_DELAY);
        vm.expectRevert(refusal);
        run(address(timelock), data);
    }

    // --- what replaces a part waits longer ---------------------------------------------------

    function test_each_way_to_replace_waits() external {
        bytes4[7] memory selectors = replacing();
        for (uint256 i = 0; i < selectors.length; ++i) {
            bytes memory data = abi.encodePacked(selectors[i], uint256(i));
            vm.assertTrue(timelock.isReplacing(data), "replaces");
            bytes32 id = timelock.hashOperation(address(thing), 0, data, 0, SALT);
            vm.expectEmit(address(timelock));
            emit ReplacementScheduled(id, block.timestamp + REPLACEMENT_DELAY);
            scheduleOne(address(thing), data, 0);
            requireDelay(id, REPLACEMENT_DELAY);
            vm.assertEq(timelock.replacementScheduledAt(id), block.timestamp, "since when");
        }
    }

    /// @dev A whole replacement: not a second earlier, and then it is done.
    function test_ownership_moves_after_the_longer_delay() external {
        bytes32 id = scheduleOne(address(policy), transfer(), TIMELOCK_DELAY);
        vm.warp(block.timestamp + REPLACEMENT_DELAY - 1);
        vm.expectRevert(notReady(id));
        run(address(policy), transfer());
        vm.warp(block.timestamp + 1);
        run(address(policy), transfer());
        vm.assertEq(policy.owner(), stranger, "owner");
    }

    /// @dev Wherever in a batch it stands.
    function testFuzz_a_batch_hides_nothing(uint8 harmless, uint8 place) external {
        uint256 n = within(harmless, 0, 9);
        Plan memory p;
        for (uint256 i = 0; i <= n; ++i) {
            bool here = i == place % (n + 1);
            p = and(p, here ? address(policy) : address(thing), here ? transfer() : touch());
        }
        vm.assertEq(timelock.requiredDelay(p.calldatas), REPLACEMENT_DELAY, "said before");
        bytes32 id = scheduleAll(p, TIMELOCK_DELAY);
        requireDelay(id, REPLACEMENT_DELAY);
        vm.warp(block.timestamp + REPLACEMENT_DELAY - 1);
        vm.expectRevert(notReady(id));
        timelock.executeBatch(p.targets, p.values, p.calldatas, 0, SALT);
        vm.warp(block.timestamp + 1);
        timelock.executeBatch(p.targets, p.values, p.calldatas, 0, SALT);
        vm.assertEq(policy.owner(), stranger, "owner");
        vm.assertEq(thing.calls(), n, "and all the rest");
    }

    function test_harmless_calls_wait_as_usual() external {
        Plan memory p = and(touchPlan(), address(policy), abi.encodeCall(Policy.set, (FEE, 1)));
        vm.assertEq(timelock.requiredDelay(p.calldatas), TIMELOCK_DELAY, "said before");
        bytes32 id = scheduleAll(p, TIMELOCK_DELAY);
        requireDelay(id, TIMELOCK_DELAY);
        vm.assertEq(timelock.replacementScheduledAt(id), 0, "no replacement");
    }

    /// @dev A longer delay than the one due is kept.
    function test_a_longer_wish_is_granted() external {
        requireDelay(scheduleOne(address(thing), transfer(), 1e8), 1e8);
        requireDelay(scheduleOne(address(thing), touch(), 1e8), 1e8);
    }

    function test_an_empty_batch_is_harmless() external {
        Plan memory p;
        requireDelay(scheduleAll(p, TIMELOCK_DELAY), TIMELOCK_DELAY);
    }

    // --- no way around it --------------------------------------------------------------------

    /// @dev Calldata shorter than a selector names no function.
    function test_short_calldata() external {
        bytes4[7] memory selectors = replacing();
        for (uint256 i = 0; i < selectors.length; ++i) {
            for (uint256 length = 0; length < 4; ++length) {
                bytes memory data = new bytes(length);
                for (uint256 j = 0; j < length; ++j) {
                    data[j] = selectors[i][j];
                }
                vm.assertTrue(!timelock.isReplacing(data), "names nothing");
            }
        }
        requireDelay(scheduleOne(address(thing), "", TIMELOCK_DELAY), TIMELOCK_DELAY);
        requireDelay(scheduleOne(address(thing), hex"f2fde3", TIMELOCK_DELAY), TIMELOCK_DELAY);
        vm.assertTrue(timelock.isReplacing(abi.encodePacked(replacing()[0])), "a bare selector");
    }

    /// @dev The first four bytes decide, and nothing else does.
    function testFuzz_the_selector_decides(bytes4 selector, bytes calldata rest, uint8 which)
        external
        view
    {
        bytes4[7] memory selectors = replacing();
        vm.assertTrue(
            timelock.isReplacing(abi.encodePacked(selectors[which % 7], rest)), "replaces"
        );
        for (uint256 i = 0; i < selectors.length; ++i) {
            if (selector == selectors[i]) return;
        }
        if (selector == Governor.relay.selector) return;
        vm.assertTrue(!timelock.isReplacing(abi.encodePacked(selector, rest)), "does not");
    }

    /// @dev The governor could be made to give up its own role: what it relays is looked into.
    function testFuzz_relayed_calls_are_looked_into(uint8 depth, uint8 which) external view {
        bytes memory harmful = abi.encodePacked(replacing()[which % 7], uint256(1), uint256(2));
        bytes memory harmless = touch();
        for (uint256 i = 0; i < within(depth, 1, 5); ++i) {
            harmful = abi.encodeCall(Governor.relay, (address(timelock), 0, harmful));
            harmless = abi.encodeCall(Governor.relay, (address(timelock), 0, harmless));
        }
        vm.assertTrue(timelock.isReplacing(harmful), "replaces");
        vm.assertTrue(!timelock.isReplacing(harmless), "does not");
    }

    function test_a_relay_that_cannot_be_read_cannot_be_scheduled() external {
        bytes memory data = abi.encodePacked(Governor.relay.selector, uint256(1), uint256(2));
        vm.prank(address(governor));
        (bool done,) = address(timelock)
            .call(
                abi.encodeCall(
                    TimelockController.schedule,
                    (address(governor), 0, data, 0, SALT, REPLACEMENT_DELAY)
                )
            );
        vm.assertTrue(!done, "refused");
    }

    /// @dev An operation that schedules another one from within the timelock is refused: the
    /// timelock is no proposer of its own.
    function test_the_timelock_does_not_schedule_for_itself() external {
        bytes memory inner = abi.encodeCall(
            TimelockController.schedule, (address(policy), 0, transfer(), 0, "inner", 0)
        );
        bytes32 id = scheduleOne(address(timelock), inner, TIMELOCK_DELAY);
        requireDelay(id, TIMELOCK_DELAY);
        vm.warp(block.timestamp + TIMELOCK_DELAY);
        vm.expectRevert(lacks(address(timelock), timelock.PROPOSER_ROLE()));
        run(address(timelock), inner);
    }

    /// @dev Nor does it carry out what nobody scheduled.
    function test_the_timelock_does_not_carry_out_the_unscheduled() external {
        bytes memory inner = abi.encodeCall(
            TimelockController.execute, (address(policy), 0, transfer(), 0, "inner")
        );
        scheduleOne(address(timelock), inner, TIMELOCK_DELAY);
        vm.warp(block.timestamp + TIMELOCK_DELAY);
        bytes32 id = timelock.hashOperation(address(policy), 0, transfer(), 0, "inner");
        vm.expectRevert(notReady(id));
        run(address(timelock), inner);
    }

    /// @dev Two decisions together are no shorter way out than one: a longer exit, voted while a
    /// replacement waits, holds it up too.
    function test_a_longer_exit_holds_up_what_waits() external {
        uint256 start = gvm.getBlockTimestamp();
        bytes32 id = scheduleOne(address(policy), transfer(), 0);
        vm.prank(address(timelock));
        policy.set("exit_after_s", 31_536_000);
        requireDelay(id, REPLACEMENT_DELAY);
        vm.warp(start + REPLACEMENT_DELAY);
        vm.expectRevert(notReady(id));
        run(address(policy), transfer());
        vm.assertEq(timelock.getTimestamp(id), start + 31_536_000 + TIMELOCK_DELAY, "ready at");
        vm.warp(start + 31_536_000 + TIMELOCK_DELAY);
        run(address(policy), transfer());
        vm.assertEq(policy.owner(), stranger, "owner");
    }

    function test_a_shorter_exit_hurries_nothing() external {
        uint256 start = gvm.getBlockTimestamp();
        bytes32 id = scheduleOne(address(policy), transfer(), 0);
        vm.prank(address(timelock));
        policy.set("exit_after_s", 1_296_000);
        vm.warp(start + LENGTH);
        vm.assertEq(timelock.getTimestamp(id), start + REPLACEMENT_DELAY, "as announced");
    }

    function test_cancelled_and_scheduled_again_it_waits_again() external {
        bytes32 id = scheduleOne(address(policy), transfer(), 0);
        vm.warp(block.timestamp + REPLACEMENT_DELAY);
        vm.prank(address(governor));
        timelock.cancel(id);
        vm.assertEq(timelock.getTimestamp(id), 0, "unknown");
        scheduleOne(address(policy), transfer(), 0);
        requireDelay(id, REPLACEMENT_DELAY);
    }

    function test_a_done_replacement_is_done() external {
        bytes32 id = scheduleOne(address(policy), transfer(), 0);
        vm.warp(block.timestamp + REPLACEMENT_DELAY);
        run(address(policy), transfer());
        vm.assertEq(timelock.getTimestamp(id), 1, "done");
        vm.expectRevert(notReady(id));
        run(address(policy), transfer());
    }

    // --- what nobody carries out is void -----------------------------------------------------

    function test_a_decision_lapses() external {
        bytes32 id = scheduleOne(address(thing), touch(), TIMELOCK_DELAY);
        uint256 expiresAt = block.timestamp + TIMELOCK_DELAY + LIFE;
        vm.warp(expiresAt);
        vm.expectRevert(
            abi.encodeWithSelector(CommonsTimelock.OperationExpired.selector, id, expiresAt)
        );
        run(address(thing), touch());
        vm.warp(expiresAt - 1);
        run(address(thing), touch());
        vm.assertEq(thing.calls(), 1, "just in time");
    }

    function test_a_batch_lapses() external {
        Plan memory p = touchPlan();
        bytes32 id = scheduleAll(p, TIMELOCK_DELAY);
        uint256 expiresAt = block.timestamp + TIMELOCK_DELAY + LIFE;
        vm.warp(expiresAt);
        vm.expectRevert(
            abi.encodeWithSelector(CommonsTimelock.OperationExpired.selector, id, expiresAt)
        );
        timelock.executeBatch(p.targets, p.values, p.calldatas, 0, SALT);
        vm.warp(expiresAt - 1);
        timelock.executeBatch(p.targets, p.values, p.calldatas, 0, SALT);
        vm.assertEq(thing.calls(), 1, "just in time");
    }

    // --- hostile targets, unsafe policy ------------------------------------------------------

    /// @dev Who carries out its own operation once more in the middle of it undoes both.
    function test_reentering_undoes_itself() external {
        Reentrant target = new Reentrant(timelock);
        target.aim(SALT);
        bytes memory data = abi.encodeCall(Reentrant.touch, ());
        bytes32 id = scheduleOne(address(target), data, TIMELOCK_DELAY);
        vm.warp(block.timestamp + TIMELOCK_DELAY);
        vm.expectRevert(notReady(id));
        run(address(target), data);
        vm.assertEq(target.calls(), 0, "nothing happened");
    }

    function test_refuses_unsafe_bounds() external {
        refusesBounds(4, "timelock_delay_s", -1, 2 ** 40);
        refusesBounds(4, "timelock_delay_s", 0, 2 ** 40 + 1);
        refusesBounds(5, "exit_after_s", -1, 2 ** 40);
        refusesBounds(5, "exit_after_s", 0, 2 ** 40 + 1);
    }

    function refusesBounds(uint256 index, bytes32 key, int256 min, int256 max) private {
        Parameter[] memory list = parameters();
        (list[index].min, list[index].max) = (min, max);
        Policy unsafe = new Policy(address(this), address(0), list, GENESIS, LENGTH);
        vm.expectRevert(
            abi.encodeWithSelector(CommonsTimelock.UnsafeBounds.selector, key, min, max)
        );
        new CommonsTimelock(address(this), unsafe);
    }
}
