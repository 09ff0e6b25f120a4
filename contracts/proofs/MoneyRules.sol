// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Earning} from "../src/Earning.sol";

/// @title What the compiler's SMT checker proves of the money rules, for every number that the books can hold.
/// @dev Not deployed and not run: `scripts/contracts-prove.sh` fails unless each `assert` is proved, and each sum and product
/// that could overflow, also those inside the rules. The types are those of the storage.
contract MoneyRules {
    /// Never more than was paid, nothing before its time, all of it at the end.
    function earnedStaysWithinWhatWasPaid(uint128 paid, uint40 from, uint40 to, uint40 time) external pure {
        require(from < to);
        uint256 earned = Earning.earned(paid, from, to, time);
        assert(earned <= paid);
        assert(time > from || earned == 0);
        assert(time < to || earned == paid);
    }

    /// Rounded down, by less than one unit.
    function earnedIsRoundedDown(uint128 paid, uint40 from, uint40 to, uint40 time) external pure {
        require(from < time && time < to);
        uint256 earned = Earning.earned(paid, from, to, time);
        uint256 exact = uint256(paid) * (time - from);
        assert(earned * (to - from) <= exact);
        assert((earned + 1) * (to - from) > exact);
    }

    /// Later is never less.
    function earnedNeverDecreases(uint128 paid, uint40 from, uint40 to, uint40 time, uint40 later) external pure {
        require(from < to && time <= later);
        assert(Earning.earned(paid, from, to, time) <= Earning.earned(paid, from, to, later));
    }

    /// What is left and what is earned are what was paid, whenever it is asked.
    function nothingIsMadeOrLost(uint128 paid, uint40 from, uint40 to, uint40 time) external pure {
        require(from < to);
        uint256 earned = Earning.earned(paid, from, to, time);
        uint256 rest = paid - earned;
        assert(rest + earned == paid);
    }

    /// Rounded up, by less than one unit; free only if the price or the time is nothing.
    function priceCoversTheSeconds(uint128 perDay, uint32 duration) external pure {
        uint256 price = Earning.price(perDay, duration);
        uint256 exact = uint256(perDay) * duration;
        assert(price * 86_400 >= exact);
        assert(price == 0 || (price - 1) * 86_400 < exact);
        assert(price != 0 || perDay == 0 || duration == 0);
    }

    /// An extension of a running stream: a refund at its moment is not smaller than one a moment before it.
    function anExtensionTakesNothing(uint128 paid, uint40 from, uint40 to, uint40 time, uint128 payment) external pure {
        require(from < to && from <= time);
        uint256 rest = paid - Earning.earned(paid, from, to, time);
        uint256 stream = rest + payment;
        uint256 end = to > time ? to : time;
        assert(stream - Earning.earned(stream, time, end + 1, time) >= rest);
    }
}
