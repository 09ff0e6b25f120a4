//! What the host, or somebody in its place, may answer: the head of HTTP, then every body.
#![no_main]
use freehold_client::head::parse_head;
use freehold_core::patterns::{is_display_code, is_hex_id, is_timestamp, origin_authority};
use freehold_core::terminal::{printable, sign_in_prompt, wrapped};
use freehold_core::wire::{
    RequestAnswer, parse_answer, parse_opened, parse_presence, parse_refusal, parse_reported,
};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(Some(head)) = parse_head(data) {
        assert!(head.length <= data.len() && head.body <= 64 * 1024 && (200..600).contains(&head.status));
    }
    if let Some(opened) = parse_opened(data) {
        assert!(is_hex_id(&opened.id) && is_display_code(&opened.code) && is_timestamp(&opened.expires_at));
        assert!(origin_authority(&opened.origin).is_some());
        let prompt = sign_in_prompt("owner", "4eff3c5b1f35-42", "203.0.113.7", &opened);
        assert!(prompt.bytes().all(|b| b == b'\n' || (0x20..0x7f).contains(&b)));
    }
    if let Some(RequestAnswer::Denied { reason }) = parse_answer(data) {
        let line = wrapped(&printable(&reason.text));
        assert!(line.bytes().all(|b| b == b'\n' || (0x20..0x7f).contains(&b)));
    }
    let _ = parse_refusal(data);
    if let Some(presence) = parse_presence(data) {
        // what the watch writes down is read again as it was
        let text = serde_json_of(&presence);
        assert_eq!(
            parse_presence(text.as_bytes()).map(|p| (p.holder, p.active_until)),
            Some((presence.holder, presence.active_until))
        );
    }
    if let Some(secret) = parse_reported(data) {
        assert!(secret.len() == 64 && secret.bytes().all(|b| b.is_ascii_hexdigit()));
    }
});

fn serde_json_of(presence: &freehold_core::wire::Presence) -> String {
    let holder = presence.holder.as_ref().map_or("null".into(), |h| format!("\"{h}\""));
    let until = presence.active_until.map_or("null".into(), |u| u.to_string());
    format!(
        "{{\"holder\":{holder},\"activeUntil\":{until},\"blockNumber\":{},\"reason\":null}}",
        presence.block_number
    )
}
