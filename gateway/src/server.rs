//! `allod serve`: one process, one port for HTTP, one for peers.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::{Condition, from_fn};
use actix_web::{App as HttpApp, HttpServer, web};
use gateway_authzed::{Front, Stores};
use gateway_http::intake::MaxBody;
use gateway_mail::Mailer;
use gateway_people::realm::Realm;
use gateway_tls::{Source, Tls};
use policy::{RelationshipService, SpiceDbConfig};
use serde_json::json;
use sync::{Identity, VaultMember};
use vault::data_dir::{DataDir, DataFile};
use zeroize::Zeroizing;

use crate::access::Newcomers;
use crate::app::{self, App};
use crate::back_channel::BackChannel;
use crate::client_documents::ClientDocuments;
use crate::connections::Connections;
use crate::control;
use crate::directory::{Lifetimes, Secret, SecretHash};
use crate::failure::{Exit, Failure, no_socket};
use crate::front::addresses::{Addresses, Clear};
use crate::front::cross_origin::{Allowed, Origins};
use crate::joining;
use crate::letters::Mail;
use crate::listen::{self, HEAD, LISTENERS_OVER_TLS, address};
use crate::node::Node;
use crate::node_file::{NodeFile, ServedBy};
use crate::noticed::Noticed;
use crate::oidc::Providers;
use crate::outbound::Outbound;
use crate::places::PlaceAccess;
use crate::registration::{RegistrationPolicy, Registrations};
use crate::restoring::{self, Outcome, Taking};
use crate::stdout::say;

/// Views that nobody has used for so long are closed.
const IDLE_S: u64 = 60;

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::failed("failed", &error.to_string())
}

/// SIGTERM or SIGINT.
pub async fn ended() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        }
        _ => std::future::pending().await,
    }
}

/// An address under which people reach a node: scheme, name and port, and nothing behind them.
///
/// # Errors
/// If it is none.
pub fn public_url(text: &str) -> Result<String, String> {
    let url = url::Url::parse(text).map_err(|error| error.to_string())?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let nobody = url.username().is_empty() && url.password().is_none();
    match url.scheme() {
        "http" | "https" if url.has_host() && bare && nobody => Ok(url.origin().ascii_serialization()),
        "http" | "https" => Err("it is https://NAME or https://NAME:PORT, with no path".to_owned()),
        _ => Err("it begins with https:// (or http://)".to_owned()),
    }
}

/// How to serve.
pub struct Options {
    pub listen: String,
    pub p2p_listen: Vec<String>,
    /// Where devices and replicas reach the node, if not where it listens.
    pub p2p_announce: Vec<sync::Announced>,
    /// Where peers are reached now, whatever they were known by before.
    pub p2p_peers: Vec<sync::PeerAddr>,
    /// What may be dialled for people, beside public addresses.
    pub dial_allow: Vec<sync::IpNet>,
    /// The address under which people reach the node; else the one it listens on.
    pub public_url: Option<String>,
    /// Proxies whose word on where a request comes from counts.
    pub trusted_proxies: Vec<sync::IpNet>,
    /// Whether everybody may speak plain HTTP to the node, also from beyond this machine.
    pub insecure: bool,
    /// How long a connection is kept on which no request comes.
    pub keep_alive: Duration,
    /// The largest body that is taken from the network.
    pub max_body: MaxBody,
    /// How the node speaks TLS, if it does.
    pub tls: Option<TlsOptions>,
    /// Origins whose pages may call this node.
    pub allowed_origins: Vec<Allowed>,
    /// How long sessions last.
    pub sessions: Lifetimes,
    /// The outside providers by which people sign in.
    pub providers: Vec<crate::oidc::ProviderConfig>,
    /// The server that takes letters.
    pub mail: Option<gateway_mail::MailSettings>,
    /// What may be called for people and providers, beside public addresses.
    pub outbound_allow: Vec<sync::IpNet>,
    /// Whether apps may describe themselves by a document elsewhere.
    pub client_metadata: bool,
    /// Whether apps may register themselves.
    pub registration: RegistrationPolicy,
    /// What is counted of spans for a collector, where there is one.
    pub traces: Option<gateway_trace::Counts>,
    /// Where the node's figures are for whoever asks.
    pub metrics_listen: Option<String>,
    /// Print what happens as JSON.
    pub json: bool,
    /// SpiceDB answers policy; else the embedded engine.
    pub spicedb: Option<SpiceDbConfig>,
    pub policy: Option<PolicyApi>,
    /// How places for backups are reached that are no directories.
    pub places: PlaceAccess,
    /// Backups that the node makes by itself.
    pub backup: Option<crate::backup::Schedule>,
}

