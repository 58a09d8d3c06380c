// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {
    GovernorTimelockControl
} from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IERC721Receiver} from "@openzeppelin/contracts/token/ERC721/IERC721Receiver.sol";
import {IERC1155Receiver} from "@openzeppelin/contracts/token/ERC1155/IERC1155Receiver.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Membership} from "../../src/Membership.sol";
import {Part} from "./GovernmentBooks.sol";
import {GovernmentChecks} from "./GovernmentChecks.sol";

/// @notice Plays a government at random: proposals of every kind, ballots in every form, queueing,
/// execution at the governor and at the timelock, members who delegate, founders, and people who try
/// what is not theirs. Before each call the books say whether it must work.
contract GovernmentHandler is GovernmentChecks {
    uint256 public executions;
    uint256 public ballots;
    uint256 public refusals;

    constructor() {
        deployMembership();
        vm.warp(GENESIS - 500);
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            keys.push(i == 0 ? ANN_KEY : i == 1 ? BOB_KEY : i == 2 ? CLEO_KEY : 0xD0 + i);
            accounts.push(vm.addr(keys[i]));
        }
        remember(7, 0x050403020100);
        vm.warp(GENESIS - 400);
        part = new Part(address(timelock));
    }

    // --- proposing ---------------------------------------------------------------------------

    function propose(uint256 seed) external {
        if (books.length == PLANS_MAX) return;
        (uint256 who,) = accountOf(seed);
        Kind kind = Kind(uint8(seed >> 8) % 10);
        if (kind == Kind.Stop && books.length == 0) kind = Kind.Replace;
        Book storage b = books.push();
        b.kind = kind;
        b.subject = (seed >> 16) % (kind == Kind.Stop ? books.length - 1 : ACCOUNTS);
        b.plan = planOf(books.length - 1, kind, b.subject, seed >> 32);
        Plan memory p = b.plan;
        (b.id, b.operation) = (idOf(p), operationOf(p));
        b.proposer = accounts[who];
        b.snapshot = block.timestamp + uint256(policy.value("voting_delay_s"));
        b.deadline = b.snapshot + uint256(policy.value("voting_period_s"));
        bool works = votesAt(who, block.timestamp - 1) >= 1;
        expect(
            accounts[who],
            address(governor),
            abi.encodeCall(IGovernor.propose, (p.targets, p.values, p.calldatas, p.description)),
            works
        );
        if (!works) books.pop();
    }

    function cancel(uint256 seed) external {
        if (books.length == 0) return;
        Book storage b = bookOf(seed);
        (, address who) = accountOf(seed);
        if (seed >> 255 == 1) who = b.proposer;
        bool works = stateOf(b) == IGovernor.ProposalState.Pending && who == b.proposer;
        expect(who, address(governor), callOn(IGovernor.cancel.selector, b.plan), works);
        if (works) b.cancelled = true;
    }

    // --- voting ------------------------------------------------------------------------------

    function castVote(uint256 seed, uint8 form) external {
        if (books.length == 0) return;
        uint256 index = (seed >> 64) % books.length;
        (uint256 who, address voter) = accountOf(seed);
        vote(index, who, voter, support(seed), form % 6);
    }

    /// @dev Some of those who have not voted yet are for it.
    function agree(uint256 seed) external {
        if (books.length == 0) return;
        uint256 index = (seed >> 64) % books.length;
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            if ((seed >> (16 + i)) & 1 == 1) vote(index, i, accounts[i], FOR, 0);
        }
    }

    /// @dev Forms 0 to 2 are the voter's own call, 3 and 4 signed and relayed, 5 signed by another.
    function vote(uint256 index, uint256 who, address voter, uint8 choice, uint256 form) private {
        Book storage b = books[index];
        bool works = stateOf(b) == IGovernor.ProposalState.Active && !voted[index][voter]
            && choice <= ABSTAIN && form != 5;
        address caller = form < 3 ? voter : stranger;
        expect(caller, address(governor), ballotOf(b.id, who, voter, choice, form), works);
        if (!works) return;
        voted[index][voter] = true;
        b.tally[choice] += votesAt(who, b.snapshot);
        ++ballots;
    }

    function ballotOf(uint256 id, uint256 who, address voter, uint8 choice, uint256 form)
        private
        view
        returns (bytes memory)
    {
        if (form == 0) return abi.encodeCall(IGovernor.castVote, (id, choice));
        if (form == 1) return abi.encodeCall(IGovernor.castVoteWithReason, (id, choice, "why"));
        if (form == 2) {
            return abi.encodeCall(IGovernor.castVoteWithReasonAndParams, (id, choice, "why", "how"));
        }
        uint256 nonce = governor.nonces(voter);
        if (form == 4) {
            bytes32 digest = typedData(
                separator(),
                abi.encode(
                    governor.EXTENDED_BALLOT_TYPEHASH(),
                    id,
                    choice,
                    voter,
                    nonce,
                    keccak256("why"),
                    keccak256("how")
                )
            );
            return abi.encodeCall(
                IGovernor.castVoteWithReasonAndParamsBySig,
                (id, choice, voter, "why", "how", signed(keys[who], digest))
            );
        }
        uint256 key = form == 5 ? keys[(who + 1) % ACCOUNTS] : keys[who];
        bytes memory signature = signed(key, ballot(id, choice, voter, nonce));
        return abi.encodeCall(IGovernor.castVoteBySig, (id, choice, voter, signature));
    }

    // --- queueing and executing --------------------------------------------------------------

    function queueUp(uint256 seed) external {
        if (books.length == 0) return;
        Book storage b = bookOf(seed);
        bool works = stateOf(b) == IGovernor.ProposalState.Succeeded;
        uint256 delay = dueDelay(b.kind);
        expect(stranger, address(governor), callOn(IGovernor.queue.selector, b.plan), works);
        if (works) (b.queuedAt, b.delay) = (block.timestamp, delay);
    }

    /// @dev At the governor, or past it directly at the timelock.
    function carryOut(uint256 seed) external {
        if (books.length == 0) return;
        uint256 index = (seed >> 64) % books.length;
        Book storage b = books[index];
        bool byGovernor = seed % 4 != 0;
        bool works = stateOf(b) == IGovernor.ProposalState.Queued && block.timestamp >= etaOf(b)
            && isFeasible(b, byGovernor);
        if (byGovernor) {
            expect(stranger, address(governor), callOn(IGovernor.execute.selector, b.plan), works);
        } else {
            expect(stranger, address(timelock), directly(b.plan), works);
        }
        if (!works) return;
        noteExecution(index);
        ++executions;
    }

    /// @dev Carries out a replacement that was scheduled by relay.
    function carryOutInner(uint256 seed) external {
        if (books.length == 0) return;
        uint256 index = (seed >> 64) % books.length;
        uint256 from = innerScheduledAt[index];
        bool works = from != 0 && innerExecutedAt[index] == 0;
        if (works) {
            bytes32 id = timelock.hashOperation(address(part), 0, innerOf(index), 0, salt(index));
            uint256 readyAt = timelock.getTimestamp(id);
            require(readyAt >= from + dueDelay(Kind.Replace), "the longer delay");
            works = block.timestamp >= readyAt && block.timestamp < readyAt + LIFE;
        }
        bytes memory data = abi.encodeCall(
            TimelockController.execute, (address(part), 0, innerOf(index), 0, salt(index))
        );
        expect(stranger, address(timelock), data, works);
        if (!works) return;
        innerExecutedAt[index] = block.timestamp;
        ++replacements;
    }

    /// @dev One proposal's whole way, as far as the books allow it.
    function pass(uint256 seed) external {
        if (books.length == 0) return;
        Book storage b = bookOf(seed);
        if (block.timestamp <= b.snapshot) vm.warp(b.snapshot + 1);
        this.agree(seed);
        if (block.timestamp <= b.deadline) vm.warp(b.deadline + 1);
        this.queueUp(seed);
        uint256 eta = etaOf(b);
        if (eta > block.timestamp) vm.warp(eta - seed % 2);
        this.carryOut(seed);
    }

    /// @dev A parameter changes while other decisions wait, as if a vote on it had just come through.
    function changePolicy(uint256 seed) external {
        expect(address(timelock), address(policy), parameterCall(seed), true);
    }

    // --- members -----------------------------------------------------------------------------

    function delegate(uint256 seed, bool bySignature) external {
        (uint256 who, address account) = accountOf(seed);
        uint256 to = (seed >> 8) % (ACCOUNTS + 1);
        address delegatee = to == ACCOUNTS ? address(0) : accounts[to];
        if (bySignature) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[who], delegation(account, delegatee));
            uint256 nonce = membership.nonces(account);
            bytes memory data =
                abi.encodeCall(IVotes.delegateBySig, (delegatee, nonce, block.timestamp, v, r, s));
            expect(stranger, address(membership), data, true);
            expect(stranger, address(membership), data, false);
        } else {
            expect(account, address(membership), abi.encodeCall(IVotes.delegate, delegatee), true);
        }
        noteDelegation(who, to == ACCOUNTS ? who : to);
    }

    function delegation(address account, address to) private view returns (bytes32) {
        bytes32 kind = keccak256("Delegation(address delegatee,uint256 nonce,uint256 expiry)");
        bytes memory message = abi.encode(kind, to, membership.nonces(account), block.timestamp);
        bytes32 domain = domainOf("Commonworks Membership", address(membership));
        return typedData(domain, message);
    }

    function domainOf(bytes memory name, address verifier) private view returns (bytes32) {
        bytes32 kind = keccak256(
            "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
        );
        return keccak256(abi.encode(kind, keccak256(name), keccak256("1"), block.chainid, verifier));
    }

    /// @dev The founder admits and removes until genesis, and not a second longer.
    function found(uint256 seed) external {
        (uint256 who, address account) = accountOf(seed);
        bool member = isMemberAt(who, block.timestamp);
        bool founding = block.timestamp < GENESIS;
        bool works = founding && (!member || membersAt(block.timestamp) > 1);
        bytes memory data = member
            ? abi.encodeCall(Membership.remove, (account))
            : abi.encodeCall(Membership.admit, (account));
        expect(founder, address(membership), data, works);
        if (!works) return;
        member ? noteRemoval(who) : noteAdmission(who);
    }

    // --- what is nobody's --------------------------------------------------------------------

    /// @dev Everything that nobody may call: tried by members, strangers, and the governor's and
    /// timelock's neighbours.
    function trespass(uint256 seed) external {
        (uint256 who, address account) = accountOf(seed);
        address caller = [account, stranger, founder, address(part)][(seed >> 8) % 4];
        uint256 id = membership.idOf(accounts[(who + 1) % ACCOUNTS]);
        Plan memory p = touchPlan();
        expect(caller, address(timelock), forbiddenAtTimelock(caller, p, seed >> 16), false);
        expect(caller, address(governor), forbiddenAtGovernor(caller, p, seed >> 24), false);
        expect(caller, address(membership), forbiddenToMembers(caller, id, seed >> 32), false);
        // Giving up what one does not have is allowed and changes nothing.
        bytes32 role = timelock.PROPOSER_ROLE();
        expect(
            caller,
            address(timelock),
            abi.encodeCall(IAccessControl.renounceRole, (role, caller)),
            true
        );
    }

    function forbiddenAtTimelock(address caller, Plan memory p, uint256 seed)
        private
        view
        returns (bytes memory)
    {
        bytes32 role = timelock.PROPOSER_ROLE();
        bytes32 waiting = books.length == 0 ? bytes32(0) : bookOf(seed).operation;
        bytes memory data = p.calldatas[0];
        return [
            abi.encodeCall(TimelockController.schedule, (p.targets[0], 0, data, 0, 0, 1e9)),
            abi.encodeCall(
                TimelockController.scheduleBatch, (p.targets, p.values, p.calldatas, 0, 0, 1e9)
            ),
            abi.encodeCall(TimelockController.cancel, (waiting)),
            abi.encodeCall(TimelockController.execute, (p.targets[0], 0, data, 0, 0)),
            directly(p),
            abi.encodeCall(TimelockController.updateDelay, (0)),
            abi.encodeCall(IAccessControl.grantRole, (role, caller)),
            abi.encodeCall(IAccessControl.revokeRole, (role, address(governor))),
            abi.encodeCall(IAccessControl.renounceRole, (role, address(governor)))
        ][seed % 9];
    }

    function forbiddenAtGovernor(address caller, Plan memory p, uint256 seed)
        private
        view
        returns (bytes memory)
    {
        TimelockController other = TimelockController(payable(caller));
        return [
            abi.encodeCall(Governor.relay, (address(part), 0, "")),
            abi.encodeCall(GovernorTimelockControl.updateTimelock, (other)),
            callOn(IGovernor.queue.selector, p),
            callOn(IGovernor.execute.selector, p),
            callOn(IGovernor.cancel.selector, p),
            abi.encodeCall(IERC721Receiver.onERC721Received, (caller, caller, 1, "")),
            abi.encodeCall(IERC1155Receiver.onERC1155Received, (caller, caller, 1, 1, "")),
            abi.encodeCall(
                IERC1155Receiver.onERC1155BatchReceived, (caller, caller, p.values, p.values, "")
            ),
            bytes("")
        ][seed % 9];
    }

    function forbiddenToMembers(address caller, uint256 id, uint256 seed)
        private
        view
        returns (bytes memory)
    {
        address other = address(uint160(id));
        bytes memory none = "";
        bytes memory admission = block.timestamp < GENESIS
            ? abi.encodeCall(Membership.admit, (address(0)))
            : abi.encodeCall(Membership.admit, (stranger));
        bytes memory removal = block.timestamp < GENESIS
            ? abi.encodeCall(Membership.remove, (stranger))
            : abi.encodeCall(Membership.remove, (other));
        return [
            admission,
            removal,
            abi.encodeCall(IERC721.transferFrom, (other, caller, id)),
            abi.encodeWithSignature("safeTransferFrom(address,address,uint256)", other, other, id),
            abi.encodeWithSignature(
                "safeTransferFrom(address,address,uint256,bytes)", other, caller, id, none
            ),
            abi.encodeCall(IERC721.approve, (caller, id)),
            abi.encodeCall(IERC721.setApprovalForAll, (caller, true)),
            abi.encodeCall(Ownable.transferOwnership, (caller)),
            abi.encodeCall(Ownable.renounceOwnership, ())
        ][seed % 9];
    }

    // --- time --------------------------------------------------------------------------------

    function wait(uint256 seed) external {
        uint256[6] memory steps = [uint256(1), 907, VOTING_DELAY, VOTING_PERIOD, LENGTH, 15 days];
        vm.warp(block.timestamp + steps[seed % 6]);
    }

    /// @dev To one second before, or exactly to, a turning point of a proposal.
    function waitFor(uint256 seed) external {
        if (books.length == 0) return;
        Book storage b = bookOf(seed);
        uint256 time = [b.snapshot + 1, b.deadline + 1, etaOf(b), etaOf(b) + LIFE][seed % 4];
        time -= Math.min((seed >> 8) % 2, time);
        if (time > block.timestamp) vm.warp(time);
    }

    function plans() external view returns (uint256) {
        return books.length;
    }

    function replaced() external view returns (uint256) {
        return part.replacements();
    }

    // --- small things ------------------------------------------------------------------------

    function accountOf(uint256 seed) private view returns (uint256, address) {
        return (seed % ACCOUNTS, accounts[seed % ACCOUNTS]);
    }

    function bookOf(uint256 seed) private view returns (Book storage) {
        return books[(seed >> 64) % books.length];
    }

    function support(uint256 seed) private pure returns (uint8) {
        return uint8([1, 1, 1, 0, 2, 3][(seed >> 16) % 6]);
    }

    /// @dev Calls, and requires that it works exactly when it must.
    function expect(address caller, address target, bytes memory data, bool works) private {
        vm.prank(caller);
        (bool done,) = target.call(data);
        require(done == works, works ? "must work" : "must be refused");
        if (!done) ++refusals;
    }

    function callOn(bytes4 selector, Plan memory p) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, p.targets, p.values, p.calldatas, hashOf(p));
    }

    function directly(Plan memory p) private view returns (bytes memory) {
        bytes32 s = bytes20(address(governor)) ^ hashOf(p);
        return
            abi.encodeCall(
                TimelockController.executeBatch, (p.targets, p.values, p.calldatas, 0, s)
            );
    }
}
