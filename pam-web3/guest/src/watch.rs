//! `watch`: ends sessions by level, by long poll of `presence`. An answer that does not come changes nothing.
use crate::terminate::{end_what_former_logins_left, terminate};
use freehold_client::api::Api;
use freehold_client::secure_file::{Demand, read, replace};
use freehold_client::sessions::{FOLDER, Kind, Session, all, uptime};
use freehold_client::settings::{Places, settings};
use freehold_core::terminal::printable;
use freehold_core::wire::{Presence, parse_presence};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// Wallet and certificate sessions end after this, whoever holds the pass. `session-seconds` in the config folder may say less,
/// never more: a file that is not understood changes nothing.
const LONGEST_SECONDS: u64 = 12 * 3600;
/// How often the length of sessions is looked at, whatever the host does meanwhile.
const LOOK: Duration = Duration::from_secs(5);
/// The last answer outlives a restart of this process, but not of the machine.
const KNOWN: &str = "/run/freehold/presence.json";

/// Runs for ever. The folders may be given in the environment (`FREEHOLD_CONFIG`, `FREEHOLD_RUN`), as tests do.
pub fn watch() -> Result<(), String> {
    let places = Places {
        folder: std::env::var_os("FREEHOLD_CONFIG").map_or(Places::default().folder, PathBuf::from),
        host_key: std::env::var_os("FREEHOLD_HOST_KEY").map_or(Places::default().host_key, PathBuf::from),
    };
    let run = std::env::var_os("FREEHOLD_RUN").map(PathBuf::from);
    let sessions = run.as_ref().map_or(PathBuf::from(FOLDER), |r| r.join("sessions"));
    let known_path = run.map_or(PathBuf::from(KNOWN), |r| r.join("presence.json"));
    {
        let (folder, sessions) = (places.folder.clone(), sessions.clone());
        std::thread::spawn(move || {
            loop {
                terminate(&overdue(&all(&sessions), uptime().unwrap_or(0), longest(&folder)));
                sleep(LOOK);
            }
        });
    }
    let mut known = remembered(&known_path);
    let mut api: Option<Api> = None;
    let mut pause = Duration::from_secs(1);
    loop {
        if api.is_none() {
            // not there before the report: then nobody is signed in either
            api = settings(&places).ok().and_then(|s| Api::new(&s.guest, s.authorization).ok());
        }
        let answer = api.as_mut().and_then(|api| {
            api.presence(known.as_ref()).map_err(|e| eprintln!("freehold-guest: {}", e.text())).ok()
        });
        match answer {
            Some(presence) => {
                terminate(&unwelcome(&all(&sessions), &presence, known.as_ref()));
                if has_moved(&presence, known.as_ref()) {
                    end_what_former_logins_left(&sessions);
                }
                if let Ok(text) = serde_json::to_vec(&serde_json::json!({
                    "holder": presence.holder, "activeUntil": presence.active_until,
                    "blockNumber": presence.block_number, "reason": null,
                })) {
                    let _ = replace(&known_path, &text, 0o600);
                }
                // a presence without a holder cannot be asked about by long poll: ask again a little later
                if presence.holder.is_none() {
                    sleep(Duration::from_secs(10));
                }
                known = Some(presence);
                pause = Duration::from_secs(1);
            }
            None => {
                api = None;
                sleep(pause);
                pause = (pause * 2).min(Duration::from_secs(10));
            }
        }
    }
}

fn remembered(path: &Path) -> Option<Presence> {
    parse_presence(&read(path, Demand::Secret).ok()?)
}

/// Sessions that must end for what the host says now. A plain key ends with its pass: the key file is the former holder's.
fn unwelcome(sessions: &[Session], presence: &Presence, known: Option<&Presence>) -> Vec<(Session, String)> {
    let former = known.and_then(|k| k.holder.as_ref());
    let why = |session: &Session| {
        let holder = session.note.holder.as_ref().or(former);
        if presence.active_until.is_none() || presence.holder.is_none() {
            let text = presence.reason.as_ref().map(|r| printable(&r.text)).filter(|t| !t.is_empty());
            return Some(text.unwrap_or_else(|| "the subscription is not active.".into()));
        }
        let moved = holder.is_some() && holder != presence.holder.as_ref();
        moved.then(|| "the access pass has moved to another wallet.".into())
    };
    sessions.iter().filter_map(|s| Some((s.clone(), why(s)?))).collect()
}

/// Whether the pass has gone to somebody else since the last answer, which outlives a restart of this process.
fn has_moved(presence: &Presence, known: Option<&Presence>) -> bool {
    known.is_some_and(|k| k.holder.is_some() && k.holder != presence.holder)
}

