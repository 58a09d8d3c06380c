// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Devices, NewDevice} from "../src/Devices.sol";
import {Share} from "../src/Payees.sol";
import {Test} from "./kit/Test.sol";

/// @notice Cheat codes that write typed data as JSON and hash it with the runner's own encoder.
interface TypedDataVm {
    function toString(address value) external pure returns (string memory);
    function toString(bytes calldata value) external pure returns (string memory);
    function toString(bytes32 value) external pure returns (string memory);
    function toString(uint256 value) external pure returns (string memory);
    function toString(int256 value) external pure returns (string memory);
    function eip712HashTypedData(string calldata json) external pure returns (bytes32);
}

/// @notice Devices, some people, and what they sign: every digest comes from a JSON message as
/// wallets show it, hashed by the test runner and not by code of ours.
abstract contract DevicesBase is Test {
    event Transfer(address indexed from, address indexed to, uint256 indexed id);
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
    event PayeesSet(uint256 indexed id, Share[] shares);

    TypedDataVm internal constant text =
        TypedDataVm(address(uint160(uint256(keccak256("hevm cheat code")))));

    bytes32 internal constant PRINT = keccak256("thumbprint");
    bytes32 internal constant RESOURCE = "energy";
    uint64 internal constant CELL = 0x871fb4662ffffff;
    uint64 internal constant FOUNDING_ENDS = 1_511;
    uint256 internal constant DEADLINE = 2_003;
    uint256 internal constant OWNER_KEY = 7_919;

    address internal immutable governance = named("governance");
    address internal immutable founder = named("founder");
    address internal immutable alice = named("alice");
    address internal immutable bob = named("bob");
    address internal immutable signer = vm.addr(OWNER_KEY);
    Devices internal devices;

    function setUp() public virtual {
        vm.warp(1_009);
        devices = new Devices(governance, founder, FOUNDING_ENDS);
    }

    function enrolAs(address owner) internal returns (uint256) {
        vm.prank(owner);
        return devices.enrol(PRINT, -8, new bytes(32), RESOURCE, CELL);
    }

    function enrolBatchAs(address owner, uint256 count) internal returns (uint256) {
        vm.prank(owner);
        return devices.enrolBatch(RESOURCE, batch(count));
    }

    /// @dev Devices with keys of both kinds; no two are alike.
    function batch(uint256 count) internal pure returns (NewDevice[] memory list) {
        list = new NewDevice[](count);
        for (uint256 i = 0; i < count; ++i) {
            bytes32 word = keccak256(abi.encode("key", i));
            bool eddsa = i % 3 != 0;
            list[i] = NewDevice({
                thumbprint: keccak256(abi.encode("thumbprint", i)),
                alg: eddsa ? int8(-8) : int8(-7),
                publicKey: eddsa ? abi.encode(word) : abi.encode(word, ~word),
                cell: CELL - uint64(i)
            });
        }
    }

    // --- messages ----------------------------------------------------------------------------

    /// @param types Members of the message, and further types, as a wallet gets them.
    function digestOf(string memory primary, string memory types, string memory message)
        internal
        view
        returns (bytes32)
    {
        string memory head = string.concat(
            '{"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"version","type":"string"},{"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}],',
            types,
            '},"primaryType":"',
            primary,
            '","domain":{"name":"Commonworks Devices","version":"1","chainId":'
        );
        string memory tail = string.concat(
            text.toString(block.chainid),
            ',"verifyingContract":"',
            text.toString(address(devices)),
            '"},"message":{',
            message,
            "}}"
        );
        return text.eip712HashTypedData(string.concat(head, tail));
    }

    /// @dev One member of a message: `"name":"value",`; the last one goes without the comma.
    function member(string memory name, string memory value) internal pure returns (string memory) {
        return string.concat('"', name, '":"', value, '",');
    }

    function last(string memory name, uint256 value) internal pure returns (string memory) {
        return string.concat('"', name, '":"', text.toString(value), '"');
    }
}
