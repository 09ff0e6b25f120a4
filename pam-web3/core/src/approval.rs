//! The decision: does an approval that arrived open a shell? Pure; every doubt is a refusal with a name.
use crate::address::Address;
use crate::installation::VmIdentity;
use crate::signature::recover_personal_sign;
use crate::statement::{SignedStatement, is_signed_by};
use crate::text::{Act, SignInFacts, sign_in_text};
use crate::wire::OpenedRequest;
use sha2::{Digest, Sha256};

/// What the module knows without the host's help.
#[derive(Clone, Debug)]
pub struct OwnFacts {
    /// From the seed.
    pub vm: VmIdentity,
    /// Pinned in the seed.
    pub statement_key: [u8; 32],
    /// Of the guest's own Ed25519 host key.
    pub host_key: String,
    /// The login name.
    pub user: String,
    /// `PAM_RHOST`.
    pub source: String,
    /// Made by this module for this login.
    pub nonce: String,
}

/// Why an approval opens nothing. The texts are for the person at the terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// A fact has not its shape, so there is no text to compare with.
    BadFacts,
    /// The statement is not signed by the pinned key.
    NotTheHost,
    /// The statement is for another act.
    OtherAct,
    /// The statement is for another text: other VM, code, time, user, address or host key.
    OtherText,
    /// The statement answers another question.
    OtherNonce,
    /// The signature is none of the signer under our text.
    BadSignature,
    /// The signer does not hold the pass.
    NotTheHolder,
    /// The subscription is not active.
    NotActive,
}

impl Refusal {
    /// One line without a final stop.
    pub fn text(self) -> &'static str {
        match self {
            Refusal::BadFacts => "the host's answer cannot be read",
            Refusal::NotTheHost => "the statement is not signed by this VM's host",
            Refusal::OtherAct => "the approval is for something else",
            Refusal::OtherText => "the approval is for another sign-in",
            Refusal::OtherNonce => "the approval was given before, for another sign-in",
            Refusal::BadSignature => "the wallet's signature does not fit this sign-in",
            Refusal::NotTheHolder => "the wallet that signed does not hold the access pass",
            Refusal::NotActive => "the subscription is not active",
        }
    }
}

/// Accepts or refuses an approval. `request` must have come out of `parse_opened`.
/// The order is fixed: first whose word it is, then what it is about, then what it says.
pub fn check_approval(
    own: &OwnFacts,
    request: &OpenedRequest,
    signature: &str,
    signer: &str,
    statement: &SignedStatement,
) -> Result<(), Refusal> {
    let address = Address::parse(signer).filter(|a| a.lower() == signer).ok_or(Refusal::BadFacts)?;
    let text = sign_in_text(&SignInFacts {
        act: Act::Shell,
        origin: request.origin.clone(),
        address,
        chain_id: own.vm.chain_id,
        vm: Some(own.vm.clone()),
        host_key: Some(own.host_key.clone()),
        user: Some(own.user.clone()),
        source: own.source.clone(),
        code: request.code.clone(),
        nonce: own.nonce.clone(),
        issued_at: request.issued_at.clone(),
        expires_at: request.expires_at.clone(),
        request_id: request.id.clone(),
    })
    .ok_or(Refusal::BadFacts)?;
    let demand = |good: bool, refusal: Refusal| if good { Ok(()) } else { Err(refusal) };
    demand(is_signed_by(statement, &own.statement_key), Refusal::NotTheHost)?;
    demand(statement.act == "shell", Refusal::OtherAct)?;
    demand(statement.nonce == own.nonce, Refusal::OtherNonce)?;
    demand(statement.text_sha256 == hex::encode(Sha256::digest(text.as_bytes())), Refusal::OtherText)?;
    demand(statement.signer == signer, Refusal::BadSignature)?;
    if statement.verified_by == "ecdsa" {
        demand(recover_personal_sign(&text, signature) == Some(address), Refusal::BadSignature)?;
    }
    demand(statement.holder == signer, Refusal::NotTheHolder)?;
    demand(statement.entitlement == "active", Refusal::NotActive)
}
