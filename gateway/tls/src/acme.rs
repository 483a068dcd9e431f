//! Certificates by ACME (RFC 8555): the name is proved by tls-alpn-01 (RFC 8737) on the node's own listener, or by
//! http-01 where something listens on port 80.

use std::collections::HashMap;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
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
/// And never later than this.
const LAST_WAIT: Duration = Duration::from_secs(6 * 3_600);
/// Authorities count failures by the hour.
const LIMITED_WAIT: Duration = Duration::from_secs(3_600);
/// It is looked so often at the clock, which can be set.
const LOOK: Duration = Duration::from_secs(600);

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

/// Takes back what was shown to the authority, however the order ends.
struct Shown<'a>(&'a Acme);

impl Drop for Shown<'_> {
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
        let mut failures = 0;
        loop {
            let left = self.resolver.current().map_or(0, |current| current.renew_at() - now());
            if let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) {
                sleep(Duration::from_secs(left).min(LOOK)).await;
                continue;
            }
            let outcome = timeout(ORDER, self.obtain(now)).await;
            let outcome = outcome.unwrap_or_else(|_| Err(Tried::of("it took longer than five minutes")));
            match outcome {
                Ok(()) => {
                    failures = 0;
                    told(Ok(()));
                }
                Err(tried) => {
                    failures += 1;
                    told(Err(self.failed(tried.reason)));
                    sleep(wait(failures, tried.limited)).await;
                }
            }
        }
    }

    fn failed(&self, reason: String) -> TlsError {
        TlsError::NotIssued { directory: self.options.directory.clone(), host: self.name.clone(), reason }
    }

    /// One certificate, by whichever proof the authority takes.
    async fn obtain(&self, now: &Clock) -> Result<(), Tried> {
        let account = self.account().await?;
        let ways: &[ChallengeType] = if self.options.by_http {
            &[ChallengeType::TlsAlpn01, ChallengeType::Http01]
        } else {
            &[ChallengeType::TlsAlpn01]
        };
        let mut failed: Option<Tried> = None;
        for way in ways {
            match self.order(&account, way, now).await {
                Ok(()) => return Ok(()),
                Err(tried) if tried.is_unknown_account => {
                    // The authority has forgotten us: the next try makes a new account.
                    let _ = std::fs::remove_file(self.dir.join("account.json"));
                    return Err(tried);
                }
                Err(tried) if tried.limited => return Err(tried),
                Err(tried) => {
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
    async fn order(&self, account: &Account, way: &ChallengeType, now: &Clock) -> Result<(), Tried> {
        let shown = Shown(self);
        let mut order = account.new_order(&NewOrder::new(&[Identifier::Dns(self.name.clone())])).await?;
        self.prove(&mut order, way).await?;
        let patience = RetryPolicy::default().timeout(Duration::from_secs(90));
        if order.poll_ready(&patience).await? != OrderStatus::Ready {
            return Err(Tried::of(why(&mut order).await));
        }
        drop(shown);
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

/// Why an order did not end well.
struct Tried {
    reason: String,
    /// Too many were tried: the authority wants to be left alone.
    limited: bool,
    is_unknown_account: bool,
}

impl Tried {
    fn of(reason: impl std::fmt::Display) -> Tried {
        Tried { reason: reason.to_string(), limited: false, is_unknown_account: false }
    }
}

impl From<Error> for Tried {
    fn from(error: Error) -> Self {
        let is = |kind: &str| matches!(&error, Error::Api(problem) if problem.r#type.as_deref().is_some_and(|said| said.ends_with(kind)));
        let (limited, is_unknown_account) = (is(":rateLimited"), is(":accountDoesNotExist"));
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
        Tried { reason, limited, is_unknown_account }
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

/// How long to wait after so many failures in a row; nodes that failed together do not come again together.
fn wait(failures: u32, limited: bool) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16))).min(LAST_WAIT);
    let least = if limited { doubled.max(LIMITED_WAIT) } else { doubled };
    least + least.mul_f64(rand::rng().random_range(0.0..0.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_waited_out_longer_and_longer_but_not_for_ever() {
        let within = |failures, limited, least: u64, most: u64| {
            let waited = wait(failures, limited).as_secs();
            assert!((least..=most).contains(&waited), "{failures} {limited}: {waited}");
        };
        within(1, false, 60, 66);
        within(2, false, 120, 132);
        within(6, false, 1_920, 2_112);
        within(1, true, 3_600, 3_960);
        for many in [10, 100, u32::MAX] {
            within(many, false, 21_600, 23_760);
            within(many, true, 21_600, 23_760);
        }
    }

    #[test]
    fn what_an_authority_says_is_told_apart() {
        let said = |kind: &str| {
            let problem = serde_json::json!({ "type": kind, "detail": "too many certificates" });
            Tried::from(Error::Api(serde_json::from_value(problem).unwrap()))
        };
        let limited = said("urn:ietf:params:acme:error:rateLimited");
        assert!(limited.limited && !limited.is_unknown_account && limited.reason.contains("too many certificates"));
        assert!(said("urn:ietf:params:acme:error:accountDoesNotExist").is_unknown_account);
        let other = said("urn:ietf:params:acme:error:malformed");
        assert!(!other.limited && !other.is_unknown_account);
    }
}
