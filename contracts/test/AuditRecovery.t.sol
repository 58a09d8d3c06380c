// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MemberAccount} from "../src/MemberAccount.sol";
import {MemberAccountBench} from "./MemberAccountBench.sol";

/// @notice What recoverers signed falls when the member chooses recoverers anew, whether it was
/// handed in already or not: the choice is the member's answer to a signature that went astray.
contract AuditRecoveryTest is MemberAccountBench {
    uint256 private constant FIRST_KEY = 7919;
    uint256 private constant NEW_KEY = 15_485_863;

    address[] private people;
    bytes[] private signatures;

    function setUp() external {
        deployAccounts();
        people.push(vm.addr(FIRST_KEY));
        member = created(KEY, people, 1);
    }

    function test_choosing_recoverers_voids_what_they_signed_and_kept() external {
        bytes memory message = recoverMessage(member, NEW_KEY, member.recoveryNonce());
        signatures.push(signed(FIRST_KEY, typedData(separatorOf(member), message)));
        uint64 delay = member.recoveryDelay() + 1;
        bytes memory data = abi.encodeCall(MemberAccount.setRecoverers, (people, 1, delay));
        execute(member, KEY, one(address(member), 0, data));
        (bytes32 x, bytes32 y) = publicKey(NEW_KEY);
        vm.expectRevert(abi.encodeWithSelector(MemberAccount.InvalidSignature.selector, people[0]));
        member.startRecovery(x, y, DEADLINE, people, signatures);
    }
}
