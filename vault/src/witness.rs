//! What a database remembers of the log beside it, so that a loss does not pass unnoticed: a log that is missing,
//! older or another one, and a database that is.
//!
//! The node database of a member, and the small one of a blind replica, keep the log's identity and how far every
//! scope had come. The log keeps how often it was opened. Both are moved at every opening: the database says what comes
//! next, the log takes that step, the database follows. So one that was killed in between can be told from two files
//! that were not put away together, and of those which is the older.

use std::collections::HashMap;

use cid::Cid;
use parking_lot::Mutex;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, DatabaseConnection, DbErr, EntityTrait, TransactionTrait};
use sea_orm_migration::MigratorTrait;
use vault_core::commit::{cid_from_digest, digest_of};

use crate::data_dir::DataFile;
use crate::log::identity::Identity;
use crate::log::{Log, Scope};

pub(crate) use table::Migrator;

/// So many marks go into one statement.
const ROWS: usize = 256;

/// A scope that is behind what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind {
    pub scope: Scope,
    /// The position that the log has, and the one that it is known to have had.
    pub has: u64,
    pub had: u64,
}

/// Files of a data directory are missing, or do not belong together. The words in front of the colon are stable codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// The log is gone.
    LogMissing,
    /// The log is that of another node, or of another history of this one.
    LogForeign,
    /// The log is older than the database.
    LogRolledBack(Vec<Behind>),
    /// Views hold what the log lacks.
    LogOlderThanView(Vec<Behind>),
    /// The database is gone, or empty beside a log that is not.
    DatabaseMissing { file: DataFile },
    /// The database is older than the log.
    DatabaseRolledBack { file: DataFile },
    /// What was last written beside a database is damaged, and what came later would be forgotten.
    FramesDamaged { file: DataFile, at: u64 },
    /// What was last written beside a database is gone.
    FramesMissing { file: DataFile },
}

impl Loss {
    /// Whether a node can go on without what was lost, if its owner says so.
    pub fn can_be_accepted(&self) -> bool {
        matches!(
            self,
            Loss::LogRolledBack(_)
                | Loss::LogOlderThanView(_)
                | Loss::DatabaseRolledBack { .. }
                | Loss::FramesDamaged { .. }
                | Loss::FramesMissing { .. }
        )
    }
}

impl std::error::Error for Loss {}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let database = |file: DataFile| match file {
            DataFile::Log => "log",
            DataFile::ReplicaDatabase => "replica_database",
            _ => "node_database",
        };
        match self {
            Loss::LogMissing => f.write_str(
                "log_missing: log.db is missing, and with it every document that no other device or replica holds; put it \
                 back from your backup",
            ),
            Loss::LogForeign => f.write_str(
                "log_foreign: log.db is not the log that this directory was written with; put that one back from your \
                 backup",
            ),
            Loss::LogRolledBack(behind) => {
                f.write_str("log_rolled_back: log.db is older than what lies beside it")?;
                list(f, behind)
            }
            Loss::LogOlderThanView(behind) => {
                f.write_str("log_older_than_view: what queries read is newer than log.db, which lacks some of it")?;
                list(f, behind)
            }
            Loss::DatabaseMissing { file } => {
                let of = database(*file);
                write!(f, "{of}_missing: {} is missing, or empty beside a log that is not; put it back from your backup", file.name())
            }
            Loss::DatabaseRolledBack { file } => {
                let of = database(*file);
                write!(f, "{of}_rolled_back: {} is older than log.db: what was changed in it since then is lost; put the newer one back", file.name())
            }
            Loss::FramesDamaged { file, at } => {
                let (of, name) = (database(*file), file.name());
                write!(f, "{of}_damaged: {name}-wal is damaged at byte {at}: what was written to {name} behind that would be lost; put both back from your backup")
            }
            Loss::FramesMissing { file } => {
                let (of, name) = (database(*file), file.name());
                write!(f, "{of}_incomplete: {name}-wal is missing: {name} was not closed, and what was written last lay there; put both back from where they were copied")
            }
        }
    }
}

