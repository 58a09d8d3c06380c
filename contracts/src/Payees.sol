// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {Signed} from "./Signed.sol";

/// @notice What one account gets of a device's earnings.
/// @param ppm Parts per million, above 0.
struct Share {
    address account;
    uint32 ppm;
}

/// @title Who is paid for a device: collective ownership.
/// @notice Without a list the owner gets all. The owner starts a list; from then on it belongs to
/// the payees: each may hand on what is theirs, all of them together may do the rest. Settlement
/// splits what the device earns by the list in force at the epoch's boundary.
/// @dev Goal: nobody loses a share without signing. Hence the owner of an id with a list can move
/// it, list and all, but neither change the list nor burn the id.
/// Rule: accounts strictly ascending, every share above 0, all shares together 1,000,000.
/// Whoever buys an id must look at its list: it goes along. For the same reason an id with a list
/// only moves to who accepts it: otherwise anybody could push an id onto an account that pays
/// somebody else and that the account cannot burn.
/// Loops: PAYEES_MAX.
abstract contract Payees is ERC721, Signed {
    /// @notice Most payees of one id.
    uint256 public constant PAYEES_MAX = 64;
    /// @notice What the shares of a list add up to.
    uint256 public constant WHOLE_PPM = 1_000_000;

    /// @notice EIP-712 type of the message that lets somebody else hand on a payee's share.
    bytes32 public constant TRANSFER_SHARE_TYPEHASH = keccak256(
        "TransferShare(uint256 id,address from,address to,uint32 ppm,uint256 nonce,uint256 deadline)"
    );
    /// @notice EIP-712 type of what all payees sign to replace the list.
    bytes32 public constant CHANGE_PAYEES_TYPEHASH = keccak256(
        "ChangePayees(uint256 id,Share[] shares,uint256 payeesNonce,uint256 deadline)Share(address account,uint32 ppm)"
    );
    /// @notice EIP-712 type of one share in it.
    bytes32 public constant SHARE_TYPEHASH = keccak256("Share(address account,uint32 ppm)");
    /// @notice EIP-712 type of what all payees sign to burn the id.
    bytes32 public constant RETIRE_TYPEHASH =
        keccak256("Retire(uint256 id,uint256 payeesNonce,uint256 deadline)");

    /// @notice Changes that an id's list has seen; what all payees sign names it.
    mapping(uint256 id => uint256 changes) public payeesNonce;

    mapping(uint256 id => Share[]) private _payees;

    /// @notice From now on `shares` are paid for the id; an empty list: its owner.
    event PayeesSet(uint256 indexed id, Share[] shares);

    error HasPayees(uint256 id);
    error NoPayees(uint256 id);
    error NotAccepted(uint256 id, address to);
    error TooManyPayees(uint256 count, uint256 maximum);
    error PayeesNotSorted(address account);
    error ZeroShare(address account);
    error SharesNotWhole(uint256 sumPpm);
    error ShareTooSmall(uint256 id, address account, uint256 heldPpm, uint256 ppm);
    error WrongSignatureCount(uint256 given, uint256 expected);

    /// @notice Starts the list of an id that has none. For its owner.
    /// @param shares Strictly ascending by account, at most PAYEES_MAX, 1,000,000 ppm in all.
    function setPayees(uint256 id, Share[] calldata shares) external {
        address owner = _requireOwned(id);
        if (msg.sender != owner) revert ERC721IncorrectOwner(msg.sender, id, owner);
        _requireNoPayees(id);
        _requireWhole(shares);
        _write(id, shares);
    }

    /// @notice Hands `ppm` of the caller's share on to `to`, a payee already or a new one.
    function transferShare(uint256 id, address to, uint32 ppm) external {
        _transferShare(id, msg.sender, to, ppm);
    }

    /// @notice Hands `ppm` of the share of `from`, who signed it, on to `to`.
    function transferShareFor(
        uint256 id,
        address from,
        address to,
        uint32 ppm,
        uint256 deadline,
        bytes calldata signature
    ) external {
        uint256 nonce = _useNonce(from);
        bytes32 message =
            keccak256(abi.encode(TRANSFER_SHARE_TYPEHASH, id, from, to, ppm, nonce, deadline));
        _requireSigned(from, message, deadline, signature);
        _transferShare(id, from, to, ppm);
    }

    /// @notice Replaces the list by one that every present payee signed.
    /// @param shares The new list; empty: the owner gets all again.
    /// @param signatures Of every present payee, in the order of the present list.
    function changePayees(
        uint256 id,
        Share[] calldata shares,
        uint256 deadline,
        bytes[] calldata signatures
    ) external {
        bytes32 message = keccak256(
            abi.encode(CHANGE_PAYEES_TYPEHASH, id, _hashOf(shares), payeesNonce[id], deadline)
        );
        _requireSignedByAll(id, message, deadline, signatures);
        if (shares.length != 0) _requireWhole(shares);
        _write(id, shares);
    }

    /// @notice Ends a device's life: burns its id. For its owner or whom the owner approved, while
    /// there is no list.
    /// @dev Also how an owner gets rid of an id that somebody pushed to it.
    function retire(uint256 id) external {
        _requireOwned(id);
        _requireNoPayees(id);
        _update(address(0), id, msg.sender);
    }

    /// @notice Burns an id that has payees, who all signed it.
    /// @param signatures Of every payee, in the order of the list.
    function retireByAll(uint256 id, uint256 deadline, bytes[] calldata signatures) external {
        bytes32 message = keccak256(abi.encode(RETIRE_TYPEHASH, id, payeesNonce[id], deadline));
        _requireSignedByAll(id, message, deadline, signatures);
        _update(address(0), id, address(0));
    }

    /// @notice Who is paid for an id, ascending by account; empty: its owner, if it has one.
    function payeesOf(uint256 id) external view returns (Share[] memory) {
        return _payees[id];
    }

    /// @dev Lets an id with a list go only to who accepts it, and drops the list of a burned one.
    /// To accept is to take it oneself, or through an operator for all of one's ids.
    function _update(address to, uint256 id, address auth)
        internal
        virtual
        override
        returns (address from)
    {
        if (_payees[id].length != 0) {
            if (to == address(0)) {
                _write(id, new Share[](0));
            } else if (to != msg.sender && !isApprovedForAll(to, msg.sender)) {
                revert NotAccepted(id, to);
            }
        }
        return super._update(to, id, auth);
    }

    function _transferShare(uint256 id, address from, address to, uint32 ppm) private {
        if (to == address(0)) revert ERC721InvalidReceiver(address(0));
        if (ppm == 0) revert ZeroShare(to);
        _write(id, _moved(id, from, to, ppm));
    }

    /// @dev The list after `ppm` went from `from` to `to`: merged, in order, without empty shares.
    function _moved(uint256 id, address from, address to, uint32 ppm)
        private
        view
        returns (Share[] memory list)
    {
        Share[] memory old = _payees[id];
        list = new Share[](old.length + 1);
        uint256 count = 0;
        uint256 held = 0;
        bool placed = false;
        for (uint256 i = 0; i < old.length; ++i) {
            Share memory share = old[i];
            if (share.account == from) {
                held = share.ppm;
                if (held < ppm) break;
                share.ppm -= ppm;
            }
            if (!placed && to <= share.account) {
                placed = true;
                if (to == share.account) share.ppm += ppm;
                else list[count++] = Share({account: to, ppm: ppm});
            }
            if (share.ppm != 0) list[count++] = share;
        }
        if (held < ppm) revert ShareTooSmall(id, from, held, ppm);
        if (!placed) list[count++] = Share({account: to, ppm: ppm});
        if (count > PAYEES_MAX) revert TooManyPayees(count, PAYEES_MAX);
        assembly ("memory-safe") {
            mstore(list, count)
        }
    }

    function _write(uint256 id, Share[] memory shares) private {
        delete _payees[id];
        for (uint256 i = 0; i < shares.length; ++i) {
            _payees[id].push(shares[i]);
        }
        ++payeesNonce[id];
        emit PayeesSet(id, shares);
    }

    function _requireSignedByAll(
        uint256 id,
        bytes32 message,
        uint256 deadline,
        bytes[] calldata signatures
    ) private view {
        Share[] storage list = _payees[id];
        uint256 count = list.length;
        if (count == 0) revert NoPayees(id);
        if (signatures.length != count) revert WrongSignatureCount(signatures.length, count);
        for (uint256 i = 0; i < count; ++i) {
            _requireSigned(list[i].account, message, deadline, signatures[i]);
        }
    }

    function _requireNoPayees(uint256 id) private view {
        if (_payees[id].length != 0) revert HasPayees(id);
    }

    function _requireWhole(Share[] calldata shares) private pure {
        if (shares.length > PAYEES_MAX) revert TooManyPayees(shares.length, PAYEES_MAX);
        uint256 sum = 0;
        address previous = address(0);
        for (uint256 i = 0; i < shares.length; ++i) {
            Share calldata share = shares[i];
            if (share.account <= previous) revert PayeesNotSorted(share.account);
            if (share.ppm == 0) revert ZeroShare(share.account);
            previous = share.account;
            sum += share.ppm;
        }
        if (sum != WHOLE_PPM) revert SharesNotWhole(sum);
    }

    /// @dev EIP-712: an array is hashed as the sequence of its members' hashes.
    function _hashOf(Share[] calldata shares) private pure returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](shares.length);
        for (uint256 i = 0; i < shares.length; ++i) {
            hashes[i] = keccak256(abi.encode(SHARE_TYPEHASH, shares[i].account, shares[i].ppm));
        }
        return keccak256(abi.encodePacked(hashes));
    }
}
