//! `verify` and `audit`: prove an installation. Every check says what it looked at, and what to do if it is not well. Reads only;
//! the one call to the host is `presence`.
use freehold_client::api::Api;
use freehold_client::secure_file::{Demand, Distrust, read};
use freehold_client::sessions::{FOLDER, all, uptime};
use freehold_client::settings::{CONFIG_FOLDER, HOST_KEY, Places, guest_config, settings};
use freehold_core::config::parse_secret;
use freehold_core::host_key::parse_host_key;
use freehold_core::pam_stack::pam_stack_problem;
use freehold_core::sshd_settings::{Weight, sshd_problems};
use freehold_core::terminal::{day, printable};
use serde_json::{Value, json};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

const MODULE: &str = "/usr/lib/x86_64-linux-gnu/security/pam_web3.so";
const HELPER: &str = "/usr/sbin/freehold-guest";
const STACK: &str = "/etc/pam.d/freehold-sshd";
const CA: &str = "/etc/freehold/user-ca.pub";
/// A clock that is further off gets a warning. Logins do not mind.
const CLOCK_SECONDS: u64 = 60;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    Warning,
    Failed,
}

struct Check {
    id: &'static str,
    state: State,
    text: String,
    remedy: &'static str,
}

/// Prints the findings. 0: nothing failed; 1: something failed; 3: not root, so nothing was looked at.
pub fn verify(with_access: bool, as_json: bool) -> ExitCode {
    // SAFETY: no arguments, cannot fail
    if unsafe { libc::geteuid() } != 0 {
        eprintln!(
            "freehold: run this as root: sudo freehold {}",
            if with_access { "audit" } else { "verify" }
        );
        return ExitCode::from(3);
    }
    let mut checks = files();
    checks.push(sshd());
    checks.push(pam());
    checks.push(watch());
    checks.extend(host());
    let access = with_access.then(access);
    let is_well = checks.iter().all(|c| c.state != State::Failed);
    if as_json {
        print_json(&checks, access.as_ref(), is_well)
    } else {
        print(&checks, access.as_ref(), is_well)
    }
    ExitCode::from(u8::from(!is_well))
}

fn check(id: &'static str, result: Result<String, String>, remedy: &'static str) -> Check {
    match result {
        Ok(text) => Check { id, state: State::Ok, text, remedy: "" },
        Err(text) => Check { id, state: State::Failed, text, remedy },
    }
}

fn files() -> Vec<Check> {
    let reboot = "Restart the VM: its boot writes this file again from the seed";
    let reinstall = "Put the package's file back: apt-get install --reinstall pam-web3, or reinstall the VM";
    let facts = guest_config(Path::new(CONFIG_FOLDER));
    vec![
        check("facts", facts.map(|g| format!("VM {}, generation {}", g.vm.vm_id(), g.vm.generation)), reboot),
        check("secret", secret(), "Restart the VM; if that does not help, open its page on the host"),
        check("host-key", host_key(), reboot),
        check("user-ca", user_ca(), reboot),
        check("module", program(MODULE), reinstall),
        check("helper", program(HELPER), reinstall),
    ]
}

fn trusted(path: &str, demand: Demand) -> Result<Vec<u8>, String> {
    read(Path::new(path), demand).map(|bytes| bytes.to_vec()).map_err(|why| match why {
        Distrust::Missing => format!("{path} is not there"),
        Distrust::Unsafe => format!("{path} is not a file of root's that root alone may write"),
        Distrust::TooLong => format!("{path} is longer than it can be"),
    })
}

fn secret() -> Result<String, String> {
    let path = format!("{CONFIG_FOLDER}/secret");
    let bytes = zeroize::Zeroizing::new(trusted(&path, Demand::Secret)?);
    parse_secret(&bytes).map(|_| format!("{path} is root's, 0600")).ok_or(format!("{path} is not understood"))
}

