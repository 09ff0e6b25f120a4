//! SSH public keys, one line each.
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use sha2::{Digest, Sha256};

/// The two first words of an `ssh-ed25519` line and its fingerprint as `ssh-keygen -l` prints it; `None` for any other line.
pub fn parse_host_key(line: &str) -> Option<(String, String)> {
    let mut words = line.split_ascii_whitespace();
    let (kind, encoded) = (words.next()?, words.next()?);
    let blob = STANDARD.decode(encoded).ok()?;
    // RFC 8709: string "ssh-ed25519", string of 32 bytes
    let head: &[u8] = b"\0\0\0\x0bssh-ed25519\0\0\0\x20";
    if kind != "ssh-ed25519" || blob.len() != head.len() + 32 || !blob.starts_with(head) {
        return None;
    }
    Some((format!("{kind} {encoded}"), format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&blob)))))
}

/// The line of a raw Ed25519 public key.
pub fn host_key_line(public: &[u8; 32]) -> String {
    format!(
        "ssh-ed25519 {}",
        STANDARD.encode([b"\0\0\0\x0bssh-ed25519\0\0\0\x20".as_slice(), public].concat())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denies_other_keys() {
        for line in [
            "",
            "ssh-ed25519",
            "ssh-ed25519 AAAA",
            "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH",
        ] {
            assert_eq!(parse_host_key(line), None, "{line}");
        }
    }

    #[test]
    fn reads_what_it_writes() {
        let line = host_key_line(&[7; 32]);
        let (key, fingerprint) = parse_host_key(&format!("{line} comment")).unwrap_or_default();
        assert_eq!(key, line);
        assert!(crate::patterns::is_fingerprint(&fingerprint));
    }
}
