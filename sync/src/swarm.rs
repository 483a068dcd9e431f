//! The libp2p side: TCP, Noise and Yamux, streams only.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::core::ConnectedPoint;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, SwarmBuilder, Transport, noise, ping, tcp, yamux};
use libp2p_stream::Control;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::doorway::{Doorway, Guarded, Origin};
use crate::{Identity, StartError};

/// Connections in total, and with one peer.
const CONNECTIONS: u32 = 1_024;
const CONNECTIONS_PER_PEER: u32 = 4;
/// Of these, incoming ones of peers with whom nothing was shared so far: the oldest gives way.
const STRANGERS: usize = 64;
/// How long a connection may take to prove whose it is.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long further addresses of a listener are waited for.
const FURTHER: Duration = Duration::from_millis(10);
/// Commands that wait for the swarm.
const COMMANDS: usize = 64;

#[derive(NetworkBehaviour)]
struct Behaviour {
    limits: connection_limits::Behaviour,
    ping: ping::Behaviour,
    stream: libp2p_stream::Behaviour,
}

enum Command {
    Connect { peer: PeerId, addrs: Vec<Multiaddr>, done: oneshot::Sender<Result<(), String>> },
    Try { peer: PeerId, addr: Multiaddr, done: oneshot::Sender<Result<(), String>> },
    Disconnect(PeerId),
    Know(PeerId),
}

/// Connections of each peer: how many, and how many not over loopback.
type Connected = Arc<Mutex<HashMap<PeerId, (usize, usize)>>>;

/// A running swarm. It stops when the last handle is dropped.
#[derive(Clone)]
pub(crate) struct SwarmHandle {
    commands: mpsc::Sender<Command>,
    control: Control,
    connected: Connected,
    addrs: Arc<[Multiaddr]>,
}

