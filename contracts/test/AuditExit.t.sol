// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Nodes} from "../src/Nodes.sol";
import {Policy} from "../src/Policy.sol";
import {Settlement} from "../src/Settlement.sol";
import {Parameter} from "../src/Types.sol";
import {World} from "./kit/World.sol";

/// @notice The exit is for a network that stands still. No vote may make it so short that anybody
/// could open it on a network that works, in the time that an epoch and its confirming take.
contract AuditExitTest is World {
    function setUp() external {
        deploy();
    }

    function configOf(Parameter[] memory list) private returns (Settlement.Config memory c) {
        VaultStub stub = new VaultStub();
        c = config(address(guardian));
        c.policy = address(new Policy(governance, founder, list, GENESIS, LENGTH));
        c.vault = address(stub);
        c.token = address(createToken(c.vault, address(0)));
        c.nodes = address(new Nodes(address(euro), c.policy));
        stub.name(vm.computeCreateAddress(address(this), vm.getNonce(address(this))));
    }

    function test_refuses_an_exit_that_an_epoch_could_outlast() external {
        Parameter[] memory list = parameters();
        list[placeOf(list, "hold_s")].max = int64(HOLD); // else hold and halt alone would take as long
        Parameter memory exit = list[placeOf(list, "exit_after_s")];
        int256 shortest = int64(LENGTH) + list[placeOf(list, "grace_s")].max
            + list[placeOf(list, "confirm_s")].max;
        exit.min = shortest;
        new Settlement(configOf(list));
        exit.min = shortest - 1;
        Settlement.Config memory c = configOf(list);
        vm.expectRevert(
            abi.encodeWithSelector(
                Settlement.UnsafeBounds.selector, exit.key, shortest - 1, exit.max
            )
        );
        new Settlement(c);
    }
}

/// @notice A vault that only names its settlement.
contract VaultStub {
    address public settlement;

    function name(address settlement_) external {
        settlement = settlement_;
    }
}
