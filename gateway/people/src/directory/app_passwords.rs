//! App passwords: what a tool without OAuth sends beside the name of a person (RFC 7617), made by the node. Each is a
//! credential of the person, which holds a grant as an app does: its id is the client of the grant.
//!
//! What is kept is one hash of the name and the password together: nothing is looked up by a name, so an unknown name
//! answers as a known one, and the password alone is no bearer.

use std::net::IpAddr;

use policy_core::{ClientId, GrantId, SpaceId, Timestamp, UserId};
use sea_orm::{
    ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Set, TransactionTrait,
};

use super::credentials::{self, CredentialKind, touch};
use super::grants::model;
use super::names::name_of;
use super::opened::of_app_passwords;
use super::secret::random;
use super::tables::{app, credential, grant, token, user};
use super::tokens::{Token, TokenKind, row};
use super::turns::{Asker, Network};
use super::{Directory, DirectoryError, GrantRow, SecretHash, User, id};
use crate::letters::is_line;

/// What each begins with, for people and for what looks for secrets that lie about.
pub const PREFIX: &str = "allod-app-";
/// The longest name of one, in characters.
const MAX_NAME: usize = 100;

/// A password that was drawn: 160 random bits in base32, told once and never stored.
#[derive(zeroize::ZeroizeOnDrop)]
pub struct AppSecret(String);

impl AppSecret {
    fn draw() -> AppSecret {
        AppSecret(format!("{PREFIX}{}", data_encoding::BASE32_NOPAD.encode(&random::<20>()).to_ascii_lowercase()))
    }

    /// The text to hand over.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// The hash under which one is kept. No text of a header holds a NUL, so none is a bearer of it.
fn hash(name: &str, password: &str) -> SecretHash {
    SecretHash::of(&format!("\0app-password\0{name}\0{password}"))
}

/// One that is being made: its grant is given to [`NewAppPassword::client`].
pub struct NewAppPassword {
    pub client: ClientId,
    pub name: String,
    pub secret: AppSecret,
    /// The session that asks, if one does: nothing is made once that has ended. What is made outlives it, and ends with what
    /// ends all of them.
    session: Option<SecretHash>,
    user: User,
}

impl NewAppPassword {
    /// Draws one for a person, who calls it `name`.
    ///
    /// # Errors
    /// If nobody could read the name.
    pub fn draw(user: User, name: &str, session: Option<SecretHash>) -> Result<NewAppPassword, DirectoryError> {
        let name = name.trim();
        if !is_line(name) || name.chars().count() > MAX_NAME {
            return Err(DirectoryError::Unfit("An app password needs a name of 1 to 100 characters, on one line."));
        }
        let (client, name) = (Directory::new_client_id(), name.to_owned());
        Ok(NewAppPassword { client, name, secret: AppSecret::draw(), session, user })
    }
}

/// One as its person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppPassword {
    pub client: ClientId,
    pub user: UserId,
    pub name: String,
    pub created: Timestamp,
    /// From where, and by what, it was last used.
    pub address: Option<String>,
    pub product: Option<String>,
    pub grant: GrantRow,
}

impl Directory {
    /// Notes one with its grant, which is in force: both, or neither. False: the person signed out meanwhile, or was
    /// suspended.
    pub async fn note_app_password(&self, grant: &GrantRow, new: &NewAppPassword) -> Result<bool, DirectoryError> {
        let (user, now) = (new.user.id, grant.created);
        let hash = hash(&new.user.name, new.secret.text());
        let mut credential = credentials::row(user, CredentialKind::AppPassword, String::new(), now);
        credential.id = Set(new.client.as_bytes().to_vec());
        credential.label = Set(Some(new.name.clone()));
        let token = Token {
            hash,
            user,
            kind: TokenKind::AppPassword { client: new.client, grant: grant.id },
            created: now,
            expires: grant.expires.unwrap_or(Timestamp(i64::MAX)),
            confirmed: None,
            used: now,
            idle: None,
            key: None,
            within: None,
        };
        let txn = self.db.begin().await?;
        // The person's row first, as whoever ends what they signed in by does: this is seen there, or that is seen here.
        touch(&txn, user).await?;
        let person = user::Entity::find_by_id(user.as_bytes().to_vec()).one(&txn).await?;
        let signed_in = match new.session {
            Some(session) => token::Entity::find_by_id(session.0.to_vec()).one(&txn).await?.is_some(),
            None => true,
        };
        if !signed_in || person.is_none_or(|person| person.suspended.is_some() || person.removing.is_some()) {
            txn.rollback().await?;
            return Ok(false);
        }
        grant::Entity::insert(model(grant)).exec_without_returning(&txn).await?;
        credential::Entity::insert(credential).exec_without_returning(&txn).await?;
        token::Entity::insert(row(&token)).exec_without_returning(&txn).await?;
        txn.commit().await?;
        Ok(true)
    }

