//! The folder `/etc/freehold` of a guest, and what is read out of it.
use crate::secure_file::{Demand, read};
use freehold_core::config::{GuestConfig, parse_guest_file, parse_secret};
use freehold_core::host_key::parse_host_key;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Where the guest keeps its facts.
pub const CONFIG_FOLDER: &str = "/etc/freehold";
/// The guest's own host key, which is part of every signed text.
pub const HOST_KEY: &str = "/etc/ssh/ssh_host_ed25519_key.pub";

/// Facts and secret of this VM.
pub struct Settings {
    /// Public facts.
    pub guest: GuestConfig,
    /// `Authorization` of all calls but the report.
    pub authorization: Zeroizing<String>,
    /// `SHA256:…`
    pub host_key: String,
}

/// The paths of a guest's facts; tests have others than `/etc`.
#[derive(Clone)]
pub struct Places {
    /// Holds `guest.json` and `secret`.
    pub folder: PathBuf,
    /// The public host key.
    pub host_key: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self { folder: CONFIG_FOLDER.into(), host_key: HOST_KEY.into() }
    }
}

/// Reads the public facts alone.
pub fn guest_config(folder: &Path) -> Result<GuestConfig, String> {
    let path = folder.join("guest.json");
    let bytes = read(&path, Demand::Public).map_err(|why| format!("{}: {why:?}", path.display()))?;
    parse_guest_file(&bytes).ok_or_else(|| format!("{}: not understood", path.display()))
}

/// Reads all. The error is for the log: it names the file and never what is in it.
pub fn settings(places: &Places) -> Result<Settings, String> {
    let guest = guest_config(&places.folder)?;
    let path = places.folder.join("secret");
    let bytes = read(&path, Demand::Secret).map_err(|why| format!("{}: {why:?}", path.display()))?;
    let secret = parse_secret(&bytes).ok_or_else(|| format!("{}: not understood", path.display()))?;
    let authorization = Zeroizing::new(format!("Bearer {}.{secret}", guest.vm.path()));
    let key = read(&places.host_key, Demand::Public)
        .map_err(|why| format!("{}: {why:?}", places.host_key.display()))?;
    let line = std::str::from_utf8(&key).unwrap_or_default();
    let (_, host_key) =
        parse_host_key(line).ok_or_else(|| format!("{}: not understood", places.host_key.display()))?;
    Ok(Settings { guest, authorization, host_key })
}
