// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AssetTotal} from "../src/Types.sol";
import {Vault} from "../src/Vault.sol";
import {VaultBench} from "./kit/VaultBench.sol";

/// @notice The circuit breaker: what one epoch may add to an asset's books.
contract VaultBreakerTest is VaultBench {
    uint256 private constant EURO = 1_009;
    uint256 private constant TOKEN = 2e18;

    function setUp() external {
        deployBench();
        limit("currency_growth_max", EURO);
        limit("token_growth_max_wei", TOKEN);
        vm.warp(GENESIS);
        depositAs(alice, 1e9);
        vm.prank(treasury);
        token.approve(address(vault), 1e24);
        vm.prank(treasury);
        vault.deposit(address(token), 50e18);
    }

    function limit(bytes32 key, uint256 value) private {
        vm.prank(governance);
        policy.set(key, int256(value));
    }

    function nextEpoch() private {
        vm.warp(block.timestamp + LENGTH);
    }

    function expectTrip(address asset, uint256 growth, uint256 most) private {
        vm.expectRevert(abi.encodeWithSelector(Vault.GrowthExceeded.selector, asset, growth, most));
    }

    function test_an_epoch_may_grow_up_to_the_limit() external {
        vault.finalise(0, 0, 0, total(address(euro), EURO, EURO));
        vault.finalise(1, 0, 0, total(address(euro), 2 * EURO, 2 * EURO));
        (, uint256 spent, uint256 earned,,) = vault.totalsOf(address(euro));
        vm.assertEq(spent, 2 * EURO, "spent");
        vm.assertEq(earned, 2 * EURO, "earned");
    }

    function test_one_more_trips() external {
        expectTrip(address(euro), EURO + 1, EURO);
        vault.finalise(0, 0, 0, total(address(euro), EURO + 1, EURO + 1));
        expectTrip(address(euro), EURO + 1, EURO);
        vault.finalise(0, 0, 0, total(address(euro), 0, EURO + 1)); // spent alone
        vault.finalise(0, 0, 0, total(address(euro), 0, EURO));
        expectTrip(address(euro), EURO + 1, EURO);
        vault.finalise(1, 0, 0, total(address(euro), EURO + 1, 2 * EURO + 1)); // earned, of a stock
    }

    function test_what_is_minted_counts_for_the_token() external {
        expectTrip(address(token), TOKEN + 1, TOKEN);
        vault.finalise(0, 0, TOKEN + 1, total(address(token), TOKEN + 1, 0));
        expectTrip(address(token), TOKEN + 1, TOKEN);
        vault.finalise(0, 0, TOKEN + 1, total(address(token), 0, 0)); // though nobody earns it
        expectTrip(address(token), TOKEN + 1, TOKEN);
        vault.finalise(0, 0, TOKEN, total(address(token), TOKEN + 1, 1)); // minted and paid together
        vault.finalise(0, 0, TOKEN, total(address(token), TOKEN, TOKEN));
        vm.assertEq(vault.mintedWei(), TOKEN, "minted");
    }

    function test_assets_have_their_own_limits() external {
        leaf(bob, EURO, 0);
        leaf(alice, 0, EURO);
        leafOf(address(token), bob, TOKEN, 0);
        leafOf(address(odd), bob, 0, 0);
        finaliseLeaves(0, TOKEN);
        leafOf(address(odd), alice, 0, 1);
        AssetTotal[] memory totals = sums();
        vm.expectRevert(
            abi.encodeWithSelector(Vault.SpentExceedsDeposited.selector, address(odd), 1, 0)
        );
        vault.finalise(1, 0, TOKEN, totals);
    }

    function test_a_raised_limit_releases_the_epoch_that_tripped() external {
        expectTrip(address(euro), EURO + 7, EURO);
        vault.finalise(0, 0, 0, total(address(euro), EURO + 7, EURO + 7));
        limit("currency_growth_max", EURO + 7);
        expectTrip(address(euro), EURO + 7, EURO);
        vault.finalise(0, 0, 0, total(address(euro), EURO + 7, EURO + 7)); // not in force yet
        nextEpoch();
        vault.finalise(0, 0, 0, total(address(euro), EURO + 7, EURO + 7));
        (uint64 epoch,,) = vault.lastRoot();
        vm.assertEq(epoch, 0, "finalised");
    }

    function test_a_lowered_limit_does_not_stop_an_epoch_that_opened_before() external {
        limit("currency_growth_max", 1); // from epoch 1 on
        nextEpoch();
        vault.finalise(0, 0, 0, total(address(euro), EURO, EURO));
        expectTrip(address(euro), 2, 1);
        vault.finalise(1, 0, 0, total(address(euro), EURO + 2, EURO + 2));
    }

    function test_a_trip_stops_no_money_that_was_finalised() external {
        leaf(alice, 0, EURO);
        leaf(bob, EURO, 0);
        finaliseLeaves(0, 0);
        expectTrip(address(euro), 2 * EURO, EURO);
        vault.finalise(1, 0, 0, total(address(euro), 3 * EURO, 3 * EURO));
        vm.warp(block.timestamp + HOLD);
        claimLeaf(1);
        vm.assertEq(euro.balanceOf(bob), EURO, "claimed");
        openExit();
        exitLeaf(0);
        vm.assertEq(euro.balanceOf(alice), 1e9 - EURO, "and out");
    }

    /// @dev Any sequence of totals: what was taken over never grew by more than the limit in force
    /// for the epoch or now, and what was refused for growth grew by more than both.
    function testFuzz_nothing_grows_faster(uint256 seed) external {
        uint256 spent = 0;
        uint256 limitNow = EURO;
        for (uint64 epoch = 0; epoch < 24; ++epoch) {
            uint256 word = uint256(keccak256(abi.encode(seed, epoch)));
            uint256 growth = word % (2 * EURO);
            uint256 own = uint256(policy.valueAt("currency_growth_max", epoch));
            uint256 most = own > limitNow ? own : limitNow;
            if (growth > most) expectTrip(address(euro), growth, most);
            vault.finalise(epoch, 0, 0, total(address(euro), spent + growth, spent + growth));
            if (growth > most) {
                vault.finalise(epoch, 0, 0, total(address(euro), spent + most, spent + most));
                growth = most;
            }
            spent += growth;
            if ((word >> 128) % 2 == 0) {
                limitNow = within(word >> 160, 1, 2 * EURO);
                limit("currency_growth_max", limitNow);
            }
            nextEpoch();
        }
    }
}
