//! What a person at a terminal sees: plain ASCII, no control characters, lines of at most 80 columns.
use crate::wire::OpenedRequest;

/// Columns of the narrowest terminal that is promised a whole prompt (T1).
const COLUMNS: usize = 80;

/// One line of printable ASCII: other characters become one blank, at most 160 stay.
pub fn printable(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(400) {
        match c {
            '\x21'..='\x7e' => out.push(c),
            _ if !out.is_empty() && !out.ends_with(' ') => out.push(' '),
            _ => {}
        }
    }
    out.truncate(160);
    out.trim_end().to_string()
}

/// Breaks a line of words so that none is longer than 80 columns (words that are longer stay whole).
pub fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() < COLUMNS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines.join("\n")
}

/// The one prompt of a login. It begins with a line break: OpenSSH's client writes `(user@host) ` before it.
/// `request` must have come out of `parse_opened`, `vm_id`, `user` and `source` out of their patterns.
pub fn sign_in_prompt(user: &str, vm_id: &str, source: &str, request: &OpenedRequest) -> String {
    let clock = |iso: &str| iso.get(11..16).unwrap_or_default().to_string();
    format!(
        "\n{}\nCode {}, issued {}, expires {} UTC. Approve with your wallet at:\n  {}\n\
         Press Enter when approved, or paste the reply code: ",
        wrapped(&format!("Freehold sign-in: {user} on {vm_id}, from {source}")),
        request.code,
        clock(&request.issued_at),
        clock(&request.expires_at),
        request.url,
    )
}

/// The day of a unix time, `2026-11-21` (proleptic Gregorian, UTC). Source: howardhinnant.github.io/date_algorithms.html,
/// `civil_from_days`.
pub fn day(unix_seconds: u64) -> String {
    let days = (unix_seconds / 86_400).min(10_000_000) + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The unix time of an HTTP date in its one present form, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, IMF-fixdate).
pub fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let number = |from: usize, to: usize| -> Option<u64> {
        text.get(from..to).filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
    };
    if !(text.is_ascii() && text.len() == 29 && text.ends_with(" GMT")) {
        return None;
    }
    let month = MONTHS.iter().position(|m| text.get(8..11) == Some(m))? as u64 + 1;
    let (day, year) =
        (number(5, 7).filter(|d| (1..=31).contains(d))?, number(12, 16).filter(|y| *y >= 1970)?);
    let (hour, minute, second) = (number(17, 19)?, number(20, 22)?, number(23, 25)?);
    (hour < 24 && minute < 60 && second < 61).then_some(())?;
    // howardhinnant.github.io/date_algorithms.html, `days_from_civil`
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let day_of_era = (year % 400) * 365 + (year % 400) / 4 - (year % 400) / 100 + day_of_year;
    let days = ((year / 400) * 146_097 + day_of_era).checked_sub(719_468)?;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> OpenedRequest {
        OpenedRequest {
            id: "0".repeat(32),
            code: "7QF3-K2MD".into(),
            url: "https://host.example/s/7QF3K2MD".into(),
            origin: "https://host.example".into(),
            issued_at: "2026-11-21T14:27:00Z".into(),
            expires_at: "2026-11-21T14:32:00Z".into(),
        }
    }

    #[test]
    fn t1_shows_all_facts_and_the_url_alone_on_its_line() {
        let prompt = sign_in_prompt("owner", "4eff3c5b1f35-42", "203.0.113.7", &request());
        assert_eq!(
            prompt,
            "\nFreehold sign-in: owner on 4eff3c5b1f35-42, from 203.0.113.7\n\
             Code 7QF3-K2MD, issued 14:27, expires 14:32 UTC. Approve with your wallet at:\n  \
             https://host.example/s/7QF3K2MD\nPress Enter when approved, or paste the reply code: "
        );
    }

    #[test]
    fn t1_stays_within_80_columns_with_the_longest_names() {
        let vm = format!("4eff3c5b1f35-{}", "9".repeat(61));
        let prompt = sign_in_prompt("owner", &vm, "2001:db8:1111:2222:3333:4444:5555:6666", &request());
        assert!(prompt.lines().all(|l| l.len() <= COLUMNS), "{prompt}");
    }

    #[test]
    fn names_days() {
        for (seconds, text) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_767_225_600, "2026-01-01"),
            (1_800_000_000, "2027-01-15"),
        ] {
            assert_eq!(day(seconds), text);
        }
    }

    #[test]
    fn reads_http_dates_and_no_other() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(http_date("Tue, 29 Feb 2000 00:00:00 GMT"), Some(951_782_400));
        for text in [
            "",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 99 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(http_date(text), None, "{text}");
        }
        assert_eq!(http_date("Thu, 01 Jan 1970 0\u{e9}:00:00 GMT"), None);
    }

    #[test]
    fn strips_escape_sequences_and_line_breaks() {
        assert_eq!(printable("a\x1b]0;x\x07b\r\nc \u{202e}d"), "a ]0;x b c d");
        assert_eq!(printable(&"x".repeat(1000)).len(), 160);
    }
}
