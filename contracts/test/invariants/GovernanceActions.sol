// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Governed} from "../../src/Governed.sol";
import {Cast} from "./Cast.sol";

/// @notice What governance votes, and what everybody else tries in its place.
abstract contract GovernanceActions is Cast {
    /// @dev Parameters that may change at any time, within ranges in which a network can live.
    function set(uint256 seed, uint256 value) external moves {
        (bytes32 key, uint256 min, uint256 max) = parameterOf(seed);
        bytes memory call = abi.encodeCall(policy.set, (key, int256(within(value, min, max))));
        refused(usurper(seed >> 8), address(policy), call);
        must(governance, address(policy), call);
    }

    function defineParameter(uint256 seed) external moves {
        bytes32 key = bytes32(uint256(keccak256(abi.encode(seed % 4))));
        bytes memory call = abi.encodeCall(policy.defineParameter, (key, 7, 0, 11));
        refused(usurper(seed >> 8), address(policy), call);
        bool first = policy.historyLength(key) == 0;
        require(may(governance, address(policy), call) == first, "defined once");
    }

    function setRegistrar(uint256 seed) external moves {
        bytes memory call = abi.encodeCall(
            devices.setRegistrar, ("energy", bytes32(seed), -8, new bytes(32), seed % 2 == 0)
        );
        refused(usurper(seed >> 8), address(devices), call);
        must(governance, address(devices), call);
    }

    function setReference(uint256 seed) external moves {
        uint256 id = within(seed, 0, devices.lastId());
        bytes memory call = abi.encodeCall(devices.setReference, (id, seed % 2 == 0));
        refused(usurper(seed >> 8), address(devices), call);
        may(governance, address(devices), call);
    }

    function adoptSite(uint256 seed) external moves {
        bytes memory call =
            abi.encodeCall(devices.adoptSite, ("energy", bytes32(seed % 3), bytes32(seed)));
        refused(usurper(seed >> 8), address(devices), call);
        must(governance, address(devices), call);
    }

    function appoint(uint256 seed, uint256 term) external moves {
        uint64 until = uint64(block.timestamp + within(term, 0, 365 days));
        address next = seed % 8 == 0 ? address(0) : holder;
        bytes memory call = abi.encodeCall(guardian.appoint, (next, until));
        refused(usurper(seed >> 8), address(guardian), call);
        must(governance, address(guardian), call);
    }

    /// @dev Ownership stays where it is: the owner hands it to itself, nobody else hands it on.
    function own(uint256 seed) external moves {
        address[3] memory governed = [address(policy), address(devices), address(guardian)];
        address target = governed[seed % 3];
        address thief = usurper(seed >> 8);
        refused(thief, target, abi.encodeCall(Governed.transferOwnership, (thief)));
        must(governance, target, abi.encodeCall(Governed.transferOwnership, (governance)));
        refused(governance, target, abi.encodeCall(Governed.renounceOwnership, ()));
    }

    /// @dev Who has no power over anything once the network runs.
    function usurper(uint256 seed) private view returns (address) {
        address[6] memory people =
            [founder, holder, treasury, verifiers[0], memberOf(seed >> 8), address(this)];
        return people[seed % 6];
    }

    function parameterOf(uint256 seed)
        private
        pure
        returns (bytes32 key, uint256 min, uint256 max)
    {
        uint256 kind = seed % 12;
        if (kind == 0) return ("hold_s", 0, 2_003);
        if (kind == 1) return ("halt_s", 0, 3_001);
        if (kind == 2) return ("quorum_ppm", 500_001, 900_001);
        if (kind == 3) return ("verifier_bond_min", 0, BOND_MIN);
        if (kind == 4) return ("half_life_epochs", 1, HALF_LIFE_MAX);
        if (kind == 5) return ("currency_growth_max", 1, 2e12);
        if (kind == 6) return ("token_growth_max_wei", 1e18, 20_000e18);
        if (kind == 7) return ("grace_s", 0, 211);
        if (kind == 8) return ("confirm_s", 1, 307);
        if (kind == 9) return ("exit_after_s", 600_000, 700_001);
        if (kind == 10) return ("guardian_cooldown_s", 300_001, 400_009);
        return ("rules", 0, type(uint128).max);
    }
}
