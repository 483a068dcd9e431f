//! Requests that apps sent here themselves, before they sent anybody (RFC 9126): each leads to one answer.

use policy_core::{ClientId, Timestamp};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set};

use super::tables::pushed;
use super::{Directory, DirectoryError, Secret, SecretHash, room};

/// How long a person has, in seconds.
pub const PUSHED_SECONDS: i64 = 590;

impl Directory {
    /// Keeps a request of an app. Where too many wait, the oldest gives way.
    pub async fn push_request(
        &self,
        (client, proven): (ClientId, bool),
        from: &str,
        request: &str,
        now: Timestamp,
    ) -> Result<Secret, DirectoryError> {
        let own = pushed::Entity::find().filter(pushed::Column::Client.eq(client.as_bytes().to_vec()));
        let own = own.filter(pushed::Column::Expires.gt(now.0));
        let columns = [pushed::Column::Hash, pushed::Column::Origin, pushed::Column::Expires];
        room::make(&self.db, own, columns, from, proven).await?;
        let secret = Secret::draw();
        let row = pushed::ActiveModel {
            hash: Set(secret.hash().0.to_vec()),
            client: Set(client.as_bytes().to_vec()),
            origin: Set(from.to_owned()),
            request: Set(request.to_owned()),
            expires: Set(now.0 + PUSHED_SECONDS * 1_000_000),
        };
        pushed::Entity::insert(row).exec_without_returning(&self.db).await?;
        Ok(secret)
    }

    /// The request that `text` stands for, if it is this app's, has not lapsed and was not answered.
    pub async fn pushed(&self, text: &str, client: ClientId, now: Timestamp) -> Result<Option<String>, DirectoryError> {
        let found = pushed::Entity::find_by_id(SecretHash::of(text).0.to_vec()).one(&self.db).await?;
        let found = found.filter(|found| found.client == client.as_bytes() && found.expires > now.0);
        Ok(found.map(|found| found.request))
    }

    /// Answers a request: of several who do so at once, one is told that it was not answered before.
    pub async fn answer_pushed(&self, text: &str) -> Result<bool, DirectoryError> {
        let gone = pushed::Entity::delete_by_id(SecretHash::of(text).0.to_vec()).exec(&self.db).await?;
        Ok(gone.rows_affected == 1)
    }

    pub(super) async fn drop_pushed(&self, now: Timestamp) -> Result<(), DirectoryError> {
        pushed::Entity::delete_many().filter(pushed::Column::Expires.lte(now.0)).exec(&self.db).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::on_each_backend;
    use super::*;

    #[tokio::test]
    async fn a_request_is_answered_once_by_its_app_in_time_and_there_is_room_for_so_many() {
        for directory in on_each_backend().await {
            let (now, client) = (Timestamp::from_seconds(100), ClientId::from_bytes([1; 16]));
            let other = ClientId::from_bytes([2; 16]);
            let push = async |client, from: &str, second| {
                let at = Timestamp::from_seconds(second);
                directory.push_request((client, false), from, "a=b", at).await.unwrap()
            };
            let secret = push(client, "here", 100).await;
            let text = secret.text();
            let found = async |client, at| directory.pushed(text, client, Timestamp::from_seconds(at)).await.unwrap();
            assert_eq!(found(client, 100).await.as_deref(), Some("a=b"));
            assert_eq!(found(other, 100).await, None);
            assert_eq!(found(client, 100 + PUSHED_SECONDS).await, None);
            let answered = futures::future::join_all((0..50).map(|_| directory.answer_pushed(text))).await;
            assert_eq!(answered.into_iter().filter(|one| matches!(one, Ok(true))).count(), 1);
            assert_eq!(found(client, 100).await, None);
            // Where too many wait of a network, its oldest gives way, and nobody else's.
            let waits = async |secret: &Secret| directory.pushed(secret.text(), client, now).await.unwrap().is_some();
            let there = push(client, "there", 90).await;
            let oldest = push(client, "here", 91).await;
            let next = push(client, "here", 92).await;
            for _ in 2..room::MAX_WAITING_OF_NETWORK {
                push(client, "here", 100).await;
            }
            assert!(waits(&oldest).await, "control");
            let last = push(client, "here", 100).await;
            assert!(!waits(&oldest).await);
            assert!(waits(&next).await && waits(&last).await && waits(&there).await);
            // An app that proves itself has more from one network.
            directory.push_request((client, true), "here", "a=b", now).await.unwrap();
            assert!(waits(&next).await);
            directory.drop_pushed(Timestamp::from_seconds(100 + PUSHED_SECONDS)).await.unwrap();
            assert!(!waits(&next).await);
        }
    }
}
