//! What the operator says of the server.

use std::net::IpAddr;
use std::str::FromStr;

use lettre::message::Mailbox;
use lettre::transport::smtp::client::Certificate;
use zeroize::Zeroizing;

/// How the server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// In clear until the server agrees to TLS; nothing of use is said before.
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// In clear: to this machine alone.
    Off,
}

impl MailTls {
    /// The port where nobody says one (RFC 8314, 7.3; RFC 5321, 4.5.4.2).
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            MailTls::StartTls => 587,
            MailTls::Implicit => 465,
            MailTls::Off => 25,
        }
    }
}

impl FromStr for MailTls {
    type Err = SettingsError;
    fn from_str(text: &str) -> Result<Self, SettingsError> {
        match text {
            "starttls" => Ok(MailTls::StartTls),
            "implicit" => Ok(MailTls::Implicit),
            "off" => Ok(MailTls::Off),
            _ => Err(SettingsError("`mail.tls` is starttls, implicit or off".to_owned())),
        }
    }
}

/// Whom letters are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender(pub(crate) Mailbox);

impl FromStr for Sender {
    type Err = SettingsError;
    fn from_str(text: &str) -> Result<Self, SettingsError> {
        let plain = text.len() <= 320 && !text.chars().any(char::is_control);
        let parsed = if plain { text.parse::<Mailbox>().ok() } else { None };
        let wrong = "`mail.from` is an address, as allod@example.org or Allod <allod@example.org>";
        parsed.map(Sender).ok_or_else(|| SettingsError(wrong.to_owned()))
    }
}

/// Settings that do not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(pub String);

/// The server, and who the node is there.
#[derive(Clone)]
pub struct MailSettings {
    /// Its name or number.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    pub tls: MailTls,
    /// Who the node is there, if it is asked.
    pub login: Option<(String, Zeroizing<String>)>,
    /// Whom letters are from.
    pub from: Sender,
    /// PEM: what the server's certificate is checked by, beside what the system trusts.
    pub root: Option<Vec<u8>>,
}

impl std::fmt::Debug for MailSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let MailSettings { host, port, tls, .. } = self;
        f.debug_struct("MailSettings").field("host", host).field("port", port).field("tls", tls).finish_non_exhaustive()
    }
}

/// Whether a host is this machine by its very name.
fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl MailSettings {
    /// Looks at what is said before anything goes by it.
    ///
    /// # Errors
    /// In words for the operator.
    pub fn look_at(&self) -> Result<(), SettingsError> {
        let fail = |text: &str| Err(SettingsError(text.to_owned()));
        let host = self.host.trim_matches(['[', ']']);
        let named = !host.is_empty() && host.len() <= 253;
        if !named || !host.chars().all(|letter| letter.is_ascii_alphanumeric() || "-.:".contains(letter)) {
            return fail("`mail.host` is the name or the number of a server, as smtp.example.org");
        }
        if self.port == 0 {
            return fail("`mail.port` lies between 1 and 65535");
        }
        if self.tls == MailTls::Off && !is_this_machine(host) {
            return fail("`mail.tls` is off for a server on this machine alone (127.0.0.1, ::1 or localhost)");
        }
        if let Some(root) = &self.root {
            let pem = Certificate::from_pem(root).ok();
            if pem.is_none() || !root.windows(11).any(|part| part == b"-----BEGIN ") {
                return fail("`mail.root` holds no certificate in PEM");
            }
        }
        Ok(())
    }
}
