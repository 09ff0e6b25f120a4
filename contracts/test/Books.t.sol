// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Subscriptions} from "../src/Subscriptions.sol";
import {Cheats} from "./Cheats.sol";
import {Base} from "./Base.sol";
import {DevToken} from "./mocks/DevToken.sol";

/// Does what people do, in any order; a step that is not possible now does nothing.
contract Handler is Cheats {
    Subscriptions private immutable _host;
    DevToken private immutable _token;
    address[3] public people = [address(0xB1), address(0xB2), address(0xB3)];
    address private immutable _provisioner;
    mapping(address token => uint256) public unasked;
    mapping(address token => uint256) public paidIn;
    mapping(address token => uint256) public paidOut;
    uint256 private _time;

    constructor(Subscriptions host, DevToken token, address provisioner, uint256 time) {
        _host = host;
        _token = token;
        _provisioner = provisioner;
        _time = time;
    }

    modifier onTime() {
        vm.warp(_time);
        _;
    }

    function money(uint256 seed) private view returns (address) {
        return seed % 2 == 0 ? address(0) : address(_token);
    }

    function some(uint256 seed) private view returns (uint256) {
        return 1 + seed % (_host.nextTokenId());
    }

    function wait(uint256 seed) external {
        _time += seed % 9 days;
    }

    function buy(uint256 seed, uint256 duration) external onTime {
        address who = people[seed % 3];
        address token = money(seed / 3);
        duration = bound(duration, 1 days, 90 days);
        uint256 price = _host.quote(1, token, duration);
        _fund(who, token, price);
        vm.prank(who);
        _host.buy{value: token == address(0) ? price : 0}(1, token, duration, price, who);
        paidIn[token] += price;
    }

    function extend(uint256 seed, uint256 duration) external onTime {
        uint256 id = some(seed);
        if (_host.subscription(id).state != Subscriptions.State.Active) return;
        duration = bound(duration, 1 days, 20 days);
        if (_host.subscription(id).expiresAt > _time + 70 days) return;
        (address token, uint256 price) = _host.quoteExtend(id, duration);
        address who = people[seed % 3];
        _fund(who, token, price);
        vm.prank(who);
        _host.extend{value: token == address(0) ? price : 0}(id, duration, price);
        paidIn[token] += price;
    }

    function activate(uint256 seed) external onTime {
        uint256 id = some(seed);
        Subscriptions.Subscription memory s = _host.subscription(id);
        if (s.state != Subscriptions.State.Pending || _time >= s.activationDeadline) return;
        vm.prank(_provisioner);
        _host.activate(id);
    }

    function finish(uint256 seed) external onTime {
        uint256 id = some(seed);
        Subscriptions.Subscription memory s = _host.subscription(id);
        if (s.state == Subscriptions.State.Pending) {
            if (_time >= s.activationDeadline) {
                _host.refund(id);
            } else if (seed % 2 == 0) {
                vm.prank(_provisioner);
                _host.reject(id);
            }
        } else if (s.state == Subscriptions.State.Active) {
            if (_time >= s.graceEndsAt) {
                vm.prank(_provisioner);
                _host.end(id);
            } else if (seed % 3 == 0) {
                vm.prank(s.holder);
                _host.cancel(id);
            } else {
                _host.settle(id);
            }
        }
    }

    function transfer(uint256 seed) external onTime {
        uint256 id = some(seed);
        address holder = _host.subscription(id).holder;
        if (holder == address(0)) return;
        vm.prank(holder);
        _host.transferFrom(holder, people[seed % 3], id);
    }

    function payOut(uint256 seed) external onTime {
        address token = money(seed);
        address who = people[seed / 2 % 3];
        if (_host.credited(token, who) > 0) {
            paidOut[token] += _host.credited(token, who);
            vm.prank(who);
            _host.withdraw(token, who);
        }
        if (_host.collectable(token) > 0) {
            paidOut[token] += _host.collectable(token);
            _host.collect(token);
        }
    }

    function send(uint64 amount) external onTime {
        _token.mint(address(_host), amount);
        unasked[address(_token)] += amount;
    }

    function _fund(address who, address token, uint256 price) private {
        if (token == address(0)) {
            vm.deal(who, who.balance + price);
        } else {
            _token.mint(who, price);
            vm.prank(who);
            _token.approve(address(_host), price);
        }
    }
}

contract BooksTest is Base {
    Handler internal handler;

    function setUp() public override {
        super.setUp();
        handler = new Handler(host, token, provisioner, t0);
    }

    function targetContracts() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(handler);
    }

    /// balance = Σ refundable by right + Σ unsettled + Σ credited + collectable + what was sent in unasked
    function invariant_everyTokenIsAccountedFor() external view {
        check(NATIVE, address(host).balance);
        check(address(token), token.balanceOf(address(host)));
    }

    function check(address money, uint256 balance) internal view {
        uint256 owed = host.collectable(money);
        for (uint256 i = 0; i < 3; ++i) {
            owed += host.credited(money, handler.people(i));
        }
        for (uint256 id = 1; id < host.nextTokenId(); ++id) {
            Subscriptions.Subscription memory s = host.subscription(id);
            bool lives = s.state == Subscriptions.State.Pending || s.state == Subscriptions.State.Active;
            // not yet settled: what may still go back and what was earned since
            if (lives && s.token == money) owed += s.paid - s.settled;
        }
        eq(balance, owed + handler.unasked(money), "books");
        eq(handler.paidIn(money), owed + handler.paidOut(money), "nothing is made or lost");
    }

    function invariant_placesAreThoseOfSubscriptionsThatLive() external view {
        uint256 living;
        for (uint256 id = 1; id < host.nextTokenId(); ++id) {
            Subscriptions.State state = host.subscription(id).state;
            if (state == Subscriptions.State.Pending || state == Subscriptions.State.Active) ++living;
        }
        eq(host.plan(1).used, living, "used");
        yes(living <= host.plan(1).plan.capacity, "capacity");
    }
}
