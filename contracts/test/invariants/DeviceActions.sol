// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {NewDevice} from "../../src/Devices.sol";
import {Share} from "../../src/Payees.sol";
import {Cast} from "./Cast.sol";

/// @notice Devices come, move, get payees and go. It keeps its own list of owners and compares.
abstract contract DeviceActions is Cast {
    uint256 private constant IDS_MAX = 48;
    uint256 private constant NEVER = type(uint256).max;

    /// @notice Who owns an id, by this handler's own books; zero once it is burned.
    mapping(uint256 id => address owner) public heldBy;

    function enrol(uint256 seed) external moves {
        if (devices.lastId() >= IDS_MAX) return;
        address owner = memberOf(seed);
        bytes memory call = abi.encodeCall(
            devices.enrol, (bytes32(seed % 5), -8, new bytes(32), "energy", uint64(seed))
        );
        must(owner, address(devices), call);
        held(owner, 1);
    }

    function enrolFor(uint256 seed) external moves {
        if (devices.lastId() >= IDS_MAX) return;
        address owner = memberOf(seed);
        bytes32 thumbprint = bytes32(seed % 5);
        bytes memory message = abi.encode(
            devices.ENROL_TYPEHASH(),
            owner,
            thumbprint,
            int8(-7),
            keccak256(new bytes(64)),
            bytes32("energy"),
            uint64(0),
            devices.nonces(owner),
            NEVER
        );
        bytes memory signature = signBy(owner, devices.DOMAIN_SEPARATOR(), message);
        relay(
            seed >> 8,
            abi.encodeCall(
                devices.enrolFor,
                (owner, thumbprint, -7, new bytes(64), "energy", 0, NEVER, signature)
            )
        );
        held(owner, 1);
    }

    function enrolBatch(uint256 seed) external moves {
        if (devices.lastId() >= IDS_MAX) return;
        address owner = memberOf(seed);
        NewDevice[] memory list = newDevices(seed >> 8);
        bytes memory call = abi.encodeCall(devices.enrolBatch, ("energy", list));
        must(owner, address(devices), call);
        held(owner, list.length);
    }

    function enrolBatchFor(uint256 seed) external moves {
        if (devices.lastId() >= IDS_MAX) return;
        address owner = memberOf(seed);
        NewDevice[] memory list = newDevices(seed >> 8);
        bytes32[] memory hashes = new bytes32[](list.length);
        for (uint256 i = 0; i < list.length; ++i) {
            hashes[i] = keccak256(
                abi.encode(
                    devices.NEW_DEVICE_TYPEHASH(),
                    list[i].thumbprint,
                    list[i].alg,
                    keccak256(list[i].publicKey),
                    list[i].cell
                )
            );
        }
        bytes memory message = abi.encode(
            devices.ENROL_BATCH_TYPEHASH(),
            owner,
            bytes32("energy"),
            keccak256(abi.encodePacked(hashes)),
            devices.nonces(owner),
            NEVER
        );
        bytes memory signature = signBy(owner, devices.DOMAIN_SEPARATOR(), message);
        relay(
            seed >> 8,
            abi.encodeCall(devices.enrolBatchFor, (owner, "energy", list, NEVER, signature))
        );
        held(owner, list.length);
    }

    // --- payees ------------------------------------------------------------------------------

    function setPayees(uint256 seed) external moves {
        (uint256 id, address owner) = idOf(seed);
        if (id == 0) return;
        bytes memory call = abi.encodeCall(devices.setPayees, (id, sharesOf(seed >> 8)));
        bool free = devices.payeesOf(id).length == 0;
        if (owner != memberOf(seed >> 16)) refused(memberOf(seed >> 16), address(devices), call);
        require(may(owner, address(devices), call) == free, "starts a list once");
    }

    function transferShare(uint256 seed, uint256 part) external moves {
        (uint256 id,) = idOf(seed);
        address from = payeeOf(id, seed >> 8);
        if (from == address(0)) return;
        uint32 owned = shareOf(id, from);
        address to = memberOf(seed >> 16);
        refused(from, address(devices), abi.encodeCall(devices.transferShare, (id, to, owned + 1)));
        uint32 ppm = uint32(within(part, 1, owned));
        must(from, address(devices), abi.encodeCall(devices.transferShare, (id, to, ppm)));
    }

    function transferShareFor(uint256 seed, uint256 part) external moves {
        (uint256 id,) = idOf(seed);
        address from = payeeOf(id, seed >> 8);
        if (from == address(0)) return;
        uint32 ppm = uint32(within(part, 1, shareOf(id, from)));
        address to = memberOf(seed >> 16);
        bytes memory message = abi.encode(
            devices.TRANSFER_SHARE_TYPEHASH(), id, from, to, ppm, devices.nonces(from), NEVER
        );
        bytes memory signature = signBy(from, devices.DOMAIN_SEPARATOR(), message);
        relay(
            seed >> 24,
            abi.encodeCall(devices.transferShareFor, (id, from, to, ppm, NEVER, signature))
        );
    }

    function changePayees(uint256 seed) external moves {
        (uint256 id,) = idOf(seed);
        if (payeeOf(id, 0) == address(0)) return;
        Share[] memory next = seed % 4 == 0 ? new Share[](0) : sharesOf(seed >> 8);
        bytes32[] memory hashes = new bytes32[](next.length);
        for (uint256 i = 0; i < next.length; ++i) {
            hashes[i] =
                keccak256(abi.encode(devices.SHARE_TYPEHASH(), next[i].account, next[i].ppm));
        }
        bytes memory message = abi.encode(
            devices.CHANGE_PAYEES_TYPEHASH(),
            id,
            keccak256(abi.encodePacked(hashes)),
            devices.payeesNonce(id),
            NEVER
        );
        bytes[] memory signatures = signaturesOf(id, message);
        relay(seed >> 16, abi.encodeCall(devices.changePayees, (id, next, NEVER, signatures)));
    }

    // --- moving and burning ------------------------------------------------------------------

    function retire(uint256 seed) external moves {
        (uint256 id, address owner) = idOf(seed);
        if (id == 0) return;
        bytes memory call = abi.encodeCall(devices.retire, (id));
        bool free = devices.payeesOf(id).length == 0;
        require(may(owner, address(devices), call) == free, "burns what is the owner's alone");
        if (free) delete heldBy[id];
    }

    function retireByAll(uint256 seed) external moves {
        (uint256 id,) = idOf(seed);
        if (payeeOf(id, 0) == address(0)) return;
        bytes memory message =
            abi.encode(devices.RETIRE_TYPEHASH(), id, devices.payeesNonce(id), NEVER);
        bytes[] memory signatures = signaturesOf(id, message);
        relay(seed >> 8, abi.encodeCall(devices.retireByAll, (id, NEVER, signatures)));
        delete heldBy[id];
    }

    function approve(uint256 seed) external moves {
        (uint256 id, address owner) = idOf(seed);
        if (id == 0) return;
        address spender = memberOf(seed >> 8);
        must(owner, address(devices), abi.encodeCall(devices.approve, (spender, id)));
    }

    function setApprovalForAll(uint256 seed) external moves {
        bytes memory call =
            abi.encodeCall(devices.setApprovalForAll, (memberOf(seed >> 8), seed % 2 == 0));
        must(memberOf(seed >> 16), address(devices), call);
    }

    function moveDevice(uint256 seed) external moves {
        (uint256 id, address owner) = idOf(seed);
        if (id == 0) return;
        address to = memberOf(seed >> 8);
        bytes memory call;
        if (seed % 3 == 0) {
            call = abi.encodeCall(devices.transferFrom, (owner, to, id));
        } else if (seed % 3 == 1) {
            call =
                abi.encodeWithSignature("safeTransferFrom(address,address,uint256)", owner, to, id);
        } else {
            call = abi.encodeWithSignature(
                "safeTransferFrom(address,address,uint256,bytes)", owner, to, id, ""
            );
        }
        address sender = seed % 2 == 0 ? owner : memberOf(seed >> 16);
        bool entitled = sender == owner || devices.getApproved(id) == sender
            || devices.isApprovedForAll(owner, sender);
        bool ok = may(sender, address(devices), call);
        if (!entitled) require(!ok, "moved by a stranger");
        if (sender == owner && devices.payeesOf(id).length == 0) require(ok, "is the owner's");
        if (ok) heldBy[id] = to;
    }

    /// @notice Whether ids, owners, balances and lists of payees are as they must be.
    function checkDevices() external view {
        uint256[] memory counts = new uint256[](MEMBERS);
        for (uint256 id = 1; id <= devices.lastId(); ++id) {
            address owner = heldBy[id];
            try devices.ownerOf(id) returns (address found) {
                require(found == owner, "another owner");
            } catch {
                require(owner == address(0), "no owner");
            }
            Share[] memory list = devices.payeesOf(id);
            uint256 sum = 0;
            for (uint256 i = 0; i < list.length; ++i) {
                require(list[i].ppm > 0, "a share of nothing");
                require(i == 0 || list[i].account > list[i - 1].account, "not ascending");
                sum += list[i].ppm;
            }
            require(list.length == 0 || (sum == 1e6 && owner != address(0)), "not whole");
            for (uint256 m = 0; m < MEMBERS; ++m) {
                if (members[m] == owner) ++counts[m];
            }
        }
        for (uint256 m = 0; m < MEMBERS; ++m) {
            require(devices.balanceOf(members[m]) == counts[m], "not what it owns");
        }
    }

    // --- inside ------------------------------------------------------------------------------

    /// @dev Hands in, for whoever signed it, and a second time, which is refused.
    function relay(uint256 seed, bytes memory call) private {
        must(memberOf(seed), address(devices), call);
        refused(memberOf(seed), address(devices), call);
    }

    function held(address owner, uint256 count) private {
        uint256 last = devices.lastId();
        for (uint256 id = last - count + 1; id <= last; ++id) {
            require(heldBy[id] == address(0), "an id given twice");
            heldBy[id] = owner;
        }
    }

    /// @dev Any id that somebody owns; 0 where the one that was drawn is burned or missing.
    function idOf(uint256 seed) private view returns (uint256 id, address owner) {
        uint256 last = devices.lastId();
        if (last == 0) return (0, address(0));
        id = within(seed >> 32, 1, last);
        owner = heldBy[id];
        if (owner == address(0)) id = 0;
    }

    function payeeOf(uint256 id, uint256 seed) private view returns (address) {
        Share[] memory list = devices.payeesOf(id);
        return list.length == 0 ? address(0) : list[seed % list.length].account;
    }

    function shareOf(uint256 id, address account) private view returns (uint32) {
        Share[] memory list = devices.payeesOf(id);
        for (uint256 i = 0; i < list.length; ++i) {
            if (list[i].account == account) return list[i].ppm;
        }
        return 0;
    }

    function newDevices(uint256 seed) private pure returns (NewDevice[] memory list) {
        list = new NewDevice[](within(seed, 1, 5));
        for (uint256 i = 0; i < list.length; ++i) {
            list[i] = NewDevice(bytes32(seed % 5 + i), -8, new bytes(32), uint64(i));
        }
    }

    /// @dev One to five members with arbitrary shares.
    function sharesOf(uint256 seed) private view returns (Share[] memory list) {
        uint256 count = within(seed, 1, MEMBERS);
        uint256 first = (seed >> 8) % (MEMBERS - count + 1);
        list = new Share[](count);
        uint256 left = 1e6;
        for (uint256 i = 0; i < count; ++i) {
            uint256 behind = count - 1 - i;
            uint256 ppm = behind == 0 ? left : within(seed >> (16 + 8 * i), 1, left - behind);
            left -= ppm;
            list[i] = Share(members[first + i], uint32(ppm));
        }
    }

    function signaturesOf(uint256 id, bytes memory message)
        private
        view
        returns (bytes[] memory signatures)
    {
        Share[] memory list = devices.payeesOf(id);
        signatures = new bytes[](list.length);
        for (uint256 i = 0; i < list.length; ++i) {
            signatures[i] = signBy(list[i].account, devices.DOMAIN_SEPARATOR(), message);
        }
    }
}
