//! The tables of sync.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ColumnDef, Table};
use sea_orm_migration::prelude::*;

/// Creates the tables of sync.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(CreateTables), Box::new(KeepInvites), Box::new(KeepForks)]
    }

    fn migration_table_name() -> DynIden {
        // Each crate keeps its own list: they share one database.
        "sync_migration".into_iden()
    }
}

struct CreateTables;

impl MigrationName for CreateTables {
    fn name(&self) -> &str {
        "create_sync_tables"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateTables {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    #[expect(elided_lifetimes_in_paths, reason = "the trait's own signature has this form")]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let blob = |column| ColumnDef::new(column).binary().not_null().take();
        let peers = Table::create()
            .table(peer::Entity)
            .col(ColumnDef::new(peer::Column::Peer).binary().not_null())
            .col(ColumnDef::new(peer::Column::Account).binary().not_null())
            .col(ColumnDef::new(peer::Column::Kind).integer().not_null())
            .col(ColumnDef::new(peer::Column::Addrs).text().not_null())
            .col(ColumnDef::new(peer::Column::Spaces).text())
            .primary_key(Index::create().col(peer::Column::Peer).col(peer::Column::Account))
            .to_owned();
        manager.create_table(peers).await?;
        let held = Table::create()
            .table(held::Entity)
            .col(blob(held::Column::Peer))
            .col(ColumnDef::new(held::Column::Kind).integer().not_null())
            .col(blob(held::Column::Scope))
            .col(blob(held::Column::Tips))
            .col(ColumnDef::new(held::Column::BehindSince).big_integer())
            .primary_key(Index::create().col(held::Column::Peer).col(held::Column::Kind).col(held::Column::Scope))
            .to_owned();
        manager.create_table(held).await?;
        let settings = Table::create()
            .table(setting::Entity)
            .col(ColumnDef::new(setting::Column::Name).text().not_null().primary_key())
            .col(ColumnDef::new(setting::Column::Value).text().not_null())
            .to_owned();
        manager.create_table(settings).await
    }
}

struct KeepInvites;

impl MigrationName for KeepInvites {
    fn name(&self) -> &str {
        "keep_invites"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for KeepInvites {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    #[expect(elided_lifetimes_in_paths, reason = "the trait's own signature has this form")]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let invites = Table::create()
            .table(invite::Entity)
            .if_not_exists()
            .col(ColumnDef::new(invite::Column::Id).binary().not_null().primary_key())
            .col(ColumnDef::new(invite::Column::Code).binary().not_null())
            .col(ColumnDef::new(invite::Column::Tries).integer().not_null())
            .to_owned();
        manager.create_table(invites).await
    }
}

struct KeepForks;

impl MigrationName for KeepForks {
    fn name(&self) -> &str {
        "keep_forks"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for KeepForks {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    #[expect(elided_lifetimes_in_paths, reason = "the trait's own signature has this form")]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use fork::Column;
        let blob = |column| ColumnDef::new(column).binary().not_null().take();
        let number = |column| ColumnDef::new(column).big_integer().not_null().take();
        let forks = Table::create()
            .table(fork::Entity)
            .if_not_exists()
            .col(ColumnDef::new(Column::Kind).integer().not_null())
            .col(blob(Column::Scope))
            .col(blob(Column::Lane))
            .col(blob(Column::Device))
            .col(number(Column::Seq))
            .col(blob(Column::Ours))
            .col(blob(Column::Theirs))
            .col(blob(Column::Peer))
            .col(number(Column::At))
            .col(ColumnDef::new(Column::Seen).boolean().not_null())
            .primary_key(Index::create().col(Column::Kind).col(Column::Scope).col(Column::Lane).col(Column::Device))
            .to_owned();
        manager.create_table(forks).await
    }
}

/// How a scope is kept: 0 for an account or 1 for a space, and its id.
fn scope_parts(scope: sync_core::Scope) -> (i32, Vec<u8>) {
    match scope {
        sync_core::Scope::Account(id) => (0, id.as_bytes().to_vec()),
        sync_core::Scope::Space(id) => (1, id.as_bytes().to_vec()),
    }
}

fn scope_from_parts(kind: i32, id: &[u8]) -> Option<sync_core::Scope> {
    match kind {
        0 => policy_core::UserId::from_slice(id).map(sync_core::Scope::Account),
        _ => policy_core::SpaceId::from_slice(id).map(sync_core::Scope::Space),
    }
}

pub(super) mod fork {
    use super::super::forks::{Chain, Forked};
    use super::{scope_from_parts, scope_parts};
    use crate::store::StoreError;
    use policy_core::{DeviceId, PeerKey, Timestamp};
    use sea_orm::Set;
    use sea_orm::entity::prelude::*;
    use sync_core::{CommitId, Lane, Tip};

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "sync_fork")]
    pub struct Model {
        /// 0: an account, 1: a space.
        #[sea_orm(primary_key, auto_increment = false)]
        pub kind: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub scope: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub lane: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub device: Vec<u8>,
        pub seq: i64,
        /// The digests of the commit that is held here, and of the other.
        pub ours: Vec<u8>,
        pub theirs: Vec<u8>,
        pub peer: Vec<u8>,
        pub at: i64,
        pub seen: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}

