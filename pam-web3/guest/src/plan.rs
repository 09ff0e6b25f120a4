//! What a seed leads to: files and their texts. Pure, so that each is compared with a golden file.
use freehold_core::config::GuestConfig;
use freehold_core::network::parse_network;
use freehold_core::seed::{Seed, is_own_user_data, parse_host_name, parse_seed};

/// A file to write.
#[derive(Debug, PartialEq, Eq)]
pub struct Planned {
    pub path: &'static str,
    pub text: String,
    pub mode: u32,
}

pub const GUEST: &str = "/etc/freehold/guest.json";
pub const TOKEN: &str = "/run/freehold/report-token";
pub const USER_DATA: &str = "/run/freehold/user-data";

/// All that the boot does with a seed.
pub struct Plan {
    pub files: Vec<Planned>,
    pub host_name: Option<String>,
    /// Another VM or another generation than the one recorded: its host keys and secret are not ours.
    pub is_new: bool,
    /// What in the seed was not understood.
    pub complaints: Vec<&'static str>,
}

/// Texts of the seed as they were read.
#[derive(Default)]
pub struct SeedTexts<'a> {
    pub freehold: Option<&'a [u8]>,
    pub meta_data: Option<&'a [u8]>,
    pub network_config: Option<&'a [u8]>,
    pub user_data: Option<&'a [u8]>,
}

/// Decides. `recorded` is the former boot's `guest.json`, `has_secret` whether the VM has reported already.
pub fn plan(seed: &SeedTexts<'_>, recorded: Option<&GuestConfig>, has_secret: bool) -> Plan {
    let mut all = Plan { files: Vec::new(), host_name: None, is_new: false, complaints: Vec::new() };
    let mut file = |path, text, mode| all.files.push(Planned { path, text, mode });
    match seed.network_config.and_then(parse_network) {
        Some(network) => {
            file("/run/systemd/network/10-freehold.network", network.networkd, 0o644);
            file("/etc/ssh/sshd_config.d/20-freehold-sources.conf", per_source(network.dhcp).into(), 0o644);
        }
        None => all.complaints.push("network-config"),
    }
    match seed.freehold.and_then(parse_seed) {
        Some(Seed { guest, user_ca, token }) => {
            let vm = guest.check().map(|c| c.vm);
            all.is_new = recorded.is_some_and(|r| Some(&r.vm) != vm.as_ref());
            if let (Ok(text), Some(_)) = (serde_json::to_string(&guest), vm) {
                file(GUEST, format!("{text}\n"), 0o644);
                file("/etc/freehold/user-ca.pub", format!("{user_ca}\n"), 0o644);
                if all.is_new || !has_secret {
                    file(TOKEN, token, 0o600);
                }
            }
        }
        None => all.complaints.push("freehold.json"),
    }
    if seed.user_data.is_some_and(is_own_user_data) {
        file(USER_DATA, String::new(), 0o600);
    }
    all.host_name = seed.meta_data.and_then(parse_host_name);
    if all.host_name.is_none() {
        all.complaints.push("meta-data");
    }
    all
}