/// The host of an address, as letters name the node by it.
fn host_of(url: &str) -> String {
    let host = url::Url::parse(url).ok().and_then(|url| Some(url.host_str()?.trim_matches(['[', ']']).to_owned()));
    host.unwrap_or_else(|| "localhost".to_owned())
}

/// How to speak TLS.
pub struct TlsOptions {
    pub source: Source,
    /// Where; else where plain HTTP would be.
    pub listen: Option<String>,
    /// Where browsers that come in clear are sent on.
    pub redirect: Option<String>,
    /// The port that it is listened on, as the operator says it.
    pub port: u16,
    /// Whether the host is the name that is listened on, for want of a public address.
    pub named_by_listener: bool,
}

impl Options {
    /// Where plain HTTP is listened on, as the operator says it; `None` if TLS is in its place.
    fn in_clear(&self) -> Option<&str> {
        let in_place = self.tls.as_ref().is_some_and(|tls| tls.listen.is_none());
        (!in_place).then_some(self.listen.as_str())
    }

    /// Whether nothing that is listened on by number is open to the network in clear.
    ///
    /// # Errors
    /// `http_insecure`.
    pub fn look_at_listeners(&self) -> Result<(), Failure> {
        let number = |listen: &str| listen.parse::<SocketAddr>().ok();
        if let Some(wished) = self.in_clear().and_then(number) {
            listen::in_clear(wished, self.insecure, &self.trusted_proxies)?;
        }
        match self.policy.as_ref().and_then(|policy| number(&policy.listen)) {
            Some(wished) => Ok(listen::in_clear(wished, self.insecure, &[])?),
            None => Ok(()),
        }
    }
}

/// Where a node listens, by number.
struct Listening {
    clear: SocketAddr,
    tls: Option<SocketAddr>,
}

impl Options {
    /// Listens there again the next time.
    fn keep(&mut self, listening: Listening) {
        match (self.tls.as_mut().map(|tls| &mut tls.listen), listening.tls) {
            (Some(Some(at)), Some(tls)) => {
                *at = tls.to_string();
                self.listen = listening.clear.to_string();
            }
            (_, Some(tls)) => self.listen = tls.to_string(),
            (_, None) => self.listen = listening.clear.to_string(),
        }
    }
}

/// The address of a listener by number, for this machine.
fn by_number(listening: SocketAddr) -> SocketAddr {
    match listening.ip() {
        ip if ip.is_unspecified() => SocketAddr::new(IpAddr::from([127, 0, 0, 1]), listening.port()),
        _ => listening,
    }
}

/// SpiceDB's API of this node, for whoever bears the key.
pub struct PolicyApi {
    pub listen: String,
    pub key: Zeroizing<String>,
    pub writes: bool,
}

/// Serves until told to end; returns when everything is written out.
pub async fn serve(dir: &DataDir, passphrase: Option<&str>, mut options: Options) -> Result<(), Failure> {
    // What cannot be listened on leaves nothing behind.
    wished(&options)?;
    let _lock = dir.lock()?;
    let mut before = None;
    // A node that was restored takes the place of the fresh one, on the same listeners.
    while let Ended::Restored(outcome) = once(dir, passphrase, &mut options, before.take()).await? {
        restoring::finish(dir).map_err(failed)?;
        before = Some(*outcome);
    }
    Ok(())
}

