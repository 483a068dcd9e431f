//! Giving and taking back: the order of steps that consent, the operator and revocation share. What a grant says is
//! [`gateway_people::grants`], and is found here too.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

pub use gateway_people::grants::*;
use policy::Delivery;
use policy_core::{ClientId, Grant, GrantId, Holder, Narrowing, SpaceId, Timestamp, UserId};
use serde_json::{Value, json};
use vault::feed::Moved;
use vault_core::control::{AppDescription, GrantRecord};
use vault_core::schema::Schema;

use crate::directory::app_passwords::{AppPassword, NewAppPassword};
use crate::directory::requests::Decision;
use crate::directory::usage::Usage;
use crate::directory::{Act, Actor, Directory, DirectoryError, GrantRow, RegisteredApp};
use crate::node::{Node, NodeError};

/// Why a grant was not given or taken back.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("This was granted on another of your nodes, which has what opens it; change it there.")]
    Elsewhere,
    #[error("It has ended; the app asks anew.")]
    Ended,
    #[error("It was decided before, or waits no more.")]
    Decided,
}

/// Who a grant is for.
#[derive(Clone, Copy)]
pub enum HeldBy<'a> {
    /// The tokens of an app, which are made once it is given.
    App(&'a RegisteredApp),
    /// An app password, which is made with it.
    Password(&'a NewAppPassword),
}

impl HeldBy<'_> {
    fn client(&self) -> ClientId {
        match self {
            HeldBy::App(app) => app.client,
            HeldBy::Password(new) => new.client,
        }
    }

    fn description(&self) -> AppDescription {
        match self {
            HeldBy::App(app) => AppDescription {
                name: app.manifest.name.clone(),
                uri: app.manifest.client_uri.clone(),
                redirect_uris: app.manifest.redirect_uris.clone(),
            },
            HeldBy::Password(new) => AppDescription { name: new.name.clone(), uri: None, redirect_uris: Vec::new() },
        }
    }
}

/// What is to be given. `access` is already within the manifest of an app.
#[derive(Clone, Copy)]
pub struct GrantRequest<'a> {
    pub grantor: UserId,
    pub to: HeldBy<'a>,
    pub access: &'a [Access],
    /// When all of it ends, if `access` says nothing sooner.
    pub until: Option<Timestamp>,
    pub actor: Actor,
}

/// A grant in force. It is given once [`Issued::given`] says so: until then, a node that stops takes it back.
pub struct Issued {
    pub row: GrantRow,
    _alone: Box<dyn Send>,
}

impl Issued {
    /// What opens the grant is made as well.
    pub async fn given(self, node: &dyn Node) -> Result<(), NodeError> {
        node.end_giving(self.row.space, self.row.id).await
    }
}

/// A grant in force, as its space has it.
pub async fn record_of(node: &dyn Node, row: &GrantRow) -> Result<GrantRecord, NodeError> {
    let records = node.grants(row.space).await?;
    records.into_iter().find(|record| record.grant.id == row.id).ok_or(NodeError::NotFound)
}

/// What a grant gives, or what is left of it for one token, as it is told.
pub fn shown(grant: &Grant, record: &GrantRecord, schema: &Schema, row: &GrantRow) -> Value {
    show_json(grant, schema, &Order::from_lines(&row.field_order), record.created)
}

/// The access of a grant in force, as it is enforced.
pub async fn enforced(node: &dyn Node, row: &GrantRow) -> Result<Value, NodeError> {
    enforced_within(node, row, None).await
}

/// The same for a token that is held to a part of the grant.
pub async fn enforced_within(node: &dyn Node, row: &GrantRow, within: Option<&Narrowing>) -> Result<Value, NodeError> {
    let record = record_of(node, row).await?;
    let schema = node.schema(row.space).await?;
    Ok(match within {
        None => shown(&record.grant, &record, &schema, row),
        Some(within) => shown(&left_of(&record.grant, within), &record, &schema, row),
    })
}

/// The space that a list of access lies in: the one it names, else the grantor's own. It must be theirs.
pub async fn space_of(node: &dyn Node, grantor: UserId, access: &[Access]) -> Result<SpaceId, IssueError> {
    let named = access.iter().find_map(|one| one.space);
    let spaces = node.spaces(grantor).await?;
    let own = spaces.iter().filter(|space| space.owner == grantor);
    let found = own.into_iter().find(|space| named.map_or(space.personal, |named| space.id == named));
    found.map(|space| space.id).ok_or(IssueError::Node(NodeError::NotFound))
}

