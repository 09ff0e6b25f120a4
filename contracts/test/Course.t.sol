// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Subscriptions} from "../src/Subscriptions.sol";
import {Fixture} from "./support/Fixture.sol";

/// @notice The states of a subscription: who may move it when, and every transition that is refused.
contract CourseTest is Fixture {
    Subscriptions.Phase private constant NONE = Subscriptions.Phase.None;
    Subscriptions.Phase private constant PENDING = Subscriptions.Phase.Pending;
    Subscriptions.Phase private constant ACTIVE = Subscriptions.Phase.Active;
    Subscriptions.Phase private constant IN_GRACE = Subscriptions.Phase.Grace;
    Subscriptions.Phase private constant GRACE_OVER = Subscriptions.Phase.GraceOver;
    Subscriptions.Phase private constant ENDED = Subscriptions.Phase.Ended;

    /// Each of the functions that move a subscription refuses `id` because of its state.
    function refusesAll(uint256 id, Subscriptions.Phase phase) private {
        refusesState(id, phase);
        vm.prank(provisioner);
        subs.activate(id);
        refusesState(id, phase);
        vm.prank(provisioner);
        subs.reject(id);
        refusesState(id, phase);
        subs.refund(id);
        refusesActiveOnly(id, phase);
    }

    /// What only an activated subscription allows.
    function refusesActiveOnly(uint256 id, Subscriptions.Phase phase) private {
        refusesState(id, phase);
        vm.prank(provisioner);
        subs.end(id);
        refusesState(id, phase);
        vm.prank(alice);
        subs.cancel(id);
        refusesState(id, phase);
        subs.settle(id);
        refusesState(id, phase);
        vm.prank(alice);
        subs.extend{value: 1}(id, DAY, 1);
        refusesState(id, phase);
        subs.quoteExtend(id, DAY);
    }

    function refusesPendingOnly(uint256 id, Subscriptions.Phase phase) private {
        refusesState(id, phase);
        vm.prank(provisioner);
        subs.activate(id);
        refusesState(id, phase);
        vm.prank(provisioner);
        subs.reject(id);
        refusesState(id, phase);
        subs.refund(id);
    }

    function test_unknownId_refusesEverything() public {
        refusesAll(1, NONE);
    }

    function test_passOfTheOperator_isNoSubscription() public {
        eq(subs.ownerOf(0), owner, "holder of pass 0");
        refusesAll(0, NONE);
        isPhase(0, NONE);
    }

    function test_pending_refusesWhatNeedsAnActiveOne() public {
        uint256 id = buy(alice, COIN, DAY);
        refusesActiveOnly(id, PENDING);
        later(DEADLINE);
        refusesActiveOnly(id, PENDING);
    }

    function test_activeInGraceAndAfter_refuseWhatNeedsAPendingOne() public {
        uint256 id = active(alice, COIN, DAY);
        refusesPendingOnly(id, ACTIVE);
        later(DAY);
        refusesPendingOnly(id, IN_GRACE);
        later(GRACE);
        refusesPendingOnly(id, GRACE_OVER);
    }

    function test_ended_refusesEverything_whicheverWayItEnded() public {
        uint256 rejected = buy(alice, COIN, DAY);
        vm.prank(provisioner);
        subs.reject(rejected);
        uint256 refunded = buy(alice, COIN, DAY);
        later(DEADLINE);
        subs.refund(refunded);
        uint256 cancelled = active(alice, COIN, DAY);
        vm.prank(alice);
        subs.cancel(cancelled);
        uint256 over = active(alice, COIN, DAY);
        later(DAY + GRACE);
        vm.prank(owner);
        subs.end(over);
        uint256[4] memory all = [rejected, refunded, cancelled, over];
        for (uint256 i = 0; i < all.length; ++i) {
            isPhase(all[i], ENDED);
            refusesAll(all[i], ENDED);
            eq(subs.subscription(all[i]).holder, address(0), "holder of an ended one");
            vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, all[i]));
            subs.ownerOf(all[i]);
        }
        eq(subs.available(SMALL), 5, "every place is free again");
    }

    function test_activate_refusesOthersThanTheProvisioner() public {
        uint256 id = buy(alice, COIN, DAY);
        address[4] memory others = [owner, treasury, alice, stranger];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Subscriptions.NotProvisioner.selector, others[i]));
            vm.prank(others[i]);
            subs.activate(id);
            vm.expectRevert(abi.encodeWithSelector(Subscriptions.NotProvisioner.selector, others[i]));
            vm.prank(others[i]);
            subs.reject(id);
        }
    }

    function test_activate_refusesFromTheDeadlineOn() public {
        uint256 id = buy(alice, COIN, DAY);
        later(DEADLINE);
        refuses(Subscriptions.DeadlinePassed.selector, id);
        vm.prank(provisioner);
        subs.activate(id);
    }

    function testFuzz_deadline_eitherActivationOrRefund(uint256 wait) public {
        wait = within(wait, 0, 2 * DEADLINE);
        uint256 id = buy(alice, COIN, DAY);
        later(wait);
        bool late = wait >= DEADLINE;
        if (late) refuses(Subscriptions.DeadlinePassed.selector, id);
        else refuses(Subscriptions.DeadlineNotPassed.selector, id);
        if (late) {
            vm.prank(provisioner);
            subs.activate(id);
        } else {
            subs.refund(id);
        }
    }

    function testFuzz_activate_startsTheClock(uint256 duration, uint256 wait) public {
        duration = within(duration, MIN, MAX);
        uint256 id = buy(alice, COIN, duration);
        later(within(wait, 0, DEADLINE - 1));
        vm.expectEmit(true, true, true, true);
        emit Subscriptions.Activated(id, time() + duration);
        activate(id);
        Subscriptions.Subscription memory s = subs.subscription(id);
        eq(uint256(s.state), uint256(Subscriptions.State.Active), "state");
        eq(s.activatedAt, time(), "activatedAt");
        eq(s.expiresAt, time() + duration, "expiresAt");
        eq(s.graceEndsAt, time() + duration + GRACE, "graceEndsAt");
        eq(s.streamFrom, time(), "from");
        eq(s.streamTo, time() + duration, "to");
        eq(s.settled, 0, "settled");
    }

    function testFuzz_phasesFollowTime(uint256 duration, uint256 wait) public {
        duration = within(duration, MIN, MAX);
        uint256 id = active(alice, COIN, duration);
        wait = within(wait, 0, duration + 2 * GRACE);
        later(wait);
        isPhase(id, wait < duration ? ACTIVE : wait < duration + GRACE ? IN_GRACE : GRACE_OVER);
    }

    function test_phases_changeWithTheSecond() public {
        uint256 id = active(alice, COIN, DAY);
        uint256 start = time();
        vm.warp(start + DAY - 1);
        isPhase(id, ACTIVE);
        vm.warp(start + DAY);
        isPhase(id, IN_GRACE);
        vm.warp(start + DAY + GRACE - 1);
        isPhase(id, IN_GRACE);
        vm.warp(start + DAY + GRACE);
        isPhase(id, GRACE_OVER);
    }

    function test_end_refusesOthersThanProvisionerAndOwner() public {
        uint256 id = active(alice, COIN, DAY);
        later(DAY + GRACE);
        address[3] memory others = [alice, treasury, stranger];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Subscriptions.NotProvisioner.selector, others[i]));
            vm.prank(others[i]);
            subs.end(id);
        }
    }

    function testFuzz_end_refusesBeforeTheGraceIsOver(uint256 wait) public {
        uint256 id = active(alice, COIN, DAY);
        later(within(wait, 0, DAY + GRACE - 1));
        refuses(Subscriptions.GraceNotOver.selector, id);
        vm.prank(provisioner);
        subs.end(id);
    }

    function test_end_byProvisioner_settlesAndBurns() public {
        uint256 id = active(alice, address(dusd), DAY);
        later(DAY + GRACE);
        vm.expectEmit(true, true, true, true);
        emit Subscriptions.Ended(id, alice, 3, 0);
        vm.prank(provisioner);
        subs.end(id);
        eq(subs.collectable(address(dusd)), DUSD_PER_DAY, "all of it is earned");
        eq(subs.credited(address(dusd), alice), 0, "nothing goes back");
        eq(subs.balanceOf(alice), 0, "passes");
        eq(subs.available(SMALL), 5, "places");
    }

    function test_reject_creditsEverythingToTheHolder() public {
        uint256 id = buy(alice, address(dusd), DAY);
        vm.prank(alice);
        subs.transferFrom(alice, bob, id);
        vm.expectEmit(true, true, true, true);
        emit Subscriptions.Ended(id, bob, 0, DUSD_PER_DAY);
        vm.prank(provisioner);
        subs.reject(id);
        eq(subs.credited(address(dusd), bob), DUSD_PER_DAY, "credit of the holder");
        eq(subs.collectable(address(dusd)), 0, "earned");
        eq(subs.available(SMALL), 5, "places");
    }

    function test_reject_stillWorksAfterTheDeadline() public {
        uint256 id = buy(alice, COIN, DAY);
        later(DEADLINE + 1);
        vm.prank(provisioner);
        subs.reject(id);
        eq(subs.credited(COIN, alice), COIN_PER_DAY, "credit");
    }

    function test_refund_byAnyone_creditsEverythingToTheHolder() public {
        uint256 id = buy(alice, COIN, DAY);
        later(DEADLINE);
        vm.expectEmit(true, true, true, true);
        emit Subscriptions.Ended(id, alice, 1, COIN_PER_DAY);
        vm.prank(stranger);
        subs.refund(id);
        eq(subs.credited(COIN, alice), COIN_PER_DAY, "credit");
    }

    function test_time_freesNoPlace() public {
        vm.prank(alice);
        uint256 id = subs.buy{value: COIN_PER_DAY}(LARGE, COIN, DAY, COIN_PER_DAY, alice);
        later(DEADLINE + 365 days);
        eq(subs.available(LARGE), 0, "places before the refund");
        subs.refund(id);
        eq(subs.available(LARGE), 1, "places after it");
    }
}
