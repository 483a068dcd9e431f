//! What the node is told: flags, environment, `allod.toml`; and who said what.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use gateway_config::{ConfigError, Environment, Flags, Settings};
use serde_json::json;
use vault::data_dir::DataDir;

use super::duration::seconds;
use super::output::{Exit, Failure, lines, print};
use super::{Common, logging, mail, places, tls};
use crate::backup::{Keep, Schedule};
use crate::directory::Lifetimes;
use crate::engine;
use crate::listen::spelt as listen;
use crate::oidc::ProviderConfig;
use crate::places::{PlaceAccess, PlaceName};
use crate::registration::RegistrationPolicy;
use crate::server::{Options, PolicyApi};
use gateway_http::intake::MaxBody;
use gateway_http::terms::{LARGE_BODY, LEAST_BODY};

/// Shows the settings that count, and who says so; without a command, all of them
#[derive(Debug, Args)]
pub struct Config {
    #[command(subcommand)]
    command: Option<ConfigCommand>,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Whether a node could be served with these settings: reads and checks all, begins nothing
    Check {
        #[command(flatten)]
        flags: Box<ServeFlags>,
    },
}

/// The settings that `serve` takes as flags; each has its place in `allod.toml` and its variable too.
#[derive(Debug, Args)]
pub struct ServeFlags {
    /// Where to listen for HTTP; port 0 picks one [default: 127.0.0.1:8420]
    #[arg(long, alias = "url")]
    listen: Option<String>,
    /// Where to listen for devices and replicas [default: the port of last time on loopback]
    #[arg(long, value_name = "MULTIADDR", alias = "p2paddr")]
    p2p_listen: Vec<String>,
    /// Where devices and replicas reach the node, if not where it listens: behind a published port, say
    #[arg(long, value_name = "MULTIADDR", value_delimiter = ',')]
    p2p_announce: Vec<String>,
    /// Where replicas, and the node that this one joined, are reached now: one has moved, say
    #[arg(long, value_name = "MULTIADDR", value_delimiter = ',', alias = "peers")]
    p2p_peers: Vec<String>,
    /// Addresses that people's replicas may have beside public ones; the operator may name any
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    dial_allow: Vec<String>,
    /// The address under which people and apps reach the node, behind a proxy say: what links and OAuth metadata name
    /// [default: http://127.0.0.1 and the port]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// The proxies in front of the node: their X-Forwarded-For says where a request comes from
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    trusted_proxies: Vec<String>,
    /// Origins whose pages may call the node, as https://app.example.org; * is every one
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',')]
    allowed_origins: Vec<String>,
    /// Serve GET /metrics here, and nothing else, to whoever asks
    #[arg(long, value_name = "ADDRESS")]
    metrics_listen: Option<String>,
    /// Serve TLS: `files` (--tls-cert, --tls-key), `internal` (an authority of the node's own), `acme`, `auto` (ACME where the
    /// name of --public-url is public, else internal), or `off`; alone: whichever fits what is there
    #[arg(long, value_name = "MODE", num_args = 0..=1, default_missing_value = "on")]
    tls: Option<String>,
    /// PEM: the certificate, then those of the authorities behind it; read again when it changes
    #[arg(long, value_name = "FILE", alias = "pubkeypath")]
    tls_cert: Option<PathBuf>,
    /// PEM: the key of the certificate
    #[arg(long, value_name = "FILE", alias = "privkeypath")]
    tls_key: Option<PathBuf>,
    /// Where to listen for TLS [default: --listen]
    #[arg(long, value_name = "ADDRESS")]
    tls_listen: Option<String>,
    /// Where the ACME authority writes to
    #[arg(long, value_name = "EMAIL", alias = "email")]
    acme_email: Option<String>,
    /// Where to send browsers from http:// to --public-url, as 0.0.0.0:80
    #[arg(long, value_name = "ADDRESS")]
    redirect_listen: Option<String>,
    /// Let everybody reach plain HTTP beyond this machine: passwords and data cross the network in clear
    #[arg(long)]
    insecure: bool,
    /// Let the SpiceDB at this address (host:port) answer policy [default: the embedded engine]
    #[arg(long, value_name = "ADDRESS")]
    spicedb: Option<String>,
    /// A file that holds SpiceDB's preshared key
    #[arg(long, value_name = "FILE")]
    spicedb_key_file: Option<PathBuf>,
    /// `system`: trust what the system trusts; `off`: speak in clear, on this machine only; or a file of certificates
    /// [default: system]
    #[arg(long, value_name = "TLS")]
    spicedb_tls: Option<String>,
    /// Serve SpiceDB's API (authzed.api.v1 over gRPC) of this node here; for reading, unless --policy-write
    #[arg(long, value_name = "ADDRESS")]
    policy_listen: Option<String>,
    /// A file that holds the key that clients of --policy-listen must bear
    #[arg(long, value_name = "FILE")]
    policy_key_file: Option<PathBuf>,
    /// Let clients of --policy-listen write too: audited, and never what the node keeps itself
    #[arg(long)]
    policy_write: bool,
    /// How to log: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// What to log: error, warn, info, debug or trace [default: warn,allod=info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl ServeFlags {
    fn to_flags(&self) -> Flags {
        // Who names files by flags means them, whatever a file of settings says.
        let files = self.tls_cert.is_some() || self.tls_key.is_some();
        let tls = self.tls.clone().or_else(|| files.then(|| "files".to_owned()));
        let listed = |list: &[String]| (!list.is_empty()).then(|| list.join(","));
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        Flags::default()
            .with("http.listen", self.listen.as_ref())
            .with("http.public_url", self.public_url.as_ref())
            .with("http.trusted_proxies", listed(&self.trusted_proxies))
            .with("http.allowed_origins", listed(&self.allowed_origins))
            .with("http.metrics_listen", self.metrics_listen.as_ref())
            .with("http.redirect_listen", self.redirect_listen.as_ref())
            .with("http.insecure", self.insecure.then_some(true))
            .with("tls.mode", tls)
            .with("tls.listen", self.tls_listen.as_ref())
            .with("tls.cert", path(&self.tls_cert))
            .with("tls.key", path(&self.tls_key))
            .with("tls.acme_email", self.acme_email.as_ref())
            .with("p2p.listen", listed(&self.p2p_listen))
            .with("p2p.announce", listed(&self.p2p_announce))
            .with("p2p.peers", listed(&self.p2p_peers))
            .with("p2p.dial_allow", listed(&self.dial_allow))
            .with("policy.spicedb", self.spicedb.as_ref())
            .with("policy.spicedb_key_file", path(&self.spicedb_key_file))
            .with("policy.spicedb_tls", self.spicedb_tls.as_ref())
            .with("policy.listen", self.policy_listen.as_ref())
            .with("policy.key_file", path(&self.policy_key_file))
            .with("policy.write", self.policy_write.then_some(true))
            .with("log.format", self.log_format.as_ref())
            .with("log.level", self.log_level.as_ref())
    }

    /// Lays these flags over environment and file.
    pub fn load(&self, common: &Common) -> Result<Settings, Failure> {
        load(common, &self.to_flags())
    }
}

