// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Payees, Share} from "../src/Payees.sol";
import {Signed} from "../src/Signed.sol";
import {DevicesBase} from "./DevicesBase.t.sol";
import {ContractSigner} from "./kit/Signers.sol";

/// @notice A device and three people with keys who own it together. They are sorted by address, as
/// lists are.
abstract contract PayeesBase is DevicesBase {
    string internal constant SHARE_TYPE =
        '"Share":[{"name":"account","type":"address"},{"name":"ppm","type":"uint32"}]';

    uint256[3] internal keys = [uint256(7_907), 7_901, 7_883];
    address[3] internal people;

    function setUp() public virtual override {
        super.setUp();
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 k = 0; k < 2; ++k) {
                if (vm.addr(keys[k]) > vm.addr(keys[k + 1])) {
                    (keys[k], keys[k + 1]) = (keys[k + 1], keys[k]);
                }
            }
        }
        for (uint256 i = 0; i < 3; ++i) {
            people[i] = vm.addr(keys[i]);
        }
        enrolBatchAs(alice, 3);
    }

    /// @dev 17 %, 29 % and the rest.
    function thirds() internal view returns (Share[] memory) {
        return list(170_003, 290_011, 539_986);
    }

    /// @dev Shares of the three people; who has none is not on the list.
    function list(uint32 a, uint32 b, uint32 c) internal view returns (Share[] memory shares) {
        uint32[3] memory ppm = [a, b, c];
        uint256 count = 0;
        shares = new Share[](3);
        for (uint256 i = 0; i < 3; ++i) {
            if (ppm[i] != 0) shares[count++] = Share({account: people[i], ppm: ppm[i]});
        }
        assembly ("memory-safe") {
            mstore(shares, count)
        }
    }

    function setAs(address caller, uint256 id, Share[] memory shares) internal {
        vm.prank(caller);
        devices.setPayees(id, shares);
    }

    function handOn(address from, address to, uint32 ppm) internal {
        vm.prank(from);
        devices.transferShare(2, to, ppm);
    }

    function requireList(uint256 id, Share[] memory expected) internal view {
        vm.assertEq(
            keccak256(abi.encode(devices.payeesOf(id))), keccak256(abi.encode(expected)), "payees"
        );
    }

    // --- messages ----------------------------------------------------------------------------

    function sharesText(Share[] memory shares) internal pure returns (string memory items) {
        items = '"shares":[';
        for (uint256 i = 0; i < shares.length; ++i) {
            items = string.concat(
                items,
                i == 0 ? "{" : ",{",
                member("account", text.toString(shares[i].account)),
                last("ppm", shares[i].ppm),
                "}"
            );
        }
        return string.concat(items, "],");
    }

    function changeDigest(uint256 id, Share[] memory shares, uint256 nonce)
        internal
        view
        returns (bytes32)
    {
        return digestOf(
            "ChangePayees",
            string.concat(
                '"ChangePayees":[{"name":"id","type":"uint256"},{"name":"shares","type":"Share[]"},{"name":"payeesNonce","type":"uint256"},{"name":"deadline","type":"uint256"}],',
                SHARE_TYPE
            ),
            string.concat(
                member("id", text.toString(id)),
                sharesText(shares),
                member("payeesNonce", text.toString(nonce)),
                last("deadline", DEADLINE)
            )
        );
    }

    function retireDigest(uint256 id, uint256 nonce) internal view returns (bytes32) {
        return digestOf(
            "Retire",
            '"Retire":[{"name":"id","type":"uint256"},{"name":"payeesNonce","type":"uint256"},{"name":"deadline","type":"uint256"}]',
            string.concat(
                member("id", text.toString(id)),
                member("payeesNonce", text.toString(nonce)),
                last("deadline", DEADLINE)
            )
        );
    }

    function byAll(bytes32 digest) internal view returns (bytes[] memory signatures) {
        signatures = new bytes[](3);
        for (uint256 i = 0; i < 3; ++i) {
            signatures[i] = signed(keys[i], digest);
        }
    }
}

