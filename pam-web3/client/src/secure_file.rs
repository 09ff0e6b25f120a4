//! Files that decide over logins: opened without following a link, and trusted only if owner and mode of what is open are right.
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// What a file must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Demand {
    /// Root's, writable by root alone.
    Public,
    /// Root's, mode exactly 0600.
    Secret,
}

/// Why a file is not trusted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Distrust {
    /// Not there or not readable.
    Missing,
    /// Not a regular file, not root's, or its mode is too open.
    Unsafe,
    /// Longer than 64 KiB.
    TooLong,
}

const LIMIT: u64 = 64 * 1024;

/// Reads a trusted file whole.
pub fn read(path: &Path, demand: Demand) -> Result<Zeroizing<Vec<u8>>, Distrust> {
    let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NOCTTY | libc::O_NONBLOCK;
    let file =
        OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|e| match e.raw_os_error() {
            Some(libc::ELOOP) => Distrust::Unsafe,
            _ => Distrust::Missing,
        })?;
    let meta = file.metadata().map_err(|_| Distrust::Missing)?;
    let mode = meta.mode() & 0o7777;
    let sound = meta.is_file()
        && meta.uid() == 0
        && match demand {
            Demand::Public => mode & 0o022 == 0,
            Demand::Secret => mode == 0o600,
        };
    if !sound {
        return Err(Distrust::Unsafe);
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(|_| Distrust::Missing)?;
    if bytes.len() as u64 > LIMIT { Err(Distrust::TooLong) } else { Ok(bytes) }
}

/// Replaces a file as a whole: temporary file beside it, fsync, rename. Does nothing if it holds these bytes and this mode already.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    replace_unless_same(path, bytes, mode, true)
}

/// The same without fsync: for the early boot, where each costs and the next boot writes the file again.
pub fn replace_unsynced(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    replace_unless_same(path, bytes, mode, false)
}

fn replace_unless_same(path: &Path, bytes: &[u8], mode: u32, synced: bool) -> io::Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == bytes)
        && std::fs::symlink_metadata(path)
            .is_ok_and(|m| m.is_file() && m.uid() == 0 && m.mode() & 0o7777 == mode)
    {
        return Ok(());
    }
    let temporary = path.with_extension("new");
    match std::fs::remove_file(&temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    if synced {
        file.sync_all()?;
    }
    std::fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn file(name: &str, mode: u32) -> PathBuf {
        let path = std::env::temp_dir().join(format!("freehold-{}-{name}", std::process::id()));
        replace(&path, b"text", mode).unwrap();
        path
    }

    fn is_root() -> bool {
        // SAFETY: no arguments, cannot fail
        unsafe { libc::geteuid() == 0 }
    }

    #[test]
    fn denies_files_that_others_may_write_or_read() {
        let path = file("modes", 0o600);
        for (mode, public, secret) in [
            (0o600, true, true),
            (0o644, true, false),
            (0o664, false, false),
            (0o602, false, false),
            (0o400, true, false),
        ] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path, Demand::Public).is_ok(), public && is_root(), "{mode:o}");
            assert_eq!(read(&path, Demand::Secret).is_ok(), secret && is_root(), "{mode:o}");
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn denies_links_folders_and_other_owners() {
        let path = file("target", 0o644);
        let link = path.with_extension("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(read(&link, Demand::Public).err(), Some(Distrust::Unsafe));
        assert_eq!(read(&std::env::temp_dir(), Demand::Public).err(), Some(Distrust::Unsafe));
        if is_root() {
            std::os::unix::fs::chown(&path, Some(1), Some(1)).unwrap();
            assert_eq!(read(&path, Demand::Public).err(), Some(Distrust::Unsafe));
        }
        assert_eq!(read(Path::new("/nonexistent/file"), Demand::Public).err(), Some(Distrust::Missing));
        std::fs::remove_file(link).unwrap();
        std::fs::remove_file(path).unwrap();
    }
}
