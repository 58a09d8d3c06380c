// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {INodes} from "./interfaces/INodes.sol";
import {IPolicy} from "./interfaces/IPolicy.sol";
import {PolicyKeys} from "./PolicyKeys.sol";

/// @title Gateways and verifiers: endpoints, keys and bonds.
/// @notice Anyone may register one gateway and one verifier per account. A verifier's voice counts
/// by its bond, once that reaches the minimum in Policy; what asks to leave stops counting at once
/// and is paid out after the unbonding period.
/// @dev Goal: at any past second, the stake of every verifier and their sum.
/// Rule: stake changes only in `_updateStake`, which writes both histories.
/// Invariant: balance of the bond asset >= sum of bonded + unbonding; total stake = sum of stakes.
/// At most VERIFIERS_MAX accounts have a stake at any one time: what loops over the confirming
/// verifiers of an epoch is bounded by it.
contract Nodes is INodes, ReentrancyGuardTransient {
    using Checkpoints for Checkpoints.Trace208;
    using EnumerableSet for EnumerableSet.AddressSet;
    using SafeERC20 for IERC20;

    /// @notice Most accounts that can have a verifier's stake at one time.
    uint256 public constant VERIFIERS_MAX = 64;
    /// @notice Longest node name, bytes.
    uint256 public constant NAME_MAX = 64;
    /// @notice Longest origin or endpoint, bytes.
    uint256 public constant TEXT_MAX = 256;
    uint256 private constant NOTE_KEY_LENGTH = 32;
    uint256 private constant RECEIPT_KEY_LENGTH = 64;

    struct Unbonding {
        uint192 amount;
        uint64 readyAt;
    }

    /// @inheritdoc INodes
    address public immutable bondAsset;
    /// @notice Where minimum bond and unbonding period come from.
    IPolicy public immutable policy;

    /// @inheritdoc INodes
    mapping(bytes32 logId => address operator) public operatorOf;
    /// @notice Log of an operator's gateway; zero where it has none.
    mapping(address operator => bytes32 logId) public logOf;
    /// @notice Whether an account registered a verifier.
    mapping(address operator => bool) public isVerifier;
    /// @notice Bond of an account, in the bond asset's smallest unit, without what is leaving.
    mapping(address operator => uint256 amount) public bondOf;
    /// @notice What is leaving, and when it can be taken.
    mapping(address operator => Unbonding) public unbondingOf;

    address[] private _gateways;
    EnumerableSet.AddressSet private _staked;
    mapping(address operator => Checkpoints.Trace208) private _stakes;
    Checkpoints.Trace208 private _totalStakes;

    /// @notice A gateway declared its log. Clients check that `logId` is the SHA-256 of
    /// `origin || 0x0A || 0x01 || noteKey`; nothing here depends on it.
    event GatewayRegistered(
        address indexed operator,
        string name,
        string origin,
        string endpoint,
        bytes32 indexed logId,
        bytes noteKey,
        bytes receiptKey
    );
    /// @notice A verifier declared itself.
    event VerifierRegistered(address indexed operator, string name, string endpoint);
    /// @notice Bond was added.
    event Bonded(address indexed operator, uint256 amount);
    /// @notice Bond asked to leave; everything that is leaving is ready at `readyAt`.
    event UnbondingStarted(address indexed operator, uint256 amount, uint64 readyAt);
    /// @notice Bond was paid out.
    event Unbonded(address indexed operator, uint256 amount);
    /// @notice A verifier's stake changed.
    event StakeChanged(address indexed operator, uint256 stake, uint256 totalStake);

    error GatewayExists(address operator, bytes32 logId);
    error VerifierExists(address operator);
    error LogTaken(bytes32 logId, address operator);
    error ZeroLogId();
    error TextTooLong(uint256 length, uint256 maximum);
    error WrongKeyLength(uint256 length, uint256 expected);
    error ZeroAmount();
    error BondTooSmall(address operator, uint256 requested, uint256 bonded);
    error NothingUnbonding(address operator);
    error StillUnbonding(address operator, uint64 readyAt);
    error VerifierSetFull(uint256 maximum);
    error FutureLookup(uint64 time, uint64 currentTime);

    /// @param bondAsset_ What bonds are made of: CommonsToken, or the settlement currency. A standard
    /// ERC-20 that moves what it is told to.
    /// @param policy_ Policy.
    constructor(address bondAsset_, address policy_) {
        bondAsset = bondAsset_;
        policy = IPolicy(policy_);
    }

    /// @notice Declares the caller's gateway: its log, where it answers and its two keys.
    /// @param name For people.
    /// @param origin The log's origin line.
    /// @param endpoint URL.
    /// @param logId Identity of the log, not zero.
    /// @param noteKey Ed25519 key that signs checkpoints, 32 bytes.
    /// @param receiptKey P-256 key that signs receipts, x || y, 64 bytes.
    function registerGateway(
        string calldata name,
        string calldata origin,
        string calldata endpoint,
        bytes32 logId,
        bytes calldata noteKey,
        bytes calldata receiptKey
    ) external {
        if (logId == 0) revert ZeroLogId();
        if (logOf[msg.sender] != 0) revert GatewayExists(msg.sender, logOf[msg.sender]);
        if (operatorOf[logId] != address(0)) revert LogTaken(logId, operatorOf[logId]);
        _requireShort(name, NAME_MAX);
        _requireShort(origin, TEXT_MAX);
        _requireShort(endpoint, TEXT_MAX);
        _requireLength(noteKey, NOTE_KEY_LENGTH);
        _requireLength(receiptKey, RECEIPT_KEY_LENGTH);
        logOf[msg.sender] = logId;
        operatorOf[logId] = msg.sender;
        _gateways.push(msg.sender);
        emit GatewayRegistered(msg.sender, name, origin, endpoint, logId, noteKey, receiptKey);
    }

    /// @notice Declares the caller's verifier. Its bond counts from now on, if it is large enough.
    function registerVerifier(string calldata name, string calldata endpoint) external {
        if (isVerifier[msg.sender]) revert VerifierExists(msg.sender);
        _requireShort(name, NAME_MAX);
        _requireShort(endpoint, TEXT_MAX);
        isVerifier[msg.sender] = true;
        emit VerifierRegistered(msg.sender, name, endpoint);
        _updateStake(msg.sender);
    }

    /// @notice Adds `amount` to the caller's bond; before or after registering.
    function bond(uint256 amount) external nonReentrant {
        if (amount == 0) revert ZeroAmount();
        bondOf[msg.sender] += amount;
        emit Bonded(msg.sender, amount);
        _updateStake(msg.sender);
        IERC20(bondAsset).safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @notice Starts to take `amount` out of the caller's bond. It stops counting at once. If
    /// something is leaving already, both are ready when the later one is.
    function startUnbonding(uint256 amount) external {
        if (amount == 0) revert ZeroAmount();
        uint256 bonded = bondOf[msg.sender];
        if (amount > bonded) revert BondTooSmall(msg.sender, amount, bonded);
        uint256 wait = SafeCast.toUint256(policy.value(PolicyKeys.UNBONDING_S));
        uint64 readyAt = SafeCast.toUint64(block.timestamp + wait);
        Unbonding storage leaving = unbondingOf[msg.sender];
        if (readyAt < leaving.readyAt) readyAt = leaving.readyAt;
        bondOf[msg.sender] = bonded - amount;
        leaving.amount += SafeCast.toUint192(amount);
        leaving.readyAt = readyAt;
        emit UnbondingStarted(msg.sender, amount, readyAt);
        _updateStake(msg.sender);
    }

    /// @notice Pays the caller everything that is leaving, once it is ready.
    function finishUnbonding() external nonReentrant {
        Unbonding memory leaving = unbondingOf[msg.sender];
        if (leaving.amount == 0) revert NothingUnbonding(msg.sender);
        if (block.timestamp < leaving.readyAt) revert StillUnbonding(msg.sender, leaving.readyAt);
        delete unbondingOf[msg.sender];
        emit Unbonded(msg.sender, leaving.amount);
        IERC20(bondAsset).safeTransfer(msg.sender, leaving.amount);
    }

    /// @notice Applies the minimum bond now in force to `operator`'s stake. Anyone may call it after
    /// the minimum has changed; otherwise it applies when the bond next changes.
    function refreshStake(address operator) external {
        _updateStake(operator);
    }

    /// @inheritdoc INodes
    function stakeAt(address operator, uint64 time) external view returns (uint256) {
        return _stakes[operator].upperLookupRecent(_past(time));
    }

    /// @inheritdoc INodes
    function totalStakeAt(uint64 time) external view returns (uint256) {
        return _totalStakes.upperLookupRecent(_past(time));
    }

    /// @notice Verifier stake of `operator` now.
    function stakeOf(address operator) external view returns (uint256) {
        return _stakes[operator].latest();
    }

    /// @notice Sum of all verifiers' stakes now.
    function totalStake() external view returns (uint256) {
        return _totalStakes.latest();
    }

    /// @notice Every account that has a verifier's stake now; at most VERIFIERS_MAX.
    function verifiers() external view returns (address[] memory) {
        return _staked.values();
    }

    /// @notice Number of gateways ever registered.
    function gatewayCount() external view returns (uint256) {
        return _gateways.length;
    }

    /// @notice Operator of the `index`-th gateway in order of registration.
    function gatewayAt(uint256 index) external view returns (address) {
        return _gateways[index];
    }

    /// @dev Brings the stake of `operator` in line with its bond, in both histories.
    function _updateStake(address operator) private {
        if (!isVerifier[operator]) return;
        uint256 bonded = bondOf[operator];
        uint256 minimum = SafeCast.toUint256(policy.value(PolicyKeys.VERIFIER_BOND_MIN));
        uint256 stake = bonded < minimum ? 0 : bonded;
        uint256 before = _stakes[operator].latest();
        if (stake == before) return;
        if (stake == 0) {
            _staked.remove(operator);
        } else if (_staked.add(operator) && _staked.length() > VERIFIERS_MAX) {
            revert VerifierSetFull(VERIFIERS_MAX);
        }
        uint256 total = _totalStakes.latest() - before + stake;
        uint48 time = uint48(block.timestamp);
        _stakes[operator].push(time, SafeCast.toUint208(stake));
        _totalStakes.push(time, SafeCast.toUint208(total));
        emit StakeChanged(operator, stake, total);
    }

    /// @dev Only the past is settled: in the current second a stake can still change.
    function _past(uint64 time) private view returns (uint48) {
        if (time >= block.timestamp) revert FutureLookup(time, uint64(block.timestamp));
        return SafeCast.toUint48(time);
    }

    function _requireShort(string calldata text, uint256 maximum) private pure {
        if (bytes(text).length > maximum) revert TextTooLong(bytes(text).length, maximum);
    }

    function _requireLength(bytes calldata key, uint256 expected) private pure {
        if (key.length != expected) revert WrongKeyLength(key.length, expected);
    }
}