contract DevicesPayeesTest is PayeesBase {
    function test_the_owner_starts_a_list() external {
        requireList(2, new Share[](0));
        vm.expectEmit(address(devices));
        emit PayeesSet(2, thirds());
        setAs(alice, 2, thirds());
        requireList(2, thirds());
        vm.assertEq(devices.payeesNonce(2), 1, "one change");
        requireList(1, new Share[](0));
        requireList(3, new Share[](0));
    }

    function test_only_the_owner_starts_a_list() external {
        vm.prank(alice);
        devices.approve(bob, 2);
        bytes memory refusal =
            abi.encodeWithSelector(IERC721Errors.ERC721IncorrectOwner.selector, bob, 2, alice);
        vm.expectRevert(refusal);
        setAs(bob, 2, thirds());
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 4));
        setAs(alice, 4, thirds());
    }

    function test_a_list_is_started_once() external {
        setAs(alice, 2, thirds());
        vm.expectRevert(abi.encodeWithSelector(Payees.HasPayees.selector, 2));
        setAs(alice, 2, list(0, 1_000_000, 0));
    }

    function test_refuses_lists_that_are_not_whole() external {
        vm.expectRevert(abi.encodeWithSelector(Payees.SharesNotWhole.selector, 0));
        setAs(alice, 2, new Share[](0));
        vm.expectRevert(abi.encodeWithSelector(Payees.SharesNotWhole.selector, 999_999));
        setAs(alice, 2, list(0, 999_999, 0));
        vm.expectRevert(abi.encodeWithSelector(Payees.SharesNotWhole.selector, 1_000_001));
        setAs(alice, 2, list(1, 999_999, 1));
        Share[] memory shares = thirds();
        shares[1].ppm = 0;
        vm.expectRevert(abi.encodeWithSelector(Payees.ZeroShare.selector, people[1]));
        setAs(alice, 2, shares);
    }

    function test_refuses_lists_out_of_order() external {
        Share[] memory shares = thirds();
        (shares[0], shares[1]) = (shares[1], shares[0]);
        vm.expectRevert(abi.encodeWithSelector(Payees.PayeesNotSorted.selector, people[0]));
        setAs(alice, 2, shares);
        shares[1] = shares[0];
        vm.expectRevert(abi.encodeWithSelector(Payees.PayeesNotSorted.selector, people[1]));
        setAs(alice, 2, shares);
        shares[0].account = address(0);
        vm.expectRevert(abi.encodeWithSelector(Payees.PayeesNotSorted.selector, address(0)));
        setAs(alice, 2, shares);
    }

    function test_at_most_64_payees() external {
        Share[] memory shares = many(65);
        vm.expectRevert(abi.encodeWithSelector(Payees.TooManyPayees.selector, 65, 64));
        setAs(alice, 2, shares);
        setAs(alice, 2, many(64));
        vm.assertEq(devices.payeesOf(2).length, 64, "payees");
        vm.expectRevert(abi.encodeWithSelector(Payees.TooManyPayees.selector, 65, 64));
        handOn(address(64), address(65), 1);
        handOn(address(64), address(65), 1_000_000 - 63); // the whole share makes room
        vm.assertEq(devices.payeesOf(2).length, 64, "payees");
    }

    /// @dev Accounts 1 to `count`; all but the last have one part per million.
    function many(uint256 count) private pure returns (Share[] memory shares) {
        shares = new Share[](count);
        for (uint256 i = 0; i < count; ++i) {
            shares[i] = Share({account: address(uint160(i + 1)), ppm: 1});
        }
        shares[count - 1].ppm = uint32(1_000_000 - count + 1);
    }

    // --- shares that move --------------------------------------------------------------------

    function test_a_share_moves_and_merges() external {
        setAs(alice, 2, thirds());
        vm.expectEmit(address(devices));
        emit PayeesSet(2, list(170_003 + 1_009, 290_011, 539_986 - 1_009));
        handOn(people[2], people[0], 1_009);
        requireList(2, list(171_012, 290_011, 538_977));
        vm.assertEq(devices.payeesNonce(2), 2, "two changes");
        handOn(people[1], people[2], 290_011);
        requireList(2, list(171_012, 0, 828_988));
        handOn(people[0], people[1], 171_012);
        requireList(2, list(0, 171_012, 828_988));
        handOn(people[2], people[2], 3);
        requireList(2, list(0, 171_012, 828_988));
    }

    function test_a_share_goes_to_somebody_new() external {
        setAs(alice, 2, list(0, 1_000_000, 0));
        handOn(people[1], people[2], 7);
        requireList(2, list(0, 999_993, 7));
        handOn(people[1], people[0], 11);
        requireList(2, list(11, 999_982, 7));
    }

    function test_nobody_hands_on_more_than_they_have() external {
        setAs(alice, 2, list(0, 400_009, 599_991));
        refuseShare(people[1], 400_009, 400_010);
        refuseShare(people[0], 0, 1);
        refuseShare(alice, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(Payees.ShareTooSmall.selector, 1, people[1], 0, 1));
        vm.prank(people[1]);
        devices.transferShare(1, bob, 1);
    }

    function refuseShare(address from, uint256 held, uint32 ppm) private {
        vm.expectRevert(abi.encodeWithSelector(Payees.ShareTooSmall.selector, 2, from, held, ppm));
        handOn(from, bob, ppm);
    }

    function test_refuses_shares_of_nothing_and_for_nobody() external {
        setAs(alice, 2, thirds());
        vm.expectRevert(abi.encodeWithSelector(Payees.ZeroShare.selector, bob));
        handOn(people[0], bob, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IERC721Errors.ERC721InvalidReceiver.selector, address(0))
        );
        handOn(people[0], address(0), 1);
    }

    function shareDigest(address from, uint32 ppm, uint256 nonce) private view returns (bytes32) {
        return digestOf(
            "TransferShare",
            '"TransferShare":[{"name":"id","type":"uint256"},{"name":"from","type":"address"},{"name":"to","type":"address"},{"name":"ppm","type":"uint32"},{"name":"nonce","type":"uint256"},{"name":"deadline","type":"uint256"}]',
            string.concat(
                member("id", "2"),
                member("from", text.toString(from)),
                member("to", text.toString(people[2])),
                member("ppm", text.toString(uint256(ppm))),
                member("nonce", text.toString(nonce)),
                last("deadline", DEADLINE)
            )
        );
    }

    function test_a_share_moves_for_who_signed() external {
        setAs(alice, 2, thirds());
        bytes memory signature = signed(keys[0], shareDigest(people[0], 13, 0));
        vm.expectRevert(abi.encodeWithSelector(Signed.InvalidSignature.selector, people[0]));
        devices.transferShareFor(2, people[0], people[2], 14, DEADLINE, signature);
        devices.transferShareFor(2, people[0], people[2], 13, DEADLINE, signature);
        requireList(2, list(169_990, 290_011, 539_999));
        vm.expectRevert(abi.encodeWithSelector(Signed.InvalidSignature.selector, people[0]));
        devices.transferShareFor(2, people[0], people[2], 13, DEADLINE, signature);
        signature = signed(keys[0], shareDigest(people[0], 13, 1));
        vm.warp(DEADLINE + 1);
        vm.expectRevert(abi.encodeWithSelector(Signed.SignatureExpired.selector, DEADLINE));
        devices.transferShareFor(2, people[0], people[2], 13, DEADLINE, signature);
    }

    function test_a_share_moves_for_a_contract_that_signed() external {
        setAs(alice, 2, thirds());
        ContractSigner wallet = new ContractSigner();
        handOn(people[0], address(wallet), 1_013);
        wallet.approve(shareDigest(address(wallet), 1_013, 0));
        devices.transferShareFor(2, address(wallet), people[2], 1_013, DEADLINE, "");
        requireList(2, list(168_990, 290_011, 540_999));
    }

    // --- what all of them sign ---------------------------------------------------------------

    function test_all_payees_change_the_list() external {
        setAs(alice, 2, thirds());
        Share[] memory shares = list(999_999, 0, 1);
        bytes[] memory signatures = byAll(changeDigest(2, shares, 1));
        vm.expectEmit(address(devices));
        emit PayeesSet(2, shares);
        devices.changePayees(2, shares, DEADLINE, signatures);
        requireList(2, shares);
        vm.assertEq(devices.payeesNonce(2), 2, "two changes");
    }

    function test_all_payees_give_back_to_the_owner() external {
        setAs(alice, 2, thirds());
        Share[] memory none = new Share[](0);
        devices.changePayees(2, none, DEADLINE, byAll(changeDigest(2, none, 1)));
        requireList(2, none);
        setAs(alice, 2, list(0, 0, 1_000_000)); // the owner may start again
        vm.prank(people[2]);
        devices.transferShare(2, bob, 1);
    }

    function test_one_missing_signature_refuses_a_change() external {
        setAs(alice, 2, thirds());
        Share[] memory shares = list(0, 0, 1_000_000);
        bytes32 digest = changeDigest(2, shares, 1);
        bytes[] memory signatures = byAll(digest);
        signatures[1] = signed(OWNER_KEY, digest);
        vm.expectRevert(abi.encodeWithSelector(Signed.InvalidSignature.selector, people[1]));
        devices.changePayees(2, shares, DEADLINE, signatures);
        vm.expectRevert(abi.encodeWithSelector(Payees.WrongSignatureCount.selector, 0, 3));
        devices.changePayees(2, shares, DEADLINE, new bytes[](0));
        vm.expectRevert(abi.encodeWithSelector(Payees.WrongSignatureCount.selector, 4, 3));
        devices.changePayees(2, shares, DEADLINE, new bytes[](4));
    }

    function test_signatures_are_for_one_state_of_one_list() external {
        setAs(alice, 2, thirds());
        setAs(alice, 1, thirds());
        Share[] memory shares = list(0, 0, 1_000_000);
        bytes[] memory signatures = byAll(changeDigest(2, shares, 1));
        bytes memory refusal = abi.encodeWithSelector(Signed.InvalidSignature.selector, people[0]);
        vm.expectRevert(refusal);
        devices.changePayees(1, shares, DEADLINE, signatures);
        vm.expectRevert(refusal);
        devices.changePayees(2, list(0, 1, 999_999), DEADLINE, signatures);
        vm.expectRevert(refusal);
        devices.changePayees(2, shares, DEADLINE + 1, signatures);
        handOn(people[0], people[1], 1);
        vm.expectRevert(refusal);
        devices.changePayees(2, shares, DEADLINE, signatures);
        signatures = byAll(changeDigest(2, shares, 2));
        vm.warp(DEADLINE + 1);
        vm.expectRevert(abi.encodeWithSelector(Signed.SignatureExpired.selector, DEADLINE));
        devices.changePayees(2, shares, DEADLINE, signatures);
    }

    function test_a_signed_list_must_be_whole() external {
        setAs(alice, 2, thirds());
        Share[] memory shares = list(1, 2, 3);
        bytes[] memory signatures = byAll(changeDigest(2, shares, 1));
        vm.expectRevert(abi.encodeWithSelector(Payees.SharesNotWhole.selector, 6));
        devices.changePayees(2, shares, DEADLINE, signatures);
    }

    function test_nobody_signs_for_an_id_without_a_list() external {
        vm.expectRevert(abi.encodeWithSelector(Payees.NoPayees.selector, 1));
        devices.changePayees(1, list(0, 0, 1_000_000), DEADLINE, new bytes[](0));
        vm.expectRevert(abi.encodeWithSelector(Payees.NoPayees.selector, 1));
        devices.retireByAll(1, DEADLINE, new bytes[](0));
    }

    function test_the_owner_does_not_retire_what_others_are_paid_for() external {
        setAs(alice, 2, thirds());
        vm.expectRevert(abi.encodeWithSelector(Payees.HasPayees.selector, 2));
        vm.prank(alice);
        devices.retire(2);
    }

    function test_all_payees_retire_an_id() external {
        setAs(alice, 2, thirds());
        bytes[] memory signatures = byAll(retireDigest(2, 1));
        vm.expectEmit(address(devices));
        emit PayeesSet(2, new Share[](0));
        vm.expectEmit(address(devices));
        emit Transfer(alice, address(0), 2);
        devices.retireByAll(2, DEADLINE, signatures);
        requireList(2, new Share[](0));
        vm.assertEq(devices.balanceOf(alice), 2, "balance");
        vm.expectRevert(abi.encodeWithSelector(Payees.NoPayees.selector, 2));
        devices.retireByAll(2, DEADLINE, signatures);
    }

    function test_one_missing_signature_keeps_an_id_alive() external {
        setAs(alice, 2, thirds());
        bytes[] memory signatures = byAll(retireDigest(2, 0));
        vm.expectRevert(abi.encodeWithSelector(Signed.InvalidSignature.selector, people[0]));
        devices.retireByAll(2, DEADLINE, signatures);
        signatures = byAll(retireDigest(2, 1));
        signatures[2] = "";
        vm.expectRevert(abi.encodeWithSelector(Signed.InvalidSignature.selector, people[2]));
        devices.retireByAll(2, DEADLINE, signatures);
        vm.warp(DEADLINE + 1);
        vm.expectRevert(abi.encodeWithSelector(Signed.SignatureExpired.selector, DEADLINE));
        devices.retireByAll(2, DEADLINE, signatures);
    }

    // --- the id moves ------------------------------------------------------------------------

    function test_an_id_with_a_list_goes_to_who_takes_it() external {
        setAs(alice, 2, thirds());
        vm.prank(alice);
        devices.approve(bob, 2);
        vm.prank(bob);
        devices.transferFrom(alice, bob, 2);
        vm.assertEq(devices.ownerOf(2), bob, "owner");
        requireList(2, thirds());
        vm.assertEq(devices.payeesNonce(2), 1, "the list did not change");
    }

    function test_an_id_with_a_list_goes_through_an_operator_of_both() external {
        setAs(alice, 2, thirds());
        vm.prank(alice);
        devices.approve(signer, 2);
        vm.prank(bob);
        devices.setApprovalForAll(signer, true);
        vm.prank(signer);
        devices.transferFrom(alice, bob, 2);
        vm.assertEq(devices.ownerOf(2), bob, "owner");
        requireList(2, thirds());
    }

    function test_nobody_pushes_an_id_with_a_list_onto_others() external {
        setAs(alice, 2, thirds());
        vm.expectRevert(abi.encodeWithSelector(Payees.NotAccepted.selector, 2, bob));
        vm.prank(alice);
        devices.transferFrom(alice, bob, 2);
        vm.expectRevert(abi.encodeWithSelector(Payees.NotAccepted.selector, 2, bob));
        vm.prank(alice);
        devices.safeTransferFrom(alice, bob, 2);
        vm.expectRevert( // to take it, one must be allowed to
            abi.encodeWithSelector(IERC721Errors.ERC721InsufficientApproval.selector, bob, 2)
        );
        vm.prank(bob);
        devices.transferFrom(alice, bob, 2);
        vm.prank(alice);
        devices.transferFrom(alice, bob, 1); // without a list the owner gets all, or burns it
        vm.prank(bob);
        devices.retire(1);
    }
}

