// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Batches} from "./Batches.sol";
import {Governed} from "./Governed.sol";
import {Payees} from "./Payees.sol";

/// @notice One device of a batch.
/// @param thumbprint COSE key thumbprint (RFC 9679, SHA-256).
/// @param alg COSE algorithm of the key: EDDSA or ES256.
/// @param publicKey Raw key, 32 or 64 bytes.
/// @param cell Coarse H3 cell, 0 where the owner gives none.
struct NewDevice {
    bytes32 thumbprint;
    int8 alg;
    bytes publicKey;
    uint64 cell;
}

/// @title Devices as ERC-721 ids, and what governance admits about them.
/// @notice Enrolling ties a device key to an account. It proves nothing about the key: the device
/// itself names its owner in a signed binding, and settlement counts it only where both agree.
/// @dev Goal: keys that nobody can squat, at the price of an event. What a key is, only the event
/// says; this contract keeps who owns an id and who is paid for it. Whether key and thumbprint
/// match, whether the key is a point on its curve, and which of several ids that one account holds
/// for one key counts, settlement decides: it must in any case.
contract Devices is Batches, Payees, Governed {
    /// @notice COSE algorithm EdDSA: Ed25519, key of 32 bytes.
    int8 public constant EDDSA = -8;
    /// @notice COSE algorithm ES256: P-256, key x || y of 64 bytes.
    int8 public constant ES256 = -7;

    /// @notice EIP-712 type of the message that lets somebody else enrol for an owner.
    bytes32 public constant ENROL_TYPEHASH = keccak256(
        "Enrol(address owner,bytes32 thumbprint,int8 alg,bytes publicKey,bytes32 resource,uint64 cell,uint256 nonce,uint256 deadline)"
    );
    /// @notice EIP-712 type of the message that lets somebody else enrol many for an owner.
    bytes32 public constant ENROL_BATCH_TYPEHASH = keccak256(
        "EnrolBatch(address owner,bytes32 resource,NewDevice[] devices,uint256 nonce,uint256 deadline)NewDevice(bytes32 thumbprint,int8 alg,bytes publicKey,uint64 cell)"
    );
    /// @notice EIP-712 type of one device in it.
    bytes32 public constant NEW_DEVICE_TYPEHASH =
        keccak256("NewDevice(bytes32 thumbprint,int8 alg,bytes publicKey,uint64 cell)");

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
    /// @param owner Whose device it is.
    /// @param deadline Last Unix second in which the signature counts.
    /// @return id The new device's id.
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
        _requireSigned(
            owner,
            _message(owner, thumbprint, alg, keccak256(publicKey), resource, cell, deadline),
            deadline,
            signature
        );
        return _enrol(owner, thumbprint, alg, publicKey, resource, cell);
    }

    /// @notice Enrols up to BATCH_MAX devices of one resource for the caller.
    /// @return firstId Id of the first device; the others follow in order.
    function enrolBatch(bytes32 resource, NewDevice[] calldata devices)
        external
        returns (uint256 firstId)
    {
        return _enrolBatch(msg.sender, resource, devices);
    }

    /// @notice Enrols up to BATCH_MAX devices of one resource for `owner`, who signed it.
    /// @param deadline Last Unix second in which the signature counts.
    /// @return firstId Id of the first device; the others follow in order.
    function enrolBatchFor(
        address owner,
        bytes32 resource,
        NewDevice[] calldata devices,
        uint256 deadline,
        bytes calldata signature
    ) external returns (uint256 firstId) {
        uint256 nonce = _useNonce(owner);
        bytes32 message = keccak256(
            abi.encode(ENROL_BATCH_TYPEHASH, owner, resource, _hashOf(devices), nonce, deadline)
        );
        _requireSigned(owner, message, deadline, signature);
        return _enrolBatch(owner, resource, devices);
    }

    /// @notice Admits a registrar's key to a resource, or removes it.
    function setRegistrar(
        bytes32 resource,
        bytes32 thumbprint,
        int8 alg,
        bytes calldata publicKey,
        bool active
    ) external onlyOwner {
        _requireKey(alg, publicKey.length);
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

    function _enrol(
        address owner,
        bytes32 thumbprint,
        int8 alg,
        bytes calldata publicKey,
        bytes32 resource,
        uint64 cell
    ) private returns (uint256 id) {
        _requireKey(alg, publicKey.length);
        id = _mintBatch(owner, 1);
        emit Enrolled(id, owner, thumbprint, alg, publicKey, resource, cell, msg.sender);
    }

    function _enrolBatch(address owner, bytes32 resource, NewDevice[] calldata devices)
        private
        returns (uint256 firstId)
    {
        uint256 count = devices.length;
        firstId = _mintBatch(owner, count);
        for (uint256 i = 0; i < count; ++i) {
            _announce(firstId + i, owner, resource, devices[i]);
        }
    }

    function _announce(uint256 id, address owner, bytes32 resource, NewDevice calldata d) private {
        int8 alg = d.alg;
        bytes calldata key = d.publicKey;
        _requireKey(alg, key.length);
        emit Enrolled(id, owner, d.thumbprint, alg, key, resource, d.cell, msg.sender);
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

    /// @dev Batches remember what was burned, payees come and go with the id.
    function _update(address to, uint256 id, address auth)
        internal
        override(Batches, Payees)
        returns (address from)
    {
        return super._update(to, id, auth);
    }

    function _ownerOf(uint256 id) internal view override(Batches, ERC721) returns (address) {
        return super._ownerOf(id);
    }

    function _requireKey(int8 alg, uint256 length) private pure {
        if (alg != EDDSA && alg != ES256) revert UnsupportedAlgorithm(alg);
        if (length != (alg == EDDSA ? 32 : 64)) revert WrongKeyLength(alg, length);
    }

    /// @dev EIP-712: an array is hashed as the sequence of its members' hashes.
    function _hashOf(NewDevice[] calldata devices) private pure returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](devices.length);
        for (uint256 i = 0; i < devices.length; ++i) {
            NewDevice calldata d = devices[i];
            hashes[i] = keccak256(
                abi.encode(NEW_DEVICE_TYPEHASH, d.thumbprint, d.alg, keccak256(d.publicKey), d.cell)
            );
        }
        return keccak256(abi.encodePacked(hashes));
    }
}