/// Compiles the request against the definitions as they are now, stores the grant, enforces it and notes it.
pub async fn issue(node: &dyn Node, request: GrantRequest<'_>) -> Result<Issued, IssueError> {
    let space = space_of(node, request.grantor, request.access).await?;
    let schema = node.schema(space).await?;
    let (now, client) = (node.now(), request.to.client());
    let terms =
        Terms { id: Directory::new_grant_id(), grantor: request.grantor, holder: Holder::Client(client), space, now };
    let mut grant = compile(request.access, terms, &schema)?;
    if let Some(until) = request.until {
        for entry in &mut grant.entries {
            entry.until = Some(entry.until.map_or(until, |own| own.min(until)));
        }
    }
    let row = GrantRow {
        id: grant.id,
        user: request.grantor,
        client,
        space,
        field_order: Order::of(request.access, &grant, &schema).to_lines(),
        created: now,
        expires: ends(&grant),
        last_used: None,
        usage: Usage::default(),
    };
    let record = GrantRecord { grant, app: request.to.description(), created: now };
    let act = Act::new(request.actor);
    let (action, mut detail) = match request.to {
        HeldBy::App(_) => ("grant.created", json!({ "grant": row.id, "client_id": client })),
        HeldBy::Password(new) => {
            ("app_password.created", json!({ "grant": row.id, "app_password": client, "name": new.name }))
        }
    };
    let alone = node.begin_giving(space, row.id).await?;
    node.put_grant(record, act.metadata(request.grantor, action)).await?;
    let noted = match request.to {
        HeldBy::App(_) => {
            node.directory().note_grant(&row).await?;
            // Whoever removes an app takes back what it has after that: this is seen there, or the app is seen gone here.
            Ok(node.directory().app(client).await?.is_some())
        }
        HeldBy::Password(new) => node.directory().note_app_password(&row, new).await,
    };
    if !matches!(noted, Ok(true)) {
        let of = (row.user, space, Holder::Client(client), row.id);
        let _ = revoke_in_turn(node, of, &act).await?;
        node.end_giving(space, row.id).await?;
        return Err(noted.err().map_or(NodeError::NotFound.into(), IssueError::Directory));
    }
    detail["request"] = json!(act.request);
    node.directory().audit(request.grantor, request.actor, action, detail, now).await?;
    Ok(Issued { row, _alone: alone })
}

/// What becomes of a grant that is changed. It gets another id, as every grant of a space has one that is given once,
/// and what was issued for it opens it as before.
#[derive(Debug, Clone)]
pub enum Changed {
    /// It is held to this, within what it was.
    Narrowed(Vec<Access>),
    /// It lasts until then; `None`: until it is revoked.
    Extended(Option<Timestamp>),
    /// What the app asked for, or less, comes beside it, by a decision that counts still.
    Widened(Widening, Decision),
}

impl Changed {
    fn action(&self) -> &'static str {
        match self {
            Changed::Narrowed(_) => "grant.narrowed",
            Changed::Extended(_) => "grant.extended",
            Changed::Widened(..) => "grant.widened",
        }
    }
}

/// Puts another grant in the place of one: when this returns, nothing is served by the one before. To its end, whoever
/// goes away.
///
/// # Errors
/// [`NodeError::NotFound`] if there is none of the id any more; [`IssueError::Elsewhere`] if another node issues its
/// tokens; [`IssueError::Ended`] if there is nothing left to extend, or to add to; [`IssueError::Decided`] if somebody else
/// decided the request; what `changed` asks for may not be within the grant.
pub async fn change(
    node: Arc<dyn Node>,
    of: (SpaceId, GrantId),
    changed: Changed,
    act: Act,
) -> Result<(GrantRow, Delivery), IssueError> {
    let work = tokio::spawn(async move { change_to_its_end(&*node, of, changed, &act).await });
    work.await.unwrap_or_else(|_| Err(NodeError::Failed("the change was broken off".to_owned()).into()))
}

