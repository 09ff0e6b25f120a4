// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {NewPlan, Plan, Price} from "../../src/Plans.sol";
import {Subscriptions} from "../../src/Subscriptions.sol";
import {DevToken} from "../mocks/DevToken.sol";
import {TestBase} from "./TestBase.sol";

/// @notice A host with two plans, paid in coin or dUSD, and people who use it.
abstract contract Fixture is TestBase {
    uint256 internal constant SMALL = 0;
    uint256 internal constant LARGE = 1;
    address internal constant COIN = address(0);
    uint256 internal constant COIN_PER_DAY = 1e15 + 7;
    uint256 internal constant DUSD_PER_DAY = 1_000_003;
    uint256 internal constant DAY = 1 days;
    uint256 internal constant MIN = 1 hours;
    uint256 internal constant MAX = 90 days;
    uint256 internal constant GRACE = 7 days;
    uint256 internal constant DEADLINE = 2 hours;
    uint256 internal constant ALICE_KEY = 0xa11ce;

    address internal owner = address(0x1001);
    address internal treasury = address(0x1002);
    address internal provisioner = address(0x1003);
    address internal alice;
    address internal bob = address(0x1005);
    address internal stranger = address(0x1006);

    DevToken internal dusd;
    Subscriptions internal subs;

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        vm.roll(1000);
        alice = vm.addr(ALICE_KEY);
        dusd = new DevToken();
        NewPlan[] memory first = new NewPlan[](2);
        first[0] = newPlan("small", 5);
        first[1] = newPlan("large", 1);
        subs = deploy(owner, treasury, provisioner, first);
        address[3] memory people = [alice, bob, stranger];
        for (uint256 i = 0; i < people.length; ++i) {
            vm.deal(people[i], 1_000_000 ether);
            dusd.mint(people[i], 1e15);
            vm.prank(people[i]);
            dusd.approve(address(subs), type(uint256).max);
        }
        // the block of setUp is not the block of the first purchase
        vm.roll(1001);
    }

    /// By the built artifact: compiled into every test, the contract would take the compiler minutes.
    function deploy(address owner_, address treasury_, address provisioner_, NewPlan[] memory plans)
        internal
        returns (Subscriptions deployed)
    {
        bytes memory code = bytes.concat(
            vm.getCode("Subscriptions.sol:Subscriptions"), abi.encode(owner_, treasury_, provisioner_, plans)
        );
        assembly ("memory-safe") {
            deployed := create(0, add(code, 32), mload(code))
        }
    }

    function planOf(string memory name, uint32 capacity) internal pure returns (Plan memory) {
        return Plan({
            name: name,
            kind: 0,
            vcpus: 1,
            memoryMiB: 512,
            diskGiB: 4,
            gasPerDay: 0,
            graceSeconds: uint32(GRACE),
            activationDeadlineSeconds: uint32(DEADLINE),
            minSeconds: uint32(MIN),
            maxSeconds: uint32(MAX),
            capacity: capacity,
            open: true
        });
    }

    function newPlan(string memory name, uint32 capacity) internal view returns (NewPlan memory) {
        Price[] memory prices = new Price[](2);
        prices[0] = Price(COIN, uint128(COIN_PER_DAY));
        prices[1] = Price(address(dusd), uint128(DUSD_PER_DAY));
        return NewPlan(planOf(name, capacity), prices);
    }

    function priceOf(uint256 perDay, uint256 duration) internal pure returns (uint256) {
        return (perDay * duration + DAY - 1) / DAY;
    }

    function perDayOf(address token) internal pure returns (uint256) {
        return token == COIN ? COIN_PER_DAY : DUSD_PER_DAY;
    }

    /// Buys from the small plan for oneself at the present price.
    function buy(address who, address token, uint256 duration) internal returns (uint256 tokenId) {
        uint256 price = subs.quote(SMALL, token, duration);
        vm.prank(who);
        return subs.buy{value: token == COIN ? price : 0}(SMALL, token, duration, price, who);
    }

    function extend(address who, uint256 tokenId, uint256 duration) internal returns (uint256 price) {
        address token;
        (token, price) = subs.quoteExtend(tokenId, duration);
        vm.prank(who);
        subs.extend{value: token == COIN ? price : 0}(tokenId, duration, price);
    }

    function activate(uint256 tokenId) internal {
        vm.prank(provisioner);
        subs.activate(tokenId);
    }

    function active(address who, address token, uint256 duration) internal returns (uint256 tokenId) {
        tokenId = buy(who, token, duration);
        activate(tokenId);
    }

    function cancel(address who, uint256 tokenId) internal {
        vm.prank(who);
        subs.cancel(tokenId);
    }

    function later(uint256 addedSeconds) internal {
        vm.warp(time() + addedSeconds);
    }

    function held(address token, address who) internal view returns (uint256) {
        return token == COIN ? who.balance : IERC20(token).balanceOf(who);
    }

    function refuses(bytes4 selector) internal {
        vm.expectRevert(abi.encodeWithSelector(selector));
    }

    function refuses(bytes4 selector, uint256 argument) internal {
        vm.expectRevert(abi.encodeWithSelector(selector, argument));
    }

    function refuses(bytes4 selector, address argument) internal {
        vm.expectRevert(abi.encodeWithSelector(selector, argument));
    }

    function refusesState(uint256 tokenId, Subscriptions.Phase phase) internal {
        vm.expectRevert(abi.encodeWithSelector(Subscriptions.WrongState.selector, tokenId, phase));
    }

    function isPhase(uint256 tokenId, Subscriptions.Phase phase) internal view {
        eq(uint256(subs.entitlement(tokenId)), uint256(phase), "phase");
    }
}
