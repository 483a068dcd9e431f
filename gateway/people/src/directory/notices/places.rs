//! From where a person signs in. A place is a network and a program together. One that was not seen before is told, unless
//! the browser is known: it carries a token of an earlier sign-in ([`super::super::browsers`]).
//!
//! Places are kept as marks under a key of the node, and forgotten with the browsers: another password begins anew.

use policy_core::{Timestamp, UserId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::super::browsers::mac;
use super::super::sessions::SessionOrigin;
use super::super::turns::Network;
use super::super::{Directory, DirectoryError};
use super::tables::place;
use super::{About, NoticeKind, Telling};
use hmac::Mac as _;

/// Places of a person that are kept.
const MAX_PLACES: u64 = 64;

impl Directory {
    /// Notes from where somebody signed in, and tells them if that was never seen. `browsers`: what their browser keeps of
    /// earlier sign-ins. The sign-in is done, whatever becomes of that.
    pub async fn signed_in_from(&self, user: UserId, seen: &SessionOrigin, browsers: &[String], now: Timestamp) {
        if let Err(error) = self.note_place(user, seen, browsers, now).await {
            tracing::error!(%error, "it was not noted from where somebody signed in");
        }
    }

    async fn note_place(
        &self,
        user: UserId,
        seen: &SessionOrigin,
        browsers: &[String],
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let Some(row) = self.user_row_of(user).await? else { return Ok(()) };
        let network = seen.address.map(|ip| Network::of(ip).to_string()).unwrap_or_default();
        let product = seen.product.clone().unwrap_or_default();
        let since = row.browsers.to_be_bytes();
        let mark = mac(&self.browser_key, &[b"place", &row.id, &since, network.as_bytes(), product.as_bytes()]);
        let mark = mark.finalize().into_bytes()[..16].to_vec();
        let own = place::Entity::find().filter(place::Column::User.eq(row.id.clone()));
        let first = own.clone().one(&self.db).await?.is_none();
        let there = place::Entity::find_by_id((row.id.clone(), mark.clone())).one(&self.db).await?.is_some();
        let clash = OnConflict::columns([place::Column::User, place::Column::Mark])
            .update_column(place::Column::Seen)
            .to_owned();
        let model = place::ActiveModel { user: Set(row.id.clone()), mark: Set(mark), seen: Set(now.0) };
        place::Entity::insert(model).on_conflict(clash).exec_without_returning(&self.db).await?;
        if there {
            return Ok(());
        }
        let beyond = own.order_by_desc(place::Column::Seen).offset(MAX_PLACES).limit(MAX_PLACES).all(&self.db).await?;
        for one in beyond {
            place::Entity::delete_by_id((one.user, one.mark)).exec(&self.db).await?;
        }
        // The first of all is the one in which the account was taken up.
        if first || self.known_browser(Some(&row), browsers, now).is_some() {
            return Ok(());
        }
        let from = seen.address.map(|ip| ip.to_canonical().to_string());
        let words = [seen.product.clone(), from].into_iter().flatten().collect::<Vec<_>>().join(", ");
        let about = if words.is_empty() { About::Nothing } else { About::Words(words) };
        self.tell(Telling { user, kind: NoticeKind::NewSignIn, about }, now).await
    }
}
