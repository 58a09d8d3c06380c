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
import {IERC721Receiver} from "@openzeppelin/contracts/token/ERC721/IERC721Receiver.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {CommonsGovernor} from "../src/CommonsGovernor.sol";
import {CommonsTimelock} from "../src/CommonsTimelock.sol";
import {Policy} from "../src/Policy.sol";
import {Parameter} from "../src/Types.sol";
import {ContractSigner} from "./kit/Signers.sol";
import {GovernmentWorld, Thing} from "./GovernmentWorld.t.sol";

/// @notice A target that calls back into the government while it is called.
contract Meddler {
    address private immutable _governor;
    bytes private _call;
    bool public managed;

    constructor(address governor) {
        _governor = governor;
    }

    function aim(bytes calldata data) external {
        _call = data;
    }

    function touch() external {
        (managed,) = _governor.call(_call);
    }
}

contract GovernmentGovernorTest is GovernmentWorld {
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

    // --- what governance sites and wallets ask for -------------------------------------------

    function test_the_standard_face() external view {
        same(governor.name(), "Commonworks Governor");
        same(governor.version(), "1");
        same(governor.COUNTING_MODE(), "support=bravo&quorum=for,abstain");
        same(governor.CLOCK_MODE(), "mode=timestamp");
        vm.assertEq(governor.clock(), block.timestamp, "clock");
        vm.assertEq(address(governor.token()), address(token), "token");
        vm.assertEq(governor.timelock(), address(timelock), "timelock");
        vm.assertTrue(governor.proposalNeedsQueuing(0), "needs queueing");
        vm.assertTrue(governor.supportsInterface(type(IGovernor).interfaceId), "IGovernor");
        vm.assertTrue(governor.supportsInterface(0x01ffc9a7), "ERC-165");
        (, string memory name, string memory version,,,,) = governor.eip712Domain();
        same(name, "Commonworks Governor");
        same(version, "1");
    }

    function same(string memory left, string memory right) private pure {
        vm.assertEq(keccak256(bytes(left)), keccak256(bytes(right)), right);
    }

    function test_takes_no_money() external {
        gvm.deal(address(this), 1);
        (bool paid,) = address(governor).call{value: 1}("");
        vm.assertTrue(!paid, "no ether");
        bytes memory refusal = abi.encodeWithSelector(IGovernor.GovernorDisabledDeposit.selector);
        vm.expectRevert(refusal);
        IERC721Receiver(address(governor)).onERC721Received(ann, ann, 1, "");
    }

    // --- windows, threshold, quorum: policy at the right epoch -------------------------------

    function setPolicy(bytes32 key, int256 value) private {
        vm.prank(address(timelock));
        policy.set(key, value);
    }

    function test_windows_follow_policy_by_epoch() external {
        setPolicy("voting_delay_s", 11);
        setPolicy("voting_period_s", 3_613);
        vm.assertEq(governor.votingDelay(), VOTING_DELAY, "delay of this epoch");
        vm.assertEq(governor.votingPeriod(), VOTING_PERIOD, "period of this epoch");
        vm.warp(GENESIS + 4 * LENGTH - 1);
        uint256 old = proposeAs(ann, feePlan(19));
        vm.warp(GENESIS + 4 * LENGTH);
        vm.assertEq(governor.votingDelay(), 11, "delay of the next epoch");
        vm.assertEq(governor.votingPeriod(), 3_613, "period of the next epoch");
        uint256 fresh = proposeAs(ann, touchPlan());
        vm.assertEq(
            governor.proposalSnapshot(old), GENESIS + 4 * LENGTH - 1 + VOTING_DELAY, "old start"
        );
        vm.assertEq(
            governor.proposalDeadline(old), governor.proposalSnapshot(old) + VOTING_PERIOD, "old"
        );
        vm.assertEq(governor.proposalSnapshot(fresh), GENESIS + 4 * LENGTH + 11, "new start");
        vm.assertEq(
            governor.proposalDeadline(fresh), governor.proposalSnapshot(fresh) + 3_613, "new"
        );
    }

    /// @dev A vote under way keeps its quorum: that of the epoch in which it began.
    function test_quorum_is_that_of_the_epoch_in_which_the_vote_began() external {
        vm.warp(GENESIS + 4 * LENGTH - VOTING_DELAY - 1);
        uint256 before = proposeAs(ann, feePlan(19)); // begins in the last second of epoch 3
        setPolicy("vote_quorum_ppm", 499_979);
        vm.warp(block.timestamp + 1);
        uint256 after_ = proposeAs(ann, touchPlan()); // begins in the first second of epoch 4
        warpAfterVote(after_);
        vm.assertEq(governor.quorum(governor.proposalSnapshot(before)), 301, "30.0007 % of 1001");
        vm.assertEq(governor.quorum(governor.proposalSnapshot(after_)), 501, "49.9979 % of 1001");
        vm.assertEq(governor.quorum(GENESIS - 400), 301, "before genesis it is epoch 0");
    }

    function test_quorum_of_the_future_is_not_known() external {
        (bool done,) = address(governor).call(abi.encodeCall(IGovernor.quorum, (block.timestamp)));
        vm.assertTrue(!done, "refused");
    }

    function testFuzz_quorum_and_threshold(uint128 supply, uint32 quorumPpm, uint32 thresholdPpm)
        external
    {
        uint256 total = 1_001 + uint256(supply);
        grant(cleo, supply);
        quorumPpm = uint32(within(quorumPpm, 10_000, 500_000));
        thresholdPpm = uint32(within(thresholdPpm, 0, 100_000));
        setPolicy("vote_quorum_ppm", int256(uint256(quorumPpm)));
        setPolicy("proposal_threshold_ppm", int256(uint256(thresholdPpm)));
        vm.warp(GENESIS + 5 * LENGTH);
        uint256 quorum = governor.quorum(block.timestamp - 1);
        vm.assertEq(quorum, Math.ceilDiv(total * quorumPpm, 1_000_000), "quorum");
        vm.assertLe(1, quorum, "at least one");
        vm.assertLe(quorum, total, "reachable");
        uint256 threshold = governor.proposalThreshold();
        vm.assertEq(threshold, Math.max(1, total * thresholdPpm / 1_000_000), "threshold");
    }

    function test_without_votes_there_is_still_a_quorum() external {
        CommonsGovernor empty = governorOver(IVotes(address(new EmptyVotes())));
        vm.assertEq(empty.quorum(block.timestamp - 1), 1, "one");
        vm.assertEq(empty.proposalThreshold(), 1, "one");
    }

    function governorOver(IVotes votes) private returns (CommonsGovernor) {
        address at_ = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        CommonsTimelock another = new CommonsTimelock(at_, policy);
        return new CommonsGovernor(votes, another, policy);
    }

    // --- proposing ---------------------------------------------------------------------------

    function test_proposing_takes_votes_of_the_past() external {
        grant(stranger, 500);
        Plan memory p = touchPlan();
        vm.expectRevert(
            abi.encodeWithSelector(
                IGovernor.GovernorInsufficientProposerVotes.selector, stranger, 0, 1
            )
        );
        proposeAs(stranger, p);
        vm.warp(block.timestamp + 1);
        proposeAs(stranger, p);
    }

    /// @dev 1,009 ppm of 1,000,001 votes are 1,009.
    function test_the_threshold_holds() external {
        grant(cleo, 999_000 - 1_008);
        grant(stranger, 1_008);
        vm.warp(block.timestamp + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IGovernor.GovernorInsufficientProposerVotes.selector, stranger, 1_008, 1_009
            )
        );
        proposeAs(stranger, touchPlan());
        grant(stranger, 1);
        vm.warp(block.timestamp + 1);
        proposeAs(stranger, touchPlan());
    }

    function test_the_same_twice_is_refused() external {
        uint256 id = proposeAs(ann, touchPlan());
        vm.expectRevert(
            abi.encodeWithSelector(
                IGovernor.GovernorUnexpectedProposalState.selector,
                id,
                IGovernor.ProposalState.Pending,
                bytes32(0)
            )
        );
        proposeAs(bob, touchPlan());
    }

    function test_a_proposal_may_name_its_proposer() external {
        Plan memory p = touchPlan();
        p.description = string.concat("Mine #proposer=", Strings.toHexString(ann));
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorRestrictedProposer.selector, bob));
        proposeAs(bob, p);
        proposeAs(ann, p);
    }

    function test_refuses_an_odd_proposal() external {
        Plan memory p = touchPlan();
        p.values = new uint256[](2);
        vm.expectRevert(
            abi.encodeWithSelector(IGovernor.GovernorInvalidProposalLength.selector, 1, 1, 2)
        );
        proposeAs(ann, p);
    }

    function test_only_the_proposer_cancels_and_only_before_the_vote() external {
        Plan memory p = touchPlan();
        uint256 id = proposeAs(bob, p);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorUnableToCancel.selector, id, ann));
        vm.prank(ann);
        governor.cancel(p.targets, p.values, p.calldatas, hashOf(p));
        vm.prank(bob);
        governor.cancel(p.targets, p.values, p.calldatas, hashOf(p));
        requireState(id, IGovernor.ProposalState.Canceled);
        p.description = "Again";
        id = proposeAs(bob, p);
        warpToVote(id);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorUnableToCancel.selector, id, bob));
        vm.prank(bob);
        governor.cancel(p.targets, p.values, p.calldatas, hashOf(p));
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
        uint256 queuedAt = block.timestamp;
        setPolicy("exit_after_s", 31_536_000);
        vm.warp(block.timestamp + LENGTH);
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

    // --- hostile targets, unsafe deployment --------------------------------------------------

    /// @dev A target that calls back finds every door as shut as from outside.
    function test_reentering_achieves_nothing() external {
        Meddler meddler = new Meddler(address(governor));
        Plan memory p = plan(address(meddler), abi.encodeCall(Meddler.touch, ()), "Execute");
        meddle(meddler, p, callOn(IGovernor.execute.selector, p));
        p.description = "Queue";
        meddle(meddler, p, callOn(IGovernor.queue.selector, p));
        p.description = "Cancel";
        meddle(meddler, p, callOn(IGovernor.cancel.selector, p));
        p.description = "Relay";
        meddle(meddler, p, abi.encodeCall(Governor.relay, (address(thing), 0, "")));
        p.description = "Execute another";
        setPolicy("timelock_delay_s", 2_592_000); // it waits longer than the meddler's own
        Plan memory waiting = touchPlan();
        vm.warp(block.timestamp + LENGTH);
        uint256 id = succeed(waiting);
        queue(waiting);
        setPolicy("timelock_delay_s", 3_600);
        vm.warp(block.timestamp + LENGTH);
        meddle(meddler, p, callOn(IGovernor.execute.selector, waiting));
        requireState(id, IGovernor.ProposalState.Queued);
        vm.assertEq(thing.calls(), 0, "nothing was touched");
    }

    function callOn(bytes4 selector, Plan memory p) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, p.targets, p.values, p.calldatas, hashOf(p));
    }

    function meddle(Meddler meddler, Plan memory p, bytes memory data) private {
        meddler.aim(data);
        uint256 id = enact(p);
        execute(p);
        vm.assertTrue(!meddler.managed(), "refused");
        requireState(id, IGovernor.ProposalState.Executed);
    }

    /// @dev Its own whitelisted call within an execution is used up by that execution alone.
    function test_a_leftover_of_an_execution_is_worth_nothing() external {
        Plan memory p = plan(
            address(governor), abi.encodeCall(Governor.relay, (address(thing), 0, "")), "Relay"
        );
        enact(p);
        execute(p);
        vm.prank(address(timelock));
        (bool done,) =
            address(governor).call(abi.encodeCall(Governor.relay, (address(thing), 0, "")));
        vm.assertTrue(!done, "used up");
    }

    function test_refuses_a_timelock_that_does_not_know_it() external {
        CommonsTimelock foreign = new CommonsTimelock(stranger, policy);
        vm.expectRevert(
            abi.encodeWithSelector(CommonsGovernor.NotProposer.selector, address(foreign))
        );
        new CommonsGovernor(IVotes(address(token)), foreign, policy);
    }

    function test_refuses_unsafe_bounds() external {
        refusesBounds(0, "voting_delay_s", -1, 1);
        refusesBounds(0, "voting_delay_s", 0, 2 ** 32);
        refusesBounds(1, "voting_period_s", 0, 2 ** 32 - 1);
        refusesBounds(1, "voting_period_s", 1, 2 ** 32);
        refusesBounds(2, "proposal_threshold_ppm", -1, 1_000_000);
        refusesBounds(2, "proposal_threshold_ppm", 0, 1_000_001);
        refusesBounds(3, "vote_quorum_ppm", -1, 1_000_000);
        refusesBounds(3, "vote_quorum_ppm", 0, 1_000_001);
    }

    function refusesBounds(uint256 index, bytes32 key, int256 min, int256 max) private {
        Parameter[] memory list = parameters();
        (list[index].value, list[index].min, list[index].max) = (1, min, max);
        Policy unsafe = new Policy(address(this), address(0), list, GENESIS, LENGTH);
        address at_ = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        CommonsTimelock another = new CommonsTimelock(at_, unsafe);
        vm.expectRevert(
            abi.encodeWithSelector(CommonsGovernor.UnsafeBounds.selector, key, min, max)
        );
        new CommonsGovernor(IVotes(address(token)), another, unsafe);
    }
}

/// @notice Votes that nobody has.
contract EmptyVotes {
    function getPastTotalSupply(uint256) external pure returns (uint256) {
        return 0;
    }
}
