// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {GovernmentPlans} from "./GovernmentPlans.sol";

/// @notice What holds at every moment: the contracts say what the books say.
abstract contract GovernmentChecks is GovernmentPlans {
    /// @dev Compares the last `newest` proposals, and what happened to the part.
    function requireBooks(uint256 newest) external view {
        uint256 n = books.length;
        for (uint256 i = n > newest ? n - newest : 0; i < n; ++i) {
            Book storage b = books[i];
            requireState(b.id, stateOf(b));
            requireOperation(b);
            (uint256 against, uint256 for_, uint256 abstain) = governor.proposalVotes(b.id);
            vm.assertEq(against, b.tally[AGAINST], "against");
            vm.assertEq(for_, b.tally[FOR], "for");
            vm.assertEq(abstain, b.tally[ABSTAIN], "abstain");
            vm.assertLe(against + for_ + abstain, membersAt(b.snapshot), "votes <= members");
            if (b.executedAt != 0) requireEarned(b);
            requireEffects(i);
        }
        vm.assertEq(part.acts(), acts, "nothing acted but by proposals");
        vm.assertEq(part.replacements(), replacements, "nothing was replaced but by proposals");
        vm.assertEq(thing.calls(), 0, "what nobody proposed was not done");
    }

    /// @dev Carried out: its vote succeeded, and it waited for all of its delay.
    function requireEarned(Book storage b) private view {
        vm.assertTrue(hasPassed(b), "a vote succeeded");
        vm.assertTrue(!b.cancelled, "and was not cancelled");
        vm.assertTrue(b.queuedAt > b.deadline, "queued after its vote");
        vm.assertGe(b.executedAt, b.queuedAt + b.delay, "after its delay");
        vm.assertGe(b.delay, isReplacement(b.kind) ? 1_296_000 + 3_600 : 3_600, "within bounds");
    }

    function requireOperation(Book storage b) private view {
        vm.assertEq(governor.proposalEta(b.id), etaOf(b), "eta");
        uint256 readyAt = timelock.getTimestamp(b.operation);
        uint256 expected = etaOf(b);
        if (b.cancelled) expected = 0;
        if (b.executedAt != 0) expected = 1;
        vm.assertEq(readyAt, expected, "operation");
    }

    /// @dev The part acted, and was replaced, when and only when the proposal was carried out.
    function requireEffects(uint256 index) private view {
        Book storage b = books[index];
        bool acted = b.kind == Kind.Act || b.kind == Kind.Replace;
        vm.assertEq(part.actedAt(index), acted ? b.executedAt : 0, "acted");
        uint256 replacedAt = b.kind == Kind.Replace ? b.executedAt : innerExecutedAt[index];
        vm.assertEq(part.replacedAt(index), replacedAt, "replaced");
        if (innerExecutedAt[index] != 0) {
            vm.assertGe(replacedAt, innerScheduledAt[index] + 1_296_000 + 3_600, "waited");
        }
    }

    function requireVotes() external view {
        uint256 sum = 0;
        uint256 past = 0;
        uint256 before = block.timestamp - 1;
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            uint256 votes = membership.getVotes(accounts[i]);
            vm.assertEq(votes, votesAt(i, block.timestamp), "votes");
            vm.assertTrue(
                membership.isMember(accounts[i]) == isMemberAt(i, block.timestamp), "membership"
            );
            sum += votes;
            past += membership.getPastVotes(accounts[i], before);
        }
        vm.assertEq(sum, membership.memberCount(), "votes are members");
        vm.assertEq(past, membership.getPastTotalSupply(before), "and were");
        vm.assertEq(past, membersAt(before), "as many as the books say");
        vm.assertGe(sum, 1, "somebody is always left");
    }

    function requireOrder() external view {
        bytes32[4] memory roles = [
            bytes32(0),
            timelock.PROPOSER_ROLE(),
            timelock.CANCELLER_ROLE(),
            timelock.EXECUTOR_ROLE()
        ];
        address[4] memory holders =
            [address(timelock), address(governor), address(governor), address(0)];
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertTrue(timelock.hasRole(roles[i], holders[i]), "its holder");
            for (uint256 j = 0; j < 3; ++j) {
                address other = [stranger, founder, accounts[i]][j];
                vm.assertTrue(!timelock.hasRole(roles[i], other), "nobody else");
            }
        }
        vm.assertEq(governor.timelock(), address(timelock), "timelock");
        vm.assertEq(part.owner(), address(timelock), "owner of the part");
        vm.assertEq(policy.owner(), address(timelock), "owner of policy");
        vm.assertEq(membership.owner(), address(timelock), "owner of the membership");
    }
}
