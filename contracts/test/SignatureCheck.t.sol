// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {KeyWalletFactory, MaliciousWallet} from "./mocks/ContractWallets.sol";
import {TestBase} from "./support/TestBase.sol";

/// @notice The answer of the creation code, whatever a wallet or a factory does. The whole path is tested in TypeScript.
contract SignatureCheckTest is TestBase {
    uint256 private constant KEY = 0xa11ce;
    bytes32 private constant HASH = keccak256("text");
    KeyWalletFactory private factory;

    function setUp() public {
        factory = new KeyWalletFactory();
    }

    /// As a node answers `eth_call`: what the constructor leaves as code.
    function ask(address wallet, bytes memory signature, address maker, bytes memory makerData, uint256 gas)
        private
        returns (uint256)
    {
        bytes memory code = bytes.concat(
            vm.getCode("SignatureCheck.sol:SignatureCheck"), abi.encode(wallet, HASH, signature, maker, makerData)
        );
        return this.run{gas: gas}(code);
    }

    function run(bytes calldata code) external returns (uint256 answer) {
        bytes memory creation = code;
        address made;
        assembly ("memory-safe") {
            made := create(0, add(creation, 32), mload(creation))
        }
        yes(made != address(0), "it answers");
        eq(made.code.length, 32, "one word");
        return uint256(bytes32(made.code));
    }

    function signed(uint256 key) private returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, HASH);
        return abi.encodePacked(r, s, v);
    }

    function test_deniesWhereNoCodeIs_alsoIfTheFactoryMakesNothing() public {
        eq(ask(address(0xdead), signed(KEY), address(0), "", 5e6), 0, "no wallet");
        eq(ask(address(0xdead), signed(KEY), address(0xbeef), "", 5e6), 0, "no factory");
        eq(ask(address(0xdead), signed(KEY), address(factory), "nonsense", 5e6), 0, "a factory that reverts");
    }

    function test_deniesAnotherKey() public {
        address wallet = factory.make(vm.addr(KEY));
        eq(ask(wallet, signed(KEY + 1), address(0), "", 5e6), 0, "another key");
        bytes memory make = abi.encodeCall(factory.make, (vm.addr(KEY + 2)));
        eq(ask(factory.addressOf(vm.addr(KEY + 2)), signed(KEY), address(factory), make, 5e6), 0, "nor of a new wallet");
    }

    function test_deniesEveryWrongAnswer() public {
        MaliciousWallet wallet = new MaliciousWallet();
        vm.roll(1001);
        for (uint256 i = 0; i <= uint256(type(MaliciousWallet.Way).max); ++i) {
            MaliciousWallet.Way way = MaliciousWallet.Way(i);
            wallet.become(way);
            // a long answer that begins with the right word is the right answer; only that word is read
            bool right = way == MaliciousWallet.Way.Yes || way == MaliciousWallet.Way.Huge;
            eq(ask(address(wallet), "", address(0), "", 5e6), right ? 1 : 0, "answer");
            eq(wallet.written(), 0, "nothing is written");
        }
    }

    function test_deniesWhereTheGasDoesNotReachForTheQuestion() public {
        address wallet = factory.make(vm.addr(KEY));
        bytes memory signature = signed(KEY);
        eq(ask(wallet, signature, address(0), "", 5e6), 1, "with enough");
        eq(ask(wallet, signature, address(0), "", 230_000), 0, "with the reserve alone");
    }

    function test_knowsAWalletThatIsNotDeployedYet_andOneThatIs() public {
        address wallet = factory.addressOf(vm.addr(KEY));
        bytes memory make = abi.encodeCall(factory.make, (vm.addr(KEY)));
        eq(ask(wallet, signed(KEY), address(factory), make, 5e6), 2, "made for the question");
        factory = new KeyWalletFactory();
        wallet = factory.make(vm.addr(KEY));
        eq(ask(wallet, signed(KEY), address(factory), make, 5e6), 1, "there already");
    }
}
