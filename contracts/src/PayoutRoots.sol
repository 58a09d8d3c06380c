// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

/// @title Payout roots: one in force, those that still wait, and what a leaf proves.
/// @dev Rule: three are kept. `claimable` is in force; `pending` waits for its hold to pass; `newest`
/// waits behind it and is replaced by each later one, which carries what the replaced one said. So
/// claims lag at most two hold periods, however short the epochs are, and a claim looks at three
/// roots and no more.
/// Invariant: a root in force is never taken back, and none comes into force before one that was
/// accepted earlier.
abstract contract PayoutRoots {
    struct Root {
        bytes32 root;
        uint64 epoch;
        uint64 claimableAt;
    }

    Root private _claimable;
    Root private _pending;
    Root private _newest;

    /// @notice A payout root came in; it can be claimed against from `claimableAt` on.
    event RootAccepted(uint64 indexed epoch, bytes32 root, uint64 claimableAt);
    /// @notice A payout root was stopped.
    event RootDelayed(uint64 indexed epoch, uint64 claimableAt);

    error NotHeld(uint64 epoch);
    error NothingClaimable();
    error NoRoot();
    error InvalidProof(address asset, address account, uint64 epoch);

    /// @notice The root that claims are made against now.
    function claimableRoot() external view returns (uint64 epoch, bytes32 root) {
        Root storage current = _current();
        return (current.epoch, current.root);
    }

    /// @notice The last finalised root, which the exit uses, and when its hold ends.
    function lastRoot() external view returns (uint64 epoch, bytes32 root, uint64 claimableAt) {
        Root storage last = _last();
        if (last.claimableAt == 0) revert NoRoot();
        return (last.epoch, last.root, last.claimableAt);
    }

    /// @dev Puts a root behind those that still wait. It never overtakes one that was stopped.
    function _takeRoot(Root memory root) internal {
        _promote();
        if (_pending.claimableAt == 0) {
            _pending = root;
        } else {
            if (root.claimableAt < _newest.claimableAt) root.claimableAt = _newest.claimableAt;
            _newest = root;
        }
        emit RootAccepted(root.epoch, root.root, root.claimableAt);
    }

    /// @dev Keeps the root of `epoch` from coming into force before `until`. A root carries what
    /// every epoch before it earned, so the one to stop is the first that waits and covers `epoch`;
    /// those behind it wait with it.
    function _stopRoot(uint64 epoch, uint64 until) internal {
        _promote();
        if (_claimable.claimableAt != 0 && epoch <= _claimable.epoch) revert NotHeld(epoch);
        if (_pending.claimableAt != 0 && epoch <= _pending.epoch) {
            _delay(_pending, until);
        } else if (_newest.claimableAt != 0 && epoch <= _newest.epoch) {
            _delay(_newest, until);
        } else {
            revert NotHeld(epoch);
        }
    }

    /// @dev The root in force now: a later one only where every one before it has passed its hold.
    function _current() internal view returns (Root storage current) {
        current = _claimable;
        if (_passed(_pending)) current = _passed(_newest) ? _newest : _pending;
        if (current.claimableAt == 0) revert NothingClaimable();
    }

    /// @dev The last finalised root, held or not; all zero where there is none.
    function _last() internal view returns (Root storage) {
        if (_newest.claimableAt != 0) return _newest;
        return _pending.claimableAt != 0 ? _pending : _claimable;
    }

    /// @dev OpenZeppelin's StandardMerkleTree: double hash of (asset, account, earned, spent).
    function _requireLeaf(
        Root storage root,
        address asset,
        address account,
        uint256 earned,
        uint256 spent,
        bytes32[] calldata proof
    ) internal view {
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(asset, account, earned, spent))));
        if (!MerkleProof.verifyCalldata(proof, root.root, leaf)) {
            revert InvalidProof(asset, account, root.epoch);
        }
    }

    /// @dev Writes down what `_current` works out: moves roots up whose hold has passed.
    function _promote() private {
        for (uint256 i = 0; i < 2 && _passed(_pending); ++i) {
            _claimable = _pending;
            _pending = _newest;
            delete _newest;
        }
    }

    function _delay(Root storage root, uint64 until) private {
        if (until > root.claimableAt) root.claimableAt = until;
        emit RootDelayed(root.epoch, root.claimableAt);
    }

    function _passed(Root storage root) private view returns (bool) {
        uint64 claimableAt = root.claimableAt;
        return claimableAt != 0 && claimableAt <= block.timestamp;
    }
}
