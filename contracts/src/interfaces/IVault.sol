// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AssetTotal} from "../Types.sol";

/// @title What Settlement asks of the Vault.
interface IVault {
    /// @notice The only contract that may finalise and halt.
    function settlement() external view returns (address);

    /// @notice Takes over an epoch's payout root and totals.
    /// @return holdEnds Unix second at which the root's hold period ends.
    function finalise(uint64 epoch, bytes32 root, uint256 mintedWei, AssetTotal[] calldata totals)
        external
        returns (uint64 holdEnds);

    /// @notice Keeps the root of `epoch` from being claimed against before `until`.
    function halt(uint64 epoch, uint64 until) external;
}
