//! Certificates by ACME (RFC 8555): the name is proved by tls-alpn-01 (RFC 8737) on the node's own listener, or by
//! http-01 where something listens on port 80. They are renewed when the authority says (ARI, RFC 9773), which knows of a
//! certificate that it is about to revoke; where it says nothing, when a third of their time is left.

use std::collections::HashMap;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, CertificateIdentifier, ChallengeType, Error, Identifier,
    NewAccount, NewOrder, Order, OrderStatus, Problem, RetryPolicy,
};
use parking_lot::Mutex;
use rand::RngExt;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::time::{sleep, timeout};
use tokio_rustls::rustls::crypto::ring::sign::any_supported_type;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::sign::CertifiedKey;
use vault::data_dir::write_private;
use zeroize::Zeroizing;

use crate::TlsError;
use crate::certificate::{Certificate, read};
use crate::resolver::Resolver;
use crate::tls::Clock;

/// The directory of Let's Encrypt.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// An order ends within so long, or is given up until the next try.
const ORDER: Duration = Duration::from_secs(300);
/// After the first failure it is tried again so much later, twice as much after each other one.
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// So much later, when the authority only asked to be asked again (RFC 8555, 6.5).
const FIRST_WAIT_FOR_A_NONCE: Duration = Duration::from_secs(1);
/// And never later than this.
const LAST_WAIT: Duration = Duration::from_secs(6 * 3_600);
/// Authorities count failures by the hour.
const LIMITED_WAIT: Duration = Duration::from_secs(3_600);
/// It is looked so often at the clock, which can be set.
const LOOK: Duration = Duration::from_secs(600);

/// The authority is asked when to renew no more often than this, and no less, whatever it says (RFC 9773, 4.3.2).
const ASKED: std::ops::RangeInclusive<Duration> = Duration::from_secs(3_600)..=Duration::from_secs(24 * 3_600);
/// Asked for its advice it answers within so long.
const ADVICE: Duration = Duration::from_secs(60);
/// What is valid for less, in seconds, is renewed by its own time: it would be asked about once, or never.
const ADVISED: i64 = 24 * 3_600;

/// Whom to ask, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeOptions {
    /// The directory `certs` of the node.
    pub dir: PathBuf,
    /// The node's public host.
    pub host: Option<String>,
    /// Where the authority writes to when a certificate ends.
    pub email: Option<String>,
    /// The directory of the authority (`https://`). Its terms are agreed to.
    pub directory: String,
    /// A file with the root that the authority's own server is under, if the system does not know it.
    pub root: Option<PathBuf>,
    /// Whether something answers on port 80 what [`crate::Tls::answer`] says.
    pub by_http: bool,
}

impl AcmeOptions {
    /// The host, if it is one that ACME certifies.
    fn name(&self) -> Result<String, TlsError> {
        let host = self.host.as_deref().unwrap_or_default();
        match ServerName::try_from(host.to_owned()) {
            Ok(ServerName::DnsName(name)) if name.as_ref() != "localhost" => Ok(name.as_ref().to_ascii_lowercase()),
            _ if host.is_empty() => Err(TlsError::NoName("nothing".to_owned())),
            _ => Err(TlsError::NoName(format!("`{host}`"))),
        }
    }

    pub(crate) fn check(&self) -> Result<(), TlsError> {
        self.name()?;
        if let Some(root) = &self.root {
            let malformed = |reason: String| TlsError::NoCertificate { path: root.clone(), reason };
            CertificateDer::from_pem_slice(&read(root)?).map_err(|error| malformed(error.to_string()))?;
        }
        Ok(())
    }
}

/// What is kept of an account. The key within makes it private.
#[derive(Serialize, Deserialize)]
struct Kept {
    email: Option<String>,
    credentials: AccountCredentials,
}

/// A node's dealings with one authority.
pub(crate) struct Acme {
    options: AcmeOptions,
    name: String,
    /// What is kept of this authority: an account here is none there.
    dir: PathBuf,
    resolver: Arc<Resolver>,
    /// What http-01 answers, by token.
    answers: Mutex<HashMap<String, String>>,
}

/// When the authority would have a certificate renewed.
struct Advice {
    /// That it is about (DER).
    of: Vec<u8>,
    /// A moment within the time that it names, drawn once; `None`: it names none.
    at: Option<i64>,
    /// It is asked again then, in seconds since 1970.
    again: i64,
}

