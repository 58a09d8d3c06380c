// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Cast} from "./Cast.sol";

/// @notice What holders do with the token itself: move it, allow it, delegate its votes.
abstract contract TokenActions is Cast {
    /// @notice Tokens that somebody sent to the Vault without depositing them.
    uint256 public gifts;

    function transfer(uint256 seed, uint256 amount) external moves {
        address from = memberOf(seed);
        address to = anybody(seed >> 8);
        amount = within(amount, 0, token.balanceOf(from));
        must(from, address(token), abi.encodeCall(token.transfer, (to, amount)));
        if (to == address(vault)) gifts += amount;
    }

    function transferFrom(uint256 seed, uint256 amount) external moves {
        address from = memberOf(seed);
        address spender = memberOf(seed >> 8);
        address to = anybody(seed >> 16);
        amount = within(amount, 0, token.balanceOf(from));
        must(from, address(token), abi.encodeCall(token.approve, (spender, amount)));
        bytes memory more = abi.encodeCall(token.transferFrom, (from, to, amount + 1));
        refused(spender, address(token), more);
        must(spender, address(token), abi.encodeCall(token.transferFrom, (from, to, amount)));
        if (to == address(vault)) gifts += amount;
    }

    function permit(uint256 seed, uint256 amount) external moves {
        address from = memberOf(seed);
        address spender = memberOf(seed >> 8);
        uint256 nonce = token.nonces(from);
        (uint8 v, bytes32 r, bytes32 s) =
            permitBy(from, token.DOMAIN_SEPARATOR(), spender, amount, nonce);
        bytes memory call =
            abi.encodeCall(token.permit, (from, spender, amount, type(uint256).max, v, r, s));
        must(spender, address(token), call);
        refused(spender, address(token), call); // the nonce is used up
    }

    function delegate(uint256 seed) external moves {
        address from = seed % 3 == 0 ? verifiers[(seed >> 8) % 4] : memberOf(seed >> 8);
        address to = (seed >> 16) % 5 == 0 ? address(0) : anybody(seed >> 24);
        must(from, address(token), abi.encodeCall(token.delegate, (to)));
        refused(treasury, address(token), abi.encodeCall(token.delegate, (from)));
    }

    function delegateBySig(uint256 seed) external moves {
        address from = memberOf(seed);
        address to = anybody(seed >> 8);
        uint256 nonce = token.nonces(from);
        bytes memory message = abi.encode(
            keccak256("Delegation(address delegatee,uint256 nonce,uint256 expiry)"),
            to,
            nonce,
            type(uint256).max
        );
        (uint8 v, bytes32 r, bytes32 s) = splitBy(from, token.DOMAIN_SEPARATOR(), message);
        bytes memory call =
            abi.encodeCall(token.delegateBySig, (to, nonce, type(uint256).max, v, r, s));
        must(anybody(seed >> 16), address(token), call);
        refused(from, address(token), call);
    }

    function extendSchedule(uint256 seed) external moves {
        must(anybody(seed), address(token), abi.encodeCall(token.extendSchedule, ()));
    }

    /// @dev Nobody mints but the Vault, not even governance, and the Vault only when it finalises.
    function mintEpoch(uint256 seed, uint256 amount) external moves {
        address account = anybody(seed);
        if (account == address(vault)) account = governance;
        refused(
            account,
            address(token),
            abi.encodeCall(token.mintEpoch, (uint64(seed >> 8), account, amount))
        );
    }
}
