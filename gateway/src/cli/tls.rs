//! TLS from the command line: what the settings mean, and the root that devices are to trust.

use std::path::PathBuf;

use clap::Subcommand;
use gateway_config::Settings;
use gateway_tls::{AcmeOptions, FilesOptions, InternalOptions, Source, TlsError};
use serde_json::json;
use url::{Host, Url};
use vault::data_dir::DataDir;

use super::output::{Exit, Failure, print};
use super::{Common, logging};
use crate::listen::spelt as listen;
use crate::server::{self, TlsOptions};

/// The certificates of the node.
#[derive(Debug, Subcommand)]
pub enum Tls {
    /// The root of the node's own authority, in PEM: what devices are to trust (`--tls internal` makes it)
    Root,
}

impl Tls {
    pub fn run(self, common: &Common) -> Result<Exit, Failure> {
        let path = gateway_tls::root_file(&common.dir()?.certs());
        let Tls::Root = self;
        let (pem, sha256) = gateway_tls::read_root(&path).map_err(|error| match error {
            TlsError::Unreadable { .. } => {
                let message = format!("the node has no authority of its own: there is no {}", path.display());
                Failure::new(Exit::NotFound, "no_root", &message).hint("`allod serve --tls internal` makes it")
            }
            other => other.into(),
        })?;
        if !common.json {
            logging::line(&format!("SHA-256 {sha256}"));
        }
        print(common.json, &json!({ "path": path, "sha256": sha256, "pem": pem }), |_| pem.trim_end().to_owned());
        Ok(Exit::Done)
    }
}

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Self {
        let exit = if matches!(error, TlsError::Failed(_)) { Exit::Failed } else { Exit::Usage };
        Failure::new(exit, error.code(), &error.to_string()).hint(&error.fix())
    }
}

/// Where certificates come from, as the operator says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Off,
    /// Whichever fits: files if they are named, ACME if an address for it is, what lies in `DIR/certs`, else internal.
    On,
    /// As `public_url` has it: off where it says `http://`, ACME where its name is public, else internal; files if they
    /// are named.
    Auto,
    Files,
    Internal,
    Acme,
}

fn mode(text: &str) -> Result<Mode, String> {
    match text {
        "off" => Ok(Mode::Off),
        "on" => Ok(Mode::On),
        "auto" => Ok(Mode::Auto),
        "files" => Ok(Mode::Files),
        "internal" => Ok(Mode::Internal),
        "acme" => Ok(Mode::Acme),
        _ => Err("it is off, files, internal, acme, on or auto".to_owned()),
    }
}

fn incomplete(message: &str) -> Failure {
    Failure::usage("config_incomplete", message)
}

/// The address under which people reach the node. With ACME the name to listen on is one, if it is a name.
pub(super) fn public_url(settings: &Settings, tls: Option<&TlsOptions>) -> Result<Option<String>, Failure> {
    match (settings.get_by("http.public_url", server::public_url)?, tls) {
        (Some(url), Some(_)) if url.starts_with("http://") => {
            let message = "http.public_url says http://, and tls.mode says TLS";
            Err(Failure::usage("config_contradiction", message).hint("say https://, or --tls off behind a proxy"))
        }
        (None, Some(tls)) if tls.named_by_listener => match &tls.source {
            Source::Acme(acme) => Ok(acme.host.as_ref().map(|host| match tls.port {
                443 => format!("https://{host}"),
                port => format!("https://{host}:{port}"),
            })),
            _ => Ok(None),
        },
        (url, _) => Ok(url),
    }
}

