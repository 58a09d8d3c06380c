// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title What an account signs and somebody else hands in and pays for.
/// @notice EIP-712 messages, signed by a key or, for a contract, by its own word (ERC-1271).
/// @dev Rule: every message names a deadline and a number that is used up with it.
abstract contract Signed is EIP712, Nonces {
    error SignatureExpired(uint256 deadline);
    error InvalidSignature(address account);

    /// @notice EIP-712 domain separator, for those who sign.
    // solhint-disable-next-line func-name-mixedcase
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /// @param message EIP-712 hash of the message's struct.
    function _requireSigned(
        address account,
        bytes32 message,
        uint256 deadline,
        bytes calldata signature
    ) internal view {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        bytes32 digest = _hashTypedDataV4(message);
        if (!SignatureChecker.isValidSignatureNowCalldata(account, digest, signature)) {
            revert InvalidSignature(account);
        }
    }
}
