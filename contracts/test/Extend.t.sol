// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Subscriptions} from "../src/Subscriptions.sol";
import {Fixture} from "./support/Fixture.sol";

contract ExtendTest is Fixture {
    function test_refuses_overMaxPayment() public {
        uint256 id = active(alice, COIN, DAY);
        vm.expectRevert(abi.encodeWithSelector(Subscriptions.OverMaxPayment.selector, COIN_PER_DAY, COIN_PER_DAY - 1));
        vm.prank(alice);
        subs.extend{value: COIN_PER_DAY}(id, DAY, COIN_PER_DAY - 1);
    }

    function test_refuses_wrongValue() public {
        uint256 inCoin = active(alice, COIN, DAY);
        refuses(Subscriptions.WrongValue.selector, COIN_PER_DAY);
        vm.prank(alice);
        subs.extend{value: COIN_PER_DAY + 1}(inCoin, DAY, 1 ether);
        uint256 inToken = active(alice, address(dusd), DAY);
        refuses(Subscriptions.WrongValue.selector, 0);
        vm.prank(alice);
        subs.extend{value: 1}(inToken, DAY, DUSD_PER_DAY);
    }

    function test_refuses_tokenTakenOff() public {
        uint256 id = active(alice, address(dusd), DAY);
        vm.prank(owner);
        subs.setPrice(SMALL, address(dusd), 0);
        vm.expectRevert(abi.encodeWithSelector(Subscriptions.TokenNotListed.selector, address(dusd)));
        vm.prank(alice);
        subs.extend(id, DAY, DUSD_PER_DAY);
        vm.expectRevert(abi.encodeWithSelector(Subscriptions.TokenNotListed.selector, address(dusd)));
        subs.quoteExtend(id, DAY);
    }

    function testFuzz_refuses_lessThanTheMinimum(uint256 duration) public {
        uint256 id = active(alice, COIN, DAY);
        duration = within(duration, 0, MIN - 1);
        refuses(Subscriptions.BadDuration.selector, duration);
        vm.prank(alice);
        subs.extend{value: 1}(id, duration, 1 ether);
        refuses(Subscriptions.BadDuration.selector, duration);
        subs.quoteExtend(id, duration);
    }

    function testFuzz_refuses_beyondTheMaximumFromNow(uint256 duration, uint256 wait) public {
        uint256 id = active(alice, COIN, 10 * DAY);
        wait = within(wait, 0, 20 * DAY);
        later(wait);
        uint256 room = wait < 10 * DAY ? MAX - (10 * DAY - wait) : MAX;
        vm.assume(duration > room);
        refuses(Subscriptions.BadDuration.selector, duration);
        vm.prank(alice);
        subs.extend{value: 1}(id, duration, type(uint256).max);
        refuses(Subscriptions.BadDuration.selector, duration);
        subs.quoteExtend(id, duration);
    }

    function test_refuses_whatTheBooksCannotHold() public {
        uint128 huge = type(uint128).max / 2;
        vm.prank(owner);
        subs.setPrice(SMALL, COIN, huge);
        vm.deal(alice, type(uint256).max / 2);
        uint256 id = active(alice, COIN, DAY);
        extend(alice, id, DAY);
        vm.expectRevert(
            abi.encodeWithSelector(Subscriptions.OverMaxPayment.selector, uint256(huge) * 3, uint256(type(uint128).max))
        );
        vm.prank(alice);
        subs.extend{value: huge}(id, DAY, huge);
    }

    /// E5 of the facts: an extension never gives less, to the plan's maximum and out of the grace too.
    function testFuzz_addsExactlyWhatWasPaid(uint256 bought, uint256 wait, uint256 added, bool inCoin) public {
        bought = within(bought, MIN, 30 * DAY);
        address token = inCoin ? COIN : address(dusd);
        uint256 id = active(alice, token, bought);
        uint256 start = time();
        later(within(wait, 0, bought + 2 * GRACE));
        uint256 from = time() > start + bought ? time() : start + bought;
        added = within(added, MIN, time() + MAX - from);
        uint256 price = priceOf(perDayOf(token), added);
        uint256 before = held(token, stranger);
        uint256 paid = subs.subscription(id).paid;

        vm.expectEmit(true, true, true, true);
        emit Subscriptions.Extended(id, stranger, price, from + added);
        eq(extend(stranger, id, added), price, "quote");

        eq(before - held(token, stranger), price, "taken from who paid");
        Subscriptions.Subscription memory s = subs.subscription(id);
        eq(s.expiresAt, from + added, "expiresAt");
        eq(s.streamFrom, time(), "the new stream begins now");
        eq(s.streamTo, from + added, "and ends with the time");
        eq(s.settled, 0, "nothing of it is settled");
        eq(s.paid + subs.collectable(token), paid + price, "rest and payment, the earned apart");
        eq(s.holder, alice, "the holder stays");
        isPhase(id, Subscriptions.Phase.Active);
    }

    function test_worksForAClosedPlan_whilePausedAndWhenFull() public {
        vm.prank(alice);
        uint256 id = subs.buy{value: COIN_PER_DAY}(LARGE, COIN, DAY, COIN_PER_DAY, alice);
        activate(id);
        vm.prank(owner);
        subs.setOpen(LARGE, false);
        vm.prank(owner);
        subs.setBuyingPaused(true);
        vm.prank(owner);
        subs.setCapacity(LARGE, 0);
        extend(bob, id, DAY);
        eq(subs.subscription(id).expiresAt, time() + 2 * DAY, "expiresAt");
    }

    function test_chargesThePriceOfToday() public {
        uint256 id = active(alice, address(dusd), DAY);
        vm.prank(owner);
        subs.setPrice(SMALL, address(dusd), uint128(DUSD_PER_DAY * 3));
        eq(extend(alice, id, DAY), DUSD_PER_DAY * 3, "price");
    }

    function test_afterTheGrace_untilEnded() public {
        uint256 id = active(alice, COIN, DAY);
        later(DAY + GRACE + 30 days);
        isPhase(id, Subscriptions.Phase.GraceOver);
        extend(alice, id, MAX);
        eq(subs.subscription(id).expiresAt, time() + MAX, "the time begins now");
        eq(subs.collectable(COIN), COIN_PER_DAY, "the old stream is earned");
    }
}