/// What the settings of the section `tls` mean for the node in `dir`; `None` if it does without. Begins nothing.
pub(super) fn options(settings: &Settings, dir: &DataDir, http: &str) -> Result<Option<TlsOptions>, Failure> {
    let files = (settings.get::<PathBuf>("tls.cert")?, settings.get::<PathBuf>("tls.key")?);
    let email = settings.get_by("tls.acme_email", email)?;
    let directory = settings.get_by("tls.acme_directory", directory)?.unwrap_or_default();
    let certs = dir.certs();
    let own = (certs.join("server.crt"), certs.join("server.key"));
    let named = files.0.is_some() || files.1.is_some();
    let public = settings.get_by("http.public_url", server::public_url)?.and_then(|url| Url::parse(&url).ok());
    let in_clear = public.as_ref().is_some_and(|url| url.scheme() == "http");
    let named_publicly = public.as_ref().and_then(Url::host_str).is_some_and(gateway_tls::is_public);
    let (mode, files) = match settings.get_by("tls.mode", mode)?.unwrap_or(Mode::Off) {
        Mode::Auto if named => (Mode::Files, files),
        Mode::Auto if in_clear => (Mode::Off, files),
        Mode::Auto if named_publicly => (Mode::Acme, files),
        Mode::Auto => (Mode::Internal, files),
        Mode::Off if named && !settings.is_set("tls.mode") => (Mode::Files, files),
        Mode::On if named => (Mode::Files, files),
        Mode::On if email.is_some() => (Mode::Acme, files),
        Mode::On if own.0.exists() || own.1.exists() => (Mode::Files, (Some(own.0), Some(own.1))),
        Mode::On => (Mode::Internal, files),
        mode => (mode, files),
    };
    let redirect = settings.get_by("http.redirect_listen", listen)?;
    let at = settings.get_by("tls.listen", listen)?;
    let mut host = public.as_ref().and_then(|url| url.host_str().map(str::to_owned));
    let (name, port) = at.as_deref().unwrap_or(http).rsplit_once(':').unwrap_or_default();
    let mut named_by_listener = false;
    if mode == Mode::Acme && host.is_none() && matches!(Host::parse(name), Ok(Host::Domain(_))) {
        (host, named_by_listener) = (Some(name.to_ascii_lowercase()), true);
    }
    let source = match (mode, files) {
        (Mode::Off | Mode::On | Mode::Auto, _) if redirect.is_some() => {
            return Err(incomplete("http.redirect_listen needs TLS (tls.mode): there is nothing to redirect to"));
        }
        (Mode::Off | Mode::On | Mode::Auto, _) if at.is_some() => return Err(incomplete("tls.listen needs tls.mode")),
        (Mode::Off | Mode::On | Mode::Auto, _) => return Ok(None),
        (Mode::Files, (Some(certificate), Some(key))) => Source::Files(FilesOptions { certificate, key, host }),
        (Mode::Files, (None, _)) => return Err(incomplete("TLS from files needs tls.cert (--tls-cert)")),
        (Mode::Files, (_, None)) => return Err(incomplete("TLS from files needs tls.key (--tls-key)")),
        (Mode::Internal, _) => {
            let listening = name.trim_matches(['[', ']']).parse().ok();
            Source::Internal(InternalOptions { dir: certs, host, listening })
        }
        (Mode::Acme, _) => {
            let (root, by_http) = (settings.get::<PathBuf>("tls.acme_root")?, redirect.is_some());
            Source::Acme(AcmeOptions { dir: certs, host, email, directory, root, by_http })
        }
    };
    if redirect.is_some() && public.is_none() && !named_by_listener {
        return Err(incomplete(
            "http.redirect_listen needs http.public_url (--public-url): browsers are sent there alone",
        ));
    }
    let port = port.parse().unwrap_or_default();
    Ok(Some(TlsOptions { source, listen: at, redirect, port, named_by_listener }))
}

fn email(text: &str) -> Result<String, String> {
    let plain = text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, ',' | '?' | '<' | '>'));
    match text.split_once('@') {
        Some((who, host)) if plain && !who.is_empty() && host.contains('.') => Ok(text.to_owned()),
        _ => Err("it is no address for mail, as in you@example.org".to_owned()),
    }
}