async fn change_to_its_end(
    node: &dyn Node,
    (space, id): (SpaceId, GrantId),
    changed: Changed,
    act: &Act,
) -> Result<(GrantRow, Delivery), IssueError> {
    // Before it is noted: of two that are noted, the one that the directory does not know is taken back.
    if node.directory().grant_row(id).await?.is_none() {
        let there = node.grants(space).await?.iter().any(|record| record.grant.id == id);
        return Err(if there { IssueError::Elsewhere } else { NodeError::NotFound.into() });
    }
    let new = Directory::new_grant_id();
    let _alone = node.begin_replacing(space, id, new).await?;
    let action = changed.action();
    let row = match put_beside(node, (space, id, new), changed, act).await {
        Ok(row) => row,
        Err(error) => {
            // What was stored of either is of use to nobody without a row: no token opens it.
            for one in [id, new] {
                if node.directory().grant_row(one).await?.is_some() {
                    continue;
                }
                if let Some(half) = node.grants(space).await?.into_iter().find(|record| record.grant.id == one) {
                    let act = act.metadata(half.grant.grantor, "grant.revoked");
                    let _ = node.revoke_grant(half.grant.grantor, space, one, act).await?;
                    node.advance_epoch();
                }
            }
            node.end_replacing(space, id, new).await?;
            return Err(error);
        }
    };
    // What is broken off from here on is gone on with: the app has the new one.
    node.advance_epoch();
    let stopped = node.revoke_grant(row.user, space, id, act.metadata(row.user, action)).await?;
    node.advance_epoch();
    let detail = json!({ "grant": new, "before": id, "client_id": row.client, "request": act.request });
    node.directory().audit(row.user, act.actor, action, detail, row.created).await?;
    node.end_replacing(space, id, new).await?;
    Ok((row, stopped))
}

/// The grant of the id `new`, beside the one whose tokens open it from then on.
async fn put_beside(
    node: &dyn Node,
    (space, id, new): (SpaceId, GrantId, GrantId),
    changed: Changed,
    act: &Act,
) -> Result<GrantRow, IssueError> {
    let records = node.grants(space).await?;
    let before = records.into_iter().find(|record| record.grant.id == id).ok_or(NodeError::NotFound)?;
    let known = node.directory().grant_row(id).await?.ok_or(NodeError::NotFound)?;
    // Whoever removes an app takes back what it has after that.
    if node.directory().app(known.client).await?.is_none() && !node.directory().is_app_password(known.client).await? {
        return Err(NodeError::NotFound.into());
    }
    let (schema, now) = (node.schema(space).await?, node.now());
    let GrantRecord { grant: old, app, .. } = before;
    let terms = Terms { id: new, grantor: old.grantor, holder: old.holder, space, now };
    let by = act.metadata(old.grantor, changed.action());
    let decision = match &changed {
        Changed::Widened(_, decision) => Some(*decision),
        Changed::Narrowed(_) | Changed::Extended(_) => None,
    };
    if !counts_still(node, decision).await? {
        return Err(IssueError::Decided);
    }
    let (grant, field_order) = match changed {
        Changed::Narrowed(list) => {
            let grant = narrow(&old, &list, terms, &schema)?;
            let order = Order::of(&list, &grant, &schema).to_lines();
            (grant, order)
        }
        Changed::Extended(_) | Changed::Widened(..) if ends(&old).is_some_and(|end| end <= now) => {
            return Err(IssueError::Ended);
        }
        Changed::Extended(until) => (extend(&old, terms, until), known.field_order.clone()),
        Changed::Widened(wish, _) => {
            let added = wish.added(terms, &schema)?;
            let order = Order::of(wish.chosen.as_deref().unwrap_or(&wish.asked), &added, &schema).to_lines();
            let new = order.lines().filter(|line| !known.field_order.lines().any(|known| known == *line));
            let order = known.field_order.lines().chain(new).map(|line| format!("{line}\n")).collect();
            (widen(&old, added, now)?, order)
        }
    };
    let row = GrantRow { id: new, field_order, created: now, expires: ends(&grant), ..known };
    node.put_grant(GrantRecord { grant, app, created: now }, by).await?;
    if node.directory().replace_grant_by(id, &row, decision).await? {
        return Ok(row);
    }
    Err(if counts_still(node, decision).await? { NodeError::NotFound.into() } else { IssueError::Decided })
}

/// Whether nobody took whoever decides for broken off.
async fn counts_still(node: &dyn Node, decision: Option<Decision>) -> Result<bool, DirectoryError> {
    match decision {
        Some(decision) => node.directory().still_decides(decision).await,
        None => Ok(true),
    }
}

/// Takes a grant back, or removes a link: enforcement first, then the record, then the tokens.
///
/// # Errors
/// [`NodeError::NotFound`] if it is taken back meanwhile, or another has taken its place.
pub async fn revoke(
    node: &dyn Node,
    of: (UserId, SpaceId, Holder, GrantId),
    act: &Act,
) -> Result<Delivery, IssueError> {
    let (_, space, _, id) = of;
    let _alone = node.turn(space).await;
    if node.grants(space).await?.iter().all(|record| record.grant.id != id) {
        node.directory().end_grant(id).await?;
        return Err(NodeError::NotFound.into());
    }
    revoke_in_turn(node, of, act).await
}

