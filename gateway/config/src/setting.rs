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
        let provider = || {
            let (name, rest) = key.strip_prefix(PROVIDERS)?.split_once('.')?;
            let of_key = |setting: &&Setting| setting.key.strip_prefix(EACH_PROVIDER) == Some(rest);
            PROVIDER_SETTINGS.iter().find(of_key).filter(|_| is_provider_name(name))
        };
        SETTINGS.iter().find(|setting| setting.key == key).or_else(provider)
    }

    /// The key that a variable says of a provider: `ALLOD_OIDC_GOOGLE_CLIENT_ID` is `oidc.google.client_id`.
    pub(crate) fn of_provider_variable(variable: &str) -> Option<String> {
        let rest = variable.strip_prefix("ALLOD_OIDC_")?.to_ascii_lowercase();
        // `CLIENT_SECRET_FILE` is the end that is meant, and not `FILE` of a provider `x_client_secret`.
        let ends = PROVIDER_SETTINGS.iter().filter_map(|setting| {
            let end = setting.key.strip_prefix(EACH_PROVIDER)?;
            Some((rest.strip_suffix(end)?.strip_suffix('_')?.replace('_', "-"), end))
        });
        let (name, end) = ends.max_by_key(|(_, end)| end.len())?;
        is_provider_name(&name).then(|| format!("{PROVIDERS}{name}.{end}"))
    }
}

/// What the keys of providers begin with, and what stands for the name in [`PROVIDER_SETTINGS`].
pub(crate) const PROVIDERS: &str = "oidc.";
pub(crate) const EACH_PROVIDER: &str = "oidc.NAME.";

/// Whether a provider can be called so: it stands in addresses and in variables.
pub(crate) fn is_provider_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=32).contains(&name.len()) && name.chars().all(plain) && name.starts_with(|c: char| c.is_ascii_lowercase())
}

