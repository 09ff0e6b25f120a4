//! Ethereum addresses.
use sha3::{Digest, Keccak256};

/// Twenty bytes; which case they came in does not matter (a checksum that arrives is not checked: it guards typing, not wires).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address(pub [u8; 20]);

impl Address {
    /// `0x` and 40 hex digits of any case; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 20];
        hex::decode_to_slice(text.strip_prefix("0x")?, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// `0x` and 40 lower-case hex digits.
    pub fn lower(&self) -> String {
        format!("0x{}", hex::encode(self.0))
    }

    /// With the checksum of EIP-55, as it stands in a signed text.
    pub fn checksummed(&self) -> String {
        let lower = hex::encode(self.0);
        let hash = hex::encode(Keccak256::digest(lower.as_bytes()));
        let cased = lower.chars().zip(hash.chars()).map(|(digit, nibble)| match nibble {
            '8'..='9' | 'a'..='f' => digit.to_ascii_uppercase(),
            _ => digit,
        });
        format!("0x{}", cased.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denies_what_is_no_address() {
        for text in [
            "",
            "0x",
            "0x12",
            "19e7e376e7c213b7e7e7e46cc70a5dd086daff2a",
            "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2g",
        ] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
        assert_eq!(Address::parse(&format!("0x{}", "a".repeat(41))), None);
    }

    #[test]
    fn writes_the_checksums_of_eip_55() {
        for text in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        ] {
            assert_eq!(Address::parse(&text.to_lowercase()).unwrap_or(Address([0; 20])).checksummed(), text);
        }
    }
}
