//! The guest's own SSH host key, in OpenSSH's format (PROTOCOL.key, "openssh-key-v1", without a passphrase).
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::SigningKey;
use freehold_client::secure_file::replace_unsynced;
use freehold_core::host_key::host_key_line;
use std::io;
use std::path::Path;
use zeroize::Zeroizing;

/// Makes a fresh key pair at `path` (0600) and `path.pub` (0644), replacing what is there.
pub fn make_host_key(path: &Path) -> io::Result<()> {
    let mut seed = Zeroizing::new([0u8; 32]);
    let mut check = [0u8; 4];
    getrandom::fill(seed.as_mut_slice()).map_err(io::Error::other)?;
    getrandom::fill(&mut check).map_err(io::Error::other)?;
    let public = SigningKey::from_bytes(&seed).verifying_key().to_bytes();
    replace_unsynced(path, private_file(&seed, &public, check).as_bytes(), 0o600)?;
    replace_unsynced(&path.with_extension("pub"), format!("{}\n", host_key_line(&public)).as_bytes(), 0o644)
}

fn private_file(seed: &[u8; 32], public: &[u8; 32], check: [u8; 4]) -> Zeroizing<String> {
    let mut inner = Zeroizing::new([check, check].concat());
    for field in [b"ssh-ed25519".as_slice(), public, &Zeroizing::new([*seed, *public].concat()), b""] {
        string(&mut inner, field);
    }
    for padding in (1..8u8).take((8 - inner.len() % 8) % 8) {
        inner.push(padding);
    }
    let mut blob = Vec::new();
    string(&mut blob, b"ssh-ed25519");
    string(&mut blob, public);
    let mut file = Zeroizing::new(b"openssh-key-v1\0".to_vec());
    for field in [b"none".as_slice(), b"none", b""] {
        string(&mut file, field);
    }
    file.extend_from_slice(&1u32.to_be_bytes());
    string(&mut file, &blob);
    string(&mut file, &inner);
    let encoded = Zeroizing::new(STANDARD.encode(file.as_slice()));
    let lines: Vec<&str> =
        encoded.as_bytes().chunks(70).filter_map(|c| std::str::from_utf8(c).ok()).collect();
    Zeroizing::new(format!(
        "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
        lines.join("\n")
    ))
}

fn string(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(0).to_be_bytes());
    to.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn ssh_keygen_reads_the_key_back() {
        let path = std::env::temp_dir().join(format!("freehold-key-{}", std::process::id()));
        make_host_key(&path).unwrap();
        let derived = Command::new("ssh-keygen").args(["-y", "-f"]).arg(&path).output().unwrap();
        assert!(derived.status.success(), "{}", String::from_utf8_lossy(&derived.stderr));
        let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
        assert_eq!(String::from_utf8_lossy(&derived.stdout).trim(), public.trim());
        std::fs::remove_file(path.with_extension("pub")).unwrap();
        std::fs::remove_file(path).unwrap();
    }
}