/// At most so many scopes are named.
const NAMED: usize = 5;

fn list(f: &mut std::fmt::Formatter<'_>, behind: &[Behind]) -> std::fmt::Result {
    for (n, Behind { scope, has, had }) in behind.iter().take(NAMED).enumerate() {
        let (kind, id) = match scope {
            Scope::Account(id) => ("account", id.to_string()),
            Scope::Space(id) => ("space", id.to_string()),
        };
        let sign = if n == 0 { ": " } else { "; " };
        write!(f, "{sign}{kind} {id} has {has} of {had} positions, {} to {had} are lost", (has + 1).min(*had))?;
    }
    if behind.len() > NAMED {
        write!(f, "; and {} more", behind.len() - NAMED)?;
    }
    f.write_str("; put the newer log.db back from your backup")
}

/// The log as the database knows it.
#[derive(Debug, Clone, Copy)]
struct Known {
    log: [u8; 16],
    /// Its last opening that the database has seen; number 0: none yet.
    run: [u8; 16],
    number: u64,
    /// The opening that was to come next.
    announced: Option<[u8; 16]>,
}

/// Why a log cannot be opened beside its database.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
    #[error(transparent)]
    Loss(#[from] Loss),
}

/// The memory, in a database that others use as well.
pub struct Witness {
    db: DatabaseConnection,
    file: DataFile,
    marks: Mutex<HashMap<Scope, (u64, Cid)>>,
}

impl Witness {
    /// Opens the memory in the database that is called `file`.
    ///
    /// # Errors
    /// If the database cannot be used.
    pub async fn open(db: DatabaseConnection, file: DataFile) -> Result<Self, DbErr> {
        Migrator::up(&db, None).await?;
        let unreadable = || DbErr::Custom("a mark of the log is unreadable".into());
        let mut marks = HashMap::new();
        for row in table::mark::Entity::find().all(&db).await? {
            let scope = Scope::from_bytes(&row.scope).ok_or_else(unreadable)?;
            let tip = cid_from_digest(row.tip.try_into().map_err(|_| unreadable())?);
            marks.insert(scope, (row.position as u64, tip));
        }
        Ok(Witness { db, file, marks: Mutex::new(marks) })
    }

    /// Whether the log must be there. `in_use`: the database holds what the log goes with; a log was made before that.
    pub fn expects_a_log(&self, in_use: bool) -> bool {
        in_use || !self.marks.lock().is_empty()
    }

    /// Compares the log with what is known of it, and notes that it is opened.
    ///
    /// # Errors
    /// If something is lost (then nothing is changed), or either database fails.
    pub async fn begin(&self, log: &Log, in_use: bool) -> Result<(), WitnessError> {
        if let Some(loss) = self.loss(log, in_use).await? {
            return Err(loss.into());
        }
        self.go_on(log).await?;
        Ok(())
    }

    /// Takes the log as it is for the right one. What was lost stays lost.
    ///
    /// # Errors
    /// If either database fails.
    pub async fn accept(&self, log: &Log) -> Result<(), DbErr> {
        table::mark::Entity::delete_many().exec(&self.db).await?;
        self.marks.lock().clear();
        self.go_on(log).await?;
        self.note(log).await
    }