    impl Model {
        pub(in super::super) fn parse(self) -> Result<(Chain, Forked), StoreError> {
            let damaged = || StoreError("a row of sync_fork is damaged".to_owned());
            let digest = |bytes: Vec<u8>| <[u8; 32]>::try_from(bytes).map_err(|_| damaged());
            let scope = scope_from_parts(self.kind, &self.scope).ok_or_else(damaged)?;
            let lane = Lane(self.lane.try_into().map_err(|_| damaged())?);
            let device = DeviceId::from_slice(&self.device).ok_or_else(damaged)?;
            let seq = u64::try_from(self.seq).map_err(|_| damaged())?;
            let tip = Tip { lane, device, seq, commit: CommitId(digest(self.ours)?) };
            let (other, peer) = (CommitId(digest(self.theirs)?), PeerKey(digest(self.peer)?));
            Ok(((scope, lane, device), Forked { tip, other, peer, at: Timestamp(self.at), seen: self.seen }))
        }
    }

    pub(in super::super) fn row((scope, lane, device): Chain, forked: &Forked) -> ActiveModel {
        let (kind, scope) = scope_parts(scope);
        ActiveModel {
            kind: Set(kind),
            scope: Set(scope),
            lane: Set(lane.0.to_vec()),
            device: Set(device.as_bytes().to_vec()),
            seq: Set(i64::try_from(forked.tip.seq).unwrap_or(i64::MAX)),
            ours: Set(forked.tip.commit.0.to_vec()),
            theirs: Set(forked.other.0.to_vec()),
            peer: Set(forked.peer.0.to_vec()),
            at: Set(forked.at.0),
            seen: Set(forked.seen),
        }
    }
}

pub(super) mod peer {
    use super::super::{Peer, PeerKind};
    use crate::store::StoreError;
    use policy_core::{PeerKey, SpaceId, UserId};
    use sea_orm::Set;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "sync_peer")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub peer: Vec<u8>,
        #[sea_orm(primary_key, auto_increment = false)]
        pub account: Vec<u8>,
        /// 0: a device, 1: a replica, 2: a replica whose address the operator named.
        pub kind: i32,
        /// One a line.
        pub addrs: String,
        /// Space ids, one a line; null: all.
        pub spaces: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}

    impl TryFrom<Model> for Peer {
        type Error = StoreError;

        fn try_from(row: Model) -> Result<Self, StoreError> {
            let damaged = || StoreError("a row of sync_peer is damaged".to_owned());
            let spaces = row.spaces.map(|all| all.lines().map(str::parse::<SpaceId>).collect::<Result<Vec<_>, _>>());
            Ok(Peer {
                key: PeerKey(row.peer.try_into().map_err(|_| damaged())?),
                user: UserId::from_slice(&row.account).ok_or_else(damaged)?,
                kind: if row.kind == 0 { PeerKind::Device } else { PeerKind::Replica },
                addrs: row.addrs.lines().map(str::to_owned).collect(),
                spaces: spaces.transpose().map_err(|_| damaged())?,
                vouched: row.kind != 1,
            })
        }
    }

    impl From<&Peer> for ActiveModel {
        fn from(peer: &Peer) -> Self {
            let lines = |spaces: &Vec<SpaceId>| spaces.iter().map(|id| format!("{id}\n")).collect::<String>();
            ActiveModel {
                peer: Set(peer.key.0.to_vec()),
                account: Set(peer.user.as_bytes().to_vec()),
                kind: Set(match (peer.kind, peer.vouched) {
                    (PeerKind::Device, _) => 0,
                    (PeerKind::Replica, false) => 1,
                    (PeerKind::Replica, true) => 2,
                }),
                addrs: Set(peer.addrs.join("\n")),
                spaces: Set(peer.spaces.as_ref().map(lines)),
            }
        }
    }
}

pub(super) mod held {
    use super::super::{tips_from_bytes, tips_to_bytes};
    use super::{scope_from_parts, scope_parts};
    use crate::store::StoreError;
    use policy_core::{PeerKey, Timestamp};
    use sea_orm::Set;
    use sea_orm::entity::prelude::*;
    use sync_core::{Scope, Tips};

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "sync_held")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub peer: Vec<u8>,
        /// 0: an account, 1: a space.
        #[sea_orm(primary_key, auto_increment = false)]
        pub kind: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub scope: Vec<u8>,
        pub tips: Vec<u8>,
        pub behind_since: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}

    type Parsed = ((PeerKey, Scope), Tips, Option<Timestamp>);

    impl Model {
        pub(in super::super) fn parse(self) -> Result<Parsed, StoreError> {
            let damaged = || StoreError("a row of sync_held is damaged".to_owned());
            let key = PeerKey(self.peer.try_into().map_err(|_| damaged())?);
            let scope = scope_from_parts(self.kind, &self.scope);
            let tips = tips_from_bytes(&self.tips).ok_or_else(damaged)?;
            Ok(((key, scope.ok_or_else(damaged)?), tips, self.behind_since.map(Timestamp)))
        }
    }

    pub(in super::super) fn row(at: (PeerKey, Scope), tips: &Tips, since: Option<Timestamp>) -> ActiveModel {
        let (kind, scope) = scope_parts(at.1);
        ActiveModel {
            peer: Set(at.0.0.to_vec()),
            kind: Set(kind),
            scope: Set(scope),
            tips: Set(tips_to_bytes(tips)),
            behind_since: Set(since.map(|at| at.0)),
        }
    }
}

pub(super) mod invite {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "sync_invite")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Vec<u8>,
        pub code: Vec<u8>,
        /// Wrong proofs so far.
        pub tries: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod setting {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "sync_setting")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub name: String,
        pub value: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