/// When to renew what is valid from and until these: when the authority says, but never at once after it was issued, and
/// with a sixth of its time left at the latest. Else when a third is left.
fn renew_at((from, until): (i64, i64), advised: Option<i64>) -> i64 {
    let left = |part: i64| until - (until - from) / part;
    // Authorities set the begin back by an hour.
    advised.map_or_else(|| left(3), |at| at.max(from.saturating_add(7_200)).min(left(6)))
}

/// Whether an authority is asked about what is valid from and until these.
fn is_advised((from, until): (i64, i64)) -> bool {
    until.saturating_sub(from) >= ADVISED
}

/// Any moment between two: not all who are told the same come together (RFC 9773, 4.2).
fn drawn(start: i64, end: i64) -> i64 {
    if start < end { rand::rng().random_range(start..end) } else { start }
}

/// Takes back what was shown to the authority, however the order ends.
struct Published<'a>(&'a Acme);

impl Drop for Published<'_> {
    fn drop(&mut self) {
        self.0.answers.lock().clear();
        self.0.resolver.hide(&self.0.name);
    }
}

impl Acme {
    /// Takes up the certificate of last time, if there is one.
    pub(crate) fn open(options: AcmeOptions, resolver: Arc<Resolver>) -> Result<Acme, TlsError> {
        let name = options.name()?;
        let authority = HEXLOWER.encode(Sha256::digest(options.directory.as_bytes()).get(..8).unwrap_or_default());
        let dir = options.dir.join("acme").join(authority);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(|error| TlsError::Unreadable { path: dir.clone(), reason: error.to_string() })?;
        let acme = Acme { options, name, dir, resolver, answers: Mutex::default() };
        let path = acme.file();
        match Certificate::load(&path, &path) {
            Ok(certificate) if certificate.is_for(&acme.name) => acme.resolver.put(certificate),
            Err(TlsError::Unreadable { .. }) if !path.exists() => {}
            Ok(_) | Err(_) => tracing::warn!("{} is of no use; a new certificate is asked for", path.display()),
        }
        Ok(acme)
    }

    /// Certificate and key, in one file: one is never there without the other.
    fn file(&self) -> PathBuf {
        self.dir.join(format!("{}.pem", self.name))
    }

    pub(crate) fn answer(&self, token: &str) -> Option<String> {
        self.answers.lock().get(token).cloned()
    }

