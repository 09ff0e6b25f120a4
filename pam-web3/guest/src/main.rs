//! `freehold-guest`: what a VM does for Freehold besides logging people in. One verb per unit.

mod boot;
mod grow;
mod keys;
mod plan;
mod principals;
mod report;
mod seed_disk;
mod terminate;
mod watch;

use std::process::ExitCode;

const USAGE: &str = "usage: freehold-guest boot | report | watch | grow | principals USER
  boot    reads the seed: facts, network, host name, host keys (before network and sshd)
  report  tells the host this VM's host key and gets the VM's secret
  watch   ends sessions when the pass moves or the subscription ends
  grow    lets the root file system fill the disk
  principals USER
          tells sshd which certificates are for USER, and the PAM module that one was offered";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (verb, rest) = words.split_first().map_or(("", &[][..]), |(verb, rest)| (verb.as_str(), rest));
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