/// Removes an app password, whichever grant it holds by now: when this returns it opens nothing.
pub async fn remove_app_password(node: &dyn Node, one: &AppPassword, act: &Act) -> Result<Delivery, IssueError> {
    let _alone = node.turn(one.grant.space).await;
    let Some(row) = node.directory().held_by_app_password(one.client).await? else { return Ok(Delivery::Done) };
    let of = (row.user, row.space, Holder::Client(row.client), row.id);
    if node.grants(row.space).await?.iter().any(|record| record.grant.id == row.id) {
        return revoke_in_turn(node, of, act).await;
    }
    end_in_turn(node, of, act).await?;
    Ok(Delivery::Done)
}

/// Ends what is here of a grant whose record is gone, and what opens it; by whoever has the turn of the space.
async fn end_in_turn(
    node: &dyn Node,
    (grantor, _, holder, id): (UserId, SpaceId, Holder, GrantId),
    act: &Act,
) -> Result<(), IssueError> {
    let (action, detail) = taken_back(node, holder, id, act).await?;
    node.directory().end_grant(id).await?;
    node.advance_epoch();
    Ok(node.directory().audit(grantor, act.actor, action, detail, node.now()).await?)
}

/// What the audit says of a grant that is taken back.
async fn taken_back(
    node: &dyn Node,
    holder: Holder,
    id: GrantId,
    act: &Act,
) -> Result<(&'static str, Value), DirectoryError> {
    let (action, mut detail) = match holder {
        Holder::Client(client) if node.directory().is_app_password(client).await? => {
            ("app_password.removed", json!({ "grant": id, "app_password": client }))
        }
        Holder::Client(client) => ("grant.revoked", json!({ "grant": id, "client_id": client })),
        Holder::Link(_) => ("link.removed", json!({ "link": id })),
    };
    detail["request"] = json!(act.request);
    Ok((action, detail))
}

/// [`revoke`], by whoever has the turn of the space.
pub(crate) async fn revoke_in_turn(
    node: &dyn Node,
    (grantor, space, holder, id): (UserId, SpaceId, Holder, GrantId),
    act: &Act,
) -> Result<Delivery, IssueError> {
    let (action, detail) = taken_back(node, holder, id, act).await?;
    node.begin_taking(space, id).await?;
    let stopped = node.revoke_grant(grantor, space, id, act.metadata(grantor, action)).await;
    // Tokens end whatever became of the record: without tokens the grant is of no use to anyone.
    let ended = node.directory().end_grant(id).await;
    node.advance_epoch();
    let audited = if stopped.is_ok() && ended.is_ok() {
        node.directory().audit(grantor, act.actor, action, detail, node.now()).await
    } else {
        Ok(())
    };
    node.end_taking(space, id).await?;
    let delivery = stopped?;
    ended?;
    audited?;
    Ok(delivery)
}

/// Ends what opens a grant that its person took back on another of their nodes, and takes back what is in the place of one
/// if that had not heard of the change: they meant the app, whatever of it was known there.
///
/// # Errors
/// Some may not be looked at; the others are.
pub async fn take_back_what_was_elsewhere(node: &dyn Node, space: Option<SpaceId>) -> Result<(), IssueError> {
    let mut failed = Ok(());
    let mut rows: BTreeMap<SpaceId, Vec<GrantRow>> = BTreeMap::new();
    for row in node.directory().grant_rows_in(space).await? {
        rows.entry(row.space).or_default().push(row);
    }
    for (space, rows) in rows {
        match end_what_was_elsewhere(node, space, &rows).await {
            Ok(()) | Err(IssueError::Node(NodeError::NotFound)) => {}
            Err(error) => failed = Err(error),
        }
    }
    for one in node.directory().replaced_grants(space).await? {
        let done = async {
            let taken_back = node.is_taken_back_elsewhere(one.space, one.before).await?;
            let row = node.directory().grant_row(one.now).await?;
            if let (true, Some(row)) = (taken_back, row) {
                let of = (row.user, row.space, Holder::Client(row.client), row.id);
                let _ = revoke(node, of, &Act::new(Actor::Node)).await?;
            }
            Ok(())
        };
        match done.await {
            Ok(()) | Err(IssueError::Node(NodeError::NotFound)) => {}
            Err(error) => failed = Err(error),
        }
    }
    failed
}

