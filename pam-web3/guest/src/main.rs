//! `freehold-guest`: what a VM does for Freehold besides logging people in. One verb per unit.

mod boot;
mod grow;
mod keys;
mod plan;
mod report;
mod seed_disk;
mod terminate;
mod watch;

use std::process::ExitCode;

const USAGE: &str = "usage: freehold-guest boot | report | watch | grow
  boot    reads the seed: facts, network, host name, host keys (before network and sshd)
  report  tells the host this VM's host key and gets the VM's secret
  watch   ends sessions when the pass moves or the subscription ends
  grow    lets the root file system fill the disk";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let done = match (words.next().as_deref(), words.next()) {
        (Some("boot"), None) => boot::boot(),
        (Some("report"), None) => report::report(),
        (Some("watch"), None) => watch::watch(),
        (Some("grow"), None) => grow::grow(),
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
