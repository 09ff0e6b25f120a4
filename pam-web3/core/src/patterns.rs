//! The shapes of all words that may enter a signed text or a prompt. Everything else is refused, so nothing needs escaping.

fn all(text: &str, length: std::ops::RangeInclusive<usize>, allowed: impl Fn(u8) -> bool) -> bool {
    length.contains(&text.len()) && text.bytes().all(allowed)
}

fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

/// 32 lower-case hex digits: nonces and request ids.
pub fn is_hex_id(text: &str) -> bool {
    all(text, 32..=32, is_lower_hex)
}

/// 64 lower-case hex digits.
pub fn is_sha256_hex(text: &str) -> bool {
    all(text, 64..=64, is_lower_hex)
}

/// `0x` and 64 lower-case hex digits.
pub fn is_block_hash(text: &str) -> bool {
    text.strip_prefix("0x").is_some_and(is_sha256_hex)
}

/// A login name: `[a-z_][a-z0-9_-]{0,31}`.
pub fn is_user(text: &str) -> bool {
    all(text, 1..=32, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
        && !text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
}

/// An address as sshd prints it, IPv4 dotted or IPv6 without a zone.
pub fn is_source(text: &str) -> bool {
    all(text, 2..=45, |b| b.is_ascii_hexdigit() || b == b':' || b == b'.')
        && text.parse::<std::net::IpAddr>().is_ok()
}

/// Decimal without leading zeros, at most the 78 digits of a uint256.
pub fn is_token_id(text: &str) -> bool {
    all(text, 1..=78, |b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
}

/// `SHA256:` and 43 characters of unpadded base64.
pub fn is_fingerprint(text: &str) -> bool {
    text.strip_prefix("SHA256:")
        .is_some_and(|hash| all(hash, 43..=43, |b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/'))
}

fn is_code_character(byte: u8) -> bool {
    byte.is_ascii_digit() || (byte.is_ascii_uppercase() && !matches!(byte, b'I' | b'L' | b'O' | b'U'))
}

/// `7QF3-K2MD`: Crockford's base32 with its dash, upper case, as the host shows it.
pub fn is_display_code(text: &str) -> bool {
    text.split_once('-')
        .is_some_and(|(a, b)| all(a, 4..=4, is_code_character) && all(b, 4..=4, is_code_character))
}

/// What a person pasted, as a code with its dash: blanks, dashes and case ignored, `O` read as 0, `I` and `L` as 1.
pub fn parse_code(text: &str) -> Option<String> {
    let plain: String = text
        .chars()
        .filter(|c| *c != '-' && *c != ' ' && *c != '\t')
        .map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect();
    let shown = format!("{}-{}", plain.get(..4)?, plain.get(4..)?);
    is_display_code(&shown).then_some(shown)
}

/// `2026-11-21T14:27:00Z`: UTC in whole seconds, with a month, day and time that can be.
pub fn is_timestamp(text: &str) -> bool {
    let shape = b"dddd-dd-ddTdd:dd:ddZ";
    let fits = text.len() == shape.len()
        && text.bytes().zip(shape).all(|(b, s)| if *s == b'd' { b.is_ascii_digit() } else { b == *s });
    let number = |from: usize| text.get(from..from + 2).and_then(|t| t.parse::<u32>().ok()).unwrap_or(99);
    fits && (1..=12).contains(&number(5))
        && (1..=31).contains(&number(8))
        && number(11) < 24
        && number(14) < 60
        && number(17) < 60
}

/// The authority of a canonical web origin: scheme `https` or `http`, lower-case host or `[IPv6]`, a port only if it is not the
/// scheme's own, no path.
pub fn origin_authority(origin: &str) -> Option<&str> {
    let (authority, own_port) = match origin.split_once("://") {
        Some(("https", rest)) => (rest, "443"),
        Some(("http", rest)) => (rest, "80"),
        _ => return None,
    };
    if authority.len() > 260 {
        return None;
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (inner, tail) = rest.split_once(']')?;
            let canonical = inner.parse::<std::net::Ipv6Addr>().ok()?.to_string() == inner;
            (canonical.then_some("v6")?, if tail.is_empty() { None } else { Some(tail.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let host_fits =
        all(host, 1..=253, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.');
    let port_fits = port.is_none_or(|p| p != own_port && is_port(p));
    (host_fits && port_fits).then_some(authority)
}

/// 1 to 65535, decimal, without leading zeros.
pub fn is_port(text: &str) -> bool {
    all(text, 1..=5, |b| b.is_ascii_digit()) && !text.starts_with('0') && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denies_control_characters_everywhere() {
        for bad in ["\n", "\r\n", "\0", "\x1b[0m", "\u{7f}", "\u{a0}"] {
            assert!(!is_user(&format!("owner{bad}")));
            assert!(!is_source(&format!("203.0.113.7{bad}")));
            assert!(!is_display_code(&format!("7QF3-K2M{bad}")));
            assert!(!is_timestamp(&format!("2026-11-21T14:27:00Z{bad}")));
            assert_eq!(origin_authority(&format!("https://host.example{bad}")), None);
            assert_eq!(parse_code(&format!("7QF3-K2MD{bad}")), None);
        }
    }

    #[test]
    fn denies_origins_that_are_not_canonical() {
        for origin in [
            "https://host.example/",
            "https://Host.example",
            "https://host.example:443",
            "http://host.example:80",
            "ftp://host.example",
            "https://user@host.example",
            "https://",
            "https://host.example:0",
            "https://host.example:70000",
            "https://[::1",
            "https://[0:0::1]",
            "host.example",
        ] {
            assert_eq!(origin_authority(origin), None, "{origin}");
        }
        assert_eq!(origin_authority("http://localhost:8080"), Some("localhost:8080"));
        assert_eq!(origin_authority("https://[2001:db8::1]:8443"), Some("[2001:db8::1]:8443"));
    }

    #[test]
    fn denies_times_that_cannot_be() {
        for text in [
            "2026-13-21T14:27:00Z",
            "2026-11-32T14:27:00Z",
            "2026-11-21T24:27:00Z",
            "2026-11-21 14:27:00Z",
            "2026-11-21T14:27:00+00:00",
        ] {
            assert!(!is_timestamp(text), "{text}");
        }
        assert!(is_timestamp("2026-11-21T14:27:00Z"));
    }

    #[test]
    fn reads_codes_as_people_write_them() {
        assert_eq!(parse_code(" 7qf3k2md "), Some("7QF3-K2MD".into()));
        assert_eq!(parse_code("OIL1-0000"), Some("0111-0000".into()));
        assert_eq!(parse_code("7QF3-K2MU"), None);
        assert_eq!(parse_code("7QF3-K2M"), None);
        assert_eq!(parse_code("äöüß"), None);
    }
}
