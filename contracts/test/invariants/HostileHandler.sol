// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AssetTotal} from "../../src/Types.sol";
import {PayoutTree} from "../kit/PayoutTree.sol";
import {VaultBench} from "../kit/VaultBench.sol";

/// @notice A Vault under a settlement that lies: trees whose leaves have nothing to do with their
/// totals, totals that fall, spend and earn too much. What the Vault takes, it takes.
contract HostileHandler is VaultBench {
    uint256 public constant MEMBERS = 4;

    uint64 public epochs;
    uint256 public taken;
    uint256 public paid;
    uint256 public refused;

    mapping(uint64 epoch => PayoutTree.Leaf[]) private _trees;

    constructor() {
        deployBench();
        vm.warp(GENESIS);
    }

    function deposit(uint256 seed, uint256 amount) external {
        if (vault.exitAt() != 0) return;
        amount = within(amount, 1, 1e6);
        address member = memberOf(seed);
        if (seed % 2 == 0) {
            depositAs(member, amount);
        } else {
            vm.prank(treasury);
            token.transfer(member, amount);
            vm.prank(member);
            token.approve(address(vault), amount);
            vm.prank(member);
            vault.deposit(address(token), amount);
        }
    }

    function finalise(uint256 seed, uint256 minted) external {
        PayoutTree.Leaf[] memory tree = new PayoutTree.Leaf[](2 * MEMBERS);
        for (uint256 i = 0; i < tree.length; ++i) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            tree[i] = PayoutTree.Leaf(
                i % 2 == 0 ? address(euro) : address(token),
                memberOf((i / 2) << 8),
                word % 2e6,
                (word >> 128) % 2e6
            );
        }
        minted = vault.mintedWei() + within(minted, 0, 1e6);
        try vault.finalise(epochs, PayoutTree.root(tree), minted, totalsFrom(seed)) {
            for (uint256 i = 0; i < tree.length; ++i) {
                _trees[epochs].push(tree[i]);
            }
            ++epochs;
            ++taken;
        } catch {
            ++refused;
        }
    }

    function claim(uint256 seed) external {
        try vault.claimableRoot() returns (uint64 epoch, bytes32) {
            PayoutTree.Leaf memory l = _trees[epoch][seed % (2 * MEMBERS)];
            bytes32[] memory proof = PayoutTree.proof(_trees[epoch], l);
            try vault.claim(l.asset, l.account, l.earned, l.spent, proof) {
                ++paid;
            } catch {
                ++refused;
            }
        } catch {}
    }

    function exit(uint256 seed) external {
        if (vault.exitAt() == 0) {
            if (seed % 8 != 0) return;
            openExit();
        }
        if (epochs == 0) return;
        PayoutTree.Leaf memory l = _trees[epochs - 1][seed % (2 * MEMBERS)];
        bytes32[] memory proof = PayoutTree.proof(_trees[epochs - 1], l);
        try vault.exitWithoutLeaf(l.asset, l.account) {
            ++paid;
        } catch {
            ++refused;
        }
        try vault.exit(l.asset, l.account, l.earned, l.spent, proof) {
            ++paid;
        } catch {
            ++refused;
        }
    }

    function wait(uint256 seconds_) external {
        vm.warp(block.timestamp + within(seconds_, 1, 2 * HOLD));
    }

    function contracts() external view returns (address, address, address) {
        return (address(token), address(euro), address(vault));
    }

    /// @dev Any totals around what is possible; half of the time they grow as they should.
    function totalsFrom(uint256 seed) private view returns (AssetTotal[] memory totals) {
        totals = new AssetTotal[](2);
        (address low, address high) = address(euro) < address(token)
            ? (address(euro), address(token))
            : (address(token), address(euro));
        totals[0].asset = low;
        totals[1].asset = high;
        for (uint256 i = 0; i < 2; ++i) {
            (uint256 deposited, uint256 spent, uint256 earned,,) = vault.totalsOf(totals[i].asset);
            if ((seed >> i) % 2 == 0) {
                totals[i].spent = within(seed >> 16, spent, deposited);
                totals[i].earned = earned + within(seed >> 48, 0, totals[i].spent - spent);
            } else {
                totals[i].spent = (seed >> 16) % (deposited + 1000);
                totals[i].earned = (seed >> 48) % (deposited + 1000);
            }
        }
    }

    function memberOf(uint256 seed) private pure returns (address) {
        return address(uint160(0x1000 + (seed >> 8) % MEMBERS));
    }
}