    /// The token of this password beside this name, if it is right, has not ended and its person is not suspended. What is
    /// right waits for nobody; what is wrong, for whatever reason, waits its turn, and is told to the person named.
    pub async fn app_password(
        &self,
        name: &str,
        password: &str,
        from: Option<IpAddr>,
        agent: Option<String>,
        now: Timestamp,
    ) -> Result<Option<Token>, DirectoryError> {
        let Ok(name) = name_of(name) else {
            // It can be nobody's: anybody can tell.
            self.refused(None, from, agent, now);
            return Ok(None);
        };
        if let Some(token) = self.token_of(hash(&name, password), now).await? {
            return Ok(Some(token));
        }
        // Guesses at these slow no sign-in of the person: they count under a name that nobody has.
        let asker = Asker::SignIn { from: from.map(Network::of), name: format!("\0{name}"), browser: None };
        let _wrong = self.passwords.checked(asker, || Err::<(), ()>(())).await?;
        let user = self.user_row(&name).await?.map(User::try_from).transpose()?;
        self.refused(user.map(|user| user.id), from, agent, now);
        Ok(None)
    }

    /// The app passwords of one person, or of everyone, oldest first.
    pub async fn app_passwords(&self, user: Option<UserId>) -> Result<Vec<AppPassword>, DirectoryError> {
        let mut find = credential::Entity::find()
            .filter(credential::Column::Kind.eq(CredentialKind::AppPassword.word()))
            .order_by_asc(credential::Column::Created)
            .order_by_asc(credential::Column::Id);
        if let Some(user) = user {
            find = find.filter(credential::Column::User.eq(user.as_bytes().to_vec()));
        }
        let mut list = Vec::new();
        for row in find.all(&self.db).await? {
            let held = grant::Entity::find().filter(grant::Column::Client.eq(row.id.clone())).one(&self.db).await?;
            // It ends at this moment.
            let Some(held) = held else { continue };
            let seen = token::Entity::find()
                .filter(of_app_passwords().add(token::Column::GrantId.eq(held.id.clone())))
                .one(&self.db)
                .await?;
            let (address, product) = seen.map_or((None, None), |seen| (seen.address, seen.product));
            list.push(AppPassword {
                client: id(&row.id, ClientId::from_bytes, "dir_credential")?,
                user: id(&row.user, UserId::from_bytes, "dir_credential")?,
                name: row.label.unwrap_or_default(),
                created: Timestamp(row.created),
                address,
                product,
                grant: self.with_use(held)?,
            });
        }
        Ok(list)
    }

    /// The grant that an app password holds now; `None`: it has ended.
    pub async fn held_by_app_password(&self, client: ClientId) -> Result<Option<GrantRow>, DirectoryError> {
        if !self.is_app_password(client).await? {
            return Ok(None);
        }
        let held = grant::Entity::find().filter(grant::Column::Client.eq(client.as_bytes().to_vec()));
        held.one(&self.db).await?.map(|row| self.with_use(row)).transpose()
    }

    /// Whether a grant to this client is opened by an app password.
    pub async fn is_app_password(&self, client: ClientId) -> Result<bool, DirectoryError> {
        let found = credential::Entity::find_by_id(client.as_bytes().to_vec()).one(&self.db).await?;
        Ok(found.is_some_and(|row| row.kind == CredentialKind::AppPassword.word()))
    }

    /// Grants of app passwords that nothing opens any more, at most `most`; of one of them, whether it still is so.
    pub async fn ended_app_passwords(
        &self,
        only: Option<GrantId>,
        now: Timestamp,
        most: u64,
    ) -> Result<Vec<(SpaceId, GrantId)>, DirectoryError> {
        let apps = app::Entity::find().select_only().column(app::Column::Id).into_query();
        let open = token::Entity::find()
            .select_only()
            .column(token::Column::GrantId)
            .filter(of_app_passwords().add(token::Column::Expires.gt(now.0)))
            .into_query();
        let mut find = grant::Entity::find()
            .filter(grant::Column::Client.not_in_subquery(apps))
            .filter(grant::Column::Id.not_in_subquery(open))
            .limit(most);
        if let Some(only) = only {
            find = find.filter(grant::Column::Id.eq(only.as_bytes().to_vec()));
        }
        let rows = find.all(&self.db).await?;
        let ids = |row: grant::Model| {
            let row = GrantRow::try_from(row)?;
            Ok((row.space, row.id))
        };
        rows.into_iter().map(ids).collect()
    }

