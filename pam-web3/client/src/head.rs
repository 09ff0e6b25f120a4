//! The head of an answer of the guest API, and why there is none.

/// Longest head of an answer, longest body of one.
const HEAD_LIMIT: usize = 8 * 1024;
const BODY_LIMIT: usize = 64 * 1024;

/// Why no answer came. Each has a text for the person who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or it broke.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// Somebody else answers at the endpoint: not the pinned key, or no TLS 1.3.
    WrongKey,
    /// What came is no answer of the guest API.
    Garbled,
}

/// What the head of an answer says.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// HTTP status, 200 to 599.
    pub status: u16,
    /// Bytes up to the body.
    pub length: usize,
    /// Bytes of the body.
    pub body: usize,
    /// The connection ends with it.
    pub close: bool,
    /// Unix seconds, if it says so.
    pub date: Option<u64>,
}

/// Reads the head of an answer; `None` while it is incomplete. Answers without exactly one length, chunked or too large ones
/// are refused.
pub fn parse_head(bytes: &[u8]) -> Result<Option<Head>, Failure> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_LIMIT => return Ok(None),
        _ => return Err(Failure::Garbled),
    };
    let fields = &*response.headers;
    let values = |name: &'static str| {
        fields.iter().filter(move |h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value)
    };
    let mut lengths = values("content-length");
    let (Some(digits), None, None) = (lengths.next(), lengths.next(), values("transfer-encoding").next())
    else {
        return Err(Failure::Garbled);
    };
    let digits = std::str::from_utf8(digits)
        .ok()
        .filter(|d| (1..=6).contains(&d.len()) && d.bytes().all(|b| b.is_ascii_digit()));
    let body = digits.and_then(|d| d.parse().ok()).filter(|l| *l <= BODY_LIMIT).ok_or(Failure::Garbled)?;
    let status = response.code.filter(|c| (200..600).contains(c)).ok_or(Failure::Garbled)?;
    let close =
        response.version != Some(1) || values("connection").any(|v| !v.eq_ignore_ascii_case(b"keep-alive"));
    let date = values("date")
        .next()
        .and_then(|d| std::str::from_utf8(d).ok())
        .and_then(freehold_core::terminal::http_date);
    Ok(Some(Head { status, length, body, close, date }))
}
