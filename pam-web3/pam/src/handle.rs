//! The little of libpam that the module uses, made safe. Sources: pam_get_item(3), pam_conv(3), pam_syslog(3);
//! numbers from Linux-PAM's `_pam_types.h`.
use libc::{c_char, c_int, c_void};
use std::ffi::{CStr, CString};
use std::ptr::{null, null_mut};
use zeroize::{Zeroize, Zeroizing};

pub const PAM_SUCCESS: c_int = 0;
pub const PAM_PERM_DENIED: c_int = 6;
pub const PAM_MAXTRIES: c_int = 11;
pub const PAM_SESSION_ERR: c_int = 14;
pub const PAM_ABORT: c_int = 26;

const PAM_RHOST: c_int = 4;
const PAM_CONV: c_int = 5;
const PAM_PROMPT_ECHO_ON: c_int = 2;
const PAM_ERROR_MSG: c_int = 3;
const PAM_TEXT_INFO: c_int = 4;
/// `PAM_MAX_RESP_SIZE`.
const RESPONSE_LIMIT: usize = 512;

#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct Response {
    text: *mut c_char,
    code: c_int,
}

type Converse = unsafe extern "C" fn(c_int, *mut *const Message, *mut *mut Response, *mut c_void) -> c_int;

#[repr(C)]
struct Conversation {
    converse: Option<Converse>,
    data: *mut c_void,
}

unsafe extern "C" {
    fn pam_get_item(pamh: *const c_void, item: c_int, value: *mut *const c_void) -> c_int;
    fn pam_get_user(pamh: *mut c_void, user: *mut *const c_char, prompt: *const c_char) -> c_int;
    fn pam_getenv(pamh: *mut c_void, name: *const c_char) -> *const c_char;
    fn pam_putenv(pamh: *mut c_void, pair: *const c_char) -> c_int;
    fn pam_syslog(pamh: *const c_void, priority: c_int, format: *const c_char, ...);
}

/// A handle of libpam, alive for the time of one call.
pub struct Handle(*mut c_void);

impl Handle {
    /// # Safety
    /// `pamh` must be null or a handle that libpam just gave.
    pub unsafe fn new(pamh: *mut c_void) -> Option<Self> {
        (!pamh.is_null()).then_some(Self(pamh))
    }

    /// The login name. `None` also if it is not UTF-8.
    pub fn user(&self) -> Option<String> {
        let mut value = null();
        // SAFETY: the handle is alive; libpam keeps the string until the handle ends, we copy it at once
        let code = unsafe { pam_get_user(self.0, &mut value, null()) };
        // SAFETY: on success a C string of libpam
        if code == PAM_SUCCESS { unsafe { copied(value) } } else { None }
    }

    /// The address of the other side.
    pub fn remote_host(&self) -> Option<String> {
        // SAFETY: this item is a C string
        unsafe { copied(self.item(PAM_RHOST)?.cast()) }
    }

    /// A variable of the PAM environment.
    pub fn variable(&self, name: &CStr) -> Option<String> {
        // SAFETY: handle and name are alive; the value is copied at once
        unsafe { copied(pam_getenv(self.0, name.as_ptr())) }
    }

    /// Sets a variable of the PAM environment. sshd hands it on from its thread of authentication to the session.
    pub fn set_variable(&self, name: &CStr, value: &str) {
        if let Ok(pair) = CString::new([name.to_bytes(), b"=", value.as_bytes()].concat()) {
            // SAFETY: libpam copies the string
            unsafe { pam_putenv(self.0, pair.as_ptr()) };
        }
    }

    /// One line to the system's log (facility of authentication), never with a secret.
    pub fn log(&self, line: &str) {
        if let Ok(line) = CString::new(line) {
            // SAFETY: the format takes exactly this one string
            unsafe {
                pam_syslog(self.0, libc::LOG_AUTHPRIV | libc::LOG_NOTICE, c"%s".as_ptr(), line.as_ptr())
            };
        }
    }

    /// Shows an error. OpenSSH shows it with the next prompt or with the end of the attempt.
    pub fn show_error(&self, text: &str) {
        let _ = self.converse(PAM_ERROR_MSG, text);
    }

    /// Shows a line.
    pub fn show(&self, text: &str) {
        let _ = self.converse(PAM_TEXT_INFO, text);
    }

    /// Asks. `None` if the person left, or answered with something that is not UTF-8 or too long.
    pub fn ask(&self, prompt: &str) -> Option<Zeroizing<String>> {
        let answer = self.converse(PAM_PROMPT_ECHO_ON, prompt)?;
        (answer.len() < RESPONSE_LIMIT).then_some(())?;
        Some(Zeroizing::new(std::str::from_utf8(&answer).ok()?.to_owned()))
    }

    fn item(&self, item: c_int) -> Option<*const c_void> {
        let mut value = null();
        // SAFETY: the handle is alive
        let code = unsafe { pam_get_item(self.0, item, &mut value) };
        (code == PAM_SUCCESS && !value.is_null()).then_some(value)
    }

    fn converse(&self, style: c_int, text: &str) -> Option<Zeroizing<Vec<u8>>> {
        let text = CString::new(text).ok()?;
        let message = Message { style, text: text.as_ptr() };
        let mut messages: *const Message = &message;
        let mut responses: *mut Response = null_mut();
        let conversation = self.item(PAM_CONV)?.cast::<Conversation>();
        // SAFETY: this item is a pam_conv; one message is passed and at most one response comes back, which is ours to free
        unsafe {
            let code = ((*conversation).converse?)(1, &mut messages, &mut responses, (*conversation).data);
            if responses.is_null() {
                return (code == PAM_SUCCESS && style != PAM_PROMPT_ECHO_ON).then(Zeroizing::default);
            }
            let answer = taken((*responses).text);
            libc::free(responses.cast());
            (code == PAM_SUCCESS).then_some(answer.unwrap_or_default())
        }
    }
}

/// Copies a C string, wipes and frees it.
///
/// # Safety
/// `text` must be null or a C string from malloc that nobody else frees.
unsafe fn taken(text: *mut c_char) -> Option<Zeroizing<Vec<u8>>> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller's promise
    unsafe {
        let length = libc::strlen(text);
        let bytes = std::slice::from_raw_parts_mut(text.cast::<u8>(), length);
        let copy = Zeroizing::new(bytes.to_vec());
        bytes.zeroize();
        libc::free(text.cast());
        Some(copy)
    }
}

/// # Safety
/// `text` must be null or a C string that lives during the call.
unsafe fn copied(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller's promise
    unsafe { CStr::from_ptr(text) }.to_str().ok().map(str::to_owned)
}
