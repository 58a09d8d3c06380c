// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev What was confirmed about one log in one epoch.
/// @param stake All of it, whatever the size.
/// @param entries The size and, in the low eight bits, which of the epoch's confirmations it was: three
/// to a word of storage.
struct Tally {
    uint256 stake;
    uint72[] entries;
}

/// @title Who holds how much of a log, and how much of it a quorum holds.
/// @dev Closing an epoch asks for every log, so what it costs decides whether the epoch can ever
/// close: n confirmations cost n / 3 words of storage and n * log(n) steps, whatever their order.
library Tallies {
    uint256 private constant PLACE_BITS = 8;
    uint256 private constant STAKE_BITS = 192;

    /// @dev Notes that the `place`-th confirmation of the epoch names `size`; returns the stake
    /// behind the log before and after.
    function add(Tally storage tally, uint64 size, uint8 place, uint256 stake)
        internal
        returns (uint256 before, uint256 afterwards)
    {
        before = tally.stake;
        afterwards = before + stake;
        tally.stake = afterwards;
        tally.entries.push((uint72(size) << 8) | place);
    }

    /// @dev Largest size such that verifiers with at least `needed` stake hold it; 0 for none. From
    /// a heap, the smallest sizes are left out as long as what remains is enough: as a quorum is more
    /// than half, that is less than half of the work.
    /// @param stakes By place, each below 2^192.
    function quorumSize(Tally storage tally, uint256[] memory stakes, uint256 needed)
        internal
        view
        returns (uint64)
    {
        uint256 remaining = tally.stake;
        if (remaining < needed) return 0;
        uint256[] memory heap = _words(tally.entries, stakes);
        uint256 count = heap.length;
        unchecked {
            // Places stay below the heap's length; what remains is the stake of what is in it.
            for (uint256 i = count / 2; i > 0; --i) {
                _sink(heap, count, i - 1, _get(heap, i - 1));
            }
            while (count > 0) {
                uint256 smallest = _get(heap, 0);
                // forge-lint: disable-next-line(unsafe-typecast)
                remaining -= uint192(smallest); // the low bits
                // forge-lint: disable-next-line(unsafe-typecast)
                if (remaining < needed) return uint64(smallest >> STAKE_BITS); // the high bits
                --count;
                _sink(heap, count, 0, _get(heap, count));
            }
        }
        return 0;
    }

    /// @dev One word an entry, size above stake: the words are in order of size.
    function _words(uint72[] memory entries, uint256[] memory stakes)
        private
        pure
        returns (uint256[] memory words)
    {
        uint256 count = entries.length;
        words = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 entry = entries[i];
            words[i] = ((entry >> PLACE_BITS) << STAKE_BITS) | stakes[entry & 0xff];
        }
    }

    /// @dev Puts `word` into the free place `hole` or, with what is smaller moved up, below it.
    function _sink(uint256[] memory heap, uint256 count, uint256 hole, uint256 word) private pure {
        unchecked {
            for (uint256 child = 2 * hole + 1; child < count; child = 2 * hole + 1) {
                uint256 smaller = _get(heap, child);
                if (child + 1 < count) {
                    uint256 other = _get(heap, child + 1);
                    if (other < smaller) {
                        smaller = other;
                        ++child;
                    }
                }
                if (smaller >= word) break;
                _put(heap, hole, smaller);
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
