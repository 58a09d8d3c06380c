// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Cast} from "./Cast.sol";

/// @notice Nodes come and go: members run gateways and verifiers, bonds grow and leave.
abstract contract NodeActions is Cast {
    function registerGateway(uint256 seed) external moves {
        address operator = memberOf(seed);
        bytes32 logId = keccak256(abi.encode("log of", operator));
        bool first = nodes.logOf(operator) == 0;
        bytes memory call = abi.encodeCall(
            nodes.registerGateway, ("gateway", "origin", "", logId, new bytes(32), new bytes(64))
        );
        require(may(operator, address(nodes), call) == first, "one gateway an account");
    }

    function registerVerifier(uint256 seed) external moves {
        address operator = memberOf(seed);
        bool first = !nodes.isVerifier(operator);
        bytes memory call = abi.encodeCall(nodes.registerVerifier, ("verifier", ""));
        require(may(operator, address(nodes), call) == first, "one verifier an account");
    }

    function bond(uint256 seed, uint256 amount) external moves {
        address operator = operatorOf(seed);
        amount = within(amount, 1, 1_500e18);
        if (operator == treasury) amount %= 100e18;
        if (amount == 0 || !fund(address(token), operator, amount)) return;
        must(operator, address(token), abi.encodeCall(token.approve, (address(nodes), amount)));
        must(operator, address(nodes), abi.encodeCall(nodes.bond, (amount)));
    }

    /// @dev The first verifiers keep what counts at any minimum, so the network goes on.
    function startUnbonding(uint256 seed, uint256 amount) external moves {
        address operator = operatorOf(seed);
        uint256 bonded = nodes.bondOf(operator);
        bytes memory more = abi.encodeCall(nodes.startUnbonding, (bonded + 1));
        refused(operator, address(nodes), more);
        uint256 kept = isFirst(operator) ? BOND_MIN : 0;
        if (bonded <= kept) return;
        amount = within(amount, 1, bonded - kept);
        must(operator, address(nodes), abi.encodeCall(nodes.startUnbonding, (amount)));
    }

    function finishUnbonding(uint256 seed) external moves {
        address operator = operatorOf(seed >> 8);
        (uint192 amount, uint64 readyAt) = nodes.unbondingOf(operator);
        if (seed % 8 == 0 && block.timestamp < readyAt) vm.warp(readyAt);
        bool ready = amount > 0 && block.timestamp >= readyAt;
        uint256 before = token.balanceOf(operator);
        bytes memory call = abi.encodeCall(nodes.finishUnbonding, ());
        require(may(operator, address(nodes), call) == ready, "pays when it is ready");
        require(token.balanceOf(operator) - before == (ready ? amount : 0), "pays what left");
    }

    function refreshStake(uint256 seed) external moves {
        bytes memory call = abi.encodeCall(nodes.refreshStake, (operatorOf(seed)));
        must(memberOf(seed >> 8), address(nodes), call);
    }

    function operatorOf(uint256 seed) private view returns (address) {
        if (seed % 16 == 0) return treasury;
        return _voters[(seed >> 8) % _voters.length];
    }

    function isFirst(address operator) private view returns (bool) {
        for (uint256 i = 0; i < 4; ++i) {
            if (verifiers[i] == operator) return true;
        }
        return false;
    }
}
