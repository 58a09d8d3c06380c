// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import {IERC721Receiver} from "@openzeppelin/contracts/token/ERC721/IERC721Receiver.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {CommonsGovernor} from "../src/CommonsGovernor.sol";
import {CommonsTimelock} from "../src/CommonsTimelock.sol";
import {Policy} from "../src/Policy.sol";
import {Parameter} from "../src/Types.sol";
import {GovernmentWorld} from "./GovernmentWorld.t.sol";

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
