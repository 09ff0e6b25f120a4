// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Subscriptions} from "../../src/Subscriptions.sol";
import {DevToken} from "../mocks/DevToken.sol";
import {TestBase} from "./TestBase.sol";

/// @notice Does what people do, in any order and at any time; an act that is not possible now does nothing.
contract Handler is TestBase {
    Subscriptions private immutable _subs;
    DevToken private immutable _dusd;
    address private immutable _provisioner;
    address[3] public people = [address(0xB1), address(0xB2), address(0xB3)];
    mapping(address token => uint256) public unasked;
    mapping(address token => uint256) public paidIn;
    mapping(address token => uint256) public paidOut;
    mapping(address token => uint256) public collected;

    constructor(Subscriptions subs, DevToken dusd, address provisioner) {
        _subs = subs;
        _dusd = dusd;
        _provisioner = provisioner;
    }

    function wait(uint256 seed) external {
        vm.warp(time() + seed % 9 days);
    }

    function buy(uint256 seed, uint256 duration) external {
        if (_subs.available(0) == 0) return;
        address who = people[seed % 3];
        address token = _token(seed / 3);
        duration = within(duration, 1 hours, 90 days);
        uint256 price = _subs.quote(0, token, duration);
        _fund(who, token, price);
        vm.prank(who);
        _subs.buy{value: token == address(0) ? price : 0}(0, token, duration, price, people[seed / 6 % 3]);
        paidIn[token] += price;
    }

    function activate(uint256 seed) external {
        uint256 id = _some(seed);
        if (_subs.entitlement(id) != Subscriptions.Phase.Pending) return;
        if (time() >= _subs.subscription(id).activationDeadline) return;
        vm.prank(_provisioner);
        _subs.activate(id);
    }

    function extend(uint256 seed, uint256 duration) external {
        uint256 id = _some(seed);
        Subscriptions.Subscription memory s = _subs.subscription(id);
        if (s.state != Subscriptions.State.Active || s.expiresAt > time() + 80 days) return;
        duration = within(duration, 1 hours, 10 days);
        (address token, uint256 price) = _subs.quoteExtend(id, duration);
        address who = people[seed % 3];
        _fund(who, token, price);
        vm.prank(who);
        _subs.extend{value: token == address(0) ? price : 0}(id, duration, price);
        paidIn[token] += price;
    }

    function settle(uint256 seed) external {
        uint256 id = _some(seed);
        if (_subs.subscription(id).state == Subscriptions.State.Active) _subs.settle(id);
    }

    function giveUp(uint256 seed) external {
        uint256 id = _some(seed);
        Subscriptions.Subscription memory s = _subs.subscription(id);
        if (s.state == Subscriptions.State.Pending && time() >= s.activationDeadline) {
            _subs.refund(id);
        } else if (s.state == Subscriptions.State.Pending) {
            vm.prank(_provisioner);
            _subs.reject(id);
        } else if (s.state == Subscriptions.State.Active && time() >= s.graceEndsAt) {
            vm.prank(_provisioner);
            _subs.end(id);
        }
    }

    function cancel(uint256 seed) external {
        uint256 id = _some(seed);
        Subscriptions.Subscription memory s = _subs.subscription(id);
        if (s.state != Subscriptions.State.Active) return;
        vm.prank(s.holder);
        _subs.cancel(id);
    }

    function transfer(uint256 seed) external {
        uint256 id = _some(seed);
        address holder = _subs.subscription(id).holder;
        if (holder == address(0)) return;
        vm.prank(holder);
        _subs.transferFrom(holder, people[seed % 3], id);
    }

    function withdraw(uint256 seed) external {
        address token = _token(seed);
        address who = people[seed / 2 % 3];
        uint256 credit = _subs.credited(token, who);
        if (credit == 0) return;
        vm.prank(who);
        _subs.withdraw(token, who);
        paidOut[token] += credit;
    }

    function collect(uint256 seed) external {
        address token = _token(seed);
        uint256 earned = _subs.collectable(token);
        if (earned == 0) return;
        _subs.collect(token);
        paidOut[token] += earned;
        collected[token] += earned;
    }

    function sendUnasked(uint256 seed, uint64 amount) external {
        address token = _token(seed);
        if (token == address(0)) vm.deal(address(_subs), address(_subs).balance + amount);
        else _dusd.mint(address(_subs), amount);
        unasked[token] += amount;
    }

    function _token(uint256 seed) private view returns (address) {
        return seed % 2 == 0 ? address(0) : address(_dusd);
    }

    function _some(uint256 seed) private view returns (uint256) {
        return 1 + seed % _subs.nextTokenId();
    }

    function _fund(address who, address token, uint256 price) private {
        if (token == address(0)) {
            vm.deal(who, who.balance + price);
            return;
        }
        _dusd.mint(who, price);
        vm.prank(who);
        _dusd.approve(address(_subs), price);
    }
}
