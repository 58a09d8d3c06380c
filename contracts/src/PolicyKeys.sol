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
    /// @dev Smallest bond that counts as a verifier's stake, in the bond asset's smallest unit.
    bytes32 internal constant VERIFIER_BOND_MIN = "verifier_bond_min";
    /// @dev Epochs after which the emission has halved.
    bytes32 internal constant HALF_LIFE_EPOCHS = "half_life_epochs";
    /// @dev Most by which earnings in one currency may grow in an epoch, in its smallest unit.
    bytes32 internal constant CURRENCY_GROWTH_MAX = "currency_growth_max";
    /// @dev The same for the network's token.
    bytes32 internal constant TOKEN_GROWTH_MAX_WEI = "token_growth_max_wei";
    /// @dev Seconds after a halt of the guardian's in which it cannot halt again.
    bytes32 internal constant GUARDIAN_COOLDOWN_S = "guardian_cooldown_s";
    /// @dev Seconds between a proposal and the start of its vote.
    bytes32 internal constant VOTING_DELAY_S = "voting_delay_s";
    /// @dev Seconds that a vote lasts.
    bytes32 internal constant VOTING_PERIOD_S = "voting_period_s";
    /// @dev Share of all votes that proposing takes, parts per million; always one vote at least.
    bytes32 internal constant PROPOSAL_THRESHOLD_PPM = "proposal_threshold_ppm";
    /// @dev Share of all votes that must be for it or abstain, parts per million.
    bytes32 internal constant VOTE_QUORUM_PPM = "vote_quorum_ppm";
    /// @dev Seconds between queueing a successful proposal and executing it.
    bytes32 internal constant TIMELOCK_DELAY_S = "timelock_delay_s";
    /// @dev Hash of the rules that settle an epoch; any 32 bytes, kept as int256.
    bytes32 internal constant RULES = "rules";
}
