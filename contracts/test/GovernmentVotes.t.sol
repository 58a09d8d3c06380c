// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {CommonsTimelock} from "../src/CommonsTimelock.sol";
import {ContractSigner} from "./kit/Signers.sol";
import {GovernmentWorld, Thing} from "./GovernmentWorld.t.sol";

/// @notice Casting votes, and how a vote ends.
contract GovernmentVotesTest is GovernmentWorld {
    event VoteCast(
        address indexed voter, uint256 proposalId, uint8 support, uint256 weight, string reason
    );
    event VoteCastWithParams(
        address indexed voter,
        uint256 proposalId,
        uint8 support,
        uint256 weight,
        string reason,
        bytes params
    );
    event ProposalQueued(uint256 proposalId, uint256 etaSeconds);

    function setUp() external {
        deployToken();
    }

    // --- voting ------------------------------------------------------------------------------

    function test_votes_count_once_and_by_the_snapshot() external {
        uint256 id = proposeAs(ann, touchPlan());
        vm.warp(governor.proposalSnapshot(id));
        vm.expectRevert(
            refusedIn(IGovernor.ProposalState.Pending, id, IGovernor.ProposalState.Active)
        );
        voteAs(ann, id, FOR);
        vm.warp(block.timestamp + 1);
        vm.expectEmit(address(governor));
        emit VoteCast(ann, id, FOR, 503, "");
        voteAs(ann, id, FOR);
        vm.prank(ann);
        token.transfer(cleo, 503);
        vm.expectEmit(address(governor));
        emit VoteCast(cleo, id, ABSTAIN, 191, "in two minds");
        vm.prank(cleo);
        governor.castVoteWithReason(id, ABSTAIN, "in two minds");
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorAlreadyCastVote.selector, ann));
        voteAs(ann, id, AGAINST);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidVoteType.selector));
        voteAs(bob, id, 3);
        vm.assertTrue(governor.hasVoted(id, ann), "Ann voted");
        vm.assertTrue(!governor.hasVoted(id, bob), "Bob did not");
        requireTally(id, 0, 503, 191);
        warpAfterVote(id);
        vm.expectRevert(
            refusedIn(IGovernor.ProposalState.Succeeded, id, IGovernor.ProposalState.Active)
        );
        voteAs(bob, id, AGAINST);
    }

    function requireTally(uint256 id, uint256 against, uint256 for_, uint256 abstain) private view {
        (uint256 a, uint256 f, uint256 n) = governor.proposalVotes(id);
        vm.assertEq(a, against, "against");
        vm.assertEq(f, for_, "for");
        vm.assertEq(n, abstain, "abstain");
    }

    function test_a_signed_vote_is_relayed() external {
        uint256 id = proposeAs(ann, touchPlan());
        warpToVote(id);
        bytes memory signature = signed(BOB_KEY, ballot(id, FOR, bob, 0));
        vm.expectEmit(address(governor));
        emit VoteCast(bob, id, FOR, 307, "");
        vm.prank(stranger);
        governor.castVoteBySig(id, FOR, bob, signature);
        requireTally(id, 0, 307, 0);
        vm.assertEq(governor.nonces(bob), 1, "nonce");
        refusesBallot(id, FOR, bob, signature);
    }

    function refusesBallot(uint256 id, uint8 support, address voter, bytes memory signature)
        private
    {
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidSignature.selector, voter));
        governor.castVoteBySig(id, support, voter, signature);
    }

    function test_a_signed_vote_says_what_it_says() external {
        uint256 id = proposeAs(ann, touchPlan());
        uint256 other = proposeAs(ann, feePlan(19));
        warpToVote(id);
        bytes memory signature = signed(BOB_KEY, ballot(id, FOR, bob, 0));
        refusesBallot(id, AGAINST, bob, signature);
        refusesBallot(id, FOR, ann, signature);
        refusesBallot(other, FOR, bob, signature);
        refusesBallot(id, FOR, bob, signed(BOB_KEY, ballot(id, FOR, bob, 1)));
        refusesBallot(id, FOR, bob, signed(ANN_KEY, ballot(id, FOR, bob, 0)));
        refusesBallot(id, FOR, bob, "");
        refusesBallot(id, FOR, address(0), signature);
        requireTally(id, 0, 0, 0);
        vm.assertEq(governor.nonces(bob), 0, "a refused vote costs no nonce");
    }

    function testFuzz_a_forged_vote_is_refused(bytes calldata signature, address voter) external {
        uint256 id = proposeAs(ann, touchPlan());
        warpToVote(id);
        if (voter.code.length > 0) return;
        refusesBallot(id, FOR, voter, signature);
    }

    /// @dev A member account: a contract that says which signatures are its own (ERC-1271).
    function test_a_contract_votes_by_signature() external {
        ContractSigner account = new ContractSigner();
        grant(address(account), 211);
        uint256 id = proposeAs(ann, touchPlan());
        warpToVote(id);
        refusesBallot(id, FOR, address(account), "passkey");
        account.approve(ballot(id, FOR, address(account), 0));
        vm.prank(stranger);
        governor.castVoteBySig(id, FOR, address(account), "passkey");
        requireTally(id, 0, 211, 0);
        refusesBallot(id, FOR, address(account), "passkey");
    }

    function test_a_signed_vote_with_reason_and_params() external {
        uint256 id = proposeAs(ann, touchPlan());
        warpToVote(id);
        bytes32 digest = typedData(
            separator(),
            abi.encode(
                governor.EXTENDED_BALLOT_TYPEHASH(),
                id,
                ABSTAIN,
                bob,
                uint256(0),
                keccak256("why"),
                keccak256("how")
            )
        );
        bytes memory signature = signed(BOB_KEY, digest);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidSignature.selector, bob));
        governor.castVoteWithReasonAndParamsBySig(id, ABSTAIN, bob, "why not", "how", signature);
        vm.expectEmit(address(governor));
        emit VoteCastWithParams(bob, id, ABSTAIN, 307, "why", "how");
        vm.prank(stranger);
        governor.castVoteWithReasonAndParamsBySig(id, ABSTAIN, bob, "why", "how", signature);
        vm.expectEmit(address(governor));
        emit VoteCastWithParams(ann, id, FOR, 503, "so", "that");
        vm.prank(ann);
        governor.castVoteWithReasonAndParams(id, FOR, "so", "that");
        requireTally(id, 0, 503, 307);
    }

    // --- how it ends -------------------------------------------------------------------------

    function test_defeated_without_a_quorum() external {
        uint256 id = proposeAs(ann, touchPlan());
        warpToVote(id);
        voteAs(cleo, id, FOR); // 191 of 1,001 where 301 are needed
        warpAfterVote(id);
        requireDefeated(touchPlan());
    }

    function test_votes_against_make_no_quorum() external {
        uint256 id = proposeAs(ann, touchPlan());
        warpToVote(id);
        voteAs(cleo, id, FOR);
        voteAs(ann, id, AGAINST);
        warpAfterVote(id);
        requireDefeated(touchPlan());
    }

    function test_abstaining_makes_a_quorum() external {
        uint256 id = proposeAs(ann, touchPlan());
        warpToVote(id);
        voteAs(cleo, id, FOR);
        voteAs(bob, id, ABSTAIN);
        warpAfterVote(id);
        requireState(id, IGovernor.ProposalState.Succeeded);
    }

    function test_defeated_by_votes() external {
        uint256 id = proposeAs(ann, touchPlan());
        warpToVote(id);
        voteAs(bob, id, FOR);
        voteAs(ann, id, AGAINST);
        warpAfterVote(id);
        requireDefeated(touchPlan());
    }

    function test_a_tie_is_a_defeat() external {
        vm.prank(ann);
        token.transfer(stranger, 196);
        vm.warp(block.timestamp + 1);
        uint256 id = proposeAs(ann, touchPlan());
        warpToVote(id);
        voteAs(bob, id, FOR); // 307
        voteAs(ann, id, AGAINST); // 307
        warpAfterVote(id);
        requireDefeated(touchPlan());
    }

    function requireDefeated(Plan memory p) private {
        uint256 id = idOf(p);
        requireState(id, IGovernor.ProposalState.Defeated);
        vm.expectRevert(
            refusedIn(IGovernor.ProposalState.Defeated, id, IGovernor.ProposalState.Succeeded)
        );
        queue(p);
        vm.expectRevert(
            refusedIn(IGovernor.ProposalState.Defeated, id, IGovernor.ProposalState.Queued)
        );
        execute(p);
        vm.expectRevert(
            abi.encodeWithSelector(
                TimelockController.TimelockUnexpectedOperationState.selector,
                operationOf(p),
                bytes32(uint256(4))
            )
        );
        executeAtTimelock(p);
    }

    function test_what_nobody_queues_expires() external {
        Plan memory p = touchPlan();
        uint256 id = succeed(p);
        vm.warp(governor.proposalDeadline(id) + LIFE - 1);
        requireState(id, IGovernor.ProposalState.Succeeded);
        vm.warp(block.timestamp + 1);
        requireState(id, IGovernor.ProposalState.Expired);
        vm.expectRevert(
            refusedIn(IGovernor.ProposalState.Expired, id, IGovernor.ProposalState.Succeeded)
        );
        queue(p);
    }

    function test_what_nobody_executes_expires() external {
        Plan memory p = touchPlan();
        uint256 id = enact(p);
        vm.warp(governor.proposalEta(id) + LIFE - 1);
        requireState(id, IGovernor.ProposalState.Queued);
        vm.warp(block.timestamp + 1);
        requireState(id, IGovernor.ProposalState.Expired);
        vm.expectRevert(
            refusedIn(IGovernor.ProposalState.Expired, id, IGovernor.ProposalState.Queued)
        );
        execute(p);
        vm.expectRevert(
            abi.encodeWithSelector(
                CommonsTimelock.OperationExpired.selector, operationOf(p), block.timestamp
            )
        );
        executeAtTimelock(p);
    }

    function test_queued_and_executed_once() external {
        Plan memory p = touchPlan();
        uint256 id = succeed(p);
        vm.assertEq(governor.proposalEta(id), 0, "no eta yet");
        vm.expectRevert(
            refusedIn(IGovernor.ProposalState.Succeeded, id, IGovernor.ProposalState.Queued)
        );
        execute(p);
        vm.expectEmit(address(governor));
        emit ProposalQueued(id, block.timestamp + TIMELOCK_DELAY);
        queue(p);
        vm.assertEq(governor.proposalEta(id), block.timestamp + TIMELOCK_DELAY, "eta");
        vm.assertEq(governor.operationOf(id), operationOf(p), "operation");
        vm.expectRevert(
            refusedIn(IGovernor.ProposalState.Queued, id, IGovernor.ProposalState.Succeeded)
        );
        queue(p);
        vm.warp(governor.proposalEta(id));
        vm.prank(stranger);
        execute(p);
        requireState(id, IGovernor.ProposalState.Executed);
        vm.assertEq(thing.lastCaller(), address(timelock), "by the timelock");
        vm.expectRevert(
            refusedIn(IGovernor.ProposalState.Executed, id, IGovernor.ProposalState.Queued)
        );
        execute(p);
        vm.assertEq(thing.calls(), 1, "once");
        vm.assertGe(governor.proposalEta(id), governor.proposalDeadline(id), "eta stays");
    }

    function test_executed_at_the_timelock_it_is_executed() external {
        Plan memory p = touchPlan();
        uint256 id = enact(p);
        executeAtTimelock(p);
        requireState(id, IGovernor.ProposalState.Executed);
    }

    function test_what_fails_can_be_tried_again() external {
        Plan memory p = plan(address(thing), abi.encodeCall(Thing.touch, ()), "Pay the thing");
        p.values[0] = 7;
        uint256 id = enact(p);
        (bool done,) = address(governor)
            .call(abi.encodeCall(IGovernor.execute, (p.targets, p.values, p.calldatas, hashOf(p))));
        vm.assertTrue(!done, "the treasury is empty");
        requireState(id, IGovernor.ProposalState.Queued);
        gvm.deal(address(timelock), 7);
        execute(p);
        vm.assertEq(address(thing).balance, 7, "paid");
    }

    function test_ether_sent_along_is_spent() external {
        Plan memory p = plan(address(thing), "", "Pay the thing");
        p.values[0] = 7;
        enact(p);
        gvm.deal(address(this), 7);
        governor.execute{value: 7}(p.targets, p.values, p.calldatas, hashOf(p));
        vm.assertEq(address(thing).balance, 7, "paid");
    }
}
