//! How long a neighbour waits while somebody asks for as much as they can.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use harness::report::Report;
use harness::{Answer, Client};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::node::{NEIGHBOUR, Scene, likes};

/// How long a quiet node is asked, and how long one under attack at least.
const QUIET: Duration = Duration::from_secs(4);
const ATTACKED: Duration = Duration::from_secs(6);
/// How long a neighbour waits between two questions: a processor that was idle meanwhile answers later, attack or not.
const PAUSE: Duration = Duration::from_millis(20);
/// A neighbour who waits longer has not been answered.
const ANSWERED: Duration = Duration::from_secs(60);

type Asked = Pin<Box<dyn Future<Output = Result<Answer>> + Send>>;

/// What a neighbour asks for.
#[derive(Clone, Copy)]
enum Probe {
    Read,
    Write,
    SignIn,
    Code,
    Spaces,
}

impl Probe {
    fn name(self) -> &'static str {
        match self {
            Probe::Read => "read",
            Probe::Write => "write",
            Probe::SignIn => "sign-in",
            Probe::Code => "code",
            Probe::Spaces => "spaces",
        }
    }

    fn ask(self, bob: &Client) -> Asked {
        let bob = bob.clone();
        Box::pin(async move {
            match self {
                Probe::Read => bob.try_graphql("{ Mine(limit: 5) { a } }", Value::Null).await,
                Probe::Write => {
                    bob.try_graphql("mutation { add_Mine(input: {a: \"c\"}) { _docID } }", Value::Null).await
                }
                Probe::SignIn => {
                    let who = json!({ "user": NEIGHBOUR.0, "password": NEIGHBOUR.1 });
                    bob.nobody().post("/api/v1/session", &who).await
                }
                Probe::Code => bob.post("/api/v1/devices/invite", &json!({})).await,
                Probe::Spaces => bob.get("/api/v1/spaces").await,
            }
        })
    }
}

/// One attack: what is made ready for it, and one round of it, which is begun again as long as it is watched.
struct Attack {
    name: &'static str,
    probes: &'static [Probe],
    /// How many rounds run at a time.
    at_once: usize,
}

const ATTACKS: [Attack; 11] = [
    Attack { name: "definitions", probes: &[Probe::Read, Probe::Write], at_once: 1 },
    Attack { name: "reads", probes: &[Probe::Read, Probe::Write], at_once: 8 },
    Attack { name: "wide-reads", probes: &[Probe::Read, Probe::Write], at_once: 8 },
    Attack { name: "lists", probes: &[Probe::Read, Probe::Write], at_once: 4 },
    Attack { name: "list-changes", probes: &[Probe::Read, Probe::Write], at_once: 4 },
    Attack { name: "heads", probes: &[Probe::Read, Probe::Write], at_once: 8 },
    Attack { name: "adds", probes: &[Probe::Read, Probe::Write], at_once: 16 },
    Attack { name: "sign-ins", probes: &[Probe::Read, Probe::SignIn], at_once: 300 },
    Attack { name: "codes", probes: &[Probe::Code], at_once: 4 },
    Attack { name: "introspection", probes: &[Probe::Read, Probe::Write], at_once: 8 },
    Attack { name: "spaces", probes: &[Probe::Spaces], at_once: 1 },
];

/// One round of an attack, by its name.
fn round(name: &'static str, mallory: Client, link: Option<Client>, body: Arc<Value>) -> Asked {
    Box::pin(async move {
        let count = "query($f: ItemFilterArg) { COUNT(Item: {filter: $f}) }";
        match name {
            "definitions" => {
                let fields: String = (0..20).map(|n| format!("f{n}: Int ")).collect();
                let sdl: String = (0..400).map(|n| format!("type T{n} {{ {fields} }} ")).collect();
                let own = mallory.new_space("many").await?;
                own.post("/api/v1/collections", &json!({ "sdl": sdl })).await
            }
            "reads" | "wide-reads" => link.unwrap_or(mallory).try_graphql(count, json!({ "f": *body })).await,
            "lists" => {
                let read = "query($i: [ID], $v: [Int]) { L(docID: $i, filter: {l: {_any: {_in: $v}}}) { _docID } }";
                mallory.try_graphql(read, (*body).clone()).await
            }
            "list-changes" => {
                let change = "mutation($v: [Int]) { update_L(filter: {l: {_any: {_in: $v}}}, input: {n: 1}) { n } }";
                mallory.try_graphql(change, (*body).clone()).await
            }
            "heads" => {
                let change =
                    "mutation($i: [ID], $h: [String!]) { update_L(docID: $i, input: {n: 1}, expectHeads: $h) { n } }";
                link.unwrap_or(mallory).try_graphql(change, (*body).clone()).await
            }
            "adds" => {
                let add = "mutation($i: [ItemMutationInputArg!]!) { add_Item(input: $i) { _docID } }";
                mallory.try_graphql(add, json!({ "i": *body })).await
            }
            "sign-ins" => {
                let who = json!({ "user": "mallory", "password": "a guess" });
                mallory.nobody().post("/api/v1/session", &who).await
            }
            "introspection" => {
                let deep = "inputFields { name type { name inputFields { name type { name kind } } } }";
                // Spelt so that a look at the bytes alone does not find it, and by another text each time.
                let query = format!(
                    "{{ __type (name: \"Query\") {{ fields {{ name args {{ name type {{ {deep} }} }} }} }} }} # {}",
                    rand::random::<u64>()
                );
                mallory.try_graphql(&query, Value::Null).await
            }
            "codes" => mallory.post("/api/v1/devices/invite", &json!({})).await,
            _ => {
                let with = json!({ "user": NEIGHBOUR.0, "tenant": "there" });
                let made = mallory.post("/api/v1/spaces", &json!({ "name": "one of many" })).await?;
                let share = json!({ "space": made.json["id"], "with": with, "role": "viewer" });
                mallory.post("/api/v1/shares", &share).await
            }
        }
    })
}

