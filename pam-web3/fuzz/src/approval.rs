//! The decision itself. The corpus holds an honest approval (the golden vector `shell`), which opens; whatever else is accepted
//! must be that one, to the last byte of meaning: nobody here can sign for the wallet or for the host.
#![no_main]
use freehold_core::address::Address;
use freehold_core::approval::{OwnFacts, check_approval};
use freehold_core::installation::VmIdentity;
use freehold_core::signature::recover_personal_sign;
use freehold_core::statement::SignedStatement;
use freehold_core::wire::{OpenedRequest, RequestAnswer, parse_answer};
use std::sync::LazyLock;

struct Golden {
    own: OwnFacts,
    request: OpenedRequest,
    signature: String,
    signer: String,
    statement: SignedStatement,
}

static GOLDEN: LazyLock<Option<Golden>> = LazyLock::new(golden);

fn golden() -> Option<Golden> {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../../../testing/vectors/sign-in.json")).ok()?;
    let vector = file["vectors"].as_array()?.iter().find(|v| v["name"] == "shell")?;
    let text = |name: &str| vector["facts"][name].as_str().map(str::to_owned);
    let (code, origin) = (text("code")?, text("origin")?);
    Some(Golden {
        own: OwnFacts {
            vm: VmIdentity {
                chain_id: vector["facts"]["chainId"].as_u64()?,
                contract: Address::parse(vector["facts"]["vm"]["contract"].as_str()?)?,
                token_id: vector["facts"]["vm"]["tokenId"].as_str()?.into(),
                generation: 1,
            },
            statement_key: decoded(file["statementKey"].as_str()?)?,
            host_key: text("hostKey")?,
            user: text("user")?,
            source: text("source")?,
            nonce: text("nonce")?,
        },
        request: OpenedRequest {
            id: text("requestId")?,
            url: format!("{origin}/s/{}", code.replace('-', "")),
            code,
            origin,
            issued_at: text("issuedAt")?,
            expires_at: text("expiresAt")?,
        },
        signature: vector["signature"].as_str()?.into(),
        signer: vector["facts"]["address"].as_str()?.to_lowercase(),
        statement: serde_json::from_value(vector["statement"].clone()).ok()?,
    })
}

fn decoded(base64: &str) -> Option<[u8; 32]> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.decode(base64).ok()?.try_into().ok()
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(golden) = &*GOLDEN else { panic!("the golden vector cannot be read") };
    if let Some(RequestAnswer::Approved { signature, signer, statement }) = parse_answer(data)
        && check_approval(&golden.own, &golden.request, &signature, &signer, &statement).is_ok()
    {
        assert!(signature.eq_ignore_ascii_case(&golden.signature) && signer == golden.signer);
        assert_eq!(format!("{statement:?}"), format!("{:?}", golden.statement));
    }
    if let Ok(text) = std::str::from_utf8(data) {
        // only 65 bytes in hex recover anybody, with v 27 or 28
        if recover_personal_sign("text", text).is_some() {
            let text = text.to_ascii_lowercase();
            assert!(text.len() == 132 && (text.ends_with("1b") || text.ends_with("1c")));
        }
        if let Some(address) = Address::parse(text) {
            assert_eq!(Address::parse(&address.checksummed()).map(|a| a.lower()), Some(address.lower()));
        }
    }
});
