// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ICommonsToken} from "./interfaces/ICommonsToken.sol";
import {IPolicy} from "./interfaces/IPolicy.sol";
import {IVault} from "./interfaces/IVault.sol";
import {PayoutRoots} from "./PayoutRoots.sol";
import {PolicyKeys} from "./PolicyKeys.sol";
import {Signed} from "./Signed.sol";
import {AssetTotal} from "./Types.sol";

/// @title Everybody's money: deposits, claims against the payout tree, the exit.
/// @notice Deposits come in; each finalised epoch says, cumulatively, what every account has earned
/// and spent; a claim pays what was earned and not yet claimed. A withdrawal of an unspent deposit
/// is a request that the next settlement turns into earned + spent, so the claim is the only way
/// out. When nothing finalises for a long time anyone may open the exit, which pays unclaimed
/// earnings and unspent deposits against the last root, and can never be shut again.
/// @dev Goal: whatever verifiers attest, the Vault cannot pay more than it may.
/// Invariants, per asset: claimed <= earned <= spent + minted; spent <= deposited;
/// balance >= deposited + minted - claimed - returned. Nothing that was counted ever falls.
/// Rule: what one epoch adds to earnings, spending or supply is limited per asset; an epoch beyond the
/// limit does not finalise until a vote has raised it. That breaker, like the hold of a root, only
/// ever stops what is new: what was finalised before stays claimable.
contract Vault is IVault, PayoutRoots, Signed, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @dev Per asset; every field only grows.
    struct Asset {
        uint128 deposited;
        uint128 claimed;
        uint128 earned;
        uint128 spent;
        uint128 returned;
        bool accepted;
        bool listed;
    }

    /// @dev Per asset and account. The first word is all that a claim touches.
    struct Account {
        uint128 deposited;
        uint128 claimed;
        uint128 returned;
        uint64 firstDepositAt;
    }

    /// @notice Most assets that a Vault can accept.
    uint256 public constant ASSETS_MAX = 16;
    /// @notice EIP-712 type of a withdrawal request that somebody else hands in.
    bytes32 public constant WITHDRAWAL_TYPEHASH = keccak256(
        "WithdrawalRequest(address account,address asset,uint256 amount,uint256 nonce,uint256 deadline)"
    );
    /// @notice EIP-712 type of a spend limit that somebody else hands in.
    bytes32 public constant SPEND_LIMIT_TYPEHASH = keccak256(
        "SpendLimit(address account,uint256 deviceId,uint256 limit,uint256 nonce,uint256 deadline)"
    );

    /// @notice The network's token, the only asset that can be minted.
    address public immutable token;
    /// @notice Where hold and exit periods come from.
    IPolicy public immutable policy;
    /// @inheritdoc IVault
    address public immutable settlement;

    /// @notice Everything minted by finalised epochs, wei.
    uint256 public mintedWei;
    /// @notice Withdrawal requests so far; the next id is one more.
    uint256 public lastRequestId;
    /// @notice When an epoch was last finalised; 0 before the first.
    uint64 public lastFinalisedAt;
    /// @notice When the exit was opened; 0 while it is shut.
    uint64 public exitAt;

    address[] private _assets;
    uint256 private _listedCount;
    mapping(address asset => Asset) private _assetOf;
    mapping(address asset => mapping(address account => Account)) private _accountOf;
    /// @dev What may be claimed in all against the root of an epoch.
    mapping(address asset => mapping(uint64 epoch => uint256)) private _earnedBy;

    /// @notice Money entered in favour of `account`.
    event Deposited(address indexed asset, address indexed account, uint256 amount, address from);
    /// @notice `account` wants unspent deposit back.
    event WithdrawalRequested(
        uint256 indexed id, address indexed asset, address indexed account, uint256 amount
    );
    /// @notice The most that `account` spends through a device per epoch.
    event SpendLimitSet(address indexed account, uint256 indexed deviceId, uint256 limit);
    /// @notice Earnings were paid out.
    event Claimed(address indexed asset, address indexed account, uint256 amount, uint64 epoch);
    /// @notice The exit is open, for ever.
    event ExitEntered(uint64 time);
    /// @notice An account was paid at the exit.
    event Exited(address indexed asset, address indexed account, uint256 amount);

    error AssetNotAccepted(address asset);
    error TooManyAssets(uint256 count, uint256 maximum);
    error DuplicateAsset(address asset);
    error ZeroAccount();
    error NothingArrived(address asset, address from);
    error PermitIgnored(address asset, address owner);
    error WithdrawalOutOfRange(uint256 amount, uint256 deposited);
    error NotSettlement(address caller);
    error ExitOpen(uint64 since);
    error ExitShut();
    error ExitTooEarly(uint256 opensAt);
    error TotalsNotSorted(address asset);
    error TotalsIncomplete(uint256 listed, uint256 expected);
    error TotalsFell(address asset);
    error MintedFell(uint256 mintedWei, uint256 before);
    error SpentExceedsDeposited(address asset, uint256 spent, uint256 deposited);
    error EarnedExceedsSources(address asset, uint256 earned, uint256 sources);
    error GrowthExceeded(address asset, uint256 growth, uint256 limit);
    error NothingToClaim(address asset, address account, uint256 earned);
    error ClaimsExceedEarned(address asset, uint256 claimed, uint256 earned);
    error NothingToExit(address asset, address account);
    error LeafNeeded(address asset, address account, uint64 firstDepositAt);
    error ReturnsExceedUnspent(address asset, uint256 returned, uint256 unspent);

    /// @param token_ CommonsToken; accepted as an asset without being named again.
    /// @param policy_ Policy.
    /// @param settlement_ Settlement.
    /// @param assets What can be deposited besides the token: standard ERC-20 tokens that settlement
    /// knows about. Fixed for ever, because every asset that comes in must be able to leave.
    constructor(address token_, address policy_, address settlement_, address[] memory assets)
        EIP712("Commonworks Vault", "1")
    {
        if (assets.length + 1 > ASSETS_MAX) revert TooManyAssets(assets.length + 1, ASSETS_MAX);
        token = token_;
        policy = IPolicy(policy_);
        settlement = settlement_;
        _accept(token_);
        for (uint256 i = 0; i < assets.length; ++i) {
            _accept(assets[i]);
        }
    }

    // --- deposits and wishes -----------------------------------------------------------------

    /// @notice Deposits `amount` of `asset` for the caller.
    function deposit(address asset, uint256 amount) external nonReentrant {
        _deposit(asset, msg.sender, msg.sender, amount);
    }

    /// @notice Deposits the caller's money for `account`.
    function depositFor(address asset, address account, uint256 amount) external nonReentrant {
        _deposit(asset, msg.sender, account, amount);
    }

    /// @notice Deposits `owner`'s money for `owner`, by an ERC-2612 permit that anyone may hand in.
    /// @dev The permit must be used right here: a leftover allowance does not let a stranger lock up
    /// the owner's money. If somebody used the permit beforehand, the owner can still `deposit`.
    function depositWithPermit(
        address asset,
        address owner,
        uint256 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant {
        if (!_assetOf[asset].accepted) revert AssetNotAccepted(asset);
        uint256 nonce = IERC20Permit(asset).nonces(owner);
        IERC20Permit(asset).permit(owner, address(this), amount, deadline, v, r, s);
        if (IERC20Permit(asset).nonces(owner) != nonce + 1) revert PermitIgnored(asset, owner);
        _deposit(asset, owner, owner, amount);
    }

    /// @notice Asks for unspent deposit back; the next settlement makes it claimable.
    function requestWithdrawal(address asset, uint256 amount) external returns (uint256 id) {
        return _requestWithdrawal(msg.sender, asset, amount);
    }

    /// @notice The same for `account`, who signed it (EIP-712, or ERC-1271 for a contract).
    function requestWithdrawalFor(
        address account,
        address asset,
        uint256 amount,
        uint256 deadline,
        bytes calldata signature
    ) external returns (uint256 id) {
        bytes32 message = keccak256(
            abi.encode(WITHDRAWAL_TYPEHASH, account, asset, amount, _useNonce(account), deadline)
        );
        _requireSigned(account, message, deadline, signature);
        return _requestWithdrawal(account, asset, amount);
    }

    /// @notice Limits what the caller spends through a device per epoch. Without it, nothing.
    function setSpendLimit(uint256 deviceId, uint256 limit) external {
        emit SpendLimitSet(msg.sender, deviceId, limit);
    }

    /// @notice The same for `account`, who signed it (EIP-712, or ERC-1271 for a contract).
    function setSpendLimitFor(
        address account,
        uint256 deviceId,
        uint256 limit,
        uint256 deadline,
        bytes calldata signature
    ) external {
        bytes32 message = keccak256(
            abi.encode(SPEND_LIMIT_TYPEHASH, account, deviceId, limit, _useNonce(account), deadline)
        );
        _requireSigned(account, message, deadline, signature);
        emit SpendLimitSet(account, deviceId, limit);
    }

    // --- roots -------------------------------------------------------------------------------

    /// @inheritdoc IVault
    function finalise(uint64 epoch, bytes32 root, uint256 mintedWei_, AssetTotal[] calldata totals)
        external
        nonReentrant
        returns (uint64 holdEnds)
    {
        _requireSettlement();
        if (exitAt != 0) revert ExitOpen(exitAt);
        uint256 before = mintedWei;
        if (mintedWei_ < before) revert MintedFell(mintedWei_, before);
        _requireGrowth(token, epoch, mintedWei_ - before);
        mintedWei = mintedWei_;
        _takeTotals(epoch, mintedWei_, totals);
        lastFinalisedAt = uint64(block.timestamp);
        uint256 hold = SafeCast.toUint256(policy.valueAt(PolicyKeys.HOLD_S, epoch));
        holdEnds = SafeCast.toUint64(block.timestamp + hold);
        _takeRoot(Root({root: root, epoch: epoch, claimableAt: holdEnds}));
        if (mintedWei_ > before) {
            ICommonsToken(token).mintEpoch(epoch, address(this), mintedWei_ - before);
        }
    }

    /// @inheritdoc IVault
    function halt(uint64 epoch, uint64 until) external {
        _requireSettlement();
        _stopRoot(epoch, until);
    }

    // --- claims ------------------------------------------------------------------------------

    /// @notice Pays `account` what it earned and has not claimed. Anyone may call it.
    /// @param earned Cumulative, as in the leaf of the claimable root.
    /// @param spent Cumulative, as in the leaf.
    /// @param proof Siblings from the leaf up.
    function claim(
        address asset,
        address account,
        uint256 earned,
        uint256 spent,
        bytes32[] calldata proof
    ) external nonReentrant {
        Root storage current = _current();
        _requireLeaf(current, asset, account, earned, spent, proof);
        uint256 amount = _takeEarnings(asset, account, earned, current.epoch);
        if (amount == 0) revert NothingToClaim(asset, account, earned);
        emit Claimed(asset, account, amount, current.epoch);
        IERC20(asset).safeTransfer(account, amount);
    }

    // --- exit --------------------------------------------------------------------------------

    /// @notice Opens the exit when nothing was finalised for Policy's `exit_after_s`, counted from
    /// the last finalised epoch or, before the first, from genesis. Anyone may call it.
    function enterExit() external {
        if (exitAt != 0) revert ExitOpen(exitAt);
        uint256 since = lastFinalisedAt == 0 ? policy.genesisTime() : lastFinalisedAt;
        uint256 opensAt = since + SafeCast.toUint256(policy.value(PolicyKeys.EXIT_AFTER_S));
        if (block.timestamp < opensAt) revert ExitTooEarly(opensAt);
        exitAt = uint64(block.timestamp);
        emit ExitEntered(exitAt);
    }

    /// @notice Pays `account` its unclaimed earnings and unspent deposit by its leaf in the last
    /// finalised root. Anyone may call it once the exit is open.
    /// @dev Nobody can stop it: the exit opens only when every hold and halt has passed, by the
    /// bounds that Settlement checks at deployment.
    function exit(
        address asset,
        address account,
        uint256 earned,
        uint256 spent,
        bytes32[] calldata proof
    ) external nonReentrant {
        _requireExit();
        Root storage last = _last();
        if (last.claimableAt == 0) revert NoRoot();
        _requireLeaf(last, asset, account, earned, spent, proof);
        uint256 amount = _takeEarnings(asset, account, earned, last.epoch);
        amount += _takeUnspent(asset, account, spent);
        if (amount == 0) revert NothingToExit(asset, account);
        emit Exited(asset, account, amount);
        IERC20(asset).safeTransfer(account, amount);
    }

    /// @notice Pays back the deposit of an account that the last finalised root cannot know: its
    /// first deposit came at or after the end of that epoch. Everybody else has a leaf. Anyone may
    /// call it once the exit is open; earnings, if any, remain for `exit`.
    function exitWithoutLeaf(address asset, address account) external nonReentrant {
        _requireExit();
        uint64 firstDepositAt = _accountOf[asset][account].firstDepositAt;
        if (firstDepositAt < _lastEnd()) revert LeafNeeded(asset, account, firstDepositAt);
        uint256 amount = _takeUnspent(asset, account, 0);
        if (amount == 0) revert NothingToExit(asset, account);
        emit Exited(asset, account, amount);
        IERC20(asset).safeTransfer(account, amount);
    }

    // --- views -------------------------------------------------------------------------------

    /// @notice Sums over all accounts. Claimed, earned, spent and deposited in the sense of the
    /// payout tree; returned is what the exit paid back of unspent deposits.
    function totalsOf(address asset)
        external
        view
        returns (
            uint256 deposited,
            uint256 spent,
            uint256 earned,
            uint256 claimed,
            uint256 returned
        )
    {
        Asset storage t = _assetOf[asset];
        return (t.deposited, t.spent, t.earned, t.claimed, t.returned);
    }

    /// @notice What an account deposited, claimed and got back at the exit, and when it first
    /// deposited.
    function accountOf(address asset, address account)
        external
        view
        returns (uint256 deposited, uint256 claimed, uint256 returned, uint64 firstDepositAt)
    {
        Account storage a = _accountOf[asset][account];
        return (a.deposited, a.claimed, a.returned, a.firstDepositAt);
    }

    /// @notice Every asset that can be deposited; the token first.
    function acceptedAssets() external view returns (address[] memory) {
        return _assets;
    }

    // --- inside ------------------------------------------------------------------------------

    function _accept(address asset) private {
        if (_assetOf[asset].accepted) revert DuplicateAsset(asset);
        _assetOf[asset].accepted = true;
        _assets.push(asset);
    }

    /// @dev Credits what really arrived. Called with the guard held: the balance is read around an
    /// external call, and the books are written after it.
    function _deposit(address asset, address from, address account, uint256 amount) private {
        Asset storage t = _assetOf[asset];
        if (!t.accepted) revert AssetNotAccepted(asset);
        if (account == address(0)) revert ZeroAccount();
        if (exitAt != 0) revert ExitOpen(exitAt);
        uint256 before = IERC20(asset).balanceOf(address(this));
        IERC20(asset).safeTransferFrom(from, address(this), amount);
        uint256 arrived = IERC20(asset).balanceOf(address(this)) - before;
        if (arrived == 0) revert NothingArrived(asset, from);
        Account storage a = _accountOf[asset][account];
        if (a.firstDepositAt == 0) a.firstDepositAt = uint64(block.timestamp);
        a.deposited = SafeCast.toUint128(a.deposited + arrived);
        t.deposited = SafeCast.toUint128(t.deposited + arrived);
        emit Deposited(asset, account, arrived, from);
    }

    function _requestWithdrawal(address account, address asset, uint256 amount)
        private
        returns (uint256 id)
    {
        if (exitAt != 0) revert ExitOpen(exitAt);
        uint256 deposited = _accountOf[asset][account].deposited;
        if (amount == 0 || amount > deposited) revert WithdrawalOutOfRange(amount, deposited);
        id = ++lastRequestId;
        emit WithdrawalRequested(id, asset, account, amount);
    }

    /// @dev Checks an epoch's totals against the books and takes them over.
    function _takeTotals(uint64 epoch, uint256 minted, AssetTotal[] calldata totals) private {
        uint256 newlyListed = 0;
        for (uint256 i = 0; i < totals.length; ++i) {
            AssetTotal calldata total = totals[i];
            if (i > 0 && total.asset <= totals[i - 1].asset) revert TotalsNotSorted(total.asset);
            Asset storage t = _assetOf[total.asset];
            if (!t.accepted) revert AssetNotAccepted(total.asset);
            if (!t.listed) {
                t.listed = true;
                ++newlyListed;
            }
            if (total.earned < t.earned || total.spent < t.spent) revert TotalsFell(total.asset);
            if (total.spent > t.deposited) {
                revert SpentExceedsDeposited(total.asset, total.spent, t.deposited);
            }
            uint256 sources = total.spent + (total.asset == token ? minted : 0);
            if (total.earned > sources) {
                revert EarnedExceedsSources(total.asset, total.earned, sources);
            }
            _requireGrowth(
                total.asset, epoch, Math.max(total.earned - t.earned, total.spent - t.spent)
            );
            t.earned = SafeCast.toUint128(total.earned);
            t.spent = SafeCast.toUint128(total.spent);
            _earnedBy[total.asset][epoch] = total.earned;
        }
        uint256 listed = _listedCount + newlyListed;
        if (totals.length != listed) revert TotalsIncomplete(totals.length, listed);
        if (newlyListed != 0) _listedCount = listed;
    }

    /// @dev The circuit breaker. The limit is the epoch's own or, where a vote has raised it since,
    /// that of now: so a stopped epoch can go on after the vote.
    function _requireGrowth(address asset, uint64 epoch, uint256 growth) private view {
        if (growth == 0) return;
        bytes32 key =
            asset == token ? PolicyKeys.TOKEN_GROWTH_MAX_WEI : PolicyKeys.CURRENCY_GROWTH_MAX;
        uint256 limit = SafeCast.toUint256(policy.valueAt(key, epoch));
        if (growth <= limit) return;
        limit = Math.max(limit, SafeCast.toUint256(policy.value(key)));
        if (growth > limit) revert GrowthExceeded(asset, growth, limit);
    }

    /// @dev Books what `account` has not claimed of `earned`, under the ceiling of the root's epoch.
    function _takeEarnings(address asset, address account, uint256 earned, uint64 epoch)
        private
        returns (uint256 amount)
    {
        Account storage a = _accountOf[asset][account];
        amount = Math.saturatingSub(earned, a.claimed);
        if (amount == 0) return 0;
        Asset storage t = _assetOf[asset];
        uint256 claimed = t.claimed + amount;
        uint256 ceiling = _earnedBy[asset][epoch];
        if (claimed > ceiling) revert ClaimsExceedEarned(asset, claimed, ceiling);
        a.claimed = SafeCast.toUint128(earned);
        t.claimed = SafeCast.toUint128(claimed);
    }

    /// @dev Books what is left of `account`'s deposit after `spent`, under what is unspent in all.
    function _takeUnspent(address asset, address account, uint256 spent)
        private
        returns (uint256 amount)
    {
        Account storage a = _accountOf[asset][account];
        amount = Math.saturatingSub(a.deposited - a.returned, spent);
        if (amount == 0) return 0;
        Asset storage t = _assetOf[asset];
        uint256 returned = t.returned + amount;
        uint256 unspent = t.deposited - t.spent;
        if (returned > unspent) revert ReturnsExceedUnspent(asset, returned, unspent);
        a.returned = SafeCast.toUint128(a.returned + amount);
        t.returned = SafeCast.toUint128(returned);
    }

    /// @dev End of the last finalised epoch; 0 where none was.
    function _lastEnd() private view returns (uint256) {
        Root storage last = _last();
        if (last.claimableAt == 0) return 0;
        return policy.genesisTime() + (uint256(last.epoch) + 1) * policy.epochLength();
    }

    function _requireExit() private view {
        if (exitAt == 0) revert ExitShut();
    }

    function _requireSettlement() private view {
        if (msg.sender != settlement) revert NotSettlement(msg.sender);
    }
}
