//! One bit of one file of a stopped node is another: it is named, or every answer is as before.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use harness::Node;
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::disk::Tree;
use crate::figures::Figure;
use crate::ledger::{Ledger, Verdict};
use crate::scene::{Scene, bad, digests};
use crate::seen;
use crate::work::Work;

/// What is asked besides the notes.
const ASKED: [&str; 7] = [
    "/api/v1/users",
    "/api/v1/spaces",
    "/api/v1/groups",
    "/api/v1/links",
    "/api/v1/shares",
    "/api/v1/policy/audit",
    "/api/v1/collections",
];

/// Everything that a node says of what it holds.
async fn answers(node: &Node, ledger: &Ledger) -> Result<Value> {
    let operator = node.operator()?;
    let mut all = json!({ "notes": seen::look(node, ledger, "").await? });
    for path in ASKED {
        let answer = operator.get(path).await?;
        // When something was last used is of now.
        let mut said = answer.json;
        forget(&mut said);
        all[path] = json!({ "status": answer.status, "said": said });
    }
    Ok(all)
}

fn forget(said: &mut Value) {
    match said {
        Value::Object(fields) => {
            fields.retain(|name, _| !matches!(name.as_str(), "last_used" | "request_id"));
            fields.values_mut().for_each(forget);
        }
        Value::Array(items) => items.iter_mut().for_each(forget),
        _ => {}
    }
}

/// What is written behind it goes on: a device that joins then gets all of it.
async fn reaches_others(scene: &Scene, of: &str) -> Result<()> {
    let node = scene.serve(None)?;
    node.operator()?.graphql(r#"mutation { add_Note(input: {key: "behind a flip", text: "n"}) { _docID } }"#).await?;
    let code = node.cli_ok(&["device", "invite"])?["code"].as_str().context("a code")?.to_owned();
    let dir = scene.file(&format!("joined-{of}"));
    scene.allod.ok(&dir, &["device", "join", &code])?;
    let joined = Node::serve(&scene.allod, &dir)?;
    let waited = joined.cli(&["sync", "wait", "--timeout", "30s"])?;
    ensure!(waited.code == 0, "no word of it, and a device that joins does not get everything: {}", waited.stdout);
    let both = [&node, &joined].map(|node| node.cli_ok(&["doctor"]).map(|report| digests(&report)));
    let [here, there] = both;
    let (here, there) = (here?, there?);
    ensure!(here == there, "no word of it, and a device that joins shows something else: {here:?}, {there:?}");
    joined.stop()?;
    node.stop()?;
    Ok(std::fs::remove_dir_all(dir)?)
}

/// What a flip came to.
enum Came {
    /// A start was refused, by this code.
    Refused,
    /// The doctor names something.
    Named,
    /// Nothing is otherwise.
    Equal,
}

pub async fn run(flips: usize, seed: u64) -> Result<Figure> {
    let scene = Scene::set(None).await?;
    let mut figure = Figure::new("bit flips", "flips");
    let mut dice = Dice::new(seed, 3);
    std::fs::write(scene.dir.join("allod.toml"), "[log]\nformat = \"text\"\n")?;
    private(&scene.dir.join("allod.toml"))?;
    let ledger = Arc::new(Ledger::new(None));
    let node = scene.serve(None)?;
    node.operator()?.post("/api/v1/groups", &json!({ "name": "Family" })).await?;
    let work = Work::begin(&node.operator()?, &ledger, "flips/", dice.next());
    work.until(150).await?;
    work.end().await;
    let before = answers(&node, &ledger).await?;
    let digest = digests(&node.operator()?.get("/api/v1/doctor").await?.json);
    // Killed, so that what lies beside the databases is part of it; and once more as it is when it was stopped.
    let pool = scene.file("pool");
    node.kill()?;
    let killed = Tree::of(&scene.dir)?;
    killed.pool(&pool)?;
    scene.serve(None)?.stop()?;
    let stopped = Tree::of(&scene.dir)?;
    stopped.pool(&pool)?;
    let sound = Sound { before, digest };
    let (mut refused, mut named, mut equal, mut kinds) = (0, 0, 0, std::collections::BTreeSet::new());
    for flip in 0..flips {
        let tree = if flip % 2 == 0 { &stopped } else { &killed };
        let files: Vec<&PathBuf> =
            tree.files.iter().filter(|(_, (_, bytes))| !bytes.is_empty()).map(|(path, _)| path).collect();
        let file = files[flip / 2 % files.len()];
        let mut bytes = tree.files[file].1.clone();
        let certain = certain(file, &bytes);
        if certain == 0 {
            continue;
        }
        let (at, bit) = (dice.below(certain), dice.below(8));
        bytes[at] ^= 1 << bit;
        tree.place(&scene.dir, &pool)?;
        std::fs::write(file, bytes)?;
        let name = file.strip_prefix(&scene.dir)?.to_owned();
        kinds.insert(kind(&name));
        let what = format!("seed {seed}, flip {flip}: bit {bit} of byte {at} of {}", name.display());
        let mut came = examine(&scene, &ledger, &sound).await;
        if matches!(came, Ok(Came::Equal)) && name.starts_with("log.db") {
            came = reaches_others(&scene, &flip.to_string()).await.map(|()| Came::Equal);
        }
        match came {
            Ok(Came::Refused) => refused += 1,
            Ok(Came::Named) => named += 1,
            Ok(Came::Equal) => equal += 1,
            Err(fault) => {
                let verdict = Verdict { wrong: vec![format!("{fault:#}")], ..Verdict::default() };
                figure.add(&verdict, &what);
            }
        }
        figure.tried += 1;
    }
    figure.acknowledged = ledger.told();
    let kinds: Vec<_> = kinds.into_iter().collect();
    figure.note =
        format!("{refused} refused a start, {named} named by doctor, {equal} without effect; {}", kinds.join(" "));
    Ok(figure)
}

fn private(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?)
}

