// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {
    GovernorTimelockControl
} from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import {Membership} from "../../src/Membership.sol";
import {Policy} from "../../src/Policy.sol";
import {GovernmentBooks, Part} from "./GovernmentBooks.sol";

/// @notice The proposals that are made: a kind and what it is about become calls.
abstract contract GovernmentPlans is GovernmentBooks {
    function salt(uint256 index) internal pure returns (bytes32) {
        return keccak256(abi.encode("inner", index));
    }

    function innerOf(uint256 index) internal pure returns (bytes memory) {
        return abi.encodeCall(Ownable.transferOwnership, (address(uint160(index))));
    }

    function planOf(uint256 index, Kind kind, uint256 subject, uint256 seed)
        internal
        view
        returns (Plan memory p)
    {
        bytes memory act = abi.encodeCall(Part.act, (index));
        if (kind == Kind.Act) {
            p = plan(address(part), act, "");
        } else if (kind == Kind.Replace) {
            p = plan(address(policy), abi.encodeCall(Policy.set, (FEE, 23)), "");
            p = and(p, address(part), innerOf(index));
            p = and(p, address(part), act);
        } else if (kind == Kind.Delay) {
            bytes memory data = abi.encodeCall(TimelockController.updateDelay, (0));
            p = plan(address(timelock), data, "");
        } else if (kind == Kind.Timelock) {
            bytes memory data = abi.encodeCall(GovernorTimelockControl.updateTimelock, (timelock));
            p = plan(address(governor), data, "");
        } else if (kind == Kind.Policy) {
            p = plan(address(policy), parameterCall(seed), "");
        } else if (kind == Kind.Admit) {
            p = plan(address(membership), abi.encodeCall(Membership.admit, (accounts[subject])), "");
        } else if (kind == Kind.Remove) {
            p = plan(
                address(membership), abi.encodeCall(Membership.remove, (accounts[subject])), ""
            );
        } else {
            bytes memory data = relayed(index, kind, subject);
            p = plan(
                address(governor), abi.encodeCall(Governor.relay, (address(timelock), 0, data)), ""
            );
        }
        p.description = string(abi.encodePacked("Plan ", bytes32(index)));
    }

    function relayed(uint256 index, Kind kind, uint256 subject)
        private
        view
        returns (bytes memory)
    {
        if (kind == Kind.Stop) {
            return abi.encodeCall(TimelockController.cancel, (books[subject].operation));
        }
        if (kind == Kind.Renounce) {
            return abi.encodeCall(IAccessControl.renounceRole, ("none", address(governor)));
        }
        return abi.encodeCall(
            TimelockController.schedule, (address(part), 0, innerOf(index), 0, salt(index), 0)
        );
    }

    function parameterCall(uint256 seed) internal pure returns (bytes memory) {
        uint256 x = seed >> 8;
        if (seed % 6 == 0) return parameter("voting_delay_s", within(x, 0, 86_400));
        if (seed % 6 == 1) return parameter("voting_period_s", within(x, 3_600, 172_800));
        if (seed % 6 == 2) return parameter("vote_quorum_ppm", within(x, 10_000, 500_000));
        if (seed % 6 == 3) return parameter("timelock_delay_s", within(x, 3_600, 172_800));
        if (seed % 6 == 4) return parameter("exit_after_s", within(x, 1_296_000, 5_000_000));
        return parameter("proposal_threshold_ppm", within(x, 0, 100_000));
    }

    function parameter(bytes32 key, uint256 value) private pure returns (bytes memory) {
        return abi.encodeCall(Policy.set, (key, int256(value)));
    }
}
