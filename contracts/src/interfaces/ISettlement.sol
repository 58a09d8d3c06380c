// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What the guardian asks of Settlement.
interface ISettlement {
    /// @notice Who may stop a root in its hold period, zero for nobody.
    function guardian() external view returns (address);

    /// @notice Stops a root in its hold period, once, for Policy's `halt_s`.
    function halt(uint64 epoch) external;
}