    /// How many a person has.
    pub(super) async fn count_app_passwords(&self, user: UserId) -> Result<u64, DirectoryError> {
        let own = credential::Entity::find()
            .filter(credential::Column::User.eq(user.as_bytes().to_vec()))
            .filter(credential::Column::Kind.eq(CredentialKind::AppPassword.word()));
        Ok(own.count(&self.db).await?)
    }
}

#[cfg(test)]
mod tests {
    use policy_core::TenantId;

    use super::super::on_each_backend;
    use super::super::sessions::SessionOrigin;
    use super::super::usage::Usage;
    use super::*;

    const AT: Timestamp = Timestamp::from_seconds(1_000);

    async fn person(directory: &Directory, n: u8, name: &str, home: TenantId) -> User {
        let account = (UserId::from_bytes([n; 16]), SpaceId::from_bytes([n + 100; 16]));
        directory.add_user(account, name, home, Some("a long password"), AT).await.unwrap()
    }

    async fn made(
        directory: &Directory,
        user: &User,
        until: Option<i64>,
        session: Option<SecretHash>,
    ) -> Option<NewAppPassword> {
        let new = NewAppPassword::draw(user.clone(), " curl ", session).unwrap();
        let grant = GrantRow {
            id: Directory::new_grant_id(),
            user: user.id,
            client: new.client,
            space: user.space,
            field_order: String::new(),
            created: AT,
            expires: until.map(Timestamp::from_seconds),
            last_used: None,
            usage: Usage::default(),
        };
        directory.note_app_password(&grant, &new).await.unwrap().then_some(new)
    }

    #[tokio::test]
    async fn one_opens_its_grant_beside_the_name_of_its_person_and_nowhere_else() {
        for directory in on_each_backend().await {
            let home = directory.add_tenant("home", AT).await.unwrap().id;
            let alice = person(&directory, 1, "alice", home).await;
            person(&directory, 2, "bob", home).await;
            let new = made(&directory, &alice, Some(2_000), None).await.unwrap();
            let text = new.secret.text().to_owned();
            assert!(text.starts_with(PREFIX) && text.len() == PREFIX.len() + 32, "{}", text.len());
            let opens = async |name: &str, password: &str, at: i64| {
                let found = directory.app_password(name, password, None, None, Timestamp::from_seconds(at)).await;
                found.unwrap().map(|token| token.kind)
            };
            let [one] = directory.app_passwords(Some(alice.id)).await.unwrap().try_into().unwrap();
            assert_eq!((one.client, &*one.name, one.grant.client), (new.client, "curl", new.client));
            let kind = TokenKind::AppPassword { client: new.client, grant: one.grant.id };
            assert_eq!(opens("alice", &text, 1_999).await, Some(kind));
            assert_eq!(opens(" ALICE", &text, 1_000).await, Some(kind), "a name has one spelling");
            for (name, password) in
                [("bob", &*text), ("eve", &text), ("alice", &text[1..]), ("alice", ""), ("\0", &text)]
            {
                assert_eq!(opens(name, password, 1_000).await, None, "{name}");
            }
            assert_eq!(opens("alice", &text, 2_000).await, None, "its grant has ended");
            for bearer in [text.clone(), format!("alice\0{text}"), format!("alice:{text}")] {
                assert_eq!(directory.token(&bearer, AT).await.unwrap(), None, "it is no bearer");
            }
            for row in credential::Entity::find().all(&directory.db).await.unwrap() {
                assert!(!row.secret.contains(&text[PREFIX.len()..]));
            }
            assert_eq!(directory.ended_app_passwords(None, AT, 9).await.unwrap(), []);
            let after = Timestamp::from_seconds(2_001);
            let ended = [(alice.space, one.grant.id)];
            assert_eq!(directory.ended_app_passwords(None, after, 9).await.unwrap(), ended);
            directory.end_grant(one.grant.id).await.unwrap();
            assert_eq!(directory.app_passwords(None).await.unwrap(), []);
        }
    }

