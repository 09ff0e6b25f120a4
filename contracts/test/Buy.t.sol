// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Earning} from "../src/Earning.sol";
import {Subscriptions} from "../src/Subscriptions.sol";
import {Fixture} from "./support/Fixture.sol";
import {FalseToken, FeeToken, SilentToken} from "./mocks/OddTokens.sol";

contract BuyTest is Fixture {
    function list(address token) private {
        vm.prank(owner);
        subs.setPrice(SMALL, token, 1e18);
    }

    function test_refuses_unknownPlan() public {
        refuses(Subscriptions.UnknownPlan.selector, 2);
        vm.prank(alice);
        subs.buy(2, COIN, DAY, 1 ether, alice);
    }

    function test_refuses_whilePaused() public {
        vm.prank(owner);
        subs.setBuyingPaused(true);
        vm.expectRevert(abi.encodeWithSelector(Subscriptions.BuyingPaused.selector));
        vm.prank(alice);
        subs.buy{value: 1 ether}(SMALL, COIN, DAY, 1 ether, alice);
    }

    function test_refuses_closedPlan() public {
        vm.prank(owner);
        subs.setOpen(SMALL, false);
        refuses(Subscriptions.PlanClosed.selector, SMALL);
        vm.prank(alice);
        subs.buy{value: 1 ether}(SMALL, COIN, DAY, 1 ether, alice);
    }

    function test_refuses_overCapacity() public {
        vm.prank(alice);
        subs.buy{value: COIN_PER_DAY}(LARGE, COIN, DAY, COIN_PER_DAY, alice);
        refuses(Subscriptions.OverCapacity.selector, LARGE);
        vm.prank(bob);
        subs.buy{value: COIN_PER_DAY}(LARGE, COIN, DAY, COIN_PER_DAY, bob);
    }

    function test_refuses_belowCapacitySetLater() public {
        buy(alice, COIN, DAY);
        buy(alice, COIN, DAY);
        vm.prank(owner);
        subs.setCapacity(SMALL, 1);
        eq(subs.available(SMALL), 0, "available");
        refuses(Subscriptions.OverCapacity.selector, SMALL);
        vm.prank(bob);
        subs.buy{value: COIN_PER_DAY}(SMALL, COIN, DAY, COIN_PER_DAY, bob);
    }

    function testFuzz_refuses_durationOutOfRange(uint256 duration) public {
        vm.assume(duration < MIN || duration > MAX);
        refuses(Subscriptions.BadDuration.selector, duration);
        vm.prank(alice);
        subs.buy{value: 1 ether}(SMALL, COIN, duration, type(uint256).max, alice);
    }

    function test_refuses_unlistedToken() public {
        vm.expectRevert(abi.encodeWithSelector(Subscriptions.TokenNotListed.selector, address(0xbad)));
        vm.prank(alice);
        subs.buy(SMALL, address(0xbad), DAY, 1 ether, alice);
    }

    function test_refuses_tokenTakenOff() public {
        vm.prank(owner);
        subs.setPrice(SMALL, address(dusd), 0);
        vm.expectRevert(abi.encodeWithSelector(Subscriptions.TokenNotListed.selector, address(dusd)));
        vm.prank(alice);
        subs.buy(SMALL, address(dusd), DAY, 1 ether, alice);
    }

    function test_refuses_overMaxPayment() public {
        vm.expectRevert(abi.encodeWithSelector(Subscriptions.OverMaxPayment.selector, COIN_PER_DAY, COIN_PER_DAY - 1));
        vm.prank(alice);
        subs.buy{value: COIN_PER_DAY}(SMALL, COIN, DAY, COIN_PER_DAY - 1, alice);
    }

    function test_refuses_priceBeyondTheBooks() public {
        vm.prank(owner);
        subs.setPrice(SMALL, COIN, type(uint128).max);
        uint256 price = priceOf(type(uint128).max, 2 * DAY);
        vm.expectRevert(
            abi.encodeWithSelector(Subscriptions.OverMaxPayment.selector, price, uint256(type(uint128).max))
        );
        vm.prank(alice);
        subs.buy(SMALL, COIN, 2 * DAY, type(uint256).max, alice);
    }

    function testFuzz_refuses_anyOtherValue(uint256 value) public {
        value = within(value, 0, 1 ether);
        vm.assume(value != COIN_PER_DAY);
        refuses(Subscriptions.WrongValue.selector, COIN_PER_DAY);
        vm.prank(alice);
        subs.buy{value: value}(SMALL, COIN, DAY, 1 ether, alice);
    }

    function test_refuses_coinBesideToken() public {
        refuses(Subscriptions.WrongValue.selector, 0);
        vm.prank(alice);
        subs.buy{value: 1}(SMALL, address(dusd), DAY, DUSD_PER_DAY, alice);
    }

    function test_refuses_withoutAllowance() public {
        vm.prank(alice);
        dusd.approve(address(subs), 0);
        vm.expectRevert();
        vm.prank(alice);
        subs.buy(SMALL, address(dusd), DAY, DUSD_PER_DAY, alice);
    }

    function test_refuses_feeOnTransfer() public {
        FeeToken fee = new FeeToken();
        list(address(fee));
        fee.mint(alice, 10e18);
        vm.prank(alice);
        fee.approve(address(subs), 10e18);
        vm.expectRevert(abi.encodeWithSelector(Subscriptions.WrongAmountReceived.selector, 1e18, 1e18 - 1e16));
        vm.prank(alice);
        subs.buy(SMALL, address(fee), DAY, 1e18, alice);
    }

    function test_refuses_tokenThatAnswersFalse() public {
        FalseToken lying = new FalseToken();
        list(address(lying));
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(lying)));
        vm.prank(alice);
        subs.buy(SMALL, address(lying), DAY, 1e18, alice);
    }

    function test_refuses_recipientZero() public {
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721InvalidReceiver.selector, address(0)));
        vm.prank(alice);
        subs.buy{value: COIN_PER_DAY}(SMALL, COIN, DAY, COIN_PER_DAY, address(0));
    }

    function test_refuses_theContractItselfAsHolder() public {
        refuses(Subscriptions.BadReceiver.selector, address(subs));
        vm.prank(alice);
        subs.buy{value: COIN_PER_DAY}(SMALL, COIN, DAY, COIN_PER_DAY, address(subs));
        uint256 id = active(alice, COIN, DAY);
        refuses(Subscriptions.BadReceiver.selector, address(subs));
        vm.prank(alice);
        subs.transferFrom(alice, address(subs), id);
        eq(subs.ownerOf(id), alice, "holder");
    }

    function testFuzz_buys(uint256 duration, bool inCoin) public {
        duration = within(duration, MIN, MAX);
        address token = inCoin ? COIN : address(dusd);
        uint256 price = priceOf(perDayOf(token), duration);
        uint256 before = held(token, alice);
        vm.expectEmit(true, true, true, true);
        emit Subscriptions.Bought(1, SMALL, bob, token, price, duration);
        vm.prank(alice);
        uint256 id = subs.buy{value: inCoin ? price : 0}(SMALL, token, duration, price, bob);

        eq(id, 1, "token id");
        eq(before - held(token, alice), price, "taken from the payer");
        eq(held(token, address(subs)), price, "in escrow");
        eq(subs.ownerOf(id), bob, "holder");
        eq(subs.available(SMALL), 4, "places");
        eq(subs.collectable(token), 0, "nothing earned");
        Subscriptions.Subscription memory s = subs.subscription(id);
        eq(uint256(s.state), uint256(Subscriptions.State.Pending), "state");
        eq(s.planId, SMALL, "plan");
        eq(s.holder, bob, "holder in the view");
        eq(s.buyer, bob, "buyer");
        eq(s.token, token, "token");
        eq(s.boughtAt, time(), "boughtAt");
        eq(s.boughtBlock, block.number, "boughtBlock");
        eq(s.activationDeadline, time() + DEADLINE, "deadline");
        eq(s.duration, duration, "duration");
        eq(s.activatedAt + s.expiresAt + s.graceEndsAt + s.streamFrom + s.streamTo + s.settled, 0, "not begun");
        eq(s.paid, price, "paid");
    }

    function test_buysWithTokenThatAnswersNothing() public {
        SilentToken silent = new SilentToken();
        list(address(silent));
        silent.mint(alice, 1e18);
        uint256 id = buy(alice, address(silent), DAY);
        vm.prank(provisioner);
        subs.reject(id);
        vm.prank(alice);
        subs.withdraw(address(silent), alice);
        eq(silent.balanceOf(alice), 1e18, "back with the buyer");
    }

    function testFuzz_priceIsRoundedUp(uint128 perDay, uint32 duration) public pure {
        uint256 price = Earning.price(perDay, duration);
        yes(price * DAY >= uint256(perDay) * duration, "at least what the seconds cost");
        yes(price == 0 || (price - 1) * DAY < uint256(perDay) * duration, "and not a unit more");
    }
}

