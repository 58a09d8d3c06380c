// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Settlement} from "../src/Settlement.sol";
import {AssetTotal, Range, Result, Tip} from "../src/Types.sol";
import {World} from "./kit/World.sol";

contract SettlementTest is World {
    event Anchored(bytes32 indexed logId, uint64 size, bytes32 root);
    event Confirmed(uint64 indexed epoch, address indexed verifier, Tip[] tips);
    event Closed(uint64 indexed epoch, bytes32 evidenceHash, Range[] ranges);
    event Attested(uint64 indexed epoch, address indexed verifier, bytes32 digest);
    event Finalised(uint64 indexed epoch, bytes32 digest, Result result);

    AssetTotal[] private none;

    function setUp() external {
        deploy();
        populate();
    }

    function tipsOf(Tip memory tip) private pure returns (Tip[] memory tips) {
        tips = new Tip[](1);
        tips[0] = tip;
    }

    function tipsOf(Tip memory first, Tip memory second) private pure returns (Tip[] memory tips) {
        tips = new Tip[](2);
        tips[0] = first;
        tips[1] = second;
    }

    function confirmAs(uint256 verifier, uint64 epoch, Tip[] memory tips) private {
        vm.prank(verifiers[verifier]);
        settlement.confirm(epoch, tips);
    }

    function expectClosed(uint64 epoch, Range[] memory ranges) private {
        vm.expectEmit(address(settlement));
        emit Closed(epoch, keccak256(abi.encode(epoch, ranges)), ranges);
    }

    function plainResult(uint64 epoch) private view returns (Result memory) {
        return resultFor(epoch, keccak256("root"), 0, none);
    }

    // --- anchor ------------------------------------------------------------------------------

    function test_anchors_grow() external {
        vm.expectEmit(address(settlement));
        emit Anchored(LOG_A, 7, rootOf(LOG_A, 7));
        anchorAs(gatewayA, LOG_A, 7);
        vm.assertEq(settlement.anchorOf(LOG_A, 7), rootOf(LOG_A, 7), "root");
        vm.assertEq(settlement.anchoredSize(LOG_A), 7, "size");
        vm.expectRevert(abi.encodeWithSelector(Settlement.AnchorNotLarger.selector, LOG_A, 7, 7));
        vm.prank(gatewayA);
        settlement.anchor(LOG_A, 7, keccak256("a fork"));
    }

    function test_refuses_other_peoples_logs_and_empty_roots() external {
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotGateway.selector, LOG_A, gatewayB));
        vm.prank(gatewayB);
        settlement.anchor(LOG_A, 1, rootOf(LOG_A, 1));
        vm.expectRevert(abi.encodeWithSelector(Settlement.ZeroRoot.selector, LOG_A, 1));
        vm.prank(gatewayA);
        settlement.anchor(LOG_A, 1, 0);
    }

    // --- confirm -----------------------------------------------------------------------------

    function test_confirms_in_the_window_only() external {
        Tip[] memory tips = tipsOf(anchorAs(gatewayA, LOG_A, 7));
        (uint256 opens, uint256 ends) = settlement.confirmWindow(0);
        vm.assertEq(opens, endOf(0) + GRACE, "opens");
        vm.assertEq(ends, endOf(0) + GRACE + CONFIRM, "ends");
        bytes memory refusal =
            abi.encodeWithSelector(Settlement.OutsideConfirmWindow.selector, 0, opens, ends);
        vm.warp(opens - 1);
        vm.expectRevert(refusal);
        confirmAs(0, 0, tips);
        vm.warp(opens);
        vm.expectEmit(address(settlement));
        emit Confirmed(0, verifiers[0], tips);
        confirmAs(0, 0, tips);
        vm.assertTrue(settlement.hasConfirmed(0, verifiers[0]), "confirmed");
        vm.warp(ends);
        vm.expectRevert(refusal);
        confirmAs(1, 0, tips);
    }

    function test_confirms_once() external {
        Tip[] memory tips = tipsOf(anchorAs(gatewayA, LOG_A, 7));
        warpToConfirm(0);
        confirmAs(0, 0, tips);
        vm.expectRevert(
            abi.encodeWithSelector(Settlement.AlreadyConfirmed.selector, 0, verifiers[0])
        );
        confirmAs(0, 0, tips);
    }

    function test_refuses_who_had_no_stake_at_the_end() external {
        address late = named("late");
        vm.prank(treasury);
        token.transfer(late, BOND_MIN);
        vm.warp(endOf(0));
        bondAs(late, BOND_MIN);
        vm.prank(late);
        nodes.registerVerifier("late", "");
        warpToConfirm(0);
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotVerifier.selector, late, 0));
        vm.prank(late);
        settlement.confirm(0, new Tip[](0));
        warpToConfirm(1);
        vm.prank(late);
        settlement.confirm(1, new Tip[](0));
    }

    function test_a_stake_that_leaves_after_the_end_still_counts_for_the_epoch() external {
        vm.warp(endOf(0));
        vm.prank(verifiers[0]);
        nodes.startUnbonding(1_009e18);
        warpToConfirm(0);
        confirmAs(0, 0, new Tip[](0));
        warpToConfirm(1);
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotVerifier.selector, verifiers[0], 1));
        confirmAs(0, 1, new Tip[](0));
    }

    function test_refuses_malformed_tips() external {
        Tip memory a = anchorAs(gatewayA, LOG_A, 7);
        Tip memory b = anchorAs(gatewayB, LOG_B, 11);
        warpToConfirm(0);
        vm.expectRevert(abi.encodeWithSelector(Settlement.TipsNotSorted.selector, LOG_A));
        confirmAs(0, 0, tipsOf(b, a));
        vm.expectRevert(abi.encodeWithSelector(Settlement.TipsNotSorted.selector, LOG_A));
        confirmAs(0, 0, tipsOf(a, a));
        a.root = keccak256("another root");
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotAnchored.selector, LOG_A, 7, a.root));
        confirmAs(0, 0, tipsOf(a));
        vm.expectRevert(
            abi.encodeWithSelector(Settlement.NotAnchored.selector, LOG_A, 8, bytes32(0))
        );
        confirmAs(0, 0, tipsOf(Tip(LOG_A, 8, 0)));
        vm.expectRevert(abi.encodeWithSelector(Settlement.TooManyTips.selector, 65, 64));
        confirmAs(0, 0, new Tip[](65));
    }

    // --- close -------------------------------------------------------------------------------

    function test_closes_what_a_quorum_holds() external {
        Tip memory a7 = anchorAs(gatewayA, LOG_A, 7);
        Tip memory b11 = anchorAs(gatewayB, LOG_B, 11);
        Tip memory a13 = anchorAs(gatewayA, LOG_A, 13);
        warpToConfirm(0);
        confirmAs(0, 0, tipsOf(a13, b11));
        confirmAs(1, 0, tipsOf(a7, b11));
        confirmAs(2, 0, tipsOf(a13));
        warpToDeadline(0);
        // A: three hold 7, two hold 13. B: two hold it, which is no quorum.
        Range[] memory ranges = new Range[](1);
        ranges[0] = Range({logId: LOG_A, from: 0, to: 7, root: rootOf(LOG_A, 7)});
        expectClosed(0, ranges);
        settlement.close(0);
        vm.assertEq(settlement.closedSize(LOG_A), 7, "A");
        vm.assertEq(settlement.closedSize(LOG_B), 0, "B rolls on");
        vm.assertEq(settlement.nextToClose(), 1, "next");
    }

    function test_ranges_are_adjacent_and_sorted() external {
        Tip memory a = anchorAs(gatewayA, LOG_A, 7);
        warpToConfirm(0);
        for (uint256 i = 0; i < 4; ++i) {
            confirmAs(i, 0, tipsOf(a));
        }
        warpToDeadline(0);
        settlement.close(0);
        Tip memory b = anchorAs(gatewayB, LOG_B, 11);
        a = anchorAs(gatewayA, LOG_A, 19);
        warpToConfirm(1);
        confirmAs(3, 1, tipsOf(b)); // B reaches the candidates first, A must still come first
        confirmAs(1, 1, tipsOf(a, b));
        confirmAs(0, 1, tipsOf(a, b));
        confirmAs(2, 1, tipsOf(a, b));
        warpToDeadline(1);
        Range[] memory ranges = new Range[](2);
        ranges[0] = Range({logId: LOG_A, from: 7, to: 19, root: rootOf(LOG_A, 19)});
        ranges[1] = Range({logId: LOG_B, from: 0, to: 11, root: rootOf(LOG_B, 11)});
        expectClosed(1, ranges);
        settlement.close(1);
    }

    function test_an_old_tip_adds_nothing() external {
        Tip memory a = anchorAs(gatewayA, LOG_A, 7);
        for (uint64 epoch = 0; epoch < 2; ++epoch) {
            warpToConfirm(epoch);
            for (uint256 i = 0; i < 4; ++i) {
                confirmAs(i, epoch, tipsOf(a));
            }
            warpToDeadline(epoch);
            if (epoch == 1) expectClosed(1, new Range[](0));
            settlement.close(epoch);
        }
    }

    function test_closes_empty_when_nobody_confirmed() external {
        anchorAs(gatewayA, LOG_A, 7);
        warpToDeadline(0);
        expectClosed(0, new Range[](0));
        settlement.close(0);
    }

    function test_closes_in_order_and_not_too_early() external {
        vm.expectRevert(abi.encodeWithSelector(Settlement.CloseOutOfOrder.selector, 1, 0));
        settlement.close(1);
        uint256 deadline = endOf(0) + GRACE + CONFIRM;
        vm.warp(deadline - 1);
        vm.expectRevert(abi.encodeWithSelector(Settlement.CloseTooEarly.selector, 0, deadline));
        settlement.close(0);
        vm.warp(deadline);
        settlement.close(0);
        vm.expectRevert(abi.encodeWithSelector(Settlement.CloseOutOfOrder.selector, 0, 1));
        settlement.close(0);
    }

    /// @dev Against counting by hand: the largest size whose holders are a quorum.
    function testFuzz_close_finds_the_quorum_size(uint256 seed) external {
        Tip[] memory anchors = new Tip[](5);
        for (uint64 i = 0; i < 5; ++i) {
            anchors[i] = anchorAs(gatewayA, LOG_A, 3 * i + 2);
        }
        warpToConfirm(0);
        uint64[4] memory held;
        for (uint256 v = 0; v < 4; ++v) {
            uint256 choice = (seed >> (8 * v)) % 6; // 5: does not confirm
            if (choice == 5) continue;
            held[v] = anchors[choice].size;
            confirmAs(v, 0, tipsOf(anchors[choice]));
        }
        uint64 expected = 0;
        for (uint256 i = 0; i < 5; ++i) {
            uint256 stake = 0;
            for (uint256 v = 0; v < 4; ++v) {
                if (held[v] >= anchors[i].size) stake += nodes.bondOf(verifiers[v]);
            }
            if (stake * 1e6 >= QUORUM_PPM * nodes.totalStake()) expected = anchors[i].size;
        }
        warpToDeadline(0);
        settlement.close(0);
        vm.assertEq(settlement.closedSize(LOG_A), expected, "size");
    }

    // --- attest and finalise -----------------------------------------------------------------

    function test_a_quorum_finalises() external {
        closeEmpty(0);
        Result memory result = plainResult(0);
        bytes32 digest = settlement.digestFor(0, result);
        vm.expectEmit(address(settlement));
        emit Attested(0, verifiers[0], digest);
        attestAs(0, 0, result);
        attestAs(1, 0, result);
        uint256 two = 1_009e18 + 1_013e18;
        uint256 total = two + 1_019e18 + 1_021e18;
        vm.expectRevert(abi.encodeWithSelector(Settlement.NoQuorum.selector, 0, digest, two, total));
        settlement.finalise(0, result);
        attestAs(2, 0, result);
        (uint256 stake, uint256 needed,) = settlement.supportOf(0, digest);
        vm.assertEq(stake, two + 1_019e18, "support");
        vm.assertEq(needed, (total * QUORUM_PPM + 999_999) / 1e6, "quorum, rounded up");
        vm.expectEmit(address(settlement));
        emit Finalised(0, digest, result);
        settlement.finalise(0, result);
        vm.assertEq(settlement.digestOf(0), digest, "digest");
        vm.assertEq(settlement.attestationOf(0, verifiers[0]), digest, "attestation");
        vm.assertEq(settlement.nextToFinalise(), 1, "next");
        (uint64 holdEnds, bool halted) = settlement.holdOf(0);
        vm.assertEq(holdEnds, block.timestamp + HOLD, "hold");
        vm.assertTrue(!halted, "not halted");
    }

    function test_digest_layout() external {
        closeEmpty(0);
        AssetTotal[] memory totals = new AssetTotal[](2);
        totals[0] = AssetTotal(address(0x11), 17, 19);
        totals[1] = AssetTotal(address(0x22), 23, 29);
        Result memory r = resultFor(0, keccak256("root"), 31, totals);
        bytes memory head = abi.encodePacked(
            settlement.networkId(), uint256(0), r.previousDigest, r.evidenceHash, r.factsHash
        );
        head = abi.encodePacked(head, r.policyHash, r.rulesHash, r.resultHash, r.stateHash);
        head = abi.encodePacked(head, r.payoutRoot, uint256(31), uint256(0x180), uint256(2));
        bytes memory tail = abi.encodePacked(uint256(0x11), uint256(17), uint256(19), uint256(0x22));
        tail = abi.encodePacked(tail, uint256(23), uint256(29));
        vm.assertEq(
            settlement.digestFor(0, r),
            keccak256(bytes.concat(head, tail)),
            "as docs/spec/digest.md"
        );
    }

    function test_attests_one_digest() external {
        closeEmpty(0);
        Result memory result = plainResult(0);
        bytes32 digest = settlement.digestFor(0, result);
        attestAs(0, 0, result);
        attestAs(0, 0, result); // a resent transaction does no harm and adds no stake
        (uint256 stake,,) = settlement.supportOf(0, digest);
        vm.assertEq(stake, 1_009e18, "counted once");
        result.stateHash = keccak256("another");
        vm.expectRevert(
            abi.encodeWithSelector(Settlement.AlreadyAttested.selector, 0, verifiers[0], digest)
        );
        attestAs(0, 0, result);
    }

    function test_refuses_wrong_inputs() external {
        closeEmpty(0);
        Result memory r = plainResult(0);
        bytes32 wrong = keccak256("wrong");
        r.previousDigest = wrong;
        vm.expectRevert(
            abi.encodeWithSelector(Settlement.WrongPreviousDigest.selector, wrong, bytes32(0))
        );
        attestAs(0, 0, r);
        r = plainResult(0);
        bytes32 right = r.evidenceHash;
        r.evidenceHash = wrong;
        vm.expectRevert(abi.encodeWithSelector(Settlement.WrongEvidenceHash.selector, wrong, right));
        attestAs(0, 0, r);
        r = plainResult(0);
        right = r.policyHash;
        r.policyHash = wrong;
        vm.expectRevert(abi.encodeWithSelector(Settlement.WrongPolicyHash.selector, wrong, right));
        attestAs(0, 0, r);
        r = plainResult(0);
        r.rulesHash = wrong;
        vm.expectRevert(abi.encodeWithSelector(Settlement.WrongRulesHash.selector, wrong, RULES));
        attestAs(0, 0, r);
    }

    function test_policy_and_rules_are_those_of_the_epoch() external {
        vm.warp(GENESIS);
        vm.prank(governance);
        policy.set("rules", 7);
        closeEmpty(0);
        agree(0, plainResult(0)); // still the old rules and the old hash
        closeEmpty(1);
        Result memory r = plainResult(1);
        vm.expectRevert(
            abi.encodeWithSelector(Settlement.WrongRulesHash.selector, RULES, bytes32(uint256(7)))
        );
        attestAs(0, 1, r);
        r.rulesHash = bytes32(uint256(7));
        agree(1, r);
        vm.assertEq(settlement.nextToFinalise(), 2, "both finalised");
    }

    function test_epochs_finalise_in_order_and_once() external {
        vm.warp(endOf(0));
        Result memory r = resultFor(0, 0, 0, none);
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotClosed.selector, 0));
        attestAs(0, 0, r);
        closeEmpty(0);
        closeEmpty(1);
        r = plainResult(1);
        bytes memory refusal = abi.encodeWithSelector(Settlement.PreviousNotFinalised.selector, 1);
        vm.expectRevert(refusal);
        attestAs(0, 1, r);
        vm.expectRevert(refusal);
        settlement.finalise(1, r);
        Result memory first = plainResult(0);
        agree(0, first);
        refusal = abi.encodeWithSelector(Settlement.AlreadyFinalised.selector, 0);
        vm.expectRevert(refusal);
        attestAs(3, 0, first);
        vm.expectRevert(refusal);
        settlement.finalise(0, first);
        r = plainResult(1);
        vm.assertEq(r.previousDigest, settlement.digestOf(0), "chained");
        agree(1, r);
    }

    function test_strangers_attest_nothing() external {
        closeEmpty(0);
        Result memory r = plainResult(0);
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotVerifier.selector, holder, 0));
        vm.prank(holder);
        settlement.attest(0, r);
    }

    function test_without_any_stake_nothing_finalises() external {
        vm.warp(GENESIS);
        for (uint256 i = 0; i < 4; ++i) {
            uint256 amount = nodes.bondOf(verifiers[i]);
            vm.prank(verifiers[i]);
            nodes.startUnbonding(amount);
        }
        closeEmpty(0);
        Result memory r = plainResult(0);
        bytes32 digest = settlement.digestFor(0, r);
        vm.expectRevert(abi.encodeWithSelector(Settlement.NoQuorum.selector, 0, digest, 0, 0));
        settlement.finalise(0, r);
    }

    /// @dev Three stakes of 1: two thirds are 666,666.67 ppm, which is less than 666,667.
    function test_the_quorum_rounds_up() external {
        vm.prank(governance);
        policy.set("verifier_bond_min", 1);
        for (uint256 i = 0; i < 4; ++i) {
            uint256 amount = nodes.bondOf(verifiers[i]);
            vm.prank(verifiers[i]);
            nodes.startUnbonding(i < 3 ? amount - 1 : amount);
        }
        closeEmpty(0);
        Result memory r = plainResult(0);
        attestAs(0, 0, r);
        attestAs(1, 0, r);
        bytes32 digest = settlement.digestFor(0, r);
        (, uint256 needed,) = settlement.supportOf(0, digest);
        vm.assertEq(needed, 3, "all three");
        vm.expectRevert(abi.encodeWithSelector(Settlement.NoQuorum.selector, 0, digest, 2, 3));
        settlement.finalise(0, r);
        attestAs(2, 0, r);
        settlement.finalise(0, r);
    }

    /// @dev Any set of attesters, for one of two results: only a quorum's result is final.
    function testFuzz_only_a_quorum_finalises(uint256 seed) external {
        closeEmpty(0);
        Result[2] memory results = [plainResult(0), plainResult(0)];
        results[1].stateHash = keccak256("another");
        uint256[2] memory stakes;
        for (uint256 v = 0; v < 4; ++v) {
            uint256 choice = (seed >> (8 * v)) % 3; // 2: does not attest
            if (choice == 2) continue;
            attestAs(v, 0, results[choice]);
            stakes[choice] += nodes.bondOf(verifiers[v]);
        }
        uint256 total = nodes.totalStake();
        for (uint256 i = 0; i < 2; ++i) {
            bytes32 digest = settlement.digestFor(0, results[i]);
            if (stakes[i] * 1e6 < QUORUM_PPM * total) {
                bytes memory refusal = abi.encodeWithSelector(
                    Settlement.NoQuorum.selector, 0, digest, stakes[i], stakes[i] == 0 ? 0 : total
                );
                vm.expectRevert(refusal);
                settlement.finalise(0, results[i]);
            } else {
                settlement.finalise(0, results[i]);
                vm.assertEq(settlement.digestOf(0), digest, "the quorum's");
                return;
            }
        }
        vm.assertEq(settlement.digestOf(0), 0, "none");
    }
}
