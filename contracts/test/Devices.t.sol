// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC721} from "@openzeppelin/contracts/interfaces/IERC721.sol";
import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Devices} from "../src/Devices.sol";
import {Signed} from "../src/Signed.sol";
import {DevicesBase} from "./DevicesBase.t.sol";
import {ContractSigner} from "./kit/Signers.sol";

contract DevicesTest is DevicesBase {
    event RegistrarSet(
        bytes32 indexed resource, bytes32 indexed thumbprint, int8 alg, bytes publicKey, bool active
    );
    event ReferenceSet(uint256 indexed id, bool admitted);
    event SiteAdopted(bytes32 indexed resource, bytes32 indexed site, bytes32 statement);

    function messageOf(address owner, uint256 nonce) private view returns (bytes32) {
        return digestOf(
            "Enrol",
            '"Enrol":[{"name":"owner","type":"address"},{"name":"thumbprint","type":"bytes32"},{"name":"alg","type":"int8"},{"name":"publicKey","type":"bytes"},{"name":"resource","type":"bytes32"},{"name":"cell","type":"uint64"},{"name":"nonce","type":"uint256"},{"name":"deadline","type":"uint256"}]',
            string.concat(
                member("owner", text.toString(owner)),
                key(),
                member("resource", text.toString(RESOURCE)),
                member("cell", text.toString(uint256(CELL))),
                member("nonce", text.toString(nonce)),
                last("deadline", DEADLINE)
            )
        );
    }

    function key() private pure returns (string memory) {
        return string.concat(
            member("thumbprint", text.toString(PRINT)),
            member("alg", "-7"),
            member("publicKey", text.toString(abi.encode(PRINT, RESOURCE)))
        );
    }

    function enrolFor(address owner, bytes memory signature) private returns (uint256) {
        bytes memory publicKey = abi.encode(PRINT, RESOURCE);
        return devices.enrolFor(owner, PRINT, -7, publicKey, RESOURCE, CELL, DEADLINE, signature);
    }

    function test_enrols_for_the_caller() external {
        vm.expectEmit(address(devices));
        emit Transfer(address(0), alice, 1);
        vm.expectEmit(address(devices));
        emit Enrolled(1, alice, PRINT, -8, new bytes(32), RESOURCE, CELL, alice);
        vm.assertEq(enrolAs(alice), 1, "first id");
        vm.assertEq(devices.ownerOf(1), alice, "owner");
        vm.assertEq(devices.balanceOf(alice), 1, "balance");
        vm.assertEq(enrolAs(bob), 2, "the same key for somebody else");
        vm.assertEq(enrolAs(alice), 3, "the same key again: settlement says which id counts");
    }

    function test_enrols_for_who_signed() external {
        vm.expectEmit(address(devices));
        emit Enrolled(
            1, signer, PRINT, -7, abi.encode(PRINT, RESOURCE), RESOURCE, CELL, address(this)
        );
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
        vm.expectRevert(abi.encodeWithSelector(Signed.InvalidSignature.selector, signer));
        enrolFor(signer, signature);
    }

    function test_refuses_somebody_elses_signature() external {
        bytes memory signature = signed(OWNER_KEY + 1, messageOf(signer, 0));
        vm.expectRevert(abi.encodeWithSelector(Signed.InvalidSignature.selector, signer));
        enrolFor(signer, signature);
        vm.assertEq(devices.nonces(signer), 0, "the nonce is still free");
        vm.expectRevert(abi.encodeWithSelector(Signed.InvalidSignature.selector, address(0)));
        enrolFor(address(0), "");
    }

    function test_refuses_a_late_signature() external {
        bytes memory signature = signed(OWNER_KEY, messageOf(signer, 0));
        vm.warp(DEADLINE + 1);
        vm.expectRevert(abi.encodeWithSelector(Signed.SignatureExpired.selector, DEADLINE));
        enrolFor(signer, signature);
        vm.warp(DEADLINE);
        enrolFor(signer, signature);
    }

    function test_refuses_other_algorithms_and_lengths() external {
        vm.expectRevert(abi.encodeWithSelector(Devices.UnsupportedAlgorithm.selector, -35));
        devices.enrol(PRINT, -35, new bytes(32), RESOURCE, 0);
        vm.expectRevert(abi.encodeWithSelector(Devices.WrongKeyLength.selector, -8, 64));
        devices.enrol(PRINT, -8, new bytes(64), RESOURCE, 0);
        vm.expectRevert(abi.encodeWithSelector(Devices.WrongKeyLength.selector, -7, 65));
        vm.prank(governance);
        devices.setRegistrar(RESOURCE, PRINT, -7, new bytes(65), true);
    }

    function test_retiring_burns() external {
        enrolAs(alice);
        vm.expectRevert(
            abi.encodeWithSelector(IERC721Errors.ERC721InsufficientApproval.selector, bob, 1)
        );
        vm.prank(bob);
        devices.retire(1);
        vm.expectEmit(address(devices));
        emit Transfer(alice, address(0), 1);
        vm.prank(alice);
        devices.retire(1);
        vm.assertEq(devices.balanceOf(alice), 0, "balance");
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 1));
        devices.retire(1);
        vm.assertEq(enrolAs(alice), 2, "ids are never given twice");
    }

    function test_whom_the_owner_approved_may_retire() external {
        enrolAs(alice);
        vm.prank(alice);
        devices.approve(bob, 1);
        vm.prank(bob);
        devices.retire(1);
        vm.assertEq(devices.balanceOf(alice), 0, "balance");
    }

    function test_governance_admits() external {
        enrolAs(alice);
        vm.warp(FOUNDING_ENDS);
        admit(governance);
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 2));
        vm.prank(governance);
        devices.setReference(2, true);
    }

    function test_the_founder_admits_until_the_network_begins() external {
        enrolAs(alice);
        vm.warp(FOUNDING_ENDS - 1);
        admit(founder);
        vm.warp(FOUNDING_ENDS);
        refuse(founder);
    }

    function test_strangers_admit_nothing() external {
        enrolAs(bob);
        refuse(bob);
    }

    function test_is_an_erc721() external view {
        vm.assertTrue(devices.supportsInterface(type(IERC721).interfaceId), "ERC-721");
        vm.assertEq(keccak256(bytes(devices.symbol())), keccak256("CWD"), "symbol");
        vm.assertEq(
            devices.DOMAIN_SEPARATOR(),
            keccak256(
                abi.encode(
                    keccak256(
                        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                    ),
                    keccak256("Commonworks Devices"),
                    keccak256("1"),
                    block.chainid,
                    address(devices)
                )
            ),
            "domain"
        );
    }

    function admit(address who) private {
        vm.expectEmit(address(devices));
        emit RegistrarSet(RESOURCE, PRINT, -8, new bytes(32), true);
        vm.prank(who);
        devices.setRegistrar(RESOURCE, PRINT, -8, new bytes(32), true);
        vm.expectEmit(address(devices));
        emit ReferenceSet(1, true);
        vm.prank(who);
        devices.setReference(1, true);
        vm.expectEmit(address(devices));
        emit SiteAdopted(RESOURCE, "street", PRINT);
        vm.prank(who);
        devices.adoptSite(RESOURCE, "street", PRINT);
    }

    function refuse(address who) private {
        bytes memory refusal =
            abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, who);
        vm.expectRevert(refusal);
        vm.prank(who);
        devices.setRegistrar(RESOURCE, PRINT, -8, new bytes(32), true);
        vm.expectRevert(refusal);
        vm.prank(who);
        devices.setReference(1, true);
        vm.expectRevert(refusal);
        vm.prank(who);
        devices.adoptSite(RESOURCE, "street", PRINT);
    }
}
