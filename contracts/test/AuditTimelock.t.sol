// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {CommonsTimelock} from "../src/CommonsTimelock.sol";
import {GovernmentWorld} from "./GovernmentWorld.t.sol";

/// @notice What is void stays void: a replacement that nobody wanted to carry out any more cannot be
/// brought back by a vote about something else.
contract AuditTimelockTest is GovernmentWorld {
    uint256 private constant LONGEST = 31_536_000;

    function setUp() external {
        deployMembership();
        vm.warp(GENESIS + 1);
    }

    function replacement() private returns (Plan memory p, uint256 id, uint256 queuedAt) {
        p = plan(address(policy), abi.encodeCall(Ownable.transferOwnership, (stranger)), "Replace");
        id = succeed(p);
        queue(p);
        queuedAt = gvm.getBlockTimestamp();
    }

    function requireVoid(Plan memory p, uint256 id) private {
        requireState(id, IGovernor.ProposalState.Expired);
        bytes32 operation = operationOf(p);
        vm.expectRevert(
            abi.encodeWithSelector(
                CommonsTimelock.OperationExpired.selector,
                operation,
                timelock.getTimestamp(operation) + LIFE
            )
        );
        timelock.executeBatch(
            p.targets,
            p.values,
            p.calldatas,
            0,
            bytes20(address(governor)) ^ keccak256(bytes(p.description))
        );
    }

    function test_a_longer_exit_brings_no_void_replacement_back() external {
        (Plan memory p, uint256 id, uint256 queuedAt) = replacement();
        vm.warp(queuedAt + REPLACEMENT_DELAY + LIFE);
        requireVoid(p, id);
        setPolicy("exit_after_s", int256(LONGEST));
        vm.warp(gvm.getBlockTimestamp() + LENGTH);
        requireVoid(p, id);
        vm.warp(queuedAt + LONGEST + TIMELOCK_DELAY);
        requireVoid(p, id);
    }

    /// @dev Longer, shorter, longer: neither comes what has waited too little, nor what is void.
    function test_an_exit_that_changes_again_and_again_brings_nothing_back() external {
        (Plan memory p, uint256 id, uint256 queuedAt) = replacement();
        setPolicy("exit_after_s", int256(EXIT_AFTER + 50 days));
        vm.warp(queuedAt + REPLACEMENT_DELAY + 1 days);
        setPolicy("exit_after_s", int256(EXIT_AFTER));
        vm.warp(queuedAt + REPLACEMENT_DELAY + 40 days);
        requireState(id, IGovernor.ProposalState.Queued);
        vm.assertEq(
            governor.proposalEta(id), queuedAt + REPLACEMENT_DELAY + 50 days, "the longest wait"
        );
        vm.warp(queuedAt + REPLACEMENT_DELAY + 50 days + LIFE);
        requireVoid(p, id);
        setPolicy("exit_after_s", int256(LONGEST));
        vm.warp(queuedAt + LONGEST + TIMELOCK_DELAY);
        requireVoid(p, id);
    }
}
