// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The parameters that the contracts themselves read.
/// @notice Everything else in Policy is for settlement; the contracts only keep and hash it.
library PolicyKeys {
    /// @dev Seconds after an epoch's end before confirming starts.
    bytes32 internal constant GRACE_S = "grace_s";
    /// @dev Seconds that confirming lasts.
    bytes32 internal constant CONFIRM_S = "confirm_s";
    /// @dev Seconds between finalising a root and claiming against it.
    bytes32 internal constant HOLD_S = "hold_s";
    /// @dev Seconds that a stopped root stays stopped.
    bytes32 internal constant HALT_S = "halt_s";
    /// @dev Share of the verifiers' stake that closes and finalises, parts per million.
    bytes32 internal constant QUORUM_PPM = "quorum_ppm";
    /// @dev Seconds without a finalised epoch after which anyone may open the exit.
    bytes32 internal constant EXIT_AFTER_S = "exit_after_s";
    /// @dev Seconds between asking for a bond and getting it.
    bytes32 internal constant UNBONDING_S = "unbonding_s";
    /// @dev Smallest bond that counts as a verifier's stake.
    bytes32 internal constant VERIFIER_BOND_MIN_WEI = "verifier_bond_min_wei";
    /// @dev Hash of the rules that settle an epoch; any 32 bytes, kept as int256.
    bytes32 internal constant RULES = "rules";
}
