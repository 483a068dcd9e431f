//! Where the node listens: in clear, over TLS, and on the port that sends browsers from the one to the other.

use std::any::Any;
use std::fmt::Debug;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use actix_http::{HttpService, Protocol, Request, Response};
use actix_server::Server;
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Extensions};
use actix_web::rt::net::TcpStream;
use actix_web::{App, HttpServer, web};
use gateway_tls::{Tls, TlsStream};
use socket2::{Domain, SockRef, Socket, Type};
use sync::IpNet;

use crate::connections::{Connections, NOT_TAKEN};
use crate::over_tls::OverTls;
use crate::redirect;

/// A request's head comes within so long.
pub const HEAD: Duration = Duration::from_secs(10);
/// Over TLS there are three: that, the one in clear on this machine, and the one that redirects.
pub const LISTENERS_OVER_TLS: usize = 3;
/// Connections that the kernel keeps until they are taken.
const BACKLOG: i32 = 1_024;

/// Why the node does not listen at an address.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("`{listen}` is not an address to listen on: {reason}")]
    Address { listen: String, reason: String },
    #[error("{0} lies beyond this machine, where passwords and data would cross the network in clear")]
    InClear(SocketAddr),
    #[error("cannot listen on {at}: {reason}")]
    Failed { at: SocketAddr, reason: String },
}

impl ListenError {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            ListenError::Address { .. } => "bad_listen",
            ListenError::InClear(_) => "http_insecure",
            ListenError::Failed { .. } => "listen_failed",
        }
    }
}

/// An address to listen on, checked in form alone: what a name stands for is looked up when it is listened on.
///
/// # Errors
/// If it is not of that form.
pub fn spelt(text: &str) -> Result<String, String> {
    match text.rsplit_once(':').map(|(host, port)| (host.is_empty(), port.parse::<u16>())) {
        Some((false, Ok(_))) => Ok(text.to_owned()),
        _ => Err("it is ADDRESS:PORT, as in 127.0.0.1:8420 or [::1]:8420".to_owned()),
    }
}

/// The address that a text names.
///
/// # Errors
/// If it is none.
pub fn address(listen: &str) -> Result<SocketAddr, ListenError> {
    let bad = |reason: &str| ListenError::Address { listen: listen.to_owned(), reason: reason.to_owned() };
    listen.to_socket_addrs().map_err(|error| bad(&error.to_string()))?.next().ok_or_else(|| bad("it names no address"))
}

/// Plain HTTP stays on this machine, unless the operator says otherwise: by `http.insecure`, or by naming the proxies
/// that alone are answered then.
///
/// # Errors
/// `http_insecure` if `wished` lies beyond this machine.
pub fn in_clear(wished: SocketAddr, insecure: bool, proxies: &[IpNet]) -> Result<(), ListenError> {
    if wished.ip().to_canonical().is_loopback() || insecure || !proxies.is_empty() {
        return Ok(());
    }
    Err(ListenError::InClear(wished))
}

/// What the system said to that.
pub fn failed(at: SocketAddr, error: impl std::fmt::Display) -> ListenError {
    ListenError::Failed { at, reason: error.to_string() }
}

