//! `pam_web3.so`: a login by wallet. This file is the border to C; what it decides lies in the other modules and in
//! `freehold-core`. No panic crosses the border, and every doubt ends in denial.

mod account;
mod arguments;
mod authenticate;
mod handle;
mod refusal;
mod session;

use handle::{Handle, PAM_ABORT, PAM_SUCCESS};
use libc::{c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs an entry point. Whatever goes wrong inside becomes `PAM_ABORT`, which no stack takes for a success.
///
/// # Safety
/// `pamh`, `argc` and `argv` must be what libpam hands to an entry point of a module.
unsafe fn enter(
    pamh: *mut c_void,
    argc: c_int,
    argv: *const *const c_char,
    run: impl FnOnce(&Handle, &arguments::Arguments) -> c_int,
) -> c_int {
    catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the caller's promise
        let (handle, words) = unsafe { (Handle::new(pamh), arguments::words(argc, argv)) };
        match (handle, arguments::Arguments::parse(&words)) {
            (Some(handle), Some(arguments)) => run(&handle, &arguments),
            (Some(handle), None) => {
                handle.log("an argument of the module is not understood");
                PAM_ABORT
            }
            (None, _) => PAM_ABORT,
        }
    }))
    .unwrap_or(PAM_ABORT)
}

/// `auth`: shows the sign-in and waits for the approval.
///
/// # Safety
/// To be called by libpam.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pam_sm_authenticate(
    pamh: *mut c_void,
    _: c_int,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    // SAFETY: libpam's own arguments
    unsafe { enter(pamh, argc, argv, authenticate::authenticate) }
}

/// `auth`, second part: there are no credentials to set.
///
/// # Safety
/// To be called by libpam.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pam_sm_setcred(
    _: *mut c_void,
    _: c_int,
    _: c_int,
    _: *const *const c_char,
) -> c_int {
    PAM_SUCCESS
}

/// `account`: a certificate is good only while the pass is held and the subscription active.
///
/// # Safety
/// To be called by libpam.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pam_sm_acct_mgmt(
    pamh: *mut c_void,
    _: c_int,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    // SAFETY: libpam's own arguments
    unsafe { enter(pamh, argc, argv, account::account) }
}

/// `session`: notes the session, so that it can be ended.
///
/// # Safety
/// To be called by libpam.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pam_sm_open_session(
    pamh: *mut c_void,
    _: c_int,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    // SAFETY: libpam's own arguments
    unsafe { enter(pamh, argc, argv, session::open) }
}

/// `session`, at its end.
///
/// # Safety
/// To be called by libpam.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pam_sm_close_session(
    pamh: *mut c_void,
    _: c_int,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    // SAFETY: libpam's own arguments
    unsafe { enter(pamh, argc, argv, session::close) }
}
