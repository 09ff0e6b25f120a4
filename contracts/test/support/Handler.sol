// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Subscriptions} from "../../src/Subscriptions.sol";
import {DevToken} from "../mocks/DevToken.sol";
import {TestBase} from "./TestBase.sol";

/// @notice Does what people do, in any order and at any time; an act that is not possible now does nothing.
/// @dev Keeps its own books beside the contract's: what was paid in and out, and every stream of earnings, reckoned from
/// nothing but purchases, activations and extensions, and by its own formula: a wrong `Earning` would else be wrong on both
/// sides. Promises that compare before and after are checked in the act.
contract Handler is TestBase {
    /// What was paid for, as the handler knows it.
    struct Stream {
        uint256 rest;
        uint256 from;
        uint256 to;
        /// earned by earlier streams of the same subscription
        uint256 before;
        /// every payment for it, added up and never reckoned again
        uint256 paidFor;
        /// what the contract had earned of it when it was last looked at
        uint256 seen;
    }

    Subscriptions private immutable _subs;
    DevToken private immutable _dusd;
    address private immutable _provisioner;
    address private immutable _owner;
    address private immutable _treasury;
    address[3] public people = [address(0xB1), address(0xB2), address(0xB3)];
    mapping(address token => uint256) public unasked;
    mapping(address token => uint256) public paidIn;
    mapping(address token => uint256) public paidOut;
    mapping(address token => uint256) public collected;
    mapping(uint256 tokenId => Stream) public streams;
    uint32 public capacity;
    /// acts that took effect, by name: an invariant over a world where nothing happens shows nothing
    mapping(string act => uint256) public done;
    /// the first subscription whose earnings were seen to fall; 0: none
    uint256 public fell;

    constructor(Subscriptions subs, DevToken dusd, address provisioner, address owner, address treasury) {
        _subs = subs;
        _dusd = dusd;
        _provisioner = provisioner;
        _owner = owner;
        _treasury = treasury;
        capacity = subs.plan(0).plan.capacity;
    }

    function wait(uint256 seed) external {
        // mostly short: deadlines and minimums are hours, graces a week
        vm.warp(time() + (seed % 3 == 0 ? seed % 9 days : seed % 3 hours));
        vm.roll(vm.getBlockNumber() + 1);
    }

    function buy(uint256 seed, uint256 duration) external {
        address who = people[seed % 3];
        address token = _token(seed / 3);
        duration = within(duration, 1 hours, 90 days);
        uint256 price = _subs.quote(0, token, duration);
        bool full = _subs.available(0) == 0;
        _fund(who, token, price);
        uint256 id = _subs.nextTokenId();
        if (full) vm.expectRevert(abi.encodeWithSelector(Subscriptions.OverCapacity.selector, 0));
        vm.prank(who);
        _subs.buy{value: token == address(0) ? price : 0}(0, token, duration, price, people[seed / 6 % 3]);
        if (full) return _did("buy refused");
        paidIn[token] += price;
        (streams[id].rest, streams[id].paidFor) = (price, price);
        _did("buy");
    }

    function activate(uint256 seed) external {
        uint256 id = _some(seed);
        if (_subs.entitlement(id) != Subscriptions.Phase.Pending) return;
        Subscriptions.Subscription memory s = _subs.subscription(id);
        if (time() >= s.activationDeadline) return;
        bytes32 money = _money();
        vm.prank(_provisioner);
        _subs.activate(id);
        yes(_money() == money, "activate pays nobody");
        (streams[id].from, streams[id].to) = (time(), time() + s.duration);
        _did("activate");
    }

    function extend(uint256 seed, uint256 duration, uint256 shift) external {
        uint256 id = _some(seed);
        Subscriptions.Subscription memory s = _subs.subscription(id);
        if (s.state != Subscriptions.State.Active || s.expiresAt > time() + 80 days) return;
        _observe(id);
        duration = within(duration, 1 hours, 10 days);
        (address token, uint256 price) = _subs.quoteExtend(id, duration);
        address who = people[seed % 3];
        _fund(who, token, price);
        // what a cancel would give, now and at a later moment
        uint256 later = time() + shift % 100 days;
        uint256 refundNow = _subs.refundable(id);
        uint256 refundLater = _refundableAt(id, later);
        vm.prank(who);
        _subs.extend{value: token == address(0) ? price : 0}(id, duration, price);
        paidIn[token] += price;

        Stream storage stream = streams[id];
        uint256 earned = _earnedOf(stream);
        stream.before += earned;
        stream.rest = stream.rest - earned + price;
        stream.paidFor += price;
        stream.to = (stream.to > time() ? stream.to : time()) + duration;
        stream.from = time();

        _observe(id);
        Subscriptions.Subscription memory after_ = _subs.subscription(id);
        yes(after_.holder == s.holder, "an extension moves no pass");
        yes(after_.expiresAt >= s.expiresAt + duration || after_.expiresAt == time() + duration, "all of the time");
        yes(after_.expiresAt > s.expiresAt, "never a shorter time");
        yes(_subs.refundable(id) >= refundNow, "never a smaller refund now");
        yes(_refundableAt(id, later) >= refundLater, "nor at any later moment");
        _did("extend");
    }

    function settle(uint256 seed) external {
        uint256 id = _some(seed);
        if (_subs.subscription(id).state != Subscriptions.State.Active) return;
        _observe(id);
        _subs.settle(id);
        _observe(id);
        _did("settle");
    }

    function reject(uint256 seed) external {
        uint256 id = _some(seed);
        Subscriptions.Subscription memory s = _subs.subscription(id);
        if (s.state != Subscriptions.State.Pending) return;
        uint256 others = _creditsOf(s.token) - _subs.credited(s.token, s.holder);
        uint256 own = _subs.credited(s.token, s.holder);
        uint256 earned = _subs.collectable(s.token);
        vm.prank(_provisioner);
        _subs.reject(id);
        eq(_subs.credited(s.token, s.holder) - own, s.paid, "all that was paid is the holder's");
        eq(_creditsOf(s.token) - _subs.credited(s.token, s.holder), others, "nobody else is credited");
        eq(_subs.collectable(s.token), earned, "nothing is earned by a rejection");
        _did("reject");
    }

    function refund(uint256 seed) external {
        uint256 id = _some(seed);
        Subscriptions.Subscription memory s = _subs.subscription(id);
        if (s.state != Subscriptions.State.Pending || time() < s.activationDeadline) return;
        _subs.refund(id);
        _did("refund");
    }

    function end(uint256 seed) external {
        uint256 id = _some(seed);
        Subscriptions.Subscription memory s = _subs.subscription(id);
        if (s.state != Subscriptions.State.Active || time() < s.graceEndsAt) return;
        uint256 credits = _creditsOf(s.token);
        uint256 earned = _subs.collectable(s.token);
        vm.prank(seed % 2 == 0 ? _provisioner : _owner);
        _subs.end(id);
        eq(_creditsOf(s.token), credits, "an end after the grace credits nobody");
        eq(_subs.collectable(s.token) - earned, s.paid - s.settled, "all of it is earned by then");
        _did("end");
    }

    function cancel(uint256 seed) external {
        uint256 id = _some(seed);
        Subscriptions.Subscription memory s = _subs.subscription(id);
        if (s.state != Subscriptions.State.Active) return;
        vm.prank(s.holder);
        _subs.cancel(id);
        _did("cancel");
    }

    function transfer(uint256 seed) external {
        uint256 id = _some(seed);
        address holder = _subs.subscription(id).holder;
        if (holder == address(0)) return;
        vm.prank(holder);
        _subs.transferFrom(holder, people[seed % 3], id);
        _did("transfer");
    }

    function setCapacity(uint256 seed) external {
        if (seed % 4 != 0) return;
        capacity = uint32(seed / 4 % 13);
        vm.prank(_owner);
        _subs.setCapacity(0, capacity);
        _did("setCapacity");
    }

    function setPrice(uint256 seed) external {
        address token = _token(seed);
        vm.prank(_owner);
        _subs.setPrice(0, token, uint128(within(seed / 2, 1, token == address(0) ? 1e16 : 5e6)));
        _did("setPrice");
    }

    function withdraw(uint256 seed) external {
        address token = _token(seed);
        address who = people[seed / 2 % 3];
        uint256 credit = _subs.credited(token, who);
        if (credit == 0) return;
        vm.prank(who);
        _subs.withdraw(token, who);
        paidOut[token] += credit;
        _did("withdraw");
    }

    function collect(uint256 seed) external {
        address token = _token(seed);
        uint256 earned = _subs.collectable(token);
        if (earned == 0) return;
        vm.prank(seed % 3 == 0 ? _provisioner : people[seed % 3]);
        _subs.collect(token);
        paidOut[token] += earned;
        collected[token] += earned;
        _did("collect");
    }

    function sendUnasked(uint256 seed, uint64 amount) external {
        address token = _token(seed);
        if (token == address(0)) vm.deal(address(_subs), address(_subs).balance + amount);
        else _dusd.mint(address(_subs), amount);
        unasked[token] += amount;
    }

    /// Looks at what one of them has earned, at any moment between the other acts.
    function observe(uint256 seed) external {
        uint256 id = _some(seed);
        if (_subs.subscription(id).state == Subscriptions.State.Active) _observe(id);
    }

    /// Whoever held a pass that was burned, and whoever serves the host, finds every door shut.
    function actOnABurnedPass(uint256 seed) external {
        uint256 id = _some(seed);
        if (_subs.entitlement(id) != Subscriptions.Phase.Ended) return;
        bytes32 before = keccak256(abi.encode(_subs.subscription(id), _money()));
        bytes[7] memory acts = [
            abi.encodeCall(_subs.activate, (id)),
            abi.encodeCall(_subs.reject, (id)),
            abi.encodeCall(_subs.refund, (id)),
            abi.encodeCall(_subs.settle, (id)),
            abi.encodeCall(_subs.cancel, (id)),
            abi.encodeCall(_subs.end, (id)),
            abi.encodeCall(_subs.extend, (id, 1 hours, type(uint256).max))
        ];
        for (uint256 i = 0; i < acts.length; ++i) {
            address who = i < 2 || i == 5 ? _provisioner : people[seed % 3];
            vm.prank(who);
            (bool ok, bytes memory answer) = address(_subs).call(acts[i]);
            yes(!ok, "a burned pass is acted on");
            bytes memory wanted =
                abi.encodeWithSelector(Subscriptions.WrongState.selector, id, Subscriptions.Phase.Ended);
            yes(keccak256(answer) == keccak256(wanted), "and refused for being ended");
        }
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(people[i]);
            (bool ok,) = address(_subs).call(abi.encodeCall(_subs.transferFrom, (people[i], people[seed % 3], id)));
            yes(!ok, "a burned pass is moved");
            vm.prank(people[i]);
            (ok,) = address(_subs).call(abi.encodeCall(_subs.approve, (people[0], id)));
            yes(!ok, "a burned pass is approved");
        }
        yes(keccak256(abi.encode(_subs.subscription(id), _money())) == before, "nothing changed");
        _did("burned pass refused");
    }

    /// Earned up to now by the handler's own reckoning.
    function earnedOf(uint256 id) public view returns (uint256) {
        Stream storage stream = streams[id];
        if (stream.from == 0) return 0;
        return stream.before + _earnedOf(stream);
    }

    /// Evenly over the time, rounded down, never beyond what was paid.
    function _earnedOf(Stream storage stream) private view returns (uint256) {
        uint256 until = time() < stream.to ? time() : stream.to;
        return until <= stream.from ? 0 : stream.rest * (until - stream.from) / (stream.to - stream.from);
    }

    /// What the contract keeps of all that was paid is what it has earned; compared with what it kept when last looked at.
    /// In acts alone, because forge forgets what an invariant writes. Within the minimum the contract keeps more than it has
    /// earned.
    function _observe(uint256 id) private {
        if (time() < _subs.subscription(id).activatedAt + _subs.plan(0).plan.minSeconds) return;
        Stream storage stream = streams[id];
        uint256 kept = stream.paidFor - _subs.refundable(id);
        if (kept < stream.seen && fell == 0) fell = id;
        if (kept > stream.seen && stream.seen != 0) _did("earned more");
        stream.seen = kept;
        _did("observe");
    }

    function _did(string memory act) private {
        done[act] += 1;
    }

    /// Every balance, credit and earning of everybody.
    function _money() private view returns (bytes32 hash) {
        for (uint256 t = 0; t < 2; ++t) {
            address token = _token(t);
            address[6] memory all = [people[0], people[1], people[2], _provisioner, _owner, _treasury];
            for (uint256 i = 0; i < all.length; ++i) {
                hash = keccak256(abi.encode(hash, _held(token, all[i]), _subs.credited(token, all[i])));
            }
            hash = keccak256(abi.encode(hash, _subs.collectable(token), _held(token, address(_subs))));
        }
    }

    function _creditsOf(address token) private view returns (uint256 sum) {
        for (uint256 i = 0; i < 3; ++i) {
            sum += _subs.credited(token, people[i]);
        }
    }

    function _refundableAt(uint256 id, uint256 moment) private returns (uint256 amount) {
        uint256 now_ = time();
        vm.warp(moment);
        amount = _subs.refundable(id);
        vm.warp(now_);
    }

    function _held(address token, address who) private view returns (uint256) {
        return token == address(0) ? who.balance : _dusd.balanceOf(who);
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
