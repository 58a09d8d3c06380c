// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {CommonsGovernor} from "../src/CommonsGovernor.sol";
import {CommonsTimelock} from "../src/CommonsTimelock.sol";
import {NewDevice} from "../src/Devices.sol";
import {Call} from "../src/MemberAccount.sol";
import {MemberAccounts} from "../src/MemberAccounts.sol";
import {AssetTotal, Result, Tip} from "../src/Types.sol";
import {MemberAccountBench} from "./MemberAccountBench.sol";
import {PayoutTree} from "./kit/PayoutTree.sol";
import {World} from "./kit/World.sol";

/// @notice Cheat codes that measure.
interface GasVm {
    function snapshotGasLastCall(string calldata group, string calldata name)
        external
        returns (uint256 gasUsed);
    function snapshotValue(string calldata group, string calldata name, uint256 value) external;
    function snapshotState() external returns (uint256 id);
    function revertToState(uint256 id) external returns (bool success);
}

/// @notice Emits what a device's enrolment emits.
abstract contract EmitsEnrolled {
    event Enrolled(
        uint256 indexed id,
        address indexed owner,
        bytes32 indexed thumbprint,
        int8 alg,
        bytes publicKey,
        bytes32 resource,
        uint64 cell,
        address enroller
    );

    function emitEnrolled(uint256 firstId, bytes32 resource, NewDevice[] calldata devices)
        internal
    {
        for (uint256 i = 0; i < devices.length; ++i) {
            NewDevice calldata d = devices[i];
            emit Enrolled(
                firstId + i,
                msg.sender,
                d.thumbprint,
                d.alg,
                d.publicKey,
                resource,
                d.cell,
                msg.sender
            );
        }
    }
}

/// @notice What a batch costs whoever keeps the owners: calldata and events, not one word stored.
contract EventsOnly is EmitsEnrolled {
    event Transfer(address indexed from, address indexed to, uint256 indexed id);

    function enrolBatch(bytes32 resource, NewDevice[] calldata devices) external {
        for (uint256 i = 0; i < devices.length; ++i) {
            emit Transfer(address(0), msg.sender, 2 + i);
        }
        emitEnrolled(2, resource, devices);
    }
}

/// @notice The same batch with a storage word for every id, as a plain ERC-721 keeps them.
contract WordPerId is ERC721, EmitsEnrolled {
    uint256 private _lastId = 1;

    constructor() ERC721("", "") {}

    function enrolBatch(bytes32 resource, NewDevice[] calldata devices) external {
        uint256 first = _lastId + 1;
        _lastId += devices.length;
        for (uint256 i = 0; i < devices.length; ++i) {
            _mint(msg.sender, first + i);
        }
        emitEnrolled(first, resource, devices);
    }
}