/// Listens; connections are taken once somebody serves them.
fn socket(wished: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(wished), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&wished.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Serves `factory` over TLS: the server, which does not run yet, and where it listens.
///
/// # Errors
/// If it cannot listen there.
pub fn over_tls<F, I, S, B>(
    wished: SocketAddr,
    workers: usize,
    keep_alive: Duration,
    tls: &Arc<Tls>,
    connections: &Arc<Connections>,
    factory: F,
) -> Result<(Server, SocketAddr), ListenError>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Future: 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as actix_service::Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let listener = socket(wished).map_err(|error| failed(wished, error))?;
    let local = listener.local_addr().map_err(|error| failed(wished, error))?;
    let (tls, connections) = (Arc::clone(tls), Arc::clone(connections));
    let builder = Server::build();
    let ending = builder.graceful_shutdown_signal();
    let server = builder
        .workers(workers)
        .max_concurrent_connections(connections.of_worker())
        .shutdown_timeout(5)
        .disable_signals()
        .listen("tls", listener, move || {
            let (handshakes, marked) = (Arc::clone(&tls), OverTls(Arc::clone(&tls)));
            let connections = Arc::clone(&connections);
            let pages = factory().into_factory().map_err(|error| error.into().error_response());
            let ending = ending.clone();
            let http = HttpService::build()
                // Connections that wait for another request do not hold up the end.
                .graceful_shutdown_signal(move || {
                    let ending = ending.clone();
                    async move { ending.notified().await }
                })
                .client_request_timeout(HEAD)
                .keep_alive(keep_alive)
                .client_disconnect_timeout(Duration::from_secs(1))
                .on_connect_ext(move |stream: &TlsStream<TcpStream>, marks| {
                    marks.insert(marked.clone());
                    connections.take(stream.get_ref().0, marks);
                })
                .finish(map_config(pages, |()| AppConfig::default()));
            fn_service(move |stream: TcpStream| {
                let tls = Arc::clone(&handshakes);
                async move {
                    // The kernel gives up what a peer does not take.
                    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(NOT_TAKEN));
                    let peer = stream.peer_addr().map_err(|_| ())?;
                    // Strangers end handshakes as they like: it is nothing to write down.
                    let stream = tls.accept(stream, peer.ip()).await.map_err(|_| ())?;
                    Ok((stream, Protocol::Http1, Some(peer)))
                }
            })
            .and_then(http.map_err(|_| ()))
        })
        .map_err(|error| failed(wished, error))?
        .run();
    Ok((server, local))
}

/// Counts the connections of a listener in clear.
pub fn counting(connections: Arc<Connections>) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + 'static {
    move |io, marks| {
        if let Some(stream) = io.downcast_ref::<TcpStream>() {
            connections.take(stream, marks);
        }
    }
}

/// What sends browsers to `public` (RFC 9110, 15.4.9) and answers ACME's http-01.
///
/// # Errors
/// If it cannot listen there.
pub fn redirecting(wished: SocketAddr, public: &str, tls: &Arc<Tls>, proxies: &[IpNet]) -> Result<Server, ListenError> {
    let connections = Connections::new(1, LISTENERS_OVER_TLS, proxies.to_vec());
    let (target, tls) = (web::Data::new(redirect::Target(public.to_owned())), web::Data::from(Arc::clone(tls)));
    let server = HttpServer::new(move || {
        let app = App::new().app_data(target.clone()).app_data(tls.clone());
        app.wrap(actix_web::middleware::from_fn(crate::headers::guarded)).default_service(web::to(redirect::answer))
    });
    let server = server
        .workers(1)
        .max_connections(connections.of_worker())
        .on_connect(counting(connections))
        .client_request_timeout(HEAD)
        .shutdown_timeout(1)
        .disable_signals()
        .bind(wished)
        .map_err(|error| failed(wished, error))?;
    Ok(server.run())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine_unless_the_operator_says_otherwise() {
        let refused = |at: &str, insecure, proxies: &[IpNet]| in_clear(at.parse().unwrap(), insecure, proxies).is_err();
        let proxies = ["10.0.0.0/8".parse().unwrap()];
        for here in ["127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert!(!refused(here, false, &[]), "{here}");
        }
        for beyond in ["0.0.0.0:80", "[::]:80", "192.168.1.5:80", "10.0.0.1:0", "[fe80::1]:80", "[::ffff:10.0.0.1]:80"]
        {
            assert!(refused(beyond, false, &[]), "{beyond}");
            assert!(!refused(beyond, true, &[]) && !refused(beyond, false, &proxies), "{beyond}");
        }
    }
}
