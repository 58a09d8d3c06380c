// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Batches} from "../src/Batches.sol";
import {Devices, NewDevice} from "../src/Devices.sol";
import {Signed} from "../src/Signed.sol";
import {DevicesBase} from "./DevicesBase.t.sol";
import {ContractSigner} from "./kit/Signers.sol";

contract DevicesBatchTest is DevicesBase {
    function test_enrols_a_batch() external {
        enrolAs(bob);
        NewDevice[] memory list = batch(5);
        for (uint256 i = 0; i < list.length; ++i) {
            vm.expectEmit(address(devices));
            emit Transfer(address(0), alice, 2 + i);
        }
        for (uint256 i = 0; i < list.length; ++i) {
            expectEnrolled(2 + i, alice, list[i]);
        }
        vm.assertEq(enrolBatchAs(alice, 5), 2, "first id");
        vm.assertEq(devices.lastId(), 6, "last id");
        vm.assertEq(devices.balanceOf(alice), 5, "balance");
        vm.assertEq(devices.ownerOf(1), bob, "the id before");
        for (uint256 id = 2; id <= 6; ++id) {
            vm.assertEq(devices.ownerOf(id), alice, "owner");
        }
        requireNobody(0);
        requireNobody(7);
    }

    function test_the_largest_batch_reaches_over_a_word() external {
        enrolAs(bob); // id 1
        enrolBatchAs(alice, 256); // 2 to 257
        enrolBatchAs(bob, 256); // 258 to 513
        enrolAs(alice); // 514
        vm.assertEq(devices.ownerOf(1), bob, "1");
        vm.assertEq(devices.ownerOf(2), alice, "2");
        vm.assertEq(devices.ownerOf(255), alice, "255");
        vm.assertEq(devices.ownerOf(256), alice, "256: the bit lies in the word before");
        vm.assertEq(devices.ownerOf(257), alice, "257");
        vm.assertEq(devices.ownerOf(258), bob, "258");
        vm.assertEq(devices.ownerOf(511), bob, "511");
        vm.assertEq(devices.ownerOf(512), bob, "512");
        vm.assertEq(devices.ownerOf(513), bob, "513");
        vm.assertEq(devices.ownerOf(514), alice, "514");
        requireNobody(515);
        requireNobody(type(uint256).max);
    }

    function test_refuses_empty_and_larger_batches() external {
        vm.expectRevert(abi.encodeWithSelector(Batches.BatchOutOfRange.selector, 0, 256));
        devices.enrolBatch(RESOURCE, batch(0));
        vm.expectRevert(abi.encodeWithSelector(Batches.BatchOutOfRange.selector, 257, 256));
        devices.enrolBatch(RESOURCE, batch(257));
    }

    function test_one_wrong_key_refuses_the_batch() external {
        NewDevice[] memory list = batch(3);
        list[2].publicKey = new bytes(31);
        vm.expectRevert(abi.encodeWithSelector(Devices.WrongKeyLength.selector, -8, 31));
        devices.enrolBatch(RESOURCE, list);
    }

    function test_an_id_moves_out_of_its_batch_alone() external {
        enrolBatchAs(alice, 3);
        vm.prank(alice);
        devices.approve(signer, 2);
        vm.assertEq(devices.getApproved(2), signer, "approved");
        vm.assertEq(devices.getApproved(1), address(0), "its neighbours are not");
        vm.expectRevert(
            abi.encodeWithSelector(IERC721Errors.ERC721InsufficientApproval.selector, signer, 3)
        );
        vm.prank(signer);
        devices.transferFrom(alice, bob, 3);
        vm.expectEmit(address(devices));
        emit Transfer(alice, bob, 2);
        vm.prank(signer);
        devices.transferFrom(alice, bob, 2);
        vm.assertEq(devices.ownerOf(1), alice, "before");
        vm.assertEq(devices.ownerOf(2), bob, "moved");
        vm.assertEq(devices.ownerOf(3), alice, "behind");
        vm.assertEq(devices.getApproved(2), address(0), "the approval is used up");
        vm.assertEq(devices.balanceOf(alice), 2, "seller");
        vm.assertEq(devices.balanceOf(bob), 1, "buyer");
    }

    function test_the_first_of_a_batch_moves_and_burns_alone() external {
        enrolBatchAs(alice, 3);
        vm.prank(alice);
        devices.transferFrom(alice, bob, 1);
        vm.assertEq(devices.ownerOf(2), alice, "behind the moved one");
        vm.prank(bob);
        devices.retire(1);
        requireNobody(1);
        vm.assertEq(devices.ownerOf(2), alice, "behind the burned one");
        vm.prank(alice);
        devices.retire(3);
        requireNobody(3);
        vm.assertEq(devices.ownerOf(2), alice, "between two burned ones");
        vm.assertEq(devices.balanceOf(alice), 1, "balance");
        vm.assertEq(enrolBatchAs(bob, 2), 4, "burned ids are never given again");
    }

    // --- for who signed ----------------------------------------------------------------------

    function messageOf(address owner, uint256 count, uint256 nonce) private view returns (bytes32) {
        NewDevice[] memory list = batch(count);
        string memory items = "";
        for (uint256 i = 0; i < list.length; ++i) {
            items = string.concat(items, i == 0 ? "{" : ",{", item(list[i]), "}");
        }
        return digestOf(
            "EnrolBatch",
            '"EnrolBatch":[{"name":"owner","type":"address"},{"name":"resource","type":"bytes32"},{"name":"devices","type":"NewDevice[]"},{"name":"nonce","type":"uint256"},{"name":"deadline","type":"uint256"}],"NewDevice":[{"name":"thumbprint","type":"bytes32"},{"name":"alg","type":"int8"},{"name":"publicKey","type":"bytes"},{"name":"cell","type":"uint64"}]',
            string.concat(
                member("owner", text.toString(owner)),
                member("resource", text.toString(RESOURCE)),
                '"devices":[',
                items,
                "],",
                member("nonce", text.toString(nonce)),
                last("deadline", DEADLINE)
            )
        );
    }

    function item(NewDevice memory d) private pure returns (string memory) {
        return string.concat(
            member("thumbprint", text.toString(d.thumbprint)),
            member("alg", text.toString(int256(d.alg))),
            member("publicKey", text.toString(d.publicKey)),
            last("cell", d.cell)
        );
    }

    function test_enrols_a_batch_for_who_signed() external {
        bytes memory signature = signed(OWNER_KEY, messageOf(signer, 4, 0));
        NewDevice[] memory list = batch(4);
        uint256 first = devices.enrolBatchFor(signer, RESOURCE, list, DEADLINE, signature);
        vm.assertEq(first, 1, "first id");
        vm.assertEq(devices.ownerOf(4), signer, "owner");
        vm.assertEq(devices.nonces(signer), 1, "nonce");
        vm.expectRevert(abi.encodeWithSelector(Signed.InvalidSignature.selector, signer));
        devices.enrolBatchFor(signer, RESOURCE, list, DEADLINE, signature);
    }

    function test_enrols_a_batch_for_a_contract_that_signed() external {
        ContractSigner wallet = new ContractSigner();
        wallet.approve(messageOf(address(wallet), 2, 0));
        devices.enrolBatchFor(address(wallet), RESOURCE, batch(2), DEADLINE, "");
        vm.assertEq(devices.balanceOf(address(wallet)), 2, "balance");
    }

    function test_a_signed_batch_is_all_that_was_signed() external {
        bytes memory signature = signed(OWNER_KEY, messageOf(signer, 4, 0));
        bytes memory refusal = abi.encodeWithSelector(Signed.InvalidSignature.selector, signer);
        NewDevice[] memory list = batch(3);
        vm.expectRevert(refusal);
        devices.enrolBatchFor(signer, RESOURCE, list, DEADLINE, signature);
        list = batch(4);
        list[3].cell += 1;
        vm.expectRevert(refusal);
        devices.enrolBatchFor(signer, RESOURCE, list, DEADLINE, signature);
        vm.expectRevert(refusal);
        devices.enrolBatchFor(signer, "storage", batch(4), DEADLINE, signature);
        vm.expectRevert(refusal);
        devices.enrolBatchFor(signer, RESOURCE, batch(4), DEADLINE + 1, signature);
        vm.warp(DEADLINE + 1);
        vm.expectRevert(abi.encodeWithSelector(Signed.SignatureExpired.selector, DEADLINE));
        devices.enrolBatchFor(signer, RESOURCE, batch(4), DEADLINE, signature);
    }

    function expectEnrolled(uint256 id, address owner, NewDevice memory d) private {
        vm.expectEmit(address(devices));
        emit Enrolled(id, owner, d.thumbprint, d.alg, d.publicKey, RESOURCE, d.cell, owner);
    }

    function requireNobody(uint256 id) private {
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, id));
        devices.ownerOf(id);
    }
}

