//! The host's word on who holds a pass, signed by its Ed25519 statement key.
use crate::address::Address;
use crate::patterns::{is_block_hash, is_fingerprint, is_hex_id, is_sha256_hex};
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, VerifyingKey};
use serde::Deserialize;

/// The statement as it travels. Unknown fields are refused.
#[derive(Clone, Deserialize, Debug)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedStatement {
    /// The act that was signed for.
    pub act: String,
    /// 64 hex digits: SHA-256 of the signed text.
    pub text_sha256: String,
    /// The asker's nonce.
    pub nonce: String,
    /// Lower case.
    pub signer: String,
    /// How the host found the signature good.
    pub verified_by: String,
    /// Lower case: who holds the pass.
    pub holder: String,
    /// What the subscription gives now.
    pub entitlement: String,
    /// Unix seconds.
    pub active_until: u64,
    /// The block that all this was read from.
    pub block_number: u64,
    /// `0x` and 64 hex digits.
    pub block_hash: String,
    /// Base64 of 64 bytes over `statement_text`.
    pub signature: String,
}

/// The lines that are signed, rendered from the fields; `None` if a field has not the shape that PROTOCOL.md gives it.
pub fn statement_text(s: &SignedStatement) -> Option<String> {
    let shapes = is_act(&s.act)
        && is_sha256_hex(&s.text_sha256)
        && is_hex_id(&s.nonce)
        && is_lower_address(&s.signer)
        && matches!(s.verified_by.as_str(), "ecdsa" | "erc1271" | "erc6492")
        && is_lower_address(&s.holder)
        && matches!(s.entitlement.as_str(), "active" | "grace" | "grace-over" | "pending" | "ended")
        && is_block_hash(&s.block_hash);
    shapes.then(|| {
        format!(
            "freehold-ownership-statement-v1\nact: {}\ntext-sha256: {}\nnonce: {}\nsigner: {}\nverified-by: {}\n\
             holder: {}\nentitlement: {}\nactive-until: {}\nblock-number: {}\nblock-hash: {}",
            s.act,
            s.text_sha256,
            s.nonce,
            s.signer,
            s.verified_by,
            s.holder,
            s.entitlement,
            s.active_until,
            s.block_number,
            s.block_hash
        )
    })
}

/// Whether the pinned key signed this statement. Strict: no malleable or small-order signature passes.
pub fn is_signed_by(s: &SignedStatement, key: &[u8; 32]) -> bool {
    let verified = || {
        let bytes: [u8; 64] = STANDARD.decode(&s.signature).ok()?.try_into().ok()?;
        let text = statement_text(s)?;
        VerifyingKey::from_bytes(key)
            .ok()?
            .verify_strict(text.as_bytes(), &Signature::from_bytes(&bytes))
            .ok()
    };
    verified().is_some()
}

fn is_act(act: &str) -> bool {
    match act.strip_prefix("certificate:") {
        Some(key) => is_fingerprint(key),
        None => matches!(act, "shell" | "session" | "console" | "reinstall" | "rollback"),
    }
}

fn is_lower_address(text: &str) -> bool {
    Address::parse(text).is_some_and(|a| a.lower() == text)
}
