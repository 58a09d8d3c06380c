// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CommonsToken} from "../src/CommonsToken.sol";
import {EmissionSchedule} from "../src/EmissionSchedule.sol";
import {Policy} from "../src/Policy.sol";
import {Allocation, Parameter} from "../src/Types.sol";
import {Test} from "./kit/Test.sol";

/// @notice Supply: what is allocated, what an epoch may mint, and that it mints once.
contract CommonsTokenTest is Test {
    event EpochMinted(uint64 indexed epoch, address indexed to, uint256 amount);
    event ScheduleExtended(uint64 indexed fromEpoch, uint64 halfLife, uint256 halvings);

    uint64 private constant GENESIS = 1_000_003;
    uint64 private constant LENGTH = 101;
    uint256 private constant EMISSION = 1_000;
    uint64 private constant HALF_LIFE = 4;
    int256 private constant HALF_LIFE_MAX = 19;
    uint256 private constant CAP = 40_000;
    bytes32 private constant KEY = "half_life_epochs";

    address private immutable alice = named("alice");
    address private immutable treasury = named("treasury");
    address private immutable nodes = named("nodes");
    Policy private policy;
    CommonsToken private token;

    function setUp() external {
        vm.warp(GENESIS - 1);
        policy = policyOf(HALF_LIFE, 1, HALF_LIFE_MAX);
        token = create(1_499, EMISSION, CAP);
    }

    function policyOf(uint64 halfLife, int256 min, int256 max) private returns (Policy) {
        Parameter[] memory list = new Parameter[](1);
        list[0] = Parameter({key: KEY, value: int64(halfLife), min: min, max: max});
        return new Policy(address(this), address(0), list, GENESIS, LENGTH);
    }

    function create(uint256 allocated, uint256 emission, uint256 cap)
        private
        returns (CommonsToken)
    {
        return createFor(alice, allocated, emission, cap);
    }

    function createFor(address account, uint256 allocated, uint256 emission, uint256 cap)
        private
        returns (CommonsToken)
    {
        Allocation[] memory list = new Allocation[](1);
        list[0] = Allocation({account: account, amount: allocated});
        CommonsToken.Wiring memory wiring = CommonsToken.Wiring({
            minter: address(this), bonds: nodes, treasury: treasury, policy: address(policy)
        });
        return new CommonsToken("Commons", "CMN", list, wiring, cap, emission);
    }

    function warpTo(uint64 epoch) private {
        vm.warp(GENESIS + uint256(epoch) * LENGTH);
    }

    // --- the start ---------------------------------------------------------------------------

    function test_allocates_at_genesis() external view {
        vm.assertEq(token.balanceOf(alice), 1_499, "alice");
        vm.assertEq(token.totalSupply(), 1_499, "supply");
        vm.assertEq(token.segmentCount(), 0, "nothing of the schedule is fixed yet");
    }

    function test_clock_counts_seconds() external view {
        vm.assertEq(token.clock(), GENESIS - 1, "clock");
        vm.assertEq(keccak256(bytes(token.CLOCK_MODE())), keccak256("mode=timestamp"), "mode");
    }

    function test_permit_moves_the_nonce() external {
        uint256 key = 7919;
        address owner = vm.addr(key);
        bytes memory message = abi.encode(
            keccak256(
                "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
            ),
            owner,
            address(this),
            uint256(13),
            uint256(0),
            uint256(GENESIS)
        );
        bytes32 digest = typedData(token.DOMAIN_SEPARATOR(), message);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        token.permit(owner, address(this), 13, GENESIS, v, r, s);
        vm.assertEq(token.allowance(owner, address(this)), 13, "allowance");
        vm.assertEq(token.nonces(owner), 1, "nonce");
    }

    function test_refuses_a_cap_that_would_bind_later() external {
        // 1,499 allocated and 1,000 * (3 * (19 + 1) + 1) / 2 = 30,500 to come at most
        create(1_499, EMISSION, 31_999);
        vm.expectRevert(abi.encodeWithSelector(CommonsToken.CapExceeded.selector, 31_999, 31_998));
        create(1_499, EMISSION, 31_998);
    }

    function test_refuses_bounds_that_make_the_schedule_endless() external {
        policy = policyOf(4, 0, 19);
        vm.expectRevert(abi.encodeWithSelector(EmissionSchedule.UnsafeHalfLife.selector, 0, 19));
        create(1_499, EMISSION, CAP);
        policy = policyOf(4, 1, (1 << 32) + 1);
        vm.expectRevert(
            abi.encodeWithSelector(EmissionSchedule.UnsafeHalfLife.selector, 1, (1 << 32) + 1)
        );
        create(1_499, EMISSION, CAP);
        policy = policyOf(4, 1, 1 << 32);
        create(1_499, 1, CAP + (3 << 32));
    }

    function test_refuses_allocations_that_nobody_could_spend() external {
        vm.expectRevert(abi.encodeWithSelector(CommonsToken.UselessAllocation.selector, nodes));
        createFor(nodes, 1, EMISSION, CAP);
        vm.expectRevert(
            abi.encodeWithSelector(CommonsToken.UselessAllocation.selector, address(this))
        );
        createFor(address(this), 1, EMISSION, CAP);
    }

    // --- the schedule ------------------------------------------------------------------------

    function test_emission_halves_and_is_linear_between() external view {
        vm.assertEq(token.emissionOf(0), 1_000, "0");
        vm.assertEq(token.emissionOf(1), 875, "1");
        vm.assertEq(token.emissionOf(3), 625, "3");
        vm.assertEq(token.emissionOf(4), 500, "4");
        vm.assertEq(token.emissionOf(5), 437, "5: 437.5 rounded down");
        vm.assertEq(token.emissionOf(8), 250, "8");
        vm.assertEq(token.emissionOf(4 * 255), 0, "after 255 half-lives");
        vm.assertEq(token.emissionOf(type(uint64).max), 0, "for ever");
    }

    function test_a_vote_bends_the_curve_and_does_not_reset_it() external {
        warpTo(1);
        policy.set(KEY, 8); // from epoch 2 on, which stands at half of the first halving
        vm.assertEq(token.emissionOf(1), 875, "as before");
        vm.assertEq(token.emissionOf(2), 750, "the bend");
        vm.assertEq(token.emissionOf(3), 687, "5/8 passed: 687.5");
        vm.assertEq(token.emissionOf(6), 500, "the first halving, four epochs later");
        vm.assertEq(token.emissionOf(14), 250, "the second, eight later");
        warpTo(3);
        policy.set(KEY, 1);
        vm.assertEq(token.emissionOf(4), 625, "what epoch 3 was voted for still counts");
        vm.assertEq(token.emissionOf(5), 312, "a whole halving further");
        vm.assertEq(token.halvingsAt(5), (uint256(7) << 96) / 4, "7/4 halvings");
    }

    function test_until_genesis_the_first_half_life_may_change() external {
        token.extendSchedule();
        policy.set(KEY, 2);
        vm.assertEq(token.segmentCount(), 0, "not yet");
        vm.assertEq(token.emissionOf(1), 750, "but right");
        vm.warp(GENESIS);
        vm.expectEmit(address(token));
        emit ScheduleExtended(0, 2, 0);
        token.extendSchedule();
        token.extendSchedule(); // changes nothing
        vm.assertEq(token.segmentCount(), 1, "taken over once");
        vm.assertEq(token.segmentAt(0).halfLife, 2, "half-life");
    }

    function test_extends_by_bounded_steps() external {
        for (uint64 epoch = 0; epoch < 150; ++epoch) {
            warpTo(epoch);
            policy.set(KEY, int256(uint256(epoch % 2 + 18)));
        }
        uint256 expected = token.emissionOf(120);
        token.extendSchedule();
        vm.assertEq(token.segmentCount(), 64, "first step");
        token.extendSchedule();
        token.extendSchedule();
        vm.assertEq(token.segmentCount(), 150, "epoch 150 has not opened");
        vm.assertEq(token.emissionOf(120), expected, "the same, kept or not");
    }

    /// @dev The schedule as its definition reads: whole halvings, and the rest.
    function reference_(uint256 initial, uint256 halvings) private pure returns (uint256 started) {
        started = initial;
        for (; halvings >= 1 << 96; halvings -= 1 << 96) {
            started /= 2;
        }
        return started - (started * halvings + (1 << 97) - 1) / (1 << 97);
    }

    /// @dev Whatever is voted and whenever the schedule is taken over: emission is that of the
    /// loop, an opened epoch's never changes, it never grows, and all of it stays under the cap.
    function testFuzz_emission_follows_any_votes(uint256 seed, uint128 initial) external {
        uint256 cap = 1_499 + (uint256(initial) * 61 + 1) / 2;
        token = create(1_499, initial, cap);
        uint256 sum = 1_499;
        uint256 last = initial;
        uint256 halvings = 0; // one loop over all epochs, nothing kept and nothing looked up
        for (uint64 epoch = 0; epoch < 40; ++epoch) {
            warpTo(epoch);
            uint256 word = uint256(keccak256(abi.encode(seed, epoch)));
            uint256 emission = token.emissionOf(epoch);
            if (word % 3 == 0) policy.set(KEY, int256(within(word >> 8, 1, 19)));
            if ((word >> 128) % 3 == 0) token.extendSchedule();
            if ((word >> 144) % 4 == 0) policy.set(KEY, int256(within(word >> 152, 1, 19)));
            vm.assertEq(token.emissionOf(epoch), emission, "an opened epoch's emission changed");
            vm.assertEq(emission, reference_(initial, halvings), "not the reference's");
            halvings += (1 << 96) / uint256(policy.valueAt(KEY, epoch));
            vm.assertLe(emission, last, "grows");
            last = emission;
            if ((word >> 136) % 2 == 0 && emission > 0) token.mintEpoch(epoch, alice, emission);
            sum += emission;
            vm.assertLe(token.totalSupply(), sum, "more than the schedule");
        }
        for (uint64 epoch = 0; epoch < 40; ++epoch) {
            uint256 emission = token.emissionOf(epoch);
            if (token.mintedIn(epoch) == 0 && emission > 0) {
                token.mintEpoch(epoch, alice, emission); // late
            }
        }
        vm.assertEq(token.totalSupply(), sum, "exactly the schedule");
        vm.assertLe(sum, cap, "above the cap");
    }

    /// @dev The dearest vote there is: the longest half-life for ever.
    function testFuzz_whole_schedule_fits_under_the_cap(uint64 longest, uint64 initial) external {
        longest = uint64(within(longest, 1, 7));
        policy = policyOf(longest, 1, int64(longest));
        uint256 needed = (uint256(initial) * (3 * (uint256(longest) + 1) + 1) + 1) / 2;
        CommonsToken other = create(0, initial, needed);
        uint256 sum = 0;
        for (uint64 epoch = 0; epoch < 66 * longest; ++epoch) {
            sum += other.emissionOf(epoch);
        }
        vm.assertLe(sum, needed, "schedule above the cap");
        vm.assertEq(other.emissionOf(66 * longest), 0, "and it has an end");
    }

    // --- minting -----------------------------------------------------------------------------

    function test_mints_an_epoch_once() external {
        warpTo(1);
        vm.expectEmit(address(token));
        emit ScheduleExtended(0, HALF_LIFE, 0);
        vm.expectEmit(address(token));
        emit EpochMinted(1, alice, 875);
        token.mintEpoch(1, alice, 875);
        vm.assertEq(token.mintedIn(1), 875, "minted");
        vm.assertEq(token.totalSupply(), 1_499 + 875, "supply");
        vm.expectRevert(abi.encodeWithSelector(CommonsToken.AlreadyMinted.selector, 1, 875));
        token.mintEpoch(1, alice, 1);
    }

    function test_late_epochs_mint_what_they_could_have_once() external {
        warpTo(2);
        policy.set(KEY, 1); // from epoch 3 on
        warpTo(9);
        token.mintEpoch(8, alice, token.emissionOf(8));
        token.mintEpoch(2, alice, 750); // epochs 0, 1, 3 to 7 never mint
        vm.expectRevert(abi.encodeWithSelector(CommonsToken.AlreadyMinted.selector, 2, 750));
        token.mintEpoch(2, alice, 1);
        vm.assertEq(token.emissionOf(8), 19, "5.75 halvings: 31 * (1 - 0.375)");
        vm.assertEq(token.totalSupply(), 1_499 + 750 + 19, "nothing for who was not finalised");
    }

    function test_refuses_an_epoch_that_has_not_opened() external {
        vm.expectRevert(abi.encodeWithSelector(CommonsToken.EpochNotOpen.selector, 1));
        token.mintEpoch(1, alice, 1);
    }

    function test_refuses_anybody_but_the_minter() external {
        vm.expectRevert(abi.encodeWithSelector(CommonsToken.NotMinter.selector, alice));
        vm.prank(alice);
        token.mintEpoch(0, alice, 1);
    }

    function test_refuses_more_than_the_schedule() external {
        warpTo(1);
        vm.expectRevert(abi.encodeWithSelector(CommonsToken.EmissionExceeded.selector, 1, 876, 875));
        token.mintEpoch(1, alice, 876);
    }

    function test_refuses_to_mint_nothing() external {
        vm.expectRevert(abi.encodeWithSelector(CommonsToken.NothingToMint.selector, 5));
        token.mintEpoch(5, alice, 0);
    }
}
