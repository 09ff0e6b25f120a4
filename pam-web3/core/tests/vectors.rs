//! Every golden vector of testing/vectors/sign-in.json: TypeScript and Rust must agree byte for byte.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use freehold_core::address::Address;
use freehold_core::approval::{OwnFacts, Refusal, check_approval};
use freehold_core::installation::{VmIdentity, installation_id};
use freehold_core::signature::recover_personal_sign;
use freehold_core::statement::{SignedStatement, is_signed_by, statement_text};
use freehold_core::text::{Act, SignInFacts, sign_in_text};
use freehold_core::wire::OpenedRequest;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    signer: String,
    statement_key: String,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    name: String,
    facts: Facts,
    installation: Option<String>,
    text: String,
    signature: String,
    statement: SignedStatement,
    statement_text: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Facts {
    origin: String,
    address: String,
    chain_id: u64,
    source: String,
    code: String,
    nonce: String,
    issued_at: String,
    expires_at: String,
    request_id: String,
    act: String,
    vm: Option<Vm>,
    host_key: Option<String>,
    user: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Vm {
    contract: String,
    token_id: String,
    generation: u32,
}

fn file() -> File {
    // asked when it runs: two checkouts share one cache of what was built, and this test was built in one of them
    let crate_folder = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let text = std::fs::read(format!("{crate_folder}/../../testing/vectors/sign-in.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn key(file: &File) -> [u8; 32] {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.decode(&file.statement_key).unwrap().try_into().unwrap()
}

fn act(name: &str) -> Act {
    match name {
        "shell" => Act::Shell,
        "session" => Act::Session,
        "console" => Act::Console,
        "reinstall" => Act::Reinstall,
        "rollback" => Act::Rollback,
        other => Act::Certificate(other.strip_prefix("certificate:").unwrap().into()),
    }
}

fn facts(f: &Facts) -> SignInFacts {
    SignInFacts {
        act: act(&f.act),
        origin: f.origin.clone(),
        address: Address::parse(&f.address).unwrap(),
        chain_id: f.chain_id,
        vm: f.vm.as_ref().map(|vm| VmIdentity {
            chain_id: f.chain_id,
            contract: Address::parse(&vm.contract).unwrap(),
            token_id: vm.token_id.clone(),
            generation: vm.generation,
        }),
        host_key: f.host_key.clone(),
        user: f.user.clone(),
        source: f.source.clone(),
        code: f.code.clone(),
        nonce: f.nonce.clone(),
        issued_at: f.issued_at.clone(),
        expires_at: f.expires_at.clone(),
        request_id: f.request_id.clone(),
    }
}

#[test]
fn texts_are_rebuilt_byte_for_byte() {
    let file = file();
    assert!(file.vectors.len() >= 8);
    for v in &file.vectors {
        assert_eq!(sign_in_text(&facts(&v.facts)).as_deref(), Some(v.text.as_str()), "{}", v.name);
        let contract = v.facts.vm.as_ref().and_then(|vm| Address::parse(&vm.contract));
        assert_eq!(contract.map(|c| installation_id(v.facts.chain_id, &c)), v.installation, "{}", v.name);
    }
}

#[test]
fn signers_are_recovered_and_other_texts_give_others() {
    let file = file();
    for v in &file.vectors {
        let signer = Address::parse(&file.signer);
        assert_eq!(recover_personal_sign(&v.text, &v.signature), signer, "{}", v.name);
        assert_ne!(recover_personal_sign(&format!("{} ", v.text), &v.signature), signer, "{}", v.name);
    }
}

#[test]
fn statements_are_rendered_and_verified() {
    let file = file();
    for v in &file.vectors {
        assert_eq!(statement_text(&v.statement).as_deref(), Some(v.statement_text.as_str()), "{}", v.name);
        assert!(is_signed_by(&v.statement, &key(&file)), "{}", v.name);
        assert!(!is_signed_by(&v.statement, &[9; 32]), "{}", v.name);
        let mut other = v.statement.clone();
        other.block_number += 1;
        assert!(!is_signed_by(&other, &key(&file)), "{}", v.name);
    }
}

/// The high twin of a low s, with v flipped: a valid signature by the curve, refused by EIP-2.
fn high_s(signature: &str) -> String {
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    let s = u256(&signature[66..130]);
    let n = u256(order);
    let mut borrow = 0i32;
    let mut out = [0u8; 32];
    for i in (0..32).rev() {
        let d = i32::from(n[i]) - i32::from(s[i]) - borrow;
        borrow = i32::from(d < 0);
        out[i] = d.rem_euclid(256) as u8;
    }
    let v = if &signature[130..] == "1b" { "1c" } else { "1b" };
    format!("{}{}{v}", &signature[..66], hex::encode(out))
}

fn u256(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}

#[test]
fn denies_other_spellings_of_a_signature() {
    let file = file();
    let v = &file.vectors[0];
    let s = &v.signature;
    for (what, bad) in [
        ("high s", high_s(s)),
        ("64 bytes", s[..130].to_string()),
        ("66 bytes", format!("{s}00")),
        ("v 0", format!("{}00", &s[..130])),
        ("v 1", format!("{}01", &s[..130])),
        ("v 29", format!("{}1d", &s[..130])),
        ("no 0x", s[2..].to_string()),
        ("zero r", format!("0x{}{}", "0".repeat(64), &s[66..])),
    ] {
        assert_eq!(recover_personal_sign(&v.text, &bad), None, "{what}");
    }
}

#[test]
fn an_approval_opens_the_shell_it_was_given_for_and_no_other() {
    let file = file();
    for v in file.vectors.iter().filter(|v| v.facts.act == "shell") {
        let f = facts(&v.facts);
        let own = OwnFacts {
            vm: f.vm.unwrap(),
            statement_key: key(&file),
            host_key: f.host_key.unwrap(),
            user: f.user.unwrap(),
            source: f.source,
            nonce: f.nonce,
        };
        let request = OpenedRequest {
            id: f.request_id,
            url: format!("{}/s/{}", f.origin, f.code.replace('-', "")),
            code: f.code,
            origin: f.origin,
            issued_at: f.issued_at,
            expires_at: f.expires_at,
        };
        let statement = &v.statement;
        let signer = statement.signer.as_str();
        let check = |own: &OwnFacts, request: &OpenedRequest| {
            check_approval(own, request, &v.signature, signer, statement)
        };
        assert_eq!(check(&own, &request), Ok(()), "{}", v.name);

        let with = |change: &dyn Fn(&mut OwnFacts)| {
            let mut other = own.clone();
            change(&mut other);
            check(&other, &request)
        };
        assert_eq!(with(&|o| o.vm.token_id = "43".into()), Err(Refusal::OtherText));
        assert_eq!(with(&|o| o.vm.generation += 1), Err(Refusal::OtherText));
        assert_eq!(with(&|o| o.vm.chain_id += 1), Err(Refusal::OtherText));
        assert_eq!(with(&|o| o.vm.contract.0[0] ^= 1), Err(Refusal::OtherText));
        assert_eq!(with(&|o| o.user = "root".into()), Err(Refusal::OtherText));
        assert_eq!(with(&|o| o.source = "203.0.113.8".into()), Err(Refusal::OtherText));
        assert_eq!(with(&|o| o.host_key = format!("SHA256:{}", "a".repeat(43))), Err(Refusal::OtherText));
        assert_eq!(with(&|o| o.nonce = "f".repeat(32)), Err(Refusal::OtherNonce));
        assert_eq!(with(&|o| o.statement_key = [1; 32]), Err(Refusal::NotTheHost));
        let mut late = request.clone();
        late.expires_at = "2026-11-21T15:32:00Z".into();
        assert_eq!(check(&own, &late), Err(Refusal::OtherText));
        assert_eq!(
            check_approval(&own, &request, &high_s(&v.signature), signer, statement),
            Err(Refusal::BadSignature)
        );
    }
}

#[test]
fn denies_statements_for_other_acts() {
    let file = file();
    for v in file.vectors.iter().filter(|v| v.facts.act != "shell" && v.facts.vm.is_some()) {
        let f = facts(&v.facts);
        let own = OwnFacts {
            vm: f.vm.unwrap(),
            statement_key: key(&file),
            host_key: format!("SHA256:{}", "a".repeat(43)),
            user: "owner".into(),
            source: f.source,
            nonce: f.nonce,
        };
        let request = OpenedRequest {
            id: f.request_id,
            url: format!("{}/s/{}", f.origin, f.code.replace('-', "")),
            code: f.code,
            origin: f.origin,
            issued_at: f.issued_at,
            expires_at: f.expires_at,
        };
        let statement = &v.statement;
        let verdict = check_approval(&own, &request, &v.signature, &statement.signer, statement);
        assert_eq!(verdict, Err(Refusal::OtherAct), "{}", v.name);
    }
}
