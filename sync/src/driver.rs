//! Runs one session over one stream: a loop between the peer, the state machine and the store.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, StreamExt};
use parking_lot::Mutex;
use policy_core::Timestamp;
use sync_core::{Answer, Event, Limits, Message, Question, Reason, Report, Scope, Session, Shared, Ticket, Version};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::framing;
use crate::identity::peer_id;
use crate::ledger::Ledger;
use crate::live::Seat;
use crate::store::{Moved, Remote, Store, StoreError};
use crate::trace::{Direction, Trace};

/// Encoded messages between the loop and the task that writes them.
const WRITES: usize = 2;
/// Questions to the store that wait for the one before them.
const STORES: usize = 64;

/// What a session needs besides its stream.
pub(crate) struct Context {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) ledger: Option<Arc<Ledger>>,
    pub(crate) trace: Option<Arc<Trace>>,
    pub(crate) limits: Limits,
    /// The store gave no answer when it was asked last.
    pub(crate) waits: AtomicBool,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    #[error("the peer closed the stream")]
    Closed,
    #[error("the session was stopped")]
    Stopped,
    #[error("the peer was silent")]
    Silent,
    #[error("the peer broke the protocol: {0}")]
    Protocol(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

type Work = FuturesUnordered<BoxFuture<'static, (Ticket, bool, Answer)>>;

struct Running {
    context: Arc<Context>,
    remote: Remote,
    name: String,
    session: Session,
    began: Instant,
    work: Work,
    stores: VecDeque<(Ticket, Question)>,
    storing: bool,
    withdrawn: Withdrawn,
}

/// What was shared with the peer and is not any more: frames of it that wait to be written are not.
type Withdrawn = Arc<Mutex<BTreeSet<Scope>>>;

/// Runs until the peer, the seat or a breach of the protocol ends it.
pub(crate) async fn run<S>(
    (stream, version): (S, Version),
    remote: Remote,
    mut seat: Seat,
    context: Arc<Context>,
) -> End
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let name = peer_id(remote.key).unwrap_or_default();
    let (mut reading, mut writing) = stream.split();
    let (incoming, mut received) = mpsc::channel::<Result<Message, String>>(1);
    let (trace, peer) = (context.trace.clone(), name.clone());
    let reader = tokio::spawn(async move {
        loop {
            let message = match framing::read(&mut reading, Limits::MESSAGE_BYTES).await {
                Ok(None) => return,
                Ok(Some(bytes)) => {
                    if let Some(trace) = &trace {
                        trace.record(Direction::Received, &peer, "sync", &bytes);
                    }
                    Message::decode(bytes, version).map_err(|error| error.to_string())
                }
                Err(error) => Err(error.to_string()),
            };
            let failed = message.is_err();
            if incoming.send(message).await.is_err() || failed {
                return;
            }
        }
    });
    let (outgoing, mut to_write) = mpsc::channel::<Message>(WRITES);
    let (trace, peer) = (context.trace.clone(), name.clone());
    let withdrawn = Withdrawn::default();
    let gone = Arc::clone(&withdrawn);
    let writer = tokio::spawn(async move {
        while let Some(message) = to_write.recv().await {
            if matches!(&message, Message::Data { scope, .. } if gone.lock().contains(scope)) {
                continue;
            }
            let bytes = message.encode(version);
            if let Some(trace) = &trace {
                trace.record(Direction::Sent, &peer, "sync", &bytes);
            }
            if framing::write(&mut writing, &bytes).await.is_err() {
                return;
            }
        }
    });

    let began = Instant::now();
    let mut running = Running {
        session: Session::new(context.limits, version, Timestamp(0)),
        context,
        remote,
        name,
        began,
        work: FuturesUnordered::new(),
        stores: VecDeque::new(),
        storing: false,
        withdrawn,
    };
    let end = running.converse(&mut received, &outgoing, &mut seat).await;
    reader.abort();
    drop(outgoing);
    // What was queued for the peer may still be written, unless it does not read.
    let _ = tokio::time::timeout(Duration::from_millis(200), writer).await;
    end
}

