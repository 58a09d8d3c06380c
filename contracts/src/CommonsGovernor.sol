// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {
    GovernorCountingSimple
} from "@openzeppelin/contracts/governance/extensions/GovernorCountingSimple.sol";
import {
    GovernorTimelockControl
} from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import {GovernorVotes} from "@openzeppelin/contracts/governance/extensions/GovernorVotes.sol";
import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {DECISION_LIFE_S} from "./CommonsTimelock.sol";
import {IPolicy} from "./interfaces/IPolicy.sol";
import {PolicyKeys} from "./PolicyKeys.sol";

/// @title Proposals and votes.
/// @notice The standard Governor of OpenZeppelin. What votes is the network's token or its
/// membership; windows, threshold and quorum are parameters in Policy; the timelock carries out.
/// @dev Rule: a proposal keeps the windows of the moment it was made, and the quorum of the epoch in
/// which its vote began: nothing that is decided later changes a vote under way.
/// Invariant: no call leaves the timelock unless more votes were for it than against, and those for
/// it or abstaining were a quorum.
contract CommonsGovernor is GovernorCountingSimple, GovernorVotes, GovernorTimelockControl {
    /// @dev Parts per million in a whole.
    uint256 private constant PPM = 1_000_000;
    /// @dev Most that a share may be, parts per million.
    int256 private constant SHARE_MAX_PPM = 1_000_000;
    /// @dev Longest window, seconds: what the base contract can store.
    int256 private constant WINDOW_MAX_S = 2 ** 32 - 1;

    /// @notice Where windows, threshold and quorum come from.
    IPolicy public immutable policy;
    /// @dev Unix second at which epoch 0 starts.
    uint256 private immutable _genesisTime;
    /// @dev Seconds that an epoch lasts.
    uint256 private immutable _epochLength;

    /// @notice The timelock's operation for a proposal, once queued.
    mapping(uint256 proposalId => bytes32 id) public operationOf;

    error NotProposer(address timelock);
    error UnsafeBounds(bytes32 key, int256 min, int256 max);

    /// @param votes_ Who votes with how much: CommonsToken or Membership; clock `mode=timestamp`.
    /// @param timelock_ Carries out what was decided; must know this contract as its proposer.
    /// @param policy_ Where windows, threshold and quorum come from.
    constructor(IVotes votes_, TimelockController timelock_, IPolicy policy_)
        Governor("Commonworks Governor")
        GovernorVotes(votes_)
        GovernorTimelockControl(timelock_)
    {
        if (!timelock_.hasRole(timelock_.PROPOSER_ROLE(), address(this))) {
            revert NotProposer(address(timelock_));
        }
        policy = policy_;
        _genesisTime = policy_.genesisTime();
        _epochLength = policy_.epochLength();
        // Whatever is voted, a vote must stay possible.
        _checkBounds(policy_, PolicyKeys.VOTING_DELAY_S, 0, WINDOW_MAX_S);
        _checkBounds(policy_, PolicyKeys.VOTING_PERIOD_S, 1, WINDOW_MAX_S);
        _checkBounds(policy_, PolicyKeys.PROPOSAL_THRESHOLD_PPM, 0, SHARE_MAX_PPM);
        _checkBounds(policy_, PolicyKeys.VOTE_QUORUM_PPM, 0, SHARE_MAX_PPM);
    }

    /// @notice Seconds between a proposal made now and the start of its vote.
    function votingDelay() public view override returns (uint256) {
        return _value(PolicyKeys.VOTING_DELAY_S);
    }

    /// @notice Seconds that the vote on a proposal made now lasts.
    function votingPeriod() public view override returns (uint256) {
        return _value(PolicyKeys.VOTING_PERIOD_S);
    }

    /// @notice Votes that somebody needs who proposes now: a share of all votes, one at least.
    function proposalThreshold() public view override returns (uint256) {
        uint256 total = token().getPastTotalSupply(clock() - 1);
        uint256 share = Math.mulDiv(total, _value(PolicyKeys.PROPOSAL_THRESHOLD_PPM), PPM);
        return Math.max(1, share);
    }

    /// @notice Votes for a proposal, or abstaining, that it needs when its vote began at `timepoint`:
    /// a share of all votes of then, rounded up, by the policy of the epoch of then; one at least.
    function quorum(uint256 timepoint) public view override returns (uint256) {
        uint256 total = token().getPastTotalSupply(timepoint);
        int256 ppm = policy.valueAt(PolicyKeys.VOTE_QUORUM_PPM, _epochOf(timepoint));
        return Math.max(1, Math.mulDiv(total, SafeCast.toUint256(ppm), PPM, Math.Rounding.Ceil));
    }

    /// @notice Where a proposal stands. What succeeded and is not queued within 30 days of its vote,
    /// or was queued and is not carried out within 30 days of its eta, is Expired.
    function state(uint256 proposalId)
        public
        view
        override(Governor, GovernorTimelockControl)
        returns (ProposalState)
    {
        ProposalState current = super.state(proposalId);
        uint256 possibleFrom;
        if (current == ProposalState.Succeeded) {
            possibleFrom = proposalDeadline(proposalId);
        } else if (current == ProposalState.Queued) {
            possibleFrom = proposalEta(proposalId);
        } else {
            return current;
        }
        return clock() < possibleFrom + DECISION_LIFE_S ? current : ProposalState.Expired;
    }

    /// @notice Unix second from which a queued proposal can be carried out; 0 before it is queued.
    /// @dev Later than the ProposalQueued event said where the timelock meanwhile asks for more.
    function proposalEta(uint256 proposalId) public view override returns (uint256) {
        uint256 eta = super.proposalEta(proposalId);
        if (eta == 0) return 0;
        return Math.max(eta, _timelock().getTimestamp(operationOf[proposalId]));
    }

    /// @notice Whether a proposal goes through the timelock: each one does.
    function proposalNeedsQueuing(uint256 proposalId)
        public
        view
        override(Governor, GovernorTimelockControl)
        returns (bool)
    {
        return super.proposalNeedsQueuing(proposalId);
    }

    /// @notice ERC-6372: timepoints are Unix seconds.
    function clock() public view override(Governor, GovernorVotes) returns (uint48) {
        return uint48(block.timestamp);
    }

    /// @notice ERC-6372: what `clock` counts.
    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override(Governor, GovernorVotes) returns (string memory) {
        return "mode=timestamp";
    }

    /// @dev The timelock decides how long a call waits; what it decided is the eta.
    function _queueOperations(
        uint256 proposalId,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint48) {
        super._queueOperations(proposalId, targets, values, calldatas, descriptionHash);
        bytes32 salt = bytes20(address(this)) ^ descriptionHash; // as the base contract salts
        bytes32 id = _timelock().hashOperationBatch(targets, values, calldatas, 0, salt);
        operationOf[proposalId] = id;
        return SafeCast.toUint48(_timelock().getTimestamp(id));
    }

    function _executeOperations(
        uint256 proposalId,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) {
        super._executeOperations(proposalId, targets, values, calldatas, descriptionHash);
    }

    function _cancel(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint256) {
        return super._cancel(targets, values, calldatas, descriptionHash);
    }

    function _executor()
        internal
        view
        override(Governor, GovernorTimelockControl)
        returns (address)
    {
        return super._executor();
    }

    function _timelock() private view returns (TimelockController) {
        return TimelockController(payable(timelock()));
    }

    function _value(bytes32 key) private view returns (uint256) {
        return SafeCast.toUint256(policy.value(key));
    }

    /// @dev The epoch that contains `timepoint`; 0 before genesis.
    function _epochOf(uint256 timepoint) private view returns (uint64) {
        if (timepoint < _genesisTime) return 0;
        return SafeCast.toUint64((timepoint - _genesisTime) / _epochLength);
    }

    function _checkBounds(IPolicy p, bytes32 key, int256 lowest, int256 highest) private view {
        (int256 min, int256 max) = p.bounds(key);
        if (min < lowest || max > highest) revert UnsafeBounds(key, min, max);
        p.valueAt(key, 0); // must be in force from the start
    }
}
