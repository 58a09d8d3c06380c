// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {CommonsTimelock} from "../src/CommonsTimelock.sol";
import {Guardian} from "../src/Guardian.sol";
import {Membership} from "../src/Membership.sol";
import {Policy} from "../src/Policy.sol";
import {GovernmentWorld} from "./GovernmentWorld.t.sol";

/// @notice Stands in for Settlement: remembers which epoch's root was stopped.
contract Stopped {
    uint64 public epoch;

    function halt(uint64 epoch_) external {
        epoch = epoch_;
    }
}

/// @notice From a wish to its effect, whatever votes: each story runs with the token's votes and
/// with the members'.
abstract contract GovernmentLifecycle is GovernmentWorld {
    event ProposalCreated(
        uint256 proposalId,
        address proposer,
        address[] targets,
        uint256[] values,
        string[] signatures,
        bytes[] calldatas,
        uint256 voteStart,
        uint256 voteEnd,
        string description
    );
    event ProposalQueued(uint256 proposalId, uint256 etaSeconds);
    event ProposalExecuted(uint256 proposalId);
    event ParameterSet(bytes32 indexed key, int256 value, uint64 fromEpoch);

    /// @dev Propose, vote by signature, queue, execute; the next epoch has the new value.
    function test_a_parameter_from_wish_to_effect() external {
        Plan memory p = feePlan(19);
        uint256 id = idOf(p);
        uint256 start = block.timestamp + VOTING_DELAY;
        vm.expectEmit(address(governor));
        emit ProposalCreated(
            id,
            ann,
            p.targets,
            p.values,
            new string[](1),
            p.calldatas,
            start,
            start + VOTING_PERIOD,
            p.description
        );
        proposeAs(ann, p);
        requireState(id, IGovernor.ProposalState.Pending);
        vm.assertEq(governor.proposalProposer(id), ann, "proposer");

        vm.warp(start + 1);
        requireState(id, IGovernor.ProposalState.Active);
        relayVote(id, ANN_KEY, ann, FOR);
        relayVote(id, BOB_KEY, bob, FOR);
        relayVote(id, CLEO_KEY, cleo, AGAINST);
        vm.warp(start + VOTING_PERIOD);
        requireState(id, IGovernor.ProposalState.Active);
        vm.warp(start + VOTING_PERIOD + 1);
        requireState(id, IGovernor.ProposalState.Succeeded);

        vm.expectEmit(address(governor));
        emit ProposalQueued(id, block.timestamp + TIMELOCK_DELAY);
        vm.prank(stranger);
        queue(p);
        requireState(id, IGovernor.ProposalState.Queued);
        vm.warp(governor.proposalEta(id) - 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                TimelockController.TimelockUnexpectedOperationState.selector,
                operationOf(p),
                bytes32(uint256(4))
            )
        );
        execute(p);

        vm.warp(governor.proposalEta(id));
        uint64 epoch = policy.currentEpoch();
        vm.expectEmit(address(policy));
        emit ParameterSet(FEE, 19, epoch + 1);
        vm.expectEmit(address(governor));
        emit ProposalExecuted(id);
        vm.prank(stranger);
        execute(p);
        requireState(id, IGovernor.ProposalState.Executed);
        vm.assertEq(policy.value(FEE), 17, "this epoch goes on as it opened");
        vm.warp(GENESIS + (epoch + 1) * LENGTH - 1);
        vm.assertEq(policy.value(FEE), 17, "to its last second");
        vm.warp(block.timestamp + 1);
        vm.assertEq(policy.value(FEE), 19, "the next epoch has it");
    }

    function relayVote(uint256 id, uint256 key, address voter, uint8 support) private {
        bytes memory signature = signed(key, ballot(id, support, voter, governor.nonces(voter)));
        vm.prank(stranger);
        governor.castVoteBySig(id, support, voter, signature);
        vm.assertTrue(governor.hasVoted(id, voter), "voted");
    }

    /// @dev A vote for what Policy's bounds forbid succeeds and cannot be carried out.
    function test_bounds_bind_the_majority() external {
        Plan memory p = feePlan(1_000_001);
        uint256 id = enact(p);
        vm.expectRevert(
            abi.encodeWithSelector(
                Policy.OutOfBounds.selector, FEE, int256(1_000_001), int256(0), int256(1_000_000)
            )
        );
        execute(p);
        requireState(id, IGovernor.ProposalState.Queued);
    }

    function test_defeated_by_votes() external {
        Plan memory p = feePlan(19);
        uint256 id = proposeAs(ann, p);
        warpToVote(id);
        voteAs(cleo, id, FOR);
        voteAs(bob, id, AGAINST);
        voteAs(ann, id, AGAINST);
        warpAfterVote(id);
        requireState(id, IGovernor.ProposalState.Defeated);
    }

    function test_defeated_without_a_quorum() external {
        Plan memory p = feePlan(19);
        uint256 id = proposeAs(ann, p);
        warpAfterVote(id);
        requireState(id, IGovernor.ProposalState.Defeated);
    }

    function test_expired() external {
        Plan memory p = feePlan(19);
        uint256 id = enact(p);
        vm.warp(governor.proposalEta(id) + LIFE);
        requireState(id, IGovernor.ProposalState.Expired);
    }

    function test_a_guardian_is_appointed_and_its_term_ends() external {
        Stopped settlement = new Stopped();
        Guardian guardian = new Guardian(
            address(timelock), founder, GENESIS, address(settlement), address(policy), address(0), 0
        );
        address dora = named("dora");
        uint64 until = uint64(block.timestamp + 100 days);
        vm.expectRevert(
            abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, founder)
        );
        vm.prank(founder);
        guardian.appoint(dora, until);
        Plan memory p =
            plan(address(guardian), abi.encodeCall(Guardian.appoint, (dora, until)), "Dora guards");
        enact(p);
        execute(p);
        vm.assertEq(guardian.holder(), dora, "holder");
        vm.assertEq(guardian.until(), until, "until");
        vm.prank(dora);
        guardian.halt(3);
        vm.assertEq(settlement.epoch(), 3, "stopped");
        vm.warp(until);
        vm.expectRevert(abi.encodeWithSelector(Guardian.TermOver.selector, until));
        vm.prank(dora);
        guardian.halt(4);
    }

    /// @dev After genesis the timelock is the only one left who may do anything.
    function test_the_founders_power_is_over() external {
        address[3] memory callers = [founder, address(governor), address(this)];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, callers[i])
            );
            vm.prank(callers[i]);
            policy.set(FEE, 1);
        }
        vm.assertEq(policy.owner(), address(timelock), "the owner");
    }
}

