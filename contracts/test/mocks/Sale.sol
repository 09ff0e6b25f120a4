// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";

/// @title A market in its smallest form: the seller keeps the pass until somebody pays the price.
contract Sale {
    IERC721 private immutable _passes;
    mapping(uint256 id => uint256) private _price;
    mapping(uint256 id => address) private _seller;

    constructor(IERC721 passes) {
        _passes = passes;
    }

    function offer(uint256 id, uint256 price) external {
        (_price[id], _seller[id]) = (price, msg.sender);
    }

    function fill(uint256 id) external payable {
        require(msg.value == _price[id], "price");
        _passes.transferFrom(_seller[id], msg.sender, id);
        (bool ok,) = _seller[id].call{value: msg.value}("");
        require(ok, "seller");
    }
}