    /// What is lost of log or database.
    ///
    /// # Errors
    /// If either database fails.
    pub async fn loss(&self, log: &Log, in_use: bool) -> Result<Option<Loss>, DbErr> {
        let empty = log.scopes().is_empty();
        let expected = self.expects_a_log(in_use);
        let loss = match (self.known().await?, log.identity().await?) {
            // New, both, or both of a version that kept no such thing.
            (None, None) | (Some(Known { number: 0, .. }), None) if empty || in_use => None,
            (None | Some(Known { number: 0, .. }), None) => Some(Loss::DatabaseMissing { file: self.file }),
            (None, Some(_)) if empty => None,
            (None, Some(_)) if in_use => Some(Loss::DatabaseRolledBack { file: self.file }),
            (None, Some(_)) => Some(Loss::DatabaseMissing { file: self.file }),
            (Some(_), None) if empty && !expected => None,
            (Some(_), None) if empty => Some(Loss::LogMissing),
            (Some(_), None) => Some(Loss::LogRolledBack(self.behind(log))),
            (Some(known), Some(there)) if known.log != there.log => Some(Loss::LogForeign),
            // The step that the database had announced may have been taken, or not.
            (Some(known), Some(there)) if known.run == there.run || known.announced == Some(there.run) => None,
            (Some(known), Some(there)) if known.number > there.number => Some(Loss::LogRolledBack(self.behind(log))),
            (Some(known), Some(there)) if known.number < there.number => {
                Some(Loss::DatabaseRolledBack { file: self.file })
            }
            (Some(_), Some(_)) => Some(Loss::LogForeign),
        };
        if loss.is_some() {
            return Ok(loss);
        }
        let behind = self.behind(log);
        if !behind.is_empty() {
            return Ok(Some(Loss::LogRolledBack(behind)));
        }
        let marks: Vec<_> =
            self.marks.lock().iter().map(|(scope, (position, tip))| (*scope, *position, *tip)).collect();
        let places: Vec<_> = marks.iter().map(|(scope, position, _)| (*scope, *position)).collect();
        let held = log.commits_at(&places).await?;
        let same = marks.iter().all(|(scope, position, tip)| held.get(&(*scope, *position)) == Some(tip));
        Ok((!same).then_some(Loss::LogForeign))
    }

    fn behind(&self, log: &Log) -> Vec<Behind> {
        let marks = self.marks.lock();
        let behind = |(scope, (had, _)): (&Scope, &(u64, Cid))| {
            let has = log.position(*scope);
            (has < *had).then_some(Behind { scope: *scope, has, had: *had })
        };
        let mut all: Vec<_> = marks.iter().filter_map(behind).collect();
        all.sort_by_key(|behind| behind.scope);
        all
    }

    /// The next opening: announced, taken, followed.
    pub(crate) async fn go_on(&self, log: &Log) -> Result<(), DbErr> {
        let there = log.identity().await?;
        let next = Identity::next(there)?;
        let (run, number) = there.map_or(([0; 16], 0), |there| (there.run, there.number));
        self.know(Known { log: next.log, run, number, announced: Some(next.run) }).await?;
        log.set_identity(next).await?;
        self.know(Known { log: next.log, run: next.run, number: next.number, announced: None }).await
    }

    async fn known(&self) -> Result<Option<Known>, DbErr> {
        let unreadable = || DbErr::Custom("what is known of the log is unreadable".into());
        let Some(row) = table::known::Entity::find_by_id(1).one(&self.db).await? else { return Ok(None) };
        let id = |bytes: Vec<u8>| bytes.try_into().map_err(|_| unreadable());
        Ok(Some(Known {
            log: id(row.log)?,
            run: id(row.run)?,
            number: u64::try_from(row.number).map_err(|_| unreadable())?,
            announced: row.announced.map(id).transpose()?,
        }))
    }

    async fn know(&self, log: Known) -> Result<(), DbErr> {
        use table::known::Column;
        let row = table::known::ActiveModel {
            id: Set(1),
            log: Set(log.log.to_vec()),
            run: Set(log.run.to_vec()),
            number: Set(i64::try_from(log.number).unwrap_or(i64::MAX)),
            announced: Set(log.announced.map(|run| run.to_vec())),
        };
        let columns = [Column::Log, Column::Run, Column::Number, Column::Announced];
        let clash = OnConflict::column(Column::Id).update_columns(columns).to_owned();
        table::known::Entity::insert(row).on_conflict(clash).exec_without_returning(&self.db).await?;
        Ok(())
    }

