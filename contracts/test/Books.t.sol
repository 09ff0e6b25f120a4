// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Subscriptions} from "../src/Subscriptions.sol";
import {Fixture} from "./support/Fixture.sol";
import {Handler} from "./support/Handler.sol";

/// @notice Whatever people do in whatever order, every unit of money is somebody's.
contract BooksTest is Fixture {
    Handler private handler;

    function setUp() public override {
        super.setUp();
        vm.prank(owner);
        subs.setCapacity(SMALL, 12);
        handler = new Handler(subs, dusd, provisioner);
    }

    function targetContracts() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(handler);
    }

    /// balance = Σ what can still go back + Σ earned and not settled + Σ credited + collectable + what was sent unasked
    function invariant_everyUnitIsAccountedFor() external view {
        check(COIN);
        check(address(dusd));
    }

    function check(address token) private view {
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
        eq(held(token, treasury), handler.collected(token), "the treasury has what was collected");
    }

    function invariant_placesInUseAreThoseOfSubscriptionsThatLive() external view {
        uint256 living;
        for (uint256 id = 1; id < subs.nextTokenId(); ++id) {
            Subscriptions.Subscription memory s = subs.subscription(id);
            bool lives = s.state == Subscriptions.State.Pending || s.state == Subscriptions.State.Active;
            if (lives) ++living;
            yes(lives == (s.holder != address(0)), "a pass lives as long as its subscription");
            yes(s.settled <= s.paid, "never settled beyond what was paid");
            yes(s.expiresAt <= time() + MAX, "never beyond the maximum from now");
        }
        eq(subs.plan(SMALL).used, living, "used");
        yes(living <= 12, "never over capacity");
    }
}
