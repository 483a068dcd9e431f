//! Hands letters to the server.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::{Response, Severity};
use tokio::net::TcpStream;

use crate::letter::{Letter, is_named};
use crate::lines::Lines;
use crate::settings::{MailSettings, MailTls, SettingsError};

/// How long it takes at most until the server hears of a letter, and then until it is ready for the text.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// And of that each try to connect.
const CONNECT: Duration = Duration::from_secs(10);
/// Addresses of a name that are tried.
const MAX_ADDRESSES: usize = 8;
/// The longest that is told of what the server said, in letters.
const MAX_REPLY_CHARACTERS: usize = 300;

/// Why a letter was not taken. It is for the operator: what the server says may tell of others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The letter cannot be written as one.
    #[error("the letter is malformed")]
    Malformed,
    /// The server was not reached, or went away.
    #[error("{0} could not be reached: {1}")]
    Unreachable(String, String),
    /// No TLS that holds.
    #[error("there is no TLS with {0}: {1}")]
    Tls(String, String),
    /// It does not let the node in, or does not know its sender.
    #[error("{0} does not let the node in: {1}")]
    Login(String, String),
    /// It does not take the letter now.
    #[error("{0} does not take the letter now: {1}")]
    Later(String, String),
    /// It takes no such letter, now or later.
    #[error("{0} refuses the letter: {1}")]
    Refused(String, String),
}

impl MailError {
    /// Whether this very letter will never be taken; else it may be, once something is put right.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, MailError::Malformed | MailError::Refused(..))
    }

    /// What it is, without the words of the server, which may tell of others: for logs.
    #[must_use]
    pub fn in_short(&self) -> String {
        let mut short = self.clone();
        if let MailError::Unreachable(_, text)
        | MailError::Login(_, text)
        | MailError::Later(_, text)
        | MailError::Refused(_, text) = &mut short
            && let Some((code, _)) = text.split_once(": ")
        {
            *text = code.to_owned();
        }
        short.to_string()
    }
}

/// How long the server is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    /// Until it hears of a letter.
    pub(crate) begin: Duration,
    /// Until it is ready for the text.
    pub(crate) announce: Duration,
    /// While it looks at the letter (RFC 5321, 4.5.3.2.6): many search it for what does harm, and whoever goes sooner sends
    /// it twice.
    pub(crate) look: Duration,
    /// For a farewell.
    pub(crate) farewell: Duration,
}

const TIMEOUTS: Waits =
    Waits { begin: PATIENCE, announce: PATIENCE, look: Duration::from_secs(600), farewell: Duration::from_secs(2) };

/// One server, spoken to by its settings.
#[derive(Clone)]
pub struct Mailer {
    settings: MailSettings,
    pub(crate) waits: Waits,
    /// The node's own name.
    host: String,
    tls: Option<TlsParameters>,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailer").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What the server, or whatever is in its place, said: one line, without what would move the reader's text about.
fn reply_text(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text.chars().map(|letter| if letter.is_ascii_graphic() { letter } else { ' ' }).take(MAX_REPLY_CHARACTERS).collect()
}

impl Mailer {
    /// Speaks to the server of `settings`; `host` is the name of the node.
    ///
    /// # Errors
    /// If the settings do not fit.
    pub fn new(settings: MailSettings, host: &str) -> Result<Mailer, SettingsError> {
        settings.look_at()?;
        if !is_named(host) {
            return Err(SettingsError(format!(
                "the node is reached as {host:?}, which no letter can name: see `public_url`"
            )));
        }
        let unfit = |error: lettre::transport::smtp::Error| SettingsError(format!("`mail`: {}", reply_text(&error)));
        let tls = match settings.tls {
            MailTls::Off => None,
            MailTls::StartTls | MailTls::Implicit => {
                let mut tls = TlsParameters::builder(settings.host.trim_matches(['[', ']']).to_owned());
                if let Some(root) = &settings.root {
                    tls = tls.add_root_certificate(Certificate::from_pem(root).map_err(unfit)?);
                }
                Some(tls.build_rustls().map_err(unfit)?)
            }
        };
        Ok(Mailer { settings, waits: TIMEOUTS, host: host.to_owned(), tls })
    }