impl Running {
    fn now(&self) -> Timestamp {
        Timestamp(i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX))
    }

    async fn converse(
        &mut self,
        received: &mut mpsc::Receiver<Result<Message, String>>,
        outgoing: &mpsc::Sender<Message>,
        seat: &mut Seat,
    ) -> End {
        if let Some(ledger) = &self.context.ledger {
            ledger.meets(self.remote.key);
        }
        let mut feed = self.context.store.feed();
        if let Err(error) = self.refresh().await {
            return error.into();
        }
        let mut next: Option<Message> = None;
        loop {
            match self.events(seat) {
                Ok(()) => {}
                Err(end) => return end,
            }
            if next.is_none() {
                next = self.session.poll_transmit();
            }
            seat.set_quiet(next.is_none() && self.stores.is_empty() && !self.storing && self.session.is_settled());
            let due = self.session.poll_timeout().0.saturating_sub(self.now().0).max(0);
            let wake = sleep(Duration::from_micros(due.unsigned_abs()).min(Duration::from_secs(3600)));
            tokio::select! {
                biased;
                _ = seat.stopped.changed() => return End::Stopped,
                Some((ticket, stored, answer)) = self.work.next(), if !self.work.is_empty() => {
                    self.storing &= !stored;
                    if let Answer::Admitted(shared) = &answer {
                        let mut withdrawn = self.withdrawn.lock();
                        withdrawn.retain(|scope| shared.iter().all(|shared| shared.scope != *scope));
                    }
                    let now = self.now();
                    self.session.answer(ticket, answer, now);
                }
                permit = outgoing.reserve(), if next.is_some() => match permit {
                    Ok(permit) => {
                        if let Some(message) = next.take() {
                            permit.send(message);
                        }
                    }
                    Err(_) => return End::Closed,
                },
                moved = feed.recv() => {
                    let mut scopes = BTreeSet::new();
                    let mut all = false;
                    let mut moved = moved;
                    loop {
                        match moved {
                            Ok(Moved::Log(scope)) => { scopes.insert(scope); }
                            Ok(Moved::Rewritten) => return End::Stopped,
                            Ok(Moved::Sharing) | Err(RecvError::Lagged(_)) => all = true,
                            Err(RecvError::Closed) => return End::Stopped,
                        }
                        match feed.try_recv() {
                            Ok(more) => moved = Ok(more),
                            Err(tokio::sync::broadcast::error::TryRecvError::Lagged(n)) => moved = Err(RecvError::Lagged(n)),
                            Err(_) => break,
                        }
                    }
                    if let Err(error) = self.moved(scopes, all).await {
                        return error.into();
                    }
                }
                message = received.recv(), if self.session.can_take() => match message {
                    None => return End::Closed,
                    Some(Err(error)) => return End::Protocol(error),
                    Some(Ok(message)) => {
                        let now = self.now();
                        if let Err(error) = self.session.handle(message, now) {
                            return End::Protocol(error.to_string());
                        }
                    }
                },
                () = wake => {
                    let now = self.now();
                    self.session.tick(now);
                }
            }
        }
    }

    async fn moved(&mut self, scopes: BTreeSet<Scope>, all: bool) -> Result<(), StoreError> {
        if all || scopes.iter().any(|&scope| !self.session.shares(scope)) {
            return self.refresh().await;
        }
        for scope in scopes {
            let tips = self.context.store.tips(scope).await?;
            self.session.moved(scope, tips);
        }
        Ok(())
    }

    /// Asks anew what is shared with the peer.
    async fn refresh(&mut self) -> Result<(), StoreError> {
        let shared = self.context.store.shared_with(self.remote).await?;
        let keep: BTreeSet<Scope> = shared.iter().map(|owned| owned.scope).collect();
        for scope in self.session.scopes() {
            if !keep.contains(&scope) {
                self.withdrawn.lock().insert(scope);
                self.session.withdraw(scope);
            }
        }
        for owned in shared {
            self.withdrawn.lock().remove(&owned.scope);
            let shared = shared_scope(&self.context, self.remote, owned).await?;
            self.session.share(shared);
        }
        Ok(())
    }

    fn events(&mut self, seat: &Seat) -> Result<(), End> {
        while self.stores.len() < STORES
            && let Some(event) = self.session.poll_event(self.now())
        {
            match event {
                Event::Ask(ticket, question @ Question::Store { .. }) => self.stores.push_back((ticket, question)),
                Event::Ask(ticket, question) => {
                    let work = answer(Arc::clone(&self.context), self.remote, question);
                    self.work.push(Box::pin(async move { (ticket, false, work.await) }));
                }
                Event::Holds { scope, tips } => {
                    if let Some(ledger) = &self.context.ledger {
                        ledger.holds(self.remote.key, scope, Arc::clone(&tips));
                    }
                    seat.confirm(scope, tips);
                }
                Event::Report(report) => self.tell(report),
                Event::Gone => return Err(End::Silent),
            }
        }
        if !self.storing
            && let Some((ticket, question)) = self.stores.pop_front()
        {
            self.storing = true;
            let work = answer(Arc::clone(&self.context), self.remote, question);
            self.work.push(Box::pin(async move { (ticket, true, work.await) }));
        }
        Ok(())
    }

    fn tell(&self, report: Report) {
        let peer = &self.name;
        match report {
            Report::Fork { scope, tip, other } => tracing::error!(
                %peer, ?scope, device = %tip.device, seq = tip.seq, ours = ?tip.commit, theirs = ?other,
                "a device signed two histories; both are kept where they are, and its chain is not synced"
            ),
            Report::Stale { scope } => {
                tracing::warn!(%peer, ?scope, "the peer lost commits that it had acknowledged; they are sent again");
            }
            Report::Refused { scope, reason: Reason::Ahead } => {
                tracing::warn!(%peer, ?scope, "this node's clock readings are ahead of the peer's clock");
                let (context, remote) = (Arc::clone(&self.context), self.remote);
                tokio::spawn(async move {
                    if let Err(error) = context.store.ahead(remote, scope).await {
                        tracing::error!(%error, "clock readings could not be pulled back");
                    }
                });
            }
            Report::Refused { scope, reason } => tracing::warn!(%peer, ?scope, ?reason, "the peer refused commits"),
            Report::Rejected { scope, reason } => tracing::warn!(%peer, ?scope, ?reason, "commits were refused"),
        }
        if let Some(ledger) = &self.context.ledger {
            ledger.report(self.remote.key, report, crate::node::wall_clock());
        }
    }
}

