// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC20Votes} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import {Votes} from "@openzeppelin/contracts/governance/utils/Votes.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {EmissionSchedule} from "./EmissionSchedule.sol";
import {ICommonsToken} from "./interfaces/ICommonsToken.sol";
import {Allocation} from "./Types.sol";

/// @title The network's token.
/// @notice ERC-20 with permits (ERC-2612) and votes (ERC-5805, timestamp clock). What exists at the
/// start is allocated by the constructor; afterwards tokens come into being only by the emission
/// schedule, of which a vote can change the pace and never the total, and only through the minter,
/// which is the Vault.
/// @notice Everybody votes with its own tokens until it delegates them, and with those it has bonded.
/// What the Vault and the treasury hold is outside the vote.
/// @dev Invariants: each epoch mints at most once; supply <= genesis allocation + sum of emissionOf
/// over the epochs minted <= cap, the last by a check in the constructor. The votes of all accounts
/// add up to the total supply of votes, at every second: that is the token's supply less what lies
/// outside the vote.
contract CommonsToken is ERC20, ERC20Permit, ERC20Votes, EmissionSchedule, ICommonsToken {
    /// @notice Contracts that the token knows, fixed for ever.
    /// @param minter The Vault: mints, and what it holds is outside the vote.
    /// @param bonds Nodes, where bonds are made of this token; zero where they are not.
    /// @param treasury The timelock: what it holds is outside the vote.
    /// @param policy Policy, which exists already.
    struct Wiring {
        address minter;
        address bonds;
        address treasury;
        address policy;
    }

    /// @inheritdoc ICommonsToken
    address public immutable minter;
    /// @inheritdoc ICommonsToken
    address public immutable bonds;
    /// @notice The treasury: governance's own tokens, which do not vote.
    address public immutable treasury;
    /// @notice Most that may ever exist, wei.
    uint256 public immutable cap;

    /// @notice What `epoch` minted, wei.
    mapping(uint64 epoch => uint256 amount) public mintedIn;
    /// @notice What an account moved into bonds and has not taken out again, wei.
    mapping(address account => uint256 amount) public bondedOf;

    /// @notice `epoch` minted `amount` wei to `to`.
    event EpochMinted(uint64 indexed epoch, address indexed to, uint256 amount);

    error NotMinter(address caller);
    error EpochNotOpen(uint64 epoch);
    error AlreadyMinted(uint64 epoch, uint256 amount);
    error EmissionExceeded(uint64 epoch, uint256 amount, uint256 emission);
    error CapExceeded(uint256 supply, uint256 cap);
    error NothingToMint(uint64 epoch);
    error UselessAllocation(address account);
    error NotBonded(address account, uint256 amount, uint256 bonded);
    error OutsideTheVote(address account);

    /// @param name_ ERC-20 name.
    /// @param symbol_ ERC-20 symbol.
    /// @param allocations Tokens that exist from the start.
    /// @param wiring Contracts that the token knows.
    /// @param cap_ Most that may ever exist, wei: allocations and the whole schedule must fit, for
    /// the longest half-life that Policy's bounds allow.
    /// @param initialEmissionWei_ Most that epoch 0 may mint, wei.
    constructor(
        string memory name_,
        string memory symbol_,
        Allocation[] memory allocations,
        Wiring memory wiring,
        uint256 cap_,
        uint256 initialEmissionWei_
    )
        ERC20(name_, symbol_)
        ERC20Permit(name_)
        EmissionSchedule(wiring.policy, initialEmissionWei_)
    {
        minter = wiring.minter;
        bonds = wiring.bonds;
        treasury = wiring.treasury;
        cap = cap_;
        for (uint256 i = 0; i < allocations.length; ++i) {
            address account = allocations[i].account;
            if (account == wiring.minter || account == wiring.bonds) {
                revert UselessAllocation(account); // neither would ever give it out again
            }
            _mint(account, allocations[i].amount);
        }
        // A cap below what the schedule can come to would block settlement one day.
        uint256 atMost = totalSupply() + _scheduleMaximum();
        if (atMost > cap_) revert CapExceeded(atMost, cap_);
    }

    /// @inheritdoc ICommonsToken
    /// @dev Once an epoch has opened its emission is fixed; not before, so not before does it mint.
    function mintEpoch(uint64 epoch, address to, uint256 amount) external {
        if (msg.sender != minter) revert NotMinter(msg.sender);
        if (amount == 0) revert NothingToMint(epoch);
        if (mintedIn[epoch] != 0) revert AlreadyMinted(epoch, mintedIn[epoch]);
        if (epoch > policy.currentEpoch()) revert EpochNotOpen(epoch);
        extendSchedule();
        uint256 emission = emissionOf(epoch);
        if (amount > emission) revert EmissionExceeded(epoch, amount, emission);
        mintedIn[epoch] = amount;
        emit EpochMinted(epoch, to, amount);
        _mint(to, amount);
        if (totalSupply() > cap) revert CapExceeded(totalSupply(), cap);
    }

    /// @notice Who votes with the tokens of `account`: itself, until it names somebody else; nobody
    /// where they are outside the vote.
    function delegates(address account) public view override returns (address) {
        if (_isOutside(account)) return address(0);
        address chosen = super.delegates(account);
        return chosen == address(0) ? account : chosen;
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

    /// @dev Naming nobody (zero) means voting oneself.
    function _delegate(address account, address delegatee) internal override {
        if (_isOutside(account)) revert OutsideTheVote(account);
        super._delegate(account, delegatee == address(0) ? account : delegatee);
    }

    /// @dev Tokens that enter or leave bonds keep their voter. What is outside the vote is, for the
    /// vote, as if it did not exist.
    function _transferVotingUnits(address from, address to, uint256 amount) internal override {
        if (from == to) return;
        if (to == bonds && to != address(0)) {
            bondedOf[from] += amount;
        } else if (from == bonds && from != address(0)) {
            uint256 bonded = bondedOf[to];
            if (amount > bonded) revert NotBonded(to, amount, bonded);
            bondedOf[to] = bonded - amount;
        } else {
            address before = _isOutside(from) ? address(0) : from;
            address next = _isOutside(to) ? address(0) : to;
            if (before != next) super._transferVotingUnits(before, next, amount);
        }
    }

    function _getVotingUnits(address account) internal view override returns (uint256) {
        return balanceOf(account) + bondedOf[account];
    }

    /// @dev Bonds hold other people's tokens, which vote where they came from.
    function _isOutside(address account) private view returns (bool) {
        return
            account == minter || account == treasury || (account == bonds && account != address(0));
    }
}
