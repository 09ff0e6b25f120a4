// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {Subscriptions} from "../src/Subscriptions.sol";
import {Fixture} from "./support/Fixture.sol";

contract ViewsTest is Fixture {
    function test_subscription_ofAnUnknownId_isEmpty() public view {
        Subscriptions.Subscription memory empty;
        empty.tokenId = 77;
        yes(keccak256(abi.encode(subs.subscription(77))) == keccak256(abi.encode(empty)), "empty but for its id");
        isPhase(77, Subscriptions.Phase.None);
        eq(subs.refundable(77), 0, "refundable");
    }

    function test_subscriptions_answersManyInTheOrderAsked() public {
        buy(alice, COIN, DAY);
        active(bob, address(dusd), 2 * DAY);
        uint256[] memory ids = new uint256[](4);
        (ids[0], ids[1], ids[2], ids[3]) = (2, 99, 1, 0);
        Subscriptions.Subscription[] memory list = subs.subscriptions(ids);
        for (uint256 i = 0; i < ids.length; ++i) {
            bytes memory alone = abi.encode(subs.subscription(ids[i]));
            yes(keccak256(abi.encode(list[i])) == keccak256(alone), "as asked alone");
        }
        eq(subs.subscriptions(new uint256[](0)).length, 0, "none asked");
    }

    function test_plans_answersMany() public view {
        uint256[] memory ids = new uint256[](2);
        ids[0] = 1;
        yes(keccak256(abi.encode(subs.plans(ids)[0])) == keccak256(abi.encode(subs.plan(1))), "first");
        eq(subs.plans(ids)[1].plan.name, "small", "second");
    }

    function test_quote_refusesWhatBuyRefuses() public {
        refuses(Subscriptions.BadDuration.selector, MIN - 1);
        subs.quote(SMALL, COIN, MIN - 1);
        refuses(Subscriptions.BadDuration.selector, MAX + 1);
        subs.quote(SMALL, COIN, MAX + 1);
        refuses(Subscriptions.TokenNotListed.selector, bob);
        subs.quote(SMALL, bob, DAY);
    }

    function testFuzz_refundable_isAllWhilePending(uint256 wait) public {
        uint256 id = buy(alice, COIN, DAY);
        later(within(wait, 0, 365 days));
        eq(subs.refundable(id), COIN_PER_DAY, "refundable");
    }

    function test_subscription_ofAnEndedOne_keepsItsHistory() public {
        uint256 id = active(alice, address(dusd), DAY);
        uint256 activatedAt = time();
        later(DAY + GRACE);
        vm.prank(provisioner);
        subs.end(id);
        Subscriptions.Subscription memory s = subs.subscription(id);
        eq(s.holder, address(0), "holder");
        eq(s.buyer, alice, "buyer");
        eq(s.activatedAt, activatedAt, "activatedAt");
        eq(s.expiresAt, activatedAt + DAY, "expiresAt");
        eq(s.paid, s.settled, "paid and earned");
    }

    function test_supportsERC721() public view {
        yes(subs.supportsInterface(type(IERC721).interfaceId), "ERC-721");
    }

    function test_tokenURI_refusesUnknownAndEnded() public {
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 1));
        subs.tokenURI(1);
        uint256 id = active(alice, COIN, DAY);
        cancel(alice, id);
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, id));
        subs.tokenURI(id);
    }

    function test_tokenURI_isJsonWithAPicture() public {
        uint256 id = active(alice, COIN, DAY);
        string memory svg = string.concat(
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 320 200'>",
            "<rect width='320' height='200' rx='16' fill='#14342b'/>",
            "<g fill='#f4f1e8' font-family='sans-serif'><text x='24' y='60' font-size='20'>",
            "Freehold access pass #1</text><text x='24' y='160' font-size='16'>small</text></g></svg>"
        );
        string memory json = string.concat(
            '{"name":"Freehold access pass #1","description":"Whoever holds this pass has access to its VM.",',
            '"image":"data:image/svg+xml;base64,',
            Base64.encode(bytes(svg)),
            '","attributes":[{"trait_type":"Plan","value":"small"},',
            '{"trait_type":"Ends","display_type":"date","value":',
            Strings.toString(time() + DAY),
            "}]}"
        );
        eq(subs.tokenURI(id), string.concat("data:application/json;base64,", Base64.encode(bytes(json))), "tokenURI");
        yes(bytes(subs.tokenURI(0)).length > 100, "the operator's pass has one too");
    }
}
