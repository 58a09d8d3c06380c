// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Governed} from "./Governed.sol";

/// @title Devices as ERC-721 ids, and what governance admits about them.
/// @notice Enrolling ties a device key to an account. It proves nothing about the key: the device
/// itself names its owner in a signed binding, and settlement counts it only where both agree.
/// @dev Goal: keys that nobody can squat. A thumbprint is unique per account, never globally.
/// Invariant: idOf[account][thumbprint] = id exactly when `account` owns `id` and `id` is for that
/// thumbprint. Whether key and thumbprint match, and whether the key is a point on its curve,
/// settlement checks: it must in any case, and ids with a wrong key count for nothing.
contract Devices is ERC721, EIP712, Nonces, Governed {
    /// @notice COSE algorithm EdDSA: Ed25519, key of 32 bytes.
    int8 public constant EDDSA = -8;
    /// @notice COSE algorithm ES256: P-256, key x || y of 64 bytes.
    int8 public constant ES256 = -7;

    /// @notice EIP-712 type of the message that lets somebody else enrol for an owner.
    bytes32 public constant ENROL_TYPEHASH = keccak256(
        "Enrol(address owner,bytes32 thumbprint,int8 alg,bytes publicKey,bytes32 resource,uint64 cell,uint256 nonce,uint256 deadline)"
    );

    /// @notice Ids given so far; the next one is one more.
    uint256 public lastId;
    /// @notice Key thumbprint of a device.
    mapping(uint256 id => bytes32 thumbprint) public thumbprintOf;

    /// @dev keccak256(abi.encode(owner, thumbprint)) -> id.
    mapping(bytes32 ownerAndThumbprint => uint256 id) private _ids;

    /// @notice A device id was minted for a key.
    event Enrolled(
        uint256 indexed id,
        address indexed owner,
        bytes32 indexed thumbprint,
        int8 alg,
        bytes publicKey,
        bytes32 resource,
        uint64 cell,
        address enroller
    );
    /// @notice A registrar's key was admitted to, or removed from, a resource.
    event RegistrarSet(
        bytes32 indexed resource, bytes32 indexed thumbprint, int8 alg, bytes publicKey, bool active
    );
    /// @notice A device was admitted, or dismissed, as an independent reference.
    event ReferenceSet(uint256 indexed id, bool admitted);
    /// @notice A site statement came into force for a resource.
    event SiteAdopted(bytes32 indexed resource, bytes32 indexed site, bytes32 statement);

    error UnsupportedAlgorithm(int8 alg);
    error WrongKeyLength(int8 alg, uint256 length);
    error KeyAlreadyEnrolled(address owner, bytes32 thumbprint, uint256 id);
    error SignatureExpired(uint256 deadline);
    error InvalidSignature(address account);

    /// @param owner_ The timelock.
    /// @param founder_ Admits what must be there before the first epoch; zero for nobody.
    /// @param foundingEnds_ First Unix second in which the founder has no power.
    constructor(address owner_, address founder_, uint64 foundingEnds_)
        ERC721("Commonworks Device", "CWD")
        EIP712("Commonworks Devices", "1")
        Governed(owner_, founder_, foundingEnds_)
    {}

    /// @notice Enrols a device for the caller.
    /// @param thumbprint COSE key thumbprint (RFC 9679, SHA-256).
    /// @param alg COSE algorithm of the key: EDDSA or ES256.
    /// @param publicKey Raw key, 32 or 64 bytes.
    /// @param resource Resource name, ASCII, left-aligned.
    /// @param cell Coarse H3 cell, 0 where the owner gives none.
    /// @return id The new device's id.
    function enrol(
        bytes32 thumbprint,
        int8 alg,
        bytes calldata publicKey,
        bytes32 resource,
        uint64 cell
    ) external returns (uint256 id) {
        return _enrol(msg.sender, thumbprint, alg, publicKey, resource, cell);
    }

    /// @notice Enrols a device for `owner`, who signed it (EIP-712, or ERC-1271 for a contract).
    function enrolFor(
        address owner,
        bytes32 thumbprint,
        int8 alg,
        bytes calldata publicKey,
        bytes32 resource,
        uint64 cell,
        uint256 deadline,
        bytes calldata signature
    ) external returns (uint256 id) {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        _requireSigned(
            owner,
            _message(owner, thumbprint, alg, keccak256(publicKey), resource, cell, deadline),
            signature
        );
        return _enrol(owner, thumbprint, alg, publicKey, resource, cell);
    }

    /// @notice Ends a device's life: burns its id. For its owner or whom the owner approved.
    /// @dev Also how an owner gets rid of an id that somebody pushed to it.
    function retire(uint256 id) external {
        _requireOwned(id);
        _update(address(0), id, msg.sender);
    }

    /// @notice Admits a registrar's key to a resource, or removes it.
    function setRegistrar(
        bytes32 resource,
        bytes32 thumbprint,
        int8 alg,
        bytes calldata publicKey,
        bool active
    ) external onlyOwner {
        _requireKey(alg, publicKey);
        emit RegistrarSet(resource, thumbprint, alg, publicKey, active);
    }

    /// @notice Admits a device as an independent reference, or dismisses it.
    function setReference(uint256 id, bool admitted) external onlyOwner {
        _requireOwned(id);
        emit ReferenceSet(id, admitted);
    }

    /// @notice Puts a site statement, named by its identity, into force.
    function adoptSite(bytes32 resource, bytes32 site, bytes32 statement) external onlyOwner {
        emit SiteAdopted(resource, site, statement);
    }

    /// @notice Device that `owner` holds for `thumbprint`; 0 where there is none.
    function idOf(address owner, bytes32 thumbprint) external view returns (uint256) {
        return _ids[_slot(owner, thumbprint)];
    }

    /// @notice EIP-712 domain separator, for those who sign.
    // solhint-disable-next-line func-name-mixedcase
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    function _enrol(
        address owner,
        bytes32 thumbprint,
        int8 alg,
        bytes calldata publicKey,
        bytes32 resource,
        uint64 cell
    ) private returns (uint256 id) {
        _requireKey(alg, publicKey);
        id = ++lastId;
        thumbprintOf[id] = thumbprint;
        emit Enrolled(id, owner, thumbprint, alg, publicKey, resource, cell, msg.sender);
        _mint(owner, id);
    }

    /// @dev What an owner signs. Uses up its nonce; a wrong signature reverts and gives it back.
    function _message(
        address owner,
        bytes32 thumbprint,
        int8 alg,
        bytes32 keyHash,
        bytes32 resource,
        uint64 cell,
        uint256 deadline
    ) private returns (bytes32) {
        uint256 nonce = _useNonce(owner);
        return keccak256(
            abi.encode(
                ENROL_TYPEHASH, owner, thumbprint, alg, keyHash, resource, cell, nonce, deadline
            )
        );
    }

    function _requireSigned(address owner, bytes32 message, bytes calldata signature) private view {
        bytes32 digest = _hashTypedDataV4(message);
        if (!SignatureChecker.isValidSignatureNowCalldata(owner, digest, signature)) {
            revert InvalidSignature(owner);
        }
    }

    /// @dev Keeps the index in step with every mint, transfer and burn.
    function _update(address to, uint256 id, address auth)
        internal
        override
        returns (address from)
    {
        from = super._update(to, id, auth);
        bytes32 thumbprint = thumbprintOf[id];
        if (from != address(0)) delete _ids[_slot(from, thumbprint)];
        if (to != address(0)) {
            bytes32 slot = _slot(to, thumbprint);
            if (_ids[slot] != 0) revert KeyAlreadyEnrolled(to, thumbprint, _ids[slot]);
            _ids[slot] = id;
        }
    }

    function _requireKey(int8 alg, bytes calldata publicKey) private pure {
        if (alg != EDDSA && alg != ES256) revert UnsupportedAlgorithm(alg);
        uint256 expected = alg == EDDSA ? 32 : 64;
        if (publicKey.length != expected) revert WrongKeyLength(alg, publicKey.length);
    }

    function _slot(address owner, bytes32 thumbprint) private pure returns (bytes32) {
        return keccak256(abi.encode(owner, thumbprint));
    }
}
