//! `allod init`: a directory becomes a node.

use std::path::Path;

use serde_json::{Value, json};
use vault::data_dir::forget_opened;
use vault::keyring::{DirectoryLock, NodeKey};

use crate::app;
use crate::failure::{Exit, Failure};
use crate::node::Node as _;

/// `allod init`: the same result as the setup page.
pub async fn init(
    dir: &Path,
    owner: &str,
    tenant: &str,
    password: &str,
    passphrase: Option<&str>,
) -> Result<Value, Failure> {
    let _lock = DirectoryLock::take(dir)?;
    let fresh = !NodeKey::exists(dir);
    let app = app::open_or_create(dir, passphrase, None).await?;
    if app.owner().is_some() {
        app.shutdown().await;
        let error = vault::keyring::DirectoryError::AlreadyANode(dir.to_owned());
        return Err(error.into());
    }
    let done = match crate::front::account::setup(&app, owner, tenant, password).await {
        Ok(done) => done,
        Err(error) => {
            app.shutdown().await;
            drop(app);
            if fresh {
                // Nothing was set up: the directory is left as it was found.
                remove_fresh(dir);
            }
            return Err(Failure::new(Exit::Usage, error.code(), &error.to_string()));
        }
    };
    app.shutdown().await;
    Ok(json!({ "node": done.node, "user": done.user, "tenant": done.tenant, "space": done.space }))
}

/// Removes what a first start has made in a directory: in an order that, broken off, leaves what can be begun with.
pub fn remove_fresh(dir: &Path) {
    forget_opened(dir);
    let _ = std::fs::remove_dir_all(dir.join("views"));
    for name in ["log.db", "node.db", "node.key"] {
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(dir.join(format!("{name}{suffix}")));
        }
    }
}
