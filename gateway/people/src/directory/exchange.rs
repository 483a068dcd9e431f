//! An app gets a token for less than one that it has (RFC 8693): for a part of itself that needs no more. It is of the same
//! grant and the same family, so that what ends those ends it; it ends with the token that it came of, and sooner.

use std::sync::Arc;

use policy_core::{ClientId, Grant, GrantEntry, Holder, Timestamp};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, TransactionTrait};

use super::held::{kept, narrowing};
use super::openid::OpenidScope;
use super::refresh::touch_grant;
use super::tables::token;
use super::tokens::{end_with_what_came_of, row};
use super::{Directory, DirectoryError, GrantRow, Secret, Token, TokenKind};
use crate::dpop::Thumbprint;

/// How long such a token lasts at most, in seconds.
pub const EXCHANGED_SECONDS: i64 = 900;
/// Such tokens of one family; the oldest gives way.
const MAX_OF_FAMILY: usize = 64;

/// To what the new token is held.
#[derive(Debug, Clone)]
pub struct HeldTo {
    /// Entries within what the token has that it comes of.
    pub entries: Vec<GrantEntry>,
    /// What it tells of who the person is.
    pub openid: Option<OpenidScope>,
    /// The key that it is bound to.
    pub key: Option<Thumbprint>,
}

impl Directory {
    /// A token of `app` for less than what `of` gives, which is one of its access tokens. `None`: that is another app's, of no
    /// grant, or has ended meanwhile.
    pub async fn exchange(
        &self,
        (of, app): (&Token, ClientId),
        grant: &GrantRow,
        to: HeldTo,
        now: Timestamp,
    ) -> Result<Option<(Secret, Timestamp)>, DirectoryError> {
        let TokenKind::Access { client, grant: own, family, .. } = of.kind else { return Ok(None) };
        if client != app || own != grant.id || grant.user != of.user {
            return Ok(None);
        }
        let within = kept(Grant {
            id: grant.id,
            grantor: grant.user,
            holder: Holder::Client(grant.client),
            space: grant.space,
            entries: to.entries,
        });
        let last = narrowing(&within).ok_or(DirectoryError::Damaged("dir_token"))?;
        let expires = Timestamp(now.0 + EXCHANGED_SECONDS * 1_000_000).min(of.expires);
        let secret = Secret::draw();
        let new = Token {
            hash: secret.hash(),
            user: of.user,
            kind: TokenKind::Access { client, grant: own, family, openid: to.openid },
            created: now,
            expires,
            confirmed: None,
            used: now,
            idle: None,
            key: to.key,
            within: Some(Arc::new(last)),
        };
        let mut new = row(&new);
        new.within = sea_orm::Set(Some(within));
        new.came_of = sea_orm::Set(Some(of.hash.0.to_vec()));
        let came_of = of.hash.0.to_vec();
        let family = family.bytes().to_vec();
        let done = self.change_tokens(move |db| async move {
            let txn = db.begin().await?;
            // The rows that it rests on first: whoever ends one of them finds the new one, or is found.
            if !touch_grant(&txn, own.as_bytes().to_vec()).await? {
                txn.rollback().await?;
                return Ok(false);
            }
            let lives = token::Entity::update_many()
                .col_expr(token::Column::Created, Expr::col(token::Column::Created))
                .filter(token::Column::Hash.eq(came_of))
                .filter(token::Column::GrantId.eq(own.as_bytes().to_vec()))
                .exec(&txn)
                .await?;
            if lives.rows_affected != 1 {
                txn.rollback().await?;
                return Ok(false);
            }
            let all: Vec<Vec<u8>> = token::Entity::find()
                .filter(token::Column::Family.eq(family))
                .filter(token::Column::CameOf.is_not_null())
                .select_only()
                .column(token::Column::Hash)
                .order_by_desc(token::Column::Created)
                .into_tuple()
                .all(&txn)
                .await?;
            end_with_what_came_of(&txn, all.into_iter().skip(MAX_OF_FAMILY - 1).collect()).await?;
            token::Entity::insert(new).exec_without_returning(&txn).await?;
            txn.commit().await?;
            Ok(true)
        });
        Ok(done.await?.then_some((secret, expires)))
    }
}

#[cfg(test)]
mod tests {
    use policy_core::{CollectionId, FieldId, GrantScope, Predicate, Verb};

    use super::super::on_each_backend;
    use super::super::refresh::tests::noted;
    use super::*;

    fn entries() -> Vec<GrantEntry> {
        let scope = GrantScope {
            collection: CollectionId::from_bytes([1; 16]),
            fields: vec![FieldId::from_bytes([2; 16])],
            predicate: Predicate::default(),
        };
        vec![GrantEntry { verbs: [Verb::Read].into_iter().collect(), scopes: vec![scope], purpose: None, until: None }]
    }

    fn less() -> HeldTo {
        HeldTo { entries: entries(), openid: None, key: None }
    }

    #[tokio::test]
    async fn a_token_for_less_is_held_to_it_and_ends_with_what_it_came_of() {
        for directory in on_each_backend().await {
            let at = Timestamp::from_seconds;
            let grant = noted(&directory, None).await;
            let token = async |text: &str, now: i64| directory.token(text, at(now)).await.unwrap();
            let pair = directory.first_pair(&grant, at(100)).await.unwrap().unwrap();
            let whole = token(pair.access.text(), 100).await.unwrap();
            let exchange = async |of: &Token, now: i64| {
                directory.exchange((of, grant.client), &grant, less(), at(now)).await.unwrap()
            };
            let (one, until) = exchange(&whole, 100).await.expect("control");
            assert_eq!(until, at(100 + EXCHANGED_SECONDS));
            let held = token(one.text(), 100).await.unwrap();
            assert_eq!((held.kind, held.within.is_some(), whole.within.is_some()), (whole.kind, true, false));
            let (late, until) = exchange(&whole, 3_600).await.expect("control");
            assert_eq!(until, whole.expires, "no longer than what it came of");
            let (two, _) = exchange(&held, 200).await.expect("one for less of it");
            let other = ClientId::from_bytes([77; 16]);
            assert!(directory.exchange((&whole, other), &grant, less(), at(100)).await.unwrap().is_none());
            // With one ends what came of it, and nothing else.
            directory.end_token(held.hash).await.unwrap();
            for (text, lives) in [(&one, false), (&two, false), (&late, true), (&pair.access, true)] {
                assert_eq!(token(text.text(), 300).await.is_some(), lives);
            }
            assert!(exchange(&held, 300).await.is_none(), "it has ended");
            // Of one family so many are there, and the oldest gives way.
            let mut all = Vec::new();
            for n in 1..i64::try_from(MAX_OF_FAMILY).unwrap() {
                all.push(exchange(&whole, 400 + n).await.unwrap().0);
            }
            assert!(token(all[0].text(), 500).await.is_some() && token(pair.access.text(), 500).await.is_some());
            exchange(&whole, 500).await.unwrap();
            let first = [token(late.text(), 500).await.is_some(), token(all[0].text(), 500).await.is_some()];
            assert_eq!(first, [true, false], "the one that was made first of those that are left");
            directory.end_grant(grant.id).await.unwrap();
            for text in all.iter().chain([&pair.access]) {
                assert!(token(text.text(), 500).await.is_none());
            }
            assert!(exchange(&whole, 500).await.is_none(), "the grant is gone");
        }
    }
}