pub async fn run(report: &mut Report, unanswered: &mut Vec<String>) -> Result<()> {
    for attack in &ATTACKS {
        if attack.probes.iter().any(|probe| report.wants(&name_of(*probe, attack.name))) {
            one(report, unanswered, attack).await?;
        }
    }
    Ok(())
}

fn name_of(probe: Probe, attack: &str) -> String {
    format!("neighbour {} attack={attack}", probe.name())
}

async fn one(report: &mut Report, unanswered: &mut Vec<String>, attack: &Attack) -> Result<()> {
    let scene = Scene::set().await?;
    let (mut link, mut body) = (None, Value::Null);
    match attack.name {
        "reads" | "wide-reads" => {
            scene.fill(20_000, 60).await?;
            link = Some(scene.link().await?);
            body = likes(if attack.name == "reads" { 800 } else { 5_000 });
        }
        "lists" | "list-changes" => {
            let id = scene.list(87_000).await?;
            body = json!({ "i": id, "v": (1_000_000..1_240_000).collect::<Vec<_>>() });
        }
        "heads" => {
            let id = scene.list(1).await?;
            scene.history(&id, 100).await?;
            link = Some(scene.app_where_n_is_small().await?);
            body = json!({ "i": id, "h": ["bafyreigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"] });
        }
        "adds" => {
            scene.fill(1, 1).await?;
            body = json!((0..14).map(|_| json!({ "a": "x".repeat(1_000_000) })).collect::<Vec<_>>());
        }
        _ => {}
    }
    let mut quiet = Vec::new();
    for probe in attack.probes {
        quiet.push(watch(&scene.bob, *probe, QUIET).await);
    }
    let body = Arc::new(body);
    let mut rounds = JoinSet::new();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    for _ in 0..attack.at_once {
        let (name, mallory, link, body) = (attack.name, scene.mallory.clone(), link.clone(), Arc::clone(&body));
        let stopped = stopped.clone();
        rounds.spawn(async move {
            let mut done = 0;
            while !*stopped.borrow() && done < 400 {
                let _ = round(name, mallory.clone(), link.clone(), Arc::clone(&body)).await;
                done += 1;
            }
            done
        });
    }
    // The attack is on its way.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut probing = JoinSet::new();
    for (i, probe) in attack.probes.iter().copied().enumerate() {
        let bob = scene.bob.clone();
        probing.spawn(async move { (i, watch(&bob, probe, ATTACKED).await) });
    }
    let mut attacked: Vec<(usize, Times)> = Vec::new();
    while let Some(done) = probing.join_next().await {
        attacked.push(done?);
    }
    let _ = stop.send(true);
    rounds.abort_all();
    attacked.sort_by_key(|(i, _)| *i);
    let peak = scene.memory("VmHWM:")?;
    for ((probe, quiet), (_, attacked)) in attack.probes.iter().zip(&quiet).zip(&attacked) {
        let name = name_of(*probe, attack.name);
        let note = format!("{} answered, {} refused; peak {peak:.0} MB", attacked.ms.len(), attacked.refused);
        for (which, share) in [("p50", 0.5), ("p99", 0.99)] {
            let (there, here) = (quiet.at(share), attacked.at(share));
            report.time(&format!("{name} {which}"), here, "ms", ("quiet", there), note.clone());
        }
        if attacked.ms.is_empty() {
            unanswered.push(name);
        }
    }
    Ok(())
}

/// How long answers took, in milliseconds, ascending.
struct Times {
    ms: Vec<f64>,
    refused: usize,
}

impl Times {
    fn at(&self, share: f64) -> f64 {
        let last = self.ms.len().saturating_sub(1);
        self.ms.get((last as f64 * share).round() as usize).copied().unwrap_or(ANSWERED.as_secs_f64() * 1_000.0)
    }
}

/// Asks for as long as `for_` and until there is one answer, and at most as long as a neighbour waits.
async fn watch(bob: &Client, probe: Probe, for_: Duration) -> Times {
    let begun = Instant::now();
    let mut times = Times { ms: Vec::new(), refused: 0 };
    while begun.elapsed() < for_ || (times.ms.is_empty() && begun.elapsed() < ANSWERED) {
        let asked = Instant::now();
        match tokio::time::timeout(ANSWERED, probe.ask(bob)).await {
            Ok(Ok(answer)) if (200..300).contains(&answer.status) && answer.codes().is_empty() => {
                times.ms.push(asked.elapsed().as_secs_f64() * 1_000.0);
            }
            _ => {
                times.refused += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        if matches!(probe, Probe::Code) {
            // A person has few of them, for both times: one that is given is enough.
            if !times.ms.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
    times.ms.sort_by(f64::total_cmp);
    times
}
