//! Finds the seed in a CD drive by its ISO 9660 label, without udev, and reads its files. Every hypervisor puts it there; what
//! lies on a disk was written by whoever was root, and is no seed whatever its label says.
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The files of the seed; absent ones are `None`.
pub struct SeedFiles {
    pub freehold: Option<Zeroizing<Vec<u8>>>,
    pub meta_data: Option<Zeroizing<Vec<u8>>>,
    pub network_config: Option<Zeroizing<Vec<u8>>>,
    pub user_data: Option<Zeroizing<Vec<u8>>>,
}

/// Where the seed is mounted while it is read; nobody else sees it.
const MOUNT: &str = "/run/freehold/seed";
/// The drive may be found by the kernel a moment after we are started.
const PATIENCE: Duration = Duration::from_secs(10);
const FILE_LIMIT: u64 = 1 << 20;

/// Mounts the seed read-only, reads it, unmounts it.
pub fn read_seed() -> Result<SeedFiles, String> {
    let until = Instant::now() + PATIENCE;
    let device = loop {
        if let Some(device) = find() {
            break device;
        }
        if Instant::now() > until {
            return Err("no disk with the label cidata".into());
        }
        sleep(Duration::from_millis(20));
    };
    let folder = Path::new(MOUNT);
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|e| format!("{MOUNT}: {e}"))?;
    mount(&device, folder).map_err(|e| format!("mount {}: {e}", device.display()))?;
    let file = |name: &str| {
        let mut bytes = Zeroizing::new(Vec::new());
        File::open(folder.join(name)).ok()?.take(FILE_LIMIT).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    };
    let files = SeedFiles {
        freehold: file("freehold.json"),
        meta_data: file("meta-data"),
        network_config: file("network-config"),
        user_data: file("user-data"),
    };
    if let Ok(path) = CString::new(MOUNT) {
        // SAFETY: a C string that lives during the call
        unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
        let _ = std::fs::remove_dir(folder);
    }
    Ok(files)
}

fn find() -> Option<PathBuf> {
    let entries = std::fs::read_dir("/sys/class/block").ok()?.flatten();
    let mut names: Vec<String> =
        entries.filter_map(|e| e.file_name().into_string().ok()).filter(|n| is_drive(n)).collect();
    names.sort();
    names.into_iter().map(|n| Path::new("/dev").join(n)).find(|path| is_seed(path))
}

/// A CD drive by the kernel's name for it, `sr0` and so on.
fn is_drive(name: &str) -> bool {
    name.strip_prefix("sr")
        .is_some_and(|n| (1..=3).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()))
}

fn is_seed(path: &Path) -> bool {
    let mut sector = [0u8; 72];
    let read = File::open(path).and_then(|f| f.read_exact_at(&mut sector, 16 * 2048));
    read.is_ok() && is_seed_descriptor(&sector)
}

/// Whether these are the first bytes of a primary volume descriptor (ECMA-119, 8.4) with the label `cidata`.
pub fn is_seed_descriptor(sector: &[u8]) -> bool {
    let label = sector.get(40..72).unwrap_or_default();
    sector.starts_with(b"\x01CD001\x01") && label.trim_ascii().eq_ignore_ascii_case(b"cidata")
}

fn mount(device: &Path, folder: &Path) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let device = CString::new(device.as_os_str().as_bytes())?;
    let folder = CString::new(folder.as_os_str().as_bytes())?;
    let flags = libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    // SAFETY: C strings that live during the call; no data
    let code = unsafe {
        libc::mount(device.as_ptr(), folder.as_ptr(), c"iso9660".as_ptr(), flags, std::ptr::null())
    };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denies_what_is_no_cd_drive() {
        for name in
            ["vda", "vdb1", "sda", "nvme0n1", "loop0", "dm-0", "sr", "sr0p1", "sr0 ", "asr0", "sr1234"]
        {
            assert!(!is_drive(name), "{name}");
        }
        assert!(is_drive("sr0") && is_drive("sr11"));
    }

    #[test]
    fn denies_other_disks() {
        let mut sector = [b' '; 72];
        sector[..7].copy_from_slice(b"\x01CD001\x01");
        sector[40..46].copy_from_slice(b"cidata");
        assert!(is_seed_descriptor(&sector));
        sector[46] = b'2';
        assert!(!is_seed_descriptor(&sector));
        assert!(!is_seed_descriptor(&[0; 72]));
        assert!(!is_seed_descriptor(b"\x01CD001\x01"));
    }
}
