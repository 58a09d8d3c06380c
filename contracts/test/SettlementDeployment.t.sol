// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CommonsToken} from "../src/CommonsToken.sol";
import {Nodes} from "../src/Nodes.sol";
import {Policy} from "../src/Policy.sol";
import {Settlement} from "../src/Settlement.sol";
import {Parameter} from "../src/Types.sol";
import {World} from "./kit/World.sol";

/// @notice What a deployment must get right, because nothing of it can be changed afterwards.
contract SettlementDeploymentTest is World {
    function setUp() external {
        deploy();
    }

    function test_network_id_commits_to_everything() external view {
        bytes32 expected = keccak256(
            abi.encode(
                "commonworks/1",
                block.chainid,
                address(settlement),
                address(token),
                address(devices),
                address(nodes),
                address(vault),
                address(policy),
                GENESIS,
                LENGTH,
                keccak256("manifest")
            )
        );
        vm.assertEq(settlement.networkId(), expected, "network id");
    }

    function test_refuses_a_vault_of_another_settlement() external {
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)));
        vm.expectRevert(
            abi.encodeWithSelector(
                Settlement.WrongWiring.selector, address(vault), next, address(settlement)
            )
        );
        new Settlement(config(address(guardian)));
    }

    function test_refuses_a_token_of_another_vault() external {
        CommonsToken other = createToken(holder, address(nodes));
        Settlement.Config memory c = config(address(guardian));
        c.token = address(other);
        // A vault that names the settlement to come: only the token is wrong.
        c.vault = address(new VaultOf());
        VaultOf(c.vault).name(vm.computeCreateAddress(address(this), vm.getNonce(address(this))));
        vm.expectRevert(
            abi.encodeWithSelector(Settlement.WrongWiring.selector, address(other), c.vault, holder)
        );
        new Settlement(c);
    }

    function deployWith(Parameter[] memory list, uint64 length, bytes memory refusal) private {
        Settlement.Config memory c = config(address(guardian));
        VaultOf other = new VaultOf();
        c.vault = address(other);
        c.token = address(createToken(c.vault, address(0)));
        c.policy = address(new Policy(governance, founder, list, GENESIS, length));
        c.nodes = address(new Nodes(address(euro), c.policy));
        other.name(vm.computeCreateAddress(address(this), vm.getNonce(address(this))));
        vm.expectRevert(refusal);
        new Settlement(c);
    }

    function test_refuses_a_policy_of_another_schedule() external {
        bytes memory refusal =
            abi.encodeWithSelector(Settlement.WrongSchedule.selector, GENESIS, LENGTH + 1);
        deployWith(parameters(), LENGTH + 1, refusal);
    }

    function test_refuses_bounds_that_a_vote_could_abuse() external {
        Parameter[] memory list = parameters();
        list[placeOf(list, "quorum_ppm")].min = 500_000; // two halves could each finalise
        bytes memory refusal = abi.encodeWithSelector(
            Settlement.UnsafeBounds.selector, bytes32("quorum_ppm"), 500_000, 1_000_000
        );
        deployWith(list, LENGTH, refusal);
        list = parameters();
        list[placeOf(list, "hold_s")].min = -1;
        refusal = abi.encodeWithSelector(
            Settlement.UnsafeBounds.selector, bytes32("hold_s"), -1, 300_000
        );
        deployWith(list, LENGTH, refusal);
    }

    function deployWithBounds(bytes32 key, int256 min, int256 max) private {
        Parameter[] memory list = parameters();
        Parameter memory p = list[placeOf(list, key)];
        (p.min, p.max) = (min, max);
        if (p.value < min) p.value = min;
        if (p.value > max) p.value = max;
        bytes memory refusal =
            abi.encodeWithSelector(Settlement.UnsafeBounds.selector, key, min, max);
        deployWith(list, LENGTH, refusal);
    }

    function test_refuses_an_exit_that_a_halt_could_outlast() external {
        deployWithBounds("exit_after_s", 599_999, 31_536_000); // 300,000 of hold and as much of halt
        deployWithBounds("exit_after_s", 600_000, (1 << 40) + 1);
    }

    function test_refuses_a_guardian_that_could_halt_without_a_break() external {
        deployWithBounds("guardian_cooldown_s", 300_000, 31_536_000);
        deployWithBounds("guardian_cooldown_s", 300_001, (1 << 40) + 1);
    }

    function test_refuses_negative_growth() external {
        deployWithBounds("currency_growth_max", -1, 1e30);
        deployWithBounds("token_growth_max_wei", -1, 1e30);
    }

    function test_refuses_a_token_that_looks_for_bonds_elsewhere() external {
        Settlement.Config memory c = config(address(guardian));
        c.vault = address(new VaultOf());
        address bonds = address(0);
        c.token = address(createToken(c.vault, bonds));
        VaultOf(c.vault)
            .name(vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1));
        c.nodes = address(new Nodes(c.token, address(policy)));
        vm.expectRevert(
            abi.encodeWithSelector(Settlement.WrongWiring.selector, c.token, c.nodes, bonds)
        );
        new Settlement(c);
        bonds = address(nodes);
        c.token = address(createToken(c.vault, bonds));
        VaultOf(c.vault)
            .name(vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1));
        c.nodes = address(new Nodes(address(euro), address(policy)));
        vm.expectRevert(
            abi.encodeWithSelector(Settlement.WrongWiring.selector, c.token, address(0), bonds)
        );
        new Settlement(c);
    }

    function test_refuses_a_policy_without_a_key() external {
        Parameter[] memory list = parameters();
        list[placeOf(list, "halt_s")].key = "something else";
        bytes memory refusal =
            abi.encodeWithSelector(Policy.NotDefined.selector, bytes32("halt_s"), 0);
        deployWith(list, LENGTH, refusal);
    }
}

/// @notice A vault that only names its settlement.
contract VaultOf {
    address public settlement;

    function name(address settlement_) external {
        settlement = settlement_;
    }
}
