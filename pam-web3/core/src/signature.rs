//! Recovery of the signer of a `personal_sign` signature (EIP-191, version 0x45).
use crate::address::Address;
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use sha3::{Digest, Keccak256};

/// The signer of `text`; `None` unless the signature is `0x` and exactly 65 bytes r ‖ s ‖ v, s in the lower half of the order
/// (EIP-2), v 27 or 28. 0 and 1 are refused: wallets' `personal_sign` never gives them, and one spelling is enough.
pub fn recover_personal_sign(text: &str, signature: &str) -> Option<Address> {
    let mut bytes = [0; 65];
    hex::decode_to_slice(signature.strip_prefix("0x")?, &mut bytes).ok()?;
    let (rs, v) = bytes.split_at(64);
    let id = RecoveryId::from_byte(v.first()?.checked_sub(27).filter(|v| *v < 2)?)?;
    let signature = Signature::from_slice(rs).ok()?;
    if signature.normalize_s().is_some() {
        return None;
    }
    let key = VerifyingKey::recover_from_prehash(&personal_sign_hash(text), &signature, id).ok()?;
    let point = key.to_encoded_point(false);
    let hash = Keccak256::digest(point.as_bytes().get(1..)?);
    Some(Address(hash.get(12..)?.try_into().ok()?))
}

/// `keccak256("\x19Ethereum Signed Message:\n" ‖ length ‖ text)`.
fn personal_sign_hash(text: &str) -> [u8; 32] {
    let mut hasher = Keccak256::new();
    hasher.update(format!("\x19Ethereum Signed Message:\n{}", text.len()));
    hasher.update(text);
    hasher.finalize().into()
}
