//! Browsers that a person signed in with before. Such a browser carries a token of its own for that person, so that its
//! next sign-in waits in a lane which nobody enters who only knows the name, not even at the same address.
//!
//! The token opens nothing: it gives a turn, and the password is asked for as ever. Other ports of the host see cookies,
//! so a token may be stolen; whoever has one has a few guesses in that lane and then waits with the strangers. It ends
//! when the password changes, when the person signs out everywhere, and after half a year.

use hmac::{Hmac, KeyInit, Mac};
use policy_core::{Timestamp, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait as _, QueryFilter};
use sha2::Sha256;

use super::names::name_of;
use super::secret::random;
use super::tables::user;
use super::{Directory, DirectoryError};

/// How long a browser is known after a sign-in, in seconds.
pub const BROWSER_SECONDS: i64 = 180 * 86_400;

/// The browser of one sign-in: drawn, and counted by.
pub(super) type BrowserId = [u8; 16];

/// Id, when it was issued, and what authenticates both.
const TOKEN: usize = 16 + 8 + 32;

/// What a browser keeps, and what it is kept under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownBrowser {
    /// Tells the people of one browser apart, and names nobody to who sees it.
    pub mark: String,
    pub token: String,
}

pub(super) fn mac(key: &[u8; 32], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes any key");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac
}

/// The token of `user` that carries `id`: no other person's, and none of a count that was before, which each change of
/// what they sign in by raises.
fn token_mac(key: &[u8; 32], user: &user::Model, id: &[u8], issued: &[u8]) -> Hmac<Sha256> {
    let since = user.browsers.to_be_bytes();
    mac(key, &[b"token", &user.id, &since, id, issued])
}

impl Directory {
    /// Under what a browser keeps its token for a person of this name, whether or not there is one; `None` for what can
    /// be nobody's name.
    pub fn browser_mark(&self, name: &str) -> Option<String> {
        let name = name_of(name).ok()?;
        let mac = mac(&self.browser_key, &[b"mark", name.as_bytes()]).finalize().into_bytes();
        Some(data_encoding::HEXLOWER.encode(&mac[..8]))
    }

    /// Makes the browser of a sign-in known, from now on.
    pub(super) fn know_browser(&self, user: &user::Model, now: Timestamp) -> KnownBrowser {
        let (id, issued) = (random::<16>(), now.0.to_be_bytes());
        let tag = token_mac(&self.browser_key, user, &id, &issued).finalize().into_bytes();
        let token = data_encoding::BASE64URL_NOPAD.encode(&[id.as_slice(), &issued, &tag].concat());
        KnownBrowser { mark: self.browser_mark(&user.name).unwrap_or_default(), token }
    }

    /// The first of `tokens` that is good for `user`. For nobody the work is the same.
    pub(super) fn known_browser(
        &self,
        user: Option<&user::Model>,
        tokens: &[String],
        now: Timestamp,
    ) -> Option<BrowserId> {
        let nobody = user::Model {
            id: Vec::new(),
            name: String::new(),
            tenant: Vec::new(),
            space: Vec::new(),
            created: 0,
            browsers: 0,
            operator: None,
            suspended: None,
            removing: None,
        };
        let known = |text: &String| {
            let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok().filter(|all| all.len() == TOKEN)?;
            let (id, rest) = bytes.split_at(16);
            let (issued, tag) = rest.split_at(8);
            let right = token_mac(&self.browser_key, user.unwrap_or(&nobody), id, issued).verify_slice(tag).is_ok();
            let age = now.0.checked_sub(i64::from_be_bytes(issued.try_into().ok()?))?;
            let lasts = (0..BROWSER_SECONDS * 1_000_000).contains(&age);
            (right && lasts && user.is_some()).then(|| id.try_into().ok()).flatten()
        };
        tokens.iter().find_map(known)
    }
}

/// Forgets every browser of a person, and ends consents that wait for their answer.
pub(super) async fn forget(db: &impl ConnectionTrait, user: UserId) -> Result<(), DirectoryError> {
    user::Entity::update_many()
        .col_expr(user::Column::Browsers, Expr::col(user::Column::Browsers).add(1))
        .filter(user::Column::Id.eq(user.as_bytes().to_vec()))
        .exec(db)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::on_each_backend;
    use super::*;
    use policy_core::SpaceId;

    #[tokio::test]
    async fn a_token_is_for_one_person_and_ends_with_the_password_and_with_signing_out_everywhere() {
        for directory in on_each_backend().await {
            let now = Timestamp::from_seconds(1_000);
            let home = directory.add_tenant("home", now).await.unwrap();
            for (id, name) in [(1, "alice"), (2, "bob")] {
                let account = (UserId::from_bytes([id; 16]), SpaceId::from_bytes([id + 8; 16]));
                directory.add_user(account, name, home.id, Some("a long password"), now).await.unwrap();
            }
            let alice = directory.user_row("alice").await.unwrap().unwrap();
            let bob = directory.user_row("bob").await.unwrap().unwrap();
            let known = directory.know_browser(&alice, now);
            assert_eq!(Some(&known.mark), directory.browser_mark(" Alice ").as_ref());
            assert_ne!(directory.browser_mark("alice"), directory.browser_mark("bob"));
            assert_eq!(directory.browser_mark("no name"), None);
            let of = |user: Option<&user::Model>, token: &str, at| {
                directory.known_browser(user, &["x".to_owned(), token.to_owned()], at)
            };
            let id = of(Some(&alice), &known.token, now).expect("control");
            assert_eq!(of(Some(&alice), &known.token, Timestamp(now.0 + BROWSER_SECONDS * 1_000_000 - 1)), Some(id));
            assert_eq!(of(Some(&alice), &known.token, Timestamp(now.0 + BROWSER_SECONDS * 1_000_000)), None);
            assert_eq!(of(Some(&alice), &known.token, Timestamp(now.0 - 1)), None, "issued later");
            assert_eq!(of(Some(&bob), &known.token, now), None, "another person's");
            assert_eq!(of(None, &known.token, now), None, "nobody's");
            for at in 0..known.token.len() {
                let mut other = known.token.clone();
                let with = if &other[at..=at] == "A" { "B" } else { "A" };
                other.replace_range(at..=at, with);
                assert_eq!(of(Some(&alice), &other, now), None, "{at}");
                assert_eq!(of(Some(&alice), &known.token[..at], now), None, "{at}");
            }
            assert_ne!(directory.know_browser(&alice, now).token, known.token, "each sign-in has its own");
            let changed = user::Model { browsers: alice.browsers + 1, ..alice.clone() };
            assert_eq!(of(Some(&changed), &known.token, now), None, "the password was changed");
            directory.sign_out_everywhere(UserId::from_bytes([1; 16])).await.unwrap();
            let later = directory.user_row("alice").await.unwrap().unwrap();
            assert_eq!(of(Some(&later), &known.token, now), None, "signed out everywhere");
            assert!(of(Some(&later), &directory.know_browser(&later, now).token, now).is_some(), "control");
            assert_eq!(directory.user_row("bob").await.unwrap().unwrap(), bob, "control: nobody else's");
        }
    }
}
