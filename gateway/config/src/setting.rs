//! The settings there are. A setting is listed when something goes by it, not before.

/// What a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingKind {
    /// A word, an address, a number.
    One,
    /// A list; in the environment and as a flag separated by commas.
    Many,
    /// `true` or `false`.
    Switch,
    /// The path of a file.
    Path,
    /// What nobody may see; its twin with `_file` behind it names a file that holds it.
    Secret,
}

/// One thing that a node can be told.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// `section.key`, as in `allod.toml`.
    pub key: &'static str,
    /// What it holds.
    pub kind: SettingKind,
    /// What counts when nobody says anything; empty if nothing does.
    pub default: &'static str,
    /// What it is for, in a line.
    pub help: &'static str,
    /// Other variables that say the same, behind `ALLOD_SECTION_KEY`.
    pub also: &'static [&'static str],
}

impl Setting {
    const fn new(key: &'static str, kind: SettingKind, default: &'static str, help: &'static str) -> Self {
        Setting { key, kind, default, help, also: &[] }
    }

    /// The variable that says it: `http.listen` is `ALLOD_HTTP_LISTEN`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("ALLOD_{}", self.key.replace('.', "_").to_ascii_uppercase())
    }

    /// The setting of this key.
    #[must_use]
    pub fn of(key: &str) -> Option<&'static Setting> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }
}

/// Every setting, by section.
pub const SETTINGS: &[Setting] = &[
    Setting::new("http.listen", SettingKind::One, "127.0.0.1:8420", "where to listen for HTTP; port 0 picks one"),
    Setting {
        also: &["ALLOD_URL"],
        ..Setting::new(
            "http.public_url",
            SettingKind::One,
            "",
            "the address under which people and apps reach the node; without it 127.0.0.1 and the port",
        )
    },
    Setting::new(
        "http.trusted_proxies",
        SettingKind::Many,
        "",
        "ranges of the proxies in front of the node: their X-Forwarded-For says where a request comes from",
    ),
    Setting::new(
        "http.allowed_origins",
        SettingKind::Many,
        "",
        "origins whose pages may call the node, as https://app.example.org; * is every one (CORS, without cookies)",
    ),
    Setting::new(
        "http.metrics_listen",
        SettingKind::One,
        "",
        "where to serve GET /metrics, and nothing else, to whoever asks; without it the operator alone reads it",
    ),
    Setting::new(
        "http.redirect_listen",
        SettingKind::One,
        "",
        "where to send browsers from http:// to public_url, as 0.0.0.0:80; needs TLS, and answers ACME's http-01 too",
    ),
    Setting::new(
        "http.insecure",
        SettingKind::Switch,
        "false",
        "let everybody reach plain HTTP beyond this machine: passwords and data cross the network in clear",
    ),
    Setting::new(
        "tls.mode",
        SettingKind::One,
        "off",
        "off; files: tls.cert and tls.key; internal: an authority of the node's own; acme; on: whichever fits what is there; \
         auto: as public_url has it, acme where its name is public, else internal",
    ),
    Setting::new("tls.listen", SettingKind::One, "", "where to listen for TLS; without it http.listen speaks TLS"),
    Setting::new(
        "tls.cert",
        SettingKind::Path,
        "",
        "PEM: the certificate, then its authorities; read again when it changes",
    ),
    Setting::new("tls.key", SettingKind::Path, "", "PEM: the key of tls.cert"),
    Setting::new("tls.acme_email", SettingKind::One, "", "where the ACME authority writes to"),
    Setting::new(
        "tls.acme_directory",
        SettingKind::One,
        "https://acme-v02.api.letsencrypt.org/directory",
        "the ACME authority, whose terms are agreed to",
    ),
    Setting::new(
        "tls.acme_root",
        SettingKind::Path,
        "",
        "PEM: the root of the ACME server, if the system does not know it",
    ),
    Setting::new(
        "p2p.listen",
        SettingKind::Many,
        "",
        "where to listen for devices and replicas; without it the port of last time on loopback",
    ),
    Setting::new(
        "p2p.dial_allow",
        SettingKind::Many,
        "",
        "ranges that people's replicas may lie in beside public ones; the operator may name any",
    ),
    Setting::new(
        "policy.spicedb",
        SettingKind::One,
        "",
        "host:port of a SpiceDB that answers policy; without it the node's own",
    ),
    Setting::new("policy.spicedb_key", SettingKind::Secret, "", "SpiceDB's preshared key"),
    Setting::new("policy.spicedb_key_file", SettingKind::Path, "", "a file that holds SpiceDB's preshared key"),
    Setting::new(
        "policy.spicedb_tls",
        SettingKind::One,
        "system",
        "system: trust what the system trusts; off: speak in clear, on this machine only; or a file of certificates",
    ),
    Setting::new(
        "policy.listen",
        SettingKind::One,
        "",
        "where to serve SpiceDB's API (authzed.api.v1 over gRPC) of this node",
    ),
    Setting::new("policy.key", SettingKind::Secret, "", "the key that clients of policy.listen must bear"),
    Setting::new("policy.key_file", SettingKind::Path, "", "a file that holds the key of policy.listen"),
    Setting::new("policy.write", SettingKind::Switch, "false", "let clients of policy.listen write too: audited"),
    Setting::new("backup.to", SettingKind::Path, "", "a directory, on another disk, to which the node backs itself up"),
    Setting::new(
        "backup.every",
        SettingKind::One,
        "1d",
        "how often: a number with m, h or d behind it; at least a minute",
    ),
    Setting::new(
        "backup.keep_daily",
        SettingKind::One,
        "0",
        "of so many days the last backup stays; all three 0: every one",
    ),
    Setting::new("backup.keep_weekly", SettingKind::One, "0", "of so many weeks the last backup stays"),
    Setting::new("backup.keep_monthly", SettingKind::One, "0", "of so many months the last backup stays"),
    Setting::new(
        "limits.session_idle",
        SettingKind::One,
        "1d",
        "how long a session lasts that nobody uses: 15m, 12h, 1d",
    ),
    Setting::new(
        "limits.session_lifetime",
        SettingKind::One,
        "7d",
        "how long a session lasts, however much it is used",
    ),
    Setting::new(
        "log.level",
        SettingKind::One,
        "warn,allod=info",
        "what is logged: error, warn, info, debug, trace, or such for parts; where nobody says it, RUST_LOG does",
    ),
    Setting::new("log.format", SettingKind::One, "text", "how it is logged: text or json"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_one_section_and_one_name_and_each_secret_has_its_twin() {
        for setting in SETTINGS {
            let (section, name) = setting.key.split_once('.').expect("a section");
            for part in [section, name] {
                let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                assert!(!part.is_empty() && part.chars().all(plain), "{}", setting.key);
            }
            assert_eq!(SETTINGS.iter().filter(|other| other.key == setting.key).count(), 1, "{}", setting.key);
            assert!(!setting.help.is_empty() && !setting.help.ends_with('.'), "{}", setting.key);
            if setting.kind == SettingKind::Secret {
                let twin = Setting::of(&format!("{}_file", setting.key)).expect("its file");
                assert_eq!(twin.kind, SettingKind::Path, "{}", twin.key);
                assert!(setting.default.is_empty());
            }
        }
    }

    #[test]
    fn no_two_settings_hear_the_same_variable() {
        let mut all: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
        all.extend(SETTINGS.iter().flat_map(|setting| setting.also).map(|also| (*also).to_owned()));
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
