// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Nodes} from "../src/Nodes.sol";
import {World} from "./kit/World.sol";

contract NodesTest is World {
    event GatewayRegistered(
        address indexed operator,
        string name,
        string origin,
        string endpoint,
        bytes32 indexed logId,
        bytes noteKey,
        bytes receiptKey
    );
    event VerifierRegistered(address indexed operator, string name, string endpoint);
    event Bonded(address indexed operator, uint256 amount);
    event UnbondingStarted(address indexed operator, uint256 amount, uint64 readyAt);
    event Unbonded(address indexed operator, uint256 amount);
    event StakeChanged(address indexed operator, uint256 stake, uint256 totalStake);

    address private immutable alice = named("alice");

    function setUp() external {
        deploy();
    }

    function fund(address account, uint256 amount) private {
        vm.prank(treasury);
        token.transfer(account, amount);
    }

    function verify(address account) private {
        vm.prank(account);
        nodes.registerVerifier("v", "https://v.example");
    }

    function unbond(address account, uint256 amount) private {
        vm.prank(account);
        nodes.startUnbonding(amount);
    }

    function later() private {
        vm.warp(block.timestamp + 1);
    }

    function test_registers_a_gateway() external {
        vm.expectEmit(address(nodes));
        emit GatewayRegistered(
            alice,
            "gateway",
            "origin",
            "https://gateway.example",
            LOG_A,
            new bytes(32),
            new bytes(64)
        );
        register(alice, LOG_A);
        vm.assertEq(nodes.operatorOf(LOG_A), alice, "operator");
        vm.assertEq(nodes.logOf(alice), LOG_A, "log");
        vm.assertEq(nodes.gatewayCount(), 1, "count");
        vm.assertEq(nodes.gatewayAt(0), alice, "list");
    }

    function test_refuses_second_gateways_and_taken_logs() external {
        register(alice, LOG_A);
        vm.expectRevert(abi.encodeWithSelector(Nodes.GatewayExists.selector, alice, LOG_A));
        register(alice, LOG_B);
        vm.expectRevert(abi.encodeWithSelector(Nodes.LogTaken.selector, LOG_A, alice));
        register(gatewayB, LOG_A);
        vm.expectRevert(abi.encodeWithSelector(Nodes.ZeroLogId.selector));
        register(gatewayB, 0);
    }

    function test_refuses_malformed_gateways() external {
        string memory name = string(new bytes(65));
        vm.expectRevert(abi.encodeWithSelector(Nodes.TextTooLong.selector, 65, 64));
        nodes.registerGateway(name, "", "", LOG_A, new bytes(32), new bytes(64));
        string memory text = string(new bytes(257));
        vm.expectRevert(abi.encodeWithSelector(Nodes.TextTooLong.selector, 257, 256));
        nodes.registerGateway("", text, "", LOG_A, new bytes(32), new bytes(64));
        vm.expectRevert(abi.encodeWithSelector(Nodes.WrongKeyLength.selector, 31, 32));
        nodes.registerGateway("", "", "", LOG_A, new bytes(31), new bytes(64));
        vm.expectRevert(abi.encodeWithSelector(Nodes.WrongKeyLength.selector, 33, 64));
        nodes.registerGateway("", "", "", LOG_A, new bytes(32), new bytes(33));
    }

    function test_registers_a_verifier_once() external {
        vm.expectEmit(address(nodes));
        emit VerifierRegistered(alice, "v", "https://v.example");
        verify(alice);
        vm.assertTrue(nodes.isVerifier(alice), "verifier");
        vm.expectRevert(abi.encodeWithSelector(Nodes.VerifierExists.selector, alice));
        verify(alice);
    }

    function test_a_bond_counts_once_it_is_large_enough() external {
        fund(alice, 2 * BOND_MIN);
        verify(alice);
        vm.prank(alice);
        token.approve(address(nodes), BOND_MIN);
        vm.expectEmit(address(nodes));
        emit Bonded(alice, BOND_MIN - 1);
        vm.prank(alice);
        nodes.bond(BOND_MIN - 1);
        vm.assertEq(nodes.stakeOf(alice), 0, "one wei short");
        later();
        vm.expectEmit(address(nodes));
        emit StakeChanged(alice, BOND_MIN, BOND_MIN);
        vm.prank(alice);
        nodes.bond(1);
        vm.assertEq(nodes.totalStake(), BOND_MIN, "total");
        vm.assertEq(nodes.verifiers()[0], alice, "list");
        later();
        vm.assertEq(nodes.stakeAt(alice, uint64(block.timestamp - 2)), 0, "before");
        vm.assertEq(nodes.stakeAt(alice, uint64(block.timestamp - 1)), BOND_MIN, "after");
        vm.assertEq(nodes.totalStakeAt(uint64(block.timestamp - 1)), BOND_MIN, "total then");
    }

    function test_a_bond_may_come_first() external {
        fund(alice, BOND_MIN);
        bondAs(alice, BOND_MIN);
        vm.assertEq(nodes.stakeOf(alice), 0, "not a verifier yet");
        verify(alice);
        vm.assertEq(nodes.stakeOf(alice), BOND_MIN, "counts");
    }

    function test_bonds_may_be_in_the_currency() external {
        vm.prank(governance);
        policy.set("verifier_bond_min", 500e6);
        nodes = new Nodes(address(euro), address(policy));
        vm.assertEq(nodes.bondAsset(), address(euro), "asset");
        euro.mint(alice, 501e6);
        verify(alice);
        vm.prank(alice);
        euro.approve(address(nodes), 501e6);
        vm.prank(alice);
        nodes.bond(501e6);
        vm.assertEq(nodes.totalStake(), 501e6, "stake");
        unbond(alice, 2e6);
        vm.assertEq(nodes.totalStake(), 0, "too little stays");
        vm.warp(block.timestamp + UNBONDING);
        vm.prank(alice);
        nodes.finishUnbonding();
        vm.assertEq(euro.balanceOf(alice), 2e6, "paid in euro");
    }

    function test_unbonding_stops_counting_at_once_and_pays_later() external {
        fund(alice, 2 * BOND_MIN);
        verify(alice);
        bondAs(alice, 2 * BOND_MIN);
        uint64 readyAt = uint64(block.timestamp) + UNBONDING;
        vm.expectEmit(address(nodes));
        emit UnbondingStarted(alice, BOND_MIN + 1, readyAt);
        unbond(alice, BOND_MIN + 1);
        vm.assertEq(nodes.stakeOf(alice), 0, "what stays is too little");
        vm.assertEq(nodes.verifiers().length, 0, "list");
        vm.warp(readyAt - 1);
        vm.expectRevert(abi.encodeWithSelector(Nodes.StillUnbonding.selector, alice, readyAt));
        vm.prank(alice);
        nodes.finishUnbonding();
        vm.warp(readyAt);
        vm.expectEmit(address(nodes));
        emit Unbonded(alice, BOND_MIN + 1);
        vm.prank(alice);
        nodes.finishUnbonding();
        vm.assertEq(token.balanceOf(alice), BOND_MIN + 1, "paid");
        vm.assertEq(token.balanceOf(address(nodes)), BOND_MIN - 1, "kept");
        vm.expectRevert(abi.encodeWithSelector(Nodes.NothingUnbonding.selector, alice));
        vm.prank(alice);
        nodes.finishUnbonding();
    }

    function test_two_unbondings_are_ready_at_the_later_time() external {
        fund(alice, 100);
        bondAs(alice, 100);
        unbond(alice, 30);
        uint64 first = uint64(block.timestamp) + UNBONDING;
        vm.prank(governance);
        policy.set("unbonding_s", 86_400); // before genesis: at once, and shorter
        unbond(alice, 20);
        (uint192 amount, uint64 readyAt) = nodes.unbondingOf(alice);
        vm.assertEq(amount, 50, "amount");
        vm.assertEq(readyAt, first, "a shorter period does not shorten what runs");
        vm.warp(block.timestamp + 100);
        unbond(alice, 10);
        (, readyAt) = nodes.unbondingOf(alice);
        vm.assertEq(readyAt, block.timestamp + 86_400, "a later one prolongs");
    }

    function test_refuses_amounts_that_make_no_sense() external {
        vm.expectRevert(abi.encodeWithSelector(Nodes.ZeroAmount.selector));
        nodes.bond(0);
        vm.expectRevert(abi.encodeWithSelector(Nodes.ZeroAmount.selector));
        nodes.startUnbonding(0);
        fund(alice, 7);
        bondAs(alice, 7);
        vm.expectRevert(abi.encodeWithSelector(Nodes.BondTooSmall.selector, alice, 8, 7));
        unbond(alice, 8);
    }

    function test_a_new_minimum_applies_when_refreshed() external {
        fund(alice, BOND_MIN);
        verify(alice);
        bondAs(alice, BOND_MIN);
        vm.prank(governance);
        policy.set("verifier_bond_min", int256(BOND_MIN + 1));
        vm.warp(GENESIS + LENGTH);
        vm.assertEq(nodes.stakeOf(alice), BOND_MIN, "not yet");
        nodes.refreshStake(alice);
        vm.assertEq(nodes.stakeOf(alice), 0, "too little now");
        nodes.refreshStake(named("stranger"));
        vm.assertEq(nodes.totalStake(), 0, "strangers have none");
    }

    function test_a_minimum_of_zero_still_needs_a_bond() external {
        vm.prank(governance);
        policy.set("verifier_bond_min", 0);
        verify(alice);
        vm.assertEq(nodes.verifiers().length, 0, "no bond, no place");
    }

    function test_the_65th_verifier_finds_no_place() external {
        vm.prank(governance);
        policy.set("verifier_bond_min", 1);
        for (uint160 i = 1; i <= 64; ++i) {
            fund(address(i), 1);
            verify(address(i));
            bondAs(address(i), 1);
        }
        verify(alice); // registering alone takes no place
        fund(alice, 5);
        vm.prank(alice);
        token.approve(address(nodes), 5);
        vm.expectRevert(abi.encodeWithSelector(Nodes.VerifierSetFull.selector, 64));
        vm.prank(alice);
        nodes.bond(5);
        unbond(address(1), 1);
        bondAs(alice, 5);
        vm.assertEq(nodes.verifiers().length, 64, "a place was free again");
    }

    function test_only_the_past_can_be_asked_for() external {
        uint64 time = uint64(block.timestamp);
        vm.expectRevert(abi.encodeWithSelector(Nodes.FutureLookup.selector, time, time));
        nodes.stakeAt(alice, time);
        vm.expectRevert(abi.encodeWithSelector(Nodes.FutureLookup.selector, time + 1, time));
        nodes.totalStakeAt(time + 1);
    }

    /// @dev Any order of bonding and leaving: stakes add up, at every second, and money is there.
    function testFuzz_stakes_add_up(uint256 seed) external {
        address[3] memory people = [alice, gatewayA, gatewayB];
        for (uint256 p = 0; p < 3; ++p) {
            fund(people[p], 10 * BOND_MIN);
            verify(people[p]);
        }
        uint64 start = uint64(block.timestamp);
        uint256[] memory totals = new uint256[](16);
        for (uint256 i = 0; i < 16; ++i) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            address person = people[word % 3];
            uint256 amount = within(word >> 8, 1, BOND_MIN);
            uint256 bonded = nodes.bondOf(person);
            if ((word >> 200) % 2 == 0 || bonded == 0) {
                if (amount <= token.balanceOf(person)) bondAs(person, amount);
            } else {
                unbond(person, within(amount, 1, bonded));
            }
            totals[i] = nodes.totalStake();
            later();
        }
        uint256 held = 0;
        for (uint256 p = 0; p < 3; ++p) {
            (uint192 leaving,) = nodes.unbondingOf(people[p]);
            held += nodes.bondOf(people[p]) + leaving;
        }
        vm.assertEq(token.balanceOf(address(nodes)), held, "money");
        for (uint64 i = 0; i < 16; ++i) {
            uint256 sum = 0;
            for (uint256 p = 0; p < 3; ++p) {
                sum += nodes.stakeAt(people[p], start + i);
            }
            vm.assertEq(sum, totals[i], "sum then");
            vm.assertEq(nodes.totalStakeAt(start + i), totals[i], "total then");
        }
    }
}
