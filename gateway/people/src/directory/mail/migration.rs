//! Makes the tables.

use sea_orm_migration::prelude::*;

use super::super::migration::columns::{bytes, bytes_or_null, instant, instant_or_null, table, text, text_or_null};
use super::tables::{mailbox, outbox};

/// The tables of letters.
pub struct Mail;

impl MigrationName for Mail {
    fn name(&self) -> &str {
        "dir_0020_mail"
    }
}

#[expect(elided_lifetimes_in_paths)]
#[async_trait::async_trait]
impl MigrationTrait for Mail {
    fn use_transaction(&self) -> Option<bool> {
        // Killed half-way it was never begun: SQLite takes tables in a transaction as well.
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use mailbox::Column as M;
        let columns = vec![
            bytes(M::User),
            text_or_null(M::Address),
            text_or_null(M::Wished),
            bytes_or_null(M::Nonce),
            instant_or_null(M::Expires),
            instant(M::Tries),
        ];
        manager.create_table(table(mailbox::Entity, columns).if_not_exists().take()).await?;
        use outbox::Column as O;
        let columns = vec![
            bytes(O::Id),
            bytes(O::User),
            text(O::Address),
            text(O::MailBox),
            text(O::Kind),
            bytes_or_null(O::Nonce),
            text(O::State),
            instant(O::Attempts),
            instant(O::Due),
            instant(O::Created),
        ];
        manager.create_table(table(outbox::Entity, columns).if_not_exists().take()).await?;
        let mut by_state = Index::create();
        by_state.name("dir_outbox_state").table(outbox::Entity).if_not_exists();
        manager.create_index(by_state.col(O::State).col(O::Due).take()).await?;
        let mut by_user = Index::create();
        by_user.name("dir_outbox_user").table(outbox::Entity).if_not_exists();
        manager.create_index(by_user.col(O::User).take()).await
    }
}
