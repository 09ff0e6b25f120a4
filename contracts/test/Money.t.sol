// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Earning} from "../src/Earning.sol";
import {Subscriptions} from "../src/Subscriptions.sol";
import {Fixture} from "./support/Fixture.sol";
import {CallingToken} from "./mocks/OddTokens.sol";
import {GreedyWallet, PlainWallet, RefusingWallet} from "./mocks/Wallets.sol";

/// @notice What is earned, what goes back, and who is paid.
contract MoneyTest is Fixture {
    // -- cancel

    function test_cancel_refusesOthersThanTheHolder() public {
        uint256 id = active(alice, COIN, DAY);
        vm.prank(alice);
        subs.approve(bob, id);
        vm.prank(alice);
        subs.setApprovalForAll(stranger, true);
        address[5] memory others = [bob, stranger, owner, provisioner, treasury];
        for (uint256 i = 0; i < others.length; ++i) {
            refuses(Subscriptions.NotHolder.selector, id);
            vm.prank(others[i]);
            subs.cancel(id);
        }
    }

    function testFuzz_cancel_neverRefundsTheMinimum(uint256 duration, uint256 wait) public {
        duration = within(duration, MIN, MAX);
        uint256 id = active(alice, address(dusd), duration);
        uint256 paid = subs.subscription(id).paid;
        later(within(wait, 0, MIN));
        cancel(alice, id);
        eq(subs.collectable(address(dusd)), paid * MIN / duration, "the minimum is earned");
        eq(subs.credited(address(dusd), alice), paid - paid * MIN / duration, "the rest goes back");
    }

    function testFuzz_cancel_refundsWhatIsNotEarned(uint256 duration, uint256 wait, bool inCoin) public {
        duration = within(duration, MIN, MAX);
        address token = inCoin ? COIN : address(dusd);
        uint256 id = active(alice, token, duration);
        uint256 paid = subs.subscription(id).paid;
        wait = within(wait, MIN, duration + 2 * GRACE);
        later(wait);
        uint256 earned = wait >= duration ? paid : paid * wait / duration;
        eq(subs.refundable(id), paid - earned, "the view says it before");
        vm.expectEmit(true, true, true, true);
        emit Subscriptions.Ended(id, alice, 2, paid - earned);
        cancel(alice, id);
        eq(subs.credited(token, alice), paid - earned, "credit");
        eq(subs.collectable(token), earned, "earned");
        eq(subs.refundable(id), 0, "nothing more to refund");
    }

    function test_cancel_inGraceRefundsNothing() public {
        uint256 id = active(alice, COIN, DAY);
        later(DAY + 1);
        cancel(alice, id);
        eq(subs.credited(COIN, alice), 0, "credit");
        eq(subs.collectable(COIN), COIN_PER_DAY, "earned");
    }

    function test_cancel_rightAfterAnExtension() public {
        uint256 id = active(alice, address(dusd), DAY);
        later(DAY / 2);
        extend(bob, id, DAY);
        cancel(alice, id);
        uint256 earned = DUSD_PER_DAY / 2;
        eq(subs.collectable(address(dusd)), earned, "half a day is earned");
        eq(subs.credited(address(dusd), alice), 2 * DUSD_PER_DAY - earned, "the rest is the holder's, whoever paid");
    }

    // -- settle

    function testFuzz_settle_howOftenChangesNothing(uint256 duration, uint256[8] memory waits) public {
        duration = within(duration, MIN, MAX);
        uint256 often = active(alice, address(dusd), duration);
        uint256 once = active(bob, address(dusd), duration);
        uint256 start = time();
        uint256 paid = subs.subscription(often).paid;
        uint256 before;
        for (uint256 i = 0; i < waits.length; ++i) {
            later(waits[i] % (duration / 4));
            subs.settle(often);
            uint256 settled = subs.subscription(often).settled;
            yes(settled >= before, "never falls");
            before = settled;
            eq(subs.subscription(often).streamFrom, start, "from never moves");
            eq(settled, Earning.earned(paid, start, start + duration, time()), "from the beginning, rounded once");
        }
        subs.settle(once);
        eq(subs.subscription(once).settled, subs.subscription(often).settled, "the same as settled once");
        eq(subs.collectable(address(dusd)), 2 * before, "one balance for all");
    }

    function test_settle_twiceInABlockIsSilent() public {
        uint256 id = active(alice, COIN, DAY);
        later(100);
        vm.expectEmit(true, true, true, true);
        emit Subscriptions.Settled(id, COIN, COIN_PER_DAY * 100 / DAY);
        subs.settle(id);
        subs.settle(id);
        eq(subs.collectable(COIN), COIN_PER_DAY * 100 / DAY, "collectable");
    }

    function testFuzz_earned_staysWithinWhatWasPaid(uint128 paid, uint40 from, uint32 length, uint40 moment)
        public
        pure
    {
        uint256 to = uint256(from) + length + 1;
        uint256 earned = Earning.earned(paid, from, to, moment);
        yes(earned <= paid, "never more than paid");
        if (moment <= from) eq(earned, 0, "nothing before its time");
        if (moment >= to) eq(earned, paid, "all of it at the end");
        if (moment > from && moment < to) yes(earned * (to - from) <= uint256(paid) * (moment - from), "rounded down");
    }

    // -- withdraw and collect

    function test_withdraw_refusesWithoutCredit() public {
        refuses(Subscriptions.NothingToPay.selector);
        vm.prank(alice);
        subs.withdraw(COIN, alice);
        refuses(Subscriptions.NothingToPay.selector);
        subs.collect(COIN);
    }

    function test_withdraw_refusesBadReceivers() public {
        cancel(alice, active(alice, COIN, DAY));
        refuses(Subscriptions.ZeroAddress.selector);
        vm.prank(alice);
        subs.withdraw(COIN, COIN);
        refuses(Subscriptions.BadReceiver.selector, address(subs));
        vm.prank(alice);
        subs.withdraw(COIN, address(subs));
    }

    function test_withdraw_refusesTheCreditOfOthers() public {
        cancel(alice, active(alice, COIN, DAY));
        refuses(Subscriptions.NothingToPay.selector);
        vm.prank(bob);
        subs.withdraw(COIN, bob);
    }

    function testFuzz_withdraw_paysOnceToWhomItIsTold(bool inCoin) public {
        address token = inCoin ? COIN : address(dusd);
        cancel(alice, active(alice, token, DAY));
        uint256 credit = subs.credited(token, alice);
        address to = address(0x7777);
        vm.expectEmit(true, true, true, true);
        emit Subscriptions.Withdrawn(token, alice, to, credit);
        vm.prank(alice);
        subs.withdraw(token, to);
        eq(held(token, to), credit, "paid");
        refuses(Subscriptions.NothingToPay.selector);
        vm.prank(alice);
        subs.withdraw(token, to);
    }

    function testFuzz_collect_byAnyone_goesToTheTreasuryOfThatMoment(bool inCoin) public {
        address token = inCoin ? COIN : address(dusd);
        uint256 id = active(alice, token, DAY);
        later(DAY);
        subs.settle(id);
        address moved = address(0x7777);
        vm.prank(owner);
        subs.setTreasury(moved);
        vm.expectEmit(true, true, true, true);
        emit Subscriptions.Collected(token, moved, perDayOf(token));
        vm.prank(stranger);
        subs.collect(token);
        eq(held(token, moved), perDayOf(token), "the new treasury");
        eq(held(token, treasury), 0, "the old one");
        eq(held(token, address(subs)), 0, "nothing stays");
    }

    function test_collect_refusesATreasuryThatIsTheContractItself() public {
        uint256 id = active(alice, COIN, DAY);
        later(DAY);
        subs.settle(id);
        vm.prank(owner);
        subs.setTreasury(address(subs));
        refuses(Subscriptions.BadReceiver.selector, address(subs));
        subs.collect(COIN);
    }

    function test_booksAreKeptPerToken() public {
        uint256 inCoin = active(alice, COIN, DAY);
        uint256 inToken = active(alice, address(dusd), DAY);
        later(DAY / 2);
        cancel(alice, inToken);
        eq(subs.collectable(COIN), 0, "coin earned");
        eq(subs.credited(COIN, alice), 0, "coin credited");
        eq(subs.subscription(inCoin).paid, COIN_PER_DAY, "coin in escrow");
    }

    function test_pauseStopsNoPayment() public {
        uint256 late = buy(alice, COIN, DAY);
        uint256 id = active(alice, COIN, DAY);
        vm.prank(owner);
        subs.setBuyingPaused(true);
        extend(alice, id, DAY);
        later(DEADLINE);
        subs.refund(late);
        cancel(alice, id);
        vm.prank(alice);
        subs.withdraw(COIN, alice);
        subs.collect(COIN);
    }

    // -- adversaries

    function test_aWalletThatRefusesCoin_harmsItselfOnly() public {
        RefusingWallet wallet = new RefusingWallet();
        bytes memory call = abi.encodeCall(subs.buy, (SMALL, COIN, DAY, COIN_PER_DAY, address(wallet)));
        yes(wallet.run{value: COIN_PER_DAY}(address(subs), COIN_PER_DAY, call), "buys");
        later(DEADLINE);
        subs.refund(1);
        yes(!wallet.run(address(subs), 0, abi.encodeCall(subs.withdraw, (COIN, address(wallet)))), "cannot be paid");
        eq(subs.credited(COIN, address(wallet)), COIN_PER_DAY, "its credit stays");
        yes(wallet.run(address(subs), 0, abi.encodeCall(subs.withdraw, (COIN, alice))), "may name another");
    }

    function test_aTreasuryThatRefusesCoin_blocksNobody() public {
        uint256 id = active(alice, COIN, DAY);
        address refusing = address(new RefusingWallet());
        vm.prank(owner);
        subs.setTreasury(refusing);
        later(DAY / 2);
        subs.settle(id);
        refuses(Subscriptions.TransferFailed.selector);
        subs.collect(COIN);
        cancel(alice, id);
        vm.prank(alice);
        subs.withdraw(COIN, alice);
    }

    function test_aWalletThatComesBackWhilePaid_isPaidOnce() public {
        GreedyWallet greedy = new GreedyWallet();
        bytes memory call = abi.encodeCall(subs.buy, (SMALL, COIN, DAY, COIN_PER_DAY, address(greedy)));
        greedy.run{value: COIN_PER_DAY}(address(subs), COIN_PER_DAY, call);
        buy(alice, COIN, DAY);
        later(DEADLINE);
        subs.refund(1);
        greedy.callBack(address(subs), abi.encodeCall(subs.withdraw, (COIN, address(greedy))));
        yes(greedy.run(address(subs), 0, abi.encodeCall(subs.withdraw, (COIN, address(greedy)))), "is paid");
        eq(greedy.calls(), 1, "it tried");
        yes(!greedy.succeeded(), "and was refused");
        eq(address(greedy).balance, COIN_PER_DAY, "once");
        eq(address(subs).balance, COIN_PER_DAY, "the other's escrow stays");
    }

    /// A token that calls back in the middle of a payment finds every door shut.
    function test_aTokenThatCallsBack_isRefusedEverywhere() public {
        CallingToken token = new CallingToken();
        vm.prank(owner);
        subs.setPrice(SMALL, address(token), 1e18);
        token.mint(address(token), 100e18);
        token.mint(alice, 100e18);
        vm.prank(alice);
        token.approve(address(subs), type(uint256).max);
        uint256 id = active(alice, address(token), DAY);
        vm.prank(alice);
        subs.transferFrom(alice, address(token), id);
        vm.prank(owner);
        subs.setProvisioner(address(token));
        bytes[9] memory calls = [
            abi.encodeCall(subs.buy, (SMALL, address(token), DAY, 1e18, alice)),
            abi.encodeCall(subs.extend, (id, DAY, 1e18)),
            abi.encodeCall(subs.cancel, (id)),
            abi.encodeCall(subs.settle, (id)),
            abi.encodeCall(subs.end, (id)),
            abi.encodeCall(subs.reject, (id)),
            abi.encodeCall(subs.refund, (id)),
            abi.encodeCall(subs.activate, (id)),
            abi.encodeCall(subs.withdraw, (address(token), alice))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            token.callBack(address(subs), calls[i]);
            extend(alice, id, DAY);
            yes(token.called() && !token.succeeded(), "refused");
            yes(
                keccak256(token.answer())
                    == keccak256(
                        abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector)
                    ),
                "by the guard"
            );
        }
        eq(token.balanceOf(address(subs)), 10e18, "ten days in escrow");
        eq(subs.subscription(id).paid, 10e18, "and in the books");
    }

    function test_whatIsSentUnasked_changesNoBook() public {
        uint256 id = active(alice, COIN, DAY);
        // as another contract's selfdestruct would
        vm.deal(address(subs), address(subs).balance + 1 ether);
        vm.prank(bob);
        dusd.transfer(address(subs), 1e6);
        eq(address(subs).balance, COIN_PER_DAY + 1 ether, "balance");
        refuses(Subscriptions.NothingToPay.selector);
        subs.collect(address(dusd));
        cancel(alice, id);
        yes(subs.credited(COIN, alice) < COIN_PER_DAY, "credit");
        extend(alice, active(alice, address(dusd), DAY), DAY);
    }

    function test_sentCoinIsRefused() public {
        vm.prank(alice);
        (bool ok,) = address(subs).call{value: 1}("");
        yes(!ok, "no receive function");
    }

    function test_contractWalletHoldsAndCancels() public {
        PlainWallet wallet = new PlainWallet();
        uint256 id = active(alice, COIN, DAY);
        vm.prank(alice);
        subs.transferFrom(alice, address(wallet), id);
        wallet.run(address(subs), 0, abi.encodeCall(subs.cancel, (id)));
        wallet.run(address(subs), 0, abi.encodeCall(subs.withdraw, (COIN, address(wallet))));
        yes(address(wallet).balance > 0, "paid");
    }
}
