//! Which log this is, and by how many openings it has grown: so that what lies beside it can tell an older or another
//! log from the one that it knows.

use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, DbErr, EntityTrait};

use super::Log;
use super::table::identity;

/// A log's identity. Drawn once; `run` is drawn anew at every opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub log: [u8; 16],
    /// The present opening.
    pub run: [u8; 16],
    /// How many openings there were.
    pub number: u64,
}

fn random() -> Result<[u8; 16], DbErr> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| DbErr::Custom("the system gives no randomness".into()))?;
    Ok(bytes)
}

impl Identity {
    /// That of the next opening.
    pub(crate) fn next(now: Option<Identity>) -> Result<Identity, DbErr> {
        let run = random()?;
        Ok(match now {
            Some(now) => Identity { log: now.log, run, number: now.number + 1 },
            None => Identity { log: random()?, run, number: 1 },
        })
    }
}

impl Log {
    /// `None`: a new log, or one of a version that gave it none.
    pub(crate) async fn identity(&self) -> Result<Option<Identity>, DbErr> {
        let unreadable = || DbErr::Custom("the identity of the log is unreadable".into());
        let Some(row) = identity::Entity::find_by_id(1).one(&self.disk.db).await? else { return Ok(None) };
        let id = |bytes: Vec<u8>| bytes.try_into().map_err(|_| unreadable());
        Ok(Some(Identity {
            log: id(row.log)?,
            run: id(row.run)?,
            number: u64::try_from(row.number).map_err(|_| unreadable())?,
        }))
    }

    /// Keeps the identity. On disk when this returns.
    pub(crate) async fn set_identity(&self, new: Identity) -> Result<(), DbErr> {
        use identity::Column;
        let row = identity::ActiveModel {
            id: Set(1),
            log: Set(new.log.to_vec()),
            run: Set(new.run.to_vec()),
            number: Set(i64::try_from(new.number).unwrap_or(i64::MAX)),
        };
        let columns = [Column::Log, Column::Run, Column::Number];
        let clash = OnConflict::column(Column::Id).update_columns(columns).to_owned();
        let _alone = self.disk.alone().await;
        identity::Entity::insert(row).on_conflict(clash).exec_without_returning(&self.disk.db).await?;
        Ok(())
    }
}