/// @notice Shares against a model that keeps one number a person.
contract PayeesModelTest is PayeesBase {
    uint32[8] private _ppm;

    function personOf(uint256 i) private pure returns (address) {
        return address(uint160((i + 1) * 0x1111111111111111111111111111111111));
    }

    /// @dev Whoever hands on whatever: the list is the model's, sorted, without zeros, and whole.
    function testFuzz_shares_follow_the_model(uint256 seed) external {
        _ppm[seed % 8] = 1_000_000;
        setAs(alice, 2, modelList());
        for (uint256 i = 0; i < 40; ++i) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            uint256 from = word % 8;
            uint256 to = (word >> 8) % 8;
            uint32 ppm = amountOf(word >> 16, from);
            if (ppm == 0) continue;
            if (ppm > _ppm[from]) {
                vm.expectRevert(
                    abi.encodeWithSelector(
                        Payees.ShareTooSmall.selector, 2, personOf(from), _ppm[from], ppm
                    )
                );
            } else {
                _ppm[from] -= ppm;
                _ppm[to] += ppm;
            }
            handOn(personOf(from), personOf(to), ppm);
            requireList(2, modelList());
        }
    }

    /// @dev All of a share, a part of it, or more than there is.
    function amountOf(uint256 word, uint256 from) private view returns (uint32) {
        if (word % 3 == 0) return _ppm[from];
        return uint32((word >> 8) % (uint256(_ppm[from]) * 5 / 4 + 2));
    }

    function modelList() private view returns (Share[] memory shares) {
        shares = new Share[](8);
        uint256 count = 0;
        uint256 sum = 0;
        for (uint256 i = 0; i < 8; ++i) {
            if (_ppm[i] == 0) continue;
            shares[count++] = Share({account: personOf(i), ppm: _ppm[i]});
            sum += _ppm[i];
        }
        vm.assertEq(sum, 1_000_000, "whole");
        assembly ("memory-safe") {
            mstore(shares, count)
        }
    }
}
