// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {
    GovernorTimelockControl
} from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {CommonsGovernor} from "../src/CommonsGovernor.sol";
import {GovernmentWorld} from "./GovernmentWorld.t.sol";

/// @notice What replaces a part of the government, from the proposal to the end of its wait.
contract GovernmentReplacementTest is GovernmentWorld {
    event ProposalQueued(uint256 proposalId, uint256 etaSeconds);

    function setUp() external {
        deployToken();
    }

    // --- what replaces a part of the government ----------------------------------------------

    function test_the_eta_of_a_replacement_is_the_longer_one() external {
        Plan memory p = and(
            touchPlan(), address(policy), abi.encodeCall(Ownable.transferOwnership, (stranger))
        );
        uint256 id = succeed(p);
        uint256 eta = block.timestamp + REPLACEMENT_DELAY;
        vm.expectEmit(address(governor));
        emit ProposalQueued(id, eta);
        queue(p);
        vm.assertEq(governor.proposalEta(id), eta, "eta");
        vm.warp(eta - 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                TimelockController.TimelockUnexpectedOperationState.selector,
                operationOf(p),
                bytes32(uint256(4))
            )
        );
        execute(p);
        vm.warp(eta);
        execute(p);
        vm.assertEq(policy.owner(), stranger, "owner");
    }

    function test_the_eta_moves_with_a_longer_exit() external {
        Plan memory p =
            plan(address(policy), abi.encodeCall(Ownable.transferOwnership, (stranger)), "Replace");
        uint256 id = succeed(p);
        queue(p);
        uint256 queuedAt = gvm.getBlockTimestamp();
        setPolicy("exit_after_s", 31_536_000);
        vm.warp(queuedAt + LENGTH);
        vm.assertEq(governor.proposalEta(id), queuedAt + 31_536_000 + TIMELOCK_DELAY, "eta");
        vm.warp(queuedAt + REPLACEMENT_DELAY + LIFE);
        requireState(id, IGovernor.ProposalState.Queued);
        vm.warp(queuedAt + 31_536_000 + TIMELOCK_DELAY);
        execute(p);
        vm.assertEq(policy.owner(), stranger, "owner");
    }

    /// @dev A vote can stop a replacement that waits: the governor relays the cancelling, which is
    /// none, and so is faster.
    function test_a_vote_stops_a_replacement() external {
        Plan memory p =
            plan(address(policy), abi.encodeCall(Ownable.transferOwnership, (stranger)), "Replace");
        uint256 id = succeed(p);
        queue(p);
        bytes memory cancelling = abi.encodeCall(TimelockController.cancel, (operationOf(p)));
        Plan memory stop = plan(
            address(governor),
            abi.encodeCall(Governor.relay, (address(timelock), 0, cancelling)),
            "Stop it"
        );
        enact(stop);
        execute(stop);
        requireState(id, IGovernor.ProposalState.Canceled);
    }

    /// @dev The long way round: relayed, a schedule waits for its own vote and then as long as ever.
    function test_a_relayed_schedule_waits_too() external {
        bytes memory transfer = abi.encodeCall(Ownable.transferOwnership, (stranger));
        bytes memory scheduling = abi.encodeCall(
            TimelockController.schedule, (address(policy), 0, transfer, 0, "inner", TIMELOCK_DELAY)
        );
        Plan memory p = plan(
            address(governor),
            abi.encodeCall(Governor.relay, (address(timelock), 0, scheduling)),
            "Innocent"
        );
        enact(p);
        execute(p);
        bytes32 id = timelock.hashOperation(address(policy), 0, transfer, 0, "inner");
        vm.assertEq(timelock.getTimestamp(id), block.timestamp + REPLACEMENT_DELAY, "waits");
    }

    /// @dev The governor would lose its role: nobody could ever propose again.
    function test_a_relayed_renunciation_waits() external {
        bytes memory renouncing =
            abi.encodeCall(timelock.renounceRole, (timelock.PROPOSER_ROLE(), address(governor)));
        Plan memory p = plan(
            address(governor),
            abi.encodeCall(Governor.relay, (address(timelock), 0, renouncing)),
            "Renounce"
        );
        uint256 id = succeed(p);
        queue(p);
        vm.assertEq(governor.proposalEta(id), block.timestamp + REPLACEMENT_DELAY, "waits");
    }

    /// @dev All of it at once: another governor and timelock take over after the longer delay.
    function test_a_whole_government_is_replaced() external {
        CommonsGovernor next = governorOver(IVotes(address(token)));
        address heir = next.timelock();
        Plan memory p =
            plan(address(policy), abi.encodeCall(Ownable.transferOwnership, (heir)), "Hand over");
        p = and(
            p,
            address(governor),
            abi.encodeCall(
                GovernorTimelockControl.updateTimelock, (TimelockController(payable(heir)))
            )
        );
        uint256 id = succeed(p);
        queue(p);
        vm.assertEq(governor.proposalEta(id), block.timestamp + REPLACEMENT_DELAY, "eta");
        vm.warp(governor.proposalEta(id));
        execute(p);
        vm.assertEq(policy.owner(), heir, "owner");
        vm.assertEq(governor.timelock(), heir, "timelock");
        requireState(id, IGovernor.ProposalState.Executed);
    }

    function test_only_a_vote_relays_or_replaces() external {
        address[3] memory callers = [stranger, ann, founder];
        for (uint256 i = 0; i < callers.length; ++i) {
            bytes memory refusal =
                abi.encodeWithSelector(IGovernor.GovernorOnlyExecutor.selector, callers[i]);
            vm.expectRevert(refusal);
            vm.prank(callers[i]);
            governor.relay(address(thing), 0, "");
            vm.expectRevert(refusal);
            vm.prank(callers[i]);
            governor.updateTimelock(TimelockController(payable(stranger)));
        }
        vm.prank(address(timelock));
        (bool done,) =
            address(governor).call(abi.encodeCall(Governor.relay, (address(thing), 0, "")));
        vm.assertTrue(!done, "not even the timelock outside of an execution");
    }

    function test_what_strayed_to_the_governor_is_recovered() external {
        grant(address(governor), 13);
        bytes memory transfer = abi.encodeCall(IERC20.transfer, (address(timelock), 13));
        Plan memory p = plan(
            address(governor), abi.encodeCall(Governor.relay, (address(token), 0, transfer)), "Back"
        );
        enact(p);
        execute(p);
        vm.assertEq(token.balanceOf(address(governor)), 0, "recovered");
    }
}
