// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Tip} from "../src/Types.sol";
import {World} from "./kit/World.sol";

/// @notice An epoch with as many verifiers, logs and sizes as there can be still closes. If it did
/// not, nothing after it could ever be finalised.
contract AuditGasTest is World {
    /// @dev Most gas that a transaction may use (EIP-7825).
    uint256 private constant TRANSACTION_GAS_MAX = 1 << 24;

    function setUp() external {
        deploy();
    }

    function operatorOf(uint256 i) private pure returns (address) {
        return address(uint160(0x10_0000 + i));
    }

    function enlist() private {
        for (uint256 i = 0; i < 64; ++i) {
            address verifier = operatorOf(i);
            vm.prank(treasury);
            token.transfer(verifier, BOND_MIN);
            bondAs(verifier, BOND_MIN);
            vm.prank(verifier);
            nodes.registerVerifier("verifier", "https://verifier.example");
        }
    }

    function confirmAll(uint256 verifiersPerLog, uint256 logs, bool falling) private {
        for (uint256 i = 0; i < logs; ++i) {
            register(operatorOf(i), bytes32(i + 1));
            for (uint64 size = 1; size <= verifiersPerLog; ++size) {
                anchorAs(operatorOf(i), bytes32(i + 1), size);
            }
        }
        warpToConfirm(0);
        for (uint256 v = 0; v < 64; ++v) {
            Tip[] memory tips = new Tip[](64);
            uint256 first = logs == 64 ? 0 : (v / verifiersPerLog) * 64;
            uint64 size = uint64(v % verifiersPerLog);
            size = falling ? uint64(verifiersPerLog) - size : size + 1;
            for (uint256 i = 0; i < 64; ++i) {
                bytes32 logId = bytes32(first + i + 1);
                tips[i] = Tip({logId: logId, size: size, root: rootOf(logId, size)});
            }
            vm.cool(address(settlement));
            vm.prank(operatorOf(v));
            uint256 before = gasleft();
            settlement.confirm(0, tips);
            vm.assertLe(before - gasleft(), TRANSACTION_GAS_MAX, "gas of a confirmation");
        }
        warpToDeadline(0);
        vm.cool(address(settlement));
        uint256 left = gasleft();
        settlement.close(0);
        vm.assertLe(left - gasleft(), TRANSACTION_GAS_MAX, "gas of closing");
    }

    function test_the_widest_epoch_closes() external {
        enlist();
        confirmAll(64, 64, false);
    }

    function test_the_widest_epoch_closes_in_falling_order() external {
        enlist();
        confirmAll(64, 64, true);
    }
}
