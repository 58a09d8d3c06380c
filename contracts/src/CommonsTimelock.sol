// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {
    GovernorTimelockControl
} from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import {Bytes} from "@openzeppelin/contracts/utils/Bytes.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IPolicy} from "./interfaces/IPolicy.sol";
import {PolicyKeys} from "./PolicyKeys.sol";

/// @dev Seconds in which a decision can be carried out. Later it is void: nobody voted for what it
/// would do to the network of then.
uint256 constant DECISION_LIFE_S = 30 days;

/// @title The government's hands: it owns what is governed, and keeps the treasury.
/// @notice A decision of the Governor is scheduled here, waits in public and can then be carried
/// out by anybody for 30 days. What replaces a part of the government waits longer than the Vault's
/// exit takes, so whoever does not want to live under the new one has left by then.
/// @dev Contracts are immutable and wired for ever; the selectors in `isReplacing` are the only
/// ways to replace anything. The target does not matter: a call hides behind no address.
/// Invariant: nothing is carried out before it was scheduled by the Governor and its delay passed;
/// what replaces a part waits for `replacementDelay()` as it is at the start and at the end.
contract CommonsTimelock is TimelockController {
    /// @dev Longest duration that Policy's bounds may allow, seconds.
    int256 private constant DURATION_MAX_S = 2 ** 40;

    /// @notice Where the delays come from.
    IPolicy public immutable policy;

    /// @notice Unix second at which an operation that replaces a part of the government was
    /// scheduled; 0 for every other one.
    mapping(bytes32 id => uint256 time) public replacementScheduledAt;

    /// @notice Operation `id` replaces a part of the government, at `readyAt` at the earliest.
    event ReplacementScheduled(bytes32 indexed id, uint256 readyAt);

    error DelayIsPolicy();
    error OperationExpired(bytes32 id, uint256 expiredAt);
    error UnsafeBounds(bytes32 key, int256 min, int256 max);

    /// @param governor_ The only account that schedules and cancels. Everybody carries out.
    /// @param policy_ Where the delays come from.
    constructor(address governor_, IPolicy policy_)
        TimelockController(0, _only(governor_), _only(address(0)), address(0))
    {
        policy = policy_;
        _checkBounds(policy_, PolicyKeys.TIMELOCK_DELAY_S);
        _checkBounds(policy_, PolicyKeys.EXIT_AFTER_S);
    }

    /// @notice Schedules one call, at the delay asked for or, where that is longer, the one due.
    function schedule(
        address target,
        uint256 value,
        bytes calldata data,
        bytes32 predecessor,
        bytes32 salt,
        uint256 delay
    ) public override {
        bool replacing = isReplacing(data);
        if (replacing) delay = Math.max(delay, replacementDelay());
        super.schedule(target, value, data, predecessor, salt, delay);
        if (replacing) _noteReplacement(hashOperation(target, value, data, predecessor, salt));
    }

    /// @notice Schedules several calls as one, at the delay asked for or, where that is longer, the
    /// one due to the gravest of them.
    function scheduleBatch(
        address[] calldata targets,
        uint256[] calldata values,
        bytes[] calldata payloads,
        bytes32 predecessor,
        bytes32 salt,
        uint256 delay
    ) public override {
        bool replacing = _isAnyReplacing(payloads);
        if (replacing) delay = Math.max(delay, replacementDelay());
        super.scheduleBatch(targets, values, payloads, predecessor, salt, delay);
        if (replacing) {
            _noteReplacement(hashOperationBatch(targets, values, payloads, predecessor, salt));
        }
    }

    /// @notice Carries out a call that is ready and not void. For everybody.
    function execute(
        address target,
        uint256 value,
        bytes calldata payload,
        bytes32 predecessor,
        bytes32 salt
    ) public payable override {
        _requireInForce(hashOperation(target, value, payload, predecessor, salt));
        super.execute(target, value, payload, predecessor, salt);
    }

    /// @notice Carries out several calls that are ready and not void. For everybody.
    function executeBatch(
        address[] calldata targets,
        uint256[] calldata values,
        bytes[] calldata payloads,
        bytes32 predecessor,
        bytes32 salt
    ) public payable override {
        _requireInForce(hashOperationBatch(targets, values, payloads, predecessor, salt));
        super.executeBatch(targets, values, payloads, predecessor, salt);
    }

    /// @notice Refused: the delay is a parameter like any other, `timelock_delay_s`.
    function updateDelay(uint256) public pure override {
        revert DelayIsPolicy();
    }

    /// @notice Shortest delay of a call, seconds, in the current epoch.
    function getMinDelay() public view override returns (uint256) {
        return _secondsAt(PolicyKeys.TIMELOCK_DELAY_S, policy.currentEpoch());
    }

    /// @notice Shortest delay of what replaces a part of the government, seconds, in the current
    /// epoch: what the Vault's exit takes to open, and then what any decision waits.
    function replacementDelay() public view returns (uint256) {
        return _replacementDelayAt(policy.currentEpoch());
    }

    /// @notice Delay, seconds, at which calls with these payloads would be scheduled now.
    function requiredDelay(bytes[] calldata payloads) external view returns (uint256) {
        return _isAnyReplacing(payloads) ? replacementDelay() : getMinDelay();
    }

    /// @notice Unix second from which an operation can be carried out; 0 unknown, 1 done.
    /// @dev A longer exit, voted while a replacement waits, makes that wait as much longer: two
    /// decisions together are no shorter way out than one. What counts for ever is the exit in force
    /// when the wait first ran out; 30 days after the end of that wait the replacement is void, and
    /// no longer exit brings it back.
    function getTimestamp(bytes32 id) public view override returns (uint256) {
        uint256 readyAt = super.getTimestamp(id);
        uint256 scheduledAt = replacementScheduledAt[id];
        if (readyAt <= DONE_TIMESTAMP || scheduledAt == 0) return readyAt;
        uint64 epoch = _epochOf(Math.min(readyAt, block.timestamp));
        readyAt = Math.max(readyAt, scheduledAt + _replacementDelayAt(epoch));
        if (block.timestamp >= readyAt + DECISION_LIFE_S) return readyAt;
        return Math.max(readyAt, scheduledAt + replacementDelay());
    }

    /// @notice Whether a call with this payload replaces a part of the government, itself or, where
    /// the Governor relays it, within.
    function isReplacing(bytes memory payload) public pure returns (bool) {
        bytes4 selector = _selectorOf(payload);
        // A relay that cannot be decoded cannot be scheduled; it could not be carried out either.
        while (selector == Governor.relay.selector) {
            (,, payload) = abi.decode(Bytes.slice(payload, 4), (address, uint256, bytes));
            selector = _selectorOf(payload);
        }
        return selector == Ownable.transferOwnership.selector
            || selector == Ownable.renounceOwnership.selector
            || selector == IAccessControl.grantRole.selector
            || selector == IAccessControl.revokeRole.selector
            || selector == IAccessControl.renounceRole.selector
            || selector == TimelockController.updateDelay.selector
            || selector == GovernorTimelockControl.updateTimelock.selector;
    }

    function _noteReplacement(bytes32 id) private {
        replacementScheduledAt[id] = block.timestamp;
        emit ReplacementScheduled(id, getTimestamp(id));
    }

    function _requireInForce(bytes32 id) private view {
        uint256 readyAt = getTimestamp(id);
        if (readyAt <= DONE_TIMESTAMP) return; // the base contract says what is wrong
        uint256 expiresAt = readyAt + DECISION_LIFE_S;
        if (block.timestamp >= expiresAt) revert OperationExpired(id, expiresAt);
    }

    function _replacementDelayAt(uint64 epoch) private view returns (uint256) {
        return
            _secondsAt(PolicyKeys.EXIT_AFTER_S, epoch)
                + _secondsAt(PolicyKeys.TIMELOCK_DELAY_S, epoch);
    }

    function _secondsAt(bytes32 key, uint64 epoch) private view returns (uint256) {
        return SafeCast.toUint256(policy.valueAt(key, epoch));
    }

    /// @dev The epoch that contains `time`; 0 before genesis.
    function _epochOf(uint256 time) private view returns (uint64) {
        uint256 genesis = policy.genesisTime();
        if (time < genesis) return 0;
        return SafeCast.toUint64((time - genesis) / policy.epochLength());
    }

    function _isAnyReplacing(bytes[] calldata payloads) private pure returns (bool) {
        for (uint256 i = 0; i < payloads.length; ++i) {
            if (isReplacing(payloads[i])) return true;
        }
        return false;
    }

    /// @dev Fewer than four bytes are filled up with zeros: no selector above ends in zero.
    function _selectorOf(bytes memory payload) private pure returns (bytes4) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return bytes4(payload); // only the first four bytes are wanted
    }

    function _checkBounds(IPolicy p, bytes32 key) private view {
        (int256 min, int256 max) = p.bounds(key);
        if (min < 0 || max > DURATION_MAX_S) revert UnsafeBounds(key, min, max);
        p.valueAt(key, 0); // must be in force from the start
    }

    function _only(address account) private pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = account;
    }
}
