//! `watch`: ends sessions by level, by long poll of `presence`. An answer that does not come changes nothing.
use crate::terminate::terminate;
use freehold_client::api::Api;
use freehold_client::secure_file::{Demand, read, replace};
use freehold_client::sessions::{FOLDER, Kind, Session, all, uptime};
use freehold_client::settings::{Places, settings};
use freehold_core::terminal::printable;
use freehold_core::wire::{Presence, parse_presence};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// Wallet and certificate sessions end after this, whoever holds the pass.
const LONGEST_SECONDS: u64 = 12 * 3600;
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
        terminate(&overdue(&all(&sessions), uptime().unwrap_or(0)));
        match answer {
            Some(presence) => {
                terminate(&unwelcome(&all(&sessions), &presence, known.as_ref()));
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

/// Sessions that have lasted as long as one may.
fn overdue(sessions: &[Session], uptime: u64) -> Vec<(Session, String)> {
    let is_over =
        |s: &&Session| s.note.kind != Kind::Key && uptime.saturating_sub(s.opened) >= LONGEST_SECONDS;
    sessions.iter().filter(is_over).map(|s| (s.clone(), "12 hours are over. Sign in again.".into())).collect()
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
        assert_eq!(pids(overdue(&sessions, 100 + LONGEST_SECONDS)), [2, 3]);
        assert_eq!(pids(overdue(&sessions, 99 + LONGEST_SECONDS)), Vec::<i32>::new());
    }
}
