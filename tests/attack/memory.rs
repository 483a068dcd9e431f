//! How much memory a node takes under what asks for as much as it can: the peak, over what it held before.

use std::time::Duration;

use anyhow::Result;
use harness::report::Report;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::node::Scene;

const KINDS: [&str; 11] = [
    "aliases",
    "unread",
    "variables",
    "bodies",
    "commits",
    "past",
    "ids",
    "adds",
    "order",
    "introspection",
    "refusals",
];

pub async fn run(report: &mut Report, unanswered: &mut Vec<String>) -> Result<()> {
    for kind in KINDS {
        let name = format!("attack memory kind={kind}");
        if !report.wants(&name) {
            continue;
        }
        let scene = Scene::set().await?;
        let mut cids = Vec::new();
        match kind {
            "aliases" | "unread" | "order" => scene.fill(20, 1_000_000).await?,
            "commits" => scene.fill(200_000, 40).await?,
            "adds" => scene.fill(1, 1).await?,
            "past" => cids = scene.past(200).await?,
            "ids" => {
                let sdl: String = (0..150).map(|n| format!("type C{n} {{ a: String }} ")).collect();
                scene.mallory.define(&sdl).await?;
            }
            _ => scene.fill(10, 10).await?,
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let idle = scene.memory("VmRSS:")?;
        // From here on the peak is the attack's.
        std::fs::write(format!("/proc/{}/clear_refs", scene.node.pid()), "5")?;
        let said = attack(&scene, kind, &cids).await?;
        let over = scene.memory("VmHWM:")? - idle;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let left = scene.memory("VmRSS:")? - idle;
        report.alone(&name, over, "MB", format!("over {idle:.0} MB idle, {left:.0} of them held after; {said}"));
        if scene.bob.graphql("{ Mine { a } }").await.is_err() {
            unanswered.push(name);
        }
    }
    Ok(())
}

/// One attack; answers what came of it.
async fn attack(scene: &Scene, kind: &str, cids: &[Value]) -> Result<String> {
    let aliases: String = (0..200).map(|n| format!("a{n}: a ")).collect();
    match kind {
        "aliases" => {
            let link = scene.link().await?;
            let mut all = JoinSet::new();
            for _ in 0..4 {
                let (link, query) = (link.clone(), format!("{{ Item {{ {aliases} }} }}"));
                all.spawn(async move { link.try_graphql(&query, Value::Null).await });
            }
            told(all).await
        }
        "unread" => {
            let mut open = Vec::new();
            for _ in 0..12 {
                let query = json!({ "query": "{ Item { a } }" }).to_string();
                open.push(begin(scene, scene.mallory.token.as_deref(), &query).await?);
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
            Ok(format!("{} answers of 20 MB, not read", open.len()))
        }
        "variables" => {
            let mut all = JoinSet::new();
            for _ in 0..3 {
                let body = format!(
                    "{{\"query\":\"query($f: ItemFilterArg) {{ Item(filter: $f) {{ a }} }}\",\"variables\":{{\"f\":{{\"_or\":[{}{{}}]}}}}}}",
                    "{},".repeat(5_000_000)
                );
                let mallory = scene.mallory.clone();
                all.spawn(async move {
                    let request = mallory.request(reqwest::Method::POST, "/api/v1/graphql");
                    mallory.send(request.header("content-type", "application/json").body(body)).await
                });
            }
            told(all).await
        }
        "bodies" => {
            let mut open = Vec::new();
            for _ in 0..100 {
                let mut stream = TcpStream::connect(scene.address()).await?;
                let head = format!(
                    "POST /api/v1/graphql HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: 15000000\r\n\r\n",
                    scene.address()
                );
                stream.write_all(head.as_bytes()).await?;
                open.push(tokio::spawn(async move {
                    let some = vec![b'x'; 1_000_000];
                    for _ in 0..14 {
                        if stream.write_all(&some).await.is_err() {
                            break;
                        }
                    }
                    stream
                }));
            }
            let mut sent = 0;
            for one in open.iter_mut() {
                if tokio::time::timeout(Duration::from_millis(200), one).await.is_ok() {
                    sent += 1;
                }
            }
            Ok(format!("100 connections without a token, {sent} of them sent all they had or were closed"))
        }
        "commits" => {
            let begun = std::time::Instant::now();
            let answer = scene.mallory.try_graphql("{ _commits(limit: 5) { cid } }", Value::Null).await?;
            let rows = answer.json["data"]["_commits"].as_array().map_or(0, Vec::len);
            Ok(format!("{rows} rows in {:.0} ms {:?}", begun.elapsed().as_secs_f64() * 1_000.0, answer.codes()))
        }
        "past" => {
            let mut all = JoinSet::new();
            for query in ["{ _docID }", "{ a }"] {
                let (mallory, cids) = (scene.mallory.clone(), json!({ "c": cids }));
                let query = format!("query($c: [String]) {{ Item(cid: $c) {query} }}");
                all.spawn(async move { mallory.try_graphql(&query, cids).await });
            }
            told(all).await
        }
        "ids" => {
            let ids: Vec<String> = (0..240_000u64).map(|n| format!("00000000-0000-7000-8000-{n:012x}")).collect();
            let ids = json!({ "i": ids });
            let answer = scene.mallory.try_graphql("query($i: [ID]) { _commits(docID: $i, limit: 1) { cid } }", ids);
            let answer = answer.await?;
            Ok(format!("{} {:?}", answer.status, answer.codes()))
        }
        "introspection" => {
            let fields: String = (0..150).map(|n| format!("f{n}: Int s{n}: String ")).collect();
            let sdl: String = (0..4).map(|n| format!("type T{n} {{ {fields} }} ")).collect();
            scene.mallory.define(&sdl).await?;
            let one = |n: usize| {
                format!("a{n}: type {{ inputFields {{ name type {{ name kind ofType {{ name kind }} }} }} }}")
            };
            let asked: String = (0..8).map(one).collect();
            let mut open = Vec::new();
            for n in 0..40 {
                // By another text each: none of them is kept.
                let query = format!(
                    "{{ __schema {{ types {{ name kind fields {{ name args {{ name {asked} }} }} }} }} }} # {n}"
                );
                let query = json!({ "query": query }).to_string();
                open.push(begin(scene, scene.mallory.token.as_deref(), &query).await?);
            }
            Ok(format!("{} answers to introspection, not read", open.len()))
        }
        "refusals" => {
            let mut open = Vec::new();
            for _ in 0..20 {
                let query = format!("{{ {}: Item(limit: -1) {{ _docID }} }}", "A".repeat(15_000_000));
                let query = json!({ "query": query }).to_string();
                open.push(begin(scene, scene.mallory.token.as_deref(), &query).await?);
            }
            Ok(format!("{} refusals of 15 MB each, not read", open.len()))
        }
        "order" => {
            let mut all = JoinSet::new();
            for _ in 0..4 {
                let mallory = scene.mallory.clone();
                all.spawn(
                    async move { mallory.try_graphql("{ Item(order: {a: DESC}) { _docID } }", Value::Null).await },
                );
            }
            told(all).await
        }
        _ => {
            let mut all = JoinSet::new();
            for _ in 0..16 {
                let items: Vec<Value> = (0..14).map(|_| json!({ "a": "x".repeat(1_000_000) })).collect();
                let add = "mutation($i: [ItemMutationInputArg!]!) { add_Item(input: $i) { _docID } }";
                let mallory = scene.mallory.clone();
                all.spawn(async move { mallory.try_graphql(add, json!({ "i": items })).await });
            }
            told(all).await
        }
    }
}

/// What came of several requests at once.
async fn told(mut all: JoinSet<Result<harness::Answer>>) -> Result<String> {
    let mut said: Vec<String> = Vec::new();
    while let Some(answer) = all.join_next().await {
        let told = match answer? {
            Ok(answer) => format!("{} {:?} {} KB", answer.status, answer.codes(), answer.text.len() / 1_000),
            Err(_) => "no answer".to_owned(),
        };
        if !said.contains(&told) {
            said.push(told);
        }
    }
    Ok(said.join(", "))
}

/// Sends a request and reads nothing of its answer but a few bytes.
async fn begin(scene: &Scene, token: Option<&str>, body: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(scene.address()).await?;
    let token = token.unwrap_or_default();
    let head = format!(
        "POST /api/v1/graphql HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        scene.address(),
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    let mut some = [0; 16];
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut some)).await;
    Ok(stream)
}
