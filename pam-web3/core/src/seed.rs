//! The NoCloud seed: `freehold.json`, `meta-data` and `user-data`.
use crate::config::GuestFile;
use crate::host_key::parse_host_key;
use serde::Deserialize;

/// `freehold.json`, every field checked.
#[derive(Clone)]
pub struct Seed {
    /// What goes to `guest.json`.
    pub guest: GuestFile,
    /// The line of the CA that signs user certificates.
    pub user_ca: String,
    /// Good once, for the report.
    pub token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SeedFile {
    version: u8,
    endpoint: String,
    spki_sha256: String,
    statement_key: String,
    user_ca: String,
    token: String,
    chain_id: u64,
    contract: String,
    token_id: String,
    generation: u32,
}

/// Reads `freehold.json`; `None` if it is not one to the letter, also if its token is another VM's.
pub fn parse_seed(text: &[u8]) -> Option<Seed> {
    let f: SeedFile = serde_json::from_slice(text).ok()?;
    let guest = GuestFile {
        version: f.version,
        endpoint: f.endpoint,
        spki_sha256: f.spki_sha256,
        statement_key: f.statement_key,
        chain_id: f.chain_id,
        contract: f.contract,
        token_id: f.token_id,
        generation: f.generation,
    };
    let vm = guest.check()?.vm;
    let (user_ca, _) = parse_host_key(&f.user_ca)?;
    let (path, mac) = f.token.split_once('.')?;
    (path == vm.path() && crate::patterns::is_sha256_hex(mac)).then_some(Seed {
        guest,
        user_ca,
        token: f.token.clone(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct MetaData {
    local_hostname: String,
}

/// The host name of `meta-data` (JSON): one DNS label.
pub fn parse_host_name(meta_data: &[u8]) -> Option<String> {
    let name = serde_json::from_slice::<MetaData>(meta_data).ok()?.local_hostname;
    let label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let fits = (1..=63).contains(&name.len())
        && name.bytes().all(label)
        && !name.starts_with('-')
        && !name.ends_with('-');
    fits.then_some(name)
}

/// Whether the subscriber gave user-data of their own, for which cloud-init must run.
pub fn is_own_user_data(user_data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(user_data);
    let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    !matches!(
        (lines.next(), lines.next(), lines.next()),
        (None, _, _) | (Some("#cloud-config"), None | Some("{}"), None)
    )
}
