//! `session`: a note per open session for `freehold-guest watch`, and one line for the person.
use crate::arguments::Arguments;
use crate::handle::{Handle, PAM_SESSION_ERR, PAM_SUCCESS};
use freehold_client::sessions::{Note, VARIABLE_HOLDER, VARIABLE_UNTIL, add, kind_of, remove};
use freehold_client::settings::guest_config;
use libc::c_int;

/// A session that cannot be noted could not be ended either: it is not opened.
pub fn open(handle: &Handle, arguments: &Arguments) -> c_int {
    let info = handle.variable(c"SSH_AUTH_INFO_0").unwrap_or_default();
    let Some(kind) = kind_of(&info) else {
        handle.log("session denied: sshd does not say how this login was made");
        return PAM_SESSION_ERR;
    };
    let note = Note { kind, holder: handle.variable(VARIABLE_HOLDER).filter(|h| !h.is_empty()) };
    if let Err(error) = add(&arguments.sessions, &note) {
        handle.log(&format!("session denied: it cannot be noted: {error}"));
        return PAM_SESSION_ERR;
    }
    if let Ok(guest) = guest_config(&arguments.places.folder) {
        let until =
            handle.variable(VARIABLE_UNTIL).and_then(|u| u.parse().ok()).map(freehold_core::terminal::day);
        let end = until.map(|day| format!(", subscription until {day}")).unwrap_or_default();
        handle.show(&format!("VM {}{end}.", guest.vm.vm_id()));
    }
    PAM_SUCCESS
}

/// Takes the note away.
pub fn close(_: &Handle, arguments: &Arguments) -> c_int {
    remove(&arguments.sessions);
    PAM_SUCCESS
}