/// @notice What things cost. Every measured call is a transaction of its own (`isolate`), so a number
/// is what its sender pays: 21,000, calldata, execution, less refunds. All numbers go to
/// snapshots/; with FORGE_SNAPSHOT_CHECK=true any other number fails. One group a contract: the
/// runner writes a group as soon as one contract is through.
/// @dev The state is that of a network under way: epoch 0 is finalised, counters and
/// totals are not zero; where the first time is dearer than the next, both are measured.
/// forge-config: default.isolate = true
contract GasTest is World {
    GasVm internal constant meter = GasVm(address(uint160(uint256(keccak256("hevm cheat code")))));
    string internal constant GROUP = "gas-network";
    uint256 internal constant CLAIM_TARGET = 80_000;
    /// @dev Siblings of a leaf among up to 32,768.
    uint256 internal constant DEPTH = 15;
    uint256 internal constant ANN_KEY = 7_919;

    address internal immutable ann = vm.addr(ANN_KEY);
    address internal immutable bob = named("bob");
    address internal immutable relayer = named("relayer");

    function setUp() external {
        deploy();
        populate();
        enrolAs(bob, 1);
        depositAs(bob, 1_000_003e6);
        uint64[2] memory sizes = [uint64(1_009), 2_003];
        settle(0, sizes, totals(101e6, 1_009e18), 1_009e18, keccak256("root of epoch 0"));
    }

    function measured(string memory name) internal returns (uint256) {
        return meter.snapshotGasLastCall(GROUP, name);
    }

    /// @dev The measure itself: a call that does nothing costs what a transaction costs.
    function test_a_transaction_is_counted_from_its_first_gas() external {
        (bool success,) = relayer.call("");
        vm.assertTrue(success, "call");
        vm.assertEq(measured("transaction"), 21_000, "an empty transaction");
    }

    // --- devices -----------------------------------------------------------------------------

    function test_enrolling_one() external {
        NewDevice memory d = batch(1)[0];
        vm.prank(ann);
        devices.enrol(d.thumbprint, d.alg, d.publicKey, "energy", d.cell);
        measured("enrol, first of an owner");
        vm.prank(ann);
        devices.enrol(d.thumbprint, d.alg, d.publicKey, "energy", d.cell);
        measured("enrol, next of an owner");
    }

    function test_enrolling_one_for_who_signed() external {
        NewDevice memory d = batch(1)[0];
        bytes memory message = abi.encode(
            devices.ENROL_TYPEHASH(),
            ann,
            d.thumbprint,
            d.alg,
            keccak256(d.publicKey),
            bytes32("energy"),
            d.cell,
            uint256(0),
            uint256(1e9)
        );
        bytes memory signature = signed(ANN_KEY, typedData(devices.DOMAIN_SEPARATOR(), message));
        enrolRelayed(d, signature);
        measured("enrolFor, first of an owner");
    }

    function enrolRelayed(NewDevice memory d, bytes memory signature) internal {
        vm.prank(relayer);
        devices.enrolFor(
            ann, d.thumbprint, d.alg, d.publicKey, "energy", d.cell, uint256(1e9), signature
        );
    }

    /// @dev The same hundred devices, for an owner who has none yet: ours, a word for every id, and
    /// nothing but calldata and events.
    function test_enrolling_a_hundred() external {
        NewDevice[] memory list = batch(100);
        vm.prank(ann);
        devices.enrolBatch("energy", list);
        uint256 ours = measured("enrolBatch of 100");
        WordPerId plain = new WordPerId();
        vm.prank(ann);
        plain.enrolBatch("energy", list);
        uint256 plainly = measured("enrolBatch of 100, a word for every id");
        EventsOnly bare = new EventsOnly();
        vm.prank(ann);
        bare.enrolBatch("energy", list);
        uint256 floor = measured("enrolBatch of 100, calldata and events only");
        uint256 data = calldataGas(abi.encodeCall(devices.enrolBatch, ("energy", list)));
        meter.snapshotValue(GROUP, "enrolBatch of 100, calldata", data);
        meter.snapshotValue(GROUP, "enrolBatch of 100, per device", ours / 100);
        vm.assertLe(ours - floor, 100_000, "storage of a batch: a few words, however many devices");
        vm.assertGe(plainly - ours, 95 * 20_000, "no word for every id");
    }

    function calldataGas(bytes memory data) internal pure returns (uint256 gas) {
        for (uint256 i = 0; i < data.length; ++i) {
            gas += data[i] == 0 ? 4 : 16;
        }
    }

    function test_enrolling_the_most() external {
        vm.prank(ann);
        devices.enrolBatch("energy", batch(256));
        uint256 gas = measured("enrolBatch of 256");
        meter.snapshotValue(GROUP, "enrolBatch of 256, per device", gas / 256);
    }

    // --- epochs ------------------------------------------------------------------------------

    /// @dev An epoch of two logs and four verifiers, each step as who pays for it sees it.
    function test_an_epoch() external {
        vm.prank(gatewayA);
        settlement.anchor(LOG_A, 3_001, rootOf(LOG_A, 3_001));
        measured("anchor");
        Tip[] memory tips = new Tip[](2);
        tips[0] = Tip({logId: LOG_A, size: 3_001, root: rootOf(LOG_A, 3_001)});
        tips[1] = anchorAs(gatewayB, LOG_B, 4_001);
        warpToConfirm(1);
        confirmAs(0, tips);
        measured("confirm 2 logs, first verifier");
        confirmAs(1, tips);
        measured("confirm 2 logs, next verifier");
        confirmAs(2, tips);
        measured("confirm 2 logs, verifier that makes the quorum");
        warpToDeadline(1);
        settlement.close(1);
        measured("close 2 logs");
        Result memory result = nextResult();
        attestAs(0, 1, result);
        measured("attest, first verifier");
        attestAs(1, 1, result);
        measured("attest, next verifier");
        attestAs(2, 1, result);
        settlement.finalise(1, result);
        measured("finalise");
    }

    /// @dev What settles ten devices and accounts settles a thousand: the chain sees one root and
    /// one total an asset.
    function test_finalising_does_not_depend_on_devices_and_accounts() external {
        uint256 before = meter.snapshotState();
        uint256 small = finaliseWith(10, "finalise, 10 devices and accounts");
        meter.revertToState(before);
        uint256 large = finaliseWith(1_000, "finalise, 1,000 devices and accounts");
        vm.assertEq(small, large, "finalise");
    }

    /// @dev Epoch 1 with `count` more devices, whose owners share what is earned.
    function finaliseWith(uint256 count, string memory name) internal returns (uint256) {
        for (uint256 left = count; left > 0;) {
            uint256 size = left < 250 ? left : 250;
            enrolAs(ann, size);
            left -= size;
        }
        uint64[2] memory sizes = [uint64(3_001), 4_001];
        confirmAndClose(1, sizes);
        PayoutTree.Leaf[] memory leaves = new PayoutTree.Leaf[](count);
        for (uint256 i = 0; i < count; ++i) {
            leaves[i] = PayoutTree.Leaf({
                asset: address(euro),
                account: address(uint160(uint256(keccak256(abi.encode("account", i))))),
                earned: 211e6 / count,
                spent: 211e6 / count
            });
        }
        bytes32 root = PayoutTree.root(leaves);
        requireNoZeroByte(root);
        Result memory result = resultFor(1, root, 2_003e18, totals(211e6, 2_003e18));
        agree(1, result);
        return measured(name);
    }

    /// @dev A zero byte costs less calldata: roots with and without are not to be compared.
    function requireNoZeroByte(bytes32 word) internal pure {
        for (uint256 i = 0; i < 32; ++i) {
            vm.assertTrue(word[i] != 0, "the root has a zero byte");
        }
    }

    // --- claims ------------------------------------------------------------------------------

    function test_claiming_currency() external {
        uint256 gas = claimTwice(address(euro), 1e6, "claim of currency");
        vm.assertLe(gas, CLAIM_TARGET, "claim of currency");
    }

    /// @dev Above the target: a claim of tokens is also written into the history of votes.
    function test_claiming_tokens() external {
        claimTwice(address(token), 1e18, "claim of tokens");
    }

    /// @dev Claims of an account that never deposited and owned nothing, after epoch 1 and after
    /// epoch 2, pushed by somebody else.
    function claimTwice(address asset, uint256 unit, string memory name)
        internal
        returns (uint256 next)
    {
        bytes32[] memory proof = siblings();
        claimAfter(1, asset, 53 * unit, proof, string.concat(name, ", first of an account"));
        return claimAfter(2, asset, 109 * unit, proof, string.concat(name, ", next of an account"));
    }

    function claimAfter(
        uint64 epoch,
        address asset,
        uint256 earned,
        bytes32[] memory proof,
        string memory name
    ) internal returns (uint256) {
        bytes32 root = rootFrom(
            PayoutTree.Leaf({asset: asset, account: ann, earned: earned, spent: 0}), proof
        );
        uint64[2] memory sizes = [2_001 + 1_000 * epoch, 3_001 + 1_000 * epoch];
        uint256 minted = 1_009e18 + 997e18 * epoch;
        settle(epoch, sizes, totals(101e6 + 109e6 * epoch, minted), minted, root);
        vm.prank(relayer);
        vault.claim(asset, ann, earned, 0, proof);
        return measured(name);
    }

    function siblings() internal pure returns (bytes32[] memory proof) {
        proof = new bytes32[](DEPTH);
        for (uint256 i = 0; i < DEPTH; ++i) {
            proof[i] = keccak256(abi.encode("sibling", i));
        }
    }

    /// @dev The root of a tree in which `leaf` has these siblings.
    function rootFrom(PayoutTree.Leaf memory leaf, bytes32[] memory proof)
        internal
        pure
        returns (bytes32 node)
    {
        node = PayoutTree.hash(leaf);
        for (uint256 i = 0; i < proof.length; ++i) {
            node = node < proof[i]
                ? keccak256(abi.encode(node, proof[i]))
                : keccak256(abi.encode(proof[i], node));
        }
    }

    // --- steps -------------------------------------------------------------------------------

    /// @dev A whole epoch, and the wait until its root can be claimed against.
    function settle(
        uint64 epoch,
        uint64[2] memory sizes,
        AssetTotal[] memory sums,
        uint256 minted,
        bytes32 root
    ) internal {
        confirmAndClose(epoch, sizes);
        agree(epoch, resultFor(epoch, root, minted, sums));
        vm.warp(block.timestamp + HOLD);
    }

    function confirmAndClose(uint64 epoch, uint64[2] memory sizes) internal {
        Tip[] memory tips = new Tip[](2);
        tips[0] = anchorAs(gatewayA, LOG_A, sizes[0]);
        tips[1] = anchorAs(gatewayB, LOG_B, sizes[1]);
        warpToConfirm(epoch);
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(verifiers[i]);
            settlement.confirm(epoch, tips);
        }
        warpToDeadline(epoch);
        settlement.close(epoch);
    }

    function confirmAs(uint256 verifier, Tip[] memory tips) internal {
        vm.prank(verifiers[verifier]);
        settlement.confirm(1, tips);
    }

    function nextResult() internal view returns (Result memory) {
        return resultFor(1, keccak256("root of epoch 1"), 2_003e18, totals(211e6, 2_003e18));
    }

    /// @dev Totals of currency and token, in the order of their addresses.
    function totals(uint256 currency, uint256 tokens)
        internal
        view
        returns (AssetTotal[] memory list)
    {
        list = new AssetTotal[](2);
        list[0] = AssetTotal(address(euro), currency, currency);
        list[1] = AssetTotal(address(token), tokens, 0);
        if (address(euro) > address(token)) (list[0], list[1]) = (list[1], list[0]);
    }

    function enrolAs(address owner, uint256 count) internal {
        vm.prank(owner);
        devices.enrolBatch("energy", batch(count));
    }

    /// @dev Ed25519 devices, of which no two are alike.
    function batch(uint256 count) internal pure returns (NewDevice[] memory list) {
        list = new NewDevice[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = NewDevice({
                thumbprint: keccak256(abi.encode("thumbprint", i)),
                alg: -8,
                publicKey: abi.encode(keccak256(abi.encode("key", i))),
                cell: 0x871fb4662ffffff
            });
        }
    }
}