/// What environment and file say.
pub fn load(common: &Common, flags: &Flags) -> Result<Settings, Failure> {
    Ok(Settings::load(common.dir()?.path(), common.config.as_deref(), &Environment::of_process(), flags)?)
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let failure = Failure::usage(error.code, &error.message);
        match &error.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// A secret's text; what is to be warned of goes to the log.
pub fn read(
    secret: &gateway_config::Secret,
    warnings: &mut Vec<String>,
) -> Result<zeroize::Zeroizing<String>, Failure> {
    let (text, warning) = secret.read()?;
    warnings.extend(warning);
    Ok(text)
}

/// How the log is to be written.
pub fn log(settings: &Settings) -> Result<logging::Style, Failure> {
    let json = settings.get_by("log.format", |text| match text {
        "text" => Ok(false),
        "json" => Ok(true),
        _ => Err("it is text or json".to_owned()),
    })?;
    let level = if settings.is_set("log.level") { settings.get::<logging::Level>("log.level")? } else { None };
    Ok(logging::Style { json: json.unwrap_or(false), level })
}

/// Where others reach the node: as many addresses as a code for a device holds.
fn announced(settings: &Settings) -> Result<Vec<sync::Announced>, Failure> {
    let all: Vec<_> = settings.list("p2p.announce")?;
    match all.len() <= sync::pairing::MAX_ADDRS {
        true => Ok(all),
        false => Err(Failure::usage("config_value", "p2p.announce: four addresses are told at most")),
    }
}

/// How long a connection without a request is kept.
fn kept(text: &str) -> Result<u64, String> {
    let kept = seconds(text)?;
    if kept <= 3_600 { Ok(kept) } else { Err("a connection without a request is kept an hour at most".to_owned()) }
}

/// How large bodies are taken: no smaller than what whoever is unknown may send, and no larger than memory is shared out for.
fn max_body(text: &str) -> Result<MaxBody, String> {
    let within = |bytes: &usize| (LEAST_BODY..=LARGE_BODY).contains(bytes);
    let bytes = usize::try_from(super::size::bytes(text)?).ok().filter(within);
    bytes.map(MaxBody).ok_or_else(|| "it is between 64KiB and 16MiB".to_owned())
}

/// How long sessions last.
fn sessions(settings: &Settings) -> Result<Lifetimes, Failure> {
    let lasts = |text: &str| match u32::try_from(seconds(text)?) {
        Ok(lasts @ 300..) => Ok(lasts),
        _ => Err("a session lasts five minutes at least".to_owned()),
    };
    let default = Lifetimes::default();
    Ok(Lifetimes {
        idle: settings.get_by("limits.session_idle", lasts)?.unwrap_or(default.idle),
        absolute: settings.get_by("limits.session_lifetime", lasts)?.unwrap_or(default.absolute),
    })
}

/// The outside providers by which people sign in.
fn providers(settings: &Settings, warnings: &mut Vec<String>) -> Result<Vec<ProviderConfig>, Failure> {
    let mut all = Vec::new();
    for name in settings.providers() {
        let key = |last: &str| format!("oidc.{name}.{last}");
        let needs = |last: &str| {
            Failure::usage("config_incomplete", &format!("{} needs {}", format_args!("oidc.{name}"), key(last)))
        };
        let issuer = settings.get_by(&key("issuer"), issuer)?.ok_or_else(|| needs("issuer"))?;
        let client_id = settings.get::<String>(&key("client_id"))?.ok_or_else(|| needs("client_id"))?;
        let client_secret = match settings.secret(&key("client_secret"))? {
            Some(secret) => Some(read(&secret, warnings)?),
            None => None,
        };
        all.push(ProviderConfig {
            label: settings.get::<String>(&key("label"))?.unwrap_or_else(|| name.clone()),
            issuer,
            client_id,
            client_secret,
            scopes: settings.list(&key("scopes"))?,
            create_accounts: settings.switch(&key("create_accounts"))?,
            allowed_domains: settings.list(&key("allowed_domains"))?,
            allowed_groups: settings.list(&key("allowed_groups"))?,
            groups_claim: settings.get::<String>(&key("groups_claim"))?.unwrap_or_default(),
            name,
        });
    }
    Ok(all)
}

/// An issuer, spelt as the provider spells it: the two are compared letter by letter.
fn issuer(text: &str) -> Result<String, String> {
    let url = url::Url::parse(text).map_err(|error| error.to_string())?;
    let bare =
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    match url.scheme() {
        "https" | "http" if url.has_host() && bare => Ok(text.to_owned()),
        _ => Err("it is an address of https, without a query".to_owned()),
    }
}

/// What `serve` goes by. Reads every secret, and begins nothing.
pub fn options(settings: &Settings, dir: &DataDir, json: bool) -> Result<(Options, Vec<String>), Failure> {
    let mut warnings = settings.warnings.clone();
    let needs = |key: &str, other: &str| Failure::usage("config_incomplete", &format!("{key} needs {other}"));
    let spicedb = match (settings.get::<String>("policy.spicedb")?, settings.secret("policy.spicedb_key")?) {
        (None, _) => None,
        (Some(_), None) => {
            return Err(needs("policy.spicedb (--spicedb)", "policy.spicedb_key_file (--spicedb-key-file)"));
        }
        (Some(address), Some(key)) => {
            let tls = settings.get::<String>("policy.spicedb_tls")?.unwrap_or_default();
            Some(engine::config(&address, &read(&key, &mut warnings)?, &tls)?)
        }
    };
    let writes = settings.switch("policy.write")?;
    let policy = match (settings.get_by("policy.listen", listen)?, settings.secret("policy.key")?) {
        (None, _) if writes => return Err(needs("policy.write (--policy-write)", "policy.listen (--policy-listen)")),
        (None, _) => None,
        (Some(_), None) => return Err(needs("policy.listen (--policy-listen)", "policy.key_file (--policy-key-file)")),
        (Some(listen), Some(key)) => Some(PolicyApi { listen, key: read(&key, &mut warnings)?, writes }),
    };
    let http = settings.get_by("http.listen", listen)?.unwrap_or_default();
    let tls = tls::options(settings, dir, &http)?;
    let options = Options {
        listen: http,
        insecure: settings.switch("http.insecure")?,
        keep_alive: Duration::from_secs(settings.get_by("http.keep_alive", kept)?.unwrap_or(75)),
        max_body: settings.get_by("http.max_body", max_body)?.unwrap_or(MaxBody(LARGE_BODY)),
        p2p_listen: settings.list("p2p.listen")?,
        p2p_announce: announced(settings)?,
        p2p_peers: settings.list("p2p.peers")?,
        dial_allow: settings.list("p2p.dial_allow")?,
        public_url: tls::public_url(settings, tls.as_ref())?,
        trusted_proxies: settings.list("http.trusted_proxies")?,
        allowed_origins: settings.list("http.allowed_origins")?,
        sessions: sessions(settings)?,
        providers: providers(settings, &mut warnings)?,
        mail: mail::settings(settings, &mut warnings)?,
        outbound_allow: settings.list("http.outbound_allow")?,
        client_metadata: settings.switch("oauth.client_metadata")?,
        registration: settings.get::<RegistrationPolicy>("oauth.registration")?.unwrap_or_default(),
        traces: None,
        metrics_listen: settings.get_by("http.metrics_listen", listen)?,
        tls,
        json,
        spicedb,
        policy,
        places: places::access(settings, &mut warnings)?,
        backup: schedule(settings)?,
    };
    match (options.backup.as_ref().map(|backup| &backup.to), &options.places) {
        (Some(PlaceName::S3(_)), PlaceAccess { s3: None, .. }) => {
            return Err(needs("backup.to, which is a bucket,", "backup.s3_access_key_id"));
        }
        (Some(PlaceName::Hosted(_)), PlaceAccess { hosted: None, .. }) => {
            return Err(needs("backup.to, which is a place at another node,", "backup.place_secret_file"));
        }
        _ => {}
    }
    super::trace::settings(settings, &mut warnings)?;
    options.look_at_listeners()?;
    if let Some(tls) = &options.tls {
        let now = policy::wall_clock().0 / 1_000_000;
        warnings.extend(tls.source.check(now)?);
    }
    Ok((options, warnings))
}

/// What the section `backup` says: a place alone is backed up to once a day, and nothing is removed.
fn schedule(settings: &Settings) -> Result<Option<Schedule>, Failure> {
    let count = |key| settings.get::<usize>(key);
    let kept = (count("backup.keep_daily")?, count("backup.keep_weekly")?, count("backup.keep_monthly")?);
    let every = settings.get_by("backup.every", seconds)?.unwrap_or(86_400);
    let Some(to) = settings.get::<PlaceName>("backup.to")? else { return Ok(None) };
    let keep = Keep {
        daily: kept.0.unwrap_or_default(),
        weekly: kept.1.unwrap_or_default(),
        monthly: kept.2.unwrap_or_default(),
    };
    let keep = (keep != Keep { daily: 0, weekly: 0, monthly: 0 }).then_some(keep);
    Ok(Some(Schedule { to, every: Duration::from_secs(every.max(60)), keep }))
}

impl Config {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        match self.command {
            None => {
                let settings = load(common, &Flags::default())?;
                settings.warnings.iter().for_each(|warning| logging::line(&format!("warning: {warning}")));
                let all = serde_json::to_value(settings.views()).unwrap_or_default();
                print(common.json, &all, |_| table(&settings));
            }
            Some(ConfigCommand::Check { flags }) => {
                let settings = flags.load(common)?;
                log(&settings)?;
                let (_, warnings) = options(&settings, &common.dir()?, false)?;
                print(common.json, &json!({ "ok": true, "warnings": warnings }), lines);
            }
        }
        Ok(Exit::Done)
    }
}

/// A line a setting, and what it is for below it.
fn table(settings: &Settings) -> String {
    let one = |setting: gateway_config::SettingView| {
        let value = setting.value.unwrap_or_else(|| "(nothing)".to_owned());
        format!("{} = {value}   [{}]\n    {}", setting.key, setting.source, setting.help)
    };
    settings.views().into_iter().map(one).collect::<Vec<_>>().join("\n")
}
