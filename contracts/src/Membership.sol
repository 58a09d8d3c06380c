// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC721Votes} from "@openzeppelin/contracts/token/ERC721/extensions/ERC721Votes.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Governed} from "./Governed.sol";

/// @title One member, one vote.
/// @notice A membership is an ERC-721 id that stays where it is (ERC-5192): the account as a number.
/// The timelock admits and removes, by vote; the founder until genesis. Everybody votes for
/// themselves until they delegate.
/// @dev Invariant: an account holds one id or none, which is its own; the votes of all accounts
/// together are the number of members, now and at every past second.
contract Membership is ERC721, ERC721Votes, Governed {
    /// @dev ERC-165 id of ERC-5192.
    bytes4 private constant LOCKED_ID = 0xb45a3c0e;

    /// @notice ERC-5192: `tokenId` cannot be transferred.
    event Locked(uint256 tokenId);

    error NotTransferable();
    error AlreadyMember(address account);
    error NotMember(address account);
    error LastMember(address account);

    /// @param owner_ The timelock.
    /// @param founder_ Who admits and removes until genesis; zero for nobody.
    /// @param foundingEnds_ First Unix second in which the founder has no power.
    /// @param members Who is a member from the start.
    constructor(address owner_, address founder_, uint64 foundingEnds_, address[] memory members)
        ERC721("Commonworks Membership", "CWM")
        EIP712("Commonworks Membership", "1")
        Governed(owner_, founder_, foundingEnds_)
    {
        for (uint256 i = 0; i < members.length; ++i) {
            _admit(members[i]);
        }
    }

    /// @notice Makes `account` a member.
    function admit(address account) external onlyOwner {
        _admit(account);
    }

    /// @notice Ends a membership. Who was delegated to keeps no vote of it; the last member stays,
    /// since without one nobody could ever be admitted again.
    function remove(address account) external onlyOwner {
        if (!isMember(account)) revert NotMember(account);
        if (memberCount() == 1) revert LastMember(account);
        _burn(idOf(account));
    }

    /// @notice Refused: a membership is a person's.
    function approve(address, uint256) public pure override {
        revert NotTransferable();
    }

    /// @notice Refused: a membership is a person's.
    function setApprovalForAll(address, bool) public pure override {
        revert NotTransferable();
    }

    /// @notice Refused, as are both forms of safeTransferFrom.
    function transferFrom(address, address, uint256) public pure override {
        revert NotTransferable();
    }

    /// @notice Number of members.
    function memberCount() public view returns (uint256) {
        return _getTotalSupply();
    }

    /// @notice Whether `account` is a member.
    function isMember(address account) public view returns (bool) {
        return _ownerOf(idOf(account)) != address(0);
    }

    /// @notice ERC-5192: whether the id stays where it is. It always does.
    function locked(uint256 tokenId) external view returns (bool) {
        _requireOwned(tokenId);
        return true;
    }

    /// @notice Who votes for `account`: itself until it delegates.
    function delegates(address account) public view override returns (address) {
        address chosen = super.delegates(account);
        return chosen == address(0) ? account : chosen;
    }

    /// @inheritdoc ERC721
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == LOCKED_ID || super.supportsInterface(interfaceId);
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

    /// @notice The id that stands for the membership of `account`.
    function idOf(address account) public pure returns (uint256) {
        return uint256(uint160(account));
    }

    /// @dev Delegating to nobody is delegating to oneself: no vote is ever lost.
    function _delegate(address account, address delegatee) internal override {
        super._delegate(account, delegatee == address(0) ? account : delegatee);
    }

    function _update(address to, uint256 tokenId, address auth)
        internal
        override(ERC721, ERC721Votes)
        returns (address)
    {
        return super._update(to, tokenId, auth);
    }

    function _increaseBalance(address account, uint128 amount)
        internal
        override(ERC721, ERC721Votes)
    {
        super._increaseBalance(account, amount);
    }

    function _admit(address account) private {
        if (isMember(account)) revert AlreadyMember(account);
        uint256 id = idOf(account);
        _mint(account, id);
        emit Locked(id);
    }
}