contract BuyWithPermitTest is Fixture {
    uint8 private v;
    bytes32 private r;
    bytes32 private s;

    function setUp() public override {
        super.setUp();
        vm.prank(alice);
        dusd.approve(address(subs), 0);
    }

    function sign(uint256 key, uint256 value, uint256 deadline) private {
        bytes32 permit = keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 message = keccak256(abi.encode(permit, alice, address(subs), value, dusd.nonces(alice), deadline));
        (v, r, s) = vm.sign(key, keccak256(abi.encodePacked("\x19\x01", dusd.DOMAIN_SEPARATOR(), message)));
    }

    function buyWithPermit(address token, uint256 maxPayment, uint256 deadline) private returns (uint256) {
        vm.prank(alice);
        return subs.buyWithPermit(SMALL, token, DAY, maxPayment, alice, deadline, v, r, s);
    }

    function test_refuses_foreignPermitWithoutAllowance() public {
        sign(0xbad, DUSD_PER_DAY, time() + 60);
        uint256 deadline = time() + 60;
        vm.expectRevert();
        buyWithPermit(address(dusd), DUSD_PER_DAY, deadline);
    }

    function test_refuses_expiredPermitWithoutAllowance() public {
        sign(ALICE_KEY, DUSD_PER_DAY, time() - 1);
        uint256 deadline = time() - 1;
        vm.expectRevert();
        buyWithPermit(address(dusd), DUSD_PER_DAY, deadline);
    }

    function test_refuses_coin() public {
        refuses(Subscriptions.WrongValue.selector, COIN_PER_DAY);
        buyWithPermit(COIN, COIN_PER_DAY, 0);
    }

    function test_refuses_unlistedToken() public {
        vm.expectRevert(abi.encodeWithSelector(Subscriptions.TokenNotListed.selector, address(subs)));
        buyWithPermit(address(subs), 1, 0);
    }

    function test_buys() public {
        sign(ALICE_KEY, DUSD_PER_DAY, time() + 60);
        uint256 id = buyWithPermit(address(dusd), DUSD_PER_DAY, time() + 60);
        eq(subs.ownerOf(id), alice, "holder");
        eq(dusd.allowance(alice, address(subs)), 0, "allowance left");
    }

    function test_buysThoughSomebodySentThePermitBefore() public {
        sign(ALICE_KEY, DUSD_PER_DAY, time() + 60);
        dusd.permit(alice, address(subs), DUSD_PER_DAY, time() + 60, v, r, s);
        eq(subs.ownerOf(buyWithPermit(address(dusd), DUSD_PER_DAY, time() + 60)), alice, "holder");
    }

    function test_buysWithAllowanceThoughThePermitIsWorthless() public {
        vm.prank(alice);
        dusd.approve(address(subs), DUSD_PER_DAY);
        eq(subs.ownerOf(buyWithPermit(address(dusd), DUSD_PER_DAY, 0)), alice, "holder");
    }
}
