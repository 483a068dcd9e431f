//! Apps ask for more than they were granted, and wait for their person to come by.
//!
//! One of an app waits at a time, so many of a person, and each for two weeks. Of several who decide one is the first; who is
//! broken off while the grant is made does not keep it from being decided. A request is approved in the moment in which its grant
//! counts ([`Directory::replace_grant_by`]): it is not granted and declined, whoever is slow or killed.

pub(super) mod migration;
mod tables;
#[cfg(test)]
mod tests;

use policy_core::{ClientId, GrantId, Timestamp, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    Set,
};

use self::tables::request::{self, Column, Entity};
use super::audit::next_id;
use super::{Directory, DirectoryError, id};

/// How long a request waits, in seconds.
pub const REQUEST_SECONDS: i64 = 14 * 86_400;
/// Requests that wait for a person at most.
const MAX_REQUESTS_OF_PERSON: u64 = 32;
/// Requests of an app to a person within a day: who said no is not asked on and on.
const OF_A_DAY: u64 = 3;
const DAY: i64 = 86_400_000_000;
/// Whoever decides has done so by then, or was broken off.
const DECIDING: i64 = 60_000_000;

const WAITING: &str = "waiting";
const BEING_DECIDED: &str = "deciding";
const APPROVED: &str = "approved";
const DECLINED: &str = "declined";

/// Names a request.
pub type RequestId = [u8; 16];

/// How a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestState {
    Waiting,
    Approved,
    Declined,
    /// Nobody decided in time.
    Lapsed,
}

impl RequestState {
    /// The word in routes.
    pub const fn word(self) -> &'static str {
        match self {
            RequestState::Waiting => WAITING,
            RequestState::Approved => APPROVED,
            RequestState::Declined => DECLINED,
            RequestState::Lapsed => "lapsed",
        }
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRequest {
    pub id: RequestId,
    pub user: UserId,
    pub client: ClientId,
    /// What it is to come beside.
    pub grant: GrantId,
    /// JSON.
    pub access: String,
    pub purpose: Option<String>,
    pub state: RequestState,
    pub created: Timestamp,
    pub expires: Timestamp,
}

/// Somebody approves a request, for as long as nobody takes them for broken off. Who takes it over begins a minute later at
/// the earliest, so that the moment tells one from the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    request: RequestId,
    begun: Timestamp,
}

impl Decision {
    fn holds(self) -> Condition {
        Condition::all()
            .add(Column::Id.eq(self.request.to_vec()))
            .add(Column::State.eq(BEING_DECIDED))
            .add(Column::Decided.eq(self.begun.0))
    }
}

/// What an app asks.
#[derive(Debug, Clone)]
pub struct NewRequest {
    pub user: UserId,
    pub client: ClientId,
    pub grant: GrantId,
    pub access: String,
    pub purpose: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filed {
    Waits(AccessRequest),
    /// Another of the app waits.
    Another,
    /// The app asked too often, or too many wait for the person.
    TooMany,
}

fn read(row: request::Model, now: Timestamp) -> Result<AccessRequest, DirectoryError> {
    let state = match row.state.as_str() {
        APPROVED => RequestState::Approved,
        DECLINED => RequestState::Declined,
        _ if row.expires <= now.0 => RequestState::Lapsed,
        _ => RequestState::Waiting,
    };
    let table = "dir_access_request";
    Ok(AccessRequest {
        id: id(&row.id, |bytes| bytes, table)?,
        user: id(&row.user, UserId::from_bytes, table)?,
        client: id(&row.client, ClientId::from_bytes, table)?,
        grant: id(&row.grant_id, GrantId::from_bytes, table)?,
        access: row.access,
        purpose: row.purpose,
        state,
        created: Timestamp(row.created),
        expires: Timestamp(row.expires),
    })
}

fn waiting(now: Timestamp) -> Select<Entity> {
    Entity::find().filter(Column::State.is_in([WAITING, BEING_DECIDED])).filter(Column::Expires.gt(now.0))
}

/// Nobody decides it: it waits, or whoever began was broken off.
fn undecided(now: Timestamp) -> Condition {
    let broken_off = Condition::all().add(Column::State.eq(BEING_DECIDED)).add(Column::Decided.lte(now.0 - DECIDING));
    let open = Condition::any().add(Column::State.eq(WAITING)).add(broken_off);
    Condition::all().add(Column::Expires.gt(now.0)).add(open)
}

/// The request of a decision is approved, in the transaction in which its grant counts. False: it was taken for broken off.
pub(super) async fn approve(
    db: &impl ConnectionTrait,
    decision: Decision,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    let approved = Entity::update_many()
        .col_expr(Column::State, Expr::value(APPROVED))
        .col_expr(Column::Decided, Expr::value(now.0))
        .filter(decision.holds())
        .exec(db)
        .await?;
    Ok(approved.rows_affected == 1)
}

/// What waits goes.
pub(super) async fn forget_waiting(db: &impl ConnectionTrait) -> Result<(), DirectoryError> {
    Entity::delete_many().filter(Column::State.is_in([WAITING, BEING_DECIDED])).exec(db).await?;
    Ok(())
}

/// What waits beside a grant waits beside the one that takes its place.
pub(super) async fn follow(db: &impl ConnectionTrait, before: Vec<u8>, after: Vec<u8>) -> Result<(), DirectoryError> {
    Entity::update_many()
        .col_expr(Column::GrantId, Expr::value(after))
        .filter(Column::GrantId.eq(before))
        .exec(db)
        .await?;
    Ok(())
}

/// What waits beside a grant goes with it.
pub(super) async fn forget(db: &impl ConnectionTrait, grant: Vec<u8>) -> Result<(), DirectoryError> {
    Entity::delete_many().filter(Column::GrantId.eq(grant)).exec(db).await?;
    Ok(())
}

/// Forgets what apps ask a person for.
pub(super) async fn forget_person(db: &impl ConnectionTrait, user: Vec<u8>) -> Result<(), DirectoryError> {
    Entity::delete_many().filter(Column::User.eq(user)).exec(db).await?;
    Ok(())
}

impl Directory {
    /// An app asks a person for more.
    pub async fn file_request(&self, new: NewRequest, now: Timestamp) -> Result<Filed, DirectoryError> {
        let _alone = self.requests.lock().await;
        let (user, client) = (new.user.as_bytes().to_vec(), new.client.as_bytes().to_vec());
        let of_app = Condition::all().add(Column::User.eq(user.clone())).add(Column::Client.eq(client.clone()));
        if waiting(now).filter(of_app.clone()).count(&self.db).await? > 0 {
            return Ok(Filed::Another);
        }
        let of_late = Entity::find().filter(of_app).filter(Column::Created.gt(now.0 - DAY)).count(&self.db).await?;
        let of_person = waiting(now).filter(Column::User.eq(user.clone())).count(&self.db).await?;
        if of_late >= OF_A_DAY || of_person >= MAX_REQUESTS_OF_PERSON {
            return Ok(Filed::TooMany);
        }
        let row = request::Model {
            id: next_id(now),
            user,
            client,
            grant_id: new.grant.as_bytes().to_vec(),
            access: new.access,
            purpose: new.purpose,
            state: WAITING.to_owned(),
            created: now.0,
            expires: now.0 + REQUEST_SECONDS * 1_000_000,
            decided: None,
        };
        let filed = request::ActiveModel {
            id: Set(row.id.clone()),
            user: Set(row.user.clone()),
            client: Set(row.client.clone()),
            grant_id: Set(row.grant_id.clone()),
            access: Set(row.access.clone()),
            purpose: Set(row.purpose.clone()),
            state: Set(row.state.clone()),
            created: Set(row.created),
            expires: Set(row.expires),
            decided: Set(None),
        };
        Entity::insert(filed).exec_without_returning(&self.db).await?;
        Ok(Filed::Waits(read(row, now)?))
    }

