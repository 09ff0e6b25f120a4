// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title A contract wallet without receiver hook for passes; takes coin.
contract PlainWallet {
    receive() external payable {}

    function run(address to, uint256 value, bytes calldata data) external returns (bytes memory answer) {
        bool ok;
        (ok, answer) = to.call{value: value}(data);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
    }
}

/// @title A contract wallet that refuses coin.
contract RefusingWallet {
    function run(address to, uint256 value, bytes calldata data) external payable returns (bool ok) {
        (ok,) = to.call{value: value}(data);
    }
}

/// @title Tries to be paid twice from within its own payment.
contract GreedyWallet {
    address private _target;
    bytes private _call;
    bool public succeeded;
    uint256 public calls;

    function run(address to, uint256 value, bytes calldata data) external payable returns (bool ok) {
        (ok,) = to.call{value: value}(data);
    }

    function callBack(address target, bytes calldata data) external {
        _target = target;
        _call = data;
    }

    receive() external payable {
        if (_target == address(0)) return;
        ++calls;
        (bool ok,) = _target.call(_call);
        succeeded = succeeded || ok;
    }
}
