//! Reads a PAM stack as pam.conf(5) says, as far as it takes to tell whether our module decides over logins.

/// What is wrong with the stack of `freehold-sshd`; `None` if the wallet alone opens and `account` and `session` ask our module
/// before anything may say yes.
pub fn pam_stack_problem(text: &str) -> Option<String> {
    let lines: Vec<[&str; 3]> = text.lines().filter_map(rule).collect();
    let of = |kind: &str| {
        lines.iter().filter(|[k, _, _]| *k == kind).map(|[_, c, m]| (*c, *m)).collect::<Vec<_>>()
    };
    if text.lines().any(|line| line.trim_end().ends_with('\\')) {
        return Some("a line goes on in the next one".into());
    }
    if let Some([kind, _, _]) =
        lines.iter().find(|[kind, _, _]| !["auth", "account", "session", "password"].contains(kind))
    {
        return Some(format!("a line begins with {}", crate::terminal::printable(kind)));
    }
    if of("auth") != [("required", "pam_web3.so")] {
        return Some("auth is not the one line `required pam_web3.so`".into());
    }
    let account: Vec<_> =
        of("account").into_iter().filter(|rule| *rule != ("requisite", "pam_nologin.so")).collect();
    if account.first() != Some(&("required", "pam_web3.so")) {
        return Some("account does not begin with `required pam_web3.so`".into());
    }
    if of("session").first() != Some(&("required", "pam_web3.so")) {
        return Some("session does not begin with `required pam_web3.so`".into());
    }
    if !of("session").contains(&("required", "pam_loginuid.so")) {
        return Some("session does not number logins (`required pam_loginuid.so`)".into());
    }
    None
}

/// Kind, control, module. `@include FILE` stands for rules of every kind; only `common-session` is known to hold session rules
/// alone.
fn rule(line: &str) -> Option<[&str; 3]> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let mut words = line.split_ascii_whitespace();
    match (words.next()?, words.next(), words.next()) {
        ("@include", Some("common-session"), None) => None,
        ("@include", _, _) => Some(["@include", "", ""]),
        (kind, Some(control), Some(module)) => Some([kind, control, module]),
        (kind, _, _) => Some([kind, "", ""]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGED: &str = include_str!("../../package/pam.d/freehold-sshd");

    #[test]
    fn the_packaged_stack_is_sound() {
        assert_eq!(pam_stack_problem(PACKAGED), None);
    }

    #[test]
    fn finds_what_would_let_others_in() {
        for (from, to, problem) in [
            (
                "auth     required   pam_web3.so",
                "auth sufficient pam_web3.so\nauth required pam_permit.so",
                "auth",
            ),
            (
                "auth     required   pam_web3.so",
                "auth sufficient pam_permit.so\nauth required pam_web3.so",
                "auth",
            ),
            ("auth     required   pam_web3.so", "@include common-auth", "@include"),
            ("auth     required   pam_web3.so", "auth required pam_web3.so config=/tmp\\\nx", "goes on"),
            ("auth     required   pam_web3.so", "-auth required pam_web3.so", "-auth"),
            (
                "account  required   pam_web3.so",
                "account sufficient pam_permit.so\naccount required pam_web3.so",
                "account",
            ),
            ("account  required   pam_web3.so", "", "account"),
            ("session  required   pam_web3.so", "session optional pam_web3.so", "session"),
            ("session  required   pam_loginuid.so", "", "number"),
        ] {
            let changed = PACKAGED.replace(from, to);
            assert_ne!(changed, PACKAGED);
            let found = pam_stack_problem(&changed).unwrap_or_default();
            assert!(found.contains(problem), "{to}: {found}");
        }
        assert!(pam_stack_problem("").is_some());
    }
}