    /// Asks for a certificate whenever it is time to. `told` hears how each try ended.
    pub(crate) async fn tend(&self, now: &Clock, told: impl Fn(Result<(), TlsError>)) {
        let mut failures = Failures::default();
        let mut advice: Option<Advice> = None;
        loop {
            let current = self.resolver.current();
            if let Some(current) = current.as_ref().filter(|c| is_advised((c.not_before, c.not_after))) {
                let of = current.key.cert.first().map(|der| der.to_vec()).unwrap_or_default();
                if advice.as_ref().is_none_or(|advice| advice.of != of || advice.again <= now()) {
                    advice = Some(self.advised(of, advice, now).await);
                }
            } else {
                advice = None;
            }
            let advised = advice.as_ref().and_then(|advice| advice.at);
            let left = current.map_or(0, |current| renew_at((current.not_before, current.not_after), advised) - now());
            if let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) {
                sleep(Duration::from_secs(left).min(LOOK)).await;
                continue;
            }
            // An authority that advises is told what is replaced (RFC 9773, 5): it may count renewals apart. After a try
            // that failed, whatever was wrong, it is told nothing: an order that replaces nothing every authority knows.
            let replaced = advice.as_ref().filter(|advice| advice.at.is_some() && failures.is_none());
            let outcome = timeout(ORDER, self.obtain(replaced.map(|advice| advice.of.as_slice()), now)).await;
            let outcome = outcome.unwrap_or_else(|_| Err(Tried::of("it took longer than five minutes")));
            match outcome {
                Ok(()) => {
                    failures = Failures::default();
                    told(Ok(()));
                }
                Err(tried) => {
                    told(Err(self.failed(tried.reason)));
                    sleep(failures.one_more(tried.why)).await;
                }
            }
        }
    }

    /// When the authority would have the certificate renewed. Where it does not say, what it said before counts.
    async fn advised(&self, of: Vec<u8>, before: Option<Advice>, now: &Clock) -> Advice {
        let before = before.filter(|before| before.of == of).and_then(|before| before.at);
        let asked = async {
            let der = CertificateDer::from(of.as_slice());
            let id = CertificateIdentifier::try_from(&der).map_err(Tried::of)?;
            Ok::<_, Tried>(self.account().await?.renewal_info(&id).await?)
        };
        match timeout(ADVICE, asked).await.unwrap_or_else(|_| Err(Tried::of("it did not answer within a minute"))) {
            Ok((info, again)) => {
                let window = info.suggested_window;
                let (start, end) = (window.start.unix_timestamp(), window.end.unix_timestamp());
                // Drawn once: a moment that is drawn anew at each asking comes ever earlier.
                let at = before.filter(|at| (start..=end).contains(at)).unwrap_or_else(|| drawn(start, end));
                let again = again.clamp(*ASKED.start(), *ASKED.end());
                Advice { of, at: Some(at), again: now() + i64::try_from(again.as_secs()).unwrap_or(i64::MAX) }
            }
            Err(tried) => {
                tracing::debug!(target: "allod", reason = tried.reason, "the authority says nothing of when to renew");
                Advice { of, at: before, again: now() + i64::try_from(ASKED.end().as_secs()).unwrap_or(i64::MAX) }
            }
        }
    }

    fn failed(&self, reason: String) -> TlsError {
        TlsError::NotIssued { directory: self.options.directory.clone(), host: self.name.clone(), reason }
    }

    /// One certificate, by whichever proof the authority takes.
    async fn obtain(&self, replaced: Option<&[u8]>, now: &Clock) -> Result<(), Tried> {
        let account = self.account().await?;
        let ways: &[ChallengeType] = if self.options.by_http {
            &[ChallengeType::TlsAlpn01, ChallengeType::Http01]
        } else {
            &[ChallengeType::TlsAlpn01]
        };
        let der = replaced.map(CertificateDer::from);
        let mut replaced = der.as_ref().and_then(|der| CertificateIdentifier::try_from(der).ok());
        let mut failed: Option<Tried> = None;
        for way in ways {
            match self.order(&account, way, replaced.as_ref(), now).await {
                Ok(()) => return Ok(()),
                Err(tried) if tried.why != Why::Other => {
                    if tried.why == Why::UnknownAccount {
                        // The authority has forgotten us: the next try makes a new account.
                        let _ = std::fs::remove_file(self.dir.join("account.json"));
                    }
                    return Err(tried);
                }
                Err(tried) => {
                    // As after a try that failed.
                    replaced = None;
                    let before = failed.take().map(|before| format!("{}; ", before.reason)).unwrap_or_default();
                    failed = Some(Tried::of(format!("{before}{}: {}", spelt(way), tried.reason)));
                }
            }
        }
        Err(failed.unwrap_or_else(|| Tried::of("there is no way to prove the name")))
    }

    /// The account of last time, or a new one.
    async fn account(&self) -> Result<Account, Tried> {
        let path = self.dir.join("account.json");
        let builder = || match &self.options.root {
            Some(root) => Account::builder_with_root(root),
            None => Account::builder(),
        };
        let contact = self.options.email.as_ref().map(|email| format!("mailto:{email}"));
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let kept = read(&path).ok().and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
        let (account, kept) = match kept {
            Some(kept) if kept.email == self.options.email => {
                return Ok(builder()?.from_credentials(kept.credentials).await?);
            }
            Some(kept) => {
                // Credentials are made for one use; what is written back is read anew.
                let text = Zeroizing::new(serde_json::to_vec(&kept.credentials).map_err(Error::from)?);
                let account = builder()?.from_credentials(kept.credentials).await?;
                account.update_contacts(&contact).await?;
                let credentials = serde_json::from_slice(&text).map_err(Error::from)?;
                (account, Kept { email: self.options.email.clone(), credentials })
            }
            None => {
                let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
                let (account, credentials) = builder()?.create(&new, self.options.directory.clone(), None).await?;
                (account, Kept { email: self.options.email.clone(), credentials })
            }
        };
        let text = Zeroizing::new(serde_json::to_vec(&kept).map_err(Error::from)?);
        write_private(&path, &text).map_err(|error| Tried::of(format!("{}: {error}", path.display())))?;
        Ok(account)
    }

    /// One order, its name proved in this way.
    async fn order(
        &self,
        account: &Account,
        way: &ChallengeType,
        replaced: Option<&CertificateIdentifier<'_>>,
        now: &Clock,
    ) -> Result<(), Tried> {
        let published = Published(self);
        let names = [Identifier::Dns(self.name.clone())];
        let new = |replaced: Option<&CertificateIdentifier<'_>>| match replaced {
            Some(replaced) => NewOrder::new(&names).replaces(replaced.clone().into_owned()),
            None => NewOrder::new(&names),
        };
        let mut order = match account.new_order(&new(replaced)).await {
            // It was replaced already, by an order that was broken off.
            Err(Error::Api(problem)) if replaced.is_some() && kind(&problem) == Some("alreadyReplaced") => {
                account.new_order(&new(None)).await?
            }
            order => order?,
        };
        self.prove(&mut order, way).await?;
        let patience = RetryPolicy::default().timeout(Duration::from_secs(90));
        if order.poll_ready(&patience).await? != OrderStatus::Ready {
            return Err(Tried::of(why(&mut order).await));
        }
        drop(published);
        let key = KeyPair::generate().map_err(Tried::of)?;
        let params = CertificateParams::new(vec![self.name.clone()]).map_err(Tried::of)?;
        let request = params.serialize_request(&key).map_err(Tried::of)?;
        order.finalize_csr(request.der()).await?;
        let chain = order.poll_certificate(&patience).await?;
        let pem = Zeroizing::new(format!("{}{chain}", key.serialize_pem()));
        let path = self.file();
        let certificate = Certificate::parse(pem.as_bytes(), pem.as_bytes(), &path, &path).map_err(Tried::of)?;
        certificate.check(now(), Some(&self.name), &path).map_err(Tried::of)?;
        write_private(&path, pem.as_bytes()).map_err(|error| Tried::of(format!("{}: {error}", path.display())))?;
        tracing::info!(target: "allod", name = %self.name, "there is a new certificate by ACME");
        self.resolver.put(certificate);
        Ok(())
    }

    /// Shows the authority that the name is ours, and tells it to look.
    async fn prove(&self, order: &mut Order, way: &ChallengeType) -> Result<(), Tried> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            match authorization.status {
                AuthorizationStatus::Valid => continue,
                AuthorizationStatus::Pending => {}
                other => return Err(Tried::of(format!("the authorization is {other:?}"))),
            }
            let mut challenge =
                authorization.challenge(way.clone()).ok_or_else(|| Tried::of("the authority does not offer this"))?;
            let proof = challenge.key_authorization();
            match way {
                ChallengeType::Http01 => {
                    self.answers.lock().insert(challenge.token.clone(), proof.as_str().to_owned());
                }
                _ => self.resolver.show(&self.name, self.proof(proof.digest().as_ref()).map_err(Tried::of)?),
            }
            challenge.set_ready().await?;
        }
        Ok(())
    }

    /// The certificate that shows an authority the digest of its challenge (RFC 8737, 3).
    fn proof(&self, digest: &[u8]) -> Result<CertifiedKey, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![self.name.clone()])?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let certificate = params.self_signed(&key)?;
        let secret = PrivateKeyDer::try_from(key.serialize_der()).map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        let signing = any_supported_type(&secret).map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        Ok(CertifiedKey::new(vec![certificate.der().clone()], signing))
    }
}

