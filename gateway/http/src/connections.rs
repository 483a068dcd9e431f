//! How many connections the node takes, and how many of one address: whoever opens many leaves room for the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Extensions, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::rt::net::TcpStream;
use gateway_people::directory::Network;
use parking_lot::Mutex;
use rustix::process::{Resource, getrlimit};
use socket2::SockRef;
use sync::IpNet;

use crate::error::ApiError;

/// A connection whose peer takes nothing for so long ends.
pub const NOT_TAKEN: Duration = Duration::from_secs(60);
/// Connections of one worker at most.
const MAX_CONNECTIONS_OF_WORKER: usize = 4_096;

/// The open connections of a listener.
#[derive(Debug)]
pub struct Connections {
    of_worker: usize,
    of_network: usize,
    /// Who speaks for many: proxies that the operator names.
    proxies: Vec<IpNet>,
    open: Mutex<HashMap<Network, usize>>,
}

/// The mark of a connection that is one too many of its address.
struct OverShare;

/// Does nothing of what came by a connection over the share of its address. Nobody hears that: the connection is ended.
///
/// # Errors
/// Then.
pub async fn within_share<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    if request.conn_data::<OverShare>().is_some() {
        let text = "This address has as many connections as it may have.";
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", text).into());
    }
    next.call(request).await
}

/// One that counts, until it goes.
pub struct Counted {
    all: Arc<Connections>,
    of: Network,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.all.open.lock();
        if let Some(own) = open.get_mut(&self.of) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.of);
            }
        }
    }
}

impl Connections {
    /// For so many workers of one of `listeners`: together as many as half of the files that the process may open allow, and
    /// a quarter of them for one address (an IPv6 network of 64 bits). The other files are for databases and peers.
    pub fn new(workers: usize, listeners: usize, proxies: Vec<IpNet>) -> Arc<Connections> {
        let files = getrlimit(Resource::Nofile).current.map_or(usize::MAX, |files| files as usize);
        Self::of(workers, files / listeners.max(1), proxies)
    }

    fn of(workers: usize, files: usize, proxies: Vec<IpNet>) -> Arc<Connections> {
        let of_worker = (files / 2 / workers.max(1)).clamp(16, MAX_CONNECTIONS_OF_WORKER);
        // A browser opens six.
        let of_network = (of_worker * workers.max(1) / 4).max(16);
        Arc::new(Connections { of_worker, of_network, proxies, open: Mutex::default() })
    }

    /// Connections of one worker at most.
    pub fn of_worker(&self) -> usize {
        self.of_worker
    }

    /// Counts one of a proxy never; `Err`: this address has as many as it may.
    fn enter(self: &Arc<Self>, from: IpAddr) -> Result<Option<Counted>, ()> {
        let from = from.to_canonical();
        if self.proxies.iter().any(|proxy| proxy.contains(&from)) {
            return Ok(None);
        }
        let of = Network::of(from);
        let mut open = self.open.lock();
        let own = open.entry(of).or_default();
        if *own >= self.of_network {
            return Err(());
        }
        *own += 1;
        Ok(Some(Counted { all: Arc::clone(self), of }))
    }

    /// Takes a connection that has come, or ends it. What `marks` get goes with the connection.
    pub(crate) fn take(self: &Arc<Self>, stream: &TcpStream, marks: &mut Extensions) {
        let socket = SockRef::from(stream);
        // The kernel gives up what a peer does not take.
        let _ = socket.set_tcp_user_timeout(Some(NOT_TAKEN));
        let taken = stream.peer_addr().map_err(drop).and_then(|peer| self.enter(peer.ip()));
        match taken {
            Ok(Some(counted)) => drop(marks.insert(counted)),
            Ok(None) => {}
            Err(()) => {
                // What the peer has sent already can still be read: nothing of it is done.
                marks.insert(OverShare);
                let _ = socket.shutdown(std::net::Shutdown::Both);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_a_quarter_and_leaves_the_rest() {
        let all = Connections::of(2, 1_024, vec!["192.0.2.0/24".parse().unwrap()]);
        assert_eq!((all.of_worker(), all.of_network), (256, 128));
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut many: Vec<Counted> = (0..128).map(|_| all.enter(ip("198.51.100.1")).unwrap().unwrap()).collect();
        assert!(all.enter(ip("198.51.100.1")).is_err() && all.enter(ip("::ffff:198.51.100.1")).is_err());
        assert!(all.enter(ip("198.51.100.2")).is_ok(), "control: somebody else");
        let own: Vec<_> = (0..128).map(|n| all.enter(ip(&format!("2001:db8::{n:x}"))).unwrap()).collect();
        assert!(
            all.enter(ip("2001:db8::ffff")).is_err() && all.enter(ip("2001:db8:0:1::1")).is_ok(),
            "a network of 64 bits"
        );
        drop(own);
        many.pop();
        assert!(all.enter(ip("198.51.100.1")).is_ok(), "one has ended");
        drop(many);
        assert!(all.open.lock().is_empty());
        assert!((0..1_000).all(|_| all.enter(ip("192.0.2.7")).is_ok_and(|counted| counted.is_none())), "a proxy");
    }

    #[test]
    fn there_are_as_many_as_files_allow() {
        for (workers, files, of_worker) in [(1, 1_024, 512), (8, 1_024, 64), (2, usize::MAX, 4_096), (2, 0, 16)] {
            assert_eq!(Connections::of(workers, files, Vec::new()).of_worker(), of_worker, "{workers} {files}");
        }
    }
}
