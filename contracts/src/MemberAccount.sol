// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Account} from "@openzeppelin/contracts/account/Account.sol";
import {ERC7821} from "@openzeppelin/contracts/account/extensions/draft-ERC7821.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {ERC721Holder} from "@openzeppelin/contracts/token/ERC721/utils/ERC721Holder.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {ERC7739} from "@openzeppelin/contracts/utils/cryptography/signers/draft-ERC7739.sol";
import {
    AbstractSigner
} from "@openzeppelin/contracts/utils/cryptography/signers/AbstractSigner.sol";
import {SignerP256} from "@openzeppelin/contracts/utils/cryptography/signers/SignerP256.sol";
import {
    SignerWebAuthn
} from "@openzeppelin/contracts/utils/cryptography/signers/SignerWebAuthn.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @notice One call of a batch.
struct Call {
    address target;
    uint256 value;
    bytes data;
}

/// @title A member's account whose key is a passkey (WebAuthn, P-256).
/// @notice The passkey signs, anybody hands in and pays. Other contracts take the account's messages
/// through ERC-1271 (nested typed data, ERC-7739). Where the key is lost, k of n people whom the
/// member chose put a new one in its place after a delay in which the old key can still object.
/// @dev Goal: a member needs no coin and no wallet, and loses nothing with a telephone.
/// Rule: the account acts only on its key's signature, each counted once; the recoverers together can
/// only replace the key, never act for it.
/// Invariant: 0 < threshold <= number of recoverers, or both are 0 and there is no recovery.
/// Clones share this code; the implementation itself belongs to nobody.
contract MemberAccount is
    Initializable,
    Account,
    SignerWebAuthn,
    ERC7739,
    ERC7821,
    ERC721Holder,
    ReentrancyGuardTransient
{
    struct Recovery {
        bytes32 qx;
        bytes32 qy;
        uint64 readyAt;
    }

    /// @notice Most calls of one batch.
    uint256 public constant CALLS_MAX = 64;
    /// @notice Most recoverers of one account.
    uint256 public constant RECOVERERS_MAX = 16;
    /// @notice Shortest time in which the old key can object, seconds.
    uint64 public constant RECOVERY_DELAY_MIN_S = 1 days;
    /// @notice Longest such time, seconds: a recovery must remain one.
    uint64 public constant RECOVERY_DELAY_MAX_S = 365 days;

    /// @notice EIP-712 type of a batch that somebody else hands in.
    bytes32 public constant EXECUTE_TYPEHASH = keccak256(
        "Execute(Call[] calls,uint256 nonce,uint256 deadline)Call(address target,uint256 value,bytes data)"
    );
    /// @notice EIP-712 type of one call in it.
    bytes32 public constant CALL_TYPEHASH =
        keccak256("Call(address target,uint256 value,bytes data)");
    /// @notice EIP-712 type of what each recoverer signs.
    bytes32 public constant RECOVER_TYPEHASH =
        keccak256("Recover(address account,bytes32 qx,bytes32 qy,uint256 nonce,uint256 deadline)");

    /// @dev The implementation's key: nobody knows its private half. x is the first coordinate from
    /// sha256("commonworks: nobody's key") on that lies on the curve, y the smaller of its two.
    bytes32 private constant NOBODY_X =
        0xdef3a05bec505f5fb8494b352326ab12e6204fd2189990856ef5abc09b8e6c18;
    bytes32 private constant NOBODY_Y =
        0x08a7b78456a5022c43bd31171531ec903a249dcee8b8129cb0193c12e41b3e02;

    /// @notice Nonce of the next signed batch.
    uint64 public executionNonce;
    /// @notice Nonce of the next recovery.
    uint64 public recoveryNonce;
    /// @notice Seconds between starting a recovery and finishing it.
    uint64 public recoveryDelay;
    /// @notice Recoverers that must sign; 0 where there are none.
    uint8 public threshold;
    address[] private _recoverers;
    Recovery private _recovery;

    /// @notice A signed batch was carried out.
    event Executed(uint256 indexed nonce, uint256 calls);
    /// @notice Who may replace the key, how many of them it takes, and after how many seconds.
    event RecoverersSet(address[] recoverers, uint8 threshold, uint64 recoveryDelay);
    /// @notice Enough recoverers want this key; it can take over from `readyAt` on.
    event RecoveryStarted(bytes32 qx, bytes32 qy, uint64 readyAt);
    /// @notice A recovery was taken back by the account itself.
    event RecoveryCancelled(bytes32 qx, bytes32 qy);
    /// @notice The account has this key now.
    event SignerSet(bytes32 qx, bytes32 qy);

    error SignatureExpired(uint256 deadline);
    error InvalidSignature(address account);
    error WrongNumberOfCalls(uint256 calls);
    error TooManyRecoverers(uint256 recoverers);
    error ThresholdOutOfRange(uint8 threshold, uint256 recoverers);
    error DelayOutOfRange(uint64 delay);
    error NotAscending(address account);
    error NotARecoverer(address account);
    error OwnRecoverer();
    error LengthsDiffer(uint256 signers, uint256 signatures);
    error TooFewSigners(uint256 signers, uint8 threshold);
    error NoRecovery();
    error RecoveryTooEarly(uint64 readyAt);

    /// @dev Only clones are accounts: nobody can sign for the implementation or initialise it.
    constructor() EIP712("Commonworks Member", "1") SignerP256(NOBODY_X, NOBODY_Y) {
        _disableInitializers();
    }

    /// @notice Gives a new clone its key and its recoverers; once, by the factory that creates it.
    /// @param qx The passkey's public key, x.
    /// @param qy Its y.
    /// @param recoverers_ Strictly ascending by address; may be empty.
    /// @param threshold_ How many of them it takes; 0 exactly where there are none.
    /// @param recoveryDelay_ Seconds, RECOVERY_DELAY_MIN_S to RECOVERY_DELAY_MAX_S.
    function initialize(
        bytes32 qx,
        bytes32 qy,
        address[] calldata recoverers_,
        uint8 threshold_,
        uint64 recoveryDelay_
    ) external initializer {
        _replaceSigner(qx, qy);
        _setRecoverers(recoverers_, threshold_, recoveryDelay_);
    }

    // --- acting ------------------------------------------------------------------------------

    /// @notice Carries out a batch that the passkey signed, whole or not at all. Anyone may hand it
    /// in.
    /// @param calls 1 to CALLS_MAX calls, in order.
    /// @param deadline Last second in which it counts.
    /// @param signature ABI encoding of the WebAuthn assertion over the message's EIP-712 hash.
    function executeFor(Call[] calldata calls, uint256 deadline, bytes calldata signature)
        external
        nonReentrant
    {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        if (calls.length == 0 || calls.length > CALLS_MAX) revert WrongNumberOfCalls(calls.length);
        uint256 nonce = executionNonce++;
        bytes32 digest = _hashTypedDataV4(_hashOf(calls, nonce, deadline));
        if (!_rawSignatureValidation(digest, signature)) revert InvalidSignature(address(this));
        emit Executed(nonce, calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            Call calldata call = calls[i];
            if (call.data.length == 0) {
                Address.sendValue(payable(call.target), call.value);
            } else {
                Address.functionCallWithValue(call.target, call.data, call.value);
            }
        }
    }

    // --- recovery ----------------------------------------------------------------------------

    /// @notice Chooses who may replace the key. By the account itself; what recoverers have started
    /// falls with it, and what they signed and kept. Parameters as for `initialize`.
    function setRecoverers(address[] calldata recoverers_, uint8 threshold_, uint64 recoveryDelay_)
        external
        onlyEntryPointOrSelf
    {
        if (_recovery.readyAt != 0) _cancel();
        ++recoveryNonce;
        _setRecoverers(recoverers_, threshold_, recoveryDelay_);
    }

    /// @notice Starts putting a new key in place of the present one. Anyone may hand in what the
    /// recoverers signed. It replaces a recovery that was started before.
    /// @param qx The new passkey's public key, x.
    /// @param qy Its y.
    /// @param deadline Last second in which the signatures count.
    /// @param signers At least `threshold` recoverers, strictly ascending by address.
    /// @param signatures Theirs, in the same order: 65 bytes, or what their own contract accepts.
    function startRecovery(
        bytes32 qx,
        bytes32 qy,
        uint256 deadline,
        address[] calldata signers,
        bytes[] calldata signatures
    ) external {
        if (block.timestamp > deadline) {
            revert SignatureExpired(deadline);
        }
        if (threshold == 0) revert NoRecovery();
        if (signers.length != signatures.length) {
            revert LengthsDiffer(signers.length, signatures.length);
        }
        if (signers.length < threshold) revert TooFewSigners(signers.length, threshold);
        if (!P256.isValidPublicKey(qx, qy)) revert SignerP256InvalidPublicKey(qx, qy);
        bytes32 message = keccak256(
            abi.encode(RECOVER_TYPEHASH, address(this), qx, qy, recoveryNonce++, deadline)
        );
        _requireSigned(_hashTypedDataV4(message), signers, signatures);
        uint64 readyAt = uint64(block.timestamp) + recoveryDelay;
        _recovery = Recovery({qx: qx, qy: qy, readyAt: readyAt});
        emit RecoveryStarted(qx, qy, readyAt);
    }

    /// @notice Takes a started recovery back; by the account itself, with the present key.
    function cancelRecovery() external onlyEntryPointOrSelf {
        if (_recovery.readyAt == 0) revert NoRecovery();
        _cancel();
    }

    /// @notice Puts the new key in place once the delay is over. Anyone may call it.
    function finishRecovery() external {
        Recovery memory done = _recovery;
        if (done.readyAt == 0) revert NoRecovery();
        if (block.timestamp < done.readyAt) revert RecoveryTooEarly(done.readyAt);
        delete _recovery;
        _replaceSigner(done.qx, done.qy);
    }

    // --- views -------------------------------------------------------------------------------

    /// @notice Who may replace the key together.
    function recoverers() external view returns (address[] memory) {
        return _recoverers;
    }

    /// @notice The recovery under way; all 0 where there is none.
    function recovery() external view returns (bytes32 qx, bytes32 qy, uint64 readyAt) {
        return (_recovery.qx, _recovery.qy, _recovery.readyAt);
    }

    // --- inside ------------------------------------------------------------------------------

    /// @inheritdoc SignerWebAuthn
    function _rawSignatureValidation(bytes32 hash, bytes calldata signature)
        internal
        view
        override(AbstractSigner, SignerWebAuthn)
        returns (bool)
    {
        return super._rawSignatureValidation(hash, signature);
    }

    /// @dev Batches of ERC-7821 come from the account itself or from ERC-4337's entry point, which
    /// has the signature checked first.
    function _erc7821AuthorizedExecutor(address caller, bytes32 mode, bytes calldata executionData)
        internal
        view
        override
        returns (bool)
    {
        return caller == address(entryPoint())
            || super._erc7821AuthorizedExecutor(caller, mode, executionData);
    }

    function _replaceSigner(bytes32 qx, bytes32 qy) private {
        _setSigner(qx, qy);
        emit SignerSet(qx, qy);
    }

    function _setRecoverers(address[] calldata recoverers_, uint8 threshold_, uint64 recoveryDelay_)
        private
    {
        uint256 count = recoverers_.length;
        if (count > RECOVERERS_MAX) revert TooManyRecoverers(count);
        if (threshold_ > count || (threshold_ == 0) != (count == 0)) {
            revert ThresholdOutOfRange(threshold_, count);
        }
        if (recoveryDelay_ < RECOVERY_DELAY_MIN_S || recoveryDelay_ > RECOVERY_DELAY_MAX_S) {
            revert DelayOutOfRange(recoveryDelay_);
        }
        address previous = address(0);
        for (uint256 i = 0; i < count; ++i) {
            address next = recoverers_[i];
            if (next <= previous) revert NotAscending(next);
            if (next == address(this)) revert OwnRecoverer();
            previous = next;
        }
        _recoverers = recoverers_;
        threshold = threshold_;
        recoveryDelay = recoveryDelay_;
        emit RecoverersSet(recoverers_, threshold_, recoveryDelay_);
    }

    function _cancel() private {
        Recovery memory taken = _recovery;
        delete _recovery;
        emit RecoveryCancelled(taken.qx, taken.qy);
    }

    /// @dev Both lists ascend, so one walk through the recoverers finds every signer or refuses it.
    function _requireSigned(bytes32 digest, address[] calldata signers, bytes[] calldata signatures)
        private
        view
    {
        address[] memory known = _recoverers;
        uint256 place = 0;
        for (uint256 i = 0; i < signers.length; ++i) {
            address signer_ = signers[i];
            if (i > 0 && signer_ <= signers[i - 1]) revert NotAscending(signer_);
            while (place < known.length && known[place] < signer_) ++place;
            if (place == known.length || known[place] != signer_) revert NotARecoverer(signer_);
            if (!SignatureChecker.isValidSignatureNowCalldata(signer_, digest, signatures[i])) {
                revert InvalidSignature(signer_);
            }
        }
    }

    function _hashOf(Call[] calldata calls, uint256 nonce, uint256 deadline)
        private
        pure
        returns (bytes32)
    {
        bytes32[] memory hashes = new bytes32[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            Call calldata call = calls[i];
            hashes[i] =
                keccak256(abi.encode(CALL_TYPEHASH, call.target, call.value, keccak256(call.data)));
        }
        return keccak256(
            abi.encode(EXECUTE_TYPEHASH, keccak256(abi.encodePacked(hashes)), nonce, deadline)
        );
    }
}
