// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";

/// @title ERC-721 ids that are minted in batches and stored by the batch.
/// @notice Ids count from 1 and are never given twice. Every id has its own `Transfer` event and
/// moves, is approved and is burned by itself, whatever batch it came in.
/// @dev Goal: minting costs one ownership word a batch, and finding an owner stays cheap however
/// many batches there are. Rule: a batch leaves its owner at its first id and one bit there; an id
/// that was never moved has the owner of the closest bit at or below it. A batch has no more ids
/// than a word has bits, so that bit lies in the id's own word or in the one before: no search.
/// Invariant: balanceOf(a) is the number of ids whose owner is `a`.
abstract contract Batches is ERC721 {
    using BitMaps for BitMaps.BitMap;

    /// @notice Most ids that one call mints.
    uint256 public constant BATCH_MAX = 256;

    /// @notice Ids given so far; the next one is one more.
    uint256 public lastId;

    /// @dev Ids that are the first of their batch.
    BitMaps.BitMap private _firsts;
    /// @dev Whom a batch was minted to. Ids that moved since have their own word in ERC721.
    mapping(uint256 firstId => address owner) private _mintedTo;
    /// @dev Ids that were burned: ERC721 forgets them, their batch does not.
    BitMaps.BitMap private _burned;

    error BatchOutOfRange(uint256 count, uint256 maximum);

    /// @dev Mints ids `firstId` to `firstId + count - 1`. Asks no receiver, like `_mint`, and calls
    /// no `_update`.
    function _mintBatch(address to, uint256 count) internal returns (uint256 firstId) {
        if (to == address(0)) revert ERC721InvalidReceiver(address(0));
        if (count == 0 || count > BATCH_MAX) revert BatchOutOfRange(count, BATCH_MAX);
        firstId = lastId + 1;
        uint256 end = firstId + count;
        lastId = end - 1;
        _firsts.set(firstId);
        _mintedTo[firstId] = to;
        // forge-lint: disable-next-line(unsafe-typecast)
        _increaseBalance(to, uint128(count)); // at most BATCH_MAX
        for (uint256 id = firstId; id < end; ++id) {
            emit Transfer(address(0), to, id);
        }
    }

    /// @dev Remembers what was burned, for which ERC721 only keeps that nobody has it.
    function _update(address to, uint256 id, address auth)
        internal
        virtual
        override
        returns (address from)
    {
        from = super._update(to, id, auth);
        if (to == address(0)) _burned.set(id);
    }

    /// @dev The owner that ERC721 keeps where the id moved; otherwise whom its batch was minted to.
    function _ownerOf(uint256 id) internal view virtual override returns (address) {
        address owner = super._ownerOf(id);
        if (owner != address(0)) return owner;
        if (id == 0 || id > lastId || _burned.get(id)) return address(0);
        return _mintedTo[_firstOf(id)];
    }

    /// @dev First id of the batch of a minted `id`: the highest bit at or below it.
    function _firstOf(uint256 id) private view returns (uint256) {
        uint256 word = id >> 8;
        uint256 bits = _firsts._data[word] & (type(uint256).max >> (0xff - (id & 0xff)));
        if (bits == 0) bits = _firsts._data[--word];
        return (word << 8) | Math.log2(bits);
    }
}