    #[tokio::test]
    async fn they_end_with_the_sessions_of_their_person_and_none_is_made_by_a_session_that_ended() {
        for directory in on_each_backend().await {
            let home = directory.add_tenant("home", AT).await.unwrap().id;
            let (alice, bob) = (person(&directory, 1, "alice", home).await, person(&directory, 2, "bob", home).await);
            let opens = async |name: &str, new: &NewAppPassword| {
                directory.app_password(name, new.secret.text(), None, None, AT).await.unwrap().is_some()
            };
            let (session, _) =
                directory.open_signed_session(&alice, &SessionOrigin::default(), None, AT).await.unwrap().unwrap();
            let by = Some(session.hash());
            let (hers, his) =
                (made(&directory, &alice, None, by).await.unwrap(), made(&directory, &bob, None, None).await.unwrap());
            assert!(opens("alice", &hers).await && opens("bob", &his).await, "control");
            directory.end_sessions(alice.id, None).await.unwrap();
            assert!(opens("alice", &hers).await, "it is no session");
            assert!(made(&directory, &alice, None, by).await.is_none(), "the session has ended");
            directory.sign_out_everywhere(alice.id).await.unwrap();
            assert!(!opens("alice", &hers).await && opens("bob", &his).await);
            assert!(made(&directory, &alice, None, by).await.is_none(), "the session has ended");
            let again = made(&directory, &alice, None, None).await.expect("control: whoever holds the machine");
            directory.suspend(alice.id, AT).await.unwrap();
            assert!(!opens("alice", &again).await);
            assert!(made(&directory, &alice, None, None).await.is_none(), "she is suspended");
            directory.resume(alice.id).await.unwrap();
            assert!(!opens("alice", &again).await, "what had ended stays so");
            assert_eq!(directory.ended_app_passwords(None, AT, 9).await.unwrap().len(), 2);
        }
    }

    #[tokio::test]
    async fn they_end_with_a_way_in_and_not_with_a_second_factor() {
        use super::super::credentials::Removed;
        for directory in on_each_backend().await {
            let home = directory.add_tenant("home", AT).await.unwrap().id;
            let (alice, bob) = (person(&directory, 1, "alice", home).await, person(&directory, 2, "bob", home).await);
            let add = async |kind| {
                let row = credentials::row(alice.id, kind, String::new(), AT);
                let id = row.id.clone().unwrap();
                credential::Entity::insert(row).exec_without_returning(&directory.db).await.unwrap();
                id.try_into().unwrap()
            };
            let opens = async |name: &str, new: &NewAppPassword| {
                directory.app_password(name, new.secret.text(), None, None, AT).await.unwrap().is_some()
            };
            let his = made(&directory, &bob, None, None).await.unwrap();
            let (factor, outside) = (add(CredentialKind::Totp).await, add(CredentialKind::Outside).await);
            let hers = made(&directory, &alice, None, None).await.unwrap();
            let done = |kind| Removed::Done(kind);
            let removed = directory.remove_credential(alice.id, factor, None).await.unwrap();
            assert_eq!((removed, opens("alice", &hers).await), (done(CredentialKind::Totp), true), "control");
            let removed = directory.remove_credential(alice.id, outside, None).await.unwrap();
            assert_eq!((removed, opens("alice", &hers).await), (done(CredentialKind::Outside), false));
            assert!(opens("bob", &his).await, "control: another person's");
        }
    }

    #[tokio::test]
    async fn no_file_holds_one_and_a_restored_node_knows_none_and_counts_none() {
        let (directory, dir) = super::super::in_a_file().await;
        let home = directory.add_tenant("home", AT).await.unwrap().id;
        let alice = person(&directory, 1, "alice", home).await;
        let one = made(&directory, &alice, None, None).await.unwrap();
        let text = one.secret.text();
        let found = |part: &[u8]| {
            let files =
                std::fs::read_dir(dir.path()).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
            files.into_iter().any(|bytes| bytes.windows(part.len()).any(|bytes| bytes == part))
        };
        assert!(found(b"curl") && found(&hash("alice", text).0), "control: this is where it would be");
        assert!(!found(text.as_bytes()) && !found(&text.as_bytes()[PREFIX.len()..]));
        assert!(directory.app_password("alice", text, None, None, AT).await.unwrap().is_some(), "control");
        directory.put_back(AT).await.unwrap();
        assert_eq!(directory.app_password("alice", text, None, None, AT).await.unwrap(), None);
        assert_eq!(directory.app_passwords(None).await.unwrap(), []);
        assert_eq!(directory.held().await.unwrap().grants, 0, "nothing of it wakes");
        assert_eq!(directory.ended_app_passwords(None, AT, 9).await.unwrap().len(), 1, "its grant is taken back");
    }

