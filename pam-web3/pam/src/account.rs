//! `account`: what a login by another way than the wallet needs.
use crate::arguments::Arguments;
use crate::handle::{Handle, PAM_PERM_DENIED, PAM_SUCCESS};
use freehold_client::api::Api;
use freehold_client::sessions::{Kind, VARIABLE_HOLDER, VARIABLE_UNTIL, kind_of};
use freehold_client::settings::settings;
use libc::c_int;

/// A wallet was verified a moment ago, a plain key is the holder's own affair; a certificate is asked for. What sshd does not
/// name is treated like a certificate: a clear answer or no login.
pub fn account(handle: &Handle, arguments: &Arguments) -> c_int {
    let verified = handle.variable(VARIABLE_HOLDER).is_some_and(|h| !h.is_empty());
    let info = handle.variable(c"SSH_AUTH_INFO_0").unwrap_or_default();
    if verified || kind_of(&info) == Some(Kind::Key) {
        return PAM_SUCCESS;
    }
    match holder(arguments) {
        Ok((holder, until)) => {
            handle.set_variable(VARIABLE_HOLDER, &holder);
            handle.set_variable(VARIABLE_UNTIL, &until.to_string());
            PAM_SUCCESS
        }
        Err((shown, logged)) => {
            handle.log(&format!("login denied: {logged}"));
            handle.show_error(&format!("Denied: {}.", shown.trim_end_matches('.')));
            PAM_PERM_DENIED
        }
    }
}

fn holder(arguments: &Arguments) -> Result<(String, u64), (String, String)> {
    let settings = settings(&arguments.places)
        .map_err(|e| ("this VM is not set up for signing in yet".to_string(), e))?;
    let presence = Api::new(&settings.guest, settings.authorization)
        .and_then(|mut api| api.presence(None))
        .map_err(|e| (e.text(), format!("{e:?}")))?;
    match (presence.holder, presence.active_until) {
        (Some(holder), Some(until)) => Ok((holder, until)),
        _ => {
            let text =
                presence.reason.map(|r| freehold_core::terminal::printable(&r.text)).unwrap_or_default();
            let text = if text.is_empty() { "the subscription is not active".to_string() } else { text };
            Err((text.clone(), text))
        }
    }
}
