// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {AssetTotal, Result, Tip} from "../../src/Types.sol";
import {PayoutTree} from "../kit/PayoutTree.sol";
import {World} from "../kit/World.sol";

/// @notice Plays a whole network at random: members deposit, ask for money back and claim; honest
/// settlements move money; a minority attests lies; roots are stopped; stakes come and go; at the
/// end the exit opens. It keeps its own books and compares.
contract NetworkHandler is World {
    uint256 public constant MEMBERS = 5;

    /// @dev What one settlement said about one member and asset.
    struct Entry {
        uint256 earned;
        uint256 spent;
    }

    address[] public members;
    address[2] public assets;
    uint64 public epochs;
    uint256 public minted;
    uint256 public lies;
    uint256 public payments;

    mapping(address asset => mapping(address member => uint256)) public depositedOf;
    mapping(address asset => mapping(address member => uint64)) private _firstDepositAt;
    mapping(address asset => mapping(address member => uint256)) public paidTo;
    mapping(address asset => mapping(address member => Entry)) private _entries;
    mapping(address asset => mapping(address member => uint256)) private _wanted;
    mapping(uint64 epoch => mapping(address asset => mapping(address member => Entry))) private
        _history;

    constructor() {
        deploy();
        populate();
        for (uint256 i = 0; i < MEMBERS; ++i) {
            members.push(named(string.concat("member ", string(abi.encodePacked(48 + i)))));
        }
        assets = [address(euro), address(token)];
        vm.prank(governance);
        policy.set("currency_growth_max", 1e30);
        vm.warp(GENESIS);
    }

    // --- what members do ---------------------------------------------------------------------

    function deposit(uint256 seed, uint256 amount) external {
        if (vault.exitAt() != 0) return;
        (address asset, address member) = choose(seed);
        amount = within(amount, 1, 1e24);
        if (asset == address(euro)) {
            euro.mint(member, amount);
        } else {
            amount = within(amount, 1, 1e20);
            if (token.balanceOf(treasury) < amount) return;
            vm.prank(treasury);
            token.transfer(member, amount);
        }
        vm.prank(member);
        IERC20(asset).approve(address(vault), amount);
        vm.prank(member);
        vault.deposit(asset, amount);
        if (depositedOf[asset][member] == 0) {
            _firstDepositAt[asset][member] = uint64(block.timestamp);
        }
        depositedOf[asset][member] += amount;
    }

    function requestWithdrawal(uint256 seed, uint256 amount) external {
        (address asset, address member) = choose(seed);
        if (vault.exitAt() != 0 || depositedOf[asset][member] == 0) return;
        amount = within(amount, 1, depositedOf[asset][member]);
        vm.prank(member);
        vault.requestWithdrawal(asset, amount);
        _wanted[asset][member] += amount;
    }

    /// @dev Claims against the root in force, right away a second time, and with a forged amount.
    function claim(uint256 seed, uint256 more) external {
        (address asset, address member) = choose(seed);
        uint64 epoch;
        try vault.claimableRoot() returns (uint64 found, bytes32) {
            epoch = found;
        } catch {
            return;
        }
        Entry memory e = _history[epoch][asset][member];
        bytes32[] memory proof = proofOf(epoch, asset, member);
        require(!tryClaim(asset, member, e.earned + within(more, 1, 1e30), e.spent, proof));
        uint256 before = IERC20(asset).balanceOf(member);
        uint256 due = e.earned > paidTo[asset][member] ? e.earned - paidTo[asset][member] : 0;
        bool paid = tryClaim(asset, member, e.earned, e.spent, proof);
        require(paid == (due > 0), "pays exactly when something is due");
        require(IERC20(asset).balanceOf(member) - before == due, "pays exactly what is due");
        require(!tryClaim(asset, member, e.earned, e.spent, proof), "a claim pays once");
        paidTo[asset][member] += due;
        if (paid) ++payments;
    }

    // --- what nodes do -----------------------------------------------------------------------

    /// @dev One honest epoch: logs anchored and confirmed, money moved, root finalised. Now and
    /// then a minority attests something else first.
    function settle(uint256 seed) external {
        if (vault.exitAt() != 0) return;
        uint64 epoch = epochs;
        if (block.timestamp < endOf(epoch)) vm.warp(endOf(epoch));
        confirmAll(epoch, seed);
        if (block.timestamp < endOf(epoch) + GRACE + CONFIRM) warpToDeadline(epoch);
        settlement.close(epoch);
        lie(epoch, seed);
        moveMoney(epoch, seed);
        Result memory result = resultFor(epoch, PayoutTree.root(leavesOf(epoch)), minted, sums());
        agreeNow(epoch, result);
        ++epochs;
    }

    /// @dev The guardian, or two verifiers, stop the last root if it is still in its hold.
    function halt(uint256 seed) external {
        if (epochs == 0) return;
        (uint64 holdEnds, bool halted) = settlement.holdOf(epochs - 1);
        if (halted || block.timestamp >= holdEnds) return;
        if (seed % 2 == 0) {
            vm.prank(holder);
            try guardian.halt(epochs - 1) {} catch {}
            return;
        }
        for (uint256 i = 2; i < 4; ++i) {
            vm.prank(verifiers[i]);
            try settlement.halt(epochs - 1) {} catch {}
        }
    }

    function wait(uint256 seconds_) external {
        vm.warp(block.timestamp + within(seconds_, 1, 2 * LENGTH));
    }

    /// @dev Rarely: nothing finalises for long enough, and the exit opens.
    function openExit(uint256 seed) external {
        if (vault.exitAt() != 0 || seed % 16 != 0) return;
        vm.warp(block.timestamp + EXIT_AFTER + LENGTH);
        vault.enterExit();
    }

    /// @dev One member exits early, in whatever order it comes.
    function exit(uint256 seed) external {
        if (vault.exitAt() == 0) return;
        (address asset, address member) = choose(seed);
        depart(asset, member);
    }

    // --- the end -----------------------------------------------------------------------------

    /// @dev Everybody exits; everybody got exactly what is theirs, and the Vault keeps exactly what
    /// was spent or minted and nobody earned.
    function exitEverybody() external {
        if (vault.exitAt() == 0) {
            vm.warp(block.timestamp + EXIT_AFTER + LENGTH);
            vault.enterExit();
        }
        for (uint256 a = 0; a < 2; ++a) {
            uint256 sources = assets[a] == address(token) ? minted : 0;
            uint256 earned = 0;
            for (uint256 m = 0; m < MEMBERS; ++m) {
                depart(assets[a], members[m]);
                Entry memory e = _entries[assets[a]][members[m]];
                uint256 theirs = e.earned + depositedOf[assets[a]][members[m]] - e.spent;
                vm.assertEq(paidTo[assets[a]][members[m]], theirs, "not exactly theirs");
                sources += e.spent;
                earned += e.earned;
            }
            uint256 left = IERC20(assets[a]).balanceOf(address(vault));
            vm.assertEq(left, sources - earned, "the Vault is short or keeps too much");
        }
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

    /// @dev Supply that the schedule allows by now.
    function scheduleSoFar() external view returns (uint256 sum) {
        for (uint64 epoch = 0; epoch < epochs; ++epoch) {
            sum += token.emissionOf(epoch);
        }
    }

    function contracts() external view returns (address, address, address) {
        return (address(token), address(vault), address(settlement));
    }

    // --- inside ------------------------------------------------------------------------------

    function choose(uint256 seed) private view returns (address asset, address member) {
        return (assets[seed % 2], members[(seed >> 8) % MEMBERS]);
    }

    function tryClaim(
        address asset,
        address member,
        uint256 earned,
        uint256 spent,
        bytes32[] memory proof
    ) private returns (bool) {
        try vault.claim(asset, member, earned, spent, proof) {
            return true;
        } catch {
            return false;
        }
    }

    /// @dev Exits by leaf and without, both tried; together they must pay what is due.
    function depart(address asset, address member) private {
        uint256 before = IERC20(asset).balanceOf(member);
        try vault.exitWithoutLeaf(asset, member) {} catch {}
        if (epochs > 0) {
            Entry memory e = _entries[asset][member];
            bytes32[] memory proof = proofOf(epochs - 1, asset, member);
            try vault.exit(asset, member, e.earned, e.spent, proof) {} catch {}
            try vault.exit(asset, member, e.earned, e.spent, proof) {
                require(false, "an exit pays once");
            } catch {}
        }
        paidTo[asset][member] += IERC20(asset).balanceOf(member) - before;
    }

    function confirmAll(uint64 epoch, uint256 seed) private {
        if (block.timestamp >= endOf(epoch) + GRACE + CONFIRM) return;
        if (block.timestamp < endOf(epoch) + GRACE) warpToConfirm(epoch);
        uint64 size = settlement.anchoredSize(LOG_A) + 1 + uint64(seed % 5);
        Tip[] memory tips = new Tip[](1);
        tips[0] = anchorAs(gatewayA, LOG_A, size);
        for (uint256 i = 0; i < 4; ++i) {
            if ((seed >> (16 + i)) % 4 == 0) continue;
            vm.prank(verifiers[i]);
            settlement.confirm(epoch, tips);
        }
    }

    /// @dev The last verifier, who alone is no quorum, attests that one member earned everything.
    function lie(uint64 epoch, uint256 seed) private {
        if (seed % 3 != 0) return;
        PayoutTree.Leaf[] memory loot = new PayoutTree.Leaf[](1);
        loot[0] = PayoutTree.Leaf(address(euro), members[0], type(uint128).max, 0);
        Result memory result = resultFor(epoch, PayoutTree.root(loot), minted, sums());
        attestAs(3, epoch, result);
        try settlement.finalise(epoch, result) {
            require(false, "a minority finalised");
        } catch {
            ++lies;
        }
    }

    function agreeNow(uint64 epoch, Result memory result) private {
        attestAs(0, epoch, result);
        attestAs(1, epoch, result);
        try settlement.finalise(epoch, result) {
            require(false, "two of four finalised");
        } catch {}
        attestAs(2, epoch, result);
        settlement.finalise(epoch, result);
    }

    /// @dev Honest books for one epoch: withdrawals, one payment per asset with a residue that
    /// nobody earns, a reward within the schedule. Whoever deposited before the end has an entry.
    function moveMoney(uint64 epoch, uint256 seed) private {
        for (uint256 a = 0; a < 2; ++a) {
            address asset = assets[a];
            for (uint256 m = 0; m < MEMBERS; ++m) {
                Entry storage e = _entries[asset][members[m]];
                uint256 free = freeOf(epoch, asset, members[m]);
                uint256 back = _wanted[asset][members[m]];
                if (back > free) back = free;
                e.spent += back;
                e.earned += back;
                _wanted[asset][members[m]] = 0;
            }
            uint256 payer = (seed >> (32 + 8 * a)) % MEMBERS;
            uint256 payee = (seed >> (48 + 8 * a)) % MEMBERS;
            uint256 price = freeOf(epoch, asset, members[payer]) * ((seed >> 64) % 101) / 100;
            _entries[asset][members[payer]].spent += price;
            _entries[asset][members[payee]].earned += price * ((seed >> 72) % 101) / 100;
        }
        uint256 reward = token.emissionOf(epoch) * ((seed >> 80) % 101) / 100;
        _entries[address(token)][members[(seed >> 88) % MEMBERS]].earned += reward;
        minted += reward;
        for (uint256 a = 0; a < 2; ++a) {
            for (uint256 m = 0; m < MEMBERS; ++m) {
                _history[epoch][assets[a]][members[m]] = _entries[assets[a]][members[m]];
            }
        }
    }

    /// @dev What a settlement of `epoch` may let a member spend. It knows the chain up to the
    /// epoch's end only; who first deposited afterwards is not known yet.
    function freeOf(uint64 epoch, address asset, address member) private view returns (uint256) {
        if (_firstDepositAt[asset][member] >= endOf(epoch)) return 0;
        return depositedOf[asset][member] - _entries[asset][member].spent;
    }

    function leavesOf(uint64 epoch) private view returns (PayoutTree.Leaf[] memory leaves) {
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
        Entry memory e = _history[epoch][asset][member];
        return PayoutTree.Leaf(asset, member, e.earned, e.spent);
    }

    function proofOf(uint64 epoch, address asset, address member)
        private
        view
        returns (bytes32[] memory)
    {
        return PayoutTree.proof(leavesOf(epoch), leafOf(epoch, asset, member));
    }

    function sums() private view returns (AssetTotal[] memory totals) {
        totals = new AssetTotal[](2);
        (uint256 low, uint256 high) = assets[0] < assets[1] ? (0, 1) : (1, 0);
        totals[0].asset = assets[low];
        totals[1].asset = assets[high];
        for (uint256 t = 0; t < 2; ++t) {
            for (uint256 m = 0; m < MEMBERS; ++m) {
                Entry memory e = _entries[totals[t].asset][members[m]];
                totals[t].earned += e.earned;
                totals[t].spent += e.spent;
            }
        }
    }
}
