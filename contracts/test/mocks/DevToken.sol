// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title A token for local chains and tests: anybody may mint, six decimals as most stablecoins have.
contract DevToken is ERC20, ERC20Permit {
    constructor() ERC20("Development dollar", "dUSD") ERC20Permit("Development dollar") {}

    /// @inheritdoc ERC20
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    /// @notice Makes money out of nothing, for anybody.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
