// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IPolicy} from "./interfaces/IPolicy.sol";
import {PolicyKeys} from "./PolicyKeys.sol";

/// @title How much each epoch may mint.
/// @notice The emission starts at a fixed amount and halves again and again. How many epochs a
/// halving takes is a governed parameter; a vote bends the curve from the next epoch on, and never
/// resets it.
/// @dev Goal: the emission of an opened epoch never changes, and the sum over all epochs is bounded
/// whatever is voted.
/// Rule: the halvings passed at epoch e are the sum of 1/H over the epochs before it, H the half-life
/// in force in each, as fixed-point numbers with 96 fractional bits, 1/H rounded down.
/// A segment is a stretch of epochs with one half-life. Policy knows them all; those that have opened
/// are kept here with the halvings at their start, so the sum is never made from the beginning.
abstract contract EmissionSchedule {
    /// @dev A stretch of epochs with one half-life.
    struct Segment {
        uint64 fromEpoch;
        uint64 halfLife;
        uint256 halvings;
    }

    /// @notice Most segments that one call of `extendSchedule` takes over from Policy.
    uint256 public constant SEGMENTS_PER_CALL = 64;
    /// @notice Longest half-life that Policy's bounds may allow, epochs: up to there, rounding 1/H
    /// down delays a halving by less than one epoch.
    int256 public constant HALF_LIFE_LIMIT = 1 << 32;

    /// @dev After so many halvings nothing is minted (a shift of a 256-bit word).
    uint256 private constant HALVINGS_MAX = 255;
    uint256 private constant FRACTION_BITS = 96;
    uint256 private constant ONE = 2 ** FRACTION_BITS;

    /// @notice Where the half-life comes from.
    IPolicy public immutable policy;
    /// @notice Most that epoch 0 may mint, wei.
    uint256 public immutable initialEmissionWei;

    Segment[] private _segments;

    /// @notice A segment of the schedule is fixed: from `fromEpoch` on the emission halves every
    /// `halfLife` epochs; `halvings` (96 fractional bits) have passed by then.
    event ScheduleExtended(uint64 indexed fromEpoch, uint64 halfLife, uint256 halvings);

    error UnsafeHalfLife(int256 min, int256 max);

    /// @param policy_ Policy, with a half-life in force from epoch 0 on.
    /// @param initialEmissionWei_ Most that epoch 0 may mint, wei.
    constructor(address policy_, uint256 initialEmissionWei_) {
        policy = IPolicy(policy_);
        initialEmissionWei = initialEmissionWei_;
        (int256 min, int256 max) = IPolicy(policy_).bounds(PolicyKeys.HALF_LIFE_EPOCHS);
        if (min < 1 || max > HALF_LIFE_LIMIT) revert UnsafeHalfLife(min, max);
        IPolicy(policy_).valueAt(PolicyKeys.HALF_LIFE_EPOCHS, 0); // in force from the start
    }

    /// @notice Takes over from Policy the segments that have opened, at most SEGMENTS_PER_CALL of
    /// them. Anyone may call it, and minting does; it only ever saves gas.
    /// @dev Until genesis the half-life of epoch 0 may change, so nothing is taken before.
    function extendSchedule() public {
        uint256 known = _segments.length;
        uint256 end = policy.historyLength(PolicyKeys.HALF_LIFE_EPOCHS);
        if (known == end || block.timestamp < policy.genesisTime()) return;
        uint64 opened = policy.currentEpoch();
        end = Math.min(end, known + SEGMENTS_PER_CALL);
        Segment memory segment;
        if (known != 0) segment = _segments[known - 1];
        for (; known < end; ++known) {
            (uint64 fromEpoch, int256 halfLife) =
                policy.historyAt(PolicyKeys.HALF_LIFE_EPOCHS, known);
            if (fromEpoch > opened) return;
            segment = _after(segment, fromEpoch, halfLife);
            _segments.push(segment);
            emit ScheduleExtended(fromEpoch, segment.halfLife, segment.halvings);
        }
    }

    /// @notice Most that `epoch` may mint, wei: with q whole halvings passed and a fraction f of the
    /// next, (E0 >> q) * (1 - f / 2). For an epoch that has not opened, by what is voted so far.
    function emissionOf(uint64 epoch) public view returns (uint256) {
        uint256 halvings = halvingsAt(epoch);
        uint256 whole = halvings >> FRACTION_BITS;
        if (whole >= HALVINGS_MAX) return 0;
        uint256 fraction = halvings % ONE;
        return Math.mulDiv(initialEmissionWei >> whole, 2 * ONE - fraction, 2 * ONE);
    }

    /// @notice Halvings passed when `epoch` starts, with 96 fractional bits.
    function halvingsAt(uint64 epoch) public view returns (uint256) {
        Segment memory segment = _segmentOf(epoch);
        return segment.halvings + uint256(epoch - segment.fromEpoch) * (ONE / segment.halfLife);
    }

    /// @notice Number of segments taken over so far.
    function segmentCount() external view returns (uint256) {
        return _segments.length;
    }

    /// @notice The `index`-th segment taken over.
    function segmentAt(uint256 index) external view returns (Segment memory) {
        return _segments[index];
    }

    /// @dev More than the schedule can mint in all, whatever is voted: with H the longest half-life
    /// that Policy's bounds allow, a halving takes H + 1 epochs at most. The first one mints no more
    /// than E0 * (3 * (H + 1) + 1) / 4, and each later one half of what the one before it did.
    function _scheduleMaximum() internal view returns (uint256) {
        (, int256 longest) = policy.bounds(PolicyKeys.HALF_LIFE_EPOCHS);
        uint256 factor = 3 * (SafeCast.toUint256(longest) + 1) + 1;
        return Math.mulDiv(initialEmissionWei, factor, 2, Math.Rounding.Ceil);
    }

    /// @dev The segment that `epoch` lies in: a kept one, found by bisection, or one that Policy
    /// knows and nobody has taken over yet.
    function _segmentOf(uint64 epoch) private view returns (Segment memory segment) {
        uint256 kept = _segments.length;
        uint256 low = 0;
        uint256 high = kept;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (_segments[middle].fromEpoch > epoch) high = middle;
            else low = middle + 1;
        }
        if (low != 0) segment = _segments[low - 1];
        if (low < kept) return segment;
        uint256 end = policy.historyLength(PolicyKeys.HALF_LIFE_EPOCHS);
        for (uint256 i = kept; i < end; ++i) {
            (uint64 fromEpoch, int256 halfLife) = policy.historyAt(PolicyKeys.HALF_LIFE_EPOCHS, i);
            if (fromEpoch > epoch) break;
            segment = _after(segment, fromEpoch, halfLife);
        }
    }

    /// @dev The segment that begins at `fromEpoch`, behind `before`; the first has none before it.
    function _after(Segment memory before, uint64 fromEpoch, int256 halfLife)
        private
        pure
        returns (Segment memory)
    {
        uint256 halvings = before.halvings;
        if (before.halfLife != 0) {
            halvings += uint256(fromEpoch - before.fromEpoch) * (ONE / before.halfLife);
        }
        return Segment({
            fromEpoch: fromEpoch,
            halfLife: SafeCast.toUint64(SafeCast.toUint256(halfLife)),
            halvings: halvings
        });
    }
}
