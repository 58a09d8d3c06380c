// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What the other contracts ask of the network's token.
interface ICommonsToken {
    /// @notice The only account that may mint; what it holds is outside the vote.
    function minter() external view returns (address);

    /// @notice Where tokens are bonded and keep their voter; zero where bonds are in another asset.
    function bonds() external view returns (address);

    /// @notice Creates an epoch's emission; once per epoch and never above the schedule.
    function mintEpoch(uint64 epoch, address to, uint256 amount) external;
}
