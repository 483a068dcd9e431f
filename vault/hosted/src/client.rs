//! Requests to the other node: to the address that was named and nowhere else, bounded in time and in what is read, made
//! again where that may help.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::{Host, Url};
use vault_backup::PlaceError;

use crate::address::HostedAddress;
use crate::settings::{HostedSettings, Judge};
use crate::wire::{HOLDER, PlaceStanding};

const CONNECT: Duration = Duration::from_secs(10);
/// Nothing is heard for so long.
const SILENCE: Duration = Duration::from_secs(60);
/// A request takes at most so long, and a second more for each of so many bytes that it sends.
const PATIENCE: Duration = Duration::from_secs(120);
const BYTES_A_SECOND: u64 = 16 << 10;
/// What is read of a list, and of an error.
const LIST: u64 = 4 << 20;
/// Tries, the pause before the second one, and how long all of them may take.
const TRIES: u32 = 7;
const PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(20);
const ALTOGETHER: Duration = Duration::from_secs(180);

/// Asks for things of one place.
pub(crate) struct Client {
    http: reqwest::Client,
    url: Url,
    /// What people call the place.
    pub(crate) name: String,
    settings: HostedSettings,
}

/// What the other node answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
}

/// What is asked.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    /// Behind the path of the place.
    pub(crate) path: &'a str,
    pub(crate) query: &'a [(&'a str, &'a str)],
    pub(crate) body: Option<(&'static str, Bytes)>,
    /// Only where nothing of the name is there.
    pub(crate) only_new: bool,
    /// Who changes something: the holder of the lock.
    pub(crate) holder: Option<&'a str>,
    /// So much is read of the answer.
    pub(crate) most: u64,
}

impl Ask<'_> {
    pub(crate) fn new<'a>(method: Method, path: &'a str, query: &'a [(&'a str, &'a str)]) -> Ask<'a> {
        Ask { method, path, query, body: None, only_new: false, holder: None, most: LIST }
    }
}