/// The record of one is gone with the news of it: what opens it here is left, and ends.
async fn end_what_was_elsewhere(node: &dyn Node, space: SpaceId, rows: &[GrantRow]) -> Result<(), IssueError> {
    let living: HashSet<GrantId> = node.grants(space).await?.iter().map(|record| record.grant.id).collect();
    for row in rows.iter().filter(|row| !living.contains(&row.id)) {
        // One that is being given or changed at this moment is not: nobody took it back.
        if !node.is_taken_back_elsewhere(space, row.id).await? {
            continue;
        }
        let _alone = node.turn(space).await;
        if node.directory().grant_row(row.id).await?.is_some() {
            let of = (row.user, space, Holder::Client(row.client), row.id);
            end_in_turn(node, of, &Act::new(Actor::Node)).await?;
        }
    }
    Ok(())
}

/// After how long what failed is tried again, for the first time; twice as long each time, up to ten minutes.
pub const AGAIN: Duration = Duration::from_secs(15);
const MAX_AGAIN: Duration = Duration::from_secs(600);

/// [`take_back_what_was_elsewhere`] of all spaces, and then of each of which there is news, for as long as the node runs.
/// What failed is tried again after `again`, and then less and less often: a space that cannot be opened holds up no other.
pub async fn follow_other_nodes(
    node: Arc<dyn Node>,
    mut news: tokio::sync::broadcast::Receiver<Moved>,
    again: Duration,
) {
    use tokio::sync::broadcast::error::RecvError;
    use tokio::time::{Instant, sleep_until};
    let mut space = None;
    let mut retry: Option<(Instant, Duration)> = None;
    loop {
        match take_back_what_was_elsewhere(&*node, space).await {
            Ok(()) if space.is_none() => retry = None,
            Ok(()) => {}
            Err(error) => {
                tracing::warn!(%error, "what was taken back on another node of its person is not taken back here yet");
                let after = |pause| Some((Instant::now() + pause, pause));
                retry = match (retry, space) {
                    (None, _) => after(again),
                    (Some((_, pause)), None) => after((pause * 2).min(MAX_AGAIN)),
                    (known, Some(_)) => known,
                };
            }
        }
        space = loop {
            let due = async {
                match retry {
                    Some((at, _)) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let heard = tokio::select! {
                heard = news.recv() => heard,
                () = due => break None,
            };
            match heard {
                Ok(Moved::Control(space)) => break Some(space),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => break None,
                Err(RecvError::Closed) => return,
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use gateway_people::realm::Realm as _;
    use serde_json::json;

    use super::*;
    use crate::node::fake::{Fake, access};

    async fn granted(node: &Arc<Fake>, app: &Value, user: &str) -> GrantRecord {
        let grant = json!({ "user": user, "client_id": app["client_id"], "access": access() });
        let answer = node.operator_post("/api/v1/grants", grant).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        node.records.lock().last().unwrap().clone()
    }

    async fn until(mut holds: impl AsyncFnMut() -> bool) {
        let held = async {
            while !holds().await {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), held).await.expect("it never came to it");
    }

    #[actix_web::test]
    async fn a_space_that_does_not_open_holds_up_no_other() {
        let (node, _) = Fake::set_up().await;
        node.operator_post("/api/v1/users", json!({ "name": "bob", "password": "another long password" })).await;
        let app = node.app(access(), false).await;
        let (alices, bobs) = (granted(&node, &app, "alice").await, granted(&node, &app, "bob").await);
        let (broken, other) = (alices.grant.space, bobs.grant.space);
        let (news, listened) = tokio::sync::broadcast::channel(8);
        let follows = tokio::spawn(follow_other_nodes(node.clone(), listened, Duration::from_millis(2)));

        *node.broken.lock() = Some((broken, 0));
        news.send(Moved::Control(broken)).unwrap();
        until(async || node.broken.lock().is_some_and(|(_, tried)| tried > 1)).await;

        for record in [&alices, &bobs] {
            node.records.lock().retain(|kept| kept.grant.id != record.grant.id);
            node.taken_back_elsewhere.lock().push(record.grant.id);
        }
        news.send(Moved::Control(other)).unwrap();
        let is_here = async |record: &GrantRecord| node.directory().grant_row(record.grant.id).await.unwrap().is_some();
        until(async || !is_here(&bobs).await).await;
        assert!(is_here(&alices).await, "control: its space does not open");
        *node.broken.lock() = None;
        until(async || !is_here(&alices).await).await;
        drop(news);
        follows.await.unwrap();
    }
}
