//! `session`: the last question to a certificate, a note per open session for `freehold-guest watch`, one line for the person.
//! sshd runs nothing and forwards nothing for a connection whose session was refused.
use crate::account::may_enter;
use crate::arguments::Arguments;
use crate::handle::{Handle, PAM_SESSION_ERR, PAM_SUCCESS};
use freehold_client::sessions::{
    Note, VARIABLE_HOLDER, VARIABLE_ORIGIN, VARIABLE_UNTIL, add, kind_of, remove,
};
use freehold_client::settings::guest_config;
use freehold_core::patterns::origin_authority;
use freehold_core::terminal::{day, wrapped};
use libc::c_int;

/// A session that cannot be noted could not be ended either: it is not opened.
pub fn open(handle: &Handle, arguments: &Arguments) -> c_int {
    let info = handle.variable(c"SSH_AUTH_INFO_0").unwrap_or_default();
    let Some(kind) = kind_of(&info) else {
        handle.log("session denied: sshd does not say how this login was made");
        return PAM_SESSION_ERR;
    };
    if !may_enter(handle, arguments, kind) {
        return PAM_SESSION_ERR;
    }
    let note = Note { kind, holder: handle.variable(VARIABLE_HOLDER).filter(|h| !h.is_empty()) };
    if let Err(error) = add(&arguments.sessions, &note) {
        handle.log(&format!("session denied: it cannot be noted: {error}"));
        return PAM_SESSION_ERR;
    }
    if let Ok(guest) = guest_config(&arguments.places.folder) {
        let vm = guest.vm.vm_id();
        let until = handle.variable(VARIABLE_UNTIL).and_then(|u| u.parse().ok()).map(day);
        let end = until.map(|day| format!(", subscription until {day}")).unwrap_or_default();
        let origin = handle.variable(VARIABLE_ORIGIN).filter(|o| origin_authority(o).is_some());
        let renew = origin.map(|o| format!(" Renew: {o}/vms/{vm}")).unwrap_or_default();
        handle.show(&wrapped(&format!("VM {vm}{end}.{renew}")));
    }
    PAM_SUCCESS
}

/// Takes the note away.
pub fn close(_: &Handle, arguments: &Arguments) -> c_int {
    remove(&arguments.sessions);
    PAM_SUCCESS
}
