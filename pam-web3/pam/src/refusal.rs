//! *Not me* on the page ends the waiting login at once, not at the next Enter: while the person is asked, a second connection to
//! the host waits for it. The client may be deaf while it reads its keyboard, so what ends is sshd's side: its processes, and
//! with them the place of this login among those that wait.
use freehold_client::api::{Api, CallError};
use freehold_client::http::Line;
use freehold_core::wire::RefusalAnswer;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, sleep};
use std::time::{Duration, Instant};

/// Waits as long as it lives.
pub struct Watch {
    line: Line,
    /// The person is asked: nobody but this watch hears the host.
    asking: Arc<AtomicBool>,
}

impl Watch {
    /// Runs the conversation. Outside of it the module asks the host itself, and has a reason to show.
    pub fn while_asking<T>(watch: Option<&Self>, ask: impl FnOnce() -> T) -> T {
        let set = |value| watch.map(|w| w.asking.store(value, Ordering::SeqCst));
        set(true);
        let answer = ask();
        set(false);
        answer
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // not joined: a call may be in the middle of a connect. The module stays loaded (build.rs), and the process ends soon
        self.line.cut();
    }
}

/// Begins to wait, until `until` at most. Only where sshd's own process for this conversation is what would be ended: elsewhere
/// (pamtester, another service) a refusal is heard at the next Enter, as it is when no thread can be had.
pub fn watch_for_refusal(mut api: Api, id: &str, until: Instant) -> Option<Watch> {
    let monitor = monitor()?;
    let line = api.line();
    let asking = Arc::new(AtomicBool::new(false));
    let (watched, asked, id) = (line.clone(), asking.clone(), id.to_owned());
    let body = move || {
        if !is_refused(&mut api, &watched, &id, until) {
            return;
        }
        while !watched.is_cut() {
            if asked.load(Ordering::SeqCst) {
                return end(monitor);
            }
            sleep(Duration::from_millis(20));
        }
    };
    // signals are for sshd's own handlers, in sshd's own thread: a new thread inherits the mask
    let spawned = with_signals_blocked(|| Builder::new().stack_size(512 * 1024).spawn(body));
    spawned.ok().map(|_| Watch { line, asking })
}

fn is_refused(api: &mut Api, line: &Line, id: &str, until: Instant) -> bool {
    let mut pause = Duration::from_secs(1);
    while !line.is_cut() && Instant::now() < until {
        let asked = Instant::now();
        match api.refusal(id) {
            Ok(RefusalAnswer::Refused {}) => return !line.is_cut(),
            Ok(RefusalAnswer::Over {}) => return false,
            Ok(RefusalAnswer::Open {}) => pause = Duration::from_secs(1),
            // this host cannot say, or does not know the request any more
            Err(CallError::Refused { status: 404, .. }) => return false,
            Err(_) => pause = (pause * 2).min(Duration::from_secs(10)),
        }
        // a host that answers at once must not be asked without end
        sleep(pause.saturating_sub(asked.elapsed()));
    }
    false
}

/// The process of sshd that minds this connection, if this process is its child for the conversation: the same program, and the
/// child in the parent's group, which each connection has of its own. A shell that runs pamtester fits neither.
fn monitor() -> Option<i32> {
    // SAFETY: no arguments, cannot fail
    let (parent, group) = unsafe { (libc::getppid(), libc::getpgrp()) };
    let program = |process: &str| std::fs::metadata(format!("/proc/{process}/exe")).ok();
    let (own, other) = (program("self")?, program(&parent.to_string())?);
    let is_same = own.dev() == other.dev() && own.ino() == other.ino();
    (parent > 1 && group == parent && is_same).then_some(parent)
}

/// Tells sshd that the time for this login is over, which is how it ends one by itself, with all its processes (tried: 9.2, 10.0).
fn end(monitor: i32) {
    // SAFETY: a format that takes nothing; plain numbers, and the parent is there while this process is its child
    unsafe {
        libc::syslog(
            libc::LOG_AUTHPRIV | libc::LOG_NOTICE,
            c"pam_web3: sign-in refused on the page".as_ptr(),
        );
        if libc::getppid() == monitor {
            libc::kill(monitor, libc::SIGALRM);
        }
    }
}

fn with_signals_blocked<T>(run: impl FnOnce() -> T) -> T {
    // SAFETY: both sets live during the calls; the mask is put back as it was
    unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let done = run();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        done
    }
}
