// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {PayoutRoots} from "../src/PayoutRoots.sol";
import {Signed} from "../src/Signed.sol";
import {Vault} from "../src/Vault.sol";
import {AssetTotal} from "../src/Types.sol";
import {ContractSigner} from "./kit/Signers.sol";
import {PayoutTree} from "./kit/PayoutTree.sol";
import {VaultBench} from "./kit/VaultBench.sol";

contract VaultTest is VaultBench {
    event Deposited(address indexed asset, address indexed account, uint256 amount, address from);
    event WithdrawalRequested(
        uint256 indexed id, address indexed asset, address indexed account, uint256 amount
    );
    event SpendLimitSet(address indexed account, uint256 indexed deviceId, uint256 limit);
    event RootAccepted(uint64 indexed epoch, bytes32 root, uint64 claimableAt);
    event Claimed(address indexed asset, address indexed account, uint256 amount, uint64 epoch);

    AssetTotal[] private none;

    function setUp() external {
        deployBench();
    }

    function depositOf(address asset, address account) private view returns (uint256 deposited) {
        (deposited,,,) = vault.accountOf(asset, account);
    }

    // --- deployment --------------------------------------------------------------------------

    function test_accepts_the_token_and_what_was_named() external view {
        address[] memory assets = vault.acceptedAssets();
        vm.assertEq(assets.length, 3, "count");
        vm.assertEq(assets[0], address(token), "token");
        vm.assertEq(assets[1], address(euro), "euro");
    }

    function test_refuses_too_many_or_repeated_assets() external {
        address[] memory assets = new address[](16);
        vm.expectRevert(abi.encodeWithSelector(Vault.TooManyAssets.selector, 17, 16));
        new Vault(address(token), address(policy), address(this), assets);
        assets = new address[](1);
        assets[0] = address(token);
        vm.expectRevert(abi.encodeWithSelector(Vault.DuplicateAsset.selector, address(token)));
        new Vault(address(token), address(policy), address(this), assets);
    }

    // --- deposits ----------------------------------------------------------------------------

    function test_deposits_are_credited() external {
        vm.warp(1_000_050);
        euro.mint(alice, 31);
        vm.prank(alice);
        euro.approve(address(vault), 31);
        vm.expectEmit(address(vault));
        emit Deposited(address(euro), alice, 13, alice);
        vm.prank(alice);
        vault.deposit(address(euro), 13);
        vm.warp(1_000_060);
        vm.expectEmit(address(vault));
        emit Deposited(address(euro), bob, 18, alice);
        vm.prank(alice);
        vault.depositFor(address(euro), bob, 18);
        vm.assertEq(depositOf(address(euro), alice), 13, "alice");
        (uint256 deposited,,, uint64 firstDepositAt) = vault.accountOf(address(euro), bob);
        vm.assertEq(deposited, 18, "bob");
        vm.assertEq(firstDepositAt, 1_000_060, "first deposit");
        (deposited,,,,) = vault.totalsOf(address(euro));
        vm.assertEq(deposited, 31, "all");
    }

    function test_credits_what_arrived() external {
        odd.mint(alice, 1_000);
        vm.prank(alice);
        odd.approve(address(vault), 1_000);
        vm.prank(alice);
        vault.deposit(address(odd), 1_000);
        vm.assertEq(depositOf(address(odd), alice), 900, "a tenth was kept on the way");
    }

    function test_refuses_deposits_of_nothing_for_nobody_or_of_strange_assets() external {
        vm.expectRevert(
            abi.encodeWithSelector(Vault.NothingArrived.selector, address(euro), address(this))
        );
        vault.deposit(address(euro), 0);
        vm.expectRevert(abi.encodeWithSelector(Vault.ZeroAccount.selector));
        vault.depositFor(address(euro), address(0), 1);
        vm.expectRevert(abi.encodeWithSelector(Vault.AssetNotAccepted.selector, alice));
        vault.deposit(alice, 1);
        vm.expectRevert(abi.encodeWithSelector(Vault.AssetNotAccepted.selector, alice));
        vault.depositWithPermit(alice, alice, 1, 0, 0, 0, 0);
    }

    function test_deposits_by_permit() external {
        euro.mint(signer, 19);
        bytes memory message = abi.encode(
            keccak256(
                "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
            ),
            signer,
            address(vault),
            uint256(19),
            uint256(0),
            uint256(GENESIS)
        );
        bytes32 digest = typedData(euro.DOMAIN_SEPARATOR(), message);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(OWNER_KEY, digest);
        vm.prank(bob); // anyone may hand it in
        vault.depositWithPermit(address(euro), signer, 19, GENESIS, v, r, s);
        vm.assertEq(depositOf(address(euro), signer), 19, "credited to the signer");
    }

    function test_a_permit_that_does_nothing_moves_nobodys_money() external {
        odd.mint(alice, 5);
        vm.prank(alice);
        odd.approve(address(vault), 5);
        vm.expectRevert(abi.encodeWithSelector(Vault.PermitIgnored.selector, address(odd), alice));
        vm.prank(bob);
        vault.depositWithPermit(address(odd), alice, 5, GENESIS, 27, 0, 0);
    }

    function onTransfer() external {
        vault.deposit(address(odd), 1);
    }

    function test_an_asset_that_calls_back_gets_nowhere() external {
        odd.mint(address(this), 100);
        odd.approve(address(vault), 100);
        odd.callBack(address(this));
        vm.expectRevert(
            abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector)
        );
        vault.deposit(address(odd), 50);
    }

    // --- wishes ------------------------------------------------------------------------------

    function test_requests_withdrawals() external {
        depositAs(alice, 17);
        vm.expectEmit(address(vault));
        emit WithdrawalRequested(1, address(euro), alice, 17);
        vm.prank(alice);
        vault.requestWithdrawal(address(euro), 17);
        vm.expectEmit(address(vault));
        emit WithdrawalRequested(2, address(euro), alice, 3);
        vm.prank(alice);
        vault.requestWithdrawal(address(euro), 3);
        vm.expectRevert(abi.encodeWithSelector(Vault.WithdrawalOutOfRange.selector, 18, 17));
        vm.prank(alice);
        vault.requestWithdrawal(address(euro), 18);
        vm.expectRevert(abi.encodeWithSelector(Vault.WithdrawalOutOfRange.selector, 0, 17));
        vm.prank(alice);
        vault.requestWithdrawal(address(euro), 0);
    }

    function withdrawalDigest(address account, uint256 nonce) private view returns (bytes32) {
        bytes memory message = abi.encode(
            vault.WITHDRAWAL_TYPEHASH(), account, address(euro), uint256(5), nonce, uint256(GENESIS)
        );
        return typedData(vault.DOMAIN_SEPARATOR(), message);
    }

    function limitDigest(address account, uint256 nonce) private view returns (bytes32) {
        bytes memory message = abi.encode(
            vault.SPEND_LIMIT_TYPEHASH(), account, uint256(3), uint256(7), nonce, uint256(GENESIS)
        );
        return typedData(vault.DOMAIN_SEPARATOR(), message);
    }

    function test_signed_wishes_can_be_handed_in_by_anyone() external {
        depositAs(signer, 17);
        bytes memory signature = signed(OWNER_KEY, withdrawalDigest(signer, 0));
        vm.expectEmit(address(vault));
        emit WithdrawalRequested(1, address(euro), signer, 5);
        vault.requestWithdrawalFor(signer, address(euro), 5, GENESIS, signature);
        vm.expectRevert(abi.encodeWithSelector(Signed.InvalidSignature.selector, signer));
        vault.requestWithdrawalFor(signer, address(euro), 5, GENESIS, signature);
        signature = signed(OWNER_KEY, limitDigest(signer, 1));
        vm.expectEmit(address(vault));
        emit SpendLimitSet(signer, 3, 7);
        vault.setSpendLimitFor(signer, 3, 7, GENESIS, signature);
        vm.assertEq(vault.nonces(signer), 2, "one nonce for both");
    }

    function test_contracts_sign_too() external {
        ContractSigner wallet = new ContractSigner();
        wallet.approve(limitDigest(address(wallet), 0));
        vm.expectEmit(address(vault));
        emit SpendLimitSet(address(wallet), 3, 7);
        vault.setSpendLimitFor(address(wallet), 3, 7, GENESIS, "");
    }

    function test_refuses_late_and_foreign_signatures() external {
        depositAs(signer, 17);
        bytes memory signature = signed(OWNER_KEY + 1, limitDigest(signer, 0));
        vm.expectRevert(abi.encodeWithSelector(Signed.InvalidSignature.selector, signer));
        vault.setSpendLimitFor(signer, 3, 7, GENESIS, signature);
        signature = signed(OWNER_KEY, withdrawalDigest(signer, 0));
        vm.warp(GENESIS + 1);
        vm.expectRevert(abi.encodeWithSelector(Signed.SignatureExpired.selector, GENESIS));
        vault.requestWithdrawalFor(signer, address(euro), 5, GENESIS, signature);
    }

    function test_sets_spend_limits() external {
        vm.expectEmit(address(vault));
        emit SpendLimitSet(alice, 3, 7);
        vm.prank(alice);
        vault.setSpendLimit(3, 7);
    }

    // --- finalising --------------------------------------------------------------------------

    function test_takes_over_an_epoch_and_mints() external {
        depositAs(alice, 100);
        leaf(alice, 0, 71);
        leaf(bob, 71, 0);
        leafOf(address(token), bob, 13e18, 0);
        bytes32 root = PayoutTree.root(leaves);
        uint64 holdEnds = uint64(block.timestamp) + HOLD;
        vm.expectEmit(address(vault));
        emit RootAccepted(0, root, holdEnds);
        vm.assertEq(finaliseLeaves(0, 13e18), holdEnds, "hold");
        vm.assertEq(token.balanceOf(address(vault)), 13e18, "minted");
        vm.assertEq(vault.mintedWei(), 13e18, "booked");
        (, uint256 spent, uint256 earned,,) = vault.totalsOf(address(euro));
        vm.assertEq(spent, 71, "spent");
        vm.assertEq(earned, 71, "earned");
        (uint64 epoch, bytes32 last, uint64 claimableAt) = vault.lastRoot();
        vm.assertEq(epoch, 0, "epoch");
        vm.assertEq(last, root, "root");
        vm.assertEq(claimableAt, holdEnds, "claimable at");
    }

    function test_only_settlement_finalises_and_halts() external {
        vm.expectRevert(abi.encodeWithSelector(Vault.NotSettlement.selector, alice));
        vm.prank(alice);
        vault.finalise(0, 0, 0, none);
        vm.expectRevert(abi.encodeWithSelector(Vault.NotSettlement.selector, alice));
        vm.prank(alice);
        vault.halt(0, 1);
    }

    function test_refuses_to_spend_what_nobody_deposited() external {
        depositAs(alice, 100);
        vm.expectRevert(
            abi.encodeWithSelector(Vault.SpentExceedsDeposited.selector, address(euro), 101, 100)
        );
        vault.finalise(0, 0, 0, total(address(euro), 0, 101));
    }

    function test_refuses_earnings_out_of_nothing() external {
        depositAs(alice, 100);
        vm.expectRevert(
            abi.encodeWithSelector(Vault.EarnedExceedsSources.selector, address(euro), 72, 71)
        );
        vault.finalise(0, 0, 13e18, total(address(euro), 72, 71)); // minting is for the token alone
        vm.expectRevert(
            abi.encodeWithSelector(Vault.EarnedExceedsSources.selector, address(token), 14, 13)
        );
        vault.finalise(0, 0, 13, total(address(token), 14, 0));
    }

    function test_refuses_totals_that_fall() external {
        depositAs(alice, 100);
        vault.finalise(0, 0, 17, total(address(euro), 50, 60));
        bytes memory refusal = abi.encodeWithSelector(Vault.TotalsFell.selector, address(euro));
        vm.expectRevert(refusal);
        vault.finalise(1, 0, 17, total(address(euro), 49, 60));
        vm.expectRevert(refusal);
        vault.finalise(1, 0, 17, total(address(euro), 50, 59));
        vm.expectRevert(abi.encodeWithSelector(Vault.MintedFell.selector, 16, 17));
        vault.finalise(1, 0, 16, total(address(euro), 50, 60));
    }

    function test_refuses_totals_that_are_unsorted_incomplete_or_strange() external {
        depositAs(alice, 100);
        vault.finalise(0, 0, 0, total(address(euro), 0, 0));
        vm.expectRevert(abi.encodeWithSelector(Vault.TotalsIncomplete.selector, 0, 1));
        vault.finalise(1, 0, 0, none);
        vm.expectRevert(abi.encodeWithSelector(Vault.TotalsIncomplete.selector, 1, 2));
        vault.finalise(1, 0, 0, total(address(token), 0, 0));
        vm.expectRevert(abi.encodeWithSelector(Vault.AssetNotAccepted.selector, alice));
        vault.finalise(1, 0, 0, total(alice, 0, 0));
        AssetTotal[] memory twice = new AssetTotal[](2);
        twice[0] = AssetTotal(address(euro), 0, 0);
        twice[1] = AssetTotal(address(euro), 0, 0);
        vm.expectRevert(abi.encodeWithSelector(Vault.TotalsNotSorted.selector, address(euro)));
        vault.finalise(1, 0, 0, twice);
    }

    // --- claims ------------------------------------------------------------------------------

    function threeLeaves() private {
        vm.warp(GENESIS);
        depositAs(alice, 100);
        leaf(alice, 0, 71);
        leaf(bob, 59, 0);
        leaf(signer, 12, 0);
        finaliseLeaves(0, 0);
        vm.warp(GENESIS + HOLD);
    }

    function test_a_claim_pays_once() external {
        threeLeaves();
        vm.expectEmit(address(vault));
        emit Claimed(address(euro), bob, 59, 0);
        claimLeaf(1); // pushed by the test, paid to bob
        vm.assertEq(euro.balanceOf(bob), 59, "paid");
        vm.expectRevert(
            abi.encodeWithSelector(Vault.NothingToClaim.selector, address(euro), bob, 59)
        );
        claimLeaf(1);
        vm.expectRevert(
            abi.encodeWithSelector(Vault.NothingToClaim.selector, address(euro), alice, 0)
        );
        claimLeaf(0);
    }

    function test_a_claim_pays_the_difference() external {
        threeLeaves();
        claimLeaf(1);
        leaves[1].earned = 67;
        leaves[0].spent = 79;
        finaliseLeaves(1, 0);
        vm.warp(GENESIS + 2 * HOLD);
        vm.expectEmit(address(vault));
        emit Claimed(address(euro), bob, 8, 1);
        claimLeaf(1);
        claimLeaf(2);
        (,,, uint256 claimed,) = vault.totalsOf(address(euro));
        vm.assertEq(claimed, 79, "all claimed");
        vm.assertEq(euro.balanceOf(address(vault)), 21, "unspent stays");
    }

    function test_minted_rewards_are_claimed_in_the_token() external {
        leafOf(address(token), bob, 17e18, 0);
        finaliseLeaves(0, 17e18);
        vm.warp(block.timestamp + HOLD);
        claimLeaf(0);
        vm.assertEq(token.balanceOf(bob), 17e18, "paid");
    }

    function testFuzz_a_forged_leaf_pays_nothing(uint256 earned, uint256 spent, address account)
        external
    {
        threeLeaves();
        PayoutTree.Leaf memory honest = leaves[1];
        if (earned == honest.earned && spent == honest.spent && account == honest.account) return;
        bytes32[] memory proof = PayoutTree.proof(leaves, honest);
        vm.expectRevert(
            abi.encodeWithSelector(PayoutRoots.InvalidProof.selector, address(euro), account, 0)
        );
        vault.claim(address(euro), account, earned, spent, proof);
    }

    function test_leaves_beyond_the_totals_are_not_paid() external {
        vm.warp(GENESIS);
        depositAs(alice, 100);
        leaf(bob, 40, 0);
        leaf(signer, 40, 0); // a tree whose leaves sum to more than its totals say
        vault.finalise(0, PayoutTree.root(leaves), 0, total(address(euro), 71, 71));
        vm.warp(GENESIS + HOLD);
        claimLeaf(0);
        vm.expectRevert(
            abi.encodeWithSelector(Vault.ClaimsExceedEarned.selector, address(euro), 80, 71)
        );
        claimLeaf(1);
    }

    /// @dev What a claim costs to execute, with cold storage, besides the transaction's own base
    /// cost and data. A first claim writes two new words: what is claimed, and a balance.
    function test_gas_of_a_claim() external {
        vm.warp(GENESIS);
        depositAs(alice, 1e9);
        for (uint160 i = 0; i < 255; ++i) {
            leaf(address(0x1000 + i), 7 + i, 0);
        }
        leaf(alice, 0, 1e6);
        finaliseLeaves(0, 0);
        vm.warp(GENESIS + HOLD);
        vm.assertLe(gasOfClaim(100), 80_000, "first claim, against 256 leaves");
        leaves[100].earned += 13;
        finaliseLeaves(1, 0);
        vm.warp(GENESIS + 2 * HOLD);
        vm.assertLe(gasOfClaim(100), 50_000, "later claim, against 256 leaves");
    }

    function gasOfClaim(uint256 index) private returns (uint256) {
        PayoutTree.Leaf memory l = leaves[index];
        bytes32[] memory proof = PayoutTree.proof(leaves, l);
        vm.cool(address(vault));
        vm.cool(address(euro));
        uint256 before = gasleft();
        vault.claim(l.asset, l.account, l.earned, l.spent, proof);
        return before - gasleft();
    }
}
