// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {NewPlan} from "../src/Plans.sol";
import {Subscriptions} from "../src/Subscriptions.sol";
import {Fixture} from "./support/Fixture.sol";
import {PlainWallet} from "./mocks/Wallets.sol";

/// @notice The promises about money, by the number they have in the product's requirements.
contract PromisesTest is Fixture {
    function test_M1_aSubscriberNeverPaysMoreThanAgreed() public {
        uint256 agreed = subs.quote(SMALL, COIN, DAY);
        vm.prank(owner);
        subs.setPrice(SMALL, COIN, uint128(agreed + 1));
        vm.expectRevert(abi.encodeWithSelector(Subscriptions.OverMaxPayment.selector, agreed + 1, agreed));
        vm.prank(alice);
        subs.buy{value: agreed}(SMALL, COIN, DAY, agreed, alice);
    }

    function test_M1_holdsForAnExtensionToo() public {
        uint256 id = active(alice, address(dusd), DAY);
        (, uint256 agreed) = subs.quoteExtend(id, DAY);
        vm.prank(owner);
        subs.setPrice(SMALL, address(dusd), uint128(agreed + 1));
        vm.expectRevert(abi.encodeWithSelector(Subscriptions.OverMaxPayment.selector, agreed + 1, agreed));
        vm.prank(alice);
        subs.extend(id, DAY, agreed);
    }

    function test_M2_nobodyCanPayWhileTheHostIsFull() public {
        vm.prank(alice);
        subs.buy{value: COIN_PER_DAY}(LARGE, COIN, DAY, COIN_PER_DAY, alice);
        uint256 before = bob.balance;
        refuses(Subscriptions.OverCapacity.selector, LARGE);
        vm.prank(bob);
        subs.buy{value: COIN_PER_DAY}(LARGE, COIN, DAY, COIN_PER_DAY, bob);
        eq(bob.balance, before, "nothing was taken");
    }

    function test_M2_norWhileItIsPaused() public {
        vm.prank(owner);
        subs.setBuyingPaused(true);
        refuses(Subscriptions.BuyingPaused.selector);
        vm.prank(bob);
        subs.buy(SMALL, address(dusd), DAY, DUSD_PER_DAY, bob);
    }

    function testFuzz_M3_aPaymentIsNeverKeptWithoutActivation(uint256 duration, uint256 wait, bool inCoin) public {
        address token = inCoin ? COIN : address(dusd);
        uint256 before = held(token, alice);
        uint256 id = buy(alice, token, within(duration, MIN, MAX));
        later(within(wait, DEADLINE, 1000 days));
        refuses(Subscriptions.DeadlinePassed.selector, id);
        vm.prank(provisioner);
        subs.activate(id);
        subs.refund(id);
        vm.prank(alice);
        subs.withdraw(token, alice);
        eq(held(token, alice), before, "all of it is back");
        eq(subs.collectable(token), 0, "nothing is earned");
    }

    function test_M4_thePlanBoughtIsThePlanOfTheSubscription() public {
        vm.prank(owner);
        subs.addPlan(newPlan("third", 1));
        bytes32 before = keccak256(abi.encode(subs.plan(SMALL).plan));
        uint256[3] memory ids;
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(alice);
            ids[i] = subs.buy{value: COIN_PER_DAY}(i, COIN, DAY, COIN_PER_DAY, alice);
        }
        for (uint256 i = 0; i < 3; ++i) {
            eq(subs.subscription(ids[i]).planId, i, "plan");
        }
        yes(keccak256(abi.encode(subs.plan(SMALL).plan)) == before, "a sale changes no plan");
    }

    function test_M5_aStolenServerKeyNeverTakesTheTreasury() public {
        active(alice, COIN, DAY);
        NewPlan memory more = newPlan("more", 1);
        address[2] memory others = [provisioner, stranger];
        for (uint256 i = 0; i < others.length; ++i) {
            bytes4 reason = Ownable.OwnableUnauthorizedAccount.selector;
            vm.startPrank(others[i]);
            refuses(reason, others[i]);
            subs.setTreasury(others[i]);
            refuses(reason, others[i]);
            subs.setProvisioner(others[i]);
            refuses(reason, others[i]);
            subs.setPrice(SMALL, COIN, 1);
            refuses(reason, others[i]);
            subs.setCapacity(SMALL, 1);
            refuses(reason, others[i]);
            subs.setOpen(SMALL, false);
            refuses(reason, others[i]);
            subs.setBuyingPaused(true);
            refuses(reason, others[i]);
            subs.addPlan(more);
            refuses(reason, others[i]);
            subs.transferOwnership(others[i]);
            refuses(Subscriptions.NothingToPay.selector);
            subs.withdraw(COIN, others[i]);
            vm.stopPrank();
        }
        later(DAY);
        subs.settle(1);
        vm.prank(provisioner);
        subs.collect(COIN);
        eq(treasury.balance, COIN_PER_DAY, "what the stolen key can move goes to the treasury");
    }

    function test_M6_noAllowanceOutlivesItsTransfer() public {
        vm.prank(alice);
        dusd.approve(address(subs), DUSD_PER_DAY);
        uint256 id = active(alice, address(dusd), DAY);
        eq(dusd.allowance(alice, address(subs)), 0, "after the purchase");
        vm.prank(alice);
        dusd.approve(address(subs), DUSD_PER_DAY);
        extend(alice, id, DAY);
        eq(dusd.allowance(alice, address(subs)), 0, "after the extension");
    }

    function test_M7_noShareGoesToAPlaceholder() public {
        NewPlan[] memory none = new NewPlan[](0);
        refuses(Subscriptions.ZeroAddress.selector);
        deploy(owner, address(0), provisioner, none);
        refuses(Subscriptions.ZeroAddress.selector);
        deploy(owner, treasury, address(0), none);
        vm.startPrank(owner);
        refuses(Subscriptions.ZeroAddress.selector);
        subs.setTreasury(address(0));
        refuses(Subscriptions.ZeroAddress.selector);
        subs.setProvisioner(address(0));
        vm.stopPrank();
    }

    function test_M9_passAndSubscriptionAreNeverInDifferentHands() public {
        uint256 id = active(alice, address(dusd), DAY);
        vm.prank(alice);
        subs.transferFrom(alice, bob, id);
        eq(subs.subscription(id).holder, bob, "holder");
        eq(subs.subscription(id).buyer, alice, "buyer stays a fact of the purchase");
        extend(bob, id, DAY);
        refuses(Subscriptions.NotHolder.selector, id);
        vm.prank(alice);
        subs.cancel(id);
        cancel(bob, id);
        yes(subs.credited(address(dusd), bob) > 0, "the refund is the new holder's");
        eq(subs.credited(address(dusd), alice), 0, "and not the seller's");
    }

    function test_M10_twoPurchasesInOneBlockGetTwoIds() public {
        eq(buy(alice, COIN, DAY), 1, "first");
        eq(buy(bob, COIN, DAY), 2, "second");
    }

    function test_M10_anIdIsNeverUsedAgain() public {
        uint256 id = buy(alice, COIN, DAY);
        vm.prank(provisioner);
        subs.reject(id);
        eq(buy(alice, COIN, DAY), id + 1, "the next one");
    }

    function test_M11_aContractWalletWithoutHookBuys() public {
        PlainWallet wallet = new PlainWallet();
        vm.deal(address(wallet), COIN_PER_DAY);
        wallet.run(
            address(subs), COIN_PER_DAY, abi.encodeCall(subs.buy, (SMALL, COIN, DAY, COIN_PER_DAY, address(wallet)))
        );
        eq(subs.ownerOf(1), address(wallet), "holder");
    }
}