/// Why a node serves no more.
enum Ended {
    /// It was told to end.
    Asked(&'static str),
    /// Its place is taken by what a backup was made of.
    Restored(Box<Outcome>),
}

/// Makes what is asked for, until something is there that takes the node's place.
async fn taken(app: &App, dir: &DataDir, passphrase: Option<&str>, reach: &sync::Reach) -> Outcome {
    loop {
        let counts = match app.restoring.wanted().await {
            Taking::Backup(wanted) => {
                let made = crate::backup::restore_beside(*wanted, dir, passphrase, Arc::clone(&app.restoring)).await;
                let counts = made.and_then(|restored| restoring::commit(dir).map_err(failed).map(|()| restored));
                counts.map(|restored| {
                    tracing::info!(target: "allod::node", backup = restored.backup, "restored; going on as that node");
                    app.restoring.done(restored);
                })
            }
            Taking::Device(code) => {
                let made = joining::beside(dir, &code.within(reach), passphrase).await;
                let counts =
                    made.and_then(|(joined, at)| restoring::commit_made(dir, &at).map_err(failed).map(|()| joined));
                counts.map(|joined| {
                    tracing::info!(target: "allod::node", device = joined.device, "joined; going on as that device");
                    app.restoring.joined(joined);
                })
            }
        };
        match counts {
            Ok(()) => {
                // Whoever asks how it stands hears that it is there, before nothing answers for a while.
                tokio::time::sleep(Duration::from_millis(1_500)).await;
                return app.restoring.outcome();
            }
            Err(failure) => {
                tracing::warn!(code = failure.code, why = failure.message, "this node did not become another one");
                app.restoring.failed(&failure);
            }
        }
    }
}

/// Where the node is to listen, if it may.
fn wished(options: &Options) -> Result<SocketAddr, Failure> {
    let wished = address(&options.listen)?;
    if options.in_clear().is_some() {
        listen::in_clear(wished, options.insecure, &options.trusted_proxies)?;
    }
    Ok(wished)
}

async fn once(
    dir: &DataDir,
    passphrase: Option<&str>,
    options: &mut Options,
    before: Option<Outcome>,
) -> Result<Ended, Failure> {
    let wished = wished(options)?;
    let app = Arc::new(app::open_or_create(dir, passphrase, options.spicedb.as_ref()).await?);
    if let Some(spicedb) = &options.spicedb
        && let Err(failure) = crate::engine::ready(&app.policy, spicedb).await
    {
        app.shutdown().await;
        return Err(failure);
    }
    app.directory.keep_sessions(options.sessions);
    if let Some(traces) = &options.traces {
        let _ = app.metrics.traces.set(traces.clone());
    }
    app.directory.proofs().count_from(app.now());
    let outbound = Outbound::new(sync::Reach::new(options.outbound_allow.clone()));
    // Apps that are slow to hear of a sign-out keep nobody from signing in by a provider.
    let _ = app.back_channel.set(BackChannel::new(Outbound::new(sync::Reach::new(options.outbound_allow.clone()))));
    let _ = app.registrations.set(Registrations::new(options.registration));
    if options.client_metadata {
        // Nor do documents that are slow to come.
        let outbound = Outbound::new(sync::Reach::new(options.outbound_allow.clone()));
        let _ = app.client_documents.set(ClientDocuments::new(outbound));
    }
    let _ = app.access_to_places.set(options.places.clone());
    before.into_iter().for_each(|outcome| app.restoring.take_up(outcome));
    let _ = app.providers.set(Providers::new(options.providers.clone(), &outbound));
    let newcomers: std::sync::Weak<dyn Newcomers> = Arc::<App>::downgrade(&app);
    app.access.tell_of_newcomers(newcomers);
    let set_up = app.owner().is_some();
    if set_up {
        joining::forget(dir);
    }
    let reach = joining::reach(&options.dial_allow);
    let tls = match &options.tls {
        None => None,
        Some(wanted) => {
            let (at, clock) =
                (wanted.listen.as_deref().map(address).transpose()?.unwrap_or(wished), Arc::clone(&app.clock));
            let tls = Tls::open(wanted.source.clone(), Arc::new(move || clock().0 / 1_000_000))?;
            if matches!(&wanted.source, Source::Internal(own) if own.host.is_none()) && at.ip().is_unspecified() {
                tracing::warn!(
                    "the certificate is for this machine alone: say by --public-url how others reach the node"
                );
            }
            let _ = app.tls.set(Arc::clone(&tls));
            Some((tls, at))
        }
    };
    // Where TLS is in the place of plain HTTP, scripts still have a listener in clear, on this machine alone.
    let clear = if options.in_clear().is_some() { wished } else { SocketAddr::from(([127, 0, 0, 1], 0)) };
    let token = Secret::draw();
    let _ = app.local_token.set(token.hash());
    let data = web::Data::from(Arc::clone(&app));
    let node = web::Data::from(Arc::clone(&app) as Arc<dyn Node>);
    let realm = web::Data::from(Arc::clone(&app) as Arc<dyn Realm>);
    let outermost = tls.as_ref().map_or(wished, |(_, at)| *at);
    let mut addresses = Addresses::new(options.trusted_proxies.clone(), options.public_url.as_deref(), outermost);
    if !options.insecure && !clear.ip().is_loopback() {
        addresses.clear = Clear::Proxies;
    }
    let (addresses, origins) = (web::Data::new(addresses), web::Data::new(Origins(options.allowed_origins.clone())));
    let pools = web::Data::from(Arc::clone(&app.pools));
    let paths = web::Data::new(crate::front::table().paths());
    let requests = web::Data::new(app.metrics.requests.clone());
    let max_body = options.max_body;
    let workers = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 8);
    let pages = move || {
        HttpApp::new()
            .app_data(data.clone())
            .app_data(node.clone())
            .app_data(realm.clone())
            .app_data(addresses.clone())
            .app_data(origins.clone())
            .app_data(pools.clone())
            .app_data(max_body)
            .app_data(paths.clone())
            .app_data(requests.clone())
            .wrap(from_fn(crate::front::media::uncoded))
            .wrap(from_fn(crate::front::not_set_up::refused))
            .wrap(from_fn(crate::front::pages::at_their_name))
            .wrap(from_fn(crate::front::oauth::spoken))
            .wrap(from_fn(crate::front::addresses::known))
            .wrap(Condition::new(
                !origins.0.is_empty(),
                crate::front::cross_origin::allowing((**origins).clone(), paths.clone()),
            ))
            .wrap(from_fn(crate::front::cross_origin::spelt))
            .wrap(from_fn(crate::front::machine::admitted))
            .wrap(from_fn(crate::connections::within_share))
            // Outermost: every answer passes here.
            .wrap(from_fn(crate::front::headers::guarded))
            .wrap(from_fn(crate::front::journal::kept))
            .configure(crate::front::routes)
    };
    // Whoever holds the machine waits for no connection of anybody else.
    let (control, _place) = control::serve(dir, pages.clone()).map_err(no_socket)?;
    let over_tls = match &tls {
        Some((tls, at)) => {
            let connections = Connections::new(workers, LISTENERS_OVER_TLS, options.trusted_proxies.clone());
            Some(listen::over_tls(*at, workers, options.keep_alive, tls, &connections, pages.clone())?)
        }
        None => None,
    };
    let listeners = if tls.is_some() { LISTENERS_OVER_TLS } else { 1 };
    let connections = Connections::new(workers, listeners, options.trusted_proxies.clone());
    let server = HttpServer::new(pages)
        .workers(workers)
        .max_connections(connections.of_worker())
        .on_connect(listen::counting(connections))
        .client_request_timeout(HEAD)
        .keep_alive(options.keep_alive)
        .shutdown_timeout(5)
        .disable_signals()
        .bind(clear)
        .map_err(|error| listen::failed(clear, error))?;
    let bound = server.addrs().first().copied().unwrap_or(clear);
    let listening = Listening { clear: bound, tls: over_tls.as_ref().map(|(_, listening)| *listening) };
    let in_clear = format!("http://{}", by_number(bound));
    let url = match &over_tls {
        Some((_, listening)) => format!("https://{}", by_number(*listening)),
        None => in_clear.clone(),
    };
    let _ = app.url.set(options.public_url.clone().unwrap_or_else(|| url.clone()));
    if let Some(mail) = &options.mail {
        let mailer = Mailer::new(mail.clone(), &host_of(&app.url()));
        let mailer = mailer.map_err(|error| Failure::usage("config_value", &error.to_string()))?;
        let _ = app.mail.set(Mail::new(mailer));
        app.directory.has_mail();
    }
    if let Some(dead) = crate::doctor::passkeys(&app).await {
        tracing::warn!(fix = dead.fix, "{}", dead.detail);
    }
    dir.write(DataFile::LocalToken, token.text().as_bytes()).map_err(failed)?;
    app.find_spare().await.map_err(failed)?;
    if let Err(error) = app.finish_people().await {
        tracing::warn!(%error, "policy has not heard of somebody who was added; it is tried again");
    }
    if let Err(error) = app.finish_rights().await {
        tracing::warn!(%error, "a change of rights that was broken off is not made yet; it is tried again");
    }
    let p2p = start_sync(&app, options).await?;
    if let Err(error) = app.finish_removals().await {
        tracing::warn!(%error, "somebody who was removed is not forgotten to the end yet; it is tried again");
    }
    let setup = if set_up { None } else { app.directory.begin_setup(app.now()).await.map_err(failed)? };
    let setup = setup.map(|secret| crate::front::account::setup_url(&app.url(), &secret));
    let redirecting = match (&options.tls, &tls, &options.public_url) {
        (Some(TlsOptions { redirect: Some(at), .. }), Some((tls, _)), Some(public)) => {
            Some(listen::redirecting(address(at)?, public, tls, &options.trusted_proxies)?)
        }
        _ => None,
    };
    let mut file = NodeFile::new(dir, &url, &p2p).map_err(failed)?;
    file.local = over_tls.is_some().then_some(in_clear);
    file.write(dir, ServedBy::Node).map_err(failed)?;

