// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {NewPlan, Plan, PlanRules, PlanView, Price} from "../src/Plans.sol";
import {Subscriptions} from "../src/Subscriptions.sol";
import {Fixture} from "./support/Fixture.sol";

/// @notice Construction, plans and what the owner may change.
contract OwnerTest is Fixture {
    function test_construction_takesNothingFromTheDeployer() public view {
        eq(subs.owner(), owner, "owner");
        eq(subs.pendingOwner(), address(0), "pending owner");
        eq(subs.treasury(), treasury, "treasury");
        eq(subs.provisioner(), provisioner, "provisioner");
        eq(subs.ownerOf(0), owner, "holder of pass 0");
        eq(subs.balanceOf(address(this)), 0, "the deployer holds nothing");
        eq(subs.nextTokenId(), 1, "the first purchase gets 1");
        eq(subs.planCount(), 2, "plans");
        eq(subs.name(), "Freehold access pass", "name");
    }

    function test_construction_refusesAnOwnerZero() public {
        NewPlan[] memory none = new NewPlan[](0);
        refuses(Ownable.OwnableInvalidOwner.selector, address(0));
        deploy(address(0), treasury, provisioner, none);
    }

    function test_construction_refusesABadPlan() public {
        NewPlan[] memory plans = new NewPlan[](1);
        plans[0] = newPlan("", 1);
        refuses(PlanRules.BadName.selector);
        deploy(owner, treasury, provisioner, plans);
    }

    function test_ownership_movesInTwoSteps() public {
        vm.prank(owner);
        subs.transferOwnership(bob);
        eq(subs.owner(), owner, "still the old one");
        eq(subs.pendingOwner(), bob, "the new one is asked");
        refuses(Ownable.OwnableUnauthorizedAccount.selector, alice);
        vm.prank(alice);
        subs.acceptOwnership();
        vm.prank(bob);
        subs.acceptOwnership();
        eq(subs.owner(), bob, "the new one");
        eq(subs.ownerOf(0), owner, "the operator's pass is apart from it");
    }

    function test_ownership_isNeverDropped() public {
        refuses(Subscriptions.CannotRenounce.selector);
        vm.prank(owner);
        subs.renounceOwnership();
        refuses(Ownable.OwnableUnauthorizedAccount.selector, alice);
        vm.prank(alice);
        subs.renounceOwnership();
    }

    function refusesPlan(Plan memory plan, bytes4 reason) private {
        refuses(reason);
        vm.prank(owner);
        subs.addPlan(NewPlan(plan, new Price[](0)));
    }

    function test_addPlan_refusesBadNames() public {
        string[6] memory names = ["", "123456789012345678901234567890123", "a\"b", "a<b", unicode"für", "a\nb"];
        for (uint256 i = 0; i < names.length; ++i) {
            refusesPlan(planOf(names[i], 1), PlanRules.BadName.selector);
        }
    }

    function testFuzz_addPlan_refusesEveryOtherCharacter(bytes1 c) public {
        bool allowed = (c >= "a" && c <= "z") || (c >= "A" && c <= "Z") || (c >= "0" && c <= "9") || c == " "
            || c == "." || c == "_" || c == "-";
        Plan memory plan = planOf(string(bytes.concat("x", c)), 1);
        if (!allowed) refuses(PlanRules.BadName.selector);
        vm.prank(owner);
        subs.addPlan(NewPlan(plan, new Price[](0)));
    }

    function test_addPlan_refusesResourcesThatDoNotFitTheKind() public {
        for (uint256 i = 0; i < 10; ++i) {
            Plan memory plan = planOf("plan", 1);
            if (i == 0) plan.vcpus = 0;
            else if (i == 1) plan.memoryMiB = 0;
            else if (i == 2) plan.diskGiB = 0;
            else if (i == 3) plan.gasPerDay = 1;
            else if (i == 4) plan.kind = 2;
            else (plan.kind, plan.vcpus, plan.memoryMiB, plan.diskGiB, plan.gasPerDay) = (1, 0, 0, 0, 1);
            if (i == 5) plan.vcpus = 1;
            else if (i == 6) plan.memoryMiB = 1;
            else if (i == 7) plan.diskGiB = 1;
            else if (i == 8) plan.gasPerDay = 0;
            else if (i == 9) plan.kind = 255;
            refusesPlan(plan, PlanRules.BadResources.selector);
        }
    }

    function test_addPlan_refusesDurationsOutOfRange() public {
        for (uint256 i = 0; i < 4; ++i) {
            Plan memory plan = planOf("plan", 1);
            if (i == 0) plan.graceSeconds = 1 days - 1;
            else if (i == 1) plan.activationDeadlineSeconds = 0;
            else if (i == 2) plan.minSeconds = 0;
            else plan.maxSeconds = plan.minSeconds - 1;
            refusesPlan(plan, PlanRules.BadDurations.selector);
        }
    }

    function test_addPlan_tellsAllOfIt() public {
        NewPlan memory added = newPlan("Wasm 1.0_b-c", 7);
        (added.plan.kind, added.plan.vcpus, added.plan.memoryMiB, added.plan.diskGiB) = (1, 0, 0, 0);
        added.plan.gasPerDay = 1e15;
        added.plan.open = false;
        vm.expectEmit(true, true, true, true);
        emit Subscriptions.PlanAdded(2, "Wasm 1.0_b-c");
        vm.expectEmit(true, true, true, true);
        emit Subscriptions.PriceSet(2, COIN, COIN_PER_DAY);
        vm.prank(owner);
        eq(subs.addPlan(added), 2, "id");
        PlanView memory seen = subs.plan(2);
        eq(seen.planId, 2, "id in the view");
        eq(seen.used, 0, "used");
        yes(keccak256(abi.encode(seen.plan)) == keccak256(abi.encode(added.plan)), "plan");
        yes(keccak256(abi.encode(seen.prices)) == keccak256(abi.encode(added.prices)), "prices");
        eq(subs.available(2), 0, "not open");
    }

    function test_setters_refuseAnUnknownPlan() public {
        vm.startPrank(owner);
        refuses(Subscriptions.UnknownPlan.selector, 2);
        subs.setPrice(2, COIN, 1);
        refuses(Subscriptions.UnknownPlan.selector, 2);
        subs.setCapacity(2, 1);
        refuses(Subscriptions.UnknownPlan.selector, 2);
        subs.setOpen(2, true);
        vm.stopPrank();
        refuses(Subscriptions.UnknownPlan.selector, 2);
        subs.plan(2);
        refuses(Subscriptions.UnknownPlan.selector, 2);
        subs.available(2);
        refuses(Subscriptions.UnknownPlan.selector, 2);
        subs.planTokens(2);
        refuses(Subscriptions.UnknownPlan.selector, 2);
        subs.quote(2, COIN, DAY);
    }

    function test_setters_changeAndTell() public {
        vm.startPrank(owner);
        vm.expectEmit(true, true, true, true);
        emit Subscriptions.CapacitySet(SMALL, 9);
        subs.setCapacity(SMALL, 9);
        vm.expectEmit(true, true, true, true);
        emit Subscriptions.OpenSet(SMALL, false);
        subs.setOpen(SMALL, false);
        eq(subs.available(SMALL), 0, "closed");
        subs.setOpen(SMALL, true);
        eq(subs.available(SMALL), 9, "open");
        vm.expectEmit(true, true, true, true);
        emit Subscriptions.BuyingPausedSet(true);
        subs.setBuyingPaused(true);
        yes(subs.buyingPaused(), "paused");
        eq(subs.available(SMALL), 0, "paused");
        vm.expectEmit(true, true, true, true);
        emit Subscriptions.TreasurySet(bob);
        subs.setTreasury(bob);
        vm.expectEmit(true, true, true, true);
        emit Subscriptions.ProvisionerSet(alice);
        subs.setProvisioner(alice);
        vm.stopPrank();
        eq(subs.treasury(), bob, "treasury");
        eq(subs.provisioner(), alice, "provisioner");
    }

    function test_setPrice_listsChangesAndTakesOff() public {
        vm.startPrank(owner);
        subs.setPrice(SMALL, bob, 5);
        subs.setPrice(SMALL, bob, 6);
        eq(subs.planTokens(SMALL).length, 3, "listed once");
        eq(subs.pricePerDay(SMALL, bob), 6, "price");
        subs.setPrice(SMALL, COIN, 0);
        subs.setPrice(SMALL, COIN, 0);
        vm.stopPrank();
        eq(subs.pricePerDay(SMALL, COIN), 0, "taken off");
        eq(subs.planTokens(SMALL).length, 2, "one fewer");
        eq(subs.planTokens(SMALL)[0], bob, "the last takes its place");
        eq(subs.planTokens(LARGE).length, 2, "another plan is not touched");
    }

    function test_setPrice_aListedTokenAgainKeepsSubscriptions() public {
        uint256 id = active(alice, address(dusd), DAY);
        vm.startPrank(owner);
        subs.setPrice(SMALL, address(dusd), 0);
        subs.setPrice(SMALL, bob, 1);
        subs.setPrice(SMALL, address(dusd), uint128(DUSD_PER_DAY));
        vm.stopPrank();
        eq(subs.subscription(id).token, address(dusd), "token");
        extend(alice, id, DAY);
    }

    function test_setPrice_refusesANinthTokenOfAPlan() public {
        vm.startPrank(owner);
        for (uint160 i = 1; i <= 6; ++i) {
            subs.setPrice(SMALL, address(i), 5);
        }
        refuses(Subscriptions.TooManyTokens.selector);
        subs.setPrice(SMALL, address(7), 5);
        subs.setPrice(SMALL, address(3), 0);
        subs.setPrice(SMALL, address(7), 5);
        vm.stopPrank();
    }

    function test_setPrice_refusesTheSixtyFifthTokenEver() public {
        vm.startPrank(owner);
        for (uint160 i = 1; i <= 62; ++i) {
            subs.setPrice(SMALL, address(i), 5);
            subs.setPrice(SMALL, address(i), 0);
        }
        refuses(Subscriptions.TooManyTokens.selector);
        subs.setPrice(SMALL, address(63), 5);
        subs.setPrice(SMALL, address(5), 5);
        vm.stopPrank();
    }
}
