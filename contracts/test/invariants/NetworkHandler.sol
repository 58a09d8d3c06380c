// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {AssetTotal, Result, Tip} from "../../src/Types.sol";
import {PayoutTree} from "../kit/PayoutTree.sol";
import {DeviceActions} from "./DeviceActions.sol";
import {GovernanceActions} from "./GovernanceActions.sol";
import {MoneyActions} from "./MoneyActions.sol";
import {NodeActions} from "./NodeActions.sol";
import {TokenActions} from "./TokenActions.sol";

/// @notice Plays a whole network at random, and settles it: honest settlements move money, minorities
/// attest lies, roots are stopped, the breaker trips and is released, at the end the exit opens. Every
/// function that changes anything in a contract of the network is called by one of the actions.
contract NetworkHandler is
    TokenActions,
    NodeActions,
    DeviceActions,
    GovernanceActions,
    MoneyActions
{
    uint64 public epochs;
    uint256 public minted;
    uint256 public lies;
    uint256 public trips;
    uint256 public halts;
    /// @notice What the schedule allows for the epochs that minted, by this handler's own sums.
    uint256 public allowance;

    /// @dev The honest result of epoch `epochs`, encoded; empty until somebody needs it.
    bytes private _result;
    uint256 private _reward;
    uint256 private _halvings;

    constructor() {
        assemble();
    }

    // --- what nodes do -----------------------------------------------------------------------

    function anchor(uint256 seed) external moves {
        (address operator, bytes32 logId) =
            seed % 2 == 0 ? (gatewayA, LOG_A) : (memberOf(seed >> 8), bytes32(0));
        if (logId == 0) logId = nodes.logOf(operator);
        uint64 size = settlement.anchoredSize(logId) + 1 + uint64(seed % 5);
        bytes memory call = abi.encodeCall(settlement.anchor, (logId, size, rootOf(logId, size)));
        refused(treasury, address(settlement), call);
        if (logId == 0) refused(operator, address(settlement), call);
        else must(operator, address(settlement), call);
    }

    function confirm(uint256 seed) external moves {
        uint64 epoch = settlement.nextToClose();
        (uint256 opens, uint256 ends) = settlement.confirmWindow(epoch);
        if (block.timestamp < opens && seed % 4 == 0) vm.warp(opens);
        bool open = block.timestamp >= opens && block.timestamp < ends;
        require(confirmAs(voterOf(seed >> 8), epoch, seed) ? open : true, "outside the window");
    }

    function close(uint256 seed) external moves {
        uint64 epoch = settlement.nextToClose();
        if (epoch > epochs + 2) return;
        (, uint256 deadline) = settlement.confirmWindow(epoch);
        bytes memory call = abi.encodeCall(settlement.close, (epoch));
        bool due = block.timestamp >= deadline;
        require(may(memberOf(seed), address(settlement), call) == due, "at the deadline");
    }

    function attest(uint256 seed) external moves {
        if (!prepared(seed)) return;
        attestBy(voterOf(seed >> 8), honest());
    }

    function finalise(uint256 seed) external moves {
        if (!prepared(seed)) return;
        finaliseNow(seed);
    }

    /// @dev One honest epoch from where it stands: logs anchored and confirmed, money moved, root
    /// finalised. Now and then a minority attests something else first.
    function settle(uint256 seed) external moves {
        if (vault.exitAt() != 0) return;
        uint64 epoch = epochs;
        if (settlement.nextToClose() == epoch) {
            if (block.timestamp < endOf(epoch)) vm.warp(endOf(epoch));
            confirmAll(epoch, seed);
            (, uint256 deadline) = settlement.confirmWindow(epoch);
            if (block.timestamp < deadline) vm.warp(deadline);
            must(memberOf(seed), address(settlement), abi.encodeCall(settlement.close, (epoch)));
        }
        if (!prepared(seed)) return;
        lie(epoch, seed);
        if (seed % 4 == 0) finaliseNow(seed); // refused where there is no quorum yet
        if (epochs != epoch) return; // there was one, and a vote has released the breaker
        agreeNow(epoch, seed);
        finaliseNow(seed);
    }

    /// @dev The guardian, or verifiers, stop the last root if it is still in its hold.
    function halt(uint256 seed) external moves {
        if (epochs == 0) return;
        uint64 epoch = epochs - 1;
        (uint64 holdEnds, bool halted) = settlement.holdOf(epoch);
        bool possible = !halted && block.timestamp < holdEnds;
        if (seed % 2 == 0) {
            bool entitled = guardian.holder() == holder && block.timestamp < guardian.until()
                && block.timestamp >= guardian.readyAt();
            bytes memory call = abi.encodeCall(guardian.halt, (epoch));
            refused(memberOf(seed >> 8), address(guardian), call);
            bool ok = may(holder, address(guardian), call);
            require(ok == (possible && entitled), "a guardian beyond its bounds");
            if (ok) ++halts;
        }
        for (uint256 i = 0; i < 4 && seed % 4 == 1; ++i) {
            bytes memory call = abi.encodeCall(settlement.halt, (epoch));
            bool ok = may(verifiers[i], address(settlement), call);
            require(!ok || possible, "stopped what was not in its hold");
        }
    }

    /// @dev Nobody speaks to the Vault in Settlement's place.
    function pretend(uint256 seed, uint256 amount) external moves {
        AssetTotal[] memory totals = new AssetTotal[](0);
        address account = anybody(seed);
        refused(
            account,
            address(vault),
            abi.encodeCall(vault.finalise, (epochs, bytes32(amount), amount, totals))
        );
        refused(account, address(vault), abi.encodeCall(vault.halt, (epochs, type(uint64).max)));
    }

    function wait(uint256 seconds_) external moves {
        vm.warp(block.timestamp + within(seconds_, 1, 2 * LENGTH));
    }

    // --- the end -----------------------------------------------------------------------------

    /// @dev Rarely: nothing finalises for long enough, and the exit opens.
    function enterExit(uint256 seed) external moves {
        if (vault.exitAt() == 0 && seed % 32 == 0) vm.warp(opensAt());
        bool due = vault.exitAt() == 0 && block.timestamp >= opensAt();
        bytes memory call = abi.encodeCall(vault.enterExit, ());
        require(may(memberOf(seed), address(vault), call) == due, "opens when it is due");
    }

    /// @dev One member exits early, in whatever order it comes.
    function exit(uint256 seed) external moves {
        (address asset, address member) = choose(seed);
        depart(asset, member);
    }

    /// @dev Everybody exits; everybody got exactly what is theirs, and the Vault keeps exactly what
    /// was spent or minted and nobody earned.
    function exitEverybody() external {
        if (vault.exitAt() == 0) {
            while (block.timestamp < opensAt()) vm.warp(opensAt()); // a vote may prolong it
            vault.enterExit();
        }
        for (uint256 a = 0; a < 2; ++a) {
            uint256 sources = assets[a] == address(token) ? minted + gifts : 0;
            uint256 earned = 0;
            for (uint256 m = 0; m < MEMBERS; ++m) {
                depart(assets[a], members[m]);
                Entry memory e = settledOf(assets[a], members[m]);
                uint256 theirs = e.earned + depositedOf[assets[a]][members[m]] - e.spent;
                vm.assertEq(paidTo[assets[a]][members[m]], theirs, "not exactly theirs");
                sources += e.spent;
                earned += e.earned;
            }
            uint256 left = IERC20(assets[a]).balanceOf(address(vault));
            vm.assertEq(left, sources - earned, "the Vault is short or keeps too much");
        }
    }

    function contracts()
        external
        view
        returns (address, address, address, address, address, address, address)
    {
        return (
            address(token),
            address(vault),
            address(settlement),
            address(nodes),
            address(policy),
            address(devices),
            address(guardian)
        );
    }

    // --- inside ------------------------------------------------------------------------------

    function opensAt() private view returns (uint256) {
        uint256 since = vault.lastFinalisedAt() == 0 ? GENESIS : vault.lastFinalisedAt();
        return since + uint256(policy.value("exit_after_s"));
    }

    /// @dev What the last finalised epoch said; entries may be one epoch ahead.
    function settledOf(address asset, address member) private view returns (Entry memory e) {
        if (epochs > 0) e = history[epochs - 1][asset][member];
    }

    /// @dev Exits by leaf and without, both tried; together they must pay what is due.
    function depart(address asset, address member) private {
        bool open = vault.exitAt() != 0;
        uint256 before = IERC20(asset).balanceOf(member);
        bytes memory call = abi.encodeCall(vault.exitWithoutLeaf, (asset, member));
        if (may(member, address(vault), call)) require(open, "before the exit was open");
        if (epochs > 0) {
            Entry memory e = settledOf(asset, member);
            bytes32[] memory proof = proofOf(epochs - 1, asset, member);
            call = abi.encodeCall(vault.exit, (asset, member, e.earned, e.spent, proof));
            if (may(member, address(vault), call)) require(open, "before the exit was open");
            refused(member, address(vault), call); // an exit pays once
        }
        paidTo[asset][member] += IERC20(asset).balanceOf(member) - before;
    }

    function voterOf(uint256 seed) private view returns (address) {
        return _voters[seed % _voters.length];
    }

    function confirmAll(uint64 epoch, uint256 seed) private {
        (uint256 opens, uint256 ends) = settlement.confirmWindow(epoch);
        if (block.timestamp >= ends) return;
        if (block.timestamp < opens) vm.warp(opens);
        anchorAs(gatewayA, LOG_A, settlement.anchoredSize(LOG_A) + 1 + uint64(seed % 5));
        for (uint256 i = 0; i < _voters.length; ++i) {
            if ((seed >> (16 + i)) % 4 != 0) confirmAs(_voters[i], epoch, seed);
        }
    }

    function confirmAs(address verifier, uint64 epoch, uint256 seed) private returns (bool) {
        uint64 size = settlement.anchoredSize(LOG_A);
        Tip[] memory tips = new Tip[](size == 0 || seed % 8 == 0 ? 0 : 1);
        if (tips.length == 1) tips[0] = Tip(LOG_A, size, rootOf(LOG_A, size));
        return may(verifier, address(settlement), abi.encodeCall(settlement.confirm, (epoch, tips)));
    }

    /// @dev Verifiers attest one after the other, until those who did are a quorum.
    function agreeNow(uint64 epoch, uint256 seed) private {
        Result memory result = honest();
        bytes32 digest = settlement.digestFor(epoch, result);
        (uint256 behind, uint256 needed,) = settlement.supportOf(epoch, digest);
        for (uint256 i = 0; i < _voters.length && behind < needed; ++i) {
            attestBy(_voters[(seed % _voters.length + i) % _voters.length], result);
            (behind,,) = settlement.supportOf(epoch, digest);
        }
    }

    function attestBy(address verifier, Result memory result) private {
        may(verifier, address(settlement), abi.encodeCall(settlement.attest, (epochs, result)));
    }

    function stakeOf(uint64 epoch, address verifier) private view returns (uint256) {
        return nodes.stakeAt(verifier, endOf(epoch) - 1);
    }

    /// @dev Counted by hand: the stakes of all who attested, against the stakes of all there are.
    function hasQuorum(uint64 epoch, Result memory result) private view returns (bool) {
        bytes32 digest = settlement.digestFor(epoch, result);
        uint256 behind = 0;
        uint256 total = nodes.totalStakeAt(endOf(epoch) - 1);
        uint256 sum = 0;
        for (uint256 i = 0; i < _voters.length; ++i) {
            uint256 stake = stakeOf(epoch, _voters[i]);
            sum += stake;
            if (settlement.attestationOf(epoch, _voters[i]) == digest) behind += stake;
        }
        require(sum == total, "stakes do not add up");
        uint256 quorumPpm = uint256(policy.valueAt("quorum_ppm", epoch));
        return behind > 0 && behind * 1e6 >= total * quorumPpm;
    }

    /// @dev A verifier without whom there can still be a quorum attests that one member earned
    /// everything.
    function lie(uint64 epoch, uint256 seed) private {
        if (seed % 3 != 0) return;
        address liar = voterOf(seed >> 24);
        uint256 total = nodes.totalStakeAt(endOf(epoch) - 1);
        uint256 others = total - stakeOf(epoch, liar);
        if (others * 1e6 < total * uint256(policy.valueAt("quorum_ppm", epoch))) return;
        PayoutTree.Leaf[] memory loot = new PayoutTree.Leaf[](1);
        loot[0] = PayoutTree.Leaf(address(euro), members[0], type(uint128).max, 0);
        Result memory result = honest();
        result.payoutRoot = PayoutTree.root(loot);
        attestBy(liar, result);
        refused(liar, address(settlement), abi.encodeCall(settlement.finalise, (epoch, result)));
        ++lies;
    }

    /// @dev Finalises exactly where a quorum attested and the breaker does not trip. A trip is
    /// released by a vote, at once or with the next settlement.
    function finaliseNow(uint256 seed) private {
        Result memory result = honest();
        bytes memory call = abi.encodeCall(settlement.finalise, (epochs, result));
        bool quorum = hasQuorum(epochs, result);
        (bool tripped, bytes32 key) = tooFast(result);
        bool ok = may(memberOf(seed), address(settlement), call);
        require(ok == (quorum && !tripped), "finalised without a quorum, or refused one");
        if (ok) return advance();
        if (!quorum) return;
        ++trips;
        must(governance, address(policy), abi.encodeCall(policy.set, (key, int256(1e30))));
        vm.warp(block.timestamp + LENGTH);
    }

    function advance() private {
        if (_reward > 0) allowance += emissionByHand();
        _halvings += (1 << 96) / uint256(policy.valueAt("half_life_epochs", epochs));
        minted += _reward;
        _reward = 0;
        delete _result;
        ++epochs;
    }

    /// @dev The schedule as its definition reads: halvings passed, whole ones and the rest.
    function emissionByHand() private view returns (uint256) {
        uint256 started = EMISSION;
        uint256 rest = _halvings;
        for (; rest >= 1 << 96; rest -= 1 << 96) {
            started /= 2;
        }
        return started - (started * rest + (1 << 97) - 1) / (1 << 97);
    }

    /// @dev Whether the result adds more to an asset than its limit, that of the epoch and of now.
    function tooFast(Result memory result) private view returns (bool, bytes32 key) {
        for (uint256 i = 0; i < 2; ++i) {
            AssetTotal memory total = result.totals[i];
            bool isToken = total.asset == address(token);
            key = isToken ? bytes32("token_growth_max_wei") : bytes32("currency_growth_max");
            uint256 limit = uint256(policy.valueAt(key, epochs));
            uint256 limitNow = uint256(policy.value(key));
            if (limitNow > limit) limit = limitNow;
            (, uint256 spent, uint256 earned,,) = vault.totalsOf(total.asset);
            if (total.spent - spent > limit || total.earned - earned > limit) return (true, key);
            if (isToken && _reward > limit) return (true, key);
        }
        return (false, 0);
    }

    /// @dev True where epoch `epochs` is closed and its honest result is known.
    function prepared(uint256 seed) private returns (bool) {
        if (vault.exitAt() != 0 || settlement.nextToClose() <= epochs) return false;
        if (_result.length != 0) return true;
        moveMoney(epochs, seed);
        AssetTotal[] memory totals = sums();
        bytes32 root = PayoutTree.root(leavesOf(epochs));
        Result memory result = resultFor(epochs, root, minted + _reward, totals);
        result.rulesHash = bytes32(uint256(policy.valueAt("rules", epochs)));
        _result = abi.encode(result);
        return true;
    }

    function honest() private view returns (Result memory) {
        return abi.decode(_result, (Result));
    }

    /// @dev Honest books for one epoch: withdrawals, one payment per asset with a residue that
    /// nobody earns, a reward within the schedule. Whoever deposited before the end has an entry.
    function moveMoney(uint64 epoch, uint256 seed) private {
        for (uint256 a = 0; a < 2; ++a) {
            address asset = assets[a];
            for (uint256 m = 0; m < MEMBERS; ++m) {
                Entry storage e = entries[asset][members[m]];
                uint256 free = freeOf(epoch, asset, members[m]);
                uint256 back = wanted[asset][members[m]];
                if (back > free) back = free;
                e.spent += back;
                e.earned += back;
                wanted[asset][members[m]] = 0;
            }
            uint256 payer = (seed >> (32 + 8 * a)) % MEMBERS;
            uint256 payee = (seed >> (48 + 8 * a)) % MEMBERS;
            uint256 price = freeOf(epoch, asset, members[payer]) * ((seed >> 64) % 101) / 100;
            entries[asset][members[payer]].spent += price;
            entries[asset][members[payee]].earned += price * ((seed >> 72) % 101) / 100;
        }
        _reward = token.emissionOf(epoch) * ((seed >> 80) % 101) / 100;
        entries[address(token)][members[(seed >> 88) % MEMBERS]].earned += _reward;
        for (uint256 a = 0; a < 2; ++a) {
            for (uint256 m = 0; m < MEMBERS; ++m) {
                history[epoch][assets[a]][members[m]] = entries[assets[a]][members[m]];
            }
        }
    }

    /// @dev What a settlement of `epoch` may let a member spend. It knows the chain up to the
    /// epoch's end only; who first deposited afterwards is not known yet.
    function freeOf(uint64 epoch, address asset, address member) private view returns (uint256) {
        if (firstDepositAt[asset][member] >= endOf(epoch)) return 0;
        return depositedOf[asset][member] - entries[asset][member].spent;
    }

    function sums() private view returns (AssetTotal[] memory totals) {
        totals = new AssetTotal[](2);
        (uint256 low, uint256 high) = assets[0] < assets[1] ? (0, 1) : (1, 0);
        totals[0].asset = assets[low];
        totals[1].asset = assets[high];
        for (uint256 t = 0; t < 2; ++t) {
            for (uint256 m = 0; m < MEMBERS; ++m) {
                Entry memory e = entries[totals[t].asset][members[m]];
                totals[t].earned += e.earned;
                totals[t].spent += e.spent;
            }
        }
    }
}
