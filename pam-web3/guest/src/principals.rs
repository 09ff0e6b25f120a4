//! `principals`: sshd asks which principals a certificate for a login name may carry (`AuthorizedPrincipalsCommand`, as root, by
//! its process that decides over the login). The answer is this VM's one principal, and a mark that tells `account` of the
//! module, which runs in that same process, that a certificate is in play. No mark, no principal: the certificate is refused.
use freehold_client::sessions::{FOLDER, mark_certificate};
use freehold_client::settings::{CONFIG_FOLDER, guest_config};
use freehold_core::patterns::is_hex_id;
use std::io::Write;
use std::path::PathBuf;

/// `words` are the login name, the certificate's key id (of a certificate that our CA signed) and, in tests, `config=` and `sessions=` as the module has them.
pub fn principals(words: &[String]) -> Result<(), String> {
    let (mut config, mut sessions) = (PathBuf::from(CONFIG_FOLDER), PathBuf::from(FOLDER));
    let [user, key_id, places @ ..] = words else { return Err("principals: wants USER KEY-ID".into()) };
    for place in places {
        match place.split_once('=') {
            Some(("config", path)) if path.starts_with('/') => config = path.into(),
            Some(("sessions", path)) if path.starts_with('/') => sessions = path.into(),
            _ => return Err("principals: a word is not understood".into()),
        }
    }
    // the host gives a certificate the id of its request: any other was made by nobody who may
    if user != "owner" || !is_hex_id(key_id) {
        return Ok(());
    }
    let vm = guest_config(&config)?.vm;
    // SAFETY: no arguments, cannot fail
    let sshd = unsafe { libc::getppid() };
    mark_certificate(&sessions, sshd, key_id).map_err(|e| format!("{}: {e}", sessions.display()))?;
    writeln!(std::io::stdout(), "{}", vm.principal()).map_err(|e| e.to_string())
}