fn directory(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if url.scheme() == "https" && url.has_host() {
        Ok(text.to_owned())
    } else {
        Err("it begins with https://".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use gateway_config::{Environment, Flags};

    use super::*;

    /// What the settings in `toml` mean, with `flags` before them.
    fn meant(dir: &std::path::Path, toml: &str, flags: Flags) -> Result<(Option<TlsOptions>, Option<String>), String> {
        std::fs::write(dir.join("allod.toml"), toml).unwrap();
        let settings = Settings::load(dir, None, &Environment::default(), &flags).unwrap();
        let http = settings.get_by("http.listen", listen).unwrap().unwrap();
        let meant = options(&settings, &DataDir::at(dir), &http).and_then(|tls| {
            let url = public_url(&settings, tls.as_ref())?;
            Ok((tls, url))
        });
        meant.map_err(|failure| failure.code)
    }

    #[test]
    fn tls_alone_takes_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |toml: &str, flags: Flags| {
            let (tls, _) = meant(dir.path(), toml, flags).unwrap();
            tls.map_or("off", |tls| tls.source.mode())
        };
        let (on, none) = (|| Flags::default().with("tls.mode", Some("on")), Flags::default);
        assert_eq!(mode("", none()), "off");
        assert_eq!(mode("", on()), "internal");
        assert_eq!(mode("[tls]\ncert = \"c\"\nkey = \"k\"", none()), "files");
        assert_eq!(mode("[tls]\nmode = \"off\"\ncert = \"c\"\nkey = \"k\"", none()), "off");
        assert_eq!(mode("[tls]\ncert = \"c\"\nkey = \"k\"", on()), "files");
        let named = "[http]\npublic_url = \"https://cloud.example.org\"\n[tls]\nacme_email = \"you@example.org\"";
        assert_eq!(mode(named, none()), "off", "an address for mail says nothing by itself");
        assert_eq!(mode(named, on()), "acme");
        std::fs::create_dir(dir.path().join("certs")).unwrap();
        std::fs::write(dir.path().join("certs/server.crt"), "").unwrap();
        assert_eq!(mode("", on()), "files");
        assert_eq!(mode("", Flags::default().with("tls.mode", Some("internal"))), "internal");
    }

    #[test]
    fn tls_by_itself_follows_the_public_address() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |http: &str, tls: &str| {
            let toml = format!("[http]\n{http}\n[tls]\nmode = \"auto\"\n{tls}");
            meant(dir.path(), &toml, Flags::default()).map(|(tls, _)| tls.map_or("off", |tls| tls.source.mode()))
        };
        for (url, wanted) in [
            ("https://cloud.example.org", "acme"),
            ("https://cloud.example.org:8443", "acme"),
            ("https://nas.lan", "internal"),
            ("https://192.168.1.5:8443", "internal"),
            ("https://localhost", "internal"),
            ("http://nas.lan", "off"),
        ] {
            assert_eq!(mode(&format!("public_url = \"{url}\""), ""), Ok(wanted), "{url}");
            let named = mode(&format!("public_url = \"{url}\""), "cert = \"c\"\nkey = \"k\"");
            let contradicts = url.starts_with("http:");
            assert_eq!(named, if contradicts { Err("config_contradiction".to_owned()) } else { Ok("files") }, "{url}");
        }
        assert_eq!(mode("", ""), Ok("internal"));
    }

    #[test]
    fn a_name_that_is_listened_on_is_the_one_for_acme_and_a_public_one_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        let acme = |toml: &str| {
            let flags = Flags::default().with("tls.mode", Some("acme"));
            meant(dir.path(), toml, flags).map(|(tls, url)| match tls.map(|tls| tls.source) {
                Some(Source::Acme(acme)) => (acme.host, url),
                other => panic!("{other:?}"),
            })
        };
        let is = |host: &str, url: &str| Ok((Some(host.to_owned()), Some(url.to_owned())));
        let listening = |at: &str| acme(&format!("[http]\nlisten = \"{at}\""));
        assert_eq!(listening("Cloud.example.org:443"), is("cloud.example.org", "https://cloud.example.org"));
        assert_eq!(listening("cloud.example.org:8443"), is("cloud.example.org", "https://cloud.example.org:8443"));
        assert_eq!(listening("0.0.0.0:443"), Ok((None, None)), "refused when it is looked at: it has no name");
        let both = "[http]\nlisten = \"a.example.org:443\"\npublic_url = \"https://b.example.org\"";
        assert_eq!(acme(both), is("b.example.org", "https://b.example.org"));
        assert_eq!(acme("[http]\npublic_url = \"http://b.example.org\""), Err("config_contradiction".to_owned()));
        assert_eq!(acme("[http]\nredirect_listen = \"0.0.0.0:80\""), Err("config_incomplete".to_owned()));
    }
}
