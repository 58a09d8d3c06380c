// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import {CommonsGovernor} from "../src/CommonsGovernor.sol";
import {CommonsTimelock} from "../src/CommonsTimelock.sol";
import {CommonsToken} from "../src/CommonsToken.sol";
import {Membership} from "../src/Membership.sol";
import {Policy} from "../src/Policy.sol";
import {Allocation, Parameter} from "../src/Types.sol";
import {Test} from "./kit/Test.sol";

/// @notice Cheat codes that only the tests of the government use.
interface GovernmentVm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
    function deal(address account, uint256 balance) external;
    /// @dev Unlike `block.timestamp`, never remembered by an optimiser from before a warp.
    function getBlockTimestamp() external view returns (uint256);
}

/// @notice Anything that governance might call: it remembers who called.
contract Thing {
    address public lastCaller;
    uint256 public calls;

    function touch() external payable {
        lastCaller = msg.sender;
        ++calls;
    }

    receive() external payable {}
}

/// @notice A network's government: policy, timelock, governor and who votes. Numbers are primes, so
/// that a mixed-up term shows.
abstract contract GovernmentWorld is Test {
    uint64 internal constant GENESIS = 1_000_003;
    uint64 internal constant LENGTH = 86_413;
    uint256 internal constant VOTING_DELAY = 3_607;
    uint256 internal constant VOTING_PERIOD = 10_007;
    uint256 internal constant THRESHOLD_PPM = 1_009;
    uint256 internal constant QUORUM_PPM = 300_007;
    uint256 internal constant TIMELOCK_DELAY = 7_213;
    uint256 internal constant EXIT_AFTER = 1_296_011;
    uint256 internal constant REPLACEMENT_DELAY = EXIT_AFTER + TIMELOCK_DELAY;
    uint256 internal constant LIFE = 30 days;
    uint256 internal constant RESERVE = 2 ** 129;
    bytes32 internal constant FEE = "energy.fee_ppm";

    uint8 internal constant AGAINST = 0;
    uint8 internal constant FOR = 1;
    uint8 internal constant ABSTAIN = 2;

    uint256 internal constant ANN_KEY = 0xA11;
    uint256 internal constant BOB_KEY = 0xB0B;
    uint256 internal constant CLEO_KEY = 0xC1E0;

    GovernmentVm internal constant gvm = GovernmentVm(address(vm));

    address internal immutable founder = named("founder");
    address internal immutable stranger = named("stranger");
    address internal immutable ann = vm.addr(ANN_KEY);
    address internal immutable bob = vm.addr(BOB_KEY);
    address internal immutable cleo = vm.addr(CLEO_KEY);

    Policy internal policy;
    CommonsTimelock internal timelock;
    CommonsGovernor internal governor;
    CommonsToken internal token;
    Membership internal membership;
    Thing internal thing;

    /// @dev A proposal before anybody made it.
    struct Plan {
        address[] targets;
        uint256[] values;
        bytes[] calldatas;
        string description;
    }

    // --- deployment --------------------------------------------------------------------------

    /// @dev Ann, Bob and Cleo hold 503, 307 and 191 of 1,001 votes; the treasury holds RESERVE.
    function deployToken() internal {
        deployPolicy();
        address timelockAt = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        Allocation[] memory list = new Allocation[](4);
        list[0] = Allocation({account: ann, amount: 503});
        list[1] = Allocation({account: bob, amount: 307});
        list[2] = Allocation({account: cleo, amount: 191});
        list[3] = Allocation({account: timelockAt, amount: RESERVE});
        CommonsToken.Wiring memory wiring = CommonsToken.Wiring({
            minter: named("vault"),
            bonds: named("nodes"),
            treasury: timelockAt,
            policy: address(policy)
        });
        token = new CommonsToken("Commons", "CMN", list, wiring, 1_001 + RESERVE, 0);
        deployGovernment(IVotes(address(token)));
    }

    /// @dev Ann, Bob and Cleo have one vote each.
    function deployMembership() internal {
        deployPolicy();
        address[] memory members = new address[](3);
        (members[0], members[1], members[2]) = (ann, bob, cleo);
        address timelockAt = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        membership = new Membership(timelockAt, founder, GENESIS, members);
        deployGovernment(IVotes(address(membership)));
    }

    function deployPolicy() private {
        vm.warp(GENESIS - 500);
        // Policy, votes, timelock: the deployer's next three contracts.
        address timelockAt = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 2);
        policy = new Policy(timelockAt, founder, parameters(), GENESIS, LENGTH);
    }

    function deployGovernment(IVotes votes) private {
        address governorAt = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        timelock = new CommonsTimelock(governorAt, policy);
        governor = new CommonsGovernor(votes, timelock, policy);
        vm.assertEq(address(governor), governorAt, "governor address");
        vm.assertEq(policy.owner(), address(timelock), "timelock address");
        thing = new Thing();
        vm.warp(GENESIS + 3 * LENGTH + 7);
    }

    function parameters() internal pure returns (Parameter[] memory list) {
        list = new Parameter[](10);
        list[0] = Parameter("voting_delay_s", int256(VOTING_DELAY), 0, 1_209_600);
        list[1] = Parameter("voting_period_s", int256(VOTING_PERIOD), 3_600, 2_592_000);
        list[2] = Parameter("proposal_threshold_ppm", int256(THRESHOLD_PPM), 0, 100_000);
        list[3] = Parameter("vote_quorum_ppm", int256(QUORUM_PPM), 10_000, 500_000);
        list[4] = Parameter("timelock_delay_s", int256(TIMELOCK_DELAY), 3_600, 2_592_000);
        list[5] = Parameter("exit_after_s", int256(EXIT_AFTER), 1_296_000, 31_536_000);
        list[6] = Parameter("half_life_epochs", 730, 1, 1_000_000);
        list[7] = Parameter("halt_s", 601, 0, 604_800);
        list[8] = Parameter("guardian_cooldown_s", 691_211, 691_200, 31_536_000);
        list[9] = Parameter(FEE, 17, 0, 1_000_000);
    }

    /// @dev New votes: what the treasury holds has none until it leaves.
    function grant(address to, uint256 amount) internal {
        vm.prank(address(timelock));
        token.transfer(to, amount);
    }

    /// @dev A change of policy that was voted, in force from the next epoch on.
    function setPolicy(bytes32 key, int256 value) internal {
        vm.prank(address(timelock));
        policy.set(key, value);
    }

    /// @dev Another government under the same policy.
    function governorOver(IVotes votes) internal returns (CommonsGovernor) {
        address at_ = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        CommonsTimelock another = new CommonsTimelock(at_, policy);
        return new CommonsGovernor(votes, another, policy);
    }

    // --- proposals ---------------------------------------------------------------------------

    function plan(address target, bytes memory data, string memory description)
        internal
        pure
        returns (Plan memory p)
    {
        p.targets = new address[](1);
        p.values = new uint256[](1);
        p.calldatas = new bytes[](1);
        p.targets[0] = target;
        p.calldatas[0] = data;
        p.description = description;
    }

    /// @dev What `p` does, and then one call more.
    function and(Plan memory p, address target, bytes memory data)
        internal
        pure
        returns (Plan memory q)
    {
        uint256 n = p.targets.length;
        q.targets = new address[](n + 1);
        q.values = new uint256[](n + 1);
        q.calldatas = new bytes[](n + 1);
        for (uint256 i = 0; i < n; ++i) {
            (q.targets[i], q.values[i], q.calldatas[i]) =
            (p.targets[i], p.values[i], p.calldatas[i]);
        }
        (q.targets[n], q.calldatas[n]) = (target, data);
        q.description = p.description;
    }

    function feePlan(int256 fee) internal view returns (Plan memory) {
        return plan(address(policy), abi.encodeCall(Policy.set, (FEE, fee)), "Change the fee");
    }

    function touchPlan() internal view returns (Plan memory) {
        return plan(address(thing), abi.encodeCall(Thing.touch, ()), "Touch the thing");
    }

    function hashOf(Plan memory p) internal pure returns (bytes32) {
        return keccak256(bytes(p.description));
    }

    function idOf(Plan memory p) internal view returns (uint256) {
        return governor.hashProposal(p.targets, p.values, p.calldatas, hashOf(p));
    }

    function operationOf(Plan memory p) internal view returns (bytes32) {
        bytes32 salt = bytes20(address(governor)) ^ hashOf(p);
        return timelock.hashOperationBatch(p.targets, p.values, p.calldatas, 0, salt);
    }

    function proposeAs(address who, Plan memory p) internal returns (uint256) {
        vm.prank(who);
        return governor.propose(p.targets, p.values, p.calldatas, p.description);
    }

    function voteAs(address who, uint256 id, uint8 support) internal {
        vm.prank(who);
        governor.castVote(id, support);
    }

    function warpToVote(uint256 id) internal {
        vm.warp(governor.proposalSnapshot(id) + 1);
    }

    function warpAfterVote(uint256 id) internal {
        vm.warp(governor.proposalDeadline(id) + 1);
    }

    /// @dev Proposed by Ann, voted for by Ann and Bob, its vote over.
    function succeed(Plan memory p) internal returns (uint256 id) {
        id = proposeAs(ann, p);
        warpToVote(id);
        voteAs(ann, id, FOR);
        voteAs(bob, id, FOR);
        warpAfterVote(id);
        requireState(id, IGovernor.ProposalState.Succeeded);
    }

    function queue(Plan memory p) internal {
        governor.queue(p.targets, p.values, p.calldatas, hashOf(p));
    }

    function execute(Plan memory p) internal {
        governor.execute(p.targets, p.values, p.calldatas, hashOf(p));
    }

    function executeAtTimelock(Plan memory p) internal {
        bytes32 salt = bytes20(address(governor)) ^ hashOf(p);
        timelock.executeBatch(p.targets, p.values, p.calldatas, 0, salt);
    }

    /// @dev Everything up to the second in which it can be carried out.
    function enact(Plan memory p) internal returns (uint256 id) {
        id = succeed(p);
        queue(p);
        vm.warp(governor.proposalEta(id));
    }

    function requireState(uint256 id, IGovernor.ProposalState expected) internal view {
        vm.assertEq(uint256(governor.state(id)), uint256(expected), "state");
    }

    function refusedIn(IGovernor.ProposalState now_, uint256 id, IGovernor.ProposalState needed)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(
            IGovernor.GovernorUnexpectedProposalState.selector,
            id,
            now_,
            bytes32(uint256(1) << uint8(needed))
        );
    }

    // --- signatures --------------------------------------------------------------------------

    function ballot(uint256 id, uint8 support, address voter, uint256 nonce)
        internal
        view
        returns (bytes32)
    {
        bytes memory message = abi.encode(governor.BALLOT_TYPEHASH(), id, support, voter, nonce);
        return typedData(separator(), message);
    }

    /// @dev EIP-712 domain of the governor, from its own description of it (ERC-5267).
    function separator() internal view returns (bytes32) {
        (, string memory name, string memory version, uint256 chainId, address verifier,,) =
            governor.eip712Domain();
        return keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256(bytes(name)),
                keccak256(bytes(version)),
                chainId,
                verifier
            )
        );
    }
}
