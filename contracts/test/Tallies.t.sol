// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Tallies, Tally} from "../src/Tallies.sol";
import {Test} from "./kit/Test.sol";

contract TalliesTest is Test {
    using Tallies for Tally;

    Tally private tally;

    /// @dev The definition: of all sizes that somebody confirmed, the largest that enough stake holds.
    function expected(uint64[] memory sizes, uint256[] memory stakes, uint256 needed)
        private
        pure
        returns (uint64 best)
    {
        for (uint256 i = 0; i < sizes.length; ++i) {
            uint256 stake = 0;
            for (uint256 j = 0; j < sizes.length; ++j) {
                if (sizes[j] >= sizes[i]) stake += stakes[j];
            }
            if (stake >= needed && sizes[i] > best) best = sizes[i];
        }
    }

    /// @dev Few sizes, so that some are the same; or all there are.
    function testFuzz_a_quorum_holds_the_size(uint256 seed, uint8 number, bool few) external {
        uint256 count = uint256(number) % 65;
        uint64[] memory sizes = new uint64[](count);
        uint256[] memory stakes = new uint256[](count);
        uint256 total = 0;
        for (uint256 i = 0; i < count; ++i) {
            uint256 x = uint256(keccak256(abi.encode(seed, i)));
            sizes[i] = few ? uint64(within(x, 1, 9)) : uint64(within(x, 1, type(uint64).max));
            stakes[i] = within(x >> 64, 1, type(uint128).max);
            (uint256 before, uint256 afterwards) = tally.add(sizes[i], uint8(i), stakes[i]);
            vm.assertEq(before, total, "stake before");
            total += stakes[i];
            vm.assertEq(afterwards, total, "stake afterwards");
        }
        uint256[5] memory asked = [1, total / 2 + 1, (total * 2) / 3 + 1, total, total + 1];
        for (uint256 i = 0; i < asked.length; ++i) {
            uint64 found = tally.quorumSize(stakes, asked[i]);
            vm.assertEq(found, expected(sizes, stakes, asked[i]), "size");
        }
    }

    function test_no_points_no_quorum() external view {
        vm.assertEq(tally.quorumSize(new uint256[](0), 1), 0, "size");
    }
}