async fn shared_scope(context: &Context, remote: Remote, owned: crate::store::Owned) -> Result<Shared, StoreError> {
    let tips = context.store.tips(owned.scope).await?;
    let acked = context.ledger.as_ref().and_then(|ledger| ledger.held(remote.key, owned.scope)).unwrap_or_default();
    let own = context.store.own(owned.owner);
    Ok(Shared { scope: owned.scope, owner: owned.owner, tips, acked, own })
}

async fn answer(context: Arc<Context>, remote: Remote, question: Question) -> Answer {
    let store = &context.store;
    let failed = |error: StoreError| {
        // Asked again every few seconds: said once.
        if context.waits.swap(true, Ordering::SeqCst) {
            tracing::debug!(%error, "sync waits for its store");
        } else {
            tracing::error!(%error, "sync waits for its store");
        }
        Answer::Failed(Reason::Unavailable)
    };
    match question {
        Question::Admit(offers) => {
            let admitted = async {
                let mut shared = Vec::new();
                for owned in store.admit(remote, &offers).await? {
                    shared.push(shared_scope(&context, remote, owned).await?);
                }
                Ok(shared)
            };
            match admitted.await {
                Ok(shared) => Answer::Admitted(shared),
                Err(error) => failed(error),
            }
        }
        Question::Compare { theirs, .. } if theirs.is_empty() => Answer::Compared(Vec::new()),
        Question::Compare { scope, theirs } => match store.differing(scope, &theirs).await {
            Ok(differing) => Answer::Compared(differing),
            Err(error) => failed(error),
        },
        Question::Read { scope, control, after, have, max_bytes } => {
            match store.read(remote, scope, control, after, &have, max_bytes).await {
                Ok(Some(rows)) => {
                    context.waits.store(false, Ordering::SeqCst);
                    Answer::Read { items: rows.items, position: rows.position, end: rows.end }
                }
                Ok(None) => Answer::Failed(Reason::NotShared),
                Err(error) => failed(error),
            }
        }
        Question::Store { scope, frames } => match store.store(remote, scope, frames).await {
            Ok(stored) => Answer::Stored { stored: stored.stored, refused: stored.refused, fork: stored.fork },
            Err(error) => failed(error),
        },
    }
}
