//! Runs a command that can open nothing but what lies below the named paths, and that can neither signal nor trace any process
//! outside of it: `confine [--read PATH]... [--write PATH]... -- COMMAND [ARGUMENT]...`. No privilege is needed (landlock(7)), and
//! nothing that the command does takes it back. It replaces itself, so the pid is the command's. `confine --check` ends with 0 where
//! the kernel can do all of it. What is not there is left out. Linux only.

use std::env::args_os;
use std::ffi::{OsString, c_int, c_long};
use std::io::Error;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, exit};

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn prctl(option: c_int, ...) -> c_int;
}

// the same numbers on every architecture since they came (asm-generic/unistd.h)
const LANDLOCK_CREATE_RULESET: c_long = 444;
const LANDLOCK_ADD_RULE: c_long = 445;
const LANDLOCK_RESTRICT_SELF: c_long = 446;
const CREATE_RULESET_VERSION: u32 = 1;
const RULE_PATH_BENEATH: c_int = 1;
const PR_SET_NO_NEW_PRIVS: c_int = 38;
const O_PATH: c_int = 0o10000000;

const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
/// All rights on files up to that on devices (version 5).
const ALL_FILE_RIGHTS: u64 = (1 << 16) - 1;
/// Bind and connect of TCP (version 4).
const ALL_NET_RIGHTS: u64 = 3;
/// Abstract sockets and signals of processes outside (version 6).
const ALL_SCOPES: u64 = 3;
/// Scopes came last; older kernels hold less than is promised here.
const LEAST_VERSION: c_long = 6;

#[repr(C)]
struct RulesetAttr {
    handled_access_fs: u64,
    handled_access_net: u64,
    scoped: u64,
}

#[repr(C, packed)]
struct PathBeneathAttr {
    allowed_access: u64,
    parent_fd: i32,
}

fn main() {
    let mut paths: Vec<(OsString, u64)> = Vec::new();
    let mut args = args_os().skip(1);
    while let Some(word) = args.next() {
        match word.to_str() {
            Some("--check") => exit(if version() >= LEAST_VERSION { 0 } else { 1 }),
            Some("--read") => paths.push((args.next().unwrap_or_default(), EXECUTE | READ_FILE | READ_DIR)),
            Some("--write") => paths.push((args.next().unwrap_or_default(), READ_FILE | WRITE_FILE)),
            Some("--") => break,
            _ => fail("usage: confine [--read PATH]... [--write PATH]... -- COMMAND [ARGUMENT]..."),
        }
    }
    let Some(command) = args.next() else { fail("no command was named") };
    if let Err(error) = confine(&paths) {
        fail(&error.to_string());
    }
    fail(&Command::new(command).args(args).exec().to_string());
}

fn fail(words: &str) -> ! {
    eprintln!("confine: {words}");
    exit(125)
}

fn version() -> c_long {
    // SAFETY: without attributes the call only tells the version
    unsafe {
        syscall(LANDLOCK_CREATE_RULESET, std::ptr::null::<RulesetAttr>(), 0usize, CREATE_RULESET_VERSION)
    }
}

fn confine(paths: &[(OsString, u64)]) -> Result<(), Error> {
    if version() < LEAST_VERSION {
        return Err(Error::other("this kernel cannot confine a process (landlock version 6)"));
    }
    let attr = RulesetAttr {
        handled_access_fs: ALL_FILE_RIGHTS,
        handled_access_net: ALL_NET_RIGHTS,
        scoped: ALL_SCOPES,
    };
    // SAFETY: the attributes live through the call, and their size is told
    let ruleset =
        checked(unsafe { syscall(LANDLOCK_CREATE_RULESET, &attr, size_of::<RulesetAttr>(), 0u32) })?;
    for (path, rights) in paths {
        let Ok(place) = std::fs::OpenOptions::new().read(true).custom_flags(O_PATH).open(path) else {
            continue;
        };
        // what is no folder has no rights of one
        let rights = if place.metadata()?.is_dir() { *rights } else { *rights & !READ_DIR };
        let rule = PathBeneathAttr { allowed_access: rights, parent_fd: place.as_raw_fd() };
        // SAFETY: rule and descriptor live through the call
        checked(unsafe { syscall(LANDLOCK_ADD_RULE, ruleset as c_int, RULE_PATH_BENEATH, &rule, 0u32) })?;
    }
    // SAFETY: neither call reads memory of ours
    unsafe {
        checked(prctl(PR_SET_NO_NEW_PRIVS, 1usize, 0usize, 0usize, 0usize).into())?;
        checked(syscall(LANDLOCK_RESTRICT_SELF, ruleset as c_int, 0u32))?;
    }
    Ok(())
}

fn checked(answer: c_long) -> Result<c_long, Error> {
    if answer < 0 { Err(Error::last_os_error()) } else { Ok(answer) }
}
