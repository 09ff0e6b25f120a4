//! `report`: trades the seed's token for the VM's secret, once.
use crate::plan::TOKEN;
use freehold_client::api::{Api, CallError};
use freehold_client::secure_file::{Demand, read, replace};
use freehold_client::settings::{CONFIG_FOLDER, HOST_KEY, guest_config};
use freehold_core::host_key::parse_host_key;
use freehold_core::terminal::printable;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;
use zeroize::Zeroizing;

/// Tries until the host answers. Does nothing if there is no token: then this VM has reported before.
pub fn report() -> Result<(), String> {
    let token_path = Path::new(TOKEN);
    if !token_path.exists() {
        return Ok(());
    }
    let token = read(token_path, Demand::Secret).map_err(|why| format!("{TOKEN}: {why:?}"))?;
    let token = Zeroizing::new(std::str::from_utf8(&token).map_err(|_| "the token is no text")?.to_owned());
    let guest = guest_config(Path::new(CONFIG_FOLDER))?;
    let key = read(Path::new(HOST_KEY), Demand::Public).map_err(|why| format!("{HOST_KEY}: {why:?}"))?;
    let (line, _) = parse_host_key(std::str::from_utf8(&key).unwrap_or_default())
        .ok_or("the host key is not understood")?;
    // what the host will believe for good must be on the disk before the host hears of it
    // SAFETY: no arguments, cannot fail
    unsafe { libc::sync() };

    let mut api = Api::new(&guest, Zeroizing::new(String::new())).map_err(|e| e.text())?;
    let mut pause = Duration::from_millis(100);
    let secret = loop {
        match api.report(&token, std::slice::from_ref(&line)) {
            Ok(secret) => break secret,
            Err(CallError::Refused { status, code, detail }) if status < 500 && status != 429 => {
                return Err(printable(&format!("the host refused the report: {code} {detail}")));
            }
            Err(error) => {
                if pause.as_millis() > 1000 {
                    eprintln!("freehold-guest: {}, trying again", error.text());
                }
                sleep(pause);
                pause = (pause * 3 / 2).min(Duration::from_secs(10));
            }
        }
    };
    let path = Path::new(CONFIG_FOLDER).join("secret");
    replace(&path, secret.as_bytes(), 0o600).map_err(|e| format!("{}: {e}", path.display()))?;
    std::fs::remove_file(token_path).map_err(|e| format!("{TOKEN}: {e}"))
}
