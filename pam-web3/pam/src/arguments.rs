//! The module's arguments in a PAM stack.
use freehold_client::settings::Places;
use libc::{c_char, c_int};
use std::ffi::CStr;
use std::path::PathBuf;
use std::time::Duration;

/// What PROTOCOL.md gives a request; no argument makes it longer.
const LIFE: Duration = Duration::from_secs(300);

/// `config=`, `hostkey=` and `sessions=` name other places than the usual ones, `life=` shortens a sign-in; tests use them.
pub struct Arguments {
    /// Where facts and secret lie.
    pub places: Places,
    /// Where open sessions are noted.
    pub sessions: PathBuf,
    /// How long a sign-in may take, by the monotonic clock of this machine and by nothing else.
    pub life: Duration,
}

impl Arguments {
    /// `None` if a word is unknown or a path is not absolute: a stack that is written wrong lets nobody in.
    pub fn parse(words: &[String]) -> Option<Self> {
        let mut all = Self {
            places: Places::default(),
            sessions: freehold_client::sessions::FOLDER.into(),
            life: LIFE,
        };
        for word in words {
            let (name, value) = word.split_once('=')?;
            if name == "life" {
                all.life = value.parse().ok().map(Duration::from_secs).filter(|life| *life <= LIFE)?;
                continue;
            }
            let path = Some(PathBuf::from(value)).filter(|p| p.is_absolute())?;
            match name {
                "config" => all.places.folder = path,
                "hostkey" => all.places.host_key = path,
                "sessions" => all.sessions = path,
                _ => return None,
            }
        }
        Some(all)
    }
}

/// The arguments as text; what is not UTF-8 becomes a word that no parser knows.
///
/// # Safety
/// `argv` must point to `argc` C strings, as libpam's does.
pub unsafe fn words(argc: c_int, argv: *const *const c_char) -> Vec<String> {
    let count = usize::try_from(argc).unwrap_or(0);
    (0..if argv.is_null() { 0 } else { count })
        .map(|i| {
            // SAFETY: the caller's promise; a null pointer is not followed
            let word = unsafe { *argv.add(i) };
            if word.is_null() {
                String::new()
            } else {
                unsafe { CStr::from_ptr(word) }.to_string_lossy().into_owned()
            }
        })
        .collect()
}
