// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {NewPlan, Price} from "../src/Plans.sol";
import {Subscriptions} from "../src/Subscriptions.sol";
import {Base} from "./Base.sol";
import {FeeToken, PlainWallet, ReenteringToken} from "./mocks/Tokens.sol";

contract PurchaseTest is Base {
    function test_M1_deniesAPriceAboveWhatWasAgreed() external {
        uint256 agreed = host.quote(0, NATIVE, 1 days);
        vm.prank(owner);
        host.setPrice(0, NATIVE, uint128(perDay + 1));
        refuses(abi.encodeWithSelector(Subscriptions.OverMaxPayment.selector, perDay + 1, agreed));
        vm.prank(alice);
        host.buy{value: agreed}(0, NATIVE, 1 days, agreed, alice);
    }

    function test_M2_deniesWhenEveryPlaceIsTaken() external {
        for (uint256 i = 0; i < 3; ++i) {
            buyNative(alice, 1 days);
        }
        eq(host.available(0), 0, "available");
        refuses(abi.encodeWithSelector(Subscriptions.OverCapacity.selector, 0));
        vm.prank(bob);
        host.buy{value: perDay}(0, NATIVE, 1 days, perDay, bob);
    }

    function test_M2_deniesWhileBuyingIsPaused() external {
        vm.prank(owner);
        host.setBuyingPaused(true);
        refuses(abi.encodeWithSelector(Subscriptions.BuyingPaused.selector));
        vm.prank(alice);
        host.buy{value: perDay}(0, NATIVE, 1 days, perDay, alice);
    }

    function test_deniesAClosedOrUnknownPlan() external {
        vm.prank(owner);
        host.setOpen(0, false);
        refuses(abi.encodeWithSelector(Subscriptions.PlanClosed.selector, 0));
        vm.prank(alice);
        host.buy{value: perDay}(0, NATIVE, 1 days, perDay, alice);
        refuses(abi.encodeWithSelector(Subscriptions.UnknownPlan.selector, 9));
        vm.prank(alice);
        host.buy{value: perDay}(9, NATIVE, 1 days, perDay, alice);
    }

    function test_deniesAnUnlistedToken() external {
        vm.prank(owner);
        host.setPrice(0, address(token), 0);
        refuses(abi.encodeWithSelector(Subscriptions.TokenNotListed.selector, address(token)));
        vm.prank(alice);
        host.buy(0, address(token), 1 days, 1e30, alice);
    }

    function testFuzz_deniesDurationsOutsideThePlan(uint256 duration) external {
        vm.assume(duration < 1 days || duration > 90 days);
        refuses(abi.encodeWithSelector(Subscriptions.BadDuration.selector, duration));
        vm.prank(alice);
        host.buy(0, address(token), duration, type(uint256).max, alice);
    }

    function testFuzz_deniesAValueOtherThanThePrice(uint96 value) external {
        vm.assume(value != perDay && value <= 1e24);
        refuses(abi.encodeWithSelector(Subscriptions.WrongValue.selector, perDay));
        vm.prank(alice);
        host.buy{value: value}(0, NATIVE, 1 days, perDay, alice);
    }

    function test_deniesCoinsBesideAToken() external {
        refuses(abi.encodeWithSelector(Subscriptions.WrongValue.selector, 0));
        vm.prank(alice);
        host.buy{value: 1}(0, address(token), 1 days, tokenPerDay, alice);
    }

    function test_deniesATokenThatTakesAFee() external {
        FeeToken fee = new FeeToken();
        fee.approve(address(host), type(uint256).max);
        vm.prank(owner);
        host.setPrice(0, address(fee), 1000);
        refuses(abi.encodeWithSelector(Subscriptions.WrongAmountReceived.selector, 1000, 990));
        host.buy(0, address(fee), 1 days, 1000, address(this));
    }

    function test_deniesReentranceOfAToken() external {
        ReenteringToken re = new ReenteringToken();
        re.approve(address(host), type(uint256).max);
        vm.prank(owner);
        host.setPrice(0, address(re), 1000);
        re.aim(host);
        host.buy(0, address(re), 1 days, 1000, alice);
        yes(re.refused(), "the second entry was refused");
        eq(host.nextTokenId(), 2, "one purchase");
    }

    function testFuzz_takesExactlyThePriceRoundedUp(uint256 duration) external {
        duration = bound(duration, 1 days, 90 days);
        uint256 before = token.balanceOf(alice);
        uint256 id = buyToken(alice, duration);
        uint256 paid = before - token.balanceOf(alice);
        yes(paid * 1 days >= uint256(tokenPerDay) * duration, "not below the price");
        yes((paid - 1) * 1 days < uint256(tokenPerDay) * duration, "not above the price, rounded up");
        eq(host.subscription(id).paid, paid, "paid");
        eq(token.balanceOf(address(host)), paid, "escrow");
        eq(host.ownerOf(id), alice, "holder");
        eq(uint256(host.entitlement(id)), uint256(Subscriptions.Phase.Pending), "phase");
    }

    function test_M4_keepsThePlanOfThePurchase() external {
        vm.prank(alice);
        uint256 id = host.buy{value: perDay}(1, NATIVE, 1 days, perDay, alice);
        eq(host.subscription(id).planId, 1, "plan");
    }

    function test_M10_twoPurchasesInOneBlockGetTwoIds() external {
        eq(buyNative(alice, 1 days), 1, "first");
        eq(buyNative(bob, 1 days), 2, "second");
    }

    function test_M11_aWalletWithoutAHookBuys() external {
        PlainWallet wallet = new PlainWallet();
        vm.deal(address(wallet), perDay);
        wallet.run(address(host), perDay, abi.encodeCall(host.buy, (0, NATIVE, 1 days, perDay, address(wallet))));
        eq(host.ownerOf(1), address(wallet), "holder");
    }

    function test_M6_aPermitIsForThisPurchaseAndLeavesNoAllowance() external {
        uint256 key = 0xC0FFEE;
        address carol = vm.addr(key);
        token.mint(carol, 1e12);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, permitDigest(carol, tokenPerDay));
        vm.prank(carol);
        host.buyWithPermit(0, address(token), 1 days, tokenPerDay, carol, t0, v, r, s);
        eq(token.allowance(carol, address(host)), 0, "allowance");
        eq(host.ownerOf(1), carol, "holder");
    }

    function test_aPermitThatSomebodySentFirstStopsNothing() external {
        uint256 key = 0xC0FFEE;
        address carol = vm.addr(key);
        token.mint(carol, 1e12);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, permitDigest(carol, tokenPerDay));
        token.permit(carol, address(host), tokenPerDay, t0, v, r, s);
        vm.prank(carol);
        host.buyWithPermit(0, address(token), 1 days, tokenPerDay, carol, t0, v, r, s);
        eq(host.ownerOf(1), carol, "holder");
    }

    function test_M8_gasOfAPurchaseDoesNotGrow() external {
        vm.startPrank(alice);
        uint256 first;
        for (uint256 i = 0; i < 300; ++i) {
            uint256 before = gasleft();
            host.buy(1, address(token), 1 days, tokenPerDay, alice);
            uint256 used = before - gasleft();
            // the first ones fill empty words; from then on it must stay
            if (i == 2) first = used;
            if (i > 2) yes(used <= first + 100, "grew");
        }
        vm.stopPrank();
    }

    function permitDigest(address holder, uint256 amount) internal view returns (bytes32) {
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 data = keccak256(abi.encode(typeHash, holder, address(host), amount, token.nonces(holder), t0));
        return MessageHashUtils.toTypedDataHash(token.DOMAIN_SEPARATOR(), data);
    }
}
