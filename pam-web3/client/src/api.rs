//! The calls of the guest API (PROTOCOL.md).
use crate::head::Failure;
use crate::http::{Answer, Http, Line};
use crate::pin::pinned_client;
use freehold_core::config::GuestConfig;
use freehold_core::wire::{self, OpenedRequest, Presence, Problem, RefusalAnswer, RequestAnswer};
use std::time::Duration;
use zeroize::Zeroizing;

/// How long an ordinary call may take; a long poll is held for 25 s by the host.
const CALL: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_secs(30);

/// Why a call gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// No answer.
    Failed(Failure),
    /// The host refused; code and detail are its words, not yet fit for a terminal.
    Refused {
        /// HTTP status.
        status: u16,
        /// Stable code.
        code: String,
        /// One sentence.
        detail: String,
    },
}

impl CallError {
    /// One line for the person who waits.
    pub fn text(&self) -> String {
        match self {
            CallError::Failed(Failure::Unreachable) => "host unreachable".into(),
            CallError::Failed(Failure::TimedOut) => "host unreachable (no answer in time)".into(),
            CallError::Failed(Failure::WrongKey) => {
                "host unreachable (another key answers at the login endpoint)".into()
            }
            CallError::Failed(Failure::Garbled) => "the host's answer cannot be read".into(),
            CallError::Refused { detail, code, .. } => {
                let text = freehold_core::terminal::printable(if detail.is_empty() { code } else { detail });
                if text.is_empty() { "the host refused".into() } else { text }
            }
        }
    }
}

/// A client of the login endpoint. Keeps one connection.
pub struct Api {
    http: Http,
    authorization: Zeroizing<String>,
    /// The host's clock at its last answer, unix seconds. For people who look for a fault; no login is decided by it.
    pub host_time: Option<u64>,
}

impl Api {
    /// Connects at the first call. `authorization` is empty for a report.
    pub fn new(guest: &GuestConfig, authorization: Zeroizing<String>) -> Result<Self, CallError> {
        let tls = pinned_client(guest.spki_sha256).map_err(|_| CallError::Failed(Failure::WrongKey))?;
        Ok(Self { http: Http::new(guest.endpoint, tls), authorization, host_time: None })
    }

    /// Opens a login request. Never sent twice.
    pub fn open_request(
        &mut self,
        nonce: &str,
        user: &str,
        source: &str,
    ) -> Result<OpenedRequest, CallError> {
        let body = serde_json::json!({ "nonce": nonce, "user": user, "source": source }).to_string();
        let answer = self.post("/guest/v1/login-requests", body.as_bytes())?;
        read(&answer, 201, wire::parse_opened)
    }

    /// Waits up to 25 s for a change of a login request. `id` comes out of `open_request`.
    pub fn request(&mut self, id: &str) -> Result<RequestAnswer, CallError> {
        let answer = self.get(&format!("/guest/v1/login-requests/{id}"))?;
        read(&answer, 200, wire::parse_answer)
    }

    /// Waits up to 25 s for *Not me*. Releases nothing.
    pub fn refusal(&mut self, id: &str) -> Result<RefusalAnswer, CallError> {
        let answer = self.get(&format!("/guest/v1/login-requests/{id}/refusal"))?;
        read(&answer, 200, wire::parse_refusal)
    }

    /// What ends this client's calls from another thread.
    pub fn line(&self) -> Line {
        self.http.line()
    }

    /// Sends a reply code back.
    pub fn reply(&mut self, id: &str, code: &str) -> Result<RequestAnswer, CallError> {
        let body = serde_json::json!({ "reply": code }).to_string();
        let answer = self.post(&format!("/guest/v1/login-requests/{id}/reply"), body.as_bytes())?;
        read(&answer, 200, wire::parse_answer)
    }

    /// Who may be inside. With `known`, waits up to 25 s until that is not true any more.
    pub fn presence(&mut self, known: Option<&Presence>) -> Result<Presence, CallError> {
        let query = match known {
            Some(Presence { holder: Some(holder), active_until, .. }) => {
                format!("?holder={holder}&active={}", active_until.is_some())
            }
            _ => String::new(),
        };
        let answer = self.get(&format!("/guest/v1/presence{query}"))?;
        read(&answer, 200, wire::parse_presence)
    }

    /// Whether the wallet that signed for a certificate holds the pass now. `key_id` is what sshd was shown, in its shape.
    pub fn presence_of_certificate(&mut self, key_id: &str) -> Result<Presence, CallError> {
        let answer = self.get(&format!("/guest/v1/presence?certificate={key_id}"))?;
        read(&answer, 200, wire::parse_presence)
    }

    /// Trades the seed's token for the secret.
    pub fn report(&mut self, token: &str, host_keys: &[String]) -> Result<Zeroizing<String>, CallError> {
        let body = Zeroizing::new(serde_json::json!({ "token": token, "hostKeys": host_keys }).to_string());
        let answer = self.post("/guest/v1/report", body.as_bytes())?;
        read(&answer, 200, wire::parse_reported).map(Zeroizing::new)
    }

    fn get(&mut self, path: &str) -> Result<Answer, CallError> {
        let head = self.head("GET", path);
        let answer = self.http.call(&head, b"", POLL).map_err(CallError::Failed)?;
        self.host_time = answer.date;
        Ok(answer)
    }

    fn post(&mut self, path: &str, body: &[u8]) -> Result<Answer, CallError> {
        let head =
            Zeroizing::new(format!("{}Content-Type: application/json\r\n", self.head("POST", path).as_str()));
        self.http.call(&head, body, CALL).map_err(CallError::Failed)
    }

    fn head(&self, verb: &str, path: &str) -> Zeroizing<String> {
        let authorization = match self.authorization.as_str() {
            "" => Zeroizing::new(String::new()),
            value => Zeroizing::new(format!("Authorization: {value}\r\n")),
        };
        Zeroizing::new(format!("{verb} {path} HTTP/1.1\r\n{}", authorization.as_str()))
    }
}

fn read<T>(answer: &Answer, status: u16, parse: impl Fn(&[u8]) -> Option<T>) -> Result<T, CallError> {
    if answer.status == status {
        return parse(&answer.body).ok_or(CallError::Failed(Failure::Garbled));
    }
    let problem: Problem = serde_json::from_slice(&answer.body).unwrap_or_default();
    Err(CallError::Refused { status: answer.status, code: problem.code, detail: problem.detail })
}

/// 32 lower-case hex digits from the system's random source.
pub fn new_nonce() -> Option<String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(hex::encode(bytes))
}
