// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {World} from "../kit/World.sol";

/// @notice Who plays a network at random: members who can sign, and everybody else who holds tokens.
/// Each call to a contract goes through `must`, `may` or `refused`, which count it, so that a test
/// can tell that no function is left out.
abstract contract Cast is World {
    uint256 public constant MEMBERS = 5;

    /// @dev Ascending, as lists of payees must be.
    address[] public members;
    address[2] public assets;
    mapping(address target => mapping(bytes4 selector => uint256 calls)) public tried;
    mapping(address target => mapping(bytes4 selector => uint256 calls)) public done;

    address[] internal _voters;
    address[] private _everybody;
    mapping(address member => uint256 privateKey) private _keys;
    /// @dev One more than the epoch of the root that was last seen in force.
    uint256 private _inForce;

    /// @dev Time moves on after every action, so what it left can be looked up as the past.
    modifier moves() {
        _;
        vm.warp(block.timestamp + 1);
        watchRoots();
    }

    function assemble() internal {
        deploy();
        populate();
        for (uint256 i = 0; i < MEMBERS; ++i) {
            address member = vm.addr(7_919 + i);
            _keys[member] = 7_919 + i;
            members.push(member);
            for (uint256 j = i; j > 0 && members[j - 1] > members[j]; --j) {
                (members[j - 1], members[j]) = (members[j], members[j - 1]);
            }
        }
        assets = [address(euro), address(token)];
        _voters = verifiers;
        for (uint256 i = 0; i < MEMBERS; ++i) {
            _voters.push(members[i]);
        }
        _everybody = _voters;
        _everybody.push(treasury);
        _everybody.push(address(vault));
        _everybody.push(address(nodes));
        vm.warp(GENESIS);
    }

    // --- calls -------------------------------------------------------------------------------

    /// @dev A call that has to succeed.
    function must(address account, address target, bytes memory call) internal {
        (bool ok, bytes memory data) = attempt(account, target, call);
        if (ok) return;
        assembly ("memory-safe") {
            revert(add(data, 32), mload(data))
        }
    }

    /// @dev A call that may or may not succeed.
    function may(address account, address target, bytes memory call) internal returns (bool ok) {
        (ok,) = attempt(account, target, call);
    }

    /// @dev A call that has to fail.
    function refused(address account, address target, bytes memory call) internal {
        require(!may(account, target, call), "allowed what nobody may");
    }

    function attempt(address account, address target, bytes memory call)
        private
        returns (bool ok, bytes memory data)
    {
        bytes4 selector = bytes4(call);
        ++tried[target][selector];
        vm.prank(account);
        (ok, data) = target.call(call);
        if (ok) ++done[target][selector];
    }

    // --- people ------------------------------------------------------------------------------

    function choose(uint256 seed) internal view returns (address asset, address member) {
        return (assets[seed % 2], memberOf(seed >> 8));
    }

    function memberOf(uint256 seed) internal view returns (address) {
        return members[seed % MEMBERS];
    }

    /// @notice Everybody who can have tokens or votes.
    function everybody() external view returns (address[] memory) {
        return _everybody;
    }

    function anybody(uint256 seed) internal view returns (address) {
        return _everybody[seed % _everybody.length];
    }

    /// @notice Everybody who could have a verifier's stake.
    function voters() external view returns (address[] memory) {
        return _voters;
    }

    /// @dev Gives `member` at least `amount` of `asset`; false where the treasury is too poor.
    function fund(address asset, address member, uint256 amount) internal returns (bool) {
        uint256 held = IERC20(asset).balanceOf(member);
        if (held >= amount) return true;
        if (asset == address(euro)) {
            euro.mint(member, amount - held);
            return true;
        }
        if (token.balanceOf(treasury) < amount - held) return false;
        must(treasury, address(token), abi.encodeCall(token.transfer, (member, amount - held)));
        return true;
    }

    function signBy(address member, bytes32 separator, bytes memory message)
        internal
        view
        returns (bytes memory)
    {
        return signed(_keys[member], typedData(separator, message));
    }

    function splitBy(address member, bytes32 separator, bytes memory message)
        internal
        view
        returns (uint8 v, bytes32 r, bytes32 s)
    {
        return vm.sign(_keys[member], typedData(separator, message));
    }

    /// @dev ERC-2612, as both assets take it.
    function permitBy(
        address member,
        bytes32 separator,
        address spender,
        uint256 amount,
        uint256 nonce
    ) internal view returns (uint8 v, bytes32 r, bytes32 s) {
        bytes memory message = abi.encode(
            keccak256(
                "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
            ),
            member,
            spender,
            amount,
            nonce,
            type(uint256).max
        );
        return splitBy(member, separator, message);
    }

    /// @dev A root in force is never taken back.
    function watchRoots() private {
        try vault.claimableRoot() returns (uint64 epoch, bytes32) {
            require(uint256(epoch) + 1 >= _inForce, "an older root is in force again");
            _inForce = uint256(epoch) + 1;
        } catch {
            require(_inForce == 0, "the root in force is gone");
        }
    }
}
