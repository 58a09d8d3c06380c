// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice One governed number at genesis.
/// @param key ASCII name, left-aligned.
/// @param value Value from epoch 0 on.
/// @param min Smallest value that can be set, inclusive.
/// @param max Largest value that can be set, inclusive.
struct Parameter {
    bytes32 key;
    int256 value;
    int256 min;
    int256 max;
}

/// @notice Tokens that exist from the start.
struct Allocation {
    address account;
    uint256 amount;
}

/// @notice A log up to one anchored size.
struct Tip {
    bytes32 logId;
    uint64 size;
    bytes32 root;
}

/// @notice What one log adds to an epoch's evidence: entries `from` to `to - 1`.
/// @param root Root of the log at size `to`.
struct Range {
    bytes32 logId;
    uint64 from;
    uint64 to;
    bytes32 root;
}

/// @notice Cumulative totals of one asset over all accounts.
struct AssetTotal {
    address asset;
    uint256 earned;
    uint256 spent;
}

/// @notice What an attestation commits to besides network and epoch.
/// @param mintedWei Everything minted by settlements up to this epoch.
/// @param totals Strictly ascending by asset; an asset once listed is listed for ever.
struct Result {
    bytes32 previousDigest;
    bytes32 evidenceHash;
    bytes32 factsHash;
    bytes32 policyHash;
    bytes32 rulesHash;
    bytes32 resultHash;
    bytes32 stateHash;
    bytes32 payoutRoot;
    uint256 mintedWei;
    AssetTotal[] totals;
}