fn host_key() -> Result<String, String> {
    let line = trusted(HOST_KEY, Demand::Public)?;
    let (_, fingerprint) = parse_host_key(std::str::from_utf8(&line).unwrap_or_default())
        .ok_or(format!("{HOST_KEY} is no Ed25519 key"))?;
    trusted(HOST_KEY.trim_end_matches(".pub"), Demand::Secret)?;
    Ok(fingerprint)
}

fn user_ca() -> Result<String, String> {
    let text = String::from_utf8(trusted(CA, Demand::Public)?).unwrap_or_default();
    let keys: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    match keys.as_slice() {
        [one] => parse_host_key(one).map(|(_, print)| print).ok_or(format!("{CA} is no Ed25519 key")),
        other => Err(format!("{CA} holds {} keys, not one", other.len())),
    }
}

/// Root's, writable by root alone, and so is every folder above it.
fn program(path: &str) -> Result<String, String> {
    for part in Path::new(path).ancestors() {
        let meta = std::fs::symlink_metadata(part).map_err(|_| format!("{} is not there", part.display()))?;
        if meta.is_symlink() {
            continue;
        }
        if meta.uid() != 0 || meta.mode() & 0o022 != 0 {
            return Err(format!("{} may be changed by others than root", part.display()));
        }
    }
    Ok(format!("{path} is root's alone"))
}

fn sshd() -> Check {
    let remedy =
        "Look into /etc/ssh/sshd_config.d: the first value wins, and the package's file is 10-freehold.conf";
    // of a login from outside, so that Match blocks count
    let who = "user=owner,host=203.0.113.7,addr=203.0.113.7,laddr=127.0.0.1,lport=22";
    let output = Command::new("/usr/sbin/sshd").args(["-T", "-C", who]).stdin(Stdio::null()).output();
    let printed = match output {
        Ok(o) if o.status.success() => String::from_utf8_lossy(&o.stdout).into_owned(),
        Ok(o) => {
            return check(
                "sshd",
                Err(format!("sshd -T: {}", printable(&String::from_utf8_lossy(&o.stderr)))),
                remedy,
            );
        }
        Err(error) => return check("sshd", Err(format!("sshd -T: {error}")), remedy),
    };
    let problems = sshd_problems(&printed);
    if problems.is_empty() {
        return check("sshd", Ok("every setting is as the package set it".into()), "");
    }
    let state =
        if problems.iter().any(|(w, _)| *w == Weight::Failed) { State::Failed } else { State::Warning };
    let text = problems.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("; ");
    Check { id: "sshd", state, text, remedy }
}

fn pam() -> Check {
    let result = trusted(STACK, Demand::Public).and_then(|bytes| {
        match pam_stack_problem(&String::from_utf8_lossy(&bytes)) {
            None => Ok(format!("{STACK}: the wallet alone opens, account and session ask first")),
            Some(problem) => Err(format!("{STACK}: {problem}")),
        }
    });
    check(
        "pam",
        result,
        "Put the package's file back: apt-get install --reinstall pam-web3, or reinstall the VM",
    )
}

fn watch() -> Check {
    let state =
        Command::new("systemctl").args(["is-active", "freehold-watch.service"]).stdin(Stdio::null()).output();
    let shown = state.map(|o| printable(&String::from_utf8_lossy(&o.stdout))).unwrap_or_default();
    let result = if shown == "active" {
        Ok("sessions end with the pass".into())
    } else {
        let shown = if shown.is_empty() { "not known" } else { &shown };
        Err(format!("freehold-watch.service is {shown}: sessions would outlive the pass"))
    };
    check("watch", result, "systemctl restart freehold-watch, then journalctl -u freehold-watch")
}

