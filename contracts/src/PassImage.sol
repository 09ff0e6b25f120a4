// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";

/// @title What wallets show of a pass: JSON with a small SVG, all of it on chain.
/// @dev Plan names have no characters that JSON or XML give a meaning to (PlanRules).
library PassImage {
    using Strings for uint256;

    /// @notice The picture of a subscription's pass.
    function pass(uint256 tokenId, string memory planName, uint256 expiresAt) internal pure returns (string memory) {
        return _uri(
            string.concat("Freehold access pass #", tokenId.toString()),
            "Whoever holds this pass has access to its VM.",
            planName,
            expiresAt
        );
    }

    /// @notice The picture of pass 0.
    function operatorPass() internal pure returns (string memory) {
        return _uri("Freehold operator pass", "Whoever holds this pass operates the host.", "operator", 0);
    }

    function _uri(string memory title, string memory about, string memory label, uint256 expiresAt)
        private
        pure
        returns (string memory)
    {
        string memory svg = string.concat(
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 320 200'><rect width='320' height='200' rx='16' fill='#14342b'/>",
            "<g fill='#f4f1e8' font-family='sans-serif'><text x='24' y='60' font-size='20'>",
            title,
            "</text><text x='24' y='160' font-size='16'>",
            label,
            "</text></g></svg>"
        );
        return string.concat(
            "data:application/json;base64,",
            Base64.encode(
                bytes(
                    string.concat(
                        '{"name":"',
                        title,
                        '","description":"',
                        about,
                        '","image":"data:image/svg+xml;base64,',
                        Base64.encode(bytes(svg)),
                        '","attributes":[{"trait_type":"Plan","value":"',
                        label,
                        '"},{"trait_type":"Ends","display_type":"date","value":',
                        expiresAt.toString(),
                        "}]}"
                    )
                )
            )
        );
    }
}
