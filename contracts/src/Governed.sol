// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

/// @title What governance owns from the first block on.
/// @notice The owner is the timelock. Until `foundingEnds` the founder may do what the owner may,
/// because devices and tables must be admitted before the first epoch; that power ends by itself.
/// @dev Invariant: from `foundingEnds` on, `onlyOwner` lets the owner pass and nobody else. The
/// founder never moves ownership; there is always an owner.
abstract contract Governed is Ownable {
    /// @notice Who acts for the owner while the network is founded.
    address public immutable founder;
    /// @notice First Unix second in which the founder has no power.
    uint64 public immutable foundingEnds;

    error OwnerIsForEver();

    /// @param owner_ The timelock.
    /// @param founder_ Zero for nobody.
    /// @param foundingEnds_ First Unix second in which the founder has no power.
    constructor(address owner_, address founder_, uint64 foundingEnds_) Ownable(owner_) {
        founder = founder_;
        foundingEnds = foundingEnds_;
    }

    /// @notice Moves ownership to another government; the owner itself only.
    function transferOwnership(address newOwner) public override {
        if (msg.sender != owner()) revert OwnableUnauthorizedAccount(msg.sender);
        super.transferOwnership(newOwner);
    }

    /// @notice Refused: a network without a government could never change a parameter again.
    function renounceOwnership() public pure override {
        revert OwnerIsForEver();
    }

    function _checkOwner() internal view override {
        if (msg.sender == founder && block.timestamp < foundingEnds) return;
        super._checkOwner();
    }
}
