// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Policy} from "../src/Policy.sol";
import {Parameter} from "../src/Types.sol";
import {Test} from "./kit/Test.sol";

contract PolicyTest is Test {
    event ParameterDefined(
        bytes32 indexed key, int256 value, int256 min, int256 max, uint64 fromEpoch
    );
    event ParameterSet(bytes32 indexed key, int256 value, uint64 fromEpoch);

    uint64 private constant GENESIS = 10_007;
    uint64 private constant LENGTH = 101;
    bytes32 private constant KEY = "energy.fee_ppm";
    bytes32 private constant OTHER = "other";

    Policy private policy;

    function setUp() external {
        vm.warp(GENESIS - 1);
        policy = new Policy(address(this), address(0), genesis(), GENESIS, LENGTH);
    }

    function genesis() private pure returns (Parameter[] memory list) {
        list = new Parameter[](1);
        list[0] = Parameter({key: KEY, value: 17, min: -5, max: 23});
    }

    function defined(bytes32 h, bytes32 key, int256 value, int256 min, int256 max, uint64 from)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(h, key, value, min, max, from));
    }

    function changed(bytes32 h, bytes32 key, int256 value, uint64 from)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(h, key, value, from));
    }

    function test_genesis_is_in_force_from_epoch_0() external view {
        vm.assertEq(policy.valueAt(KEY, 0), 17, "value");
        vm.assertEq(policy.value(KEY), 17, "now");
        vm.assertEq(policy.hashAt(0), defined(0, KEY, 17, -5, 23, 0), "hash");
        (int256 min, int256 max) = policy.bounds(KEY);
        vm.assertEq(min, -5, "min");
        vm.assertEq(max, 23, "max");
        vm.assertEq(policy.keyCount(), 1, "count");
        vm.assertEq(policy.keyAt(0), KEY, "key");
    }

    function test_epochs() external {
        vm.assertEq(policy.currentEpoch(), 0, "before genesis");
        vm.warp(GENESIS + LENGTH - 1);
        vm.assertEq(policy.currentEpoch(), 0, "last second of 0");
        vm.warp(GENESIS + LENGTH);
        vm.assertEq(policy.currentEpoch(), 1, "first second of 1");
    }

    function test_before_genesis_a_change_holds_from_epoch_0() external {
        vm.expectEmit(address(policy));
        emit ParameterSet(KEY, 19, 0);
        policy.set(KEY, 19);
        vm.assertEq(policy.valueAt(KEY, 0), 19, "value");
        bytes32 h = defined(0, KEY, 17, -5, 23, 0);
        vm.assertEq(policy.hashAt(0), changed(h, KEY, 19, 0), "hash");
    }

    function test_a_change_holds_from_the_next_epoch() external {
        vm.warp(GENESIS + 3 * LENGTH);
        bytes32 before = policy.hashAt(3);
        vm.expectEmit(address(policy));
        emit ParameterSet(KEY, -5, 4);
        policy.set(KEY, -5);
        policy.set(KEY, 23);
        vm.assertEq(policy.valueAt(KEY, 3), 17, "this epoch");
        vm.assertEq(policy.valueAt(KEY, 4), 23, "next epoch: the last one wins");
        vm.assertEq(policy.hashAt(3), before, "hash of this epoch");
        bytes32 h = changed(changed(before, KEY, -5, 4), KEY, 23, 4);
        vm.assertEq(policy.hashAt(4), h, "hash of the next");
        vm.assertEq(policy.hashAt(99), h, "hash later");
    }

    function test_defines_a_new_parameter_for_the_next_epoch() external {
        vm.warp(GENESIS);
        bytes32 before = policy.hashAt(0);
        vm.expectEmit(address(policy));
        emit ParameterDefined(OTHER, 7, 0, 11, 1);
        policy.defineParameter(OTHER, 7, 0, 11);
        vm.assertEq(policy.valueAt(OTHER, 1), 7, "value");
        vm.assertEq(policy.hashAt(1), defined(before, OTHER, 7, 0, 11, 1), "hash");
        vm.expectRevert(abi.encodeWithSelector(Policy.NotDefined.selector, OTHER, 0));
        policy.valueAt(OTHER, 0);
    }

    function assertEntry(uint256 index, uint64 fromEpoch, int256 value) private view {
        (uint64 from, int256 found) = policy.historyAt(KEY, index);
        vm.assertEq(from, fromEpoch, "from");
        vm.assertEq(found, value, "value");
    }

    function test_history_has_one_entry_an_epoch() external {
        policy.set(KEY, 19); // before genesis: replaces what epoch 0 begins with
        vm.assertEq(policy.historyLength(KEY), 1, "still one");
        assertEntry(0, 0, 19);
        vm.warp(GENESIS + 2 * LENGTH);
        policy.set(KEY, -5);
        policy.set(KEY, 23);
        vm.warp(GENESIS + 7 * LENGTH);
        policy.set(KEY, 23); // the same again is an entry too
        vm.assertEq(policy.historyLength(KEY), 3, "three");
        assertEntry(0, 0, 19);
        assertEntry(1, 3, 23);
        assertEntry(2, 8, 23);
        vm.assertEq(policy.historyLength(OTHER), 0, "none");
    }

    /// @dev Reading an epoch's value off the history gives what `valueAt` gives.
    function testFuzz_history_tells_every_value(uint256 seed) external {
        uint256 now_ = GENESIS;
        for (uint256 i = 0; i < 7; ++i) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            now_ += word % (3 * LENGTH);
            vm.warp(now_);
            policy.set(KEY, int256(word >> 128) % 24);
        }
        uint256 entries = policy.historyLength(KEY);
        for (uint64 epoch = 0; epoch < 24; ++epoch) {
            int256 value = 0;
            uint64 before = 0;
            for (uint256 i = 0; i < entries; ++i) {
                (uint64 from, int256 found) = policy.historyAt(KEY, i);
                vm.assertTrue(i == 0 || from > before, "not ascending");
                before = from;
                if (from <= epoch) value = found;
            }
            vm.assertEq(value, policy.valueAt(KEY, epoch), "value");
        }
    }

    /// @dev Whatever is changed when: no epoch that has opened changes, and the hash is the fold.
    function testFuzz_history_is_a_fold(uint256 seed) external {
        bytes32 h = policy.hashAt(0);
        uint256 now_ = GENESIS;
        for (uint256 i = 0; i < 9; ++i) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            now_ += word % (3 * LENGTH);
            vm.warp(now_);
            uint64 epoch = policy.currentEpoch();
            bytes32 frozen = policy.hashAt(epoch);
            int256 held = policy.valueAt(KEY, epoch);
            int256 value = int256(word >> 128) % 24;
            policy.set(KEY, value);
            h = changed(h, KEY, value, epoch + 1);
            vm.assertEq(policy.hashAt(epoch), frozen, "an open epoch's hash");
            vm.assertEq(policy.valueAt(KEY, epoch), held, "an open epoch's value");
            vm.assertEq(policy.valueAt(KEY, epoch + 1), value, "value");
            vm.assertEq(policy.hashAt(epoch + 1), h, "hash");
        }
    }

    function test_refuses_what_is_out_of_bounds() external {
        vm.expectRevert(abi.encodeWithSelector(Policy.OutOfBounds.selector, KEY, 24, -5, 23));
        policy.set(KEY, 24);
        vm.expectRevert(abi.encodeWithSelector(Policy.OutOfBounds.selector, KEY, -6, -5, 23));
        policy.set(KEY, -6);
        vm.expectRevert(abi.encodeWithSelector(Policy.OutOfBounds.selector, OTHER, 1, 2, 1));
        policy.defineParameter(OTHER, 1, 2, 1);
    }

    function test_refuses_unknown_and_double_keys() external {
        vm.expectRevert(abi.encodeWithSelector(Policy.NotDefined.selector, OTHER, 0));
        policy.set(OTHER, 1);
        vm.expectRevert(abi.encodeWithSelector(Policy.NotDefined.selector, OTHER, 0));
        policy.bounds(OTHER);
        vm.expectRevert(abi.encodeWithSelector(Policy.AlreadyDefined.selector, KEY));
        policy.defineParameter(KEY, 1, 0, 2);
        vm.expectRevert(abi.encodeWithSelector(Policy.EmptyKey.selector));
        policy.defineParameter(bytes32(0), 1, 0, 2);
    }

    function test_refuses_an_epoch_length_of_zero() external {
        vm.expectRevert(abi.encodeWithSelector(Policy.ZeroEpochLength.selector));
        new Policy(address(this), address(0), genesis(), GENESIS, 0);
    }

    function test_refuses_strangers() external {
        address stranger = named("stranger");
        bytes memory refusal =
            abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, stranger);
        vm.expectRevert(refusal);
        vm.prank(stranger);
        policy.set(KEY, 1);
        vm.expectRevert(refusal);
        vm.prank(stranger);
        policy.defineParameter(OTHER, 1, 0, 2);
    }
}
