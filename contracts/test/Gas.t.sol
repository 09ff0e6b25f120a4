// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {Fixture} from "./support/Fixture.sol";

contract BarePass is ERC721 {
    constructor() ERC721("Bare", "BARE") {}

    function mint(address to, uint256 id) external {
        _mint(to, id);
    }
}

/// @notice What a purchase costs, against the bare parts of it. Snapshots lie in `snapshots/`.
/// @dev Each call is a transaction of its own: cold storage and the 21,000 count.
/// forge-config: default.isolate = true
contract GasTest is Fixture {
    BarePass private bare;

    function setUp() public override {
        super.setUp();
        bare = new BarePass();
        vm.prank(owner);
        subs.setCapacity(SMALL, 20_000);
        dusd.mint(treasury, 1);
        // the escrow of a host in use is not empty
        dusd.mint(address(subs), 1);
        vm.prank(alice);
        dusd.approve(bob, type(uint256).max);
    }

    function buyer(uint256 i) private returns (address who) {
        // as many zero bytes in each: calldata would cost differently
        who = address(uint160(0x111111 * i));
        dusd.mint(who, 1e9);
        vm.prank(who);
        dusd.approve(address(subs), type(uint256).max);
    }

    function purchase(uint256 i, string memory name) private returns (uint256 gas) {
        address who = buyer(i);
        vm.prank(who);
        subs.buy(SMALL, address(dusd), DAY, DUSD_PER_DAY, who);
        return vm.snapshotGasLastCall("Subscriptions", name);
    }

    function test_M8_gasOfBuy_isConstantAndNearTheBareParts() public {
        vm.prank(bob);
        dusd.transferFrom(alice, treasury, 1);
        uint256 parts = vm.snapshotGasLastCall("Bare", "ERC-20 transferFrom");
        bare.mint(stranger, 1);
        parts += vm.snapshotGasLastCall("Bare", "ERC-721 mint");
        uint256 first = purchase(1, "buy, ERC-20, first");
        uint256 second = purchase(2, "buy, ERC-20, second");
        yes(second <= first, "not above the first");
        yes(second * 100 <= parts * 150, "at most 1.5 of the bare parts");
        for (uint256 i = 2; i < 9_999; ++i) {
            vm.prank(alice);
            subs.buy(SMALL, address(dusd), MIN, DUSD_PER_DAY, alice);
        }
        eq(purchase(3, "buy, ERC-20, 10,000th"), second, "the same at the end");
    }

    function test_gasOfTheRest() public {
        uint256 price = subs.quote(SMALL, COIN, DAY);
        vm.prank(alice);
        subs.buy{value: price}(SMALL, COIN, DAY, price, alice);
        vm.snapshotGasLastCall("Subscriptions", "buy, coin");
        activate(1);
        vm.snapshotGasLastCall("Subscriptions", "activate");
        later(DAY / 2);
        vm.prank(alice);
        subs.extend{value: price}(1, DAY, price);
        vm.snapshotGasLastCall("Subscriptions", "extend, coin");
        later(DAY / 2);
        subs.settle(1);
        vm.snapshotGasLastCall("Subscriptions", "settle");
        cancel(alice, 1);
        vm.snapshotGasLastCall("Subscriptions", "cancel");
        vm.prank(alice);
        subs.withdraw(COIN, alice);
        vm.snapshotGasLastCall("Subscriptions", "withdraw, coin");
        subs.collect(COIN);
        vm.snapshotGasLastCall("Subscriptions", "collect, coin");
    }
}
