// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {MemberAccount} from "./MemberAccount.sol";

/// @title Creates members' accounts where everybody can predict them.
/// @notice An account's address follows from its first key and its recoverers, so it can be named,
/// paid and endowed before it exists, and nobody can occupy it: whoever creates it, it is the same.
/// @dev Invariant: every address that `create` returns holds a clone of `implementation`,
/// initialised with exactly the arguments that its address commits to.
contract MemberAccounts {
    /// @notice The code that every account shares.
    address public immutable implementation;

    /// @notice An account was created.
    event AccountCreated(address indexed account, bytes32 qx, bytes32 qy);

    constructor() {
        implementation = address(new MemberAccount());
    }

    /// @notice Creates a member's account, or returns the one that is there. Anyone may call it.
    /// @param qx The passkey's public key, x.
    /// @param qy Its y.
    /// @param recoverers Who may replace the key together, strictly ascending; may be empty.
    /// @param threshold How many of them it takes; 0 exactly where there are none.
    /// @param recoveryDelay Seconds in which the old key can object.
    function create(
        bytes32 qx,
        bytes32 qy,
        address[] calldata recoverers,
        uint8 threshold,
        uint64 recoveryDelay
    ) external returns (address account) {
        bytes32 salt = _salt(qx, qy, recoverers, threshold, recoveryDelay);
        account = Clones.predictDeterministicAddress(implementation, salt);
        if (account.code.length != 0) return account;
        emit AccountCreated(account, qx, qy);
        Clones.cloneDeterministic(implementation, salt);
        MemberAccount(payable(account)).initialize(qx, qy, recoverers, threshold, recoveryDelay);
    }

    /// @notice The address that `create` gives for the same arguments.
    function addressOf(
        bytes32 qx,
        bytes32 qy,
        address[] calldata recoverers,
        uint8 threshold,
        uint64 recoveryDelay
    ) external view returns (address) {
        return Clones.predictDeterministicAddress(
            implementation, _salt(qx, qy, recoverers, threshold, recoveryDelay)
        );
    }

    function _salt(
        bytes32 qx,
        bytes32 qy,
        address[] calldata recoverers,
        uint8 threshold,
        uint64 recoveryDelay
    ) private pure returns (bytes32) {
        return keccak256(abi.encode(qx, qy, recoverers, threshold, recoveryDelay));
    }
}
