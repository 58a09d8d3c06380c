// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {InvariantTest} from "../kit/Test.sol";
import {GovernmentHandler} from "./GovernmentHandler.sol";

/// @notice What holds at every moment of a government's life: nothing is carried out without a vote
/// that succeeded and its delay; what replaces a part waits longer; votes are members; nobody but the
/// timelock owns anything, and nobody but the governor tells it what to do.
contract GovernmentInvariants is InvariantTest {
    GovernmentHandler private government;

    function setUp() external {
        government = new GovernmentHandler();
        bytes4[] memory selectors = new bytes4[](17);
        selectors[0] = GovernmentHandler.propose.selector;
        selectors[1] = GovernmentHandler.cancel.selector;
        selectors[2] = GovernmentHandler.castVote.selector;
        selectors[3] = GovernmentHandler.agree.selector;
        selectors[4] = GovernmentHandler.queueUp.selector;
        selectors[5] = GovernmentHandler.carryOut.selector;
        selectors[6] = GovernmentHandler.carryOutInner.selector;
        selectors[7] = GovernmentHandler.pass.selector;
        selectors[8] = GovernmentHandler.delegate.selector;
        selectors[9] = GovernmentHandler.found.selector;
        selectors[10] = GovernmentHandler.trespass.selector;
        selectors[11] = GovernmentHandler.wait.selector;
        selectors[12] = GovernmentHandler.waitFor.selector;
        selectors[13] = GovernmentHandler.propose.selector; // twice as likely as the rest
        selectors[14] = GovernmentHandler.castVote.selector;
        selectors[15] = GovernmentHandler.pass.selector;
        selectors[16] = GovernmentHandler.changePolicy.selector;
        aim(address(government), selectors);
    }

    /// @dev One campaign for all: the runner plays a campaign of its own for each such function.
    function invariant_government() external view {
        government.requireBooks(8);
        government.requireVotes();
        government.requireOrder();
    }

    /// @dev What was decided long ago is still as it was.
    function afterInvariant() external view {
        government.requireBooks(type(uint256).max);
    }

    /// @dev The handler is not idle: one straight life passes through every gate.
    function test_a_life() external {
        for (uint256 kind = 0; kind < 10; ++kind) {
            government.found(kind + 3);
            government.delegate(513, kind % 2 == 0); // the fourth account to the third
            uint256 seed = kind << 16 | kind << 8;
            government.propose(seed + (6 - seed % 6) % 6); // by the first account
            government.wait(1);
            government.trespass(kind << 32 | kind << 24 | kind << 16 | kind << 8);
            government.castVote(kind << 64 | 1, uint8(kind));
            government.pass(kind << 64 | 0xff << 16 | 2); // everybody is for it
            government.carryOutInner(3 << 64); // what the fourth schedules by relay
            this.invariant_government();
        }
        vm.assertEq(government.plans(), 10, "proposals");
        vm.assertGe(government.executions(), 7, "carried out");
        vm.assertGe(government.ballots(), 20, "ballots");
        vm.assertEq(government.replaced(), 2, "replacements");
        vm.assertGe(government.refusals(), 27, "refusals");
    }
}
