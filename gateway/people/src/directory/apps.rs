//! Registered apps, and those that people let in which a document elsewhere describes.

use policy_core::{ClientId, Timestamp};
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, IntoTableRef as _, OnConflict, Query, TableRef};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, Set};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::tables::{app, grant, sign_in};
use super::{Directory, DirectoryError, Secret, SecretHash, id};
use crate::grants::client_document::{ClientDocument, DocumentUrl};
use crate::grants::manifest::Manifest;

/// How long an app that nobody lets anything is kept that a document describes, in seconds.
pub(super) const UNUSED: i64 = 86_400;

/// How the node came to know an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppSource {
    /// An operator registered it.
    Operator,
    /// A document at this address describes it, and nobody here has looked at it.
    Document(DocumentUrl),
    /// It registered itself, and nobody here has looked at it.
    Itself,
}

/// An app as it was registered, or as its document describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct RegisteredApp {
    pub client: ClientId,
    pub manifest: Manifest,
    pub source: AppSource,
    /// What it calls itself, if it is called otherwise here: of what was just read of a document.
    pub calls_itself: Option<String>,
    secret: Option<SecretHash>,
}

impl RegisteredApp {
    /// The app that a document describes. There is no row of it before a person lets it in.
    pub fn described(url: DocumentUrl, document: ClientDocument) -> RegisteredApp {
        RegisteredApp {
            client: url.client(),
            manifest: document.manifest,
            source: AppSource::Document(url),
            calls_itself: document.calls_itself,
            secret: None,
        }
    }

    /// Whether `text` is the app's secret; an app without one has no right text.
    pub fn has_secret(&self, text: &str) -> bool {
        self.secret.is_some_and(|secret| secret.matches(&SecretHash::of(text)))
    }

    /// The address of the document that describes it, if one does.
    pub fn document(&self) -> Option<&DocumentUrl> {
        if let AppSource::Document(url) = &self.source { Some(url) } else { None }
    }

    /// The `client_id` by which it knows itself.
    pub fn client_id(&self) -> String {
        self.document().map_or_else(|| self.client.to_string(), |url| url.as_str().to_owned())
    }

    /// What a person consents to of what its document says, if one describes it: where its answers go and what it may ask for.
    /// Hashed: one that says something else asks them anew.
    pub fn terms(&self) -> Option<Vec<u8>> {
        self.document()?;
        let manifest = self.manifest.to_json();
        let named = ["redirect_uris", "post_logout_redirect_uris", "backchannel_logout_uri", "access"];
        let said: Vec<&Value> = named.iter().map(|key| &manifest[key]).collect();
        Some(Sha256::digest(json!(said).to_string()).to_vec())
    }
}

impl TryFrom<app::Model> for RegisteredApp {
    type Error = DirectoryError;
    fn try_from(row: app::Model) -> Result<Self, DirectoryError> {
        let damaged = || DirectoryError::Damaged("dir_app");
        let value = serde_json::from_str(&row.manifest).map_err(|_| damaged())?;
        let secret = row.secret.map(|hash| hash.try_into().map(SecretHash)).transpose().map_err(|_| damaged())?;
        let source = match row.document {
            None if row.managed.is_some() => AppSource::Itself,
            None => AppSource::Operator,
            Some(url) => AppSource::Document(DocumentUrl::parse(&url).ok_or_else(damaged)?),
        };
        Ok(RegisteredApp {
            client: id(&row.id, ClientId::from_bytes, "dir_app")?,
            manifest: Manifest::parse(&value).map_err(|_| damaged())?,
            source,
            calls_itself: None,
            secret,
        })
    }
}

/// Of apps: that nobody lets them anything.
pub(super) fn unused() -> Condition {
    let held = |table: TableRef| {
        let clients = Query::select().column(Alias::new("client")).from(table).to_owned();
        Expr::col((app::Entity, app::Column::Id)).not_in_subquery(clients)
    };
    Condition::all().add(held(grant::Entity.into_table_ref())).add(held(sign_in::Entity.into_table_ref()))
}

impl Directory {
    /// Registers an app; a confidential one gets a secret.
    pub async fn add_app(
        &self,
        manifest: &Manifest,
        now: Timestamp,
    ) -> Result<(ClientId, Option<Secret>), DirectoryError> {
        let client = Directory::new_client_id();
        let secret = manifest.confidential.then(Secret::draw);
        let row = app::ActiveModel {
            id: Set(client.as_bytes().to_vec()),
            manifest: Set(manifest.to_json().to_string()),
            secret: Set(secret.as_ref().map(|secret| secret.hash().0.to_vec())),
            created: Set(now.0),
            document: Set(None),
            lapses: Set(None),
            managed: Set(None),
            origin: Set(None),
            auth: Set(None),
        };
        app::Entity::insert(row).exec_without_returning(&self.db).await?;
        Ok((client, secret))
    }