/// So many bytes of a file are known to have been on disk. Of what lies beside a database the last transaction looks, when a
/// bit of it flips, as one that a power cut has torn; nobody can tell the two apart.
fn certain(path: &Path, bytes: &[u8]) -> usize {
    const HEADER: usize = 32;
    if !path.as_os_str().as_encoded_bytes().ends_with(b"-wal") || bytes.len() < HEADER {
        return bytes.len();
    }
    let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let frame = 24 + word(8) as usize;
    let whole = (HEADER..bytes.len()).step_by(frame).filter(|at| at + frame <= bytes.len());
    let ends: Vec<usize> = whole.filter(|at| bytes[at + 8..at + 16] == bytes[16..24] && word(at + 4) != 0).collect();
    ends.len().checked_sub(2).map_or(0, |last| ends[last] + frame)
}

/// The name of a file, without what is of this one alone.
fn kind(name: &Path) -> String {
    let text = name.display().to_string();
    match text.strip_prefix("views/").and_then(|view| view.split_once('.')) {
        Some((_, of)) => format!("views/*.{of}"),
        None => text,
    }
}

/// How the node was before.
struct Sound {
    before: Value,
    digest: Vec<(String, String, String)>,
}

async fn examine(scene: &Scene, ledger: &Ledger, sound: &Sound) -> Result<Came> {
    let node = match scene.serve(None) {
        Ok(node) => node,
        Err(error) => {
            // Its first line is the error, and no address.
            let said = format!("{error:#}");
            anyhow::ensure!(said.contains("not a ready line") && said.contains("\"code\":\""), "a start says: {said}");
            return Ok(Came::Refused);
        }
    };
    let now = answers(&node, ledger).await;
    let doctor = node.operator()?.get("/api/v1/doctor").await?;
    anyhow::ensure!(!node.said().contains("panicked"), "a panic: {}", node.said());
    let found = bad(&doctor.json);
    if !found.is_empty() || doctor.status != 200 {
        return Ok(Came::Named);
    }
    let now = now?;
    anyhow::ensure!(
        now == sound.before,
        "an answer is another one, and no word of it: {}",
        differing(&now, &sound.before)
    );
    node.stop()?;
    let (well, anew) = scene.doctor(true)?;
    if !well {
        return Ok(Came::Named);
    }
    anyhow::ensure!(digests(&anew) == sound.digest, "made anew it is another: {anew}");
    Ok(Came::Equal)
}

/// The first part in which two answers differ.
fn differing(now: &Value, before: &Value) -> String {
    let parts = before.as_object().into_iter().flatten();
    let part = parts.map(|(name, _)| name).find(|name| now[*name] != before[*name]);
    part.map_or_else(String::new, |name| format!("{name}: {} instead of {}", short(&now[name]), short(&before[name])))
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}
