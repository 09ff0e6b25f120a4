//! `account`: what a login by another way than the wallet needs.
//!
//! sshd (9.2 and 10.0, both tried) names the method in `SSH_AUTH_INFO_0` only after `account`. That a certificate was offered is
//! known here all the same: sshd asked `freehold-guest principals`, which marked this process. So a certificate is refused before
//! it is accepted: the connection ends with the reason, and no channel of any kind was ever open on it. `session` knows the method
//! itself, and lets in no certificate that was not asked about here.
use crate::arguments::Arguments;
use crate::handle::{Handle, PAM_PERM_DENIED, PAM_SUCCESS};
use freehold_client::api::Api;
use freehold_client::sessions::{
    Kind, Offered, VARIABLE_HOLDER, VARIABLE_UNTIL, kind_of, offered_certificate,
};
use freehold_client::settings::settings;
use freehold_core::terminal::{printable, wrapped};
use libc::c_int;

/// Entry point.
pub fn account(handle: &Handle, arguments: &Arguments) -> c_int {
    let info = handle.variable(c"SSH_AUTH_INFO_0").unwrap_or_default();
    let may_enter = if !info.is_empty() {
        kind_of(&info).is_some_and(|kind| may_enter(handle, arguments, kind))
    } else {
        // whoever offered a certificate and came in by a plain key at last is asked about too: the method is not known yet
        offered_certificate(&arguments.sessions) == Offered::Nothing
            || may_enter(handle, arguments, Kind::Certificate)
    };
    if may_enter { PAM_SUCCESS } else { PAM_PERM_DENIED }
}

/// A wallet was verified a moment ago, a plain key is the holder's own affair; for a certificate the host is asked, and no clear
/// answer is a denial, with its reason shown. Asked once per login.
pub fn may_enter(handle: &Handle, arguments: &Arguments, kind: Kind) -> bool {
    let is_known = handle.variable(VARIABLE_HOLDER).is_some_and(|h| !h.is_empty());
    match kind {
        Kind::Key => return true,
        Kind::Wallet | Kind::Certificate if is_known => return true,
        Kind::Wallet => {
            handle.log("login denied: no holder was verified");
            return false;
        }
        Kind::Certificate => {}
    }
    match holder(arguments) {
        Ok((holder, until)) => {
            handle.set_variable(VARIABLE_HOLDER, &holder);
            handle.set_variable(VARIABLE_UNTIL, &until.to_string());
            true
        }
        Err((shown, logged)) => {
            handle.log(&format!("login denied: {logged}"));
            handle.show_error(&wrapped(&format!("Denied: {}.", shown.trim_end_matches('.'))));
            false
        }
    }
}

/// Who holds the pass, if it is the wallet that the certificate was given to, and until when; else what the person reads and what the log says.
fn holder(arguments: &Arguments) -> Result<(String, u64), (String, String)> {
    let settings = settings(&arguments.places)
        .map_err(|e| ("this VM is not set up for signing in yet".to_string(), e))?;
    let Offered::Certificate(key_id) = offered_certificate(&arguments.sessions) else {
        return Err(("it cannot be told which certificate this is".into(), "no clear mark".into()));
    };
    // of this one certificate: who signed for it may have passed the pass on since
    let presence = Api::new(&settings.guest, settings.authorization)
        .and_then(|mut api| api.presence_of_certificate(&key_id))
        .map_err(|e| (e.text(), format!("{e:?}")))?;
    match (presence.holder, presence.active_until) {
        (Some(holder), Some(until)) => Ok((holder, until)),
        _ => {
            let text = presence.reason.map(|r| printable(&r.text)).unwrap_or_default();
            let text = if text.is_empty() { "the subscription is not active".to_string() } else { text };
            Err((text.clone(), text))
        }
    }
}
