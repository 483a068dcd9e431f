//! What the node fetches from elsewhere by HTTP because somebody named an address: one client, one set of rules.
//!
//! A node stands behind a firewall, beside services that listen on loopback. So the name is resolved here, once; every
//! address that it has must be a public one, or lie in a range that the operator allows (`http.outbound_allow`); and the
//! connection goes to what was looked at, whatever the name leads to by then. Beyond those ranges only https counts. No
//! proxy of the environment is used, no redirect is followed, and size and time are bounded.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use sync::{Lies, Reach};
use tokio::sync::Semaphore;
use tracing::Instrument as _;
use url::{Host, Url};

/// The longest answer, in bytes.
const MAX_ANSWER: usize = 1 << 20;
/// How long a call takes at most, its answer read.
const PATIENCE: Duration = Duration::from_secs(10);
/// Calls at once, and how long whoever comes beyond waits.
const MAX_CALLS: usize = 16;
const TURN: Duration = Duration::from_secs(5);
/// Addresses of a name that are looked at.
const MAX_ADDRESSES: usize = 16;

/// Why a call came to nothing. It tells the operator what to do, and is not for whoever named the address: what a call
/// met with tells of the network in which this node stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    #[error("{0} is no address that can be called: {1}")]
    Malformed(String, &'static str),
    #[error("{0} is not called: {1}")]
    NotAllowed(String, &'static str),
    #[error("{0} could not be reached: {1}")]
    Unreachable(String, String),
    #[error("{0} answered more than {1} bytes")]
    TooLong(String, usize),
    #[error("too many calls are open; try again")]
    Busy,
}

/// The client.
#[derive(Debug, Clone)]
pub struct Outbound {
    reach: Arc<Reach>,
    calls: Arc<Semaphore>,
    max_answer: usize,
    patience: Duration,
}

impl Outbound {
    /// Calls public addresses, and what `reach` allows beside them.
    pub fn new(reach: Reach) -> Self {
        let (reach, calls) = (Arc::new(reach), Arc::new(Semaphore::new(MAX_CALLS)));
        Outbound { reach, calls, max_answer: MAX_ANSWER, patience: PATIENCE }
    }

    /// The same with smaller answers, in bytes, and less patience.
    #[must_use]
    pub fn bounded(self, max_answer: usize, patience: Duration) -> Self {
        Outbound { max_answer: max_answer.min(MAX_ANSWER), patience: patience.min(PATIENCE), ..self }
    }

    /// Sends a request, and reads the answer whole. An answer that sends elsewhere is an answer.
    ///
    /// # Errors
    /// As [`OutboundError`] says; the request may have been received if the answer was too long or too late.
    pub async fn send(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, OutboundError> {
        let call = tokio::time::timeout(TURN, self.calls.acquire()).await;
        let _call = call.ok().and_then(Result::ok).ok_or(OutboundError::Busy)?;
        // Query and path may hold secrets, and names of others.
        let uri = request.uri().to_string();
        let url =
            Url::parse(&uri).map_err(|_| OutboundError::Malformed("what was named".to_owned(), "it is no URL"))?;
        let place = url.origin().ascii_serialization();
        // Where to is nobody's business but ours: an app's address tells who uses it.
        let call = self.call(&url, &place, request).instrument(gateway_trace::step("outbound call"));
        match tokio::time::timeout(self.patience, call).await {
            Ok(answer) => answer,
            Err(_) => {
                let reason = format!("no whole answer came within {} seconds", self.patience.as_secs());
                Err(OutboundError::Unreachable(place, reason))
            }
        }
    }

    async fn call(
        &self,
        url: &Url,
        place: &str,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, OutboundError> {
        let unreachable = |error: reqwest::Error| {
            let reason = if error.is_connect() { "no connection was made" } else { "the answer broke off" };
            OutboundError::Unreachable(place.to_owned(), reason.to_owned())
        };
        let mut client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        if let Some((name, addresses)) = self.resolve(url, place).await? {
            client = client.resolve_to_addrs(&name, &addresses);
        }
        let client = client.build().map_err(unreachable)?;
        let request = reqwest::Request::try_from(request).map_err(unreachable)?;
        let answer = client.execute(request).await.map_err(unreachable)?;
        let mut whole = http::Response::builder().status(answer.status());
        if let Some(headers) = whole.headers_mut() {
            headers.clone_from(answer.headers());
        }
        let (mut body, mut stream) = (Vec::new(), answer.bytes_stream());
        while let Some(part) = stream.next().await {
            let part = part.map_err(unreachable)?;
            if body.len() + part.len() > self.max_answer {
                return Err(OutboundError::TooLong(place.to_owned(), self.max_answer));
            }
            body.extend_from_slice(&part);
        }
        whole.body(body).map_err(|_| OutboundError::Malformed(place.to_owned(), "its answer is malformed"))
    }

    /// Looks at every address that `url` leads to: of a name, what it is to be called at.
    async fn resolve(&self, url: &Url, place: &str) -> Result<Option<(String, Vec<SocketAddr>)>, OutboundError> {
        let malformed = |reason| OutboundError::Malformed(place.to_owned(), reason);
        if !url.username().is_empty() || url.password().is_some() {
            return Err(malformed("it holds a name or a password"));
        }
        let port = match url.scheme() {
            "https" | "http" => url.port_or_known_default().ok_or_else(|| malformed("it has no port"))?,
            _ => return Err(malformed("it is not of https")),
        };
        let may =
            |ip: IpAddr| may(&self.reach, url, ip).map_err(|why| OutboundError::NotAllowed(place.to_owned(), why));
        match url.host().ok_or_else(|| malformed("it has no host"))? {
            Host::Ipv4(ip) => may(ip.into()).map(|()| None),
            Host::Ipv6(ip) => may(ip.into()).map(|()| None),
            Host::Domain(name) => {
                let unreachable = |reason: &str| OutboundError::Unreachable(place.to_owned(), reason.to_owned());
                let found = tokio::net::lookup_host((name, port)).await;
                let found = found.map_err(|_| unreachable("its name leads nowhere"))?;
                let addresses: Vec<SocketAddr> = found.take(MAX_ADDRESSES).collect();
                if addresses.is_empty() {
                    return Err(unreachable("its name leads nowhere"));
                }
                // All of them: which one is connected to is not chosen here.
                addresses.iter().try_for_each(|address| may(address.ip()))?;
                Ok(Some((name.to_owned(), addresses)))
            }
        }
    }
}

/// Whether what is at `url` may be called at an address that its name leads to; else why not.
///
/// # Errors
/// Why not.
pub fn may(reach: &Reach, url: &Url, ip: IpAddr) -> Result<(), &'static str> {
    let port = url.port_or_known_default().unwrap_or_default();
    match reach.lies(ip) {
        Lies::Allowed => Ok(()),
        Lies::Within => Err("its address is no public one; `http.outbound_allow` names ranges beside those"),
        Lies::Public if url.scheme() != "https" => Err("beyond the ranges of `http.outbound_allow` only https is"),
        Lies::Public if port < 1_024 && port != 443 => Err("below 1024 only port 443 is"),
        Lies::Public => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Answers each connection with `answer`; where.
    async fn server(answer: Vec<u8>) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = answer.clone();
                tokio::spawn(async move {
                    let mut head = [0; 4_096];
                    let _ = stream.read(&mut head).await;
                    let _ = stream.write_all(&answer).await;
                });
            }
        });
        at
    }

    fn loopback() -> Outbound {
        Outbound::new(Reach::new(vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]))
    }

    async fn get(client: &Outbound, url: &str) -> Result<http::Response<Vec<u8>>, OutboundError> {
        client.send(http::Request::get(url).body(Vec::new()).unwrap()).await
    }

    #[tokio::test]
    async fn nothing_within_is_called_unless_the_operator_allows_it() {
        let at = server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi".to_vec()).await;
        let port = at.port();
        for url in [
            format!("http://127.0.0.1:{port}/"),
            format!("https://127.0.0.1:{port}/"),
            format!("http://localhost:{port}/"),
            format!("http://127.1:{port}/"),
            format!("http://2130706433:{port}/"),
            format!("http://0x7f.1:{port}/"),
            format!("http://0177.0.0.1:{port}/"),
            format!("http://[::1]:{port}/"),
            format!("http://[::ffff:127.0.0.1]:{port}/"),
            format!("http://0.0.0.0:{port}/"),
            "http://169.254.169.254/latest/meta-data/".to_owned(),
            "https://10.0.0.1/".to_owned(),
            "http://1.1.1.1/".to_owned(),
            "https://1.1.1.1:25/".to_owned(),
        ] {
            let Ok(request) = http::Request::get(&url).body(Vec::new()) else { continue };
            let refused = Outbound::new(Reach::default()).send(request).await.unwrap_err();
            assert!(matches!(refused, OutboundError::NotAllowed(..)), "{url}: {refused}");
        }
        for url in [format!("http://127.0.0.1:{port}/"), format!("http://localhost:{port}/")] {
            let answer = get(&loopback(), &url).await.unwrap();
            assert_eq!((answer.status().as_u16(), answer.body().as_slice()), (200, b"hi".as_slice()), "control: {url}");
        }
        for url in [format!("http://a:b@127.0.0.1:{port}/"), format!("ftp://127.0.0.1:{port}/")] {
            let refused = get(&loopback(), &url).await.unwrap_err();
            assert!(matches!(refused, OutboundError::Malformed(..)), "{url}: {refused}");
        }
    }

    #[tokio::test]
    async fn an_answer_is_bounded_and_sends_nobody_elsewhere() {
        let inner = server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi".to_vec()).await;
        let on = format!("HTTP/1.1 302 Found\r\nlocation: http://{inner}/\r\ncontent-length: 0\r\n\r\n");
        let at = server(on.into_bytes()).await;
        assert_eq!(get(&loopback(), &format!("http://{at}/")).await.unwrap().status().as_u16(), 302);
        let mut long = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        long.resize(long.len() + MAX_ANSWER + 1, b'a');
        let at = server(long.clone()).await;
        let told = get(&loopback(), &format!("http://{at}/?secret=hidden")).await.unwrap_err();
        assert_eq!(told, OutboundError::TooLong(format!("http://{at}"), MAX_ANSWER));
        long.pop();
        let at = server(long).await;
        assert_eq!(get(&loopback(), &format!("http://{at}/")).await.unwrap().body().len(), MAX_ANSWER, "control");
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let told = get(&loopback(), &format!("http://{gone}/?secret=hidden")).await.unwrap_err();
        assert!(matches!(told, OutboundError::Unreachable(..)) && !told.to_string().contains("hidden"), "{told}");
    }
}