impl SwarmHandle {
    /// Listens on `listen` and runs until every handle is dropped.
    pub(crate) async fn start(identity: &Identity, listen: &[Multiaddr]) -> Result<SwarmHandle, StartError> {
        let fail = |addr: &Multiaddr, reason: String| StartError::Listen { addr: addr.to_string(), reason };
        let limits = ConnectionLimits::default()
            .with_max_established(Some(CONNECTIONS))
            .with_max_pending_outgoing(Some(CONNECTIONS))
            .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER));
        let behaviour = Behaviour {
            limits: connection_limits::Behaviour::new(limits),
            ping: ping::Behaviour::default(),
            stream: libp2p_stream::Behaviour::new(),
        };
        let control = behaviour.stream.new_control();
        let doorway = Arc::new(Doorway::default());
        let mut swarm = SwarmBuilder::with_existing_identity(identity.keypair())
            .with_tokio()
            .with_other_transport(|keypair| {
                let upgraded = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
                    .upgrade(libp2p::core::upgrade::Version::V1Lazy)
                    .authenticate(noise::Config::new(keypair)?)
                    .multiplex(yamux::Config::default())
                    .timeout(HANDSHAKE)
                    .boxed();
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Guarded::new(upgraded, Arc::clone(&doorway)))
            })
            .map_err(|error| StartError::Store(error.to_string()))?
            .with_behaviour(|_| behaviour)
            .map_err(|error| StartError::Store(error.to_string()))?
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(30)))
            .build();
        let mut addrs = Vec::new();
        for addr in listen {
            let id = swarm.listen_on(addr.clone()).map_err(|error| fail(addr, error.to_string()))?;
            loop {
                match swarm.select_next_some().await {
                    SwarmEvent::NewListenAddr { listener_id, address } if listener_id == id => {
                        addrs.push(address.with(Protocol::P2p(*swarm.local_peer_id())));
                        break;
                    }
                    SwarmEvent::ListenerClosed { listener_id, reason, .. } if listener_id == id => {
                        return Err(fail(addr, reason.err().map_or_else(|| "closed".into(), |e| e.to_string())));
                    }
                    SwarmEvent::ListenerError { listener_id, error } if listener_id == id => {
                        return Err(fail(addr, error.to_string()));
                    }
                    _ => {}
                }
            }
        }
        // An unspecified address stands for several: those of the other interfaces follow at once.
        let several = listen.iter().any(is_unspecified);
        while several && let Ok(event) = tokio::time::timeout(FURTHER, swarm.select_next_some()).await {
            if let SwarmEvent::NewListenAddr { address, .. } = event {
                addrs.push(address.with(Protocol::P2p(*swarm.local_peer_id())));
            }
        }
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let connected = Connected::default();
        tokio::spawn(drive(swarm, receiver, Arc::clone(&connected), doorway));
        Ok(SwarmHandle { commands, control, connected, addrs: addrs.into() })
    }

    pub(crate) fn addrs(&self) -> &[Multiaddr] {
        &self.addrs
    }

    pub(crate) fn control(&self) -> Control {
        self.control.clone()
    }

    /// Whether every connection with the peer goes over loopback.
    pub(crate) fn is_loopback(&self, peer: &PeerId) -> bool {
        self.connected.lock().get(peer).is_some_and(|&(_, foreign)| foreign == 0)
    }

    /// Connects to a peer unless it is connected. Whoever answers must hold the peer's key.
    pub(crate) async fn connect(&self, peer: PeerId, addrs: Vec<Multiaddr>) -> Result<(), String> {
        let (done, answer) = oneshot::channel();
        let stopped = || "stopped".to_owned();
        self.commands.send(Command::Connect { peer, addrs, done }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Connects to a peer at this address, also if it is connected otherwise.
    pub(crate) async fn connect_at(&self, peer: PeerId, addr: Multiaddr) -> Result<(), String> {
        let (done, answer) = oneshot::channel();
        let stopped = || "stopped".to_owned();
        self.commands.send(Command::Try { peer, addr, done }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Notes that something is shared with a peer: its connections give way to nobody.
    pub(crate) async fn know(&self, peer: PeerId) {
        // A swarm that has stopped has no connections.
        let _ = self.commands.send(Command::Know(peer)).await;
    }

    pub(crate) async fn disconnect(&self, peer: PeerId) {
        // A swarm that has stopped has closed its connections.
        let _ = self.commands.send(Command::Disconnect(peer)).await;
    }
}

/// Whether an address stands for all interfaces.
fn is_unspecified(addr: &Multiaddr) -> bool {
    addr.iter().next().is_some_and(|part| match part {
        Protocol::Ip4(ip) => ip.is_unspecified(),
        Protocol::Ip6(ip) => ip.is_unspecified(),
        _ => false,
    })
}

fn is_loopback(endpoint: &ConnectedPoint) -> bool {
    let remote = match endpoint {
        ConnectedPoint::Dialer { address, .. } => address,
        ConnectedPoint::Listener { send_back_addr, .. } => send_back_addr,
    };
    remote.iter().next().is_some_and(|part| match part {
        Protocol::Ip4(ip) => ip.is_loopback(),
        Protocol::Ip6(ip) => ip.is_loopback(),
        _ => false,
    })
}

/// Incoming connections of peers with whom nothing was shared so far.
#[derive(Default)]
struct Strangers {
    known: HashSet<PeerId>,
    /// The oldest first.
    all: VecDeque<(ConnectionId, PeerId, Origin)>,
    /// Where the connections of each peer come from.
    from: HashMap<ConnectionId, (PeerId, Origin)>,
}

impl Strangers {
    /// Which connection gives way to this one, if one must: the oldest of whoever holds the most.
    fn enter(&mut self, id: ConnectionId, peer: PeerId, origin: Origin) -> Option<ConnectionId> {
        self.from.insert(id, (peer, origin));
        if self.known.contains(&peer) {
            return None;
        }
        let mut way = None;
        if self.all.len() >= STRANGERS {
            let held = |origin: &Origin| self.all.iter().filter(|(_, _, other)| other == origin).count();
            let most = self.all.iter().map(|(_, _, origin)| *origin).max_by_key(held);
            let at = self.all.iter().position(|(_, _, origin)| Some(*origin) == most);
            way = at.and_then(|at| self.all.remove(at)).map(|(id, _, _)| id);
        }
        self.all.push_back((id, peer, origin));
        way
    }

    /// The origins of a peer that is known from now on.
    fn know(&mut self, peer: PeerId) -> Vec<Origin> {
        self.known.insert(peer);
        self.all.retain(|(_, other, _)| *other != peer);
        self.from.values().filter(|(other, _)| *other == peer).map(|(_, origin)| *origin).collect()
    }

    fn leave(&mut self, id: ConnectionId) {
        self.from.remove(&id);
        self.all.retain(|(other, _, _)| *other != id);
    }
}

async fn drive(
    mut swarm: Swarm<Behaviour>,
    mut commands: mpsc::Receiver<Command>,
    connected: Connected,
    doorway: Arc<Doorway>,
) {
    let mut strangers = Strangers::default();
    let mut waiting: HashMap<PeerId, Vec<oneshot::Sender<Result<(), String>>>> = HashMap::new();
    let mut tried: HashMap<ConnectionId, oneshot::Sender<Result<(), String>>> = HashMap::new();
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                None => return,
                Some(Command::Disconnect(peer)) => {
                    let _ = swarm.disconnect_peer_id(peer);
                }
                Some(Command::Know(peer)) => strangers.know(peer).into_iter().for_each(|origin| doorway.befriend(origin)),
                Some(Command::Connect { peer, done, .. }) if swarm.is_connected(&peer) => {
                    let _ = done.send(Ok(()));
                }
                Some(Command::Connect { peer, addrs, done }) => {
                    let options = DialOpts::peer_id(peer)
                        .addresses(addrs)
                        .condition(PeerCondition::DisconnectedAndNotDialing)
                        .build();
                    match swarm.dial(options) {
                        Ok(()) | Err(libp2p::swarm::DialError::DialPeerConditionFalse(_)) => {
                            waiting.entry(peer).or_default().push(done);
                        }
                        Err(error) => {
                            let _ = done.send(Err(error.to_string()));
                        }
                    }
                }
                Some(Command::Try { peer, addr, done }) => {
                    let options =
                        DialOpts::peer_id(peer).addresses(vec![addr]).condition(PeerCondition::Always).build();
                    let id = options.connection_id();
                    match swarm.dial(options) {
                        Ok(()) => drop(tried.insert(id, done)),
                        Err(error) => drop(done.send(Err(error.to_string()))),
                    }
                }
            },
            event = swarm.select_next_some() => match event {
                SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                    if let Some(done) = tried.remove(&connection_id) {
                        let _ = done.send(Ok(()));
                    }
                    if let ConnectedPoint::Listener { send_back_addr, .. } = &endpoint
                        && let Some(oldest) = strangers.enter(connection_id, peer_id, Origin::of(send_back_addr))
                    {
                        swarm.close_connection(oldest);
                    }
                    let foreign = usize::from(!is_loopback(&endpoint));
                    let mut connected = connected.lock();
                    let entry = connected.entry(peer_id).or_default();
                    entry.0 += 1;
                    entry.1 += foreign;
                    for done in waiting.remove(&peer_id).into_iter().flatten() {
                        let _ = done.send(Ok(()));
                    }
                }
                SwarmEvent::ConnectionClosed { peer_id, connection_id, endpoint, num_established, .. } => {
                    strangers.leave(connection_id);
                    let foreign = usize::from(!is_loopback(&endpoint));
                    let mut connected = connected.lock();
                    if num_established == 0 {
                        connected.remove(&peer_id);
                    } else if let Some(entry) = connected.get_mut(&peer_id) {
                        entry.0 = entry.0.saturating_sub(1);
                        entry.1 = entry.1.saturating_sub(foreign);
                    }
                }
                SwarmEvent::OutgoingConnectionError { connection_id, error, .. } if tried.contains_key(&connection_id) => {
                    if let Some(done) = tried.remove(&connection_id) {
                        let _ = done.send(Err(error.to_string()));
                    }
                }
                SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                    for done in waiting.remove(&peer).into_iter().flatten() {
                        let _ = done.send(Err(error.to_string()));
                    }
                }
                _ => {}
            },
        }
    }
}
