// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice The cheat codes of forge that these tests use (getfoundry.sh, "Cheatcodes reference").
interface Vm {
    function addr(uint256 key) external returns (address);
    function assume(bool condition) external;
    function deal(address who, uint256 balance) external;
    function expectEmit(bool topic1, bool topic2, bool topic3, bool data) external;
    function expectRevert(bytes calldata data) external;
    function expectRevert() external;
    function getCode(string calldata artifact) external view returns (bytes memory creationCode);
    function getBlockNumber() external view returns (uint256);
    function getBlockTimestamp() external view returns (uint256);
    function prank(address caller) external;
    function readFile(string calldata path) external view returns (string memory);
    function revertToState(uint256 snapshot) external returns (bool);
    function roll(uint256 blockNumber) external;
    function sign(uint256 key, bytes32 digest) external returns (uint8 v, bytes32 r, bytes32 s);
    function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256 gas);
    function snapshotState() external returns (uint256 snapshot);
    function startPrank(address caller) external;
    function stopPrank() external;
    function warp(uint256 time) external;
}

/// @notice What every test stands on: cheat codes, and comparisons that say both sides.
abstract contract TestBase {
    error NotEqual(string what, uint256 got, uint256 wanted);
    error NotEqualAddress(string what, address got, address wanted);
    error NotEqualText(string what, string got, string wanted);
    error NotTrue(string what);

    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    /// tells forge that this contract is a test
    bool public constant IS_TEST = true;

    function eq(uint256 got, uint256 wanted, string memory what) internal pure {
        if (got != wanted) revert NotEqual(what, got, wanted);
    }

    function eq(address got, address wanted, string memory what) internal pure {
        if (got != wanted) revert NotEqualAddress(what, got, wanted);
    }

    function eq(string memory got, string memory wanted, string memory what) internal pure {
        if (keccak256(bytes(got)) != keccak256(bytes(wanted))) revert NotEqualText(what, got, wanted);
    }

    function yes(bool got, string memory what) internal pure {
        if (!got) revert NotTrue(what);
    }

    /// `x` brought between `low` and `high`, both included.
    function within(uint256 x, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + x % (high - low + 1);
    }

    /// The time now. `block.timestamp` would do, but the optimiser takes it for constant within a test.
    function time() internal view returns (uint256) {
        return vm.getBlockTimestamp();
    }
}
