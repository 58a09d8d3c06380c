// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Account} from "@openzeppelin/contracts/account/Account.sol";
import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Errors} from "@openzeppelin/contracts/utils/Errors.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {SignerP256} from "@openzeppelin/contracts/utils/cryptography/signers/SignerP256.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Call, MemberAccount} from "../src/MemberAccount.sol";
import {MemberAccounts} from "../src/MemberAccounts.sol";
import {MemberAccountBench} from "./MemberAccountBench.sol";

/// @notice What a test account acts on.
contract Counter {
    error Odd(uint256 value);

    uint256 public count;
    address public lastCaller;

    function add(uint256 value) external payable {
        if (value == 13) revert Odd(value);
        count += value;
        lastCaller = msg.sender;
    }
}

/// @notice Hands in a second batch in the middle of the first one.
contract Reentrant {
    MemberAccount private immutable account;
    bytes private _second;

    constructor(MemberAccount account_) {
        account = account_;
    }

    function arm(bytes calldata second) external {
        _second = second;
    }

    function poke() external {
        Address.functionCall(address(account), _second);
    }
}

contract MemberAccountTest is MemberAccountBench {
    event AccountCreated(address indexed account, bytes32 qx, bytes32 qy);
    event Executed(uint256 indexed nonce, uint256 calls);
    event SignerSet(bytes32 qx, bytes32 qy);

    Counter private counter;

    function setUp() external {
        deployAccounts();
        counter = new Counter();
    }

    function adding(uint256 value) private view returns (Call[] memory) {
        return one(address(counter), 0, abi.encodeCall(Counter.add, (value)));
    }

    function refused(Call[] memory calls, uint256 deadline, bytes memory signature) private {
        vm.expectRevert(
            abi.encodeWithSelector(MemberAccount.InvalidSignature.selector, address(member))
        );
        member.executeFor(calls, deadline, signature);
        vm.assertEq(counter.count(), 0, "nothing happened");
    }

    // --- the factory -------------------------------------------------------------------------

    function test_creates_where_it_said() external {
        address[] memory people = new address[](2);
        (people[0], people[1]) = (address(7), address(11));
        (bytes32 x, bytes32 y) = publicKey(OTHER_KEY);
        address foreseen = factory.addressOf(x, y, people, 2, DELAY);
        vm.assertEq(foreseen.code.length, 0, "nothing there yet");
        vm.expectEmit(address(factory));
        emit AccountCreated(foreseen, x, y);
        MemberAccount account = created(OTHER_KEY, people, 2);
        vm.assertEq(address(account), foreseen, "address");
        (bytes32 qx, bytes32 qy) = account.signer();
        vm.assertEq(qx, x, "x");
        vm.assertEq(qy, y, "y");
        vm.assertEq(account.recoverers()[1], address(11), "recoverers");
        vm.assertEq(account.threshold(), 2, "threshold");
        vm.assertEq(account.recoveryDelay(), DELAY, "delay");
        vm.assertEq(address(created(OTHER_KEY, people, 2)), foreseen, "the same again");
        vm.assertTrue(address(created(OTHER_KEY, people, 1)) != foreseen, "another one");
        vm.assertTrue(address(created(KEY, people, 2)) != foreseen, "another key");
    }

    function test_a_clone_is_initialised_once() external {
        vm.expectRevert(abi.encodeWithSelector(Initializable.InvalidInitialization.selector));
        member.initialize(bytes32(0), bytes32(0), new address[](0), 0, DELAY);
    }

    function test_the_implementation_is_nobodys() external {
        MemberAccount locked = MemberAccount(payable(factory.implementation()));
        vm.expectRevert(abi.encodeWithSelector(Initializable.InvalidInitialization.selector));
        locked.initialize(bytes32(0), bytes32(0), new address[](0), 0, DELAY);
        vm.expectRevert(abi.encodeWithSelector(MemberAccount.NoRecovery.selector));
        locked.startRecovery(0, 0, DEADLINE, new address[](0), new bytes[](0));
        (bytes32 qx, bytes32 qy) = locked.signer();
        uint256 x = uint256(sha256("commonworks: nobody's key")) % P256.P;
        while (!onCurve(x, uint256(qy))) ++x;
        vm.assertEq(qx, bytes32(x), "x follows from a sentence");
        vm.assertTrue(uint256(qy) <= P256.P / 2, "y is the smaller one");
    }

    /// @dev Whether x belongs to a point; y is a hint that saves the square root for the right one.
    function onCurve(uint256 x, uint256 y) private view returns (bool) {
        uint256 p = P256.P;
        uint256 right = addmod(mulmod(addmod(mulmod(x, x, p), P256.A, p), x, p), P256.B, p);
        if (mulmod(y, y, p) == right) return true;
        return power(right, (p - 1) / 2) == 1;
    }

    function power(uint256 base, uint256 exponent) private view returns (uint256) {
        (bool done, bytes memory answer) = address(5)
            .staticcall(abi.encode(uint256(32), uint256(32), uint256(32), base, exponent, P256.P));
        vm.assertTrue(done, "modular exponentiation");
        return abi.decode(answer, (uint256));
    }

    function test_refuses_keys_that_are_none() external {
        vm.expectRevert(
            abi.encodeWithSelector(
                SignerP256.SignerP256InvalidPublicKey.selector, bytes32(uint256(1)), bytes32(0)
            )
        );
        factory.create(bytes32(uint256(1)), bytes32(0), new address[](0), 0, DELAY);
    }

    // --- acting ------------------------------------------------------------------------------

    function test_anybody_hands_in_what_the_passkey_signed() external {
        bytes memory signature = assertion(KEY, executeDigest(member, adding(7), 0, DEADLINE));
        vm.expectEmit(address(member));
        emit Executed(0, 1);
        vm.prank(named("a stranger"));
        member.executeFor(adding(7), DEADLINE, signature);
        vm.assertEq(counter.count(), 7, "done");
        vm.assertEq(counter.lastCaller(), address(member), "in the member's name");
        vm.assertEq(member.executionNonce(), 1, "nonce");
    }

    function test_carries_out_all_calls_in_order_or_none() external {
        passkeys.deal(address(member), 100);
        Call[] memory calls = new Call[](3);
        calls[0] = Call(address(counter), 30, abi.encodeCall(Counter.add, (2)));
        calls[1] = Call(named("a friend"), 11, "");
        calls[2] = adding(3)[0];
        execute(member, KEY, calls);
        vm.assertEq(counter.count(), 5, "both");
        vm.assertEq(named("a friend").balance, 11, "coin");
        vm.assertEq(address(member).balance, 59, "what is left");
        calls[2] = adding(13)[0];
        bytes memory signature = assertion(KEY, executeDigest(member, calls, 1, DEADLINE));
        vm.expectRevert(abi.encodeWithSelector(Counter.Odd.selector, 13));
        member.executeFor(calls, DEADLINE, signature);
        vm.assertEq(counter.count(), 5, "nothing of it");
        vm.assertEq(member.executionNonce(), 1, "the nonce is still free");
    }

    function test_refuses_calls_into_nothing() external {
        Call[] memory calls = one(named("nobody"), 0, hex"01");
        bytes memory signature = assertion(KEY, executeDigest(member, calls, 0, DEADLINE));
        vm.expectRevert(abi.encodeWithSelector(Address.AddressEmptyCode.selector, named("nobody")));
        member.executeFor(calls, DEADLINE, signature);
        calls = one(named("nobody"), 1, "");
        signature = assertion(KEY, executeDigest(member, calls, 0, DEADLINE));
        vm.expectRevert(abi.encodeWithSelector(Errors.InsufficientBalance.selector, 0, 1));
        member.executeFor(calls, DEADLINE, signature);
    }

    function test_refuses_none_and_too_many_calls() external {
        uint256 tooMany = member.CALLS_MAX() + 1;
        vm.expectRevert(abi.encodeWithSelector(MemberAccount.WrongNumberOfCalls.selector, 0));
        member.executeFor(new Call[](0), DEADLINE, "");
        vm.expectRevert(abi.encodeWithSelector(MemberAccount.WrongNumberOfCalls.selector, tooMany));
        member.executeFor(new Call[](tooMany), DEADLINE, "");
    }

    function test_a_signature_counts_once() external {
        bytes memory signature = assertion(KEY, executeDigest(member, adding(7), 0, DEADLINE));
        member.executeFor(adding(7), DEADLINE, signature);
        vm.expectRevert(
            abi.encodeWithSelector(MemberAccount.InvalidSignature.selector, address(member))
        );
        member.executeFor(adding(7), DEADLINE, signature);
    }

    function test_a_signature_counts_until_its_deadline() external {
        bytes memory signature = assertion(KEY, executeDigest(member, adding(7), 0, DEADLINE));
        vm.warp(DEADLINE + 1);
        vm.expectRevert(abi.encodeWithSelector(MemberAccount.SignatureExpired.selector, DEADLINE));
        member.executeFor(adding(7), DEADLINE, signature);
        refused(adding(7), DEADLINE + 1, signature);
        vm.warp(DEADLINE);
        member.executeFor(adding(7), DEADLINE, signature);
    }

    function test_a_signature_counts_for_one_account() external {
        MemberAccount twin = created(KEY, oneRecoverer(), 1);
        bytes memory signature = assertion(KEY, executeDigest(twin, adding(7), 0, DEADLINE));
        refused(adding(7), DEADLINE, signature);
    }

    function oneRecoverer() private pure returns (address[] memory people) {
        people = new address[](1);
        people[0] = address(7);
    }

    function test_refuses_another_batch_and_another_key() external {
        bytes32 digest = executeDigest(member, adding(7), 0, DEADLINE);
        bytes memory signature = assertion(KEY, digest);
        refused(adding(8), DEADLINE, signature);
        refused(one(address(counter), 1, adding(7)[0].data), DEADLINE, signature);
        refused(one(address(this), 0, adding(7)[0].data), DEADLINE, signature);
        refused(adding(7), DEADLINE, assertion(OTHER_KEY, digest));
        refused(adding(7), DEADLINE, "");
        refused(adding(7), DEADLINE, new bytes(192));
    }

    // --- what makes an assertion --------------------------------------------------------------

    function test_refuses_assertions_of_other_ceremonies() external {
        bytes32 digest = executeDigest(member, adding(7), 0, DEADLINE);
        Ceremony memory c = usual();
        c.kind = "webauthn.create";
        refused(adding(7), DEADLINE, assertionOf(KEY, digest, c));
        c = usual();
        c.flags = PRESENT;
        refused(adding(7), DEADLINE, assertionOf(KEY, digest, c));
        c.flags = 0x04;
        refused(adding(7), DEADLINE, assertionOf(KEY, digest, c));
        c.flags = PRESENT_AND_VERIFIED | 0x10; // backed up, yet not eligible for it
        refused(adding(7), DEADLINE, assertionOf(KEY, digest, c));
        c.flags = PRESENT_AND_VERIFIED | 0x18; // a passkey that its owner's devices share
        member.executeFor(adding(7), DEADLINE, assertionOf(KEY, digest, c));
    }

    function test_refuses_what_was_changed_after_signing() external {
        bytes32 digest = executeDigest(member, adding(7), 0, DEADLINE);
        bytes memory authenticatorData =
            abi.encodePacked(sha256("commons.example"), PRESENT_AND_VERIFIED, uint32(0));
        bytes memory client = clientData(digest, usual());
        (bytes32 r, bytes32 s) =
            passkeys.signP256(KEY, sha256(abi.encodePacked(authenticatorData, sha256(client))));
        s = lower(s);

        Ceremony memory elsewhere = usual();
        elsewhere.origin = "https://evil.example";
        bytes memory other = clientData(digest, elsewhere);
        refused(adding(7), DEADLINE, encoded(r, s, authenticatorData, other, 12));
        other = clientData(~digest, usual());
        refused(adding(7), DEADLINE, encoded(r, s, authenticatorData, other, 12));
        other = abi.encodePacked(sha256("evil.example"), PRESENT_AND_VERIFIED, uint32(0));
        refused(adding(7), DEADLINE, encoded(r, s, other, client, 12));
        other = abi.encodePacked(sha256("commons.example"), PRESENT_AND_VERIFIED, uint32(1));
        refused(adding(7), DEADLINE, encoded(r, s, other, client, 12));
        other = abi.encodePacked(sha256("commons.example"), PRESENT_AND_VERIFIED);
        refused(adding(7), DEADLINE, encoded(r, s, other, client, 12));

        bytes32 high = bytes32(P256.N - uint256(s));
        refused(adding(7), DEADLINE, encoded(r, high, authenticatorData, client, 12));
        refused(adding(7), DEADLINE, encoded(s, r, authenticatorData, client, 12));
        refused(adding(7), DEADLINE, encoded(0, 0, authenticatorData, client, 12));
        refused(adding(7), DEADLINE, encoded(r, s, authenticatorData, client, 13));
        refused(adding(7), DEADLINE, abi.encode(r, s, 23, 2, authenticatorData, client));
        member.executeFor(adding(7), DEADLINE, encoded(r, s, authenticatorData, client, 12));
    }

    /// @dev Whatever bit is turned round, the signature has lost its force.
    function testFuzz_no_bit_of_an_assertion_may_change(uint256 seed) external {
        bytes32 digest = executeDigest(member, adding(7), 0, DEADLINE);
        bytes memory changed = assertion(KEY, digest);
        uint256 clientEnd = 320 + clientData(digest, usual()).length;
        uint256 bit = within(seed, 0, clientEnd * 8 - 1);
        if (bit / 8 >= 224 + 37 && bit / 8 < 288) return; // padding carries nothing
        changed[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        (bool done,) = address(member)
            .call(abi.encodeCall(MemberAccount.executeFor, (adding(7), DEADLINE, changed)));
        vm.assertTrue(!done, "accepted");
        vm.assertEq(counter.count(), 0, "nothing happened");
    }

    // --- re-entering, and other ways in ---------------------------------------------------------

    function test_batches_do_not_interleave() external {
        Reentrant evil = new Reentrant(member);
        Call[] memory first = one(address(evil), 0, abi.encodeCall(Reentrant.poke, ()));
        bytes memory second = assertion(KEY, executeDigest(member, adding(7), 1, DEADLINE));
        evil.arm(abi.encodeCall(MemberAccount.executeFor, (adding(7), DEADLINE, second)));
        bytes memory signature = assertion(KEY, executeDigest(member, first, 0, DEADLINE));
        vm.expectRevert(
            abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector)
        );
        member.executeFor(first, DEADLINE, signature);
    }

    function test_standard_batches_are_the_accounts_own() external {
        bytes32 mode = bytes32(bytes1(0x01));
        bytes memory batch = abi.encode(adding(7));
        vm.assertTrue(member.supportsExecutionMode(mode), "ERC-7821");
        vm.expectRevert(abi.encodeWithSelector(Account.AccountUnauthorized.selector, address(this)));
        member.execute(mode, batch);
        execute(member, KEY, one(address(member), 0, abi.encodeCall(member.execute, (mode, batch))));
        vm.assertEq(counter.count(), 7, "by itself");
        vm.prank(address(member.entryPoint()));
        member.execute(mode, batch);
        vm.assertEq(counter.count(), 14, "by ERC-4337's entry point");
    }

    function test_the_entry_point_asks_for_the_passkeys_signature() external {
        PackedUserOperation memory operation;
        bytes32 hash = keccak256("operation");
        operation.sender = address(member);
        operation.signature = assertion(KEY, hash);
        vm.prank(address(member.entryPoint()));
        vm.assertEq(member.validateUserOp(operation, hash, 0), 0, "signed");
        vm.prank(address(member.entryPoint()));
        vm.assertEq(member.validateUserOp(operation, ~hash, 0), 1, "something else");
        vm.expectRevert(abi.encodeWithSelector(Account.AccountUnauthorized.selector, address(this)));
        member.validateUserOp(operation, hash, 0);
    }

    function test_a_raw_signature_is_no_word_to_applications() external view {
        bytes32 hash = keccak256("what an application asks");
        bytes4 no = 0xffffffff;
        vm.assertTrue(member.isValidSignature(hash, assertion(KEY, hash)) == no, "not nested");
        bytes32 personal = keccak256(abi.encode(keccak256("PersonalSign(bytes prefixed)"), hash));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", separatorOf(member), personal));
        bytes4 yes = IERC1271.isValidSignature.selector;
        vm.assertTrue(member.isValidSignature(hash, assertion(KEY, digest)) == yes, "nested");
        vm.assertTrue(member.isValidSignature(hash, assertion(OTHER_KEY, digest)) == no, "key");
    }
}
