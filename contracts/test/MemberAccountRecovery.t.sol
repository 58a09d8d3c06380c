// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Account} from "@openzeppelin/contracts/account/Account.sol";
import {SignerP256} from "@openzeppelin/contracts/utils/cryptography/signers/SignerP256.sol";
import {MemberAccount} from "../src/MemberAccount.sol";
import {MemberAccountBench} from "./MemberAccountBench.sol";

/// @notice Two of three recoverers: two with keys of their own, one with a passkey like the member.
contract MemberAccountRecoveryTest is MemberAccountBench {
    event RecoverersSet(address[] recoverers, uint8 threshold, uint64 recoveryDelay);
    event RecoveryStarted(bytes32 qx, bytes32 qy, uint64 readyAt);
    event RecoveryCancelled(bytes32 qx, bytes32 qy);
    event SignerSet(bytes32 qx, bytes32 qy);

    string private constant RECOVER =
        "Recover(address account,bytes32 qx,bytes32 qy,uint256 nonce,uint256 deadline)";
    uint256 private constant NEW_KEY = 15_485_863;
    uint256 private constant FRIEND_KEY = 32_452_843;

    MemberAccount private friend;
    /// @dev The recoverers, ascending, and the key with which each signs; 0: `friend`'s passkey.
    address[] private people;
    uint256[] private keys;
    /// @dev What is handed in.
    address[] private signers;
    bytes[] private signatures;

    function setUp() external {
        deployAccounts();
        friend = created(FRIEND_KEY, new address[](0), 0);
        insert(vm.addr(7919), 7919);
        insert(vm.addr(7927), 7927);
        insert(address(friend), 0);
        member = created(KEY, people, 2);
    }

    function insert(address account, uint256 key) private {
        people.push(account);
        keys.push(key);
        for (uint256 i = people.length - 1; i > 0 && people[i - 1] > people[i]; --i) {
            (people[i - 1], people[i]) = (people[i], people[i - 1]);
            (keys[i - 1], keys[i]) = (keys[i], keys[i - 1]);
        }
    }

    /// @dev Adds the word of the `index`-th recoverer for NEW_KEY.
    function sign(uint256 index, uint256 nonce) private {
        bytes memory message = recoverMessage(member, NEW_KEY, nonce);
        bytes32 separator = separatorOf(member);
        signers.push(people[index]);
        signatures.push(
            keys[index] == 0
                ? nested(FRIEND_KEY, friend, separator, message, RECOVER)
                : signed(keys[index], typedData(separator, message))
        );
    }

    function signAll(uint256 nonce) private {
        delete signers;
        delete signatures;
        for (uint256 i = 0; i < people.length; ++i) {
            sign(i, nonce);
        }
    }

    function start() private {
        (bytes32 x, bytes32 y) = publicKey(NEW_KEY);
        member.startRecovery(x, y, DEADLINE, signers, signatures);
    }

    function started() private {
        signAll(member.recoveryNonce());
        start();
    }

    function refused(bytes memory why) private {
        vm.expectRevert(why);
        start();
        (,, uint64 readyAt) = member.recovery();
        vm.assertEq(readyAt, 0, "nothing started");
    }

    function byItself(bytes memory data) private {
        execute(member, KEY, one(address(member), 0, data));
    }

    function acts(uint256 key) private returns (bool) {
        bytes32 digest =
            executeDigest(member, one(named("anyone"), 0, ""), member.executionNonce(), DEADLINE);
        try member.executeFor(one(named("anyone"), 0, ""), DEADLINE, assertion(key, digest)) {
            return true;
        } catch {
            return false;
        }
    }

    // --- the way it goes ---------------------------------------------------------------------

    function test_any_two_of_three_replace_the_key_after_the_delay() external {
        for (uint256 left = 0; left < 3; ++left) {
            member = created(KEY + left, people, 2);
            delete signers;
            delete signatures;
            for (uint256 i = 0; i < 3; ++i) {
                if (i != left) sign(i, 0);
            }
            (bytes32 x, bytes32 y) = publicKey(NEW_KEY);
            uint64 readyAt = uint64(block.timestamp) + DELAY;
            vm.expectEmit(address(member));
            emit RecoveryStarted(x, y, readyAt);
            vm.prank(named("anyone"));
            start();
            vm.warp(readyAt);
            vm.expectEmit(address(member));
            emit SignerSet(x, y);
            vm.prank(named("anyone"));
            member.finishRecovery();
            (bytes32 qx,) = member.signer();
            vm.assertEq(qx, x, "the new key");
            vm.assertTrue(acts(NEW_KEY), "the new key acts");
            vm.assertTrue(!acts(KEY + left), "the old one is dead");
        }
    }

    function test_the_old_key_acts_until_the_recovery_is_finished() external {
        started();
        vm.assertTrue(acts(KEY), "during the delay");
        vm.assertTrue(!acts(NEW_KEY), "not yet");
        vm.warp(block.timestamp + DELAY);
        vm.assertTrue(acts(KEY), "ready, not finished");
        member.finishRecovery();
        vm.assertTrue(!acts(KEY), "the old key is dead");
    }

    function test_what_the_old_key_signed_dies_with_it() external {
        bytes32 digest = executeDigest(member, one(named("anyone"), 0, ""), 0, DEADLINE);
        bytes memory signature = assertion(KEY, digest);
        started();
        vm.warp(block.timestamp + DELAY);
        member.finishRecovery();
        vm.expectRevert(
            abi.encodeWithSelector(MemberAccount.InvalidSignature.selector, address(member))
        );
        member.executeFor(one(named("anyone"), 0, ""), DEADLINE, signature);
    }

    // --- who may not -------------------------------------------------------------------------

    function test_refuses_too_few() external {
        sign(1, 0);
        refused(abi.encodeWithSelector(MemberAccount.TooFewSigners.selector, 1, 2));
        delete signers;
        delete signatures;
        refused(abi.encodeWithSelector(MemberAccount.TooFewSigners.selector, 0, 2));
    }

    function test_refuses_one_person_twice_and_disorder() external {
        sign(0, 0);
        sign(0, 0);
        refused(abi.encodeWithSelector(MemberAccount.NotAscending.selector, people[0]));
        delete signers;
        delete signatures;
        sign(1, 0);
        sign(0, 0);
        refused(abi.encodeWithSelector(MemberAccount.NotAscending.selector, people[0]));
    }

    function test_refuses_outsiders_wherever_they_stand() external {
        uint256 key = 8_191;
        for (uint256 i = 0; i < 3; ++i) {
            while (vm.addr(key) < people[0] == (i != 0) || vm.addr(key) > people[2] == (i != 2)) {
                ++key;
            }
            delete signers;
            delete signatures;
            if (i != 0) sign(0, 0);
            bytes memory message = recoverMessage(member, NEW_KEY, 0);
            signers.push(vm.addr(key));
            signatures.push(signed(key, typedData(separatorOf(member), message)));
            if (i != 2) sign(2, 0);
            refused(abi.encodeWithSelector(MemberAccount.NotARecoverer.selector, vm.addr(key)));
        }
    }

    function test_refuses_signatures_of_others_or_for_other_things() external {
        signAll(0);
        signatures[1] = signatures[0];
        refused(abi.encodeWithSelector(MemberAccount.InvalidSignature.selector, people[1]));
        signAll(1);
        refused(abi.encodeWithSelector(MemberAccount.InvalidSignature.selector, people[0]));
        signAll(0);
        MemberAccount mine = member;
        member = created(OTHER_KEY, people, 2);
        refused(abi.encodeWithSelector(MemberAccount.InvalidSignature.selector, people[0]));
        member = mine;
        (bytes32 x, bytes32 y) = publicKey(OTHER_KEY);
        vm.expectRevert(abi.encodeWithSelector(MemberAccount.InvalidSignature.selector, people[0]));
        member.startRecovery(x, y, DEADLINE, signers, signatures);
        vm.expectRevert(abi.encodeWithSelector(MemberAccount.InvalidSignature.selector, people[0]));
        (x, y) = publicKey(NEW_KEY);
        member.startRecovery(x, y, DEADLINE + 1, signers, signatures);
        signatures.pop();
        refused(abi.encodeWithSelector(MemberAccount.LengthsDiffer.selector, 3, 2));
    }

    function test_refuses_late_signatures_and_keys_that_are_none() external {
        signAll(0);
        vm.expectRevert(
            abi.encodeWithSelector(
                SignerP256.SignerP256InvalidPublicKey.selector, bytes32(uint256(1)), bytes32(0)
            )
        );
        member.startRecovery(bytes32(uint256(1)), 0, DEADLINE, signers, signatures);
        vm.warp(DEADLINE + 1);
        refused(abi.encodeWithSelector(MemberAccount.SignatureExpired.selector, DEADLINE));
    }

    function test_without_recoverers_there_is_no_recovery() external {
        member = created(KEY, new address[](0), 0);
        refused(abi.encodeWithSelector(MemberAccount.NoRecovery.selector));
        vm.expectRevert(abi.encodeWithSelector(MemberAccount.NoRecovery.selector));
        member.finishRecovery();
    }

    // --- the delay ---------------------------------------------------------------------------

    function test_refuses_to_finish_too_early_or_twice() external {
        started();
        uint64 readyAt = uint64(START) + DELAY;
        vm.warp(readyAt - 1);
        vm.expectRevert(abi.encodeWithSelector(MemberAccount.RecoveryTooEarly.selector, readyAt));
        member.finishRecovery();
        vm.warp(readyAt);
        member.finishRecovery();
        vm.expectRevert(abi.encodeWithSelector(MemberAccount.NoRecovery.selector));
        member.finishRecovery();
        refused(abi.encodeWithSelector(MemberAccount.InvalidSignature.selector, people[0]));
    }

    function test_the_account_itself_cancels() external {
        started();
        vm.expectRevert(abi.encodeWithSelector(Account.AccountUnauthorized.selector, address(this)));
        member.cancelRecovery();
        (bytes32 x, bytes32 y) = publicKey(NEW_KEY);
        bytes32 digest = executeDigest(
            member,
            one(address(member), 0, abi.encodeCall(MemberAccount.cancelRecovery, ())),
            0,
            DEADLINE
        );
        bytes memory signature = assertion(KEY, digest);
        vm.expectEmit(address(member));
        emit RecoveryCancelled(x, y);
        member.executeFor(
            one(address(member), 0, abi.encodeCall(MemberAccount.cancelRecovery, ())),
            DEADLINE,
            signature
        );
        vm.warp(START + DELAY);
        vm.expectRevert(abi.encodeWithSelector(MemberAccount.NoRecovery.selector));
        member.finishRecovery();
        vm.assertTrue(acts(KEY), "the old key stays");
        refused(abi.encodeWithSelector(MemberAccount.InvalidSignature.selector, people[0]));
    }

    function test_cancelling_nothing_is_refused() external {
        vm.expectRevert(abi.encodeWithSelector(MemberAccount.NoRecovery.selector));
        vm.prank(address(member));
        member.cancelRecovery();
    }

    function test_a_second_start_replaces_the_first_and_waits_anew() external {
        started();
        vm.warp(START + DELAY - 1);
        started();
        vm.warp(START + DELAY);
        vm.expectRevert(
            abi.encodeWithSelector(
                MemberAccount.RecoveryTooEarly.selector, uint64(START) + 2 * DELAY - 1
            )
        );
        member.finishRecovery();
    }

    // --- choosing recoverers -----------------------------------------------------------------

    function test_the_account_itself_chooses_its_recoverers() external {
        started();
        address[] memory chosen = new address[](1);
        chosen[0] = named("somebody else");
        vm.expectRevert(abi.encodeWithSelector(Account.AccountUnauthorized.selector, address(this)));
        member.setRecoverers(chosen, 1, DELAY);
        byItself(abi.encodeCall(MemberAccount.setRecoverers, (chosen, 1, 2 * DELAY)));
        vm.assertEq(member.recoverers().length, 1, "new ones");
        vm.assertEq(member.recoveryDelay(), 2 * DELAY, "delay");
        (,, uint64 readyAt) = member.recovery();
        vm.assertEq(readyAt, 0, "what the old ones started has fallen");
        signAll(1);
        refused(abi.encodeWithSelector(MemberAccount.NotARecoverer.selector, people[0]));
    }

    function test_refuses_lists_that_could_not_work() external {
        bytes4 range = MemberAccount.ThresholdOutOfRange.selector;
        refusedList(list(0), 1, DELAY, abi.encodeWithSelector(range, 1, 0));
        refusedList(list(2), 0, DELAY, abi.encodeWithSelector(range, 0, 2));
        refusedList(list(2), 3, DELAY, abi.encodeWithSelector(range, 3, 2));
        bytes4 delay = MemberAccount.DelayOutOfRange.selector;
        refusedList(list(2), 1, 1 days - 1, abi.encodeWithSelector(delay, 1 days - 1));
        refusedList(list(2), 1, 365 days + 1, abi.encodeWithSelector(delay, 365 days + 1));
        refusedList(
            list(17), 1, DELAY, abi.encodeWithSelector(MemberAccount.TooManyRecoverers.selector, 17)
        );
        address[] memory odd = list(2);
        odd[1] = odd[0];
        refusedList(
            odd, 1, DELAY, abi.encodeWithSelector(MemberAccount.NotAscending.selector, odd[0])
        );
        odd[0] = address(0);
        refusedList(
            odd, 1, DELAY, abi.encodeWithSelector(MemberAccount.NotAscending.selector, address(0))
        );
        odd = list(1);
        odd[0] = address(member);
        refusedList(odd, 1, DELAY, abi.encodeWithSelector(MemberAccount.OwnRecoverer.selector));
        vm.prank(address(member));
        member.setRecoverers(list(16), 16, 365 days);
        vm.assertEq(member.threshold(), 16, "the most there may be");
    }

    function list(uint160 count) private pure returns (address[] memory made) {
        made = new address[](count);
        for (uint160 i = 0; i < count; ++i) {
            made[i] = address(i + 1);
        }
    }

    function refusedList(address[] memory chosen, uint8 threshold, uint64 delay, bytes memory why)
        private
    {
        vm.expectRevert(why);
        vm.prank(address(member));
        member.setRecoverers(chosen, threshold, delay);
    }
}