    let servers = [Some(control), Some(server.run()), over_tls.map(|(server, _)| server), redirecting];
    let running: Vec<_> = servers.into_iter().flatten().map(|server| (server.handle(), tokio::spawn(server))).collect();
    let policy = match &options.policy {
        None => None,
        Some(api) => Some(serve_policy(&app, api, options.insecure).await?),
    };
    let metrics = match &options.metrics_listen {
        None => None,
        Some(listen) => Some(serve_metrics(&app, address(listen)?)?),
    };
    app.tasks.spawn(Arc::clone(&app.access).follow());
    let (node, news) = (Arc::clone(&app) as Arc<dyn Node>, app.vault.feed());
    app.tasks.spawn(crate::grants::follow_other_nodes(node, news, crate::grants::AGAIN));
    app.tasks.spawn(tend(Arc::clone(&app)));
    app.tasks.spawn(crate::letters::run(Arc::clone(&app)));
    crate::backup::remember(&app).await;
    if let Some(schedule) = &options.backup {
        app.tasks.spawn(crate::backup::run(Arc::clone(&app), schedule.clone()));
    }
    let root = tls.as_ref().and_then(|(tls, _)| tls.root());
    if let Some((tls, _)) = tls {
        app.tasks.spawn(tls.tend());
    }
    if options.json {
        let mut ready = json!({ "event": "ready", "url": url, "p2p": p2p, "setup": setup });
        if let Some(listening) = &policy {
            ready["policy"] = listening.to_string().into();
        }
        if let Some(listening) = &metrics {
            ready["metrics"] = format!("http://{listening}/metrics").into();
        }
        if let Some(root) = &root {
            ready["root"] = json!({ "path": root.path, "sha256": root.sha256 });
        }
        say(&ready.to_string());
    } else {
        if let Some(listening) = &policy {
            say(&format!("Serving authzed.api.v1 of this node at {listening}"));
        }
        if let Some(listening) = &metrics {
            say(&format!("Serving figures of this node, to whoever asks, at http://{listening}/metrics"));
        }
        match &setup {
            Some(link) => say(&format!(
                "Allod is running. Set it up, once, within half an hour, at:\n{link}\n(`allod setup-link` prints a new link.)"
            )),
            None => say(&format!("Allod is running at {url} (console: {url}/admin/)")),
        }
        if let Some(root) = &root {
            let (path, sha256) = (root.path.display(), &root.sha256);
            say(&format!("Devices trust it once they trust its root, {path} (`allod tls root`), SHA-256\n{sha256}"));
        }
    }
    tracing::info!(target: "allod::node", version = env!("CARGO_PKG_VERSION"), url, set_up, "started");
    let ended = tokio::select! {
        () = ended() => Ended::Asked("a signal"),
        () = app.stop.notified() => Ended::Asked("the operator"),
        outcome = taken(&app, dir, passphrase, &reach), if !set_up => Ended::Restored(Box::new(outcome)),
    };
    match &ended {
        Ended::Asked(asked_by) => tracing::info!(target: "allod::node", asked_by, "stopping"),
        // Whoever was sent to a port that was picked finds the same there.
        Ended::Restored(_) => options.keep(listening),
    }
    futures::future::join_all(running.iter().map(|(handle, _)| handle.stop(true))).await;
    for (_, serving) in running {
        let _ = serving.await;
    }
    app.shutdown().await;
    NodeFile::remove(dir, ServedBy::Node);
    dir.remove(DataFile::LocalToken);
    if matches!(ended, Ended::Asked(_)) {
        tracing::info!(target: "allod::node", "stopped");
    }
    Ok(ended)
}

