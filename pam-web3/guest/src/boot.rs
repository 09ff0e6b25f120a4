//! `boot`: before network and sshd. A part that fails is named in the log and never stops the others: a guest with half a
//! seed still has a serial console and a log to look at.
use crate::keys::make_host_key;
use crate::plan::{GUEST, SeedTexts, TOKEN, USER_DATA, plan};
use crate::seed_disk::read_seed;
use freehold_client::secure_file::replace_unsynced;
use freehold_client::settings::{CONFIG_FOLDER, guest_config};
use std::io;
use std::path::Path;

const SECRET: &str = "/etc/freehold/secret";
const HOST_KEY: &str = "/etc/ssh/ssh_host_ed25519_key";

/// May be run again at any time.
pub fn boot() -> Result<(), String> {
    let mut failures: Vec<String> = Vec::new();
    let folders = [
        (CONFIG_FOLDER, 0o755),
        ("/run/freehold", 0o755),
        ("/run/freehold/sessions", 0o700),
        ("/run/systemd/network", 0o755),
    ];
    for (folder, mode) in folders {
        keep(&mut failures, folder, make_folder(folder, mode));
    }
    let recorded = guest_config(Path::new(CONFIG_FOLDER)).ok();
    match read_seed() {
        Ok(seed) => {
            let texts = SeedTexts {
                freehold: seed.freehold.as_ref().map(|b| b.as_slice()),
                meta_data: seed.meta_data.as_ref().map(|b| b.as_slice()),
                network_config: seed.network_config.as_ref().map(|b| b.as_slice()),
                user_data: seed.user_data.as_ref().map(|b| b.as_slice()),
            };
            let plan = plan(&texts, recorded.as_ref(), Path::new(SECRET).exists());
            failures.extend(plan.complaints.iter().map(|name| format!("{name}: not understood")));
            if plan.is_new {
                // first the old identity goes, then the new facts come: a boot that is cut off here begins again
                for old in [SECRET, HOST_KEY, "/etc/ssh/ssh_host_ed25519_key.pub"] {
                    keep(&mut failures, old, gone(old));
                }
            }
            for stale in [TOKEN, USER_DATA] {
                keep(&mut failures, stale, gone(stale));
            }
            ensure_host_key(&mut failures);
            for file in plan
                .files
                .iter()
                .filter(|f| f.path != GUEST)
                .chain(plan.files.iter().filter(|f| f.path == GUEST))
            {
                keep(
                    &mut failures,
                    file.path,
                    replace_unsynced(Path::new(file.path), file.text.as_bytes(), file.mode),
                );
            }
            if let Some(name) = plan.host_name {
                keep(&mut failures, "host name", set_host_name(&name));
            }
        }
        Err(error) => {
            failures.push(error);
            ensure_host_key(&mut failures);
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) }
}

fn keep(failures: &mut Vec<String>, what: &str, result: io::Result<()>) {
    if let Err(error) = result {
        failures.push(format!("{what}: {error}"));
    }
}

fn ensure_host_key(failures: &mut Vec<String>) {
    let path = Path::new(HOST_KEY);
    if !(path.exists() && path.with_extension("pub").exists()) {
        keep(failures, HOST_KEY, make_host_key(path));
    }
}

fn make_folder(path: &str, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    std::fs::DirBuilder::new().recursive(true).mode(mode).create(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

fn gone(path: &str) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// For the kernel, for later boots, and for whoever asks for the own name's address (sudo does).
fn set_host_name(name: &str) -> io::Result<()> {
    // SAFETY: pointer and length of one string that lives during the call
    if unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    replace_unsynced(Path::new("/etc/hostname"), format!("{name}\n").as_bytes(), 0o644)?;
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let others =
        hosts.lines().filter(|l| !l.starts_with("127.0.1.1")).map(|l| format!("{l}\n")).collect::<String>();
    replace_unsynced(Path::new("/etc/hosts"), format!("{others}127.0.1.1 {name}\n").as_bytes(), 0o644)
}
