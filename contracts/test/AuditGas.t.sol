// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Tip} from "../src/Types.sol";
import {World} from "./kit/World.sol";

/// @notice An epoch with as many verifiers, logs and sizes as there can be still closes. If it did
/// not, nothing after it could ever be finalised.
contract AuditGasTest is World {
    /// @dev Most gas that a transaction may use (EIP-7825).
    uint256 private constant TRANSACTION_GAS_MAX = 1 << 24;
    uint256 private constant VERIFIERS = 64;

    function setUp() external {
        deploy();
    }

    function operatorOf(uint256 i) private pure returns (address) {
        return address(uint160(0x10_0000 + i));
    }

    function enlist() private {
        for (uint256 i = 0; i < VERIFIERS; ++i) {
            address verifier = operatorOf(i);
            vm.prank(treasury);
            token.transfer(verifier, BOND_MIN);
            bondAs(verifier, BOND_MIN);
            vm.prank(verifier);
            nodes.registerVerifier("verifier", "https://verifier.example");
        }
    }

    /// @dev `holders` verifiers confirm each of `logs` logs, each of them another size.
    function requireCloses(uint256 logs, uint256 holders, bool falling) private {
        enlist();
        Tip[][VERIFIERS] memory tips;
        uint256[VERIFIERS] memory counts;
        for (uint256 v = 0; v < VERIFIERS; ++v) {
            tips[v] = new Tip[](64);
        }
        for (uint256 i = 0; i < logs; ++i) {
            register(operatorOf(i), bytes32(i + 1));
            for (uint64 size = 1; size <= holders; ++size) {
                uint256 v = (i * holders + (falling ? holders - size : size - 1)) % VERIFIERS;
                tips[v][counts[v]++] = anchorAs(operatorOf(i), bytes32(i + 1), size);
            }
        }
        warpToConfirm(0);
        for (uint256 v = 0; v < VERIFIERS; ++v) {
            Tip[] memory list = tips[v];
            uint256 count = counts[v];
            assembly ("memory-safe") {
                mstore(list, count)
            }
            vm.cool(address(settlement));
            vm.prank(operatorOf(v));
            uint256 before = gasleft();
            settlement.confirm(0, list);
            vm.assertLe(before - gasleft(), TRANSACTION_GAS_MAX, "gas of a confirmation");
        }
        warpToDeadline(0);
        vm.cool(address(settlement));
        uint256 left = gasleft();
        settlement.close(0);
        vm.assertLe(left - gasleft(), TRANSACTION_GAS_MAX, "gas of closing");
        vm.assertEq(settlement.closedSize(bytes32(logs)) == 0 ? 0 : 1, 1, "all of it counts");
    }

    function test_the_widest_epoch_closes() external {
        requireCloses(64, VERIFIERS, false);
    }

    function test_the_widest_epoch_closes_in_falling_order() external {
        requireCloses(64, VERIFIERS, true);
    }

    /// @dev With the smallest quorum more logs reach it, each with fewer sizes.
    function test_the_epoch_of_most_logs_closes() external {
        vm.prank(founder);
        policy.set("quorum_ppm", 500_001);
        requireCloses(124, 33, false);
    }
}
