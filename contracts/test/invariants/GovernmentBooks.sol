// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {GovernmentWorld} from "../GovernmentWorld.t.sol";

/// @notice A part of the network that the timelock owns. It remembers when it was told to act, and
/// when it was replaced.
contract Part is Ownable {
    mapping(uint256 plan => uint256 time) public actedAt;
    mapping(uint256 plan => uint256 time) public replacedAt;
    uint256 public acts;
    uint256 public replacements;

    constructor(address owner_) Ownable(owner_) {}

    function act(uint256 plan) external onlyOwner {
        require(actedAt[plan] == 0, "acted twice");
        actedAt[plan] = block.timestamp;
        ++acts;
    }

    /// @dev Ownership goes where it is, so that the story can go on; whom it is for says which plan.
    function transferOwnership(address plan) public override onlyOwner {
        uint256 index = uint160(plan);
        require(replacedAt[index] == 0, "replaced twice");
        replacedAt[index] = block.timestamp;
        ++replacements;
    }
}

/// @notice What should happen, kept without looking at the contracts: members and delegations at
/// every second, ballots, and where each proposal stands.
abstract contract GovernmentBooks is GovernmentWorld {
    uint256 internal constant ACCOUNTS = 6;
    uint256 internal constant PLANS_MAX = 40;

    /// @dev What a proposal does.
    enum Kind {
        Act, // the part acts
        Replace, // the part is replaced, between two harmless calls
        Stop, // the governor relays: cancel an earlier proposal that waits
        Schedule, // the governor relays: schedule a replacement at the shortest delay
        Renounce, // the governor relays: give up a role
        Delay, // set the timelock's own delay
        Policy, // change a parameter of the government
        Admit,
        Remove,
        Timelock // the governor gets a timelock: the one that it has
    }

    struct Book {
        Plan plan;
        Kind kind;
        /// @dev What the kind is about: an account's or an earlier plan's index.
        uint256 subject;
        uint256 id;
        /// @dev Its name in the timelock.
        bytes32 operation;
        address proposer;
        uint256 snapshot;
        uint256 deadline;
        uint256[3] tally;
        /// @dev Unix second of queueing; 0 before.
        uint256 queuedAt;
        /// @dev Delay that was due when it was queued.
        uint256 delay;
        uint256 executedAt;
        bool cancelled;
    }

    /// @dev Members (a bit each) and whom each delegates to (a byte each) from `time` on.
    struct Moment {
        uint256 time;
        uint256 members;
        uint256 delegates;
    }

    Part internal part;
    /// @dev How often the part should have acted, and been replaced.
    uint256 internal acts;
    uint256 internal replacements;
    Book[] internal books;
    address[] internal accounts;
    uint256[] internal keys;
    /// @dev Replacements scheduled by relay: plan -> Unix second; and when they were carried out.
    mapping(uint256 plan => uint256 time) internal innerScheduledAt;
    mapping(uint256 plan => uint256 time) internal innerExecutedAt;
    mapping(uint256 plan => mapping(address voter => bool)) internal voted;
    Moment[] private _moments;

    // --- members and votes -------------------------------------------------------------------

    function remember(uint256 members, uint256 delegates) internal {
        if (_moments.length > 0 && _moments[_moments.length - 1].time == block.timestamp) {
            _moments.pop();
        }
        _moments.push(Moment(block.timestamp, members, delegates));
    }

    function momentAt(uint256 time) internal view returns (Moment memory moment) {
        for (uint256 i = _moments.length; i > 0; --i) {
            moment = _moments[i - 1];
            if (moment.time <= time) return moment;
        }
        return Moment(0, 0, 0);
    }

    function isMemberAt(uint256 account, uint256 time) internal view returns (bool) {
        return (momentAt(time).members >> account) & 1 == 1;
    }

    function membersAt(uint256 time) internal view returns (uint256 count) {
        uint256 members = momentAt(time).members;
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            count += (members >> i) & 1;
        }
    }

    function votesAt(uint256 account, uint256 time) internal view returns (uint256 count) {
        Moment memory moment = momentAt(time);
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            uint256 chosen = (moment.delegates >> (8 * i)) & 0xff;
            if (chosen == account) count += (moment.members >> i) & 1;
        }
    }

    function noteAdmission(uint256 account) internal {
        Moment memory moment = momentAt(block.timestamp);
        remember(moment.members | (1 << account), moment.delegates);
    }

    function noteRemoval(uint256 account) internal {
        Moment memory moment = momentAt(block.timestamp);
        remember(moment.members & ~(1 << account), moment.delegates);
    }

    function noteDelegation(uint256 account, uint256 to) internal {
        Moment memory moment = momentAt(block.timestamp);
        uint256 others = moment.delegates & ~(uint256(0xff) << (8 * account));
        remember(moment.members, others | (to << (8 * account)));
    }

    // --- proposals ---------------------------------------------------------------------------

    function isReplacement(Kind kind) internal pure returns (bool) {
        return kind == Kind.Replace || kind == Kind.Renounce || kind == Kind.Delay
            || kind == Kind.Timelock;
    }

    function quorumOf(Book storage b) internal view returns (uint256) {
        uint64 epoch = b.snapshot < GENESIS ? 0 : uint64((b.snapshot - GENESIS) / LENGTH);
        uint256 ppm = uint256(policy.valueAt("vote_quorum_ppm", epoch));
        return Math.max(1, (membersAt(b.snapshot) * ppm + 999_999) / 1_000_000);
    }

    function hasPassed(Book storage b) internal view returns (bool) {
        return block.timestamp > b.deadline && b.tally[FOR] > b.tally[AGAINST]
            && b.tally[FOR] + b.tally[ABSTAIN] >= quorumOf(b);
    }

    function dueDelay(Kind kind) internal view returns (uint256) {
        return dueDelayAt(kind, block.timestamp);
    }

    function dueDelayAt(Kind kind, uint256 time) private view returns (uint256) {
        uint64 epoch = time < GENESIS ? 0 : uint64((time - GENESIS) / LENGTH);
        uint256 delay = uint256(policy.valueAt("timelock_delay_s", epoch));
        return isReplacement(kind) ? delay + uint256(policy.valueAt("exit_after_s", epoch)) : delay;
    }

    /// @dev A replacement waits for the delay of its queueing, for the one in force when that has
    /// passed and, until it is void, for the one of now.
    function etaOf(Book storage b) internal view returns (uint256) {
        if (b.queuedAt == 0) return 0;
        uint256 eta = b.queuedAt + b.delay;
        if (b.executedAt != 0 || b.cancelled || !isReplacement(b.kind)) return eta;
        eta = Math.max(eta, b.queuedAt + dueDelayAt(b.kind, Math.min(eta, block.timestamp)));
        if (block.timestamp >= eta + LIFE) return eta;
        return Math.max(eta, b.queuedAt + dueDelay(b.kind));
    }

    function stateOf(Book storage b) internal view returns (IGovernor.ProposalState) {
        if (b.executedAt != 0) return IGovernor.ProposalState.Executed;
        if (b.cancelled) return IGovernor.ProposalState.Canceled;
        if (block.timestamp <= b.snapshot) return IGovernor.ProposalState.Pending;
        if (block.timestamp <= b.deadline) return IGovernor.ProposalState.Active;
        if (!hasPassed(b)) return IGovernor.ProposalState.Defeated;
        uint256 from = b.queuedAt == 0 ? b.deadline : etaOf(b);
        if (block.timestamp >= from + LIFE) return IGovernor.ProposalState.Expired;
        return b.queuedAt == 0 ? IGovernor.ProposalState.Succeeded : IGovernor.ProposalState.Queued;
    }

    /// @dev Whether what the proposal does would work now. What the governor relays works only when
    /// the governor itself executes.
    function isFeasible(Book storage b, bool byGovernor) internal view returns (bool) {
        if (b.kind == Kind.Delay) return false;
        if (b.kind == Kind.Admit) return !isMemberAt(b.subject, block.timestamp);
        if (b.kind == Kind.Remove) {
            return isMemberAt(b.subject, block.timestamp) && membersAt(block.timestamp) > 1;
        }
        if (b.kind == Kind.Stop) {
            Book storage other = books[b.subject];
            return byGovernor && other.queuedAt != 0 && other.executedAt == 0 && !other.cancelled;
        }
        if (b.kind == Kind.Schedule || b.kind == Kind.Renounce || b.kind == Kind.Timelock) {
            return byGovernor;
        }
        return true;
    }

    /// @dev Books what carrying out proposal `index` just did.
    function noteExecution(uint256 index) internal {
        Book storage b = books[index];
        b.executedAt = block.timestamp;
        if (b.kind == Kind.Act || b.kind == Kind.Replace) ++acts;
        if (b.kind == Kind.Replace) ++replacements;
        if (b.kind == Kind.Stop) books[b.subject].cancelled = true;
        if (b.kind == Kind.Schedule) innerScheduledAt[index] = block.timestamp;
        if (b.kind == Kind.Admit) noteAdmission(b.subject);
        if (b.kind == Kind.Remove) noteRemoval(b.subject);
    }
}
