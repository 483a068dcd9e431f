//! `allod init`: a directory becomes a node.

use gateway_people::realm::Realm as _;
use serde_json::{Value, json};
use vault::data_dir::DataDir;
use vault::keyring::NodeKey;
use zeroize::Zeroizing;

use crate::app;
use crate::failure::{Exit, Failure};
use crate::front::account::Owner;

/// `allod init`: the same result as the setup page. `recovery`: and the recovery words.
pub async fn init(
    dir: &DataDir,
    owner: &str,
    tenant: &str,
    password: &str,
    passphrase: Option<&str>,
    recovery: bool,
) -> Result<(Value, Option<Zeroizing<String>>), Failure> {
    let _lock = dir.lock()?;
    let fresh = !NodeKey::exists(dir);
    let app = app::open_or_create(dir, passphrase, None).await?;
    if app.owner().is_some() {
        app.shutdown().await;
        let error = vault::keyring::DirectoryError::AlreadyANode(dir.path().to_owned());
        return Err(error.into());
    }
    let owner = Owner { user: owner, tenant, password };
    let done = match crate::front::account::setup(&app, owner).await {
        Ok(done) => done,
        Err(error) => {
            app.shutdown().await;
            drop(app);
            if fresh {
                // Nothing was set up: the directory is left as it was found.
                dir.remove_fresh();
            }
            return Err(Failure::new(Exit::Usage, error.code(), &error.to_string()));
        }
    };
    let words = if recovery { Some(crate::recovery::create(&app).await) } else { None };
    app.shutdown().await;
    let answer = json!({ "node": done.node, "user": done.user, "tenant": done.tenant, "space": done.space });
    Ok((answer, words.transpose()?))
}