    /// Notes how far every scope has come. On disk when this returns.
    ///
    /// # Errors
    /// If the database cannot be written; then it is noted the next time.
    pub async fn note(&self, log: &Log) -> Result<(), DbErr> {
        use table::mark::Column;
        let moved: Vec<_> = {
            let marks = self.marks.lock();
            log.ends()
                .into_iter()
                .filter(|(scope, position, tip)| marks.get(scope) != Some(&(*position, *tip)))
                .collect()
        };
        if moved.is_empty() {
            return Ok(());
        }
        let txn = self.db.begin().await?;
        for moved in moved.chunks(ROWS) {
            let rows = moved.iter().map(|(scope, position, tip)| table::mark::ActiveModel {
                scope: Set(scope.bytes()),
                position: Set(*position as i64),
                tip: Set(digest_of(tip).to_vec()),
            });
            let clash = OnConflict::column(Column::Scope).update_columns([Column::Position, Column::Tip]).to_owned();
            table::mark::Entity::insert_many(rows).on_conflict(clash).exec_without_returning(&txn).await?;
        }
        txn.commit().await?;
        self.marks.lock().extend(moved.into_iter().map(|(scope, position, tip)| (scope, (position, tip))));
        Ok(())
    }
}

mod table {
    use sea_orm_migration::prelude::*;

    pub mod known {
        use sea_orm::entity::prelude::*;

        /// The log as it was last opened: one row.
        #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
        #[sea_orm(table_name = "witness_log")]
        pub struct Model {
            #[sea_orm(primary_key, auto_increment = false)]
            pub id: i32,
            pub log: Vec<u8>,
            pub run: Vec<u8>,
            pub number: i64,
            pub announced: Option<Vec<u8>>,
        }
        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {}
        impl ActiveModelBehavior for ActiveModel {}
    }

    pub mod mark {
        use sea_orm::entity::prelude::*;

        /// How far a scope had come.
        #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
        #[sea_orm(table_name = "witness_mark")]
        pub struct Model {
            #[sea_orm(primary_key, auto_increment = false)]
            pub scope: Vec<u8>,
            pub position: i64,
            /// The digest of the last commit there.
            pub tip: Vec<u8>,
        }
        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {}
        impl ActiveModelBehavior for ActiveModel {}
    }

    /// Creates the tables.
    pub struct Migrator;

    #[async_trait::async_trait]
    impl MigratorTrait for Migrator {
        fn migrations() -> Vec<Box<dyn MigrationTrait>> {
            vec![Box::new(First)]
        }
        fn migration_table_name() -> DynIden {
            "witness_migration".into_iden()
        }
    }

    struct First;

    impl MigrationName for First {
        fn name(&self) -> &str {
            "witness_0001"
        }
    }

    // The trait is declared with a hidden lifetime, and its implementations must spell it alike.
    #[expect(elided_lifetimes_in_paths)]
    #[async_trait::async_trait]
    impl MigrationTrait for First {
        fn use_transaction(&self) -> Option<bool> {
            // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
            Some(true)
        }

        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let known = Table::create()
                .table(known::Entity)
                .col(ColumnDef::new(known::Column::Id).integer().not_null().primary_key())
                .col(ColumnDef::new(known::Column::Log).binary().not_null())
                .col(ColumnDef::new(known::Column::Run).binary().not_null())
                .col(ColumnDef::new(known::Column::Number).big_integer().not_null())
                .col(ColumnDef::new(known::Column::Announced).binary())
                .to_owned();
            let mark = Table::create()
                .table(mark::Entity)
                .col(ColumnDef::new(mark::Column::Scope).binary().not_null().primary_key())
                .col(ColumnDef::new(mark::Column::Position).big_integer().not_null())
                .col(ColumnDef::new(mark::Column::Tip).binary().not_null())
                .to_owned();
            manager.create_table(known).await?;
            manager.create_table(mark).await
        }
    }
}