/// Begins to serve the node's figures, and nothing else, to whoever can reach `wished`.
fn serve_metrics(app: &Arc<App>, wished: SocketAddr) -> Result<SocketAddr, Failure> {
    let (data, requests) = (web::Data::from(Arc::clone(app)), web::Data::new(app.metrics.requests.clone()));
    let server = HttpServer::new(move || {
        HttpApp::new()
            .app_data(data.clone())
            .app_data(requests.clone())
            .wrap(from_fn(crate::front::headers::guarded))
            .wrap(from_fn(crate::front::journal::kept))
            .configure(crate::front::metrics::open)
    })
    .workers(1)
    .max_connections(64)
    .client_request_timeout(Duration::from_secs(10))
    .shutdown_timeout(1)
    .disable_signals()
    .bind(wished)
    .map_err(|error| listen::failed(wished, error))?;
    let listening = server.addrs().first().copied().unwrap_or(wished);
    let running = server.run();
    app.tasks.spawn(async move {
        if let Err(error) = running.await {
            tracing::error!(%error, "the node's figures are not served any more");
        }
    });
    Ok(listening)
}

/// Begins to serve SpiceDB's API of this node.
async fn serve_policy(app: &Arc<App>, api: &PolicyApi, insecure: bool) -> Result<SocketAddr, Failure> {
    if api.key.len() < 16 {
        return Err(Failure::usage("policy_key_short", "the key for --policy-listen needs 16 characters or more"));
    }
    let wished = address(&api.listen)?;
    listen::in_clear(wished, insecure, &[])?;
    let fail = |error| listen::failed(wished, error);
    let listener = tokio::net::TcpListener::bind(wished).await.map_err(fail)?;
    let listening = listener.local_addr().map_err(fail)?;
    let front = Front::new(Arc::new(Keyed { key: SecretHash::of(&api.key), store: Arc::clone(&app.policy_api) }));
    let front = if api.writes { front } else { front.read_only() };
    app.tasks.spawn(async move {
        if let Err(error) = front.serve(listener, std::future::pending()).await {
            tracing::error!(%error, "SpiceDB's API is not served any more");
        }
    });
    Ok(listening)
}

