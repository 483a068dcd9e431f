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
    root: tempfile::TempDir,
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
        Ok(Scene { node, mallory, bob, root })
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

    /// Gives Mallory a document of 1 MB that was changed `times`, and answers its commits.
    pub async fn past(&self, times: usize) -> Result<Vec<Value>> {
        self.mallory.define("type Item { a: String n: Int }").await?;
        let add = "mutation($a: String) { add_Item(input: {a: $a}) { _docID } }";
        let added = self.mallory.graphql_with(add, json!({ "a": "x".repeat(1_000_000) })).await?;
        let id = added["add_Item"][0]["_docID"].as_str().context("no id")?.to_owned();
        let each = |n: usize| format!("u{n}: update_Item(docID: \"{id}\", input: {{n: {n}}}) {{ _docID }} ");
        for _ in 0..times.div_ceil(50) {
            self.mallory.graphql(&format!("mutation {{ {} }}", (0..50).map(each).collect::<String>())).await?;
        }
        let rows = format!("{{ _commits(docID: \"{id}\", fieldName: \"_C\") {{ cid }} }}");
        let rows = self.mallory.graphql(&rows).await?;
        let rows = rows["_commits"].as_array().context("no commits")?;
        Ok(rows.iter().map(|row| row["cid"].clone()).collect())
    }

    /// Gives Mallory a document of a collection `L` with a list of `count` numbers, and answers its id.
    pub async fn list(&self, count: usize) -> Result<String> {
        self.mallory.define("type L { l: [Int] n: Int s: String }").await?;
        let add = "mutation($l: [Int]) { add_L(input: {l: $l, n: 0}) { _docID } }";
        let added = self.mallory.graphql_with(add, json!({ "l": (0..count).collect::<Vec<_>>() })).await?;
        Ok(added["add_L"][0]["_docID"].as_str().context("no id")?.to_owned())
    }

    /// Changes that document 64 times as often.
    pub async fn history(&self, id: &str, times: usize) -> Result<()> {
        let each = |n: usize| format!("u{n}: update_L(docID: \"{id}\", input: {{s: \"{n}\"}}) {{ _docID }} ");
        let changes = format!("mutation {{ {} }}", (0..64).map(each).collect::<String>());
        for _ in 0..times {
            self.mallory.graphql(&changes).await?;
        }
        Ok(())
    }

    /// An app that changes documents of `L` where `n` is small, and sees their history.
    pub async fn app_where_n_is_small(&self) -> Result<Client> {
        let access = json!({
            "type": "allod_doc", "datatypes": ["L"], "actions": ["read", "search", "update", "history"],
            "fields": { "allow": ["n", "s"] }, "where": { "n": { "_lt": 1_000_000 } }, "duration": "P1D"
        });
        let manifest = json!({
            "name": "An App", "redirect_uris": ["http://127.0.0.1:9/cb"], "access": [access], "confidential": false
        });
        let file = |name: &str, content: &Value| -> Result<String> {
            let path = self.root.path().join(name);
            std::fs::write(&path, content.to_string())?;
            Ok(path.to_str().context("a path that is not UTF-8")?.to_owned())
        };
        let app = self.node.cli_ok(&["app", "add", &file("app.json", &manifest)?])?;
        let client = app["client_id"].as_str().context("no client_id")?;
        let grant = file("grant.json", &access)?;
        let made = self.node.cli_ok(&["grant", "add", "--user", OWNER.0, "--app", client, &grant])?;
        Ok(self.mallory.with_token(made["access_token"].as_str().context("no token")?))
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
