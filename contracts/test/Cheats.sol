// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice The cheat codes of the test runner that these tests use (https://book.getfoundry.sh/reference/cheatcodes).
interface Vm {
    function prank(address caller) external;
    function startPrank(address caller) external;
    function stopPrank() external;
    function warp(uint256 timestamp) external;
    function roll(uint256 blockNumber) external;
    function deal(address who, uint256 balance) external;
    function expectRevert(bytes calldata data) external;
    function expectRevert() external;
    function sign(uint256 key, bytes32 digest) external returns (uint8 v, bytes32 r, bytes32 s);
    function addr(uint256 key) external returns (address);
    function assume(bool condition) external;
    function snapshotGasLastCall(string calldata name) external returns (uint256);
}

/// @title Base of all tests: cheat codes and assertions that name what differs.
abstract contract Cheats {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    bool public constant IS_TEST = true;

    error NotEqual(string what, uint256 found, uint256 expected);
    error NotTrue(string what);

    function eq(uint256 found, uint256 expected, string memory what) internal pure {
        if (found != expected) revert NotEqual(what, found, expected);
    }

    function eq(address found, address expected, string memory what) internal pure {
        if (found != expected) revert NotEqual(what, uint160(found), uint160(expected));
    }

    function yes(bool condition, string memory what) internal pure {
        if (!condition) revert NotTrue(what);
    }

    function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + value % (high - low + 1);
    }
}
