// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {PayoutTree} from "../kit/PayoutTree.sol";
import {Cast} from "./Cast.sol";

/// @notice What members do with the Vault. It keeps its own books and compares.
abstract contract MoneyActions is Cast {
    /// @dev What one settlement said about one member and asset.
    struct Entry {
        uint256 earned;
        uint256 spent;
    }

    /// @notice Claims that paid something.
    uint256 public payments;

    mapping(address asset => mapping(address member => uint256)) public depositedOf;
    mapping(address asset => mapping(address member => uint256)) public paidTo;
    mapping(address asset => mapping(address member => uint64)) internal firstDepositAt;
    mapping(address asset => mapping(address member => Entry)) internal entries;
    mapping(address asset => mapping(address member => uint256)) internal wanted;
    mapping(uint64 epoch => mapping(address asset => mapping(address member => Entry))) internal
        history;

    function deposit(uint256 seed, uint256 amount) external moves {
        (address asset, address member) = choose(seed);
        amount = sized(asset, amount);
        if (!fund(asset, member, amount)) return;
        must(member, asset, abi.encodeCall(IERC20.approve, (address(vault), amount)));
        take(asset, member, amount, member, abi.encodeCall(vault.deposit, (asset, amount)));
    }

    function depositFor(uint256 seed, uint256 amount) external moves {
        (address asset, address member) = choose(seed);
        address payer = memberOf(seed >> 16);
        amount = sized(asset, amount);
        if (!fund(asset, payer, amount)) return;
        must(payer, asset, abi.encodeCall(IERC20.approve, (address(vault), amount)));
        bytes memory call = abi.encodeCall(vault.depositFor, (asset, member, amount));
        take(asset, member, amount, payer, call);
    }

    function depositWithPermit(uint256 seed, uint256 amount) external moves {
        (address asset, address member) = choose(seed);
        amount = sized(asset, amount);
        if (!fund(asset, member, amount)) return;
        (uint8 v, bytes32 r, bytes32 s) = permitBy(
            member,
            IERC20Permit(asset).DOMAIN_SEPARATOR(),
            address(vault),
            amount,
            IERC20Permit(asset).nonces(member)
        );
        bytes memory call = abi.encodeCall(
            vault.depositWithPermit, (asset, member, amount, type(uint256).max, v, r, s)
        );
        take(asset, member, amount, memberOf(seed >> 16), call);
    }

    function requestWithdrawal(uint256 seed, uint256 amount) external moves {
        (address asset, address member) = choose(seed);
        uint256 deposited = depositedOf[asset][member];
        bytes memory more = abi.encodeCall(vault.requestWithdrawal, (asset, deposited + 1));
        refused(member, address(vault), more);
        if (vault.exitAt() != 0 || deposited == 0) return;
        amount = within(amount, 1, deposited);
        must(member, address(vault), abi.encodeCall(vault.requestWithdrawal, (asset, amount)));
        wanted[asset][member] += amount;
    }

    function requestWithdrawalFor(uint256 seed, uint256 amount) external moves {
        (address asset, address member) = choose(seed);
        if (vault.exitAt() != 0 || depositedOf[asset][member] == 0) return;
        amount = within(amount, 1, depositedOf[asset][member]);
        bytes memory message = abi.encode(
            vault.WITHDRAWAL_TYPEHASH(),
            member,
            asset,
            amount,
            vault.nonces(member),
            type(uint256).max
        );
        bytes memory call = abi.encodeCall(
            vault.requestWithdrawalFor,
            (
                member,
                asset,
                amount,
                type(uint256).max,
                signBy(member, vault.DOMAIN_SEPARATOR(), message)
            )
        );
        address relay = memberOf(seed >> 16);
        must(relay, address(vault), call);
        refused(relay, address(vault), call); // a signature counts once
        wanted[asset][member] += amount;
    }

    function setSpendLimit(uint256 seed, uint256 limit) external moves {
        bytes memory call = abi.encodeCall(vault.setSpendLimit, (seed % 7, limit));
        must(memberOf(seed >> 8), address(vault), call);
    }

    function setSpendLimitFor(uint256 seed, uint256 limit) external moves {
        address member = memberOf(seed);
        bytes memory message = abi.encode(
            vault.SPEND_LIMIT_TYPEHASH(),
            member,
            seed % 7,
            limit,
            vault.nonces(member),
            type(uint256).max
        );
        bytes memory signature = signBy(member, vault.DOMAIN_SEPARATOR(), message);
        bytes memory call = abi.encodeCall(
            vault.setSpendLimitFor, (member, seed % 7, limit, type(uint256).max, signature)
        );
        must(memberOf(seed >> 8), address(vault), call);
        refused(member, address(vault), call);
    }

    /// @dev Claims against the root in force, right away a second time, and with a forged amount.
    function claim(uint256 seed, uint256 more) external moves {
        (address asset, address member) = choose(seed);
        uint64 epoch;
        try vault.claimableRoot() returns (uint64 found, bytes32) {
            epoch = found;
        } catch {
            return;
        }
        Entry memory e = history[epoch][asset][member];
        bytes32[] memory proof = proofOf(epoch, asset, member);
        bytes memory call = abi.encodeCall(
            vault.claim, (asset, member, e.earned + within(more, 1, 1e30), e.spent, proof)
        );
        refused(member, address(vault), call);
        uint256 before = IERC20(asset).balanceOf(member);
        uint256 due = e.earned > paidTo[asset][member] ? e.earned - paidTo[asset][member] : 0;
        call = abi.encodeCall(vault.claim, (asset, member, e.earned, e.spent, proof));
        bool paid = may(memberOf(seed >> 16), address(vault), call);
        require(paid == (due > 0), "pays exactly when something is due");
        require(IERC20(asset).balanceOf(member) - before == due, "pays exactly what is due");
        refused(member, address(vault), call); // a claim pays once
        paidTo[asset][member] += due;
        if (paid) ++payments;
    }

    function sumOfDeposits(address asset) external view returns (uint256 sum) {
        for (uint256 m = 0; m < MEMBERS; ++m) {
            sum += depositedOf[asset][members[m]];
        }
    }

    function sumOfPayments(address asset) external view returns (uint256 sum) {
        for (uint256 m = 0; m < MEMBERS; ++m) {
            sum += paidTo[asset][members[m]];
        }
    }

    // --- inside ------------------------------------------------------------------------------

    function sized(address asset, uint256 amount) private view returns (uint256) {
        return within(amount, 1, asset == address(euro) ? 1e12 : 1e20);
    }

    /// @dev A deposit of `amount` for `member`, which the Vault takes until the exit is open.
    function take(address asset, address member, uint256 amount, address sender, bytes memory call)
        private
    {
        bool open = vault.exitAt() == 0;
        require(may(sender, address(vault), call) == open, "takes deposits until the exit");
        if (!open) return;
        if (depositedOf[asset][member] == 0) {
            firstDepositAt[asset][member] = uint64(block.timestamp);
        }
        depositedOf[asset][member] += amount;
    }

    function leavesOf(uint64 epoch) internal view returns (PayoutTree.Leaf[] memory leaves) {
        leaves = new PayoutTree.Leaf[](2 * MEMBERS);
        for (uint256 i = 0; i < leaves.length; ++i) {
            leaves[i] = leafOf(epoch, assets[i % 2], members[i / 2]);
        }
    }

    function leafOf(uint64 epoch, address asset, address member)
        private
        view
        returns (PayoutTree.Leaf memory)
    {
        Entry memory e = history[epoch][asset][member];
        return PayoutTree.Leaf(asset, member, e.earned, e.spent);
    }

    function proofOf(uint64 epoch, address asset, address member)
        internal
        view
        returns (bytes32[] memory)
    {
        return PayoutTree.proof(leavesOf(epoch), leafOf(epoch, asset, member));
    }
}
