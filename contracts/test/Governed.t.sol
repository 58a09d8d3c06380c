// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Governed} from "../src/Governed.sol";
import {Membership} from "../src/Membership.sol";
import {World} from "./kit/World.sol";

/// @notice Who may do what governance may: the timelock always, the founder until genesis, nobody
/// else ever. Every governed function of every contract is in the list.
contract GovernedTest is World {
    /// @dev One governed function with arguments that it accepts.
    struct Power {
        address target;
        bytes call;
    }

    address private immutable stranger = named("stranger");
    Membership private membership;
    Power[] private powers;

    function setUp() external {
        deploy();
        address[] memory members = new address[](1);
        members[0] = named("member");
        membership = new Membership(governance, founder, GENESIS, members);
        devices.enrol("print", -8, new bytes(32), "energy", 0);
        grant(address(policy), abi.encodeCall(policy.set, ("hold_s", 311)));
        grant(address(policy), abi.encodeCall(policy.defineParameter, ("new", 1, 0, 2)));
        grant(
            address(devices),
            abi.encodeCall(devices.setRegistrar, ("energy", "print", -8, new bytes(32), true))
        );
        grant(address(devices), abi.encodeCall(devices.setReference, (1, true)));
        grant(address(devices), abi.encodeCall(devices.adoptSite, ("energy", "street", "table")));
        grant(address(guardian), abi.encodeCall(guardian.appoint, (holder, GENESIS + 1)));
        grant(address(membership), abi.encodeCall(membership.admit, (named("newcomer"))));
        grant(address(membership), abi.encodeCall(membership.remove, (named("member"))));
    }

    function grant(address target, bytes memory call) private {
        powers.push(Power({target: target, call: call}));
    }

    function tryAs(address account, Power memory power)
        private
        returns (bool done, bytes memory data)
    {
        vm.prank(account);
        return power.target.call(power.call);
    }

    function assertAllowed(address account) private {
        for (uint256 i = 0; i < powers.length; ++i) {
            (bool done,) = tryAs(account, powers[i]);
            vm.assertTrue(done, "refused");
        }
    }

    function assertRefused(address account) private {
        bytes memory refusal =
            abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, account);
        for (uint256 i = 0; i < powers.length; ++i) {
            (bool done, bytes memory data) = tryAs(account, powers[i]);
            vm.assertTrue(!done, "allowed");
            vm.assertEq(keccak256(data), keccak256(refusal), "for another reason");
        }
    }

    function governed() private view returns (address[4] memory) {
        return [address(policy), address(devices), address(guardian), address(membership)];
    }

    function test_the_founder_acts_for_the_owner_until_genesis() external {
        vm.warp(GENESIS - 1);
        assertAllowed(founder);
    }

    function test_the_owner_may_before_genesis_too() external {
        assertAllowed(governance);
    }

    function test_the_founders_power_ends_at_genesis() external {
        vm.warp(GENESIS);
        assertRefused(founder);
        assertAllowed(governance);
    }

    function testFuzz_nobody_else_ever_may(address account, uint64 time) external {
        if (account == governance || account == founder) return;
        vm.warp(time);
        assertRefused(account);
        if (time >= GENESIS) assertRefused(founder);
    }

    function test_only_the_owner_moves_ownership() external {
        address[4] memory targets = governed();
        address[3] memory others = [founder, holder, stranger];
        for (uint256 i = 0; i < 4; ++i) {
            Governed target = Governed(targets[i]);
            vm.assertEq(target.owner(), governance, "owner");
            vm.assertEq(target.founder(), founder, "founder");
            vm.assertEq(target.foundingEnds(), GENESIS, "founding ends");
            for (uint256 j = 0; j < 3; ++j) {
                vm.expectRevert(
                    abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, others[j])
                );
                vm.prank(others[j]);
                target.transferOwnership(others[j]);
            }
            vm.expectRevert(abi.encodeWithSelector(Governed.OwnerIsForEver.selector));
            vm.prank(governance);
            target.renounceOwnership();
            vm.prank(governance);
            target.transferOwnership(stranger);
            vm.assertEq(target.owner(), stranger, "a new government");
        }
        assertRefused(governance);
        assertAllowed(stranger);
    }

    /// @dev What is not in the list above has no owner, and no function that could give it one.
    function test_nothing_else_has_an_owner() external {
        address[4] memory free =
            [address(token), address(nodes), address(vault), address(settlement)];
        for (uint256 i = 0; i < 4; ++i) {
            (bool found,) = free[i].staticcall(abi.encodeWithSelector(Ownable.owner.selector));
            vm.assertTrue(!found, "has an owner");
            vm.prank(governance);
            (found,) =
                free[i].call(abi.encodeWithSelector(Ownable.transferOwnership.selector, stranger));
            vm.assertTrue(!found, "takes an owner");
        }
    }
}
