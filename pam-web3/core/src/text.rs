//! The EIP-4361 text, rebuilt from facts and never read out of what arrived. Byte for byte the same as `sign-in-text.ts`.
use crate::address::Address;
use crate::installation::VmIdentity;
use crate::patterns::{
    is_display_code, is_fingerprint, is_hex_id, is_source, is_timestamp, is_user, origin_authority,
};

/// What a signature is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Act {
    /// A login by ssh: the only act that the PAM module accepts.
    Shell,
    /// A web session.
    Session,
    /// The serial console.
    Console,
    /// A fresh disk.
    Reinstall,
    /// Back to the snapshot.
    Rollback,
    /// An SSH certificate for the key with this fingerprint (`SHA256:…`).
    Certificate(String),
}

impl Act {
    /// As it stands in texts and statements.
    pub fn name(&self) -> String {
        match self {
            Act::Shell => "shell".into(),
            Act::Session => "session".into(),
            Act::Console => "console".into(),
            Act::Reinstall => "reinstall".into(),
            Act::Rollback => "rollback".into(),
            Act::Certificate(key) => format!("certificate:{key}"),
        }
    }
}

/// All that enters the signed text. Absent are only facts that the act does not name.
#[derive(Clone, Debug)]
pub struct SignInFacts {
    /// What is signed for.
    pub act: Act,
    /// Public origin of the host.
    pub origin: String,
    /// Who signs.
    pub address: Address,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Absent for the act `session` only.
    pub vm: Option<VmIdentity>,
    /// Fingerprint of the guest's Ed25519 host key; for `shell` and `certificate`.
    pub host_key: Option<String>,
    /// Login name; for `shell` and `certificate`.
    pub user: Option<String>,
    /// The asker's address.
    pub source: String,
    /// With its dash.
    pub code: String,
    /// Made by the asker.
    pub nonce: String,
    /// ISO text, whole seconds.
    pub issued_at: String,
    /// ISO text, whole seconds.
    pub expires_at: String,
    /// Made by the host.
    pub request_id: String,
}

/// The text to sign; `None` if a fact is missing or has not the shape that PROTOCOL.md gives it.
pub fn sign_in_text(f: &SignInFacts) -> Option<String> {
    let authority = origin_authority(&f.origin)?;
    let shapes = is_source(&f.source)
        && is_display_code(&f.code)
        && is_hex_id(&f.nonce)
        && is_hex_id(&f.request_id)
        && is_timestamp(&f.issued_at)
        && is_timestamp(&f.expires_at);
    if !shapes {
        return None;
    }
    let mut resources = vec![format!("- freehold:act:{}", f.act.name())];
    if f.act != Act::Session {
        let vm = f.vm.as_ref()?;
        let (contract, id, generation) = (vm.contract.lower(), &vm.token_id, vm.generation);
        resources.push(format!("- freehold:vm:{}:{contract}:{id}:{generation}", f.chain_id));
    }
    if matches!(f.act, Act::Shell | Act::Certificate(_)) {
        resources.push(format!("- freehold:host-key:{}", f.host_key.as_ref().filter(|k| is_fingerprint(k))?));
    }
    resources.push(format!("- freehold:request:{}", f.request_id));
    Some(format!(
        "{authority} wants you to sign in with your Ethereum account:\n{}\n\n{}\n\nURI: {}/s/{}\nVersion: 1\n\
         Chain ID: {}\nNonce: {}\nIssued At: {}\nExpiration Time: {}\nResources:\n{}",
        f.address.checksummed(),
        sentence(f)?,
        f.origin,
        f.code.replace('-', ""),
        f.chain_id,
        f.nonce,
        f.issued_at,
        f.expires_at,
        resources.join("\n"),
    ))
}

fn sentence(f: &SignInFacts) -> Option<String> {
    let from = format!("from {}, code {}.", f.source, f.code);
    if f.act == Act::Session {
        return Some(format!("Sign in to this host {from} This moves no money."));
    }
    let vm = f.vm.as_ref()?.vm_id();
    let user = || f.user.as_ref().filter(|u| is_user(u));
    Some(match &f.act {
        Act::Session => return None,
        Act::Shell => format!("Sign in to VM {vm} as {} {from} This moves no money.", user()?),
        Act::Console => format!("Open the serial console of VM {vm} {from} This moves no money."),
        Act::Reinstall => format!("Reinstall VM {vm} {from} This erases its disk and moves no money."),
        Act::Rollback => {
            format!("Roll VM {vm} back to its snapshot {from} This discards newer data and moves no money.")
        }
        Act::Certificate(_) => {
            format!("Issue an SSH certificate for VM {vm} as {} {from} This moves no money.", user()?)
        }
    })
}