contract GovernmentTokenLifecycle is GovernmentLifecycle {
    function setUp() external {
        deployToken();
    }

    /// @dev What the treasury holds has no vote; when a vote spends it, it has one.
    function test_the_treasury_is_spent_by_vote() external {
        uint256 before = token.getPastTotalSupply(block.timestamp - 1);
        vm.assertEq(before, 1_001, "the treasury does not vote");
        address dora = named("dora");
        Plan memory p =
            plan(address(token), abi.encodeCall(IERC20.transfer, (dora, 211)), "Pay Dora");
        enact(p);
        execute(p);
        vm.assertEq(token.balanceOf(dora), 211, "paid");
        vm.assertEq(token.balanceOf(address(timelock)), RESERVE - 211, "out of the treasury");
        vm.warp(block.timestamp + 1);
        vm.assertEq(token.getPastTotalSupply(block.timestamp - 1), 1_212, "votes");
        vm.prank(stranger);
        (bool done,) =
            address(token).call(abi.encodeCall(IERC20.transferFrom, (address(timelock), ann, 1)));
        vm.assertTrue(!done, "and by nothing else");
    }

    /// @dev The government gives its treasury no voice: it cannot even delegate.
    function test_the_treasury_cannot_vote() external {
        vm.prank(address(timelock));
        (bool done,) = address(token).call(abi.encodeWithSignature("delegate(address)", ann));
        vm.assertTrue(!done, "refused");
        vm.assertEq(token.getVotes(address(timelock)), 0, "votes");
    }

    /// @dev Bought after the snapshot, a majority is worth nothing in this vote.
    function test_votes_are_those_of_the_snapshot() external {
        Plan memory p = feePlan(19);
        uint256 id = proposeAs(ann, p);
        warpToVote(id);
        grant(stranger, 1e30);
        voteAs(stranger, id, FOR);
        warpAfterVote(id);
        requireState(id, IGovernor.ProposalState.Defeated);
    }

    function test_who_delegated_votes_through_its_delegate() external {
        vm.prank(bob);
        token.delegate(cleo);
        vm.warp(block.timestamp + 1);
        Plan memory p = feePlan(19);
        uint256 id = proposeAs(cleo, p);
        warpToVote(id);
        voteAs(cleo, id, FOR);
        voteAs(bob, id, AGAINST);
        (uint256 against, uint256 for_,) = governor.proposalVotes(id);
        vm.assertEq(against, 0, "Bob gave his away");
        vm.assertEq(for_, 307 + 191, "Cleo has both");
    }
}