/// Behind user networking every stranger has the gateway's address: one of them must not lock out all others.
fn per_source(user_networking: bool) -> &'static str {
    if user_networking {
        "# Written by freehold-guest boot: all sources look alike behind user networking.\nPerSourceMaxStartups none\n"
    } else {
        "# Written by freehold-guest boot.\nPerSourceMaxStartups 10\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use freehold_core::config::parse_guest_file;

    const CONTRACT: &str = "0x5fbdb2315678afecb367f032d93f642f64180aa3";
    const CA: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH";
    const DHCP: &[u8] = br#"{"version":2,"ethernets":{"eth0":{"match":{"macaddress":"52:54:00:46:48:01"},"dhcp4":true,"dhcp6":false,"accept-ra":true}}}"#;
    const STATIC: &[u8] = br#"{"version":2,"ethernets":{"eth0":{"match":{"macaddress":"52:54:00:46:48:01"},"addresses":["10.77.0.11/16","fd00::b/64"],"routes":[{"to":"default","via":"10.77.0.1"},{"to":"::/0","via":"fe80::1","on-link":true}],"nameservers":{"addresses":["10.77.0.1"]}}}}"#;
    const META: &[u8] = br#"{"instance-id":"freehold:4eff3c5b1f35/42/1","local-hostname":"vm-42"}"#;

    fn freehold(generation: u32) -> Vec<u8> {
        let key = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
        let token = format!("4eff3c5b1f35/42/{generation}.{}", "a".repeat(64));
        format!(
            r#"{{"version":1,"endpoint":"10.0.2.2:7443","spkiSha256":"{key}","statementKey":"{key}","userCa":"{CA}","token":"{token}","chainId":31337,"contract":"{CONTRACT}","tokenId":"42","generation":{generation}}}"#
        )
        .into_bytes()
    }

    fn text<'a>(plan: &'a Plan, path: &str) -> Option<&'a str> {
        plan.files.iter().find(|f| f.path == path).map(|f| f.text.as_str())
    }

    #[test]
    fn first_boot_writes_all_and_keeps_the_token_out_of_the_facts() {
        let freehold = freehold(1);
        let seed = SeedTexts {
            freehold: Some(&freehold),
            meta_data: Some(META),
            network_config: Some(DHCP),
            user_data: Some(b"#cloud-config\n{}\n"),
        };
        let plan = plan(&seed, None, false);
        assert!(plan.complaints.is_empty() && !plan.is_new);
        assert_eq!(plan.host_name.as_deref(), Some("vm-42"));
        assert!(
            text(&plan, "/etc/ssh/sshd_config.d/20-freehold-sources.conf")
                .unwrap()
                .contains("PerSourceMaxStartups none")
        );
        assert_eq!(text(&plan, USER_DATA), None);
        assert!(!text(&plan, GUEST).unwrap().contains("aaaa"));
        assert_eq!(plan.files.iter().find(|f| f.path == TOKEN).unwrap().mode, 0o600);
        assert_eq!(
            text(&plan, "/run/systemd/network/10-freehold.network").unwrap(),
            "# Written by freehold-guest boot from the seed.\n[Match]\nMACAddress=52:54:00:46:48:01\n\n[Network]\nDHCP=ipv4\nIPv6AcceptRA=yes\nLLMNR=no\nMulticastDNS=no\n"
        );
    }

    #[test]
    fn static_addresses_are_written_for_networkd() {
        let plan = plan(&SeedTexts { network_config: Some(STATIC), ..Default::default() }, None, false);
        assert_eq!(
            text(&plan, "/run/systemd/network/10-freehold.network").unwrap(),
            "# Written by freehold-guest boot from the seed.\n[Match]\nMACAddress=52:54:00:46:48:01\n\n[Network]\nDHCP=no\nIPv6AcceptRA=no\nLLMNR=no\nMulticastDNS=no\nAddress=10.77.0.11/16\nAddress=fd00::b/64\nDNS=10.77.0.1\n\n[Route]\nGateway=10.77.0.1\n\n[Route]\nDestination=::/0\nGateway=fe80::1\nGatewayOnLink=yes\n"
        );
        assert!(
            text(&plan, "/etc/ssh/sshd_config.d/20-freehold-sources.conf")
                .unwrap()
                .contains("PerSourceMaxStartups 10")
        );
        assert_eq!(plan.complaints, ["freehold.json", "meta-data"]);
    }

    #[test]
    fn a_later_boot_keeps_key_and_secret_and_a_new_generation_does_not() {
        let first = freehold(1);
        let written = plan(&SeedTexts { freehold: Some(&first), ..Default::default() }, None, false);
        let recorded = parse_guest_file(text(&written, GUEST).unwrap().as_bytes()).unwrap();
        let again = plan(&SeedTexts { freehold: Some(&first), ..Default::default() }, Some(&recorded), true);
        assert!(!again.is_new && text(&again, TOKEN).is_none());
        let second = freehold(2);
        let reinstalled =
            plan(&SeedTexts { freehold: Some(&second), ..Default::default() }, Some(&recorded), true);
        assert!(reinstalled.is_new && text(&reinstalled, TOKEN).is_some());
    }

    #[test]
    fn denies_seeds_that_are_not_to_the_letter() {
        let good = String::from_utf8(freehold(1)).unwrap();
        for (from, to) in [
            ("\"version\":1", "\"version\":2"),
            ("10.0.2.2:7443", "login.example:7443"),
            ("\"42\"", "\"042\""),
            ("\"generation\":1", "\"generation\":0"),
            ("4eff3c5b1f35/42/1.", "4eff3c5b1f35/43/1."),
            ("ssh-ed25519 AAAA", "ssh-rsa AAAA"),
            ("\"chainId\":31337", "\"chainId\":31337,\"more\":1"),
            ("0x5fbd", "5fbd"),
        ] {
            let bad = good.replace(from, to);
            assert_ne!(bad, good);
            let plan = plan(&SeedTexts { freehold: Some(bad.as_bytes()), ..Default::default() }, None, false);
            assert!(plan.complaints.contains(&"freehold.json") && text(&plan, GUEST).is_none(), "{to}");
        }
        for bad in [r#""to":"::/0""#, r#""10.77.0.11/16""#] {
            let changed = String::from_utf8(STATIC.to_vec()).unwrap().replace(bad, r#""x\nDNS=6.6.6.6""#);
            assert_eq!(parse_network(changed.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn only_user_data_of_the_subscriber_wakes_cloud_init() {
        for default in [&b"#cloud-config\n{}\n"[..], b"", b"#cloud-config\n"] {
            assert!(!is_own_user_data(default));
        }
        for own in [&b"#!/bin/sh\ntrue\n"[..], b"#cloud-config\npackages: [htop]\n", b"\xff\xfe"] {
            assert!(is_own_user_data(own));
        }
    }
}
