// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The money rules of a subscription, without state.
/// @notice All amounts in the token's smallest unit, all times in unix seconds. Every division rounds in the direction
/// that keeps the books covered: prices up, earnings down.
library Earning {
    uint256 internal constant DAY = 86_400;

    /// @notice What `secondsBought` cost at a price per day.
    /// @return ceil(pricePerDay × seconds / 86400)
    function price(uint256 pricePerDay, uint256 secondsBought) internal pure returns (uint256) {
        uint256 product = pricePerDay * secondsBought;
        return product == 0 ? 0 : (product - 1) / DAY + 1;
    }

    /// @notice How much of a stream has been earned: paid × (min(now, to) − from) / (to − from), rounded down.
    /// @dev Always from `from`, never from the last settlement: settling often changes nothing.
    function earned(uint256 paid, uint256 from, uint256 to, uint256 time) internal pure returns (uint256) {
        if (time <= from) return 0;
        if (time >= to) return paid;
        return paid * (time - from) / (to - from);
    }
}
