// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CommonsToken} from "../../src/CommonsToken.sol";
import {Devices} from "../../src/Devices.sol";
import {Guardian} from "../../src/Guardian.sol";
import {Nodes} from "../../src/Nodes.sol";
import {Policy} from "../../src/Policy.sol";
import {Settlement} from "../../src/Settlement.sol";
import {Vault} from "../../src/Vault.sol";
import {TestEuro} from "../../src/test-assets/TestEuro.sol";
import {Allocation, AssetTotal, Parameter, Result, Tip} from "../../src/Types.sol";
import {Test} from "./Test.sol";

/// @notice A whole network but its government: `governance` stands for the timelock. Two gateways,
/// four verifiers. Numbers are primes where they can be, so that a mixed-up term shows.
abstract contract World is Test {
    uint64 internal constant GENESIS = 1_000_003;
    uint64 internal constant LENGTH = 907;
    uint64 internal constant GRACE = 61;
    uint64 internal constant CONFIRM = 127;
    uint64 internal constant HOLD = 307;
    uint64 internal constant HALT = 601;
    uint64 internal constant EXIT_AFTER = 604_801;
    uint64 internal constant COOLDOWN = 302_443;
    uint64 internal constant TERM = 7_776_031;
    uint64 internal constant UNBONDING = 86_413;
    uint256 internal constant QUORUM_PPM = 666_667;
    uint256 internal constant BOND_MIN = 1_000e18;
    uint256 internal constant CAP = 1_000_000_007e18;
    uint256 internal constant EMISSION = 10_007e18;
    uint64 internal constant HALF_LIFE = 11;
    uint64 internal constant HALF_LIFE_MAX = 997;
    uint256 internal constant EURO_GROWTH = 10_000_019e6;
    uint256 internal constant TOKEN_GROWTH = 500_009e18;
    bytes32 internal constant RULES = keccak256("rules, first version");

    bytes32 internal constant LOG_A = bytes32(uint256(0xA));
    bytes32 internal constant LOG_B = bytes32(uint256(0xB));

    address internal immutable governance = named("governance");
    address internal immutable founder = named("founder");
    address internal immutable holder = named("guardian's holder");
    address internal immutable gatewayA = named("gateway A");
    address internal immutable gatewayB = named("gateway B");
    address internal immutable treasury = named("treasury");

    Policy internal policy;
    CommonsToken internal token;
    Devices internal devices;
    Nodes internal nodes;
    Vault internal vault;
    Settlement internal settlement;
    Guardian internal guardian;
    TestEuro internal euro;
    address[] internal verifiers;

    /// @dev Deploys as a real deployer does: by predicted addresses.
    function deploy() internal {
        vm.warp(GENESIS - 500);
        euro = new TestEuro(address(this));
        uint64 nonce = vm.getNonce(address(this));
        address vaultAt = vm.computeCreateAddress(address(this), nonce + 4);
        address settlementAt = vm.computeCreateAddress(address(this), nonce + 5);
        address guardianAt = vm.computeCreateAddress(address(this), nonce + 6);
        policy = new Policy(governance, founder, parameters(), GENESIS, LENGTH);
        token = createToken(vaultAt, vm.computeCreateAddress(address(this), nonce + 3));
        devices = new Devices(governance, founder, GENESIS);
        nodes = new Nodes(address(token), address(policy));
        address[] memory assets = new address[](1);
        assets[0] = address(euro);
        vault = new Vault(address(token), address(policy), settlementAt, assets);
        settlement = new Settlement(config(guardianAt));
        guardian = new Guardian(
            governance,
            founder,
            GENESIS,
            settlementAt,
            address(policy),
            holder,
            uint64(block.timestamp) + TERM
        );
        vm.assertEq(address(vault), vaultAt, "vault address");
        vm.assertEq(address(settlement), settlementAt, "settlement address");
        vm.assertEq(address(guardian), guardianAt, "guardian address");
    }

    /// @dev A token of the network's policy, minted by `vaultAt`, bonded in `nodesAt`.
    function createToken(address vaultAt, address nodesAt) internal returns (CommonsToken) {
        CommonsToken.Wiring memory wiring = CommonsToken.Wiring({
            minter: vaultAt, bonds: nodesAt, treasury: treasury, policy: address(policy)
        });
        return new CommonsToken("Commons", "CMN", allocations(), wiring, CAP, EMISSION);
    }

    /// @dev Two gateways; four verifiers with stakes of which any three are a quorum, no two.
    function populate() internal {
        register(gatewayA, LOG_A);
        register(gatewayB, LOG_B);
        uint256[4] memory bonds = [uint256(1_009e18), 1_013e18, 1_019e18, 1_021e18];
        for (uint256 i = 0; i < bonds.length; ++i) {
            address verifier = named(string.concat("verifier ", string(abi.encodePacked(48 + i))));
            verifiers.push(verifier);
            vm.prank(treasury);
            token.transfer(verifier, bonds[i]);
            bondAs(verifier, bonds[i]);
            vm.prank(verifier);
            nodes.registerVerifier("verifier", "https://verifier.example");
        }
    }

    function register(address operator, bytes32 logId) internal {
        vm.prank(operator);
        nodes.registerGateway(
            "gateway", "origin", "https://gateway.example", logId, new bytes(32), new bytes(64)
        );
    }

    function bondAs(address operator, uint256 amount) internal {
        vm.prank(operator);
        token.approve(address(nodes), amount);
        vm.prank(operator);
        nodes.bond(amount);
    }

    function depositAs(address account, uint256 amount) internal {
        euro.mint(account, amount);
        vm.prank(account);
        euro.approve(address(vault), amount);
        vm.prank(account);
        vault.deposit(address(euro), amount);
    }

    // --- epochs ------------------------------------------------------------------------------

    function endOf(uint64 epoch) internal pure returns (uint64) {
        return GENESIS + (epoch + 1) * LENGTH;
    }

    function anchorAs(address operator, bytes32 logId, uint64 size) internal returns (Tip memory) {
        bytes32 root = rootOf(logId, size);
        vm.prank(operator);
        settlement.anchor(logId, size, root);
        return Tip({logId: logId, size: size, root: root});
    }

    /// @dev Stands in for a log's root.
    function rootOf(bytes32 logId, uint64 size) internal pure returns (bytes32) {
        return keccak256(abi.encode(logId, size));
    }

    function warpToConfirm(uint64 epoch) internal {
        vm.warp(endOf(epoch) + GRACE);
    }

    function warpToDeadline(uint64 epoch) internal {
        vm.warp(endOf(epoch) + GRACE + CONFIRM);
    }

    /// @dev Closes an epoch that nobody confirmed anything for.
    function closeEmpty(uint64 epoch) internal {
        warpToDeadline(epoch);
        settlement.close(epoch);
    }

    /// @dev A result that the chain accepts for `epoch`, with the totals given.
    function resultFor(uint64 epoch, bytes32 root, uint256 minted, AssetTotal[] memory totals)
        internal
        view
        returns (Result memory)
    {
        return Result({
            previousDigest: epoch == 0 ? bytes32(0) : settlement.digestOf(epoch - 1),
            evidenceHash: settlement.evidenceHashOf(epoch),
            factsHash: keccak256(abi.encode("facts", epoch)),
            policyHash: policy.hashAt(epoch),
            rulesHash: RULES,
            resultHash: keccak256(abi.encode("result", epoch)),
            stateHash: keccak256(abi.encode("state", epoch)),
            payoutRoot: root,
            mintedWei: minted,
            totals: totals
        });
    }

    function attestAs(uint256 verifier, uint64 epoch, Result memory result) internal {
        vm.prank(verifiers[verifier]);
        settlement.attest(epoch, result);
    }

    /// @dev Three of the four verifiers attest, which is just a quorum; then somebody finalises.
    function agree(uint64 epoch, Result memory result) internal {
        for (uint256 i = 0; i < 3; ++i) {
            attestAs(i, epoch, result);
        }
        settlement.finalise(epoch, result);
    }

    // --- deployment arguments ----------------------------------------------------------------

    function config(address guardianAt) internal view returns (Settlement.Config memory) {
        return Settlement.Config({
            token: address(token),
            devices: address(devices),
            nodes: address(nodes),
            vault: address(vault),
            policy: address(policy),
            guardian: guardianAt,
            genesisTime: GENESIS,
            epochLength: LENGTH,
            manifestHash: keccak256("manifest")
        });
    }

    function allocations() internal view returns (Allocation[] memory list) {
        list = new Allocation[](1);
        list[0] = Allocation({account: treasury, amount: 100_003e18});
    }

    function parameters() internal pure returns (Parameter[] memory list) {
        list = new Parameter[](18);
        list[0] = duration("grace_s", GRACE, 0, 299_000);
        list[1] = duration("confirm_s", CONFIRM, 1, 300_000);
        list[2] = duration("hold_s", HOLD, 0, 300_000);
        list[3] = duration("halt_s", HALT, 0, 300_000);
        list[4] = duration("exit_after_s", EXIT_AFTER, 600_000, 31_536_000);
        list[5] = duration("unbonding_s", UNBONDING, 86_400, 31_536_000);
        list[6] = Parameter("quorum_ppm", int256(QUORUM_PPM), 500_001, 1_000_000);
        list[7] = Parameter("verifier_bond_min", int256(BOND_MIN), 0, 1e27);
        list[8] = Parameter("rules", int256(uint256(RULES)), type(int256).min, type(int256).max);
        list[9] = Parameter("half_life_epochs", int256(uint256(HALF_LIFE)), 1, int64(HALF_LIFE_MAX));
        list[10] = Parameter("currency_growth_max", int256(EURO_GROWTH), 1, 1e30);
        list[11] = Parameter("token_growth_max_wei", int256(TOKEN_GROWTH), 1e18, 1e30);
        list[12] = duration("guardian_cooldown_s", COOLDOWN, 300_001, 31_536_000);
        list[13] = duration("voting_delay_s", 3_607, 0, 1_209_600);
        list[14] = duration("voting_period_s", 7_211, 3_600, 2_592_000);
        list[15] = duration("timelock_delay_s", 3_613, 3_600, 2_592_000);
        list[16] = Parameter("proposal_threshold_ppm", 1_009, 0, 100_000);
        list[17] = Parameter("vote_quorum_ppm", 100_003, 10_000, 500_000);
    }

    /// @dev Position of a parameter in a list.
    function placeOf(Parameter[] memory list, bytes32 key) internal pure returns (uint256 place) {
        while (list[place].key != key) ++place; // out of bounds where it is missing
    }

    function duration(bytes32 key, uint64 value, int256 min, int256 max)
        internal
        pure
        returns (Parameter memory)
    {
        return Parameter({key: key, value: int256(uint256(value)), min: min, max: max});
    }
}
