//! `principals`: sshd asks which principals a certificate for a login name may carry (`AuthorizedPrincipalsCommand`, as root, by
//! its process that decides over the login). The answer is this VM's one principal, and a mark that tells `account` of the
//! module, which runs in that same process, that a certificate is in play. No mark, no principal: the certificate is refused.
use freehold_client::sessions::{FOLDER, mark_certificate};
use freehold_client::settings::{CONFIG_FOLDER, guest_config};
use std::io::Write;
use std::path::PathBuf;

/// `words` are the login name and, in tests, `config=` and `sessions=` as the module has them.
pub fn principals(words: &[String]) -> Result<(), String> {
    let (mut config, mut sessions) = (PathBuf::from(CONFIG_FOLDER), PathBuf::from(FOLDER));
    let (user, places) = words.split_first().ok_or("principals: no login name")?;
    for place in places {
        match place.split_once('=') {
            Some(("config", path)) if path.starts_with('/') => config = path.into(),
            Some(("sessions", path)) if path.starts_with('/') => sessions = path.into(),
            _ => return Err("principals: a word is not understood".into()),
        }
    }
    if user != "owner" {
        return Ok(());
    }
    let vm = guest_config(&config)?.vm;
    // SAFETY: no arguments, cannot fail
    let sshd = unsafe { libc::getppid() };
    mark_certificate(&sessions, sshd).map_err(|e| format!("{}: {e}", sessions.display()))?;
    writeln!(std::io::stdout(), "{}", vm.principal()).map_err(|e| e.to_string())
}
