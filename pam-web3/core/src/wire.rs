//! The answers of the guest API. Unknown fields are refused; what a field may hold is checked where it is used.
use crate::patterns::{is_display_code, is_hex_id, is_timestamp, origin_authority};
use crate::statement::SignedStatement;
use serde::Deserialize;

/// 201 of `POST /guest/v1/login-requests`, every field in its shape.
#[derive(Clone, Deserialize, Debug)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenedRequest {
    /// 32 hex digits.
    pub id: String,
    /// With its dash.
    pub code: String,
    /// Exactly origin + `/s/` + code without its dash.
    pub url: String,
    /// The host's public origin.
    pub origin: String,
    /// ISO text.
    pub issued_at: String,
    /// ISO text.
    pub expires_at: String,
}

/// Where a request stands.
#[derive(Clone, Deserialize, Debug)]
#[serde(tag = "state", rename_all = "kebab-case", deny_unknown_fields)]
pub enum RequestAnswer {
    /// Nobody has signed yet.
    Waiting {},
    /// Signed in another browser or at another address: the code shown there must come back through the asker.
    #[serde(rename_all = "camelCase")]
    NeedsReply {
        /// Wrong codes left before it is denied.
        tries_left: u8,
    },
    /// Signed by the holder, says the host.
    Approved {
        /// `0x` and hex.
        signature: String,
        /// Lower case.
        signer: String,
        /// The host's word.
        statement: Box<SignedStatement>,
    },
    /// Over.
    Denied {
        /// Why, for the person at the terminal.
        reason: Reason,
    },
}

/// 200 of `GET /guest/v1/login-requests/{id}/refusal`.
#[derive(Clone, Copy, Deserialize, Debug, PartialEq, Eq)]
#[serde(tag = "state", rename_all = "kebab-case", deny_unknown_fields)]
pub enum RefusalAnswer {
    /// Nobody has refused it so far.
    Open {},
    /// *Not me* was pressed on the page.
    Refused {},
    /// It has ended in another way: there is nothing more to wait for.
    Over {},
}

/// A stable code and one line of text.
#[derive(Clone, Deserialize, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Kebab-case.
    pub code: String,
    /// To be shown through `terminal::printable` only.
    pub text: String,
}

/// 200 of `GET /guest/v1/presence`.
#[derive(Clone, Deserialize, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Presence {
    /// Lower case; null if nobody holds the pass any more.
    pub holder: Option<String>,
    /// Unix seconds; null unless the subscription is active at the newest block.
    pub active_until: Option<u64>,
    /// The newest block.
    pub block_number: u64,
    /// Why nobody may be inside.
    pub reason: Option<Reason>,
}

/// 200 of `POST /guest/v1/report`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reported {
    /// 64 hex digits.
    pub secret: String,
}

/// `application/problem+json`; only what the guest shows.
#[derive(Clone, Deserialize, Debug, Default)]
#[serde(default)]
pub struct Problem {
    /// Stable, kebab-case.
    pub code: String,
    /// One sentence for a stranger.
    pub detail: String,
}

/// Reads an opened request; `None` if it is not one to the letter.
pub fn parse_opened(body: &[u8]) -> Option<OpenedRequest> {
    let opened: OpenedRequest = serde_json::from_slice(body).ok()?;
    let shapes = is_hex_id(&opened.id)
        && is_display_code(&opened.code)
        && origin_authority(&opened.origin).is_some()
        && opened.url == format!("{}/s/{}", opened.origin, opened.code.replace('-', ""))
        && is_timestamp(&opened.issued_at)
        && is_timestamp(&opened.expires_at);
    shapes.then_some(opened)
}

/// Reads where a request stands.
pub fn parse_answer(body: &[u8]) -> Option<RequestAnswer> {
    serde_json::from_slice(body).ok()
}

/// Reads whether a request was refused.
pub fn parse_refusal(body: &[u8]) -> Option<RefusalAnswer> {
    serde_json::from_slice(body).ok()
}

/// Reads a presence; `None` also for a holder that is no lower-case address, so that it may stand in a query.
pub fn parse_presence(body: &[u8]) -> Option<Presence> {
    let presence: Presence = serde_json::from_slice(body).ok()?;
    let fits = |holder: &String| crate::address::Address::parse(holder).is_some_and(|a| a.lower() == *holder);
    presence.holder.as_ref().is_none_or(fits).then_some(presence)
}

/// Reads the secret of a report's answer.
pub fn parse_reported(body: &[u8]) -> Option<String> {
    let reported: Reported = serde_json::from_slice(body).ok()?;
    crate::patterns::is_sha256_hex(&reported.secret).then_some(reported.secret)
}
