//! Notes of open sessions: `/run/freehold/sessions/<pid>`, one line `<kind> <holder or -> <start> <opened>`.
//! `start` is the process's start time of the kernel (field 22 of `/proc/<pid>/stat`), so that a pid used again is no session.
use crate::secure_file::{Demand, read};
use freehold_core::patterns::is_hex_id;
use std::ffi::CStr;
use std::io;
use std::path::{Path, PathBuf};

/// Where the notes lie.
pub const FOLDER: &str = "/run/freehold/sessions";
/// Carries the holder from authentication to session.
pub const VARIABLE_HOLDER: &CStr = c"FREEHOLD_HOLDER";
/// Carries the end of the subscription, unix seconds.
pub const VARIABLE_UNTIL: &CStr = c"FREEHOLD_ACTIVE_UNTIL";

/// Carries the host's public origin, for the link to the VM's page.
pub const VARIABLE_ORIGIN: &CStr = c"FREEHOLD_ORIGIN";

/// How a session was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// By the wallet's signature.
    Wallet,
    /// By a user certificate of the host.
    Certificate,
    /// By a plain key of the holder's.
    Key,
}

impl Kind {
    /// As it stands in a note.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Wallet => "wallet",
            Kind::Certificate => "certificate",
            Kind::Key => "key",
        }
    }
}

/// What is known of a session when it begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// How.
    pub kind: Kind,
    /// Lower case; none for a plain key.
    pub holder: Option<String>,
}

/// A noted session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// sshd's process for it.
    pub pid: i32,
    /// What was noted.
    pub note: Note,
    /// Clock ticks after boot.
    pub start: u64,
    /// Seconds after boot when it was opened.
    pub opened: u64,
}

/// How a login was made, out of sshd's `SSH_AUTH_INFO_0`: one line per method, `method[ key-type key]`. `None` if it is not clear.
pub fn kind_of(info: &str) -> Option<Kind> {
    let mut kinds = info.lines().map(str::trim).filter(|l| !l.is_empty()).map(|line| {
        let mut words = line.split(' ');
        match (words.next(), words.next()) {
            (Some("publickey"), Some(key)) if key.contains("-cert-v") => Some(Kind::Certificate),
            (Some("publickey"), Some(_)) => Some(Kind::Key),
            (Some(method), _) if method.split('/').next() == Some("keyboard-interactive") => {
                Some(Kind::Wallet)
            }
            _ => None,
        }
    });
    match (kinds.next(), kinds.next()) {
        (Some(kind), None) => kind,
        _ => None,
    }
}

/// Notes the calling process's session. The folder is made, 0700, if it is not there.
pub fn add(folder: &Path, note: &Note) -> io::Result<()> {
    make(folder)?;
    let pid = std::process::id();
    let start = start_of(pid.cast_signed()).ok_or(io::ErrorKind::NotFound)?;
    let holder = note.holder.as_deref().unwrap_or("-");
    let line = format!("{} {holder} {start} {}\n", note.kind.name(), uptime().unwrap_or(0));
    write(&path_of(folder, pid), &line)
}

/// Takes the calling process's note away, and the mark of a certificate.
pub fn remove(folder: &Path) {
    let _ = std::fs::remove_file(path_of(folder, std::process::id()));
    let _ = std::fs::remove_file(mark_of(folder, std::process::id().cast_signed()));
}

/// Marks that a certificate was offered on the connection that `pid`, a process of sshd, serves. The mark lies beside the
/// notes, as `<pid>.certificate` with the process's start time and the certificate's key id in it. sshd asks about a certificate
/// right before it checks its signature, so the last mark is of the one that comes in.
pub fn mark_certificate(folder: &Path, pid: i32, key_id: &str) -> io::Result<()> {
    make(folder)?;
    let start = start_of(pid).filter(|_| pid > 1).ok_or(io::ErrorKind::NotFound)?;
    write(&mark_of(folder, pid), &format!("{start} {key_id}\n"))
}

/// What is known of certificates on a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Offered {
    /// None was offered.
    Nothing,
    /// The one with this key id.
    Certificate(String),
    /// One was, and it cannot be told which.
    Unclear,
}

/// Whether a certificate was offered on the calling process's connection.
pub fn offered_certificate(folder: &Path) -> Offered {
    let own = std::process::id().cast_signed();
    let path = mark_of(folder, own);
    match read(&path, Demand::Secret) {
        Ok(bytes) => {
            std::str::from_utf8(&bytes).map_or(Offered::Unclear, |line| offered(line, start_of(own)))
        }
        Err(_) if std::fs::symlink_metadata(&path).is_ok() => Offered::Unclear,
        Err(_) => Offered::Nothing,
    }
}

/// Reads a mark, for a process that began at `start`.
fn offered(line: &str, start: Option<u64>) -> Offered {
    let Some((marked, key_id)) = line.trim_end().split_once(' ') else { return Offered::Unclear };
    match (marked.parse::<u64>().ok(), start) {
        // of a former process with this number
        (Some(marked), Some(start)) if marked != start => Offered::Nothing,
        (Some(_), Some(_)) if is_hex_id(key_id) => Offered::Certificate(key_id.into()),
        _ => Offered::Unclear,
    }
}

/// All sessions that still live; notes and marks of processes that are gone are deleted.
pub fn all(folder: &Path) -> Vec<Session> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            if let Some(pid) = entry.file_name().to_str().and_then(|n| n.strip_suffix(".certificate")) {
                if pid.parse().ok().and_then(start_of).is_none() {
                    let _ = std::fs::remove_file(entry.path());
                }
                return None;
            }
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let bytes = read(&entry.path(), Demand::Secret).ok()?;
            let session = parse(pid, std::str::from_utf8(&bytes).ok()?)?;
            if start_of(pid) == Some(session.start) {
                return Some(session);
            }
            let _ = std::fs::remove_file(entry.path());
            None
        })
        .collect()
}

