// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Devices} from "../src/Devices.sol";
import {ContractSigner} from "./kit/Signers.sol";
import {Test} from "./kit/Test.sol";

contract DevicesTest is Test {
    event Enrolled(
        uint256 indexed id,
        address indexed owner,
        bytes32 indexed thumbprint,
        int8 alg,
        bytes publicKey,
        bytes32 resource,
        uint64 cell,
        address enroller
    );
    event RegistrarSet(
        bytes32 indexed resource, bytes32 indexed thumbprint, int8 alg, bytes publicKey, bool active
    );
    event ReferenceSet(uint256 indexed id, bool admitted);
    event SiteAdopted(bytes32 indexed resource, bytes32 indexed site, bytes32 statement);

    bytes32 private constant PRINT = keccak256("thumbprint");
    bytes32 private constant RESOURCE = "energy";
    uint64 private constant CELL = 0x871fb4662ffffff;
    uint256 private constant OWNER_KEY = 7919;

    address private immutable alice = named("alice");
    address private immutable bob = named("bob");
    address private immutable signer = vm.addr(OWNER_KEY);
    Devices private devices;

    function setUp() external {
        vm.warp(1_000);
        devices = new Devices(address(this), address(0), 0);
    }

    function enrolAs(address owner) private returns (uint256) {
        vm.prank(owner);
        return devices.enrol(PRINT, -8, new bytes(32), RESOURCE, CELL);
    }

    function messageOf(address owner, uint256 nonce) private view returns (bytes32) {
        bytes memory message = abi.encode(
            devices.ENROL_TYPEHASH(),
            owner,
            PRINT,
            int8(-7),
            keccak256(new bytes(64)),
            RESOURCE,
            CELL,
            nonce,
            uint256(2_000)
        );
        return typedData(devices.DOMAIN_SEPARATOR(), message);
    }

    function enrolFor(address owner, bytes memory signature) private returns (uint256) {
        return devices.enrolFor(owner, PRINT, -7, new bytes(64), RESOURCE, CELL, 2_000, signature);
    }

    function test_enrols_for_the_caller() external {
        vm.expectEmit(address(devices));
        emit Enrolled(1, alice, PRINT, -8, new bytes(32), RESOURCE, CELL, alice);
        vm.assertEq(enrolAs(alice), 1, "first id");
        vm.assertEq(devices.ownerOf(1), alice, "owner");
        vm.assertEq(devices.idOf(alice, PRINT), 1, "index");
        vm.assertEq(devices.thumbprintOf(1), PRINT, "thumbprint");
        vm.assertEq(enrolAs(bob), 2, "the same key for somebody else");
    }

    function test_enrols_for_who_signed() external {
        vm.expectEmit(address(devices));
        emit Enrolled(1, signer, PRINT, -7, new bytes(64), RESOURCE, CELL, address(this));
        enrolFor(signer, signed(OWNER_KEY, messageOf(signer, 0)));
        vm.assertEq(devices.ownerOf(1), signer, "owner");
        vm.assertEq(devices.nonces(signer), 1, "nonce");
    }

    function test_enrols_for_a_contract_that_signed() external {
        ContractSigner wallet = new ContractSigner();
        wallet.approve(messageOf(address(wallet), 0));
        enrolFor(address(wallet), "");
        vm.assertEq(devices.ownerOf(1), address(wallet), "owner");
    }

    function test_a_signature_counts_once() external {
        bytes memory signature = signed(OWNER_KEY, messageOf(signer, 0));
        enrolFor(signer, signature);
        vm.expectRevert(abi.encodeWithSelector(Devices.InvalidSignature.selector, signer));
        enrolFor(signer, signature);
    }

    function test_refuses_somebody_elses_signature() external {
        bytes memory signature = signed(OWNER_KEY + 1, messageOf(signer, 0));
        vm.expectRevert(abi.encodeWithSelector(Devices.InvalidSignature.selector, signer));
        enrolFor(signer, signature);
        vm.assertEq(devices.nonces(signer), 0, "the nonce is still free");
    }

    function test_refuses_a_late_signature() external {
        bytes memory signature = signed(OWNER_KEY, messageOf(signer, 0));
        vm.warp(2_001);
        vm.expectRevert(abi.encodeWithSelector(Devices.SignatureExpired.selector, 2_000));
        enrolFor(signer, signature);
    }

    function test_refuses_a_key_twice_for_one_account() external {
        enrolAs(alice);
        vm.expectRevert(
            abi.encodeWithSelector(Devices.KeyAlreadyEnrolled.selector, alice, PRINT, 1)
        );
        enrolAs(alice);
    }

    function test_refuses_other_algorithms_and_lengths() external {
        vm.expectRevert(abi.encodeWithSelector(Devices.UnsupportedAlgorithm.selector, -35));
        devices.enrol(PRINT, -35, new bytes(32), RESOURCE, 0);
        vm.expectRevert(abi.encodeWithSelector(Devices.WrongKeyLength.selector, -8, 64));
        devices.enrol(PRINT, -8, new bytes(64), RESOURCE, 0);
        vm.expectRevert(abi.encodeWithSelector(Devices.WrongKeyLength.selector, -7, 65));
        devices.setRegistrar(RESOURCE, PRINT, -7, new bytes(65), true);
    }

    function test_a_transfer_moves_the_index() external {
        enrolAs(alice);
        vm.prank(alice);
        devices.transferFrom(alice, bob, 1);
        vm.assertEq(devices.idOf(alice, PRINT), 0, "seller");
        vm.assertEq(devices.idOf(bob, PRINT), 1, "buyer");
        vm.assertEq(enrolAs(alice), 2, "the seller may enrol the key again");
        vm.expectRevert(abi.encodeWithSelector(Devices.KeyAlreadyEnrolled.selector, bob, PRINT, 1));
        vm.prank(alice);
        devices.transferFrom(alice, bob, 2);
    }

    function test_retiring_burns() external {
        enrolAs(alice);
        vm.expectRevert(
            abi.encodeWithSelector(IERC721Errors.ERC721InsufficientApproval.selector, bob, 1)
        );
        vm.prank(bob);
        devices.retire(1);
        vm.prank(alice);
        devices.retire(1);
        vm.assertEq(devices.idOf(alice, PRINT), 0, "index");
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 1));
        devices.retire(1);
        vm.assertEq(enrolAs(alice), 2, "ids are never given twice");
    }

    function test_governance_admits() external {
        enrolAs(alice);
        vm.expectEmit(address(devices));
        emit RegistrarSet(RESOURCE, PRINT, -8, new bytes(32), true);
        devices.setRegistrar(RESOURCE, PRINT, -8, new bytes(32), true);
        vm.expectEmit(address(devices));
        emit ReferenceSet(1, true);
        devices.setReference(1, true);
        vm.expectEmit(address(devices));
        emit SiteAdopted(RESOURCE, "street", PRINT);
        devices.adoptSite(RESOURCE, "street", PRINT);
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 2));
        devices.setReference(2, true);
    }

    function test_strangers_admit_nothing() external {
        bytes memory refusal =
            abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, bob);
        vm.expectRevert(refusal);
        vm.prank(bob);
        devices.setRegistrar(RESOURCE, PRINT, -8, new bytes(32), true);
        vm.expectRevert(refusal);
        vm.prank(bob);
        devices.setReference(1, true);
        vm.expectRevert(refusal);
        vm.prank(bob);
        devices.adoptSite(RESOURCE, "street", PRINT);
    }

    /// @dev Whoever pushes ids around: one id per owner and key, and the index names it.
    function testFuzz_index_follows_ownership(uint256 seed) external {
        address[3] memory people = [alice, bob, signer];
        for (uint256 i = 0; i < 12; ++i) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            address from = people[word % 3];
            address to = people[(word >> 8) % 3];
            uint256 id = devices.idOf(from, PRINT);
            if (id == 0) {
                enrolAs(from);
            } else if (devices.idOf(to, PRINT) == 0) {
                vm.prank(from);
                devices.transferFrom(from, to, id);
            } else if ((word >> 16) % 3 == 0) {
                vm.prank(from);
                devices.retire(id);
            }
            uint256 held = 0;
            for (uint256 p = 0; p < 3; ++p) {
                uint256 own = devices.idOf(people[p], PRINT);
                vm.assertEq(devices.balanceOf(people[p]), own == 0 ? 0 : 1, "one id at most");
                if (own != 0) vm.assertEq(devices.ownerOf(own), people[p], "owner");
                held += own == 0 ? 0 : 1;
            }
            vm.assertLe(held, devices.lastId(), "more ids than were given");
        }
    }
}
