// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC20Votes} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ICommonsToken} from "./interfaces/ICommonsToken.sol";
import {Allocation} from "./Types.sol";

/// @title The network's token.
/// @notice ERC-20 with permits (ERC-2612) and votes (ERC-5805, timestamp clock). What exists at the
/// start is allocated by the constructor; afterwards tokens come into being only by the schedule
/// below, which nobody can change, and only through the minter, which is the Vault.
/// @dev Invariants: each epoch mints at most once; supply <= genesis allocation + sum of emissionOf
/// over the epochs minted <= cap, the last by a check in the constructor.
contract CommonsToken is ERC20, ERC20Permit, ERC20Votes, ICommonsToken {
    /// @dev After so many half-lives nothing is minted (a shift of a 256-bit word).
    uint64 private constant HALVINGS_MAX = 255;

    /// @notice The only account that may mint: the Vault.
    address public immutable minter;
    /// @notice Most that may ever exist, wei.
    uint256 public immutable cap;
    /// @notice Most that epoch 0 may mint, wei.
    uint256 public immutable initialEmissionWei;
    /// @notice Epochs after which the emission has halved.
    uint64 public immutable halfLifeEpochs;

    /// @notice What `epoch` minted, wei.
    mapping(uint64 epoch => uint256 amount) public mintedIn;

    /// @notice `epoch` minted `amount` wei to `to`.
    event EpochMinted(uint64 indexed epoch, address indexed to, uint256 amount);

    error NotMinter(address caller);
    error AlreadyMinted(uint64 epoch, uint256 amount);
    error EmissionExceeded(uint64 epoch, uint256 amount, uint256 emission);
    error CapExceeded(uint256 supply, uint256 cap);
    error ZeroHalfLife();
    error NothingToMint(uint64 epoch);

    /// @param name_ ERC-20 name.
    /// @param symbol_ ERC-20 symbol.
    /// @param allocations Tokens that exist from the start.
    /// @param minter_ The Vault.
    /// @param cap_ Most that may ever exist, wei: allocations and the whole schedule must fit.
    /// @param initialEmissionWei_ Most that epoch 0 may mint, wei.
    /// @param halfLifeEpochs_ Epochs after which the emission has halved.
    constructor(
        string memory name_,
        string memory symbol_,
        Allocation[] memory allocations,
        address minter_,
        uint256 cap_,
        uint256 initialEmissionWei_,
        uint64 halfLifeEpochs_
    ) ERC20(name_, symbol_) ERC20Permit(name_) {
        if (halfLifeEpochs_ == 0) revert ZeroHalfLife();
        minter = minter_;
        cap = cap_;
        initialEmissionWei = initialEmissionWei_;
        halfLifeEpochs = halfLifeEpochs_;
        for (uint256 i = 0; i < allocations.length; ++i) {
            _mint(allocations[i].account, allocations[i].amount);
        }
        // Sum of the schedule: E0 * (3H + 1) / 4 over the first half-life, and less than half of
        // what went before over each later one. A cap below it would block settlement one day.
        uint256 atMost = totalSupply()
            + Math.mulDiv(
                initialEmissionWei_, 3 * uint256(halfLifeEpochs_) + 1, 2, Math.Rounding.Ceil
            );
        if (atMost > cap_) revert CapExceeded(atMost, cap_);
    }

    /// @inheritdoc ICommonsToken
    function mintEpoch(uint64 epoch, address to, uint256 amount) external {
        if (msg.sender != minter) revert NotMinter(msg.sender);
        if (amount == 0) revert NothingToMint(epoch);
        if (mintedIn[epoch] != 0) revert AlreadyMinted(epoch, mintedIn[epoch]);
        uint256 emission = emissionOf(epoch);
        if (amount > emission) revert EmissionExceeded(epoch, amount, emission);
        mintedIn[epoch] = amount;
        emit EpochMinted(epoch, to, amount);
        _mint(to, amount);
    }

    /// @notice Most that `epoch` may mint, wei: with H the half-life and epoch = q * H + r,
    /// (E0 >> q) * (2H - r) / 2H. That is E0 at 0, E0/2 at H, linear in between.
    function emissionOf(uint64 epoch) public view returns (uint256) {
        uint64 halvings = epoch / halfLifeEpochs;
        if (halvings >= HALVINGS_MAX) return 0;
        uint256 period = 2 * uint256(halfLifeEpochs);
        uint256 rest = epoch % halfLifeEpochs;
        return Math.mulDiv(initialEmissionWei >> halvings, period - rest, period);
    }

    /// @notice ERC-6372: timepoints are Unix seconds.
    function clock() public view override returns (uint48) {
        return uint48(block.timestamp);
    }

    /// @notice ERC-6372: what `clock` counts.
    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    /// @inheritdoc ERC20Permit
    function nonces(address owner) public view override(ERC20Permit, Nonces) returns (uint256) {
        return super.nonces(owner);
    }

    function _update(address from, address to, uint256 amount)
        internal
        override(ERC20, ERC20Votes)
    {
        super._update(from, to, amount);
    }
}
