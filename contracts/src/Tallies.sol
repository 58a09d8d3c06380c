// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @dev Stake that confirmed one size of one log. In storage one word, the size in its high bits:
/// so the words themselves are in order of size.
struct Point {
    uint192 stake;
    uint64 size;
}

/// @dev What was confirmed about one log in one epoch; one point for each size.
struct Tally {
    uint256 stake;
    Point[] points;
}

/// @title Who holds how much of a log, and how much of it a quorum holds.
/// @dev Closing an epoch asks for every log, so what it costs decides whether the epoch can ever
/// close: n points cost n words of storage and n * log(n) steps, whatever their order.
library Tallies {
    uint256 private constant SIZE_SHIFT = 192;

    /// @dev Adds `stake` to one size; returns the stake behind the log, whatever the size, before
    /// and after.
    function add(Tally storage tally, uint64 size, uint256 stake)
        internal
        returns (uint256 before, uint256 afterwards)
    {
        before = tally.stake;
        afterwards = before + stake;
        tally.stake = afterwards;
        uint256 count = tally.points.length;
        for (uint256 i = 0; i < count; ++i) {
            if (tally.points[i].size == size) {
                tally.points[i].stake += SafeCast.toUint192(stake);
                return (before, afterwards);
            }
        }
        tally.points.push(Point({stake: SafeCast.toUint192(stake), size: size}));
    }

    /// @dev Largest size such that verifiers with at least `needed` stake hold it; 0 for none. From
    /// a heap, the points are taken by falling size until their stake is enough.
    function quorumSize(Tally storage tally, uint256 needed) internal view returns (uint64) {
        uint256[] memory heap = _words(tally.points);
        uint256 count = heap.length;
        unchecked {
            // Places stay below the heap's length, and stakes of 192 bits cannot overflow a sum.
            for (uint256 i = count / 2; i > 0; --i) {
                _sink(heap, count, i - 1, _get(heap, i - 1));
            }
            uint256 stake = 0;
            while (count > 0) {
                uint256 largest = _get(heap, 0);
                stake += uint192(largest);
                if (stake >= needed) return uint64(largest >> SIZE_SHIFT);
                --count;
                _sink(heap, count, 0, _get(heap, count));
            }
        }
        return 0;
    }

    /// @dev The points as they are stored.
    function _words(Point[] storage points) private view returns (uint256[] memory words) {
        uint256 count = points.length;
        words = new uint256[](count);
        assembly ("memory-safe") {
            mstore(0, points.slot)
            let from := keccak256(0, 32)
            let to := add(words, 32)
            for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                mstore(add(to, shl(5, i)), sload(add(from, i)))
            }
        }
    }

    /// @dev Puts `word` into the free place `hole` or, with what is larger moved up, below it.
    function _sink(uint256[] memory heap, uint256 count, uint256 hole, uint256 word) private pure {
        unchecked {
            for (uint256 child = 2 * hole + 1; child < count; child = 2 * hole + 1) {
                uint256 larger = _get(heap, child);
                if (child + 1 < count) {
                    uint256 other = _get(heap, child + 1);
                    if (other > larger) {
                        larger = other;
                        ++child;
                    }
                }
                if (larger <= word) break;
                _put(heap, hole, larger);
                hole = child;
            }
        }
        _put(heap, hole, word);
    }

    function _get(uint256[] memory heap, uint256 i) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(add(heap, 32), shl(5, i)))
        }
    }

    function _put(uint256[] memory heap, uint256 i, uint256 word) private pure {
        assembly ("memory-safe") {
            mstore(add(add(heap, 32), shl(5, i)), word)
        }
    }
}
