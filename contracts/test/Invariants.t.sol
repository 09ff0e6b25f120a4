// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Subscriptions} from "../src/Subscriptions.sol";
import {Fixture} from "./support/Fixture.sol";
import {Handler} from "./support/Handler.sol";

/// @notice Whatever people do in whatever order, these sentences hold.
contract InvariantsTest is Fixture {
    Handler private handler;

    function setUp() public override {
        super.setUp();
        vm.prank(owner);
        subs.setCapacity(SMALL, 12);
        handler = new Handler(subs, dusd, provisioner, owner, treasury);
    }

    function targetContracts() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(handler);
    }

    /// balance = Σ what can still go back + Σ earned and not settled + Σ credited + collectable + what was sent unasked
    function invariant_noSequencePaysOutMoreThanWasPaidIn() external view {
        books(COIN);
        books(address(dusd));
    }

    function books(address token) private view {
        uint256 refundable;
        uint256 unsettled;
        uint256 credited;
        for (uint256 id = 1; id < subs.nextTokenId(); ++id) {
            Subscriptions.Subscription memory s = subs.subscription(id);
            if (s.token != token) continue;
            if (s.state == Subscriptions.State.Pending) refundable += s.paid;
            if (s.state != Subscriptions.State.Active) continue;
            refundable += subs.refundable(id);
            unsettled += s.paid - s.settled - subs.refundable(id);
        }
        for (uint256 i = 0; i < 3; ++i) {
            credited += subs.credited(token, handler.people(i));
        }
        uint256 owed = refundable + unsettled + credited + subs.collectable(token);
        eq(held(token, address(subs)), owed + handler.unasked(token), "balance");
        eq(handler.paidIn(token), owed + handler.paidOut(token), "nothing is made or lost");
        yes(handler.paidOut(token) <= handler.paidIn(token), "never more out than in");
    }

    /// Against the handler's own reckoning, which knows no `settle`, and against what the handler saw before.
    function invariant_earnedNeverDecreasesAndNeverDependsOnHowOftenSettleIsCalled() external view {
        eq(handler.fell(), 0, "a subscription has earned less than it had before");
        for (uint256 id = 1; id < subs.nextTokenId(); ++id) {
            Subscriptions.Subscription memory s = subs.subscription(id);
            if (s.state == Subscriptions.State.Pending) {
                eq(handler.earnedOf(id), 0, "nothing is earned before activation");
                eq(s.settled, 0, "nor booked");
            }
            if (s.state != Subscriptions.State.Active) continue;
            uint256 earned = handler.earnedOf(id);
            (uint256 rest, uint256 from, uint256 to, uint256 before,,) = handler.streams(id);
            eq(s.paid, rest, "the stream holds what was paid and is not earned");
            eq(s.streamFrom, from, "its beginning never moves by settling");
            eq(s.streamTo, to, "nor its end");
            yes(s.settled + before <= earned, "nothing is booked before it is earned");
        }
    }

    function invariant_capacityIsNeverExceededAndSlotsReturnOnlyByAnEndingTransaction() external view {
        uint256 alive;
        for (uint256 id = 1; id < subs.nextTokenId(); ++id) {
            Subscriptions.Subscription memory s = subs.subscription(id);
            bool lives = s.state == Subscriptions.State.Pending || s.state == Subscriptions.State.Active;
            if (lives) ++alive;
            yes(lives == (s.holder != address(0)), "a pass lives as long as its subscription");
            yes(s.settled <= s.paid, "never settled beyond what was paid");
            yes(s.expiresAt <= time() + MAX, "never beyond the maximum from now");
        }
        uint256 ended = handler.done("reject") + handler.done("refund") + handler.done("end") + handler.done("cancel");
        eq(subs.plan(SMALL).used, alive, "used");
        eq(alive + ended, handler.done("buy"), "a place is freed by one of four transactions and by nothing else");
        yes(alive <= 12, "never over the highest capacity");
        eq(subs.available(SMALL), handler.capacity() > alive ? handler.capacity() - alive : 0, "available");
    }

    /// The handler compares all money before and after each call of the provisioner.
    function invariant_nothingTheProvisionerCallsPaysAnyoneButTheHolderAndAsEarnedTheTreasury() external view {
        address[2] memory tokens = [COIN, address(dusd)];
        for (uint256 i = 0; i < tokens.length; ++i) {
            eq(held(tokens[i], treasury), handler.collected(tokens[i]), "the treasury has what was collected");
            eq(held(tokens[i], provisioner), 0, "the provisioner has nothing");
            eq(subs.credited(tokens[i], provisioner), 0, "and is credited nothing");
            eq(held(tokens[i], owner), 0, "nor the owner");
            eq(subs.credited(tokens[i], owner), 0, "nor is the owner credited");
            eq(subs.credited(tokens[i], treasury), 0, "nor the treasury");
        }
    }

    /// The handler tries every act on ended ones; here, that none came back.
    function invariant_aBurnedPassCanNeverBeActedOn() external view {
        for (uint256 id = 1; id < subs.nextTokenId(); ++id) {
            Subscriptions.Subscription memory s = subs.subscription(id);
            if (s.state != Subscriptions.State.Ended) continue;
            eq(s.holder, address(0), "holder of an ended one");
            eq(subs.refundable(id), 0, "nothing to refund");
            eq(uint256(subs.entitlement(id)), uint256(Subscriptions.Phase.Ended), "ended for good");
        }
    }

    /// The handler compares time and refund, now and at a later moment, before and after each extension; here, that what a
    /// holder would get back is never less than what was paid and is not earned, but for the plan's minimum.
    function invariant_theHolderAfterAnyExtensionIsNeverWorseOffThanBeforeIt() external view {
        for (uint256 id = 1; id < subs.nextTokenId(); ++id) {
            Subscriptions.Subscription memory s = subs.subscription(id);
            if (s.state != Subscriptions.State.Active || time() < s.activatedAt + MIN) continue;
            (uint256 rest,,, uint256 before,,) = handler.streams(id);
            eq(subs.refundable(id), rest + before - handler.earnedOf(id), "all that is not earned");
        }
    }

    /// An invariant over a world where nothing happens shows nothing: one history in which every act takes effect.
    function test_theHandlerDoesEveryAct() external {
        for (uint256 i = 0; i < 6; ++i) {
            handler.buy(i * 7, 2 days);
        }
        handler.reject(0);
        for (uint256 i = 1; i < 4; ++i) {
            handler.activate(i);
        }
        vm.warp(time() + DEADLINE);
        handler.refund(4);
        vm.warp(time() + DAY);
        handler.settle(1);
        handler.observe(1);
        handler.extend(1, 0, 0);
        vm.warp(time() + 1 hours);
        handler.observe(1);
        handler.transfer(1);
        handler.setPrice(8);
        handler.cancel(2);
        handler.actOnABurnedPass(2);
        handler.setCapacity(0);
        handler.buy(0, 0);
        vm.warp(time() + 30 days);
        handler.end(3);
        for (uint256 i = 0; i < 6; ++i) {
            handler.withdraw(i);
            handler.collect(i);
        }
        string[17] memory acts = [
            "buy",
            "buy refused",
            "activate",
            "extend",
            "settle",
            "reject",
            "refund",
            "end",
            "cancel",
            "transfer",
            "setCapacity",
            "setPrice",
            "withdraw",
            "collect",
            "observe",
            "earned more",
            "burned pass refused"
        ];
        for (uint256 i = 0; i < acts.length; ++i) {
            yes(handler.done(acts[i]) > 0, acts[i]);
        }
    }
}
