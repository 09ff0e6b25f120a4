//! What lies on the seed drive and in the guest's own files.
#![no_main]
use freehold_core::config::{parse_guest_file, parse_secret};
use freehold_core::host_key::parse_host_key;
use freehold_core::network::parse_network;
use freehold_core::pam_stack::pam_stack_problem;
use freehold_core::seed::{is_own_user_data, parse_host_name, parse_seed};
use freehold_core::sshd_settings::sshd_problems;

const KEYS: [&str; 10] = [
    "MACAddress",
    "DHCP",
    "IPv6AcceptRA",
    "LLMNR",
    "MulticastDNS",
    "Address",
    "DNS",
    "Destination",
    "Gateway",
    "GatewayOnLink",
];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some(network) = parse_network(data) {
        for line in network.networkd.lines() {
            let key = line.split('=').next().unwrap_or_default();
            assert!(line.is_empty() || line.starts_with(['[', '#']) || KEYS.contains(&key), "{line}");
        }
    }
    if let Some(seed) = parse_seed(data) {
        assert!(!seed.user_ca.contains('\n') && seed.token.bytes().all(|b| b.is_ascii_graphic()));
        assert!(seed.guest.check().is_some());
    }
    if let Some(guest) = parse_guest_file(data) {
        assert!(guest.vm.principal().bytes().all(|b| b.is_ascii_graphic()));
    }
    if let Some(name) = parse_host_name(data) {
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
    }
    let _ = (parse_secret(data), is_own_user_data(data));
    if let Ok(text) = std::str::from_utf8(data) {
        if let Some((line, print)) = parse_host_key(text) {
            assert!(!line.contains('\n') && print.starts_with("SHA256:"));
        }
        if pam_stack_problem(text).is_none() {
            assert!(!text.contains("auth sufficient") && text.contains("pam_web3.so"));
        }
        for (_, problem) in sshd_problems(text) {
            assert!(problem.bytes().all(|b| (0x20..0x7f).contains(&b)));
        }
    }
});