/// Reads a note; `None` if it is none.
pub fn parse(pid: i32, line: &str) -> Option<Session> {
    let mut words = line.trim_end().split(' ');
    let kind = match words.next()? {
        "wallet" => Kind::Wallet,
        "certificate" => Kind::Certificate,
        "key" => Kind::Key,
        _ => return None,
    };
    let holder = Some(words.next()?).filter(|h| *h != "-").map(str::to_owned);
    let session = Session {
        pid,
        note: Note { kind, holder },
        start: words.next()?.parse().ok()?,
        opened: words.next()?.parse().ok()?,
    };
    (pid > 1 && words.next().is_none()).then_some(session)
}

/// Start time of a process in clock ticks after boot. Source: proc_pid_stat(5).
pub fn start_of(pid: i32) -> Option<u64> {
    stat(pid)?.get(19)?.parse().ok()
}

/// Parent of a process.
pub fn parent_of(pid: i32) -> Option<i32> {
    stat(pid)?.get(1)?.parse().ok()
}

/// The kernel's number of the login that a process comes from, which `pam_loginuid` made it draw and which children inherit,
/// however they detach. None for what no login started, and on kernels without audit. Source: `Documentation/ABI/stable/procfs-audit_loginuid`.
pub fn login_of(pid: i32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/sessionid")).ok()?;
    text.trim_end().parse().ok().filter(|login| *login != u32::MAX && *login != 0)
}

/// Seconds since boot.
pub fn uptime() -> Option<u64> {
    std::fs::read_to_string("/proc/uptime").ok()?.split('.').next()?.parse().ok()
}

/// The fields after the name, which is in brackets and may hold anything: `[0]` is field 3 (state).
fn stat(pid: i32) -> Option<Vec<String>> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text);
    let (_, rest) = text.rsplit_once(") ")?;
    Some(rest.split_ascii_whitespace().map(str::to_owned).collect())
}

fn path_of(folder: &Path, pid: u32) -> PathBuf {
    folder.join(pid.to_string())
}

fn mark_of(folder: &Path, pid: i32) -> PathBuf {
    folder.join(format!("{pid}.certificate"))
}

fn make(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Whole or not at all, 0600.
fn write(path: &Path, line: &str) -> io::Result<()> {
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    std::fs::write(&temporary, line)?;
    std::fs::set_permissions(&temporary, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    std::fs::rename(temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_how_a_login_was_made() {
        for (info, kind) in [
            ("publickey ssh-ed25519 AAAA", Some(Kind::Key)),
            ("publickey ssh-ed25519-cert-v01@openssh.com AAAA", Some(Kind::Certificate)),
            ("keyboard-interactive", Some(Kind::Wallet)),
            ("keyboard-interactive/pam\n", Some(Kind::Wallet)),
            ("publickey", None),
            ("password", None),
            ("publickey ssh-ed25519 AAAA\nkeyboard-interactive", None),
            ("", None),
        ] {
            assert_eq!(kind_of(info), kind, "{info}");
        }
    }

    #[test]
    fn a_mark_counts_for_its_own_process_alone_and_is_unclear_when_in_doubt() {
        let folder = std::env::temp_dir().join(format!("freehold-marks-{}", std::process::id()));
        let own = std::process::id().cast_signed();
        let id = "ab".repeat(16);
        assert_eq!(offered_certificate(&folder), Offered::Nothing);
        assert!(
            mark_certificate(&folder, 999_999, &id).is_err() && mark_certificate(&folder, 1, &id).is_err()
        );
        mark_certificate(&folder, own, &id).unwrap();
        assert_ne!(offered_certificate(&folder), Offered::Nothing);
        assert!(all(&folder).is_empty() && mark_of(&folder, own).exists());
        write(&mark_of(&folder, 999_999), "1 x\n").unwrap();
        assert!(all(&folder).is_empty() && !mark_of(&folder, 999_999).exists());
        remove(&folder);
        assert_eq!(offered_certificate(&folder), Offered::Nothing);
        std::fs::remove_dir_all(folder).unwrap();

        assert_eq!(offered(&format!("7 {id}\n"), Some(7)), Offered::Certificate(id.clone()));
        assert_eq!(offered(&format!("6 {id}"), Some(7)), Offered::Nothing);
        for (line, start) in
            [("", Some(7)), ("7", Some(7)), ("x y", Some(7)), ("7 request", Some(7)), ("7 ../x", Some(7))]
        {
            assert_eq!(offered(line, start), Offered::Unclear, "{line}");
        }
        assert_eq!(offered(&format!("7 {id}"), None), Offered::Unclear);
    }

    #[test]
    fn forgets_sessions_whose_process_is_gone() {
        let folder = std::env::temp_dir().join(format!("freehold-sessions-{}", std::process::id()));
        let note = Note { kind: Kind::Wallet, holder: Some("0xabc".into()) };
        add(&folder, &note).unwrap();
        let own = std::process::id().cast_signed();
        // SAFETY: no arguments, cannot fail
        let root = unsafe { libc::geteuid() == 0 };
        assert_eq!(all(&folder).iter().any(|s| s.pid == own && s.note == note), root);
        std::fs::write(folder.join("999999"), "wallet - 1 1\n").unwrap();
        std::fs::set_permissions(folder.join("999999"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        assert!(all(&folder).iter().all(|s| s.pid != 999_999));
        remove(&folder);
        assert!(all(&folder).is_empty());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