/// @notice Ownership against a model that keeps one word an id: whatever is enrolled, moved,
/// approved and burned, both say the same about every id.
contract DevicesModelTest is DevicesBase {
    address[4] private _people = [alice, bob, signer, governance];
    address[] private _ownerOf; // by id; the first entry is nobody's
    mapping(uint256 id => address) private _approved;
    mapping(address owner => mapping(address operator => bool)) private _operators;

    function setUp() public override {
        super.setUp();
        _ownerOf.push(address(0));
    }

    function testFuzz_ownership_follows_the_model(uint256 seed) external {
        for (uint256 i = 0; i < 24; ++i) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            address caller = _people[word % 4];
            address other = _people[(word >> 8) % 4];
            uint256 id = (word >> 32) % (_ownerOf.length + 1);
            uint256 kind = (word >> 16) % 8;
            if (kind < 2) mint(caller, kind == 0 ? 1 : sizeOf(word >> 64));
            else if (kind < 5) move(caller, other, id);
            else if (kind == 5) burn(caller, id);
            else if (kind == 6) approve(caller, other, id);
            else setOperator(caller, other, word >> 255 == 1);
        }
        compare();
    }

    /// @dev Small ones mostly; sometimes the largest, or one that ends at a word's edge.
    function sizeOf(uint256 word) private view returns (uint256) {
        uint256 kind = word % 5;
        if (kind == 0) return 256;
        if (kind == 1) return 256 - _ownerOf.length % 256;
        return within(word >> 8, 1, 40);
    }

    function mint(address to, uint256 count) private {
        uint256 first = count == 1 ? enrolAs(to) : enrolBatchAs(to, count);
        vm.assertEq(first, _ownerOf.length, "ids follow one another");
        for (uint256 i = 0; i < count; ++i) {
            _ownerOf.push(to);
        }
    }

    function move(address caller, address to, uint256 id) private {
        address from = ownerIn(id);
        if (!may(caller, id)) vm.expectRevert(refusalOf(caller, id));
        else modelMove(id, to);
        vm.prank(caller);
        devices.transferFrom(from, to, id);
    }

    function burn(address caller, uint256 id) private {
        if (!may(caller, id)) vm.expectRevert(refusalOf(caller, id));
        else modelMove(id, address(0));
        vm.prank(caller);
        devices.retire(id);
    }

    function approve(address caller, address to, uint256 id) private {
        address owner = ownerIn(id);
        if (owner == address(0)) {
            vm.expectRevert(refusalOf(caller, id));
        } else if (caller != owner && !_operators[owner][caller]) {
            vm.expectRevert(
                abi.encodeWithSelector(IERC721Errors.ERC721InvalidApprover.selector, caller)
            );
        } else {
            _approved[id] = to;
        }
        vm.prank(caller);
        devices.approve(to, id);
    }

    function setOperator(address owner, address operator, bool yes) private {
        _operators[owner][operator] = yes;
        vm.prank(owner);
        devices.setApprovalForAll(operator, yes);
    }

    function modelMove(uint256 id, address to) private {
        _ownerOf[id] = to;
        _approved[id] = address(0);
    }

    function may(address caller, uint256 id) private view returns (bool) {
        address owner = ownerIn(id);
        if (owner == address(0)) return false;
        return caller == owner || _operators[owner][caller] || _approved[id] == caller;
    }

    function refusalOf(address caller, uint256 id) private view returns (bytes memory) {
        if (ownerIn(id) == address(0)) {
            return abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, id);
        }
        return abi.encodeWithSelector(IERC721Errors.ERC721InsufficientApproval.selector, caller, id);
    }

    function ownerIn(uint256 id) private view returns (address) {
        return id < _ownerOf.length ? _ownerOf[id] : address(0);
    }

    function compare() private {
        uint256[4] memory held;
        for (uint256 id = 0; id < _ownerOf.length; ++id) {
            address owner = _ownerOf[id];
            if (owner == address(0)) {
                vm.expectRevert(refusalOf(alice, id));
                devices.ownerOf(id);
                continue;
            }
            vm.assertEq(devices.ownerOf(id), owner, "owner");
            vm.assertEq(devices.getApproved(id), _approved[id], "approval");
            for (uint256 p = 0; p < 4; ++p) {
                if (owner == _people[p]) ++held[p];
            }
        }
        for (uint256 p = 0; p < 4; ++p) {
            vm.assertEq(devices.balanceOf(_people[p]), held[p], "balance");
        }
        vm.assertEq(devices.lastId(), _ownerOf.length - 1, "last id");
    }
}
