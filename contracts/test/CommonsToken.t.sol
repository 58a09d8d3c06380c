// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CommonsToken} from "../src/CommonsToken.sol";
import {Allocation} from "../src/Types.sol";
import {Test} from "./kit/Test.sol";

contract CommonsTokenTest is Test {
    event EpochMinted(uint64 indexed epoch, address indexed to, uint256 amount);

    uint256 private constant EMISSION = 1_000;
    uint64 private constant HALF_LIFE = 4;
    uint256 private constant CAP = 8_000;

    address private immutable founder = named("founder");
    CommonsToken private token;

    function setUp() external {
        vm.warp(1_000_003);
        token = create(1_499, EMISSION, HALF_LIFE, CAP);
    }

    function create(uint256 allocated, uint256 emission, uint64 halfLife, uint256 cap)
        private
        returns (CommonsToken)
    {
        Allocation[] memory list = new Allocation[](1);
        list[0] = Allocation({account: founder, amount: allocated});
        return new CommonsToken("Commons", "CMN", list, address(this), cap, emission, halfLife);
    }

    function test_allocates_at_genesis() external view {
        vm.assertEq(token.balanceOf(founder), 1_499, "founder");
        vm.assertEq(token.totalSupply(), 1_499, "supply");
    }

    function test_clock_counts_seconds() external view {
        vm.assertEq(token.clock(), 1_000_003, "clock");
        vm.assertEq(keccak256(bytes(token.CLOCK_MODE())), keccak256("mode=timestamp"), "mode");
    }

    function test_votes_are_checkpointed_by_time() external {
        vm.prank(founder);
        token.delegate(founder);
        vm.warp(1_000_100);
        vm.prank(founder);
        token.transfer(address(this), 499);
        vm.warp(1_000_200);
        vm.assertEq(token.getPastVotes(founder, 1_000_050), 1_499, "before");
        vm.assertEq(token.getPastVotes(founder, 1_000_100), 1_000, "after");
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
            uint256(1_000_010)
        );
        bytes32 digest = typedData(token.DOMAIN_SEPARATOR(), message);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        token.permit(owner, address(this), 13, 1_000_010, v, r, s);
        vm.assertEq(token.allowance(owner, address(this)), 13, "allowance");
        vm.assertEq(token.nonces(owner), 1, "nonce");
    }

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

    function testFuzz_emission_never_grows(uint64 epoch, uint64 halfLife, uint128 initial)
        external
    {
        halfLife = uint64(within(halfLife, 1, 1e9));
        CommonsToken other = create(0, initial, halfLife, type(uint208).max);
        epoch = uint64(within(epoch, 0, 300 * uint256(halfLife)));
        vm.assertLe(other.emissionOf(epoch + 1), other.emissionOf(epoch), "grows");
        vm.assertLe(other.emissionOf(epoch), initial, "above the start");
    }

    function testFuzz_whole_schedule_fits_under_the_cap(uint64 halfLife, uint64 initial) external {
        halfLife = uint64(within(halfLife, 1, 19));
        uint256 needed = (uint256(initial) * (3 * uint256(halfLife) + 1) + 1) / 2;
        CommonsToken other = create(0, initial, halfLife, needed);
        uint256 sum = 0;
        for (uint64 epoch = 0; epoch < 65 * halfLife; ++epoch) {
            sum += other.emissionOf(epoch);
        }
        vm.assertLe(sum, needed, "schedule above the cap");
    }

    function test_mints_an_epoch_once() external {
        vm.expectEmit(address(token));
        emit EpochMinted(1, founder, 875);
        token.mintEpoch(1, founder, 875);
        vm.assertEq(token.mintedIn(1), 875, "minted");
        vm.assertEq(token.totalSupply(), 1_499 + 875, "supply");
        vm.expectRevert(abi.encodeWithSelector(CommonsToken.AlreadyMinted.selector, 1, 875));
        token.mintEpoch(1, founder, 1);
    }

    function test_refuses_anybody_but_the_minter() external {
        vm.expectRevert(abi.encodeWithSelector(CommonsToken.NotMinter.selector, founder));
        vm.prank(founder);
        token.mintEpoch(0, founder, 1);
    }

    function test_refuses_more_than_the_schedule() external {
        vm.expectRevert(abi.encodeWithSelector(CommonsToken.EmissionExceeded.selector, 1, 876, 875));
        token.mintEpoch(1, founder, 876);
    }

    function test_refuses_to_mint_nothing() external {
        vm.expectRevert(abi.encodeWithSelector(CommonsToken.NothingToMint.selector, 5));
        token.mintEpoch(5, founder, 0);
    }

    function test_refuses_a_cap_that_would_bind_later() external {
        // 1,499 allocated and 1,000 * (3 * 4 + 1) / 2 = 6,500 to come
        create(1_499, EMISSION, HALF_LIFE, 7_999);
        vm.expectRevert(abi.encodeWithSelector(CommonsToken.CapExceeded.selector, 7_999, 7_998));
        create(1_499, EMISSION, HALF_LIFE, 7_998);
    }

    function test_refuses_a_half_life_of_zero() external {
        vm.expectRevert(abi.encodeWithSelector(CommonsToken.ZeroHalfLife.selector));
        create(1_499, EMISSION, 0, CAP);
    }
}
