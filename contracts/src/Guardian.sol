// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Governed} from "./Governed.sol";
import {IPolicy} from "./interfaces/IPolicy.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";
import {PolicyKeys} from "./PolicyKeys.sol";

/// @title The one who may pull the emergency brake, and how little that is.
/// @notice The holder may stop a payout root that is still in its hold period, so that people have
/// time to look. It ends by itself, the holder must then wait, and the office itself runs out unless
/// governance renews it.
/// @dev Goal: whoever holds the key, stolen or not, delays what is new and takes nothing.
/// Rule: the wait between two halts outlasts the halt, so what was stopped comes into force before
/// anything can be stopped again (Settlement checks the bounds that this needs).
/// Claims against a root in force, and the exit, are out of reach: only `ISettlement.halt` is called.
contract Guardian is Governed {
    /// @notice Longest term of office, seconds.
    uint64 public constant TERM_MAX_S = 365 days;

    /// @notice Where roots are stopped.
    ISettlement public immutable settlement;
    /// @notice Where the lengths of halt and wait come from.
    IPolicy public immutable policy;

    /// @notice Who may halt; zero for nobody.
    address public holder;
    /// @notice First Unix second in which the holder has no power any more.
    uint64 public until;
    /// @notice First Unix second at which the next halt is possible.
    uint64 public readyAt;

    /// @notice `holder` is in office until before `until`.
    event Appointed(address indexed holder, uint64 until);
    /// @notice The holder stopped the root of `epoch`; it can stop the next one from `readyAt` on.
    event Halted(uint64 indexed epoch, address indexed holder, uint64 readyAt);

    error NotHolder(address caller);
    error TermOver(uint64 until);
    error TermTooLong(uint64 until, uint256 latest);
    error NotReady(uint64 readyAt);

    /// @param owner_ The timelock.
    /// @param founder_ Acts for it until `foundingEnds_`; zero for nobody.
    /// @param foundingEnds_ First Unix second in which the founder has no power.
    /// @param settlement_ Settlement, or where it will be.
    /// @param policy_ Policy.
    /// @param holder_ First holder; zero for nobody.
    /// @param until_ End of its term, at most TERM_MAX_S ahead.
    constructor(
        address owner_,
        address founder_,
        uint64 foundingEnds_,
        address settlement_,
        address policy_,
        address holder_,
        uint64 until_
    ) Governed(owner_, founder_, foundingEnds_) {
        settlement = ISettlement(settlement_);
        policy = IPolicy(policy_);
        _appoint(holder_, until_);
    }

    /// @notice Stops the root of `epoch` in its hold period; then the holder must wait for
    /// Policy's `halt_s` and, after it, `guardian_cooldown_s`.
    function halt(uint64 epoch) external {
        if (msg.sender != holder) revert NotHolder(msg.sender);
        if (block.timestamp >= until) revert TermOver(until);
        if (block.timestamp < readyAt) revert NotReady(readyAt);
        uint256 stopped = SafeCast.toUint256(policy.valueAt(PolicyKeys.HALT_S, epoch));
        uint256 wait = SafeCast.toUint256(policy.value(PolicyKeys.GUARDIAN_COOLDOWN_S));
        uint64 next = SafeCast.toUint64(block.timestamp + stopped + wait);
        readyAt = next;
        emit Halted(epoch, msg.sender, next);
        settlement.halt(epoch);
    }

    /// @notice Puts `newHolder` into office until `newUntil`, or ends the office (zero). A wait that
    /// runs goes on, whoever holds the office.
    function appoint(address newHolder, uint64 newUntil) external onlyOwner {
        _appoint(newHolder, newUntil);
    }

    function _appoint(address newHolder, uint64 newUntil) private {
        uint256 latest = block.timestamp + TERM_MAX_S;
        if (newUntil > latest) revert TermTooLong(newUntil, latest);
        holder = newHolder;
        until = newUntil;
        emit Appointed(newHolder, newUntil);
    }
}
