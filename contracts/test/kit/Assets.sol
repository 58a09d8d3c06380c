// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice An ERC-20 that keeps a part of every transfer and can call somebody back in the middle
/// of one: what a Vault must survive should such an asset ever be accepted.
contract OddAsset is ERC20 {
    uint256 public immutable feePercent;
    address public hook;

    constructor(uint256 feePercent_) ERC20("Odd", "ODD") {
        feePercent = feePercent_;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function callBack(address hook_) external {
        hook = hook_;
    }

    /// @dev A permit that does nothing and refuses nothing, as fallback functions do.
    function permit(address, address, uint256, uint256, uint8, bytes32, bytes32) external {}

    function nonces(address) external pure returns (uint256) {
        return 0;
    }

    function _update(address from, address to, uint256 amount) internal override {
        uint256 fee = from == address(0) ? 0 : amount * feePercent / 100;
        if (fee > 0) super._update(from, address(this), fee);
        super._update(from, to, amount - fee);
        if (hook != address(0)) Hook(hook).onTransfer();
    }
}

interface Hook {
    function onTransfer() external;
}
