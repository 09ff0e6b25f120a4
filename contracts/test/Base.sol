// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {NewPlan, Plan, Price} from "../src/Plans.sol";
import {Subscriptions} from "../src/Subscriptions.sol";
import {Cheats} from "./Cheats.sol";
import {DevToken} from "./mocks/DevToken.sol";

/// @title One contract with two plans, people with money, and short ways to do things.
abstract contract Base is Cheats {
    address internal constant NATIVE = address(0);
    address internal constant owner = address(0xA1);
    address internal constant treasury = address(0xA2);
    address internal constant provisioner = address(0xA3);
    address internal constant alice = address(0xB1);
    address internal constant bob = address(0xB2);
    uint256 internal constant perDay = 1 ether;
    uint128 internal constant tokenPerDay = 500_000;
    uint256 internal constant t0 = 1_800_000_000;

    Subscriptions internal host;
    DevToken internal token;

    function setUp() public virtual {
        vm.warp(t0);
        token = new DevToken();
        host = new Subscriptions(owner, treasury, provisioner, firstPlans());
        address[2] memory people = [alice, bob];
        for (uint256 i = 0; i < people.length; ++i) {
            vm.deal(people[i], 1e24);
            token.mint(people[i], 1e24);
            vm.prank(people[i]);
            token.approve(address(host), type(uint256).max);
        }
    }

    function plan(string memory name) internal pure returns (Plan memory) {
        return Plan({
            name: name,
            kind: 0,
            vcpus: 1,
            memoryMiB: 512,
            diskGiB: 4,
            gasPerDay: 0,
            graceSeconds: 7 days,
            activationDeadlineSeconds: 1 hours,
            minSeconds: 1 days,
            maxSeconds: 90 days,
            capacity: 3,
            open: true
        });
    }

    function firstPlans() internal view returns (NewPlan[] memory list) {
        list = new NewPlan[](2);
        Price[] memory prices = new Price[](2);
        prices[0] = Price(NATIVE, uint128(perDay));
        prices[1] = Price(address(token), tokenPerDay);
        list[0] = NewPlan(plan("Small"), prices);
        list[1] = NewPlan(plan("Medium"), prices);
        list[1].plan.capacity = 1000;
    }

    function buyNative(address who, uint256 duration) internal returns (uint256) {
        uint256 amount = host.quote(0, NATIVE, duration);
        vm.prank(who);
        return host.buy{value: amount}(0, NATIVE, duration, amount, who);
    }

    function buyToken(address who, uint256 duration) internal returns (uint256) {
        uint256 amount = host.quote(0, address(token), duration);
        vm.prank(who);
        return host.buy(0, address(token), duration, amount, who);
    }

    function activate(uint256 id) internal {
        vm.prank(provisioner);
        host.activate(id);
    }

    function later(uint256 duration) internal {
        vm.warp(block.timestamp + duration);
    }

    function refuses(bytes memory reason) internal {
        vm.expectRevert(reason);
    }
}