/// The settings of each outside provider of sign-ins, `NAME` being what it is called here.
pub const PROVIDER_SETTINGS: &[Setting] = &[
    Setting::new(
        "oidc.NAME.issuer",
        SettingKind::One,
        "",
        "an OpenID Connect provider by which people sign in, as https://accounts.example.org",
    ),
    Setting::new("oidc.NAME.client_id", SettingKind::One, "", "what the provider knows this node by"),
    Setting::new("oidc.NAME.client_secret", SettingKind::Secret, "", "what this node proves it by to the provider"),
    Setting::new("oidc.NAME.client_secret_file", SettingKind::Path, "", "a file that holds the client's secret"),
    Setting::new("oidc.NAME.label", SettingKind::One, "", "what people read on the button; without it NAME"),
    Setting::new("oidc.NAME.scopes", SettingKind::Many, "profile,email", "what is asked for beside openid"),
    Setting::new(
        "oidc.NAME.create_accounts",
        SettingKind::Switch,
        "false",
        "make an account for whoever the provider signs in, and has none yet; else people link theirs first",
    ),
    Setting::new(
        "oidc.NAME.allowed_domains",
        SettingKind::Many,
        "",
        "let in only who has a verified address of e-mail in one of these domains",
    ),
    Setting::new("oidc.NAME.allowed_groups", SettingKind::Many, "", "let in only who is in one of these groups there"),
    Setting::new("oidc.NAME.groups_claim", SettingKind::One, "groups", "the claim that lists a person's groups there"),
];

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
        "http.outbound_allow",
        SettingKind::Many,
        "",
        "ranges in which the node may call providers of sign-ins, places at other nodes and documents of apps, beside public addresses over https",
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
        "http.keep_alive",
        SettingKind::One,
        "75s",
        "how long a connection is kept on which no request comes: longer than a proxy in front of the node keeps it",
    ),
    Setting::new(
        "http.max_body",
        SettingKind::One,
        "16MiB",
        "the largest body of a request, from 64KiB to 16MiB: of documents and definitions, since others have 1MiB and forms 64KiB",
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
        "p2p.announce",
        SettingKind::Many,
        "",
        "where devices and replicas reach the node, if not where it listens, as /ip4/203.0.113.7/tcp/4001: behind a published port, say",
    ),
    Setting::new(
        "p2p.peers",
        SettingKind::Many,
        "",
        "where replicas, and the node that this one joined, are reached now, as /ip4/203.0.113.7/tcp/4001/p2p/PEER: one has moved, say",
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
    Setting::new(
        "backup.to",
        SettingKind::Path,
        "",
        "a directory on another disk, s3://BUCKET/PREFIX, or https://HOST/places/NAME at another node, to which the node backs \
         itself up",
    ),
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
    Setting::new("backup.place_secret", SettingKind::Secret, "", "what opens the place at another node"),
    Setting::new("backup.place_secret_file", SettingKind::Path, "", "a file that holds the secret of that place"),
    Setting::new(
        "backup.place_root",
        SettingKind::Path,
        "",
        "PEM: the root of the other node, if it is an authority of its own: no other is trusted then",
    ),
    Setting::new(
        "backup.s3_endpoint",
        SettingKind::One,
        "",
        "the server of buckets, as https://s3.example.org; without it Amazon's of the region",
    ),
    Setting::new("backup.s3_region", SettingKind::One, "us-east-1", "the region of the buckets"),
    Setting::new("backup.s3_access_key_id", SettingKind::One, "", "the id of the key that opens the buckets"),
    Setting::new("backup.s3_secret_access_key", SettingKind::Secret, "", "that key"),
    Setting::new("backup.s3_secret_access_key_file", SettingKind::Path, "", "a file that holds that key"),
    Setting::new("backup.s3_session_token", SettingKind::Secret, "", "what goes with a key that is good for a while"),
    Setting::new("backup.s3_session_token_file", SettingKind::Path, "", "a file that holds the session token"),
    Setting::new(
        "backup.s3_virtual_hosted",
        SettingKind::Switch,
        "false",
        "name buckets as a part of the server's name, and not of the path",
    ),
    Setting::new("backup.s3_allow_http", SettingKind::Switch, "false", "let backup.s3_endpoint be plain HTTP"),
    Setting::new("backup.keep_monthly", SettingKind::One, "0", "of so many months the last backup stays"),
    Setting::new(
        "mail.host",
        SettingKind::One,
        "",
        "the SMTP server that takes letters to people, as smtp.example.org",
    ),
    Setting::new(
        "mail.port",
        SettingKind::One,
        "",
        "its port; without it 587 for starttls, 465 for implicit, 25 for off",
    ),
    Setting::new(
        "mail.tls",
        SettingKind::One,
        "starttls",
        "starttls; implicit: TLS from the first byte; off: in clear, to a server on this machine alone",
    ),
    Setting::new(
        "mail.root",
        SettingKind::Path,
        "",
        "PEM: the root of the SMTP server, if the system does not know it",
    ),
    Setting::new("mail.user", SettingKind::One, "", "who the node is there; without it the server asks nobody"),
    Setting::new("mail.password", SettingKind::Secret, "", "the password of mail.user"),
    Setting::new("mail.password_file", SettingKind::Path, "", "a file that holds the password of mail.user"),
    Setting::new("mail.from", SettingKind::One, "", "whom letters are from, as Allod <allod@example.org>"),
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
        "oauth.client_metadata",
        SettingKind::Switch,
        "false",
        "let apps ask people that nobody registered here, by a document at an https address that is their client_id: \
         the node calls addresses then that strangers name",
    ),
    Setting::new(
        "oauth.registration",
        SettingKind::One,
        "off",
        "off; token: apps register themselves by a token (allod app registration-token); open: any app does",
    ),
    Setting::new(
        "log.level",
        SettingKind::One,
        "warn,allod=info",
        "what is logged: error, warn, info, debug, trace, or such for parts; where nobody says it, RUST_LOG does",
    ),
    Setting::new("log.format", SettingKind::One, "text", "how it is logged: text or json"),
    Setting::new(
        "trace.endpoint",
        SettingKind::One,
        "",
        "a collector of traces (OTLP over HTTP, protobuf), as http://127.0.0.1:4318/v1/traces; without it nothing is traced",
    ),
    Setting::new("trace.sample", SettingKind::One, "1", "of which share of requests it is told, from 0 to 1"),
    Setting::new(
        "trace.authorization",
        SettingKind::Secret,
        "",
        "what the collector is shown as Authorization, whole, as Bearer …; it goes over https, or on this machine",
    ),
    Setting::new("trace.authorization_file", SettingKind::Path, "", "a file that holds trace.authorization"),
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
