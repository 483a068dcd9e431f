//! Registered apps.

use policy_core::{ClientId, Timestamp};
use sea_orm::{EntityTrait, QueryOrder, Set};

use super::tables::app;
use super::{Directory, DirectoryError, Secret, SecretHash, id};
use crate::grants::manifest::Manifest;

/// An app as it was registered.
#[derive(Debug, Clone, PartialEq)]
pub struct RegisteredApp {
    pub client: ClientId,
    pub manifest: Manifest,
    secret: Option<SecretHash>,
}

impl RegisteredApp {
    /// Whether `text` is the app's secret; an app without one has no right text.
    pub fn has_secret(&self, text: &str) -> bool {
        self.secret.is_some_and(|secret| secret.matches(&SecretHash::of(text)))
    }
}

impl TryFrom<app::Model> for RegisteredApp {
    type Error = DirectoryError;
    fn try_from(row: app::Model) -> Result<Self, DirectoryError> {
        let damaged = || DirectoryError::Damaged("dir_app");
        let value = serde_json::from_str(&row.manifest).map_err(|_| damaged())?;
        let secret = row.secret.map(|hash| hash.try_into().map(SecretHash)).transpose().map_err(|_| damaged())?;
        Ok(RegisteredApp {
            client: id(&row.id, ClientId::from_bytes, "dir_app")?,
            manifest: Manifest::parse(&value).map_err(|_| damaged())?,
            secret,
        })
    }
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
        };
        app::Entity::insert(row).exec_without_returning(&self.db).await?;
        Ok((client, secret))
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

    /// All apps, in the order of their registration.
    pub async fn apps(&self) -> Result<Vec<RegisteredApp>, DirectoryError> {
        let rows = app::Entity::find().order_by_asc(app::Column::Created).all(&self.db).await?;
        rows.into_iter().map(RegisteredApp::try_from).collect()
    }
}
