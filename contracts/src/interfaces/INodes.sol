// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What Settlement asks of Nodes.
interface INodes {
    /// @notice What bonds are made of.
    function bondAsset() external view returns (address);

    /// @notice Operator of the gateway that keeps log `logId`; zero where there is none.
    function operatorOf(bytes32 logId) external view returns (address);

    /// @notice Verifier stake of `operator` after the last block up to `time`, which must be past.
    function stakeAt(address operator, uint64 time) external view returns (uint256);

    /// @notice Sum of all verifiers' stakes after the last block up to `time`.
    function totalStakeAt(uint64 time) external view returns (uint256);
}
