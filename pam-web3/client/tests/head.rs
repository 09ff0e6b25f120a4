//! The head of an answer, over arbitrary input, and the lies that a head can tell.
use freehold_client::head::{Failure, Head, parse_head};
use proptest::prelude::*;

#[test]
fn denies_heads_without_one_clear_length() {
    for head in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
    ] {
        assert_eq!(parse_head(head.as_bytes()), Err(Failure::Garbled), "{head}");
    }
    assert_eq!(parse_head(&[b'H'; 9000]), Err(Failure::Garbled));
}

#[test]
fn reads_a_head_and_waits_for_the_rest_of_one() {
    let head = b"HTTP/1.1 201 Created\r\nContent-Length: 12\r\nConnection: close\r\n\r\n";
    assert_eq!(
        parse_head(head),
        Ok(Some(Head { status: 201, length: head.len(), body: 12, close: true, date: None }))
    );
    for end in 0..head.len() {
        assert_eq!(parse_head(head.get(..end).unwrap_or_default()), Ok(None));
    }
}

proptest! {
    #[test]
    fn no_head_panics_or_promises_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(Some(head)) = parse_head(&bytes) {
            prop_assert!(head.length <= bytes.len() && head.body <= 64 * 1024);
        }
    }
}