/// Resolves the name of the node, and to what may be called alone.
struct Guarded {
    url: Url,
    judge: Judge,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (url, judge) = (self.url.clone(), Arc::clone(&self.judge));
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.take(16).collect();
            if found.is_empty() {
                return Err(Box::from("its name leads nowhere"));
            }
            // All of them: which one is connected to is not chosen here.
            for address in &found {
                judge(&url, address.ip()).map_err(NotAllowed)?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotAllowed(&'static str);

/// Why a try brought no answer.
enum Missed {
    /// The next try may.
    Again(&'static str),
    NotAllowed(&'static str),
    TooLong,
}

#[derive(Deserialize)]
struct ErrorBody {
    code: String,
}

impl Client {
    /// # Errors
    /// If the address may not be called, or the root is no certificate.
    pub(crate) fn new(address: &HostedAddress, settings: &HostedSettings) -> Result<Self, PlaceError> {
        let name = address.to_string();
        let refused = |problem: &str| PlaceError::Refused { place: name.clone(), problem: problem.to_owned() };
        let url = address.url().clone();
        let literal = match url.host() {
            Some(Host::Ipv4(ip)) => Some(ip.into()),
            Some(Host::Ipv6(ip)) => Some(ip.into()),
            _ => None,
        };
        if let Some(ip) = literal {
            (settings.judge)(&url, ip).map_err(refused)?;
        }
        let guarded = Guarded { url: url.clone(), judge: Arc::clone(&settings.judge) };
        let mut http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .user_agent(concat!("allod/", env!("CARGO_PKG_VERSION")))
            .tls_built_in_root_certs(url.scheme() == "https" && settings.root.is_none())
            .dns_resolver(Arc::new(guarded));
        for root in settings.root.iter() {
            let all = reqwest::Certificate::from_pem_bundle(root).map_err(|_| refused("its root is no certificate"))?;
            http = all.into_iter().fold(http, reqwest::ClientBuilder::add_root_certificate);
        }
        let http = http.build().map_err(|_| refused("no connection can be made on this machine"))?;
        Ok(Client { http, url, name, settings: settings.clone() })
    }

    fn request(&self, ask: &Ask<'_>) -> reqwest::RequestBuilder {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{}", self.url.path(), ask.path));
        let mut request = self.http.request(ask.method.clone(), url).query(ask.query);
        request = request.bearer_auth(self.settings.secret.text());
        let mut sends = 0;
        if let Some((kind, body)) = &ask.body {
            sends = body.len() as u64;
            request = request.header("content-type", *kind).body(body.clone());
        }
        if ask.only_new {
            request = request.header("if-none-match", "*");
        }
        if let Some(holder) = ask.holder {
            request = request.header(HOLDER, holder);
        }
        request.timeout(PATIENCE + Duration::from_secs(sends / BYTES_A_SECOND))
    }

    /// One try.
    async fn once(&self, ask: &Ask<'_>) -> Result<(Answer, Option<Duration>), Missed> {
        let mut answer = self.request(ask).send().await.map_err(missed)?;
        let status = answer.status();
        let pause = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let most = if status.is_success() { ask.most } else { LIST };
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(missed)? {
            if (body.len() + part.len()) as u64 > most {
                return Err(Missed::TooLong);
            }
            body.extend_from_slice(&part);
        }
        Ok((Answer { status, body }, pause.map(Duration::from_secs)))
    }

    /// Asks until there is an answer that more tries would not change.
    ///
    /// # Errors
    /// If there is none, or it says that nothing is given.
    pub(crate) async fn ask(&self, ask: Ask<'_>) -> Result<Answer, PlaceError> {
        let (begun, mut pause) = (Instant::now(), PAUSE);
        for n in 1..=TRIES {
            let last = n == TRIES || begun.elapsed() + pause > ALTOGETHER;
            let (problem, wished) = match self.once(&ask).await {
                Ok((answer, wished)) => match answer.status.as_u16() {
                    408 | 429 | 500 | 502 | 503 | 504 => (self.problem_of(&answer), wished),
                    _ => return Ok(answer),
                },
                Err(Missed::Again(problem)) => (problem.to_owned(), None),
                Err(Missed::NotAllowed(why)) => return Err(self.refused(why)),
                Err(Missed::TooLong) => {
                    let problem = "it is longer than anything that was put there";
                    return Err(PlaceError::Damaged { path: self.name.clone(), problem });
                }
            };
            if last {
                return Err(PlaceError::Unreachable { place: self.name.clone(), problem });
            }
            tokio::time::sleep(wished.unwrap_or(pause).min(MAX_PAUSE)).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
        Err(PlaceError::Unreachable { place: self.name.clone(), problem: "no answer came".to_owned() })
    }

    /// As [`Client::ask`], for what succeeds or goes wrong.
    ///
    /// # Errors
    /// As the answer says it.
    pub(crate) async fn done(&self, ask: Ask<'_>) -> Result<Answer, PlaceError> {
        let answer = self.ask(ask).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(self.failed(&answer).await) }
    }

    /// As [`Client::done`], for answers of JSON.
    ///
    /// # Errors
    /// As there, or if it is no such answer.
    pub(crate) async fn read<T: DeserializeOwned>(&self, ask: Ask<'_>) -> Result<T, PlaceError> {
        let answer = self.done(ask).await?;
        serde_json::from_slice(&answer.body).map_err(|_| self.strange())
    }

    /// Whether an answer says, as a node does, that there is no such object.
    pub(crate) fn is_absent(&self, answer: &Answer) -> bool {
        answer.status == StatusCode::NOT_FOUND && code(&answer.body).as_deref() == Some("not_found")
    }

    /// What is wrong with an answer, in words that hold nothing of the other node's but its code.
    pub(crate) async fn failed(&self, answer: &Answer) -> PlaceError {
        match answer.status.as_u16() {
            401 | 403 => self.refused("the secret is wrong, or there is no such place (any more)"),
            // Whoever changed it held it: since then somebody else has it.
            423 => PlaceError::InUse(self.name.clone()),
            507 if code(&answer.body).as_deref() == Some("place_disk_full") => PlaceError::Full {
                place: self.name.clone(),
                problem: "the disk of the node that keeps it is next to full".to_owned(),
            },
            507 => PlaceError::Full { place: self.name.clone(), problem: self.fullness().await },
            300..=399 => self.refused("it sends on to another address: name the one that the node has"),
            404 => self.strange(),
            _ => PlaceError::Unreachable { place: self.name.clone(), problem: self.problem_of(answer) },
        }
    }

    async fn fullness(&self) -> String {
        let standing = match self.once(&Ask::new(Method::GET, "", &[])).await {
            Ok((answer, _)) => serde_json::from_slice::<PlaceStanding>(&answer.body).ok(),
            Err(_) => None,
        };
        let mb = |bytes: u64| bytes.div_ceil(1_000_000);
        match standing {
            Some(standing) => format!("it may take {} MB, and takes {} MB", mb(standing.quota), mb(standing.taken)),
            None => "it takes as much as it may".to_owned(),
        }
    }

    fn refused(&self, why: &str) -> PlaceError {
        PlaceError::Refused { place: self.name.clone(), problem: why.to_owned() }
    }

    pub(crate) fn strange(&self) -> PlaceError {
        let problem = "what answers there is no node, or an older one".to_owned();
        PlaceError::Unreachable { place: self.name.clone(), problem }
    }

    fn problem_of(&self, answer: &Answer) -> String {
        let status = answer.status.as_u16();
        match code(&answer.body) {
            Some(code) => format!("it answered {status} ({code})"),
            None => format!("it answered {status}"),
        }
    }
}

/// The code of a problem, if an answer is one.
fn code(body: &[u8]) -> Option<String> {
    let ErrorBody { code } = serde_json::from_slice(body).ok()?;
    (code.len() <= 64 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')).then_some(code)
}

fn missed(error: reqwest::Error) -> Missed {
    let mut at: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(source) = at {
        if let Some(NotAllowed(why)) = source.downcast_ref() {
            return Missed::NotAllowed(why);
        }
        at = source.source();
    }
    // Not its text: that holds the address, and what the network within is like.
    Missed::Again(match () {
        () if error.is_timeout() => "no answer came in time",
        () if error.is_connect() => "no connection was made",
        () => "the connection broke off",
    })
}

/// A word that is ours alone.
pub(crate) fn random_word(place: &str) -> Result<String, PlaceError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| PlaceError::Unreachable {
        place: place.to_owned(),
        problem: "the system gives no randomness".to_owned(),
    })?;
    Ok(HEXLOWER.encode(&random))
}
