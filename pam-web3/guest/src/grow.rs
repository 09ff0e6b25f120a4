//! `grow`: the root partition and its ext4 fill the disk. The tools are Debian's (`growpart`, `resize2fs`); they run only when
//! there is something to gain, as each start of a program counts on an emulated CPU.
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Less than this is not worth a run (and GPT keeps its copy at the end of the disk): 4 MiB in sectors.
const WORTH_SECTORS: u64 = 8192;

/// May be run again at any time.
pub fn grow() -> Result<(), String> {
    let device = std::fs::metadata("/").map_err(|e| format!("/: {e}"))?.dev();
    let sys =
        std::fs::canonicalize(format!("/sys/dev/block/{}:{}", libc::major(device), libc::minor(device)))
            .map_err(|e| format!("the root's device: {e}"))?;
    let number = |path: PathBuf| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let disk = sys.parent().map(Path::to_path_buf).unwrap_or_default();
    let facts = (
        number(sys.join("partition")),
        number(sys.join("start")),
        number(sys.join("size")),
        number(disk.join("size")),
    );
    let (Some(partition), Some(start), Some(size), Some(disk_size)) = facts else {
        return Err("the root is not on a partition".into());
    };
    let node = |path: &Path| Path::new("/dev").join(path.file_name().unwrap_or_default());
    let grown = disk_size > start + size + WORTH_SECTORS;
    if grown {
        run(Command::new("growpart").arg(node(&disk)).arg(partition.to_string()))?;
    }
    let now = number(sys.join("size")).unwrap_or(size);
    if grown || file_system_sectors()? + now / 16 + WORTH_SECTORS < now {
        run(Command::new("resize2fs").arg(node(&sys)))?;
    }
    Ok(())
}

/// Sectors that the root file system has for files; a little less than it covers.
fn file_system_sectors() -> Result<u64, String> {
    let mut facts = std::mem::MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: a C string and a struct that both live during the call
    let code = unsafe { libc::statvfs(c"/".as_ptr(), facts.as_mut_ptr()) };
    // SAFETY: zeroed, and filled on success
    let facts = unsafe { facts.assume_init() };
    if code == 0 {
        Ok(facts.f_blocks * facts.f_frsize / 512)
    } else {
        Err("the root's size is not known".into())
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{}: {e}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: {}", command.get_program().display(), text.trim()))
}
