// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title Play money for the embedded chain.
/// @notice Worth nothing: its owner makes as much of it as the tryout needs.
contract TestEuro is ERC20Permit, Ownable {
    /// @param owner_ Who may mint.
    constructor(address owner_)
        ERC20("Test Euro", "tEUR")
        ERC20Permit("Test Euro")
        Ownable(owner_)
    {}

    /// @notice Creates `amount` micro-euro for `to`.
    function mint(address to, uint256 amount) external onlyOwner {
        _mint(to, amount);
    }

    /// @notice Micro-euro, as euro stablecoins have it.
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