/// @notice What taking part in a vote costs, measured in the same way.
/// forge-config: default.isolate = true
contract GasOfVotesTest is World, MemberAccountBench {
    GasVm internal constant meter = GasVm(address(uint160(uint256(keccak256("hevm cheat code")))));
    string internal constant GROUP = "gas-votes";
    uint256 internal constant ANN_KEY = 7_919;

    address internal immutable ann = vm.addr(ANN_KEY);
    address internal immutable relayer = named("relayer");
    CommonsGovernor internal governor;

    /// @dev Everybody who is going to be measured votes second: the first vote pays for the tally.
    function setUp() external {
        deploy();
        address governorAt = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        CommonsTimelock timelock = new CommonsTimelock(governorAt, policy);
        governor = new CommonsGovernor(
            IVotes(address(token)), TimelockController(payable(address(timelock))), policy
        );
        factory = new MemberAccounts();
        member = created(KEY, new address[](0), 0);
        fund(ann, 10_007e18);
        fund(address(member), 1_009e18);
        fund(relayer, 5_003e18);
        vm.warp(GENESIS + 1);
    }

    function fund(address account, uint256 amount) internal {
        vm.prank(treasury);
        token.transfer(account, amount);
    }

    function test_voting() external {
        uint256 id = proposed();
        vm.prank(relayer);
        governor.castVote(id, 1);
        meter.snapshotGasLastCall(GROUP, "castVote, the first one");
        vm.prank(ann);
        governor.castVote(id, 1);
        meter.snapshotGasLastCall(GROUP, "castVote");
    }

    function test_voting_by_signature() external {
        uint256 id = proposed();
        vm.prank(relayer);
        governor.castVote(id, 1);
        bytes memory message = abi.encode(governor.BALLOT_TYPEHASH(), id, uint8(1), ann, uint256(0));
        bytes32 separator = domain("Commonworks Governor", address(governor));
        bytes memory signature = signed(ANN_KEY, typedData(separator, message));
        vm.prank(relayer);
        governor.castVoteBySig(id, 1, ann, signature);
        meter.snapshotGasLastCall(GROUP, "castVoteBySig");
    }

    function test_voting_by_passkey() external {
        uint256 id = proposed();
        vm.prank(relayer);
        governor.castVote(id, 1);
        Call[] memory calls = one(address(governor), 0, abi.encodeCall(governor.castVote, (id, 1)));
        bytes memory signature = assertion(KEY, executeDigest(member, calls, 0, DEADLINE));
        vm.prank(relayer);
        member.executeFor(calls, DEADLINE, signature);
        meter.snapshotGasLastCall(GROUP, "castVote by a member account's passkey");
    }

    /// @dev A proposal under vote.
    function proposed() internal returns (uint256 id) {
        address[] memory targets = new address[](1);
        bytes[] memory data = new bytes[](1);
        targets[0] = address(policy);
        data[0] = abi.encodeCall(policy.set, ("confirm_s", 131));
        vm.prank(ann);
        id = governor.propose(targets, new uint256[](1), data, "Longer confirmations");
        vm.warp(governor.proposalSnapshot(id) + 1);
    }
}
