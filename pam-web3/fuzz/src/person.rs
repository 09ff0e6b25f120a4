//! What a person, or a client in a person's name, may send: pasted text, a login name, an address; and what sshd says of a login.
#![no_main]
use freehold_client::sessions::{kind_of, parse};
use freehold_core::patterns::{is_display_code, is_source, is_user, parse_code};
use freehold_core::terminal::{http_date, printable, wrapped};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Some(code) = parse_code(&text) {
        assert!(is_display_code(&code) && parse_code(&code) == Some(code.clone()));
    }
    if is_user(&text) {
        assert!(text.len() <= 32 && text.bytes().all(|b| b.is_ascii_graphic()));
    }
    if is_source(&text) {
        assert!(text.parse::<std::net::IpAddr>().is_ok());
    }
    let line = printable(&text);
    assert!(line.len() <= 160 && line.bytes().all(|b| (0x20..0x7f).contains(&b)) && printable(&line) == line);
    assert!(wrapped(&line).lines().all(|l| l.len() <= 80 || !l.contains(' ')));
    let _ = (http_date(&text), kind_of(&text));
    if let Some(session) = parse(7, &text) {
        assert_eq!(session.pid, 7);
    }
});
