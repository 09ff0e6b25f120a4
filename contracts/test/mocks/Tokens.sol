// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {Subscriptions} from "../../src/Subscriptions.sol";

/// Keeps one percent of every transfer.
contract FeeToken is ERC20 {
    constructor() ERC20("Fee", "FEE") {
        _mint(msg.sender, 1e30);
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0) && to != address(0)) super._update(to, address(0xfee), value / 100);
    }
}

/// Enters again while it is asked to move.
contract ReenteringToken is ERC20 {
    Subscriptions private _target;
    bool public refused;

    constructor() ERC20("Re", "RE") {
        _mint(msg.sender, 1e30);
    }

    function aim(Subscriptions target) external {
        _target = target;
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (address(_target) != address(0)) {
            try _target.buy(0, address(this), 1 days, type(uint256).max, address(this)) {}
            catch {
                refused = true;
            }
        }
    }
}

/// A wallet without a hook for tokens; refuses native coins too.
contract PlainWallet {
    function run(address to, uint256 value, bytes calldata data) external payable returns (bytes memory) {
        (bool ok, bytes memory answer) = to.call{value: value}(data);
        require(ok, "call failed");
        return answer;
    }
}

/// Enters `withdraw` again when it is paid.
contract ReenteringReceiver {
    Subscriptions private immutable _target;
    uint256 public attempts;

    constructor(Subscriptions target) {
        _target = target;
    }

    function cancelAndWithdraw(uint256 tokenId) external {
        _target.cancel(tokenId);
        _target.withdraw(address(0), address(this));
    }

    receive() external payable {
        ++attempts;
        try _target.withdraw(address(0), address(this)) {} catch {}
    }
}
