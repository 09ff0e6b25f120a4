//! Ends a session: one line to its terminals that says why, then sshd's process for it and all that descends from it.
use freehold_client::sessions::{Session, all, login_of, parent_of, start_of};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

/// How long sshd has to carry the line to the other side, and processes to end by themselves.
const FLUSH: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(3);

/// Ends all given sessions. `reason` is one line of printable ASCII.
pub fn terminate(sessions: &[(Session, String)]) {
    if sessions.is_empty() {
        return;
    }
    let parents = parents();
    let trees: Vec<Vec<(i32, u64)>> = sessions.iter().map(|(s, _)| tree(s.pid, &parents)).collect();
    for ((_, reason), tree) in sessions.iter().zip(&trees) {
        let ttys: BTreeSet<u64> = tree.iter().filter_map(|(pid, _)| terminal_of(*pid)).collect();
        for tty in ttys {
            say(tty, reason);
        }
    }
    sleep(FLUSH);
    let all: Vec<(i32, u64)> = trees.into_iter().flatten().collect();
    // sshd ends its session in order when it is asked; what is left, and what is deaf, is killed
    end(&all);
}

/// Ends every process that a login started and that is in no session of `folder` any more: what was detached (`nohup`, `setsid`,
/// `tmux`, a shell of the serial console) by somebody who held the pass before. Services, also those that a former root
/// installed, were started by no login and stay: against those a reinstall is the only bound.
pub fn end_what_former_logins_left(folder: &Path) {
    // what detaches itself while we look is found the next time
    for _ in 0..3 {
        // processes before notes: a session is noted before its login has a number, so no new one is taken for an old one
        let own = std::process::id().cast_signed();
        let started: Vec<(i32, u32)> = pids().filter_map(|pid| Some((pid, login_of(pid)?))).collect();
        let open: BTreeSet<u32> = all(folder).iter().filter_map(|s| login_of(s.pid)).collect();
        let left: Vec<(i32, u64)> = started
            .into_iter()
            .filter(|(pid, login)| *pid > 1 && *pid != own && !open.contains(login))
            .filter_map(|(pid, _)| Some((pid, start_of(pid)?)))
            .collect();
        if left.is_empty() {
            return;
        }
        end(&left);
    }
}

fn end(processes: &[(i32, u64)]) {
    signal(processes, libc::SIGHUP);
    signal(processes, libc::SIGTERM);
    let mut waited = Duration::ZERO;
    while waited < PATIENCE && processes.iter().any(|(pid, start)| start_of(*pid) == Some(*start)) {
        sleep(Duration::from_millis(50));
        waited += Duration::from_millis(50);
    }
    signal(processes, libc::SIGKILL);
}

fn signal(processes: &[(i32, u64)], signal: i32) {
    for (pid, start) in processes {
        if start_of(*pid) == Some(*start) {
            // SAFETY: plain numbers; the process is the one we noted
            unsafe { libc::kill(*pid, signal) };
        }
    }
}

fn pids() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|e| e.file_name().to_str()?.parse().ok())
}

fn parents() -> BTreeMap<i32, i32> {
    pids().filter_map(|pid| Some((pid, parent_of(pid)?))).collect()
}

/// The process and all its descendants, with their start times; never init or this process.
fn tree(root: i32, parents: &BTreeMap<i32, i32>) -> Vec<(i32, u64)> {
    let own = std::process::id().cast_signed();
    let descends = |mut pid: i32| {
        // no chain of parents is longer than there are processes
        for _ in 0..=parents.len() {
            if pid == root {
                return true;
            }
            match parents.get(&pid) {
                Some(parent) => pid = *parent,
                None => return false,
            }
        }
        false
    };
    let pids = parents.keys().copied().filter(|pid| *pid > 1 && *pid != own && descends(*pid));
    pids.filter_map(|pid| Some((pid, start_of(pid)?))).collect()
}

/// The number of a process's pseudo terminal. Source: proc_pid_stat(5) field 7; majors 136 to 143 are Unix98 terminals.
fn terminal_of(pid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    let device: u64 = rest.split_ascii_whitespace().nth(4)?.parse().ok()?;
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00));
    (136..=143).contains(&major).then_some((major - 136) * 256 + minor)
}

fn say(tty: u64, reason: &str) {
    let flags = libc::O_NOCTTY | libc::O_NONBLOCK | libc::O_NOFOLLOW;
    if let Ok(mut file) = OpenOptions::new().write(true).custom_flags(flags).open(format!("/dev/pts/{tty}")) {
        let _ = file.write_all(format!("\r\nFreehold: signed out: {reason}\r\n").as_bytes());
    }
}
