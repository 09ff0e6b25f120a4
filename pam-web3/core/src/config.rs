//! `guest.json`: the public facts of this VM, written by `freehold-guest boot` from the seed.
use crate::address::Address;
use crate::installation::VmIdentity;
use crate::patterns::{is_port, is_token_id};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

/// The file, as it lies on disk. It holds no secret.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq, Debug)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GuestFile {
    /// 1.
    pub version: u8,
    /// `address:port` or `[v6]:port` of the login endpoint.
    pub endpoint: String,
    /// Base64 of the SHA-256 of the endpoint's SubjectPublicKeyInfo.
    pub spki_sha256: String,
    /// Base64 of the raw Ed25519 statement key.
    pub statement_key: String,
    /// EIP-155.
    pub chain_id: u64,
    /// `0x…`.
    pub contract: String,
    /// Decimal.
    pub token_id: String,
    /// From 1.
    pub generation: u32,
}

/// The parsed facts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GuestConfig {
    /// Where the login endpoint is dialled.
    pub endpoint: std::net::SocketAddr,
    /// SHA-256 of the only key that endpoint may have.
    pub spki_sha256: [u8; 32],
    /// The only key whose statements count.
    pub statement_key: [u8; 32],
    /// Which VM this is.
    pub vm: VmIdentity,
}

impl GuestFile {
    /// Checks every field; `None` if one is not what it must be.
    pub fn check(&self) -> Option<GuestConfig> {
        let bytes = |text: &str| STANDARD.decode(text).ok()?.try_into().ok();
        let (_, port) = self.endpoint.rsplit_once(':')?;
        let sound = self.version == 1
            && is_port(port)
            && is_token_id(&self.token_id)
            && self.generation > 0
            && (1..=(1 << 53) - 1).contains(&self.chain_id);
        sound.then_some(())?;
        Some(GuestConfig {
            endpoint: self.endpoint.parse().ok()?,
            spki_sha256: bytes(&self.spki_sha256)?,
            statement_key: bytes(&self.statement_key)?,
            vm: VmIdentity {
                chain_id: self.chain_id,
                contract: Address::parse(&self.contract)?,
                token_id: self.token_id.clone(),
                generation: self.generation,
            },
        })
    }
}

/// Reads `guest.json`.
pub fn parse_guest_file(text: &[u8]) -> Option<GuestConfig> {
    serde_json::from_slice::<GuestFile>(text).ok()?.check()
}

/// Reads the VM's secret: 64 hex digits, a newline at the end allowed.
pub fn parse_secret(text: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(text).ok()?;
    let secret = text.strip_suffix('\n').unwrap_or(text);
    crate::patterns::is_sha256_hex(secret).then_some(secret)
}