/// One store, for whoever bears the key.
struct Keyed {
    key: SecretHash,
    store: Arc<dyn RelationshipService>,
}

impl Stores for Keyed {
    fn store(&self, token: Option<&str>) -> Result<Arc<dyn RelationshipService>, tonic::Status> {
        match token {
            Some(token) if SecretHash::of(token).matches(&self.key) => Ok(Arc::clone(&self.store)),
            _ => Err(tonic::Status::unauthenticated("this needs the key of --policy-key-file as a bearer token")),
        }
    }
}

async fn start_sync(app: &Arc<App>, served: &Options) -> Result<Vec<String>, Failure> {
    let options = sync::Options {
        listen: served.p2p_listen.clone(),
        announce: served.p2p_announce.clone(),
        peers: served.p2p_peers.clone(),
        reach: sync::Reach::new(served.dial_allow.clone()),
        identity: Identity::from_seed(app.vault.accounts().transport_seed()),
        database: app.database.clone(),
        trace: std::env::var_os("ALLOD_SYNC_TRACE").map(PathBuf::from),
    };
    let member = VaultMember::new(app.vault.clone(), Arc::clone(&app.access) as Arc<dyn sync::ReplicateGate>);
    let node = sync::SyncNode::start(member, options)
        .await
        .map_err(|error| Failure::new(Exit::Failed, "p2p_listen_failed", &error.to_string()))?;
    node.accept_devices(app.vault.clone());
    let addrs = node.addrs();
    let _ = app.sync.set(node);
    Ok(addrs)
}

/// The work that recurs: closing idle views, writing buffered rows.
async fn tend(app: Arc<App>) {
    let mut every = tokio::time::interval(Duration::from_secs(15));
    let mut noticed = Noticed::default();
    loop {
        every.tick().await;
        if let Err(error) = app.vault.close_idle(IDLE_S).await {
            tracing::warn!(%error, "idle views were not closed");
        }
        if let Err(error) = app.finish_people().await {
            tracing::warn!(%error, "policy has not heard of somebody who was added");
        }
        if let Err(error) = app.finish_rights().await {
            tracing::warn!(%error, "a change of rights that was broken off is not made yet");
        }
        if let Err(error) = app.finish_removals().await {
            tracing::warn!(%error, "somebody who was removed is not forgotten to the end yet");
        }
        if let Err(error) = app.vault.look_at_clocks().await {
            tracing::warn!(%error, "the clock readings of spaces were not looked at");
        }
        if let Err(error) = app.vault.note().await {
            tracing::warn!(%error, "it was not noted how far the log has come");
        }
        if let Err(error) = app.directory.tend(app.now()).await {
            tracing::warn!(%error, "the directory was not tended");
        }
        app.records.record_revocations().await;
        if let Err(error) = noticed.look(&app).await {
            tracing::warn!(%error, "people were not told of what there is to tell");
        }
        if let Err(error) = app.forget_lapsed().await {
            tracing::warn!(%error, "what has lapsed was not forgotten");
        }
    }
}