/// The last word of a problem's type, by which authorities name it (RFC 8555, 6.7).
fn kind(problem: &Problem) -> Option<&str> {
    problem.r#type.as_deref().and_then(|kind| kind.rsplit(':').next())
}

/// An order that did not end well.
#[derive(Debug)]
struct Tried {
    reason: String,
    why: Why,
}

/// What the next try has to know of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// Too many were tried: the authority wants to be left alone.
    Limited,
    /// The account is none that the authority knows.
    UnknownAccount,
    /// A nonce was refused more often than the client asks again: nothing is wrong, and the next one may be taken.
    BadNonce,
    Other,
}

impl Tried {
    fn of(reason: impl std::fmt::Display) -> Tried {
        Tried { reason: reason.to_string(), why: Why::Other }
    }
}

impl From<Error> for Tried {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Api(problem) => kind(problem),
            _ => None,
        };
        let why = match kind {
            Some("rateLimited") => Why::Limited,
            Some("accountDoesNotExist") => Why::UnknownAccount,
            Some("badNonce") => Why::BadNonce,
            _ => Why::Other,
        };
        // A client says what it did; what went wrong stands in the causes.
        let mut reason = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            let said = inner.to_string();
            if !reason.contains(&said) {
                reason = format!("{reason}: {said}");
            }
            cause = inner.source();
        }
        Tried { reason, why }
    }
}

/// What the authority says of a proof that it did not take.
async fn why(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { continue };
        let said = state.challenges.iter().filter_map(|challenge| challenge.error.as_ref()).next();
        if let Some(problem) = said {
            return problem.detail.clone().unwrap_or_else(|| problem.to_string());
        }
    }
    "the authority did not take the proof".to_owned()
}