    /// A person lets in an app that a document describes: it is an app like others from then on, as it is described now. Of
    /// any other app nothing is changed.
    pub async fn let_in_app(&self, app: &RegisteredApp, now: Timestamp) -> Result<(), DirectoryError> {
        let Some(url) = app.document() else { return Ok(()) };
        let row = app::ActiveModel {
            id: Set(app.client.as_bytes().to_vec()),
            manifest: Set(app.manifest.to_json().to_string()),
            secret: Set(None),
            created: Set(now.0),
            document: Set(Some(url.as_str().to_owned())),
            lapses: Set(Some(now.0 + UNUSED * 1_000_000)),
            managed: Set(None),
            origin: Set(None),
            auth: Set(None),
        };
        let known =
            OnConflict::column(app::Column::Id).update_columns([app::Column::Manifest, app::Column::Lapses]).to_owned();
        app::Entity::insert(row).on_conflict(known).exec_without_returning(&self.db).await?;
        Ok(())
    }

    /// Forgets an app. What it was granted is taken back before.
    pub async fn remove_app(&self, client: ClientId) -> Result<(), DirectoryError> {
        app::Entity::delete_by_id(client.as_bytes().to_vec()).exec(&self.db).await?;
        Ok(())
    }

    pub async fn app(&self, client: ClientId) -> Result<Option<RegisteredApp>, DirectoryError> {
        let row = app::Entity::find_by_id(client.as_bytes().to_vec()).one(&self.db).await?;
        row.map(RegisteredApp::try_from).transpose()
    }

    /// The app that knows itself by this `client_id`. One that a document describes has one once a person has let it in, and
    /// it is the address of that.
    pub async fn app_called(&self, client_id: &str) -> Result<Option<RegisteredApp>, DirectoryError> {
        let client = match DocumentUrl::parse(client_id) {
            Some(url) => Some(url.client()),
            None => client_id.parse().ok(),
        };
        let Some(client) = client else { return Ok(None) };
        Ok(self.app(client).await?.filter(|app| app.client_id() == client_id))
    }

    /// Forgets apps that no operator registered, and that nobody lets anything any more.
    pub(super) async fn drop_unused_apps(&self, now: Timestamp) -> Result<(), DirectoryError> {
        app::Entity::delete_many().filter(app::Column::Lapses.lte(now.0)).filter(unused()).exec(&self.db).await?;
        Ok(())
    }

    /// All apps, in the order of their registration.
    pub async fn apps(&self) -> Result<Vec<RegisteredApp>, DirectoryError> {
        let rows = app::Entity::find().order_by_asc(app::Column::Created).all(&self.db).await?;
        rows.into_iter().map(RegisteredApp::try_from).collect()
    }
}

#[cfg(test)]
mod tests {
    use policy_core::UserId;

    use super::super::{OpenidScope, on_each_backend};
    use super::*;

    fn described(back: &str) -> RegisteredApp {
        let url = DocumentUrl::parse("https://app.example/client.json").unwrap();
        let text = json!({ "client_id": url.as_str(), "redirect_uris": [back] }).to_string();
        let document = ClientDocument::read(&url, &text).unwrap();
        RegisteredApp::described(url, document)
    }

    #[tokio::test]
    async fn an_app_that_a_document_describes_is_known_once_it_is_let_in_and_as_it_was_described_last() {
        for directory in on_each_backend().await {
            let (one, two) = (described("https://app.example/one"), described("https://app.example/two"));
            let url = one.client_id();
            let known = async || directory.app_called(&url).await.unwrap();
            assert_eq!(known().await, None);
            let let_in =
                async |app: &RegisteredApp| directory.let_in_app(app, Timestamp::from_seconds(7)).await.unwrap();
            let_in(&one).await;
            assert_eq!(known().await.as_ref(), Some(&one));
            assert_eq!(directory.app_called(&one.client.to_string()).await.unwrap(), None, "that is not its name");
            assert_ne!(one.terms(), two.terms());
            let_in(&two).await;
            assert_eq!(known().await.as_ref(), Some(&two));
            assert_eq!(directory.apps().await.unwrap().len(), 1);
            assert_eq!(two.client_id(), "https://app.example/client.json");
            directory.remove_app(two.client).await.unwrap();
            assert_eq!(known().await, None);
            // Control: one that an operator registered has no document, and is found by its id alone.
            let (client, _) = directory.add_app(&one.manifest, Timestamp::from_seconds(7)).await.unwrap();
            let registered = directory.app(client).await.unwrap().unwrap();
            assert_eq!((registered.client_id(), registered.terms()), (client.to_string(), None));
            assert_eq!(directory.app_called(&client.to_string()).await.unwrap(), Some(registered));
            assert_eq!(known().await, None);
            // Nobody lets it anything: it is forgotten after a day, and one that somebody signs in at is not.
            let user = UserId::from_bytes([1; 16]);
            for signs_in in [true, false] {
                let_in(&one).await;
                if signs_in {
                    let scope = OpenidScope { profile: false };
                    directory.allow_sign_in(user, one.client, (scope, one.terms()), Timestamp(7)).await.unwrap();
                }
                for (seconds, stays) in [(7 + UNUSED - 1, true), (7 + UNUSED, signs_in)] {
                    directory.tend(Timestamp::from_seconds(seconds)).await.unwrap();
                    assert_eq!(known().await.is_some(), stays, "{signs_in} {seconds}");
                }
                directory.end_sign_in(user, one.client).await.unwrap();
            }
            assert!(directory.app(client).await.unwrap().is_some(), "control");
        }
    }
}