    #[tokio::test]
    async fn one_is_removed_and_all_are_while_somebody_else_writes() {
        use super::super::{beside_a_writer, in_a_file};
        let (directory, _dir) = in_a_file().await;
        let home = directory.add_tenant("home", AT).await.unwrap().id;
        let alice = person(&directory, 1, "alice", home).await;
        let held = async || made(&directory, &alice, None, None).await.unwrap();
        let opens =
            async |new: &NewAppPassword| directory.app_password("alice", new.secret.text(), None, None, AT).await;
        let one = held().await;
        let grant = directory.held_by_app_password(one.client).await.unwrap().unwrap();
        assert!(opens(&one).await.unwrap().is_some(), "control");
        beside_a_writer(&directory, directory.end_grant(grant.id)).await.unwrap();
        assert_eq!(opens(&one).await.unwrap(), None);
        assert_eq!(directory.app_passwords(None).await.unwrap(), []);
        // A note of what is used, of other people's, does as well.
        let (one, other) = (held().await, held().await);
        beside_a_writer(&directory, directory.sign_out_everywhere(alice.id)).await.unwrap();
        for one in [&one, &other] {
            assert_eq!(opens(one).await.unwrap(), None);
            let grant = grant::Entity::find().filter(grant::Column::Client.eq(one.client.as_bytes().to_vec()));
            let grant = grant.one(&directory.db).await.unwrap().unwrap();
            let grant = GrantRow::try_from(grant).unwrap();
            let longer = GrantRow { id: Directory::new_grant_id(), ..grant.clone() };
            assert!(beside_a_writer(&directory, directory.replace_grant(grant.id, &longer)).await.unwrap());
        }
    }

    #[tokio::test]
    async fn who_goes_away_while_they_sign_out_everywhere_leaves_no_app_password_behind_their_sessions() {
        let directory = super::super::in_memory().await;
        let home = directory.add_tenant("home", AT).await.unwrap().id;
        let alice = person(&directory, 1, "alice", home).await;
        for looks in 1..60 {
            let (session, _) = directory
                .open_signed_session(&alice_now(&directory).await, &SessionOrigin::default(), None, AT)
                .await
                .unwrap()
                .unwrap();
            let one = made(&directory, &alice, None, Some(session.hash())).await.unwrap();
            let (mut end, mut left) = (Box::pin(directory.sign_out_everywhere(alice.id)), looks);
            // Looked at so many times, and dropped.
            let done = std::future::poll_fn(|cx| {
                left -= 1;
                let done = end.as_mut().poll(cx).is_ready();
                if done || left == 0 { std::task::Poll::Ready(done) } else { std::task::Poll::Pending }
            });
            let done = done.await;
            drop(end);
            for n in 0.. {
                if directory.token(session.text(), AT).await.unwrap().is_none() {
                    break;
                }
                assert!(n < 12_000, "the session has not ended after {looks} looks");
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            let opens = directory.app_password("alice", one.secret.text(), None, None, AT).await.unwrap();
            assert_eq!(opens, None, "after {looks} looks");
            if done {
                return;
            }
        }
        panic!("it does not end");
    }

    async fn alice_now(directory: &Directory) -> User {
        directory.user_named("alice").await.unwrap().unwrap()
    }

    #[test]
    fn a_name_is_one_line_that_people_can_read() {
        let user = User {
            id: UserId::from_bytes([1; 16]),
            name: "alice".to_owned(),
            tenant: TenantId::from_bytes([1; 16]),
            space: SpaceId::from_bytes([1; 16]),
            since: 0,
            created: AT,
            suspended: None,
        };
        let fits = |name: &str| NewAppPassword::draw(user.clone(), name, None).is_ok();
        assert!(fits("Joplin auf dem Telefon") && fits("日記"), "control");
        for bad in ["", "  ", "a\nb", "a\u{202e}b", "a\u{200b}", "\u{200d}", &"x".repeat(101)] {
            assert!(!fits(bad), "{bad:?}");
        }
    }
}
