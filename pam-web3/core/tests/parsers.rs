//! Every parser over arbitrary and over nearly right input: none panics, and what one accepts is what it promises.
#![allow(clippy::unwrap_used)]
use freehold_core::config::{parse_guest_file, parse_secret};
use freehold_core::host_key::parse_host_key;
use freehold_core::network::parse_network;
use freehold_core::patterns::{
    is_display_code, is_source, is_timestamp, is_user, origin_authority, parse_code,
};
use freehold_core::seed::{is_own_user_data, parse_host_name, parse_seed};
use freehold_core::signature::recover_personal_sign;
use freehold_core::terminal::{day, printable, wrapped};
use freehold_core::wire::{parse_answer, parse_opened, parse_presence, parse_refusal, parse_reported};
use proptest::prelude::*;

/// A JSON text with one byte changed: the neighbourhood of what a host really sends.
fn nearly(text: &'static str) -> impl Strategy<Value = Vec<u8>> {
    (0..text.len(), any::<u8>()).prop_map(move |(at, byte)| {
        let mut bytes = text.as_bytes().to_vec();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        bytes
    })
}

const OPENED: &str = r#"{"id":"00112233445566778899aabbccddeeff","code":"7QF3-K2MD","url":"https://host.example/s/7QF3K2MD","origin":"https://host.example","issuedAt":"2026-11-21T14:27:00Z","expiresAt":"2026-11-21T14:32:00Z"}"#;
const NETWORK: &str = r#"{"version":2,"ethernets":{"eth0":{"match":{"macaddress":"52:54:00:46:48:01"},"addresses":["10.77.0.11/16","fd00::b/64"],"routes":[{"to":"default","via":"10.77.0.1"}],"nameservers":{"addresses":["10.77.0.1"]}}}}"#;

#[test]
fn host_names_are_one_label_without_line_breaks_or_control_characters() {
    let name = |escaped: &str| parse_host_name(format!(r#"{{"local-hostname":"{escaped}"}}"#).as_bytes());
    for denied in [
        r"vm\r\n127.0.0.1 bank.example",
        r"vm-42\n",
        r"vm\u001b[2J42",
        r"vm\u0000",
        r"vm\u202e42",
        "vm 42",
        "vm.example",
        "-vm",
        "",
    ] {
        assert_eq!(name(denied), None, "{denied}");
    }
    assert_eq!(name("vm-42").as_deref(), Some("vm-42"));
}

proptest! {
    #[test]
    fn no_parser_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400), text in ".{0,200}") {
        let _ = (parse_opened(&bytes), parse_answer(&bytes), parse_presence(&bytes));
        let _ = (parse_reported(&bytes), parse_refusal(&bytes));
        let _ = (parse_guest_file(&bytes), parse_secret(&bytes), parse_network(&bytes), parse_host_name(&bytes));
        let _ = (parse_seed(&bytes).is_some(), is_own_user_data(&bytes), parse_host_key(&text));
        let _ = (origin_authority(&text), is_timestamp(&text), is_user(&text), is_source(&text), wrapped(&text));
        let _ = recover_personal_sign(&text, &text);
    }

    #[test]
    fn opened_requests_hold_printable_ascii_alone(bytes in nearly(OPENED)) {
        if let Some(o) = parse_opened(&bytes) {
            let all = [&o.id, &o.code, &o.url, &o.origin, &o.issued_at, &o.expires_at];
            prop_assert!(all.iter().all(|t| t.bytes().all(|b| b.is_ascii_graphic())));
            prop_assert!(o.url.starts_with(&o.origin));
        }
    }

    #[test]
    fn network_files_hold_no_line_that_the_seed_wrote(bytes in nearly(NETWORK)) {
        if let Some(network) = parse_network(&bytes) {
            for line in network.networkd.lines() {
                let key = line.split('=').next().unwrap_or_default();
                let known = ["MACAddress", "DHCP", "IPv6AcceptRA", "LLMNR", "MulticastDNS", "Address", "DNS", "Destination", "Gateway", "GatewayOnLink"];
                prop_assert!(line.is_empty() || line.starts_with(['[', '#']) || known.contains(&key), "{line}");
            }
        }
    }

    #[test]
    fn what_people_read_is_one_line_of_ascii(text in "\\PC{0,300}|.{0,300}") {
        let line = printable(&text);
        prop_assert!(line.len() <= 160 && line.bytes().all(|b| (0x20..0x7f).contains(&b)));
    }

    #[test]
    fn codes_are_read_in_every_spelling(code in "[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}") {
        prop_assert!(is_display_code(&code));
        prop_assert_eq!(parse_code(&code.to_lowercase().replace('-', " ")), Some(code.clone()));
        prop_assert_eq!(parse_code(&code.replace('0', "o").replace('1', "l")), Some(code));
    }

    #[test]
    fn days_follow_one_another(days in 0u64..1_000_000) {
        prop_assert!(day(days * 86_400) < day((days + 1) * 86_400) || day(days * 86_400).len() < day((days + 1) * 86_400).len());
    }
}
