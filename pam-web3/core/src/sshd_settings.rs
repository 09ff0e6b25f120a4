//! Reads what `sshd -T` prints, and tells what is not as the package set it.

/// How much a difference matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// Lets somebody in who should not be, or nobody.
    Failed,
    /// A limit that was chosen for many people signing at once.
    Warning,
}

/// Name, wanted value, weight. Names are lower case, as `sshd -T` prints them.
const WANTED: &[(&str, &str, Weight)] = &[
    ("usepam", "yes", Weight::Failed),
    ("pamservicename", "freehold-sshd", Weight::Failed),
    ("kbdinteractiveauthentication", "yes", Weight::Failed),
    ("passwordauthentication", "no", Weight::Failed),
    ("permitemptypasswords", "no", Weight::Failed),
    ("hostbasedauthentication", "no", Weight::Failed),
    ("permitrootlogin", "no", Weight::Failed),
    ("allowusers", "owner", Weight::Failed),
    ("authenticationmethods", "any", Weight::Failed),
    ("trustedusercakeys", "/etc/freehold/user-ca.pub", Weight::Failed),
    ("authorizedprincipalsfile", "none", Weight::Failed),
    ("authorizedprincipalscommand", "/usr/sbin/freehold-guest principals %u %i", Weight::Failed),
    ("authorizedprincipalscommanduser", "root", Weight::Failed),
    ("authorizedkeyscommand", "none", Weight::Failed),
    ("hostkey", "/etc/ssh/ssh_host_ed25519_key", Weight::Failed),
    ("strictmodes", "yes", Weight::Failed),
    ("logingracetime", "330", Weight::Warning),
    ("maxstartups", "250:30:400", Weight::Warning),
    ("maxauthtries", "20", Weight::Warning),
    ("persourcepenalties", "no", Weight::Warning),
    ("usedns", "no", Weight::Warning),
];

/// What differs, one line each.
pub fn sshd_problems(printed: &str) -> Vec<(Weight, String)> {
    WANTED
        .iter()
        .filter_map(|(name, wanted, weight)| {
            let found: Vec<&str> = printed
                .lines()
                .filter_map(|line| line.split_once(' '))
                .filter(|(n, _)| n.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim_end())
                .collect();
            // several files may say the same; lists print a line each
            let is_sound = !found.is_empty() && found.iter().all(|value| value == wanted);
            (!is_sound).then(|| {
                let shown = crate::terminal::printable(&found.join(", "));
                let shown = if shown.is_empty() { "not set".into() } else { shown };
                (*weight, format!("{name} is {shown}, not {wanted}"))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packaged() -> String {
        WANTED.iter().map(|(name, value, _)| format!("{name} {value}\n")).collect()
    }

    #[test]
    fn the_packaged_settings_are_sound() {
        assert_eq!(sshd_problems(&packaged()), []);
    }

    #[test]
    fn names_every_setting_that_differs_and_doubled_ones() {
        let changed = packaged().replace("allowusers owner", "allowusers owner\nallowusers root");
        assert_eq!(
            sshd_problems(&changed),
            [(Weight::Failed, "allowusers is owner, root, not owner".to_string())]
        );
        let twice = packaged().replace("allowusers owner", "allowusers owner\nallowusers owner");
        assert_eq!(sshd_problems(&twice), []);
        assert_eq!(sshd_problems("").len(), WANTED.len());
        let slow = packaged().replace("logingracetime 330", "logingracetime 120");
        assert_eq!(sshd_problems(&slow), [(Weight::Warning, "logingracetime is 120, not 330".to_string())]);
    }
}
