// Builds payout trees with npm's @openzeppelin/merkle-tree, the reference of our own.
// stdin: JSON list of trees, each a list of leaves [asset, account, earned, spent] (strings).
// stdout: JSON list of {root, tree, leaves: [{position, proof}]}, leaves in the order given.

const { StandardMerkleTree } = require("@openzeppelin/merkle-tree");

const TYPES = ["address", "address", "uint256", "uint256"];

const trees = JSON.parse(require("fs").readFileSync(0, "utf8"));
const found = trees.map((leaves) => {
  const tree = StandardMerkleTree.of(leaves, TYPES);
  tree.validate();
  const dump = tree.dump();
  return {
    root: tree.root,
    tree: dump.tree,
    leaves: dump.values.map((value, index) => ({
      position: value.treeIndex,
      proof: tree.getProof(index),
    })),
  };
});
process.stdout.write(JSON.stringify(found));
