// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What the other contracts ask of Policy.
interface IPolicy {
    /// @notice Unix second at which epoch 0 starts.
    function genesisTime() external view returns (uint64);

    /// @notice Seconds that an epoch lasts.
    function epochLength() external view returns (uint64);

    /// @notice The epoch that contains now; 0 before genesis.
    function currentEpoch() external view returns (uint64);

    /// @notice Value of `key` in the current epoch.
    function value(bytes32 key) external view returns (int256);

    /// @notice Value of `key` in `epoch`.
    function valueAt(bytes32 key, uint64 epoch) external view returns (int256);

    /// @notice Bounds of `key`, both inclusive.
    function bounds(bytes32 key) external view returns (int256 min, int256 max);

    /// @notice Number of entries in the history of `key`.
    function historyLength(bytes32 key) external view returns (uint256);

    /// @notice The `index`-th entry in the history of `key`: `value_` from `fromEpoch` on.
    function historyAt(bytes32 key, uint256 index)
        external
        view
        returns (uint64 fromEpoch, int256 value_);

    /// @notice Rolling hash over the changes that are in force in `epoch`.
    function hashAt(uint64 epoch) external view returns (bytes32);
}