    /// A request, however it stands.
    pub async fn access_request(
        &self,
        request: RequestId,
        now: Timestamp,
    ) -> Result<Option<AccessRequest>, DirectoryError> {
        let found = Entity::find_by_id(request.to_vec()).one(&self.db).await?;
        found.map(|row| read(row, now)).transpose()
    }

    /// The requests that wait for a person, or for anybody; the oldest first.
    pub async fn waiting_requests(
        &self,
        user: Option<UserId>,
        now: Timestamp,
    ) -> Result<Vec<AccessRequest>, DirectoryError> {
        let mut find = waiting(now).order_by_asc(Column::Created).limit(1_000);
        if let Some(user) = user {
            find = find.filter(Column::User.eq(user.as_bytes().to_vec()));
        }
        find.all(&self.db).await?.into_iter().map(|row| read(row, now)).collect()
    }

    /// A person begins to approve: of several one is the first; `None`: it is not this one.
    pub async fn begin_deciding(&self, request: RequestId, now: Timestamp) -> Result<Option<Decision>, DirectoryError> {
        let begun = Entity::update_many()
            .col_expr(Column::State, Expr::value(BEING_DECIDED))
            .col_expr(Column::Decided, Expr::value(now.0))
            .filter(Column::Id.eq(request.to_vec()))
            .filter(undecided(now))
            .exec(&self.db)
            .await?;
        Ok((begun.rows_affected == 1).then_some(Decision { request, begun: now }))
    }

    /// Whether a decision counts still: nobody took it for broken off.
    pub async fn still_decides(&self, decision: Decision) -> Result<bool, DirectoryError> {
        Ok(Entity::find().filter(decision.holds()).count(&self.db).await? == 1)
    }

    /// What was decided could not be done: the request waits on, unless it is decided.
    pub async fn stop_deciding(&self, decision: Decision) -> Result<(), DirectoryError> {
        Entity::update_many()
            .col_expr(Column::State, Expr::value(WAITING))
            .filter(decision.holds())
            .exec(&self.db)
            .await?;
        Ok(())
    }

    /// A person declines. False: it is decided, or somebody approves it at the moment.
    pub async fn decline_request(&self, request: RequestId, now: Timestamp) -> Result<bool, DirectoryError> {
        let declined = Entity::update_many()
            .col_expr(Column::State, Expr::value(DECLINED))
            .col_expr(Column::Decided, Expr::value(now.0))
            .filter(Column::Id.eq(request.to_vec()))
            .filter(undecided(now))
            .exec(&self.db)
            .await?;
        Ok(declined.rows_affected == 1)
    }

    pub(super) async fn drop_requests(&self, now: Timestamp) -> Result<(), DirectoryError> {
        // Whoever asked can hear for as long again what came of it.
        let over = now.0 - REQUEST_SECONDS * 1_000_000;
        Entity::delete_many().filter(Column::Expires.lt(over)).exec(&self.db).await?;
        Ok(())
    }
}
