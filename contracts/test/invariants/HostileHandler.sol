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
    uint256 private _spent;
    uint256 private _earned;
    uint256 private _limit;

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
        noteLimits();
        try vault.finalise(epochs, PayoutTree.root(tree), minted, totalsFrom(seed)) {
            for (uint256 i = 0; i < tree.length; ++i) {
                _trees[epochs].push(tree[i]);
            }
            requireSlow();
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

    /// @dev Stops any root for as long as the bounds allow; what is in force stays in force.
    function halt(uint256 seed) external {
        if (epochs == 0) return;
        (uint64 before, bool any) = inForce();
        uint64 until = uint64(block.timestamp + within(seed >> 64, 0, 300_000));
        try vault.halt(uint64((seed >> 8) % epochs), until) {} catch {}
        (uint64 next, bool still) = inForce();
        require(still == any && next == before, "a halt reached what is in force");
    }

    /// @dev Governance changes the breaker's limit, at times to less than honest epochs need.
    function limit(uint256 value) external {
        vm.prank(governance);
        policy.set("currency_growth_max", int256(within(value, 1, 3e6)));
    }

    function wait(uint256 seconds_) external {
        vm.warp(block.timestamp + within(seconds_, 1, 2 * LENGTH));
    }

    function inForce() private view returns (uint64 epoch, bool any) {
        try vault.claimableRoot() returns (uint64 found, bytes32) {
            return (found, true);
        } catch {}
    }

    /// @dev The books and the limits as they are before a settlement.
    function noteLimits() private {
        (, _spent, _earned,,) = vault.totalsOf(address(euro));
        uint256 own = uint256(policy.valueAt("currency_growth_max", epochs));
        uint256 limitNow = uint256(policy.value("currency_growth_max"));
        _limit = own > limitNow ? own : limitNow;
    }

    /// @dev What was taken grew no faster than the limits allow.
    function requireSlow() private view {
        (, uint256 spent, uint256 earned,,) = vault.totalsOf(address(euro));
        require(spent - _spent <= _limit && earned - _earned <= _limit, "the breaker slept");
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