fn spelt(way: &ChallengeType) -> &'static str {
    match way {
        ChallengeType::Http01 => "http-01",
        _ => "tls-alpn-01",
    }
}

/// Failures in a row. Nonces that were refused are counted apart: after one of them nothing that is wrong is asked for
/// again sooner, and after something that is wrong no nonce is waited for longer.
#[derive(Debug, Default)]
struct Failures {
    nonces: u32,
    others: u32,
}

impl Failures {
    fn is_none(&self) -> bool {
        self.nonces == 0 && self.others == 0
    }

    /// Counts one more; how long to wait after it.
    fn one_more(&mut self, why: Why) -> Duration {
        let count = if why == Why::BadNonce { &mut self.nonces } else { &mut self.others };
        *count = count.saturating_add(1);
        wait(*count, why)
    }
}

/// How long to wait after so many failures in a row; nodes that failed together do not come again together.
fn wait(failures: u32, why: Why) -> Duration {
    let first = if why == Why::BadNonce { FIRST_WAIT_FOR_A_NONCE } else { FIRST_WAIT };
    let doubled = first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16))).min(LAST_WAIT);
    let least = if why == Why::Limited { doubled.max(LIMITED_WAIT) } else { doubled };
    least + least.mul_f64(rand::rng().random_range(0.0..0.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_waited_out_longer_and_longer_but_not_for_ever() {
        let within = |failures, why, least: u64, most: u64| {
            let waited = wait(failures, why).as_secs();
            assert!((least..=most).contains(&waited), "{failures} {why:?}: {waited}");
        };
        within(1, Why::Other, 60, 66);
        within(2, Why::Other, 120, 132);
        within(6, Why::Other, 1_920, 2_112);
        within(1, Why::Limited, 3_600, 3_960);
        within(1, Why::BadNonce, 1, 2);
        within(4, Why::BadNonce, 8, 9);
        for many in [20, 100, u32::MAX] {
            for why in [Why::Other, Why::Limited, Why::BadNonce] {
                within(many, why, 21_600, 23_760);
            }
        }
    }

    #[test]
    fn nonces_that_were_refused_are_counted_apart() {
        let mut failures = Failures::default();
        assert!(failures.is_none());
        let mut waited = |why| failures.one_more(why).as_secs();
        let first: Vec<u64> = (0..6).map(|_| waited(Why::BadNonce)).collect();
        assert!((32..=36).contains(&first[5]), "{first:?}");
        assert!((60..=66).contains(&waited(Why::Other)), "the first of its kind");
        assert!((64..=71).contains(&waited(Why::BadNonce)));
        assert!((120..=132).contains(&waited(Why::Other)), "control");
        assert!(!failures.is_none());
    }

    #[test]
    fn an_authority_says_when_to_renew_within_reason() {
        const DAY: i64 = 86_400;
        let at = |advised| renew_at((0, 90 * DAY), advised);
        assert_eq!(at(None), 60 * DAY, "it says nothing: a third is left");
        for advised in [DAY, 61 * DAY, 75 * DAY] {
            assert_eq!(at(Some(advised)), advised);
        }
        assert_eq!(at(Some(89 * DAY)), 75 * DAY, "later than is safe");
        for past in [i64::MIN, -DAY, 0] {
            assert_eq!(at(Some(past)), 7_200, "at once, but not one order after the other");
        }
        for (lasts, is) in [(9, false), (DAY - 1, false), (DAY, true), (90 * DAY, true)] {
            assert_eq!(is_advised((7, 7 + lasts)), is, "{lasts}");
        }
        for (start, end) in [(5, 9), (5, 5), (9, 5)] {
            assert!((start..=end.max(start)).contains(&drawn(start, end)));
        }
    }

    #[test]
    fn what_an_authority_says_is_told_apart() {
        let said = |kind: &str| {
            let problem = serde_json::json!({ "type": kind, "detail": "too many certificates" });
            Tried::from(Error::Api(serde_json::from_value(problem).unwrap()))
        };
        let limited = said("urn:ietf:params:acme:error:rateLimited");
        assert!(limited.why == Why::Limited && limited.reason.contains("too many certificates"));
        for (kind, why) in
            [("accountDoesNotExist", Why::UnknownAccount), ("badNonce", Why::BadNonce), ("malformed", Why::Other)]
        {
            assert_eq!(said(&format!("urn:ietf:params:acme:error:{kind}")).why, why, "{kind}");
        }
    }
}
