//! A node with an attacker and a neighbour on it.

use anyhow::{Context, Result, ensure};
use harness::{Allod, Client, Node};
use serde_json::{Value, json};

const OWNER: (&str, &str) = ("mallory", "a password for the attack");
pub const NEIGHBOUR: (&str, &str) = ("bob", "the long password of bob");

/// Mallory owns the node's first tenant and means harm; Bob is of another tenant and has a collection `Mine`.
pub struct Scene {
    pub node: Node,
    pub mallory: Client,
    pub bob: Client,
    _root: tempfile::TempDir,
}

impl Scene {
    pub async fn set() -> Result<Scene> {
        let root = tempfile::tempdir()?;
        let allod = Allod::find()?;
        let dir = root.path().join("node");
        Node::init(&allod, &dir, OWNER.0, "here", OWNER.1)?;
        let node = Node::serve(&allod, &dir)?;
        let mallory = node.sign_in(OWNER.0, OWNER.1).await?;
        let file = root.path().join("bob.password");
        std::fs::write(&file, NEIGHBOUR.1)?;
        node.cli_ok(&["tenant", "add", "there"])?;
        let file = file.to_str().context("a path that is not UTF-8")?;
        node.cli_ok(&["user", "add", NEIGHBOUR.0, "--tenant", "there", "--password-file", file])?;
        let bob = node.sign_in(NEIGHBOUR.0, NEIGHBOUR.1).await?;
        bob.define("type Mine { a: String }").await?;
        bob.graphql("mutation { add_Mine(input: {a: \"b\"}) { _docID } }").await?;
        Ok(Scene { node, mallory, bob, _root: root })
    }

    /// Gives Mallory `count` documents of about `size` bytes in a collection `Item`.
    pub async fn fill(&self, count: usize, size: usize) -> Result<()> {
        self.mallory.define("type Item { a: String }").await?;
        let add = "mutation($i: [ItemMutationInputArg!]!) { add_Item(input: $i) { _docID } }";
        let step = (4_000_000 / size.max(1)).clamp(1, 1_000);
        for from in (0..count).step_by(step) {
            let items: Vec<Value> =
                (from..count.min(from + step)).map(|n| json!({ "a": format!("{n}{}", "x".repeat(size)) })).collect();
            self.mallory.graphql_with(add, json!({ "i": items })).await?;
        }
        Ok(())
    }

    /// A link of Mallory's to `Item`.
    pub async fn link(&self) -> Result<Client> {
        let made = self.mallory.post("/api/v1/links", &json!({ "collection": "Item", "fields": ["a"] })).await?;
        ensure!(made.status == 201, "a link: {} {}", made.status, made.text);
        Ok(self.mallory.with_token(made.json["token"].as_str().context("a link without a token")?))
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        self.node.url.trim_start_matches("http://")
    }

    /// A figure of the process, in MB.
    pub fn memory(&self, key: &str) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.node.pid()))?;
        let line = status.lines().find(|line| line.starts_with(key)).with_context(|| format!("no {key}"))?;
        let kb: f64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
        Ok(kb / 1_000.0)
    }
}

/// An `_or` of `n` conditions that none of the documents meets.
pub fn likes(n: usize) -> Value {
    let each = |n: usize| json!({ "a": { "_like": format!("%{n}y%") } });
    json!({ "_or": (0..n).map(each).collect::<Vec<_>>() })
}
