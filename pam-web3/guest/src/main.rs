//! `freehold-guest`: what a VM does for Freehold besides logging people in. One verb per unit.

mod boot;
mod grow;
mod keys;
mod plan;
mod principals;
mod report;
mod seed_disk;
mod terminate;
mod verify;
mod watch;

use std::process::ExitCode;

const USAGE: &str = "usage: freehold verify [--json] | audit [--json]
       freehold-guest boot | report | watch | grow | principals USER KEY-ID
  verify  proves this VM's sign-in: files, owners, modes, sshd, PAM, CA, reach, clock
  audit   the same, and who has access: keys, open sessions. Its --json is a good bug report: it holds no secret
          exit codes: 0 all proven, 1 something failed, 2 usage, 3 could not look (not root)
  boot    reads the seed: facts, network, host name, host keys (before network and sshd)
  report  tells the host this VM's host key and gets the VM's secret
  watch   ends sessions when the pass moves or the subscription ends
  grow    lets the root file system fill the disk
  principals USER KEY-ID
          tells sshd which certificates are for USER, and the PAM module that one was offered";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (verb, rest) = words.split_first().map_or(("", &[][..]), |(verb, rest)| (verb.as_str(), rest));
    match (verb, rest) {
        ("verify", []) => return verify::verify(false, false),
        ("verify", [json]) if json == "--json" => return verify::verify(false, true),
        ("audit", []) => return verify::verify(true, false),
        ("audit", [json]) if json == "--json" => return verify::verify(true, true),
        _ => {}
    }
    let done = match (verb, rest) {
        ("boot", []) => boot::boot(),
        ("report", []) => report::report(),
        ("watch", []) => watch::watch(),
        ("grow", []) => grow::grow(),
        ("principals", words) => principals::principals(words),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("freehold-guest: {error}");
            ExitCode::FAILURE
        }
    }
}
