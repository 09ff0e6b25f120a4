// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Subscriptions} from "../src/Subscriptions.sol";
import {Fixture} from "./support/Fixture.sol";
import {BlacklistToken, CoarseToken, LateFeeToken, PermitTrapToken, TurnedFalseToken} from "./mocks/HostileTokens.sol";
import {CallingToken} from "./mocks/OddTokens.sol";
import {PlainWallet} from "./mocks/Wallets.sol";
import {Sale} from "./mocks/Sale.sol";

/// @notice Sellers, tokens and wallets that mean harm, or were made without us in mind.
contract HostileTest is Fixture {
    function list(address token, uint128 perDay) private {
        vm.prank(owner);
        subs.setPrice(SMALL, token, perDay);
    }

    function fund(address who, CoarseToken token, uint256 amount) private {
        token.mint(who, amount);
        vm.prank(who);
        token.approve(address(subs), type(uint256).max);
    }

    // -- a pass for sale

    function offered(uint256 id) private returns (Sale sale) {
        sale = new Sale(subs);
        vm.prank(alice);
        subs.approve(address(sale), id);
        vm.prank(alice);
        sale.offer(id, 1 ether);
    }

    function refusesFill(Sale sale, uint256 id, bytes memory reason) private {
        uint256 before = bob.balance;
        vm.expectRevert(reason);
        vm.prank(bob);
        sale.fill{value: 1 ether}(id);
        eq(bob.balance, before, "the buyer keeps the money");
    }

    function gone(uint256 id) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, id);
    }

    function test_aSellerWhoCancelsBeforeTheSaleFills_leavesNothingToSell() public {
        uint256 id = active(alice, COIN, 30 * DAY);
        Sale sale = offered(id);
        cancel(alice, id);
        refusesFill(sale, id, gone(id));
        // nor does the id come back under the same offer
        uint256 next = buy(alice, COIN, DAY);
        yes(next != id, "another id");
        refusesFill(sale, id, gone(id));
    }

    function test_aSellerWhosePurchaseIsRejectedOrRefunded_leavesNothingToSell() public {
        uint256 rejected = buy(alice, COIN, DAY);
        Sale first = offered(rejected);
        vm.prank(provisioner);
        subs.reject(rejected);
        refusesFill(first, rejected, gone(rejected));
        uint256 late = buy(alice, COIN, DAY);
        Sale second = offered(late);
        later(DEADLINE);
        vm.prank(alice);
        subs.refund(late);
        refusesFill(second, late, gone(late));
    }

    function test_afterTheSale_theSellerCanTakeNothing() public {
        uint256 id = active(alice, COIN, 30 * DAY);
        vm.prank(alice);
        subs.approve(stranger, id);
        Sale sale = offered(id);
        uint256 refund = subs.refundable(id);
        vm.prank(bob);
        sale.fill{value: 1 ether}(id);
        eq(subs.refundable(id), refund, "all that was left is the buyer's");
        refuses(Subscriptions.NotHolder.selector, id);
        vm.prank(alice);
        subs.cancel(id);
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721InsufficientApproval.selector, stranger, id));
        vm.prank(stranger);
        subs.transferFrom(bob, stranger, id);
        cancel(bob, id);
        eq(subs.credited(COIN, bob), refund, "refund of the buyer");
        eq(subs.credited(COIN, alice), 0, "and nothing of the seller");
    }

    // -- tokens of any number of decimals

    /// The smallest unit is what counts: 0, 2 and 30 decimals differ in the size of prices only.
    function testFuzz_tokensOf0And2And30Decimals(uint256 seed, uint256 duration, uint256 wait, uint128 perDay) public {
        uint8 decimals = [0, 2, 30][seed % 3];
        CoarseToken token = new CoarseToken(decimals);
        uint256 price = decimals == 30 ? within(perDay, 1e27, 1e36) : within(perDay, 1, decimals == 0 ? 50 : 5000);
        list(address(token), uint128(price));
        duration = within(duration, MIN, MAX);
        fund(alice, token, type(uint128).max);
        uint256 before = token.balanceOf(alice);
        uint256 id = active(alice, address(token), duration);
        uint256 paid = before - token.balanceOf(alice);
        yes(paid > 0 && paid * DAY >= price * duration, "at least what the seconds cost, and never free");
        yes((paid - 1) * DAY < price * duration, "at most one unit more");
        wait = within(wait, 0, duration + GRACE);
        later(wait);
        cancel(alice, id);
        uint256 refund = subs.credited(address(token), alice);
        eq(refund + subs.collectable(address(token)), paid, "every unit is somebody's");
        uint256 used = wait < MIN ? MIN : wait;
        if (used >= duration) {
            eq(refund, 0, "nothing is left");
        } else {
            yes(refund * duration >= paid * (duration - used), "the holder gets at least what is left");
            yes((refund - 1) * duration < paid * (duration - used), "at most one unit more");
        }
        if (refund == 0) return;
        vm.prank(alice);
        subs.withdraw(address(token), alice);
        eq(token.balanceOf(alice), before - paid + refund, "paid out");
    }

    /// What a listing of a token without decimals costs its operator: rounding is for the holder, by less than one unit.
    function test_aTokenWithoutDecimals_isRoundedForTheHolder() public {
        CoarseToken token = new CoarseToken(0);
        list(address(token), 1);
        fund(alice, token, 1);
        uint256 id = active(alice, address(token), DAY);
        later(DAY - 1);
        cancel(alice, id);
        eq(subs.credited(address(token), alice), 1, "one whole unit comes back a second before the end");
    }

    // -- tokens that turn on their users

    function test_aBlacklistedHolder_namesAnotherReceiver() public {
        BlacklistToken token = new BlacklistToken();
        list(address(token), 1e18);
        fund(alice, token, 10e18);
        uint256 id = active(alice, address(token), 10 * DAY);
        token.block_(alice);
        cancel(alice, id);
        uint256 credit = subs.credited(address(token), alice);
        vm.expectRevert(abi.encodeWithSelector(BlacklistToken.Blocked.selector, alice));
        vm.prank(alice);
        subs.withdraw(address(token), alice);
        eq(subs.credited(address(token), alice), credit, "the credit stays");
        vm.prank(alice);
        subs.withdraw(address(token), bob);
        eq(token.balanceOf(bob), credit, "another address is paid");
    }

    function test_aBlacklistedTreasury_stopsNobodyAndIsReplaced() public {
        BlacklistToken token = new BlacklistToken();
        list(address(token), 1e18);
        fund(alice, token, 10e18);
        uint256 id = active(alice, address(token), 10 * DAY);
        later(5 * DAY);
        token.block_(treasury);
        subs.settle(id);
        vm.expectRevert(abi.encodeWithSelector(BlacklistToken.Blocked.selector, treasury));
        subs.collect(address(token));
        cancel(alice, id);
        vm.prank(alice);
        subs.withdraw(address(token), alice);
        vm.prank(owner);
        subs.setTreasury(bob);
        subs.collect(address(token));
        eq(token.balanceOf(bob), 5e18, "the new treasury");
        eq(token.balanceOf(address(subs)), 0, "nothing stays");
    }

    /// The escrow of a token that freezes the contract is frozen, and no other's; no state is stuck by it.
    function test_aTokenThatFreezesTheContract_freezesNothingElse() public {
        BlacklistToken token = new BlacklistToken();
        list(address(token), 1e18);
        fund(alice, token, 10e18);
        uint256 frozen = active(alice, address(token), DAY);
        uint256 inCoin = active(alice, COIN, 10 * DAY);
        token.block_(address(subs));
        vm.expectRevert(abi.encodeWithSelector(BlacklistToken.Blocked.selector, address(subs)));
        vm.prank(alice);
        subs.extend(frozen, DAY, 1e18);
        cancel(alice, frozen);
        cancel(alice, inCoin);
        eq(subs.available(SMALL), 5, "both places are free");
        vm.prank(alice);
        subs.withdraw(COIN, alice);
        vm.expectRevert(abi.encodeWithSelector(BlacklistToken.Blocked.selector, address(subs)));
        vm.prank(alice);
        subs.withdraw(address(token), alice);
        yes(subs.credited(address(token), alice) > 0, "the credit waits");
    }

    function test_aTokenThatBeginsToTakeAFee_isRefusedFromThenOn() public {
        LateFeeToken token = new LateFeeToken();
        list(address(token), 1e18);
        fund(alice, token, 100e18);
        uint256 id = active(alice, address(token), 10 * DAY);
        token.takeFees();
        vm.expectRevert(abi.encodeWithSelector(Subscriptions.WrongAmountReceived.selector, 1e18, 0.99e18));
        vm.prank(alice);
        subs.extend(id, DAY, 1e18);
        vm.expectRevert(abi.encodeWithSelector(Subscriptions.WrongAmountReceived.selector, 1e18, 0.99e18));
        vm.prank(alice);
        subs.buy(SMALL, address(token), DAY, 1e18, alice);
        eq(subs.subscription(id).paid, 10e18, "the books are as before");
        eq(subs.plan(SMALL).used, 1, "and no place is taken");
        cancel(alice, id);
        vm.prank(alice);
        subs.withdraw(address(token), alice);
    }

    function test_aTokenThatBeginsToAnswerFalse_losesNoCredit() public {
        TurnedFalseToken token = new TurnedFalseToken();
        list(address(token), 1e18);
        fund(alice, token, 100e18);
        uint256 id = active(alice, address(token), 10 * DAY);
        later(DAY);
        subs.settle(id);
        cancel(alice, id);
        uint256 credit = subs.credited(address(token), alice);
        uint256 earned = subs.collectable(address(token));
        token.lie(true);
        vm.expectRevert();
        vm.prank(alice);
        subs.withdraw(address(token), alice);
        vm.expectRevert();
        subs.collect(address(token));
        eq(subs.credited(address(token), alice), credit, "the credit stays");
        eq(subs.collectable(address(token)), earned, "and what was earned");
        token.lie(false);
        vm.prank(alice);
        subs.withdraw(address(token), alice);
        subs.collect(address(token));
        eq(token.balanceOf(address(subs)), 0, "all of it is paid");
    }

    /// In the middle of a payment in, out to a holder, or out to the treasury: every door that moves the books is shut.
    function test_aTokenThatCallsBackInAnyPayment_findsEveryDoorShut() public {
        CallingToken token = new CallingToken();
        list(address(token), 1e18);
        token.mint(alice, 100e18);
        vm.prank(alice);
        token.approve(address(subs), type(uint256).max);
        uint256 id = active(alice, address(token), 10 * DAY);
        uint256 ended = active(alice, address(token), 10 * DAY);
        later(DAY);
        subs.settle(id);
        cancel(alice, ended);
        // it has every right a caller can have
        vm.prank(alice);
        subs.transferFrom(alice, address(token), id);
        vm.startPrank(owner);
        subs.setProvisioner(address(token));
        subs.transferOwnership(address(token));
        vm.stopPrank();
        vm.prank(address(token));
        subs.acceptOwnership();
        bytes[11] memory doors = [
            abi.encodeCall(subs.buy, (SMALL, address(token), DAY, 1e18, alice)),
            abi.encodeCall(subs.buyWithPermit, (SMALL, address(token), DAY, 1e18, alice, 0, 0, 0, 0)),
            abi.encodeCall(subs.extend, (id, DAY, 1e18)),
            abi.encodeCall(subs.cancel, (id)),
            abi.encodeCall(subs.settle, (id)),
            abi.encodeCall(subs.end, (id)),
            abi.encodeCall(subs.reject, (id)),
            abi.encodeCall(subs.refund, (id)),
            abi.encodeCall(subs.activate, (id)),
            abi.encodeCall(subs.withdraw, (address(token), alice)),
            abi.encodeCall(subs.collect, (address(token)))
        ];
        bytes32 guard =
            keccak256(abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector));
        for (uint256 i = 0; i < doors.length; ++i) {
            for (uint256 payment = 0; payment < 3; ++payment) {
                uint256 snapshot = vm.snapshotState();
                token.callBack(address(subs), doors[i]);
                if (payment == 0) {
                    extend(alice, id, DAY);
                } else if (payment == 1) {
                    vm.prank(alice);
                    subs.withdraw(address(token), alice);
                } else {
                    subs.collect(address(token));
                }
                yes(token.called() && !token.succeeded(), "it came back, and was refused");
                yes(keccak256(token.answer()) == guard, "by the guard");
                vm.revertToState(snapshot);
            }
        }
    }

    /// What no guard covers may change in the middle of a payment, and moves no money: a pass that is sold just then.
    function test_aPassThatMovesWhileItIsExtended_takesItsTimeAlong() public {
        CallingToken token = new CallingToken();
        list(address(token), 1e18);
        token.mint(alice, 100e18);
        vm.prank(alice);
        token.approve(address(subs), type(uint256).max);
        uint256 id = active(alice, address(token), 10 * DAY);
        vm.prank(alice);
        subs.approve(address(token), id);
        token.callBack(address(subs), abi.encodeCall(subs.transferFrom, (alice, bob, id)));
        extend(alice, id, DAY);
        yes(token.succeeded(), "it moved");
        eq(subs.subscription(id).holder, bob, "holder");
        eq(subs.subscription(id).expiresAt, time() + 11 * DAY, "all of the time");
        eq(token.balanceOf(address(subs)), subs.subscription(id).paid, "and all of the escrow");
    }

    // -- permits

    /// A token whose `permit` burns gas, reverts or comes back: none of it takes more than the price or a place.
    function test_aPermitThatDoesHarm_buysOnceOrNotAtAll() public {
        PermitTrapToken token = new PermitTrapToken();
        list(address(token), 1e18);
        fund(alice, token, 4e18);
        for (uint256 mode = 0; mode < 3; ++mode) {
            token.trap(mode, address(subs), abi.encodeCall(subs.buy, (SMALL, address(token), DAY, 1e18, alice)));
            uint256 before = token.balanceOf(alice);
            vm.prank(alice);
            subs.buyWithPermit{gas: 30_000_000}(SMALL, address(token), DAY, 1e18, alice, 0, 0, 0, 0);
            eq(before - token.balanceOf(alice), 1e18, "the price, once");
            eq(subs.plan(SMALL).used, mode + 1, "one place");
            yes(!token.succeeded(), "what came back was refused");
        }
        // the trap that burns all gas leaves a 64th: too little here, and then nothing has happened
        uint256 rest = token.balanceOf(alice);
        vm.expectRevert();
        vm.prank(alice);
        subs.buyWithPermit{gas: 1_000_000}(SMALL, address(token), DAY, 1e18, alice, 0, 0, 0, 0);
        eq(token.balanceOf(alice), rest, "nothing is taken");
        eq(subs.plan(SMALL).used, 3, "and no place");
    }

    // -- wallets

    /// `_mint` asks nobody; a safe transfer asks, and then nothing moves.
    function test_aContractWalletWithoutHook_buysButIsNotSentPassesSafely() public {
        PlainWallet wallet = new PlainWallet();
        vm.prank(alice);
        uint256 id = subs.buy{value: COIN_PER_DAY}(SMALL, COIN, DAY, COIN_PER_DAY, address(wallet));
        activate(id);
        eq(subs.ownerOf(id), address(wallet), "holder");
        uint256 own = active(alice, COIN, DAY);
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721InvalidReceiver.selector, address(wallet)));
        vm.prank(alice);
        subs.safeTransferFrom(alice, address(wallet), own);
        eq(subs.ownerOf(own), alice, "the pass stays");
        wallet.run(address(subs), 0, abi.encodeCall(subs.cancel, (id)));
        yes(subs.credited(COIN, address(wallet)) > 0, "it can end what it holds");
    }
}