contract GovernmentMemberLifecycle is GovernmentLifecycle {
    function setUp() external {
        deployMembership();
    }

    function test_one_member_one_vote() external {
        Plan memory p = feePlan(19);
        uint256 id = proposeAs(cleo, p);
        warpToVote(id);
        voteAs(cleo, id, FOR);
        voteAs(bob, id, FOR);
        voteAs(ann, id, AGAINST);
        (uint256 against, uint256 for_,) = governor.proposalVotes(id);
        vm.assertEq(against, 1, "against");
        vm.assertEq(for_, 2, "for");
        vm.assertEq(governor.quorum(governor.proposalSnapshot(id)), 1, "30.0007 % of three");
        warpAfterVote(id);
        requireState(id, IGovernor.ProposalState.Succeeded);
    }

    function test_members_come_and_go_by_vote() external {
        address dora = named("dora");
        Plan memory p = plan(
            address(membership), abi.encodeCall(Membership.admit, (dora)), "Dora becomes a member"
        );
        p = and(p, address(membership), abi.encodeCall(Membership.remove, (cleo)));
        enact(p);
        execute(p);
        vm.assertTrue(membership.isMember(dora), "Dora");
        vm.assertTrue(!membership.isMember(cleo), "Cleo");
        vm.warp(block.timestamp + 1);
        uint256 id = proposeAs(dora, feePlan(19));
        warpToVote(id);
        voteAs(dora, id, FOR);
        voteAs(cleo, id, FOR);
        (, uint256 for_,) = governor.proposalVotes(id);
        vm.assertEq(for_, 1, "Dora votes, Cleo does not");
    }

    function test_a_stranger_proposes_nothing() external {
        vm.expectRevert(
            abi.encodeWithSelector(
                IGovernor.GovernorInsufficientProposerVotes.selector, stranger, 0, 1
            )
        );
        proposeAs(stranger, feePlan(19));
    }

    /// @dev The membership goes to another government only after the longer delay.
    function test_the_membership_itself_changes_hands_late() external {
        CommonsTimelock heir = new CommonsTimelock(stranger, policy);
        Plan memory p = plan(
            address(membership),
            abi.encodeCall(Ownable.transferOwnership, (address(heir))),
            "Hand over"
        );
        uint256 id = succeed(p);
        queue(p);
        vm.assertEq(governor.proposalEta(id), block.timestamp + REPLACEMENT_DELAY, "eta");
        vm.warp(governor.proposalEta(id));
        execute(p);
        vm.assertEq(membership.owner(), address(heir), "owner");
    }
}
