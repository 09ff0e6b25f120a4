// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {BrokerRegistry} from "../src/BrokerRegistry.sol";
import {Fixture} from "./support/Fixture.sol";
import {GreedyWallet, RefusingWallet} from "./mocks/Wallets.sol";

/// @title A contract that says that anybody who is named owns it.
contract ClaimedInstallation {
    address public owner;

    constructor(address owner_) {
        owner = owner_;
    }
}

/// @title Answers whatever it is asked with a long lie.
contract LyingInstallation {
    fallback() external {
        assembly ("memory-safe") {
            mstore(0, caller())
            return(0, 4096)
        }
    }
}

/// @notice Brokers, requests and answers; denials first.
contract BrokerTest is Fixture {
    uint128 private constant FEE = 0.01 ether;
    address private operator = address(0x2001);
    address private agent = address(0x2002);
    address private other = address(0x2003);
    BrokerRegistry private registry;
    uint256 private paid;
    uint256 private free;

    function setUp() public override {
        super.setUp();
        registry = BrokerRegistry(create("BrokerRegistry.sol:BrokerRegistry"));
        vm.startPrank(operator);
        paid = registry.register(profile(FEE));
        free = registry.register(profile(0));
        vm.stopPrank();
        vm.deal(provisioner, 100 ether);
        vm.deal(owner, 100 ether);
    }

    function create(string memory name) private returns (address deployed) {
        bytes memory code = vm.getCode(name);
        assembly ("memory-safe") {
            deployed := create(0, add(code, 32), mload(code))
        }
    }

    function profile(uint128 fee) private view returns (BrokerRegistry.Profile memory) {
        return BrokerRegistry.Profile({
            agent: agent,
            fee: fee,
            termSeconds: 30 days,
            graceSeconds: 7 days,
            key: bytes.concat(hex"04", new bytes(64)),
            region: "eu-north-1",
            url: "https://broker.example.org"
        });
    }

    function ask() private returns (uint256) {
        vm.prank(provisioner);
        return registry.ask{value: FEE}(paid, address(subs), 1, "question");
    }

    function list(address installation) private {
        vm.prank(agent);
        registry.setListed(free, installation, true);
    }

    function refusesRequest(bytes4 selector, uint256 id, BrokerRegistry.Outcome outcome) private {
        vm.expectRevert(abi.encodeWithSelector(selector, id, outcome));
    }

    // who may ask

    function test_ask_refusesWhoDoesNotSpeakForTheInstallation() public {
        vm.expectRevert(abi.encodeWithSelector(BrokerRegistry.NotInstallation.selector, address(subs), alice));
        vm.prank(alice);
        registry.ask{value: FEE}(paid, address(subs), 1, "q");
    }

    function test_ask_refusesAnAddressWithoutCode() public {
        vm.expectRevert(abi.encodeWithSelector(BrokerRegistry.NotInstallation.selector, alice, alice));
        vm.prank(alice);
        registry.ask{value: FEE}(paid, alice, 1, "q");
    }

    function test_ask_refusesAContractWithoutOwner() public {
        vm.expectRevert(abi.encodeWithSelector(BrokerRegistry.NotInstallation.selector, address(dusd), alice));
        vm.prank(alice);
        registry.ask{value: FEE}(paid, address(dusd), 1, "q");
    }

    function test_ask_refusesALongLieAboutTheOwner() public {
        address liar = address(new LyingInstallation());
        vm.expectRevert(abi.encodeWithSelector(BrokerRegistry.NotInstallation.selector, liar, alice));
        vm.prank(alice);
        registry.ask{value: FEE}(paid, liar, 1, "q");
    }

    function test_ask_aDeployedEmptyContractIsNoTicket() public {
        address mine = address(new ClaimedInstallation(alice));
        vm.expectRevert(abi.encodeWithSelector(BrokerRegistry.NotListed.selector, free, mine));
        vm.prank(alice);
        registry.ask(free, mine, 1, "q");
        refuses(BrokerRegistry.WrongValue.selector, FEE);
        vm.prank(alice);
        registry.ask(paid, mine, 1, "q");
    }

    function test_ask_refusesAnotherSumThanTheFee() public {
        refuses(BrokerRegistry.WrongValue.selector, FEE);
        vm.prank(provisioner);
        registry.ask{value: FEE + 1}(paid, address(subs), 1, "q");
        list(address(subs));
        refuses(BrokerRegistry.WrongValue.selector, uint256(0));
        vm.prank(provisioner);
        registry.ask{value: 1}(free, address(subs), 1, "q");
    }

    function test_ask_refusesOtherTermsThanWereRead() public {
        BrokerRegistry.Profile memory dearer = profile(FEE * 2);
        vm.prank(operator);
        registry.update(paid, dearer);
        refuses(BrokerRegistry.TermsChanged.selector, uint256(2));
        vm.prank(provisioner);
        registry.ask{value: FEE}(paid, address(subs), 1, "q");
    }

    function test_ask_refusesABrokerThatIsClosedOrUnknown() public {
        vm.prank(agent);
        registry.setStatus(paid, true, BrokerRegistry.Capacity.Closed);
        refuses(BrokerRegistry.BrokerClosed.selector, paid);
        ask();
        vm.prank(agent);
        registry.setStatus(paid, false, BrokerRegistry.Capacity.Available);
        refuses(BrokerRegistry.BrokerClosed.selector, paid);
        ask();
        refuses(BrokerRegistry.UnknownBroker.selector, uint256(9));
        registry.ask(9, address(subs), 1, "q");
    }

    function test_ask_refusesASecondOpenRequest() public {
        uint256 id = ask();
        refuses(BrokerRegistry.RequestOpen.selector, id);
        ask();
        vm.prank(agent);
        registry.refuse(id, 3);
        eq(ask(), id + 1, "after the outcome");
    }

    function test_ask_refusesEmptyAndLongPayloads() public {
        refuses(BrokerRegistry.BadPayload.selector, uint256(0));
        vm.prank(provisioner);
        registry.ask{value: FEE}(paid, address(subs), 1, "");
        refuses(BrokerRegistry.BadPayload.selector, uint256(1025));
        vm.prank(provisioner);
        registry.ask{value: FEE}(paid, address(subs), 1, new bytes(1025));
        vm.prank(provisioner);
        registry.ask{value: FEE}(paid, address(subs), 1, new bytes(1024));
    }

    function test_ask_byOwnerOrProvisioner() public {
        list(address(subs));
        vm.prank(owner);
        uint256 id = registry.ask(free, address(subs), 1, "q");
        BrokerRegistry.Request memory asked = registry.request(id);
        eq(asked.asker, owner, "asker");
        eq(asked.installation, address(subs), "installation");
        eq(asked.brokerId, free, "broker");
        eq(asked.fee, 0, "listed: no fee");
        eq(asked.askedAt, time(), "time");
        eq(uint256(asked.outcome), uint256(BrokerRegistry.Outcome.Open), "open");
        eq(string(asked.question), "q", "question");
        eq(ask(), id + 1, "another broker may be asked meanwhile");
    }

    // answers

    function test_answer_refusesStrangers() public {
        uint256 id = ask();
        address[3] memory people = [alice, provisioner, other];
        for (uint256 i = 0; i < people.length; ++i) {
            refuses(BrokerRegistry.NotAgent.selector, people[i]);
            vm.prank(people[i]);
            registry.grant(id, "a");
            refuses(BrokerRegistry.NotAgent.selector, people[i]);
            vm.prank(people[i]);
            registry.refuse(id, 1);
        }
    }

    function test_answer_happensOnce() public {
        uint256 id = ask();
        vm.startPrank(agent);
        registry.refuse(id, 1);
        refusesRequest(BrokerRegistry.RequestDone.selector, id, BrokerRegistry.Outcome.Refused);
        registry.grant(id, "a");
        refusesRequest(BrokerRegistry.RequestDone.selector, id, BrokerRegistry.Outcome.Refused);
        registry.refuse(id, 1);
        refuses(BrokerRegistry.UnknownRequest.selector, uint256(77));
        registry.refuse(77, 1);
        vm.stopPrank();
    }

    function test_answer_refusesNoReasonAndBadPayloads() public {
        uint256 id = ask();
        vm.startPrank(agent);
        refuses(BrokerRegistry.BadCode.selector);
        registry.refuse(id, 0);
        refuses(BrokerRegistry.BadPayload.selector, uint256(0));
        registry.grant(id, "");
        refuses(BrokerRegistry.BadPayload.selector, uint256(1025));
        registry.grant(id, new bytes(1025));
        vm.stopPrank();
    }

    function test_grant_paysTheOperator() public {
        uint256 id = ask();
        vm.expectEmit(true, true, true, true);
        emit BrokerRegistry.Answered(id, BrokerRegistry.Outcome.Granted, 0);
        vm.prank(agent);
        registry.grant(id, "answer");
        eq(registry.credited(operator), FEE, "credited");
        eq(string(registry.request(id).answer), "answer", "answer");
        refuses(BrokerRegistry.ZeroAddress.selector);
        vm.prank(operator);
        registry.withdraw(payable(address(0)));
        vm.prank(operator);
        registry.withdraw(payable(other));
        eq(other.balance, FEE, "paid out");
        refuses(BrokerRegistry.NothingToPay.selector);
        vm.prank(operator);
        registry.withdraw(payable(other));
    }

    function test_refuse_givesTheFeeBack() public {
        uint256 id = ask();
        vm.prank(agent);
        registry.refuse(id, 4);
        eq(registry.request(id).code, 4, "why");
        eq(registry.credited(provisioner), FEE, "credited to the asker");
        eq(registry.credited(operator), 0, "nothing to the operator");
    }

    function test_takeBack_afterTheWindowOnly() public {
        uint256 id = ask();
        refuses(BrokerRegistry.AnswerWindowOpen.selector, id);
        vm.prank(provisioner);
        registry.takeBack(id);
        later(registry.ANSWER_WINDOW());
        refuses(BrokerRegistry.AnswerTooLate.selector, id);
        vm.prank(agent);
        registry.grant(id, "a");
        refuses(BrokerRegistry.NotAsker.selector, owner);
        vm.prank(owner);
        registry.takeBack(id);
        vm.prank(provisioner);
        registry.takeBack(id);
        eq(registry.credited(provisioner), FEE, "credited");
        refusesRequest(BrokerRegistry.RequestDone.selector, id, BrokerRegistry.Outcome.Withdrawn);
        vm.prank(provisioner);
        registry.takeBack(id);
    }

    function test_withdraw_refusingAndGreedyReceivers() public {
        RefusingWallet refusing = new RefusingWallet();
        uint256 id = ask();
        vm.prank(agent);
        registry.grant(id, "a");
        refuses(BrokerRegistry.TransferFailed.selector);
        vm.prank(operator);
        registry.withdraw(payable(address(refusing)));
        eq(registry.credited(operator), FEE, "still there");

        GreedyWallet greedy = new GreedyWallet();
        greedy.run(address(registry), 0, abi.encodeCall(registry.register, (profile(FEE))));
        uint256 greedyBroker = registry.brokerCount() - 1;
        vm.prank(provisioner);
        id = registry.ask{value: FEE}(greedyBroker, address(subs), 1, "q");
        vm.prank(agent);
        registry.grant(id, "a");
        bytes memory again = abi.encodeCall(registry.withdraw, (payable(address(greedy))));
        greedy.callBack(address(registry), again);
        greedy.run(address(registry), 0, again);
        yes(greedy.calls() > 0 && !greedy.succeeded(), "called back, and refused");
        eq(address(greedy).balance, FEE, "paid once");
        eq(address(registry).balance, FEE, "the operator's is still there");
    }

    // brokers

    function refusesProfile(BrokerRegistry.Profile memory bad, bytes4 reason) private {
        refuses(reason);
        registry.register(bad);
        refuses(reason);
        vm.prank(operator);
        registry.update(paid, bad);
    }

    function test_profile_refusals() public {
        BrokerRegistry.Profile memory bad = profile(FEE);
        bad.agent = address(0);
        refusesProfile(bad, BrokerRegistry.ZeroAddress.selector);
        bytes[3] memory keys = [new bytes(65), bytes(""), bytes.concat(hex"04", new bytes(63))];
        for (uint256 i = 0; i < keys.length; ++i) {
            bad = profile(FEE);
            bad.key = keys[i];
            refusesProfile(bad, BrokerRegistry.BadKey.selector);
        }
        string[5] memory regions = ["", "123456789012345678901234567890123", "EU", unicode"ü", "a\nb"];
        for (uint256 i = 0; i < regions.length; ++i) {
            bad = profile(FEE);
            bad.region = regions[i];
            refusesProfile(bad, BrokerRegistry.BadRegion.selector);
        }
        string[6] memory urls = [
            "",
            "https://",
            "http://broker.example.org",
            "https://a b",
            "https://\n",
            string(bytes.concat("https://", new bytes(121)))
        ];
        for (uint256 i = 0; i < urls.length; ++i) {
            bad = profile(FEE);
            bad.url = urls[i];
            refusesProfile(bad, BrokerRegistry.BadUrl.selector);
        }
        bad = profile(FEE);
        bad.termSeconds = 3599;
        refusesProfile(bad, BrokerRegistry.BadTerms.selector);
        bad.termSeconds = 365 days + 1;
        refusesProfile(bad, BrokerRegistry.BadTerms.selector);
        bad.termSeconds = 1 hours;
        bad.graceSeconds = 365 days + 1;
        refusesProfile(bad, BrokerRegistry.BadTerms.selector);
    }

    function testFuzz_profile_everyOtherCharacterOfARegionIsRefused(bytes1 c) public {
        BrokerRegistry.Profile memory one = profile(0);
        one.region = string(bytes.concat("x", c));
        if (!((c >= "a" && c <= "z") || (c >= "0" && c <= "9") || c == "-")) {
            refuses(BrokerRegistry.BadRegion.selector);
        }
        registry.register(one);
    }

    function test_broker_refusesStrangers() public {
        vm.startPrank(agent);
        refuses(BrokerRegistry.NotOperator.selector, agent);
        registry.update(paid, profile(0));
        refuses(BrokerRegistry.NotOperator.selector, agent);
        registry.offerOperator(paid, agent);
        refuses(BrokerRegistry.NotOperator.selector, agent);
        registry.acceptOperator(paid);
        vm.stopPrank();
        vm.startPrank(alice);
        refuses(BrokerRegistry.NotAgent.selector, alice);
        registry.setStatus(paid, false, BrokerRegistry.Capacity.Closed);
        refuses(BrokerRegistry.NotAgent.selector, alice);
        registry.setListed(paid, address(subs), true);
        vm.stopPrank();
    }

    function test_broker_termsVersionRisesWithTheTermsAlone() public {
        BrokerRegistry.Profile memory next = profile(FEE);
        next.region = "moved";
        vm.startPrank(operator);
        registry.update(paid, next);
        eq(registry.broker(paid).termsVersion, 1, "same terms");
        next.graceSeconds = 0;
        registry.update(paid, next);
        eq(registry.broker(paid).termsVersion, 2, "other grace");
        next.termSeconds = 2 hours;
        registry.update(paid, next);
        eq(registry.broker(paid).termsVersion, 3, "other term");
        vm.stopPrank();
        eq(registry.broker(paid).profile.region, "moved", "region");
    }

    function test_broker_isHandedOverInTwoSteps() public {
        uint256 id = ask();
        vm.prank(operator);
        registry.offerOperator(paid, other);
        eq(registry.broker(paid).operator, operator, "offered only");
        vm.prank(other);
        registry.acceptOperator(paid);
        eq(registry.broker(paid).operator, other, "taken over");
        vm.prank(other);
        registry.grant(id, "a");
        eq(registry.credited(other), FEE, "what comes now is the new operator's");
        refuses(BrokerRegistry.NotOperator.selector, operator);
        vm.prank(operator);
        registry.update(paid, profile(0));
    }

    function test_listing_isTakenBack() public {
        list(address(subs));
        yes(registry.listed(free, address(subs)), "listed");
        vm.prank(operator);
        registry.setListed(free, address(subs), false);
        vm.expectRevert(abi.encodeWithSelector(BrokerRegistry.NotListed.selector, free, address(subs)));
        vm.prank(provisioner);
        registry.ask(free, address(subs), 1, "q");
    }

    function test_views_page() public {
        eq(registry.brokerCount(), 2, "brokers");
        eq(registry.brokers(0, 10).length, 2, "all");
        eq(registry.brokers(1, type(uint256).max)[0].brokerId, free, "the second");
        eq(registry.brokers(2, 1).length, 0, "none beyond");
        uint256 first = ask();
        vm.prank(agent);
        registry.refuse(first, 1);
        uint256 second = ask();
        eq(registry.requestCount(), 2, "requests");
        eq(registry.requestCountOf(paid), 2, "of the broker");
        eq(registry.requestCountOf(free), 0, "of the other");
        BrokerRegistry.Request[] memory page = registry.requestsOf(paid, 1, 5);
        eq(page.length, 1, "one left");
        eq(page[0].requestId, second, "the second");
        refuses(BrokerRegistry.UnknownRequest.selector, uint256(2));
        registry.request(2);
    }

    /// For every course: what the contract holds is what it owes.
    function testFuzz_money_isNeverLost(uint256 seed) public {
        uint256 owed;
        for (uint256 i = 0; i < 8; ++i) {
            uint256 id = ask();
            uint256 choice = seed % 4;
            seed /= 4;
            if (choice == 0) {
                vm.prank(agent);
                registry.grant(id, "a");
            } else if (choice == 1) {
                vm.prank(agent);
                registry.refuse(id, 1);
            } else {
                later(1 days);
                vm.prank(provisioner);
                registry.takeBack(id);
            }
            owed = registry.credited(operator) + registry.credited(provisioner);
            eq(address(registry).balance, owed, "balance");
        }
    }

    function test_gas_ofAskingAndGranting() public {
        // no byte of a ciphertext is free
        bytes memory text = new bytes(400);
        for (uint256 i = 0; i < text.length; ++i) {
            text[i] = 0xff;
        }
        vm.prank(provisioner);
        uint256 id = registry.ask{value: FEE}(paid, address(subs), 1, text);
        vm.snapshotGasLastCall("BrokerRegistry", "ask, 400 bytes");
        vm.prank(agent);
        registry.grant(id, text);
        vm.snapshotGasLastCall("BrokerRegistry", "grant, 400 bytes");
    }
}
