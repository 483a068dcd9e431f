//! A fresh node with its owner, for one test.

use harness::{Allod, Client, Node};
use serde_json::Value;

pub const OWNER: (&str, &str) = ("alice", "correct horse battery staple");

/// A served node in a directory of its own.
pub struct Home {
    pub node: Node,
    pub alice: Client,
    pub made: Value,
    pub root: tempfile::TempDir,
}

impl Home {
    pub async fn new() -> Home {
        Home::with("").await
    }

    /// With a file of settings.
    pub async fn with(settings: &str) -> Home {
        let root = tempfile::tempdir().expect("a temporary directory");
        let allod = Allod::find().expect("the binary is built");
        let dir = root.path().join("home");
        let made = Node::init(&allod, &dir, OWNER.0, "home", OWNER.1).expect("init");
        if !settings.is_empty() {
            std::fs::write(dir.join("allod.toml"), settings).expect("writing the settings");
        }
        let node = Node::serve(&allod, &dir).expect("serve");
        let alice = node.sign_in(OWNER.0, OWNER.1).await.expect("sign in");
        Home { node, alice, made, root }
    }

    /// Writes a file beside the node and returns its path.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.root.path().join(name);
        std::fs::write(&path, content).expect("writing a file");
        path.to_str().expect("a UTF-8 path").to_owned()
    }

    /// Adds a user and signs them in.
    pub async fn user(&self, name: &str, tenant: Option<&str>) -> Client {
        let password = format!("the long password of {name}");
        let file = self.file(&format!("{name}.password"), &password);
        let mut args = vec!["user", "add", name, "--password-file", &file];
        if let Some(tenant) = tenant {
            args.extend(["--tenant", tenant]);
        }
        self.node.cli_ok(&args).expect("user add");
        self.node.sign_in(name, &password).await.expect("sign in")
    }

    /// Registers an app by its manifest's `access` and grants it `grant`; returns the app's client and the grant's id.
    pub fn app(&self, access: &Value, grant: &Value) -> (Client, String) {
        let manifest = serde_json::json!({
            "name": "An App", "redirect_uris": ["http://127.0.0.1:9/cb"], "access": [access], "confidential": false
        });
        let app = self.node.cli_ok(&["app", "add", &self.file("app.json", &manifest.to_string())]).expect("app add");
        let client_id = app["client_id"].as_str().expect("client_id").to_owned();
        let file = self.file("grant.json", &grant.to_string());
        let made =
            self.node.cli_ok(&["grant", "add", "--user", "alice", "--app", &client_id, &file]).expect("grant add");
        let token = made["access_token"].as_str().expect("access_token");
        (Client::new(&self.node.url, Some(token)).expect("a client"), made["grant"].as_str().expect("grant").to_owned())
    }
}
