// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {Call, MemberAccount} from "../src/MemberAccount.sol";
import {MemberAccounts} from "../src/MemberAccounts.sol";
import {Test} from "./kit/Test.sol";

/// @notice Cheat codes for P-256.
interface PasskeyVm {
    function signP256(uint256 privateKey, bytes32 digest)
        external
        pure
        returns (bytes32 r, bytes32 s);
    function publicKeyP256(uint256 privateKey) external pure returns (uint256 x, uint256 y);
    function deal(address account, uint256 balance) external;
}

/// @notice Makes passkeys' assertions as an authenticator and a browser do.
abstract contract MemberAccountBench is Test {
    /// @dev What an assertion consists of before it is signed.
    struct Ceremony {
        bytes1 flags;
        string kind;
        string origin;
    }

    uint256 internal constant KEY = 104_729;
    uint256 internal constant OTHER_KEY = 1_299_709;
    uint64 internal constant DELAY = 3 days;
    uint256 internal constant START = 1_800_000_000;
    uint256 internal constant DEADLINE = START + 30 days;
    bytes1 internal constant PRESENT = 0x01;
    bytes1 internal constant PRESENT_AND_VERIFIED = 0x05;
    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );

    PasskeyVm internal constant passkeys = PasskeyVm(address(vm));

    MemberAccounts internal factory;
    MemberAccount internal member;

    function deployAccounts() internal {
        vm.warp(START);
        factory = new MemberAccounts();
        member = created(KEY, new address[](0), 0);
    }

    function created(uint256 key, address[] memory recoverers, uint8 threshold)
        internal
        returns (MemberAccount)
    {
        (bytes32 x, bytes32 y) = publicKey(key);
        return MemberAccount(payable(factory.create(x, y, recoverers, threshold, DELAY)));
    }

    function publicKey(uint256 key) internal pure returns (bytes32, bytes32) {
        (uint256 x, uint256 y) = passkeys.publicKeyP256(key);
        return (bytes32(x), bytes32(y));
    }

    // --- assertions --------------------------------------------------------------------------

    function assertion(uint256 key, bytes32 challenge) internal pure returns (bytes memory) {
        return assertionOf(key, challenge, usual());
    }

    function usual() internal pure returns (Ceremony memory) {
        return Ceremony(PRESENT_AND_VERIFIED, "webauthn.get", "https://commons.example");
    }

    function assertionOf(uint256 key, bytes32 challenge, Ceremony memory c)
        internal
        pure
        returns (bytes memory)
    {
        bytes memory authenticatorData =
            abi.encodePacked(sha256("commons.example"), c.flags, uint32(0));
        bytes memory client = clientData(challenge, c);
        (bytes32 r, bytes32 s) =
            passkeys.signP256(key, sha256(abi.encodePacked(authenticatorData, sha256(client))));
        return encoded(r, lower(s), authenticatorData, client, bytes(c.kind).length);
    }

    function clientData(bytes32 challenge, Ceremony memory c) internal pure returns (bytes memory) {
        return abi.encodePacked(
            '{"type":"',
            c.kind,
            '","challenge":"',
            Base64.encodeURL(abi.encodePacked(challenge)),
            '","origin":"',
            c.origin,
            '","crossOrigin":false}'
        );
    }

    function encoded(
        bytes32 r,
        bytes32 s,
        bytes memory authenticatorData,
        bytes memory client,
        uint256 kindLength
    ) internal pure returns (bytes memory) {
        return abi.encode(r, s, 11 + kindLength, 1, authenticatorData, client);
    }

    /// @dev The smaller of the two values of s that verify.
    function lower(bytes32 s) internal pure returns (bytes32) {
        return uint256(s) > P256.N / 2 ? bytes32(P256.N - uint256(s)) : s;
    }

    /// @dev What `account` hands to an application that asks for a typed message (ERC-7739).
    function nested(
        uint256 key,
        MemberAccount account,
        bytes32 separator,
        bytes memory message,
        string memory description
    ) internal view returns (bytes memory) {
        bytes32 contents = keccak256(message);
        bytes memory signature =
            assertion(key, nestedChallenge(account, separator, contents, description));
        return abi.encodePacked(
            signature, separator, contents, description, uint16(bytes(description).length)
        );
    }

    function nestedChallenge(
        MemberAccount account,
        bytes32 separator,
        bytes32 contents,
        string memory description
    ) internal view returns (bytes32) {
        uint256 end = 0;
        while (bytes(description)[end] != "(") ++end;
        bytes memory name = new bytes(end);
        for (uint256 i = 0; i < end; ++i) {
            name[i] = bytes(description)[i];
        }
        bytes32 typehash = keccak256(
            abi.encodePacked(
                "TypedDataSign(",
                name,
                " contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)",
                description
            )
        );
        return typedData(
            separator,
            abi.encode(
                typehash,
                contents,
                keccak256("Commonworks Member"),
                keccak256("1"),
                block.chainid,
                address(account),
                bytes32(0)
            )
        );
    }

    // --- messages of the account itself --------------------------------------------------------

    function separatorOf(MemberAccount account) internal view returns (bytes32) {
        return domain("Commonworks Member", address(account));
    }

    function domain(string memory name, address verifying) internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                DOMAIN_TYPEHASH, keccak256(bytes(name)), keccak256("1"), block.chainid, verifying
            )
        );
    }

    function one(address target, uint256 value, bytes memory data)
        internal
        pure
        returns (Call[] memory calls)
    {
        calls = new Call[](1);
        calls[0] = Call(target, value, data);
    }

    function executeDigest(
        MemberAccount account,
        Call[] memory calls,
        uint256 nonce,
        uint256 deadline
    ) internal view returns (bytes32) {
        bytes memory hashes;
        for (uint256 i = 0; i < calls.length; ++i) {
            hashes = abi.encodePacked(
                hashes,
                keccak256(
                    abi.encode(
                        keccak256("Call(address target,uint256 value,bytes data)"),
                        calls[i].target,
                        calls[i].value,
                        keccak256(calls[i].data)
                    )
                )
            );
        }
        return typedData(
            separatorOf(account),
            abi.encode(
                keccak256(
                    "Execute(Call[] calls,uint256 nonce,uint256 deadline)Call(address target,uint256 value,bytes data)"
                ),
                keccak256(hashes),
                nonce,
                deadline
            )
        );
    }

    /// @dev Carries out a batch of `account`, signed with `key`.
    function execute(MemberAccount account, uint256 key, Call[] memory calls) internal {
        bytes32 digest = executeDigest(account, calls, account.executionNonce(), DEADLINE);
        account.executeFor(calls, DEADLINE, assertion(key, digest));
    }

    function recoverMessage(MemberAccount account, uint256 newKey, uint256 nonce)
        internal
        pure
        returns (bytes memory)
    {
        (bytes32 x, bytes32 y) = publicKey(newKey);
        return abi.encode(
            keccak256(
                "Recover(address account,bytes32 qx,bytes32 qy,uint256 nonce,uint256 deadline)"
            ),
            address(account),
            x,
            y,
            nonce,
            DEADLINE
        );
    }
}
