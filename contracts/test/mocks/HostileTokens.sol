// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A token of any number of decimals; anybody may mint.
contract CoarseToken is ERC20 {
    uint8 private immutable _decimals;

    constructor(uint8 decimals_) ERC20("Coarse", "CRS") {
        _decimals = decimals_;
    }

    function decimals() public view override returns (uint8) {
        return _decimals;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @title Refuses transfers from and to addresses that somebody has blocked.
contract BlacklistToken is CoarseToken(6) {
    error Blocked(address who);

    mapping(address who => bool) private _blocked;

    function block_(address who) external {
        _blocked[who] = true;
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (_blocked[from]) revert Blocked(from);
        if (_blocked[to]) revert Blocked(to);
        super._update(from, to, amount);
    }
}

/// @title Takes nothing until it is told to, then one percent.
contract LateFeeToken is CoarseToken(18) {
    bool private _fees;

    function takeFees() external {
        _fees = true;
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (!_fees || from == address(0) || to == address(0)) return super._update(from, to, amount);
        super._update(from, to, amount - amount / 100);
        super._update(from, address(0), amount / 100);
    }
}

/// @title Works, until it answers false and moves nothing.
contract TurnedFalseToken is CoarseToken(18) {
    bool private _lies;

    function lie(bool on) external {
        _lies = on;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return _lies ? false : super.transfer(to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        return _lies ? false : super.transferFrom(from, to, amount);
    }
}

/// @title Its `permit` reverts (0), comes back (1) or burns the gas it is given (2).
contract PermitTrapToken is CoarseToken(18) {
    uint256 private _mode;
    address private _target;
    bytes private _call;
    bool public succeeded;

    function trap(uint256 mode, address target, bytes calldata data) external {
        (_mode, _target, _call) = (mode, target, data);
    }

    function permit(address, address, uint256, uint256, uint8, bytes32, bytes32) external {
        if (_mode == 0) revert("no permit");
        if (_mode == 1) {
            (bool ok,) = _target.call(_call);
            succeeded = succeeded || ok;
            return;
        }
        assembly ("memory-safe") {
            invalid()
        }
    }
}