    /// The server, as `host:port`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.settings.host, self.settings.port)
    }

    /// Hands a letter over. Once this returns `Ok` the server has it; if it is broken off, it may.
    ///
    /// # Errors
    /// As [`MailError`] says.
    pub async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        let (envelope, bytes) = letter.written(&self.settings.from, &self.host).ok_or(MailError::Malformed)?;
        let begun = tokio::time::timeout(self.waits.begin, self.begin(&envelope)).await;
        let mut connection = begun.unwrap_or_else(|_| Err(self.silent()))?;
        // From here on it is of this letter alone: the next may fare better.
        let late = |_| MailError::Later(self.place(), "it went silent over it".to_owned());
        let announced = tokio::time::timeout(self.waits.announce, announce(&mut connection, &envelope)).await;
        let ready = announced.map_err(late)?.map_err(|error| self.of_the_letter(&error))?;
        if !ready.has_code(354) {
            return Err(MailError::Later(self.place(), format!("{} is no answer to DATA", ready.code())));
        }
        let taken = tokio::time::timeout(self.waits.look, connection.message(&bytes)).await;
        let taken = taken.map_err(late)?.map_err(|error| self.of_the_letter(&error))?;
        if taken.code().severity != Severity::PositiveCompletion {
            return Err(MailError::Later(self.place(), format!("{} is no answer to a letter", taken.code())));
        }
        // It has the letter, whatever it says to a farewell, and when.
        let _ = tokio::time::timeout(self.waits.farewell, connection.quit()).await;
        Ok(())
    }

    /// Tries whether letters arrive, for somebody who waits: all of it within [`PATIENCE`].
    ///
    /// # Errors
    /// As [`MailError`] says.
    pub async fn try_out(&self, letter: &Letter) -> Result<(), MailError> {
        tokio::time::timeout(PATIENCE, self.send(letter)).await.unwrap_or_else(|_| Err(self.silent()))
    }

    fn silent(&self) -> MailError {
        MailError::Unreachable(self.place(), "it did not answer within half a minute".to_owned())
    }

    /// A connection on which the server knows the node, and will hear of a letter from it.
    async fn begin(&self, envelope: &Envelope) -> Result<AsyncSmtpConnection, MailError> {
        let mut connection = self.connect().await?;
        if let Some((user, password)) = &self.settings.login {
            let credentials = Credentials::new(user.clone(), password.to_string());
            let let_in = connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await;
            let_in.map_err(|error| match error.is_permanent() || error.is_client() {
                true => MailError::Login(self.place(), reply_text(&error)),
                false => self.failed(&error),
            })?;
        }
        let from = Mail::new(envelope.from().cloned(), vec![]);
        connection.command(from).await.map_err(|error| self.failed(&error))?;
        Ok(connection)
    }

    /// What a server says before it has heard whom a letter is for says nothing of the letter: it does not know the node,
    /// or not the sender.
    fn failed(&self, error: &lettre::transport::smtp::Error) -> MailError {
        let (place, text) = (self.place(), reply_text(error));
        match error {
            _ if error.is_permanent() => MailError::Login(place, text),
            _ if error.is_transient() => MailError::Later(place, text),
            _ if error.is_tls() => MailError::Tls(place, text),
            _ => MailError::Unreachable(place, text),
        }
    }

    /// What it says to a recipient, or to the text.
    fn of_the_letter(&self, error: &lettre::transport::smtp::Error) -> MailError {
        let (place, text) = (self.place(), reply_text(error));
        let words = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        match error.status().map(u16::from) {
            // It waits for somebody who proves who they are (RFC 4954, 6).
            Some(530 | 534 | 535 | 538) => MailError::Login(place, text),
            // A command, or an order of commands, that it does not know.
            Some(500..=504) => MailError::Later(place, text),
            Some(500..) if is_of_the_node(&words) => MailError::Later(place, text),
            Some(500..) => MailError::Refused(place, text),
            _ => MailError::Later(place, text),
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        let hello = ClientId::Domain(self.host.clone());
        let mut last = "its name leads nowhere".to_owned();
        for address in self.addresses().await? {
            if let (MailTls::Implicit, Some(tls)) = (self.settings.tls, &self.tls) {
                let tls = Some(tls.clone());
                match AsyncSmtpConnection::connect_tokio1(address, Some(CONNECT), &hello, tls, None).await {
                    Ok(begun) => return Ok(begun),
                    Err(error) if error.is_tls() => return Err(self.no_tls(&error)),
                    Err(error) => last = reply_text(&error),
                }
                continue;
            }
            let stream = match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    last = error.kind().to_string();
                    continue;
                }
                Err(_) => {
                    last = "no connection was made within ten seconds".to_owned();
                    continue;
                }
            };
            let begun = AsyncSmtpConnection::connect_with_transport(Box::new(Lines::new(stream)), &hello);
            let mut begun = begun.await.map_err(|error| self.failed(&error))?;
            if let Some(tls) = &self.tls {
                if !begun.can_starttls() {
                    return Err(MailError::Tls(self.place(), "it offers no STARTTLS".to_owned()));
                }
                begun.starttls(tls.clone(), &hello).await.map_err(|error| self.no_tls(&error))?;
            }
            return Ok(begun);
        }
        Err(MailError::Unreachable(self.place(), last))
    }

    /// What went wrong before TLS held says nothing of the letter.
    fn no_tls(&self, error: &lettre::transport::smtp::Error) -> MailError {
        MailError::Tls(self.place(), reply_text(error))
    }

    /// The addresses of the server. The operator named it, so it may lie within the house; but not where clouds tell
    /// machines their secrets, and in clear on this machine alone, whatever its name leads to.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, MailError> {
        let host = self.settings.host.trim_matches(['[', ']']);
        let unreachable = |text: &str| MailError::Unreachable(self.place(), text.to_owned());
        let found = tokio::net::lookup_host((host, self.settings.port)).await;
        let found: Vec<SocketAddr> =
            found.map_err(|_| unreachable("its name leads nowhere"))?.take(MAX_ADDRESSES).collect();
        let may = |address: &SocketAddr| match self.settings.tls {
            MailTls::Off => address.ip().to_canonical().is_loopback(),
            _ => !is_of_a_link(address.ip()),
        };
        let may: Vec<SocketAddr> = found.into_iter().filter(may).collect();
        if may.is_empty() { Err(unreachable("no address of it is one that is called")) } else { Ok(may) }
    }
}

/// Tells whom a letter is for, and that the text comes.
async fn announce(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope,
) -> Result<Response, lettre::transport::smtp::Error> {
    for to in envelope.to() {
        connection.command(Rcpt::new(to.clone(), vec![])).await?;
    }
    connection.command(Data).await
}

/// Whether a refusal is of who sends, by the code that it begins with (RFC 3463): 5.7 is of policy, as where nobody may
/// send on; 5.1.7 and 5.1.8 are of the sender.
fn is_of_the_node(words: &str) -> bool {
    let code = words.split_ascii_whitespace().next().unwrap_or_default();
    code.starts_with("5.7.") || matches!(code, "5.1.7" | "5.1.8")
}

/// Addresses of a link, of no host, or of many.
fn is_of_a_link(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast(),
        IpAddr::V6(ip) => {
            let metadata = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254);
            ip.is_unicast_link_local() || ip.is_unspecified() || ip.is_multicast() || ip == metadata
        }
    }
}
