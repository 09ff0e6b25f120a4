// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {NewPlan, PlanRules, Price} from "../src/Plans.sol";
import {Subscriptions} from "../src/Subscriptions.sol";
import {Base} from "./Base.sol";

contract GovernanceTest is Base {
    function test_M5_theHotKeyCanDoNothingOfTheOwners() external {
        address[2] memory others = [provisioner, alice];
        for (uint256 i = 0; i < others.length; ++i) {
            bytes memory reason = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, others[i]);
            NewPlan memory more = firstPlans()[0];
            vm.startPrank(others[i]);
            refuses(reason);
            host.setTreasury(others[i]);
            refuses(reason);
            host.setProvisioner(others[i]);
            refuses(reason);
            host.setPrice(0, NATIVE, 1);
            refuses(reason);
            host.setCapacity(0, 1);
            refuses(reason);
            host.setOpen(0, false);
            refuses(reason);
            host.setBuyingPaused(true);
            refuses(reason);
            host.addPlan(more);
            refuses(reason);
            host.transferOwnership(others[i]);
            vm.stopPrank();
        }
    }

    function test_M7_deniesAZeroTreasuryOrProvisioner() external {
        NewPlan[] memory none = new NewPlan[](0);
        refuses(abi.encodeWithSelector(Subscriptions.ZeroAddress.selector));
        new Subscriptions(owner, address(0), provisioner, none);
        refuses(abi.encodeWithSelector(Subscriptions.ZeroAddress.selector));
        new Subscriptions(owner, treasury, address(0), none);
        vm.startPrank(owner);
        refuses(abi.encodeWithSelector(Subscriptions.ZeroAddress.selector));
        host.setTreasury(address(0));
        refuses(abi.encodeWithSelector(Subscriptions.ZeroAddress.selector));
        host.setProvisioner(address(0));
        refuses(abi.encodeWithSelector(Subscriptions.CannotRenounce.selector));
        host.renounceOwnership();
        vm.stopPrank();
    }

    function test_ownershipMovesInTwoSteps() external {
        vm.prank(owner);
        host.transferOwnership(bob);
        eq(host.owner(), owner, "still the old one");
        vm.prank(bob);
        host.acceptOwnership();
        eq(host.owner(), bob, "the new one");
        eq(host.ownerOf(0), owner, "the operator's pass is apart from it");
    }

    function test_deniesPlansThatBreakTheRules() external {
        NewPlan memory p = firstPlans()[0];
        string[4] memory names = ["", "a name that is far too long for it", "a\"b", unicode"für"];
        for (uint256 i = 0; i < names.length; ++i) {
            p.plan.name = names[i];
            refuses(abi.encodeWithSelector(PlanRules.BadName.selector));
            vm.prank(owner);
            host.addPlan(p);
        }
        p = firstPlans()[0];
        p.plan.kind = 2;
        denied(p, PlanRules.BadResources.selector);
        p.plan.kind = 1;
        denied(p, PlanRules.BadResources.selector);
        p = firstPlans()[0];
        p.plan.vcpus = 0;
        denied(p, PlanRules.BadResources.selector);
        p = firstPlans()[0];
        p.plan.graceSeconds = 1 days - 1;
        denied(p, PlanRules.BadDurations.selector);
        p = firstPlans()[0];
        p.plan.minSeconds = 91 days;
        denied(p, PlanRules.BadDurations.selector);
        p = firstPlans()[0];
        p.plan.activationDeadlineSeconds = 0;
        denied(p, PlanRules.BadDurations.selector);
    }

    function denied(NewPlan memory p, bytes4 reason) internal {
        refuses(abi.encodeWithSelector(reason));
        vm.prank(owner);
        host.addPlan(p);
    }

    function test_aPlanListsAtMostEightTokens() external {
        vm.startPrank(owner);
        for (uint160 i = 1; i <= 6; ++i) {
            host.setPrice(0, address(i), 5);
        }
        refuses(abi.encodeWithSelector(Subscriptions.TooManyTokens.selector));
        host.setPrice(0, address(7), 5);
        host.setPrice(0, address(3), 0);
        host.setPrice(0, address(7), 5);
        vm.stopPrank();
        eq(host.plan(0).prices.length, 8, "listed");
        eq(host.pricePerDay(0, address(3)), 0, "taken off");
    }

    function test_aWasmPlanHasGasAndNoMachine() external {
        NewPlan memory p = firstPlans()[0];
        p.plan.kind = 1;
        p.plan.vcpus = 0;
        p.plan.memoryMiB = 0;
        p.plan.diskGiB = 0;
        p.plan.gasPerDay = 1e9;
        vm.prank(owner);
        eq(host.addPlan(p), 2, "id");
        eq(host.planCount(), 3, "count");
    }

    function test_viewsAnswerManyAtOnce() external {
        buyNative(alice, 1 days);
        uint256[] memory ids = new uint256[](3);
        ids[0] = 1;
        ids[1] = 99;
        Subscriptions.Subscription[] memory list = host.subscriptions(ids);
        eq(list[0].holder, alice, "holder");
        eq(uint256(list[1].state), 0, "none");
        eq(uint256(list[2].state), 0, "pass 0 is no subscription");
        uint256[] memory planIds = new uint256[](2);
        planIds[1] = 1;
        eq(host.plans(planIds)[1].plan.capacity, 1000, "plan");
        yes(bytes(host.tokenURI(1)).length > 100 && bytes(host.tokenURI(0)).length > 100, "pictures");
    }

    function test_thePassOfTheOperatorIsMintedToTheOwner() external view {
        eq(host.ownerOf(0), owner, "pass 0");
        eq(host.nextTokenId(), 1, "the first purchase gets 1");
    }
}
