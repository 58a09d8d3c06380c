// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Reference of the payout tree, after the documented layout of OpenZeppelin's
/// StandardMerkleTree: leaf hashes ascending, complete binary tree in an array, leaves last and in
/// reverse, a parent the hash of its children in ascending order.
library PayoutTree {
    struct Leaf {
        address asset;
        address account;
        uint256 earned;
        uint256 spent;
    }

    function hash(Leaf memory leaf) internal pure returns (bytes32) {
        bytes memory words = abi.encode(leaf.asset, leaf.account, leaf.earned, leaf.spent);
        return keccak256(bytes.concat(keccak256(words)));
    }

    function root(Leaf[] memory leaves) internal pure returns (bytes32) {
        return leaves.length == 0 ? bytes32(0) : _tree(leaves)[0];
    }

    function proof(Leaf[] memory leaves, Leaf memory leaf)
        internal
        pure
        returns (bytes32[] memory siblings)
    {
        bytes32[] memory tree = _tree(leaves);
        bytes32 wanted = hash(leaf);
        uint256 position = leaves.length - 1;
        while (tree[position] != wanted) ++position; // out of bounds where the leaf is missing
        siblings = new bytes32[](256);
        uint256 depth = 0;
        for (; position > 0; position = (position - 1) / 2) {
            siblings[depth++] = tree[position % 2 == 1 ? position + 1 : position - 1];
        }
        assembly ("memory-safe") {
            mstore(siblings, depth)
        }
    }

    function _tree(Leaf[] memory leaves) private pure returns (bytes32[] memory tree) {
        uint256 count = leaves.length;
        bytes32[] memory hashes = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            bytes32 leaf = hash(leaves[i]);
            uint256 place = i;
            for (; place > 0 && hashes[place - 1] > leaf; --place) {
                hashes[place] = hashes[place - 1];
            }
            hashes[place] = leaf;
        }
        tree = new bytes32[](2 * count - 1);
        for (uint256 i = 0; i < count; ++i) {
            tree[tree.length - 1 - i] = hashes[i];
        }
        for (uint256 i = count - 1; i > 0; --i) {
            tree[i - 1] = _parent(tree[2 * i - 1], tree[2 * i]);
        }
    }

    function _parent(bytes32 a, bytes32 b) private pure returns (bytes32) {
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }
}
