// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Vault} from "../../src/Vault.sol";
import {InvariantTest} from "../kit/Test.sol";
import {HostileHandler} from "./HostileHandler.sol";

/// @notice What the Vault holds on to even where a quorum lies.
contract HostileInvariants is InvariantTest {
    HostileHandler private handler;
    Vault private vault;
    address private token;
    address private euro;

    function setUp() external {
        handler = new HostileHandler();
        address v;
        (token, euro, v) = handler.contracts();
        vault = Vault(v);
        bytes4[] memory selectors = new bytes4[](9);
        selectors[0] = HostileHandler.deposit.selector;
        selectors[1] = HostileHandler.finalise.selector;
        selectors[2] = HostileHandler.claim.selector;
        selectors[3] = HostileHandler.exit.selector;
        selectors[4] = HostileHandler.wait.selector;
        selectors[5] = HostileHandler.finalise.selector; // twice as likely as the rest
        selectors[6] = HostileHandler.claim.selector;
        selectors[7] = HostileHandler.halt.selector;
        selectors[8] = HostileHandler.limit.selector;
        aim(address(handler), selectors);
    }

    function invariant_vault_pays_no_more_than_it_may() external view {
        check(euro, 0);
        check(token, vault.mintedWei());
    }

    function check(address asset, uint256 minted) private view {
        (uint256 deposited, uint256 spent, uint256 earned, uint256 claimed, uint256 returned) =
            vault.totalsOf(asset);
        vm.assertLe(claimed, earned, "claimed <= earned");
        vm.assertLe(earned, spent + minted, "earned <= spent + minted");
        vm.assertLe(spent, deposited, "spent <= deposited");
        vm.assertLe(returned, deposited - spent, "returned <= unspent");
        vm.assertEq(
            IERC20(asset).balanceOf(address(vault)),
            deposited + minted - claimed - returned,
            "balance"
        );
    }

    /// @dev The handler is not idle: lies are taken, refused, and paid as far as they may be.
    function test_a_life() external {
        for (uint256 i = 0; i < 64; ++i) {
            uint256 word = uint256(keccak256(abi.encode(i)));
            handler.deposit(word, word >> 64);
            handler.finalise(word, word >> 64);
            handler.wait(word);
            handler.claim(word);
            handler.halt(word);
            if (i % 8 == 0) handler.limit(word >> 96);
        }
        vm.assertGe(handler.taken(), 8, "taken");
        vm.assertGe(handler.paid(), 8, "paid");
        vm.assertGe(handler.refused(), 8, "refused");
    }
}