/// Seconds that a session may last.
fn longest(folder: &Path) -> u64 {
    let text = read(&folder.join("session-seconds"), Demand::Public).ok();
    text.and_then(|t| parse_longest(&t)).unwrap_or(LONGEST_SECONDS)
}

/// One decimal number, 1 to 43200.
fn parse_longest(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.trim_end_matches('\n');
    let is_plain = (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let seconds = text.parse().ok().filter(|_| is_plain)?;
    (1..=LONGEST_SECONDS).contains(&seconds).then_some(seconds)
}

/// Sessions that have lasted as long as one may.
fn overdue(sessions: &[Session], uptime: u64, longest: u64) -> Vec<(Session, String)> {
    let is_over = |s: &&Session| s.note.kind != Kind::Key && uptime.saturating_sub(s.opened) >= longest;
    let (number, unit) = match longest {
        n if n % 3600 == 0 => (n / 3600, "hour"),
        n if n % 60 == 0 => (n / 60, "minute"),
        n => (n, "second"),
    };
    let plural = if number == 1 { "" } else { "s" };
    let why = format!("a session lasts at most {number} {unit}{plural}. Sign in again.");
    sessions.iter().filter(is_over).map(|s| (s.clone(), why.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use freehold_client::sessions::Note;

    fn session(pid: i32, kind: Kind, holder: Option<&str>) -> Session {
        Session { pid, note: Note { kind, holder: holder.map(str::to_owned) }, start: 1, opened: 100 }
    }

    fn presence(holder: Option<&str>, active_until: Option<u64>) -> Presence {
        Presence { holder: holder.map(str::to_owned), active_until, block_number: 1, reason: None }
    }

    fn pids(ended: Vec<(Session, String)>) -> Vec<i32> {
        ended.into_iter().map(|(s, _)| s.pid).collect()
    }

    #[test]
    fn t6_ends_all_sessions_of_a_former_holder_and_none_of_the_new_one() {
        let sessions = [
            session(2, Kind::Wallet, Some("0xa")),
            session(3, Kind::Certificate, Some("0xa")),
            session(4, Kind::Key, None),
            session(5, Kind::Wallet, Some("0xb")),
        ];
        let before = presence(Some("0xa"), Some(9));
        let now = presence(Some("0xb"), Some(9));
        assert_eq!(pids(unwelcome(&sessions, &now, Some(&before))), [2, 3, 4]);
        assert_eq!(pids(unwelcome(&sessions, &now, Some(&now))), [2, 3]);
        assert_eq!(pids(unwelcome(&sessions[..3], &before, Some(&before))), Vec::<i32>::new());
        assert_eq!(pids(unwelcome(&sessions[..3], &before, None)), Vec::<i32>::new());
    }

    #[test]
    fn t6_ends_all_sessions_when_the_subscription_is_not_active() {
        let sessions = [session(2, Kind::Wallet, Some("0xa")), session(4, Kind::Key, None)];
        assert_eq!(pids(unwelcome(&sessions, &presence(Some("0xa"), None), None)), [2, 4]);
        assert_eq!(pids(unwelcome(&sessions, &presence(None, None), None)), [2, 4]);
    }

    #[test]
    fn t6_ends_wallet_and_certificate_sessions_after_12_hours() {
        let sessions = [
            session(2, Kind::Wallet, None),
            session(3, Kind::Certificate, None),
            session(4, Kind::Key, None),
        ];
        let over = overdue(&sessions, 100 + LONGEST_SECONDS, LONGEST_SECONDS);
        assert_eq!(over.first().unwrap().1, "a session lasts at most 12 hours. Sign in again.");
        assert_eq!(pids(over), [2, 3]);
        assert_eq!(pids(overdue(&sessions, 99 + LONGEST_SECONDS, LONGEST_SECONDS)), Vec::<i32>::new());
        assert_eq!(pids(overdue(&sessions, 160, 60)), [2, 3]);
    }

    #[test]
    fn t6_the_longest_session_can_be_made_shorter_and_never_longer() {
        for (text, seconds) in [
            (&b"60"[..], Some(60)),
            (b"43200\n", Some(43_200)),
            (b"43201", None),
            (b"0", None),
            (b"-1", None),
            (b"+5", None),
            (b"", None),
            (b"1e3", None),
            (b"99999999999999999999", None),
            (b"\xff", None),
        ] {
            assert_eq!(parse_longest(text), seconds);
        }
    }

    #[test]
    fn t6_a_pass_has_moved_only_if_somebody_held_it_before() {
        let (a, b, nobody) =
            (presence(Some("0xa"), Some(9)), presence(Some("0xb"), Some(9)), presence(None, None));
        assert!(has_moved(&b, Some(&a)) && has_moved(&nobody, Some(&a)));
        assert!(!has_moved(&a, Some(&a)) && !has_moved(&a, None) && !has_moved(&a, Some(&nobody)));
    }
}
