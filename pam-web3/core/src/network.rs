//! `network-config` of the seed, in the one shape of PROTOCOL.md, and the systemd-networkd file made of it.
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkFile {
    version: u8,
    ethernets: BTreeMap<String, Ethernet>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Ethernet {
    #[serde(rename = "match")]
    matching: Match,
    #[serde(default)]
    dhcp4: bool,
    #[serde(default)]
    dhcp6: bool,
    accept_ra: Option<bool>,
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    routes: Vec<Route>,
    nameservers: Option<NameServers>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Match {
    macaddress: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Route {
    to: String,
    via: IpAddr,
    #[serde(default)]
    on_link: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NameServers {
    addresses: Vec<IpAddr>,
}

/// What `network-config` leads to.
#[derive(Debug, PartialEq, Eq)]
pub struct Network {
    /// The text of a `.network` file.
    pub networkd: String,
    /// The guest asks by DHCP: user networking, where all sources look like the gateway.
    pub dhcp: bool,
}

/// Reads `network-config` (JSON) and writes the file for systemd-networkd; `None` if a part of it is not understood.
pub fn parse_network(text: &[u8]) -> Option<Network> {
    let file: NetworkFile = serde_json::from_slice(text).ok()?;
    let mut cards = file.ethernets.values();
    let (Some(card), None, 2) = (cards.next(), cards.next(), file.version) else { return None };
    let mac = &card.matching.macaddress;
    let is_mac = mac.len() == 17
        && mac.split(':').count() == 6
        && mac.split(':').all(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()));
    if !is_mac {
        return None;
    }
    let dhcp = match (card.dhcp4, card.dhcp6) {
        (true, true) => "yes",
        (true, false) => "ipv4",
        (false, true) => "ipv6",
        (false, false) => "no",
    };
    let accept_ra = if card.accept_ra.unwrap_or(false) { "yes" } else { "no" };
    let mut out = format!(
        "# Written by freehold-guest boot from the seed.\n[Match]\nMACAddress={mac}\n\n[Network]\nDHCP={dhcp}\n\
         IPv6AcceptRA={accept_ra}\nLLMNR=no\nMulticastDNS=no\n"
    );
    for address in &card.addresses {
        writeln!(out, "Address={}", prefix(address)?).ok()?;
    }
    for server in card.nameservers.iter().flat_map(|n| &n.addresses) {
        writeln!(out, "DNS={server}").ok()?;
    }
    for route in &card.routes {
        out.push_str("\n[Route]\n");
        if route.to != "default" {
            writeln!(out, "Destination={}", prefix(&route.to)?).ok()?;
        }
        writeln!(out, "Gateway={}", route.via).ok()?;
        if route.on_link {
            out.push_str("GatewayOnLink=yes\n");
        }
    }
    Some(Network { networkd: out, dhcp: card.dhcp4 })
}

fn prefix(text: &str) -> Option<String> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let length: u8 = length.parse().ok()?;
    (length <= if address.is_ipv4() { 32 } else { 128 }).then(|| format!("{address}/{length}"))
}
