// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {Governed} from "./Governed.sol";
import {IPolicy} from "./interfaces/IPolicy.sol";
import {Parameter} from "./Types.sol";

/// @title The governed parameters, with bounds and history.
/// @notice A change takes effect when the next epoch opens, so an epoch has one policy from start to
/// end. The history is hashed as it grows; an epoch's settlement commits to the hash in force.
/// @dev Goal: anyone can rebuild the values and the hash of any epoch from the events alone.
/// Rule: changes come in ascending `fromEpoch`, because the current epoch never falls.
/// Invariant: once an epoch has opened, neither its values nor its hash ever change.
contract Policy is IPolicy, Governed {
    using Checkpoints for Checkpoints.Trace256;

    struct Bounds {
        int256 min;
        int256 max;
    }

    /// @inheritdoc IPolicy
    uint64 public immutable genesisTime;
    /// @inheritdoc IPolicy
    uint64 public immutable epochLength;

    /// @dev Epoch -> rolling hash from that epoch on.
    Checkpoints.Trace256 private _hashes;
    /// @dev Key -> epoch -> value from that epoch on, as two's complement.
    mapping(bytes32 key => Checkpoints.Trace256) private _values;
    mapping(bytes32 key => Bounds) private _bounds;
    bytes32[] private _keys;

    /// @notice A parameter came into being, in force from `fromEpoch` on.
    event ParameterDefined(
        bytes32 indexed key, int256 value, int256 min, int256 max, uint64 fromEpoch
    );
    /// @notice A parameter changes when `fromEpoch` opens.
    event ParameterSet(bytes32 indexed key, int256 value, uint64 fromEpoch);

    error ZeroEpochLength();
    error EmptyKey();
    error AlreadyDefined(bytes32 key);
    error NotDefined(bytes32 key, uint64 epoch);
    error OutOfBounds(bytes32 key, int256 value, int256 min, int256 max);

    /// @param owner_ Who may change parameters: the timelock.
    /// @param founder_ Who may until genesis.
    /// @param parameters What is in force from epoch 0 on.
    /// @param genesisTime_ Unix second at which epoch 0 starts.
    /// @param epochLength_ Seconds that an epoch lasts.
    constructor(
        address owner_,
        address founder_,
        Parameter[] memory parameters,
        uint64 genesisTime_,
        uint64 epochLength_
    ) Governed(owner_, founder_, genesisTime_) {
        if (epochLength_ == 0) revert ZeroEpochLength();
        genesisTime = genesisTime_;
        epochLength = epochLength_;
        for (uint256 i = 0; i < parameters.length; ++i) {
            Parameter memory p = parameters[i];
            _define(p.key, p.value, p.min, p.max, 0);
        }
    }

    /// @notice Brings a new parameter into being when the next epoch opens (before genesis: epoch 0).
    function defineParameter(bytes32 key, int256 value_, int256 min, int256 max)
        external
        onlyOwner
    {
        _define(key, value_, min, max, _nextEpoch());
    }

    /// @notice Changes a parameter when the next epoch opens (before genesis: epoch 0).
    function set(bytes32 key, int256 value_) external onlyOwner {
        uint64 fromEpoch = _nextEpoch();
        if (_values[key].length() == 0) revert NotDefined(key, fromEpoch);
        _requireWithin(key, value_);
        // forge-lint: disable-next-line(unsafe-typecast)
        _values[key].push(fromEpoch, uint256(value_)); // two's complement, undone in valueAt
        _extend(keccak256(abi.encode(_tip(), key, value_, fromEpoch)), fromEpoch);
        emit ParameterSet(key, value_, fromEpoch);
    }

    /// @inheritdoc IPolicy
    function value(bytes32 key) external view returns (int256) {
        return valueAt(key, currentEpoch());
    }

    /// @inheritdoc IPolicy
    function bounds(bytes32 key) external view returns (int256 min, int256 max) {
        if (_values[key].length() == 0) revert NotDefined(key, currentEpoch());
        return (_bounds[key].min, _bounds[key].max);
    }

    /// @inheritdoc IPolicy
    function hashAt(uint64 epoch) external view returns (bytes32) {
        return bytes32(_hashes.upperLookupRecent(epoch));
    }

    /// @inheritdoc IPolicy
    function historyLength(bytes32 key) external view returns (uint256) {
        return _values[key].length();
    }

    /// @inheritdoc IPolicy
    function historyAt(bytes32 key, uint256 index)
        external
        view
        returns (uint64 fromEpoch, int256 value_)
    {
        Checkpoints.Checkpoint256 memory entry = _values[key].at(SafeCast.toUint32(index));
        return (SafeCast.toUint64(entry._key), int256(entry._value));
    }

    /// @notice Number of parameters ever defined.
    function keyCount() external view returns (uint256) {
        return _keys.length;
    }

    /// @notice The `index`-th parameter in order of definition.
    function keyAt(uint256 index) external view returns (bytes32) {
        return _keys[index];
    }

    /// @inheritdoc IPolicy
    function valueAt(bytes32 key, uint64 epoch) public view returns (int256) {
        Checkpoints.Trace256 storage history = _values[key];
        if (history.length() == 0 || history.at(0)._key > epoch) revert NotDefined(key, epoch);
        return int256(history.upperLookupRecent(epoch));
    }

    /// @inheritdoc IPolicy
    function currentEpoch() public view returns (uint64) {
        if (block.timestamp < genesisTime) return 0;
        return uint64((block.timestamp - genesisTime) / epochLength);
    }

    function _define(bytes32 key, int256 value_, int256 min, int256 max, uint64 fromEpoch) private {
        if (key == 0) revert EmptyKey();
        if (_values[key].length() != 0) revert AlreadyDefined(key);
        _bounds[key] = Bounds({min: min, max: max});
        _requireWithin(key, value_);
        _keys.push(key);
        // forge-lint: disable-next-line(unsafe-typecast)
        _values[key].push(fromEpoch, uint256(value_)); // two's complement, undone in valueAt
        _extend(keccak256(abi.encode(_tip(), key, value_, min, max, fromEpoch)), fromEpoch);
        emit ParameterDefined(key, value_, min, max, fromEpoch);
    }

    function _extend(bytes32 newHash, uint64 fromEpoch) private {
        _hashes.push(fromEpoch, uint256(newHash));
    }

    function _requireWithin(bytes32 key, int256 value_) private view {
        Bounds storage b = _bounds[key];
        if (value_ < b.min || value_ > b.max) revert OutOfBounds(key, value_, b.min, b.max);
    }

    function _tip() private view returns (bytes32) {
        return bytes32(_hashes.latest());
    }

    function _nextEpoch() private view returns (uint64) {
        return block.timestamp < genesisTime ? 0 : currentEpoch() + 1;
    }
}
