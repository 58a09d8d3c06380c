// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {PayoutTree} from "./kit/PayoutTree.sol";
import {Test} from "./kit/Test.sol";

contract PayoutTreeTest is Test {
    function leavesOf(uint256 count, uint256 seed)
        private
        pure
        returns (PayoutTree.Leaf[] memory leaves)
    {
        leaves = new PayoutTree.Leaf[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            leaves[i] = PayoutTree.Leaf({
                asset: address(uint160(word % 3 + 1)),
                account: address(uint160(i + 1)),
                earned: word >> 32,
                spent: word >> 200
            });
        }
    }

    /// @dev The root that the npm package @openzeppelin/merkle-tree 1.0.8 gives for these leaves.
    function test_root_is_that_of_the_npm_package() external pure {
        PayoutTree.Leaf[] memory leaves = new PayoutTree.Leaf[](5);
        for (uint160 i = 0; i < 5; ++i) {
            leaves[i] = PayoutTree.Leaf({
                asset: address(0x11),
                account: address(0x100 + i),
                earned: 7919 * (uint256(i) + 1),
                spent: 104_729 * uint256(i)
            });
        }
        vm.assertEq(PayoutTree.root(leaves), NPM_ROOT, "root of five leaves");
    }

    bytes32 private constant NPM_ROOT =
        0x50e60c0567d43d2513bac84d77946c14ad6b64f85926186458bd14185d674ede;

    function testFuzz_every_leaf_is_proved(uint256 seed, uint256 count) external pure {
        PayoutTree.Leaf[] memory leaves = leavesOf(within(count, 1, 33), seed);
        bytes32 root = PayoutTree.root(leaves);
        for (uint256 i = 0; i < leaves.length; ++i) {
            bytes32[] memory siblings = PayoutTree.proof(leaves, leaves[i]);
            bytes32 leaf = PayoutTree.hash(leaves[i]);
            vm.assertTrue(MerkleProof.verify(siblings, root, leaf), "leaf");
        }
    }

    function testFuzz_a_changed_leaf_is_not_proved(uint256 seed, uint256 count, uint256 more)
        external
        pure
    {
        PayoutTree.Leaf[] memory leaves = leavesOf(within(count, 1, 33), seed);
        bytes32 root = PayoutTree.root(leaves);
        PayoutTree.Leaf memory leaf = leaves[seed % leaves.length];
        bytes32[] memory siblings = PayoutTree.proof(leaves, leaf);
        leaf.earned += within(more, 1, 1e30);
        vm.assertTrue(!MerkleProof.verify(siblings, root, PayoutTree.hash(leaf)), "forged");
    }
}