/// Reach and clock.
fn host() -> Vec<Check> {
    let remedy = "ip route; the host's console shows whether its login endpoint answers";
    let presence = settings(&Places::default()).and_then(|s| {
        let endpoint = s.guest.endpoint;
        let mut api = Api::new(&s.guest, s.authorization).map_err(|e| e.text())?;
        let presence = api.presence(None).map_err(|e| format!("{endpoint}: {}", e.text()))?;
        Ok((endpoint, presence, api.host_time))
    });
    let (endpoint, presence, host_time) = match presence {
        Ok(answer) => answer,
        Err(text) => return vec![check("reach", Err(text), remedy)],
    };
    let until = match (presence.active_until, presence.reason) {
        (Some(until), _) => format!("active until {}", day(until)),
        (None, reason) => format!("not active: {}", reason.map(|r| printable(&r.text)).unwrap_or_default()),
    };
    let mut checks = vec![check(
        "reach",
        Ok(format!("{endpoint} answers with the pinned key; block {}, {until}", presence.block_number)),
        "",
    )];
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    if let Some(off) = host_time.map(|host| host.abs_diff(now)) {
        let is_near = off <= CLOCK_SECONDS;
        checks.push(Check {
            id: "clock",
            state: if is_near { State::Ok } else { State::Warning },
            text: format!("{off} s from the host's. Logins compare no clocks"),
            remedy: if is_near { "" } else { "timedatectl; certificates of ssh do look at this clock" },
        });
    }
    checks
}

/// Who can come in, or is in: never a key itself, only its fingerprint and its place.
fn access() -> Value {
    let homes = std::fs::read_dir("/home").into_iter().flatten().flatten().map(|e| e.path());
    let keys: Vec<Value> = homes
        .chain([PathBuf::from("/root")])
        .flat_map(|home| [home.join(".ssh/authorized_keys"), home.join(".ssh/authorized_keys2")])
        .flat_map(|path| {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<Value> = text
                .lines()
                .filter(|l| !l.trim().is_empty() && !l.trim_start().starts_with('#'))
                .map(|line| json!({ "file": path.display().to_string(), "key": fingerprint(line) }))
                .collect();
            lines
        })
        .collect();
    let now = uptime().unwrap_or(0);
    let sessions: Vec<Value> = all(Path::new(FOLDER))
        .into_iter()
        .map(|s| json!({ "kind": s.note.kind.name(), "holder": s.note.holder, "seconds": now.saturating_sub(s.opened), "pid": s.pid }))
        .collect();
    json!({ "plainKeys": keys, "sessions": sessions })
}

fn fingerprint(line: &str) -> String {
    // options may stand before the key
    let from = line.find("ssh-ed25519 ").and_then(|at| line.get(at..)).unwrap_or_default();
    parse_host_key(from).map_or_else(|| "not an Ed25519 key: see ssh-keygen -l -f".into(), |(_, print)| print)
}

fn name(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::Warning => "warning",
        State::Failed => "failed",
    }
}

fn print_json(checks: &[Check], access: Option<&Value>, is_well: bool) {
    let checks: Vec<Value> = checks
        .iter()
        .map(|c| json!({ "id": c.id, "state": name(c.state), "text": c.text, "remedy": c.remedy }))
        .collect();
    let mut all =
        json!({ "version": 1, "package": env!("CARGO_PKG_VERSION"), "ok": is_well, "checks": checks });
    if let (Some(access), Some(map)) = (access, all.as_object_mut()) {
        map.insert("access".into(), access.clone());
    }
    println!("{all}");
}

fn print(checks: &[Check], access: Option<&Value>, is_well: bool) {
    for check in checks {
        println!("{:<8} {:<9} {}", name(check.state), check.id, check.text);
        if !check.remedy.is_empty() {
            println!("{:<18} {}", "", check.remedy);
        }
    }
    if let Some(access) = access {
        let list = |key: &str| access.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let text =
            |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or("-").to_string();
        for key in list("plainKeys") {
            println!("key      {} in {}", text(&key, "key"), text(&key, "file"));
        }
        for session in list("sessions") {
            let seconds = session.get("seconds").and_then(Value::as_u64).unwrap_or(0);
            println!(
                "session  {} of {}, open for {seconds} s",
                text(&session, "kind"),
                text(&session, "holder")
            );
        }
    }
    println!("{}", if is_well { "Nothing failed." } else { "Something failed." });
}
