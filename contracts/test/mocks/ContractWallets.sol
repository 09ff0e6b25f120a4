// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

bytes4 constant MAGIC = 0x1626ba7e;

/// @dev A wallet of one key.
contract KeyWallet {
    address public immutable KEY;

    constructor(address key) {
        KEY = key;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        return ECDSA.recoverCalldata(hash, signature) == KEY ? MAGIC : bytes4(0);
    }
}

/// @dev Makes key wallets at addresses that are known before.
contract KeyWalletFactory {
    function make(address key) external returns (address) {
        return address(new KeyWallet{salt: bytes32(0)}(key));
    }

    function addressOf(address key) external view returns (address) {
        bytes memory code = abi.encodePacked(type(KeyWallet).creationCode, abi.encode(key));
        return
            address(uint160(uint256(keccak256(abi.encodePacked(hex"ff", address(this), bytes32(0), keccak256(code))))));
    }
}

/// @dev All the ways to answer wrong.
contract MaliciousWallet {
    enum Way {
        Yes,
        Revert,
        RevertWithMagic,
        BurnGas,
        Nothing,
        ShortMagic,
        DirtyMagic,
        Huge,
        HugeRevert,
        True,
        OnlyEvenBlocks,
        Write
    }

    Way public way;
    uint256 public written;

    function become(Way next) external {
        way = next;
    }

    fallback() external {
        Way current = way;
        if (current == Way.Revert) revert("no");
        if (current == Way.BurnGas) {
            while (true) {}
        }
        if (current == Way.OnlyEvenBlocks && block.number % 2 == 1) return;
        if (current == Way.Write) written += 1;
        bytes32 magic = bytes32(MAGIC);
        assembly {
            mstore(0, magic)
            switch current
            case 2 { revert(0, 32) }
            case 4 { return(0, 0) }
            case 5 { return(0, 4) }
            case 6 {
                mstore(0, or(magic, 1))
                return(0, 32)
            }
            case 7 { return(0, 1000000) }
            case 8 { revert(0, 1000000) }
            case 9 {
                mstore(0, 1)
                return(0, 32)
            }
            default { return(0, 32) }
        }
    }
}
