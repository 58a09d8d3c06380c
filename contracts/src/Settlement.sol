// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {SignedMath} from "@openzeppelin/contracts/utils/math/SignedMath.sol";
import {INodes} from "./interfaces/INodes.sol";
import {IPolicy} from "./interfaces/IPolicy.sol";
import {ICommonsToken} from "./interfaces/ICommonsToken.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";
import {IVault} from "./interfaces/IVault.sol";
import {PolicyKeys} from "./PolicyKeys.sol";
import {Tallies, Tally} from "./Tallies.sol";
import {AssetTotal, Range, Result, Tip} from "./Types.sol";

/// @title Anchors, confirmations, closes, attestations, finalised epochs.
/// @notice An epoch passes four gates, in order and each once: verifiers confirm which logs they
/// hold; after the deadline anyone closes it, which freezes the evidence that a quorum confirmed;
/// verifiers attest what they computed from it; anyone finalises what a quorum attested.
/// @dev Goal: one digest per epoch, backed by a quorum of the stake at that epoch's end.
/// Rule: stake is what Nodes knew after the last block before the epoch's end; parameters are the
/// epoch's own. Chain work does not grow with devices.
/// Invariants: epochs close in order and finalise in order; no digest below the quorum finalises;
/// a log's ranges are adjacent: each starts where the one before ended.
/// Loops: TIPS_MAX tips a confirmation; per epoch fewer than TIPS_MAX * 1e6 / quorum_ppm logs can
/// reach a quorum, each with at most as many sizes as there are verifiers (Nodes.VERIFIERS_MAX), all
/// together with TIPS_MAX sizes a verifier: so the widest epoch closes in one transaction.
contract Settlement is ISettlement {
    using Tallies for Tally;

    /// @notice Wiring, fixed for ever.
    /// @param guardian Who may stop a root in its hold period: the Guardian; zero for nobody.
    /// @param manifestHash Hash of the network's manifest.
    struct Config {
        address token;
        address devices;
        address nodes;
        address vault;
        address policy;
        address guardian;
        uint64 genesisTime;
        uint64 epochLength;
        bytes32 manifestHash;
    }

    /// @dev Where one epoch stands.
    struct Epoch {
        bytes32 evidenceHash;
        bytes32 digest;
        uint64 holdEnds;
        bool halted;
        uint256 haltStake;
        uint256[] stakes; // of those who confirmed, in their order
        bytes32[] quorumLogs;
        mapping(bytes32 logId => Tally) tallies;
        mapping(address verifier => bool) confirmed;
        mapping(address verifier => bool) haltVoted;
        mapping(address verifier => bytes32 digest) attestations;
        mapping(bytes32 digest => uint256 stake) attestedStake;
    }

    /// @notice Most logs that one confirmation names.
    uint256 public constant TIPS_MAX = 64;
    /// @notice A quorum must be more than this share: two digests cannot both have one.
    int256 public constant QUORUM_FLOOR_PPM = 500_000;
    int256 private constant QUORUM_MAX_PPM = 1_000_000;
    uint256 private constant PPM = 1_000_000;
    int256 private constant DURATION_MAX_S = 1 << 40;

    INodes public immutable nodes;
    IVault public immutable vault;
    IPolicy public immutable policy;
    address public immutable token;
    address public immutable devices;
    /// @inheritdoc ISettlement
    address public immutable guardian;
    /// @notice Unix second at which epoch 0 starts.
    uint64 public immutable genesisTime;
    /// @notice Seconds that an epoch lasts.
    uint64 public immutable epochLength;
    /// @notice Hash of the network's manifest.
    bytes32 public immutable manifestHash;
    /// @notice Identity of the network: commits to chain, contracts, time and manifest.
    bytes32 public immutable networkId;

    /// @notice The first epoch that is not closed.
    uint64 public nextToClose;
    /// @notice The first epoch that is not finalised.
    uint64 public nextToFinalise;
    /// @notice Root that a log's gateway anchored at a size; zero where it did not.
    mapping(bytes32 logId => mapping(uint64 size => bytes32 root)) public anchorOf;
    /// @notice Largest size that a log's gateway anchored.
    mapping(bytes32 logId => uint64 size) public anchoredSize;
    /// @notice Size up to which a log's entries belong to closed epochs.
    mapping(bytes32 logId => uint64 size) public closedSize;

    mapping(uint64 epoch => Epoch) private _epochs;

    /// @notice A gateway committed to its log's size and root.
    event Anchored(bytes32 indexed logId, uint64 size, bytes32 root);
    /// @notice A verifier holds these logs up to these sizes, payloads included.
    event Confirmed(uint64 indexed epoch, address indexed verifier, Tip[] tips);
    /// @notice The evidence of an epoch is frozen.
    event Closed(uint64 indexed epoch, bytes32 evidenceHash, Range[] ranges);
    /// @notice A verifier signed off on a digest.
    event Attested(uint64 indexed epoch, address indexed verifier, bytes32 digest);
    /// @notice A quorum agreed; the payout root is fixed.
    event Finalised(uint64 indexed epoch, bytes32 digest, Result result);
    /// @notice A verifier wants the root of `epoch` stopped.
    event HaltVoted(uint64 indexed epoch, address indexed verifier, uint256 stake);
    /// @notice The root of `epoch` cannot be claimed against before `until`.
    event Halted(uint64 indexed epoch, uint64 until);

    error WrongWiring(address where, address expected, address found);
    error WrongSchedule(uint64 genesisTime, uint64 epochLength);
    error UnsafeBounds(bytes32 key, int256 min, int256 max);
    error NotGateway(bytes32 logId, address caller);
    error ZeroRoot(bytes32 logId, uint64 size);
    error AnchorNotLarger(bytes32 logId, uint64 size, uint64 anchoredSize);
    error NotVerifier(address caller, uint64 epoch);
    error OutsideConfirmWindow(uint64 epoch, uint256 opens, uint256 ends);
    error AlreadyConfirmed(uint64 epoch, address verifier);
    error TooManyTips(uint256 count, uint256 maximum);
    error TipsNotSorted(bytes32 logId);
    error NotAnchored(bytes32 logId, uint64 size, bytes32 root);
    error CloseOutOfOrder(uint64 epoch, uint64 expected);
    error CloseTooEarly(uint64 epoch, uint256 deadline);
    error NotClosed(uint64 epoch);
    error PreviousNotFinalised(uint64 epoch);
    error AlreadyFinalised(uint64 epoch);
    error WrongPreviousDigest(bytes32 given, bytes32 expected);
    error WrongEvidenceHash(bytes32 given, bytes32 expected);
    error WrongPolicyHash(bytes32 given, bytes32 expected);
    error WrongRulesHash(bytes32 given, bytes32 expected);
    error AlreadyAttested(uint64 epoch, address verifier, bytes32 digest);
    error NoQuorum(uint64 epoch, bytes32 digest, uint256 stake, uint256 totalStake);
    error NotInHold(uint64 epoch, uint64 holdEnds);
    error AlreadyHalted(uint64 epoch);
    error AlreadyVoted(uint64 epoch, address verifier);

    /// @param config Wiring; every contract but this one exists already.
    constructor(Config memory config) {
        token = config.token;
        devices = config.devices;
        nodes = INodes(config.nodes);
        vault = IVault(config.vault);
        policy = IPolicy(config.policy);
        guardian = config.guardian;
        genesisTime = config.genesisTime;
        epochLength = config.epochLength;
        manifestHash = config.manifestHash;
        networkId = keccak256(
            abi.encode(
                "commonworks/1",
                block.chainid,
                address(this),
                config.token,
                config.devices,
                config.nodes,
                config.vault,
                config.policy,
                config.genesisTime,
                config.epochLength,
                config.manifestHash
            )
        );
        _checkWiring(config);
        _checkPolicy(IPolicy(config.policy), config.genesisTime, config.epochLength);
    }

    /// @notice Commits the caller's log to `root` at `size`. Only that log's gateway; sizes grow.
    function anchor(bytes32 logId, uint64 size, bytes32 root) external {
        if (nodes.operatorOf(logId) != msg.sender) revert NotGateway(logId, msg.sender);
        if (root == 0) revert ZeroRoot(logId, size);
        uint64 latest = anchoredSize[logId];
        if (size <= latest) revert AnchorNotLarger(logId, size, latest);
        anchoredSize[logId] = size;
        anchorOf[logId][size] = root;
        emit Anchored(logId, size, root);
    }

    /// @notice Says that the calling verifier holds each log up to its tip, payloads included.
    /// @param epoch An epoch whose confirming window is open.
    /// @param tips Anchored tips, strictly ascending by log id.
    function confirm(uint64 epoch, Tip[] calldata tips) external {
        (uint256 opens, uint256 ends) = confirmWindow(epoch);
        if (block.timestamp < opens || block.timestamp >= ends) {
            revert OutsideConfirmWindow(epoch, opens, ends);
        }
        (uint256 stake, uint256 total) = _stakes(epoch, msg.sender);
        Epoch storage e = _epochs[epoch];
        if (e.confirmed[msg.sender]) revert AlreadyConfirmed(epoch, msg.sender);
        if (tips.length > TIPS_MAX) revert TooManyTips(tips.length, TIPS_MAX);
        e.confirmed[msg.sender] = true;
        uint8 place = SafeCast.toUint8(e.stakes.length);
        e.stakes.push(SafeCast.toUint192(stake));
        uint256 needed = _needed(epoch, total);
        for (uint256 i = 0; i < tips.length; ++i) {
            Tip calldata tip = tips[i];
            if (i > 0 && tip.logId <= tips[i - 1].logId) revert TipsNotSorted(tip.logId);
            if (tip.root == 0 || anchorOf[tip.logId][tip.size] != tip.root) {
                revert NotAnchored(tip.logId, tip.size, tip.root);
            }
            // A log joins the candidates when all stake that confirmed it, at whatever size, reaches
            // the quorum: so a minority that names logs of its own making cannot make closing dearer.
            (uint256 before, uint256 held) = e.tallies[tip.logId].add(tip.size, place, stake);
            if (before < needed && held >= needed) e.quorumLogs.push(tip.logId);
        }
        emit Confirmed(epoch, msg.sender, tips);
    }

    /// @notice Freezes the evidence of `epoch`: for each log the largest size that a quorum holds.
    /// Anyone may call it from the deadline on; epochs close in order. Whoever confirmed a size
    /// holds all smaller ones. Where nothing reached a quorum, the epoch settles nothing new.
    function close(uint64 epoch) external {
        if (epoch != nextToClose) revert CloseOutOfOrder(epoch, nextToClose);
        (, uint256 deadline) = confirmWindow(epoch);
        if (block.timestamp < deadline) revert CloseTooEarly(epoch, deadline);
        nextToClose = epoch + 1;
        Epoch storage e = _epochs[epoch];
        Range[] memory ranges = _ranges(e, _needed(epoch, _totalStake(epoch)));
        bytes32 evidenceHash = keccak256(abi.encode(epoch, ranges));
        e.evidenceHash = evidenceHash;
        for (uint256 i = 0; i < ranges.length; ++i) {
            closedSize[ranges[i].logId] = ranges[i].to;
        }
        emit Closed(epoch, evidenceHash, ranges);
    }

    /// @notice Signs off on an epoch's result. One digest per verifier and epoch; the same one again
    /// changes nothing, so a resent transaction does no harm.
    function attest(uint64 epoch, Result calldata result) external {
        (uint256 stake,) = _stakes(epoch, msg.sender);
        if (epoch >= nextToClose) revert NotClosed(epoch);
        if (epoch > nextToFinalise) revert PreviousNotFinalised(epoch);
        if (epoch < nextToFinalise) revert AlreadyFinalised(epoch);
        _requireRightInputs(epoch, result);
        Epoch storage e = _epochs[epoch];
        bytes32 digest = digestFor(epoch, result);
        bytes32 before = e.attestations[msg.sender];
        if (before == digest) return;
        if (before != 0) revert AlreadyAttested(epoch, msg.sender, before);
        e.attestations[msg.sender] = digest;
        e.attestedStake[digest] += stake;
        emit Attested(epoch, msg.sender, digest);
    }

    /// @notice Makes an epoch's result final once a quorum attested it. Anyone may call it.
    function finalise(uint64 epoch, Result calldata result) external {
        if (epoch > nextToFinalise) revert PreviousNotFinalised(epoch);
        if (epoch < nextToFinalise) revert AlreadyFinalised(epoch);
        Epoch storage e = _epochs[epoch];
        bytes32 digest = digestFor(epoch, result);
        uint256 stake = e.attestedStake[digest];
        uint256 total = stake == 0 ? 0 : _totalStake(epoch);
        if (stake == 0 || stake < _needed(epoch, total)) {
            revert NoQuorum(epoch, digest, stake, total);
        }
        nextToFinalise = epoch + 1;
        e.digest = digest;
        emit Finalised(epoch, digest, result);
        e.holdEnds = vault.finalise(epoch, result.payoutRoot, result.mintedWei, result.totals);
    }

    /// @inheritdoc ISettlement
    /// @dev At the guardian's word, or when verifiers who could have prevented a quorum call it.
    function halt(uint64 epoch) external {
        Epoch storage e = _epochs[epoch];
        if (block.timestamp >= e.holdEnds) revert NotInHold(epoch, e.holdEnds);
        if (e.halted) revert AlreadyHalted(epoch);
        if (msg.sender != guardian && !_voteHalt(e, epoch)) return;
        uint64 until = SafeCast.toUint64(block.timestamp + _parameter(PolicyKeys.HALT_S, epoch));
        e.halted = true;
        emit Halted(epoch, until);
        vault.halt(epoch, until);
    }

    /// @notice First second after `epoch`.
    function epochEnd(uint64 epoch) public view returns (uint256) {
        return uint256(genesisTime) + (uint256(epoch) + 1) * epochLength;
    }

    /// @notice When verifiers may confirm `epoch`: from `opens` until before `ends`, the deadline.
    function confirmWindow(uint64 epoch) public view returns (uint256 opens, uint256 ends) {
        opens = epochEnd(epoch) + _parameter(PolicyKeys.GRACE_S, epoch);
        ends = opens + _parameter(PolicyKeys.CONFIRM_S, epoch);
    }

    /// @notice What an attestation of `result` for `epoch` signs off on.
    function digestFor(uint64 epoch, Result calldata result) public view returns (bytes32) {
        AssetTotal[] memory totals = result.totals; // one word of stack less than calldata
        return keccak256(
            abi.encode(
                networkId,
                epoch,
                result.previousDigest,
                result.evidenceHash,
                result.factsHash,
                result.policyHash,
                result.rulesHash,
                result.resultHash,
                result.stateHash,
                result.payoutRoot,
                result.mintedWei,
                totals
            )
        );
    }

    /// @notice Digest of a finalised epoch, zero before.
    function digestOf(uint64 epoch) external view returns (bytes32) {
        return _epochs[epoch].digest;
    }

    /// @notice Evidence hash of a closed epoch, zero before.
    function evidenceHashOf(uint64 epoch) external view returns (bytes32) {
        return _epochs[epoch].evidenceHash;
    }

    /// @notice Whether `verifier` confirmed `epoch`.
    function hasConfirmed(uint64 epoch, address verifier) external view returns (bool) {
        return _epochs[epoch].confirmed[verifier];
    }

    /// @notice What `verifier` attested for `epoch`, zero where nothing.
    function attestationOf(uint64 epoch, address verifier) external view returns (bytes32) {
        return _epochs[epoch].attestations[verifier];
    }

    /// @notice Stake behind `digest` in `epoch`, the stake it needs, and all stake.
    function supportOf(uint64 epoch, bytes32 digest)
        external
        view
        returns (uint256 stake, uint256 needed, uint256 totalStake)
    {
        totalStake = _totalStake(epoch);
        return (_epochs[epoch].attestedStake[digest], _needed(epoch, totalStake), totalStake);
    }

    /// @notice When the hold period of a finalised epoch's root ends, and whether it was stopped.
    function holdOf(uint64 epoch) external view returns (uint64 holdEnds, bool halted) {
        return (_epochs[epoch].holdEnds, _epochs[epoch].halted);
    }

    /// @dev Votes to stop a root; true when the votes are more than a quorum leaves over.
    function _voteHalt(Epoch storage e, uint64 epoch) private returns (bool) {
        (uint256 stake, uint256 total) = _stakes(epoch, msg.sender);
        if (e.haltVoted[msg.sender]) revert AlreadyVoted(epoch, msg.sender);
        e.haltVoted[msg.sender] = true;
        e.haltStake += stake;
        emit HaltVoted(epoch, msg.sender, stake);
        return e.haltStake > total - _needed(epoch, total);
    }

    /// @dev The epoch's ranges, sorted by log id; logs without anything new left out.
    function _ranges(Epoch storage e, uint256 needed) private view returns (Range[] memory ranges) {
        uint256[] memory stakes = e.stakes;
        uint256 candidates = e.quorumLogs.length;
        ranges = new Range[](candidates);
        uint256 count = 0;
        for (uint256 i = 0; i < candidates; ++i) {
            bytes32 logId = e.quorumLogs[i];
            uint64 from = closedSize[logId];
            uint64 to = e.tallies[logId].quorumSize(stakes, needed);
            if (to <= from) continue;
            uint256 place = count++;
            for (; place > 0 && ranges[place - 1].logId > logId; --place) {
                ranges[place] = ranges[place - 1];
            }
            ranges[place] = Range({logId: logId, from: from, to: to, root: anchorOf[logId][to]});
        }
        assembly ("memory-safe") {
            mstore(ranges, count) // shorten: what was allocated beyond stays unused
        }
    }

    /// @dev What the chain knows about a result, it checks; the rest a quorum vouches for.
    function _requireRightInputs(uint64 epoch, Result calldata result) private view {
        bytes32 expected = epoch == 0 ? bytes32(0) : _epochs[epoch - 1].digest;
        if (result.previousDigest != expected) {
            revert WrongPreviousDigest(result.previousDigest, expected);
        }
        expected = _epochs[epoch].evidenceHash;
        if (result.evidenceHash != expected) {
            revert WrongEvidenceHash(result.evidenceHash, expected);
        }
        expected = policy.hashAt(epoch);
        if (result.policyHash != expected) revert WrongPolicyHash(result.policyHash, expected);
        expected = bytes32(uint256(policy.valueAt(PolicyKeys.RULES, epoch)));
        if (result.rulesHash != expected) revert WrongRulesHash(result.rulesHash, expected);
    }

    /// @dev Stake of `verifier` and of all at the epoch's end; reverts when it has none.
    function _stakes(uint64 epoch, address verifier)
        private
        view
        returns (uint256 stake, uint256 total)
    {
        uint256 end = epochEnd(epoch);
        if (block.timestamp >= end) stake = nodes.stakeAt(verifier, SafeCast.toUint64(end - 1));
        if (stake == 0) revert NotVerifier(verifier, epoch);
        total = _totalStake(epoch);
    }

    function _totalStake(uint64 epoch) private view returns (uint256) {
        return nodes.totalStakeAt(SafeCast.toUint64(epochEnd(epoch) - 1));
    }

    /// @dev Smallest stake that is a quorum: ceil(total * quorum_ppm / 1e6), never zero.
    function _needed(uint64 epoch, uint256 total) private view returns (uint256) {
        uint256 scaled = total * _parameter(PolicyKeys.QUORUM_PPM, epoch);
        return scaled == 0 ? 1 : (scaled - 1) / PPM + 1;
    }

    function _parameter(bytes32 key, uint64 epoch) private view returns (uint256) {
        return SafeCast.toUint256(policy.valueAt(key, epoch));
    }

    /// @dev A mistake in deployment shows here, not when money is stuck.
    function _checkWiring(Config memory config) private view {
        address expected = IVault(config.vault).settlement();
        if (expected != address(this)) revert WrongWiring(config.vault, address(this), expected);
        expected = ICommonsToken(config.token).minter();
        if (expected != config.vault) revert WrongWiring(config.token, config.vault, expected);
        address bonds = INodes(config.nodes).bondAsset() == config.token ? config.nodes : address(0);
        expected = ICommonsToken(config.token).bonds();
        if (expected != bonds) revert WrongWiring(config.token, bonds, expected);
    }

    /// @dev Bounds are for ever, so what they allow no vote can make unsafe. The exit opens only
    /// when every hold and halt of what was finalised has passed, so that no guardian can delay it,
    /// and never while the next epoch could not yet have closed, so that nobody can end a network
    /// that works. What the guardian stopped comes into force before it can stop anything again.
    function _checkPolicy(IPolicy p, uint64 genesis, uint64 length) private view {
        if (p.genesisTime() != genesis || p.epochLength() != length) {
            revert WrongSchedule(p.genesisTime(), p.epochLength());
        }
        _checkBounds(p, PolicyKeys.QUORUM_PPM, QUORUM_FLOOR_PPM + 1, QUORUM_MAX_PPM);
        _checkBounds(p, PolicyKeys.GRACE_S, 0, DURATION_MAX_S);
        _checkBounds(p, PolicyKeys.CONFIRM_S, 1, DURATION_MAX_S);
        _checkBounds(p, PolicyKeys.HOLD_S, 0, DURATION_MAX_S);
        _checkBounds(p, PolicyKeys.HALT_S, 0, DURATION_MAX_S);
        _checkBounds(p, PolicyKeys.UNBONDING_S, 0, DURATION_MAX_S);
        _checkBounds(p, PolicyKeys.VERIFIER_BOND_MIN, 0, type(int208).max);
        _checkBounds(p, PolicyKeys.CURRENCY_GROWTH_MAX, 0, type(int256).max);
        _checkBounds(p, PolicyKeys.TOKEN_GROWTH_MAX_WEI, 0, type(int256).max);
        (, int256 hold) = p.bounds(PolicyKeys.HOLD_S);
        (, int256 halted) = p.bounds(PolicyKeys.HALT_S);
        int256 shortest = SignedMath.max(hold + halted, _longestEpoch(p, length));
        _checkBounds(p, PolicyKeys.EXIT_AFTER_S, shortest, DURATION_MAX_S);
        _checkBounds(p, PolicyKeys.GUARDIAN_COOLDOWN_S, halted + 1, DURATION_MAX_S);
        _checkBounds(p, PolicyKeys.RULES, type(int256).min, type(int256).max);
    }

    /// @dev Longest time from an epoch's start until it can close. Their bounds were checked.
    function _longestEpoch(IPolicy p, uint64 length) private view returns (int256) {
        (, int256 grace) = p.bounds(PolicyKeys.GRACE_S);
        (, int256 confirming) = p.bounds(PolicyKeys.CONFIRM_S);
        return int256(uint256(length)) + grace + confirming;
    }

    function _checkBounds(IPolicy p, bytes32 key, int256 lowest, int256 highest) private view {
        (int256 min, int256 max) = p.bounds(key);
        if (min < lowest || max > highest) revert UnsafeBounds(key, min, max);
        p.valueAt(key, 0); // must be in force from the start
    }
}
