// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title SignatureCheck: has this contract wallet signed?
/// @notice Never deployed. A host runs this creation code in one `eth_call`, and its "code" is the answer: 0 no, 1 yes by
///         ERC-1271, 2 yes by ERC-1271 once the wallet was deployed in the call (ERC-6492).
/// @dev Warnings:
///      - Only an answer of the constructor itself counts; what the called contracts return can never stand in its place.
///      - They may burn what gas they like: a reserve is kept back, so that the answer is then "no" and not a failure.
///      - The factory is called only while there is no code at the wallet. ERC-6492 also allows a call that prepares a
///        deployed wallet; that lets a stranger act before the question is asked, and is left out.
///      - Without code at its address nobody is a contract wallet: keys are recovered elsewhere, before this.
contract SignatureCheck {
    /// @dev For what follows a call: the answer is 32 bytes of code, 6,400 gas, and little else.
    uint256 private constant RESERVE = 200_000;

    /// @param wallet Who is said to have signed.
    /// @param hash What was signed: the `personal_sign` hash of the text.
    /// @param signature As the wallet understands it, without the wrapper of ERC-6492.
    /// @param factory Makes the wallet where it is not deployed yet; zero for none.
    /// @param factoryData What the factory is called with.
    // an answer in place of code can be given in no other way
    // slither-disable-next-line assembly
    constructor(address wallet, bytes32 hash, bytes memory signature, address factory, bytes memory factoryData) {
        uint256 answer = 1;
        if (wallet.code.length == 0 && factory != address(0)) {
            bounded(factory, factoryData, false);
            answer = 2;
        }
        bytes memory question = abi.encodeWithSignature("isValidSignature(bytes32,bytes)", hash, signature);
        if (wallet.code.length == 0 || !bounded(wallet, question, true)) answer = 0;
        assembly ("memory-safe") {
            mstore(0, answer)
            return(0, 32)
        }
    }

    /// @dev Calls with all gas but the reserve and copies at most one word of what comes back. True if that word is the
    ///      ERC-1271 magic value, padded with zeroes as ABI has it.
    // the language copies all that comes back; one word is asked for, and no more can be paid
    // slither-disable-next-line assembly
    function bounded(address target, bytes memory data, bool readOnly) private returns (bool magic) {
        uint256 left = gasleft();
        if (left <= RESERVE) return false;
        uint256 given = left - RESERVE;
        bool success;
        uint256 word;
        uint256 size;
        assembly ("memory-safe") {
            mstore(0, 0)
            switch readOnly
            case 0 { success := call(given, target, 0, add(data, 32), mload(data), 0, 32) }
            default { success := staticcall(given, target, add(data, 32), mload(data), 0, 32) }
            size := returndatasize()
            word := mload(0)
        }
        return success && size >= 32 && word == uint256(0x1626ba7e) << 224;
    }
}
