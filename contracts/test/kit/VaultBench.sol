// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Policy} from "../../src/Policy.sol";
import {Vault} from "../../src/Vault.sol";
import {TestEuro} from "../../src/test-assets/TestEuro.sol";
import {AssetTotal} from "../../src/Types.sol";
import {OddAsset} from "./Assets.sol";
import {PayoutTree} from "./PayoutTree.sol";
import {World} from "./World.sol";

/// @notice A Vault whose settlement is the test itself: any epoch can be finalised at will.
abstract contract VaultBench is World {
    uint256 internal constant OWNER_KEY = 7919;

    address internal immutable alice = named("alice");
    address internal immutable bob = named("bob");
    address internal immutable signer = vm.addr(OWNER_KEY);

    OddAsset internal odd;
    PayoutTree.Leaf[] internal leaves;

    function deployBench() internal {
        vm.warp(GENESIS - 500);
        euro = new TestEuro(address(this));
        odd = new OddAsset(10);
        policy = new Policy(governance, founder, parameters(), GENESIS, LENGTH);
        address vaultAt = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        token = createToken(vaultAt, address(0));
        address[] memory assets = new address[](2);
        assets[0] = address(euro);
        assets[1] = address(odd);
        vault = new Vault(address(token), address(policy), address(this), assets);
    }

    /// @dev Adds a leaf in euro to the tree under construction.
    function leaf(address account, uint256 earned, uint256 spent) internal {
        leafOf(address(euro), account, earned, spent);
    }

    function leafOf(address asset, address account, uint256 earned, uint256 spent) internal {
        leaves.push(PayoutTree.Leaf(asset, account, earned, spent));
    }

    /// @dev Finalises an epoch with the leaves so far and their own sums.
    function finaliseLeaves(uint64 epoch, uint256 minted) internal returns (uint64) {
        return vault.finalise(epoch, PayoutTree.root(leaves), minted, sums());
    }

    /// @dev Totals of the leaves, per asset, ascending; assets without leaves are left out.
    function sums() internal view returns (AssetTotal[] memory totals) {
        address[] memory assets = vault.acceptedAssets();
        for (uint256 i = 1; i < assets.length; ++i) {
            for (uint256 j = i; j > 0 && assets[j - 1] > assets[j]; --j) {
                (assets[j - 1], assets[j]) = (assets[j], assets[j - 1]);
            }
        }
        totals = new AssetTotal[](assets.length);
        uint256 count = 0;
        for (uint256 i = 0; i < assets.length; ++i) {
            AssetTotal memory sum = AssetTotal(assets[i], 0, 0);
            bool any = false;
            for (uint256 j = 0; j < leaves.length; ++j) {
                if (leaves[j].asset != assets[i]) continue;
                any = true;
                sum.earned += leaves[j].earned;
                sum.spent += leaves[j].spent;
            }
            if (any) totals[count++] = sum;
        }
        assembly ("memory-safe") {
            mstore(totals, count)
        }
    }

    function total(address asset, uint256 earned, uint256 spent)
        internal
        pure
        returns (AssetTotal[] memory totals)
    {
        totals = new AssetTotal[](1);
        totals[0] = AssetTotal(asset, earned, spent);
    }

    /// @dev Claims by the `index`-th leaf.
    function claimLeaf(uint256 index) internal {
        PayoutTree.Leaf memory l = leaves[index];
        vault.claim(l.asset, l.account, l.earned, l.spent, PayoutTree.proof(leaves, l));
    }

    /// @dev Exits by the `index`-th leaf.
    function exitLeaf(uint256 index) internal {
        PayoutTree.Leaf memory l = leaves[index];
        vault.exit(l.asset, l.account, l.earned, l.spent, PayoutTree.proof(leaves, l));
    }

    /// @dev Opens the exit as late as it takes.
    function openExit() internal {
        vm.warp(block.timestamp + EXIT_AFTER + LENGTH);
        vault.enterExit();
    }
}
