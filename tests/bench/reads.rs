//! Reads over 100,000 documents through HTTP: beside a bare actix handler that returns the same bytes,
//! and raw SQLite in process; and an app's read beside its owner's.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use harness::Client;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::adds::{self, SDL, document};
use crate::bare::Bare;
use crate::load::{Connection as Http, post, rate};
use crate::process::Subject;
use crate::{DOCUMENTS_MAX, SLICE};
use harness::report::{Report, median};

const CLIENTS: usize = 16;
const ALL: &str = "_docID name email city note age score active born";

/// Defines `Item` in the client's space and adds `count` documents.
pub async fn load(client: &Client, count: usize) -> Result<()> {
    client.define(SDL).await?;
    let add = "mutation($input: [ItemMutationInputArg!]!) { add_Item(input: $input) { _docID } }";
    for from in (0..count).step_by(1_000) {
        let input: Vec<Value> = (from..(from + 1_000).min(count)).map(document).collect();
        client.graphql_with(add, json!({ "input": input })).await?;
    }
    Ok(())
}

pub async fn run(report: &mut Report) -> Result<()> {
    let rows = ["read by id", "read indexed", "read filtered scan", "read order limit", "read permissioned"];
    if !rows.iter().any(|row| report.wants(row)) {
        return Ok(());
    }
    let subject = Subject::start().await?;
    load(&subject.owner, DOCUMENTS_MAX).await?;
    let sample = subject.owner.graphql("{ Item(limit: 2000, offset: 40000) { _docID name } }").await?;
    let sample = sample["Item"].as_array().context("no items")?.clone();
    ensure!(sample.len() == 2_000, "{} items", sample.len());

    if report.wants("read by id") {
        let ask = format!("query($id: ID) {{ Item(docID: $id) {{ {ALL} }} }}");
        let ids: Vec<Value> = sample.iter().map(|item| item["_docID"].clone()).collect();
        against_bare(report, &subject, "read by id", &ask, "id", ids).await?;
    }
    if report.wants("read indexed") {
        let ask = format!("query($name: String) {{ Item(filter: {{name: {{_eq: $name}}}}) {{ {ALL} }} }}");
        let names: Vec<Value> = sample.iter().map(|item| item["name"].clone()).collect();
        against_bare(report, &subject, "read indexed", &ask, "name", names).await?;
    }
    let scan = format!("{{ Item(filter: {{note: {{_like: \"note 777 %\"}}}}) {{ {ALL} }} }}");
    let scan_sql = "SELECT * FROM item WHERE note LIKE 'note 777 %' ORDER BY id";
    let order = format!("{{ Item(order: {{score: DESC}}, limit: 10) {{ {ALL} }} }}");
    let order_sql = "SELECT * FROM item ORDER BY score DESC, id LIMIT 10";
    if report.wants("read filtered scan") || report.wants("read order limit") {
        let mut db = adds::raw_table(subject.root.path())?;
        let transaction = db.transaction()?;
        for n in 0..DOCUMENTS_MAX {
            adds::insert(&transaction, n)?;
        }
        transaction.commit()?;
        for (row, query, sql) in [("read filtered scan", &scan, scan_sql), ("read order limit", &order, order_sql)] {
            if report.wants(row) {
                against_sqlite(report, &subject, &db, row, query, sql).await?;
            }
        }
    }
    if report.wants("read permissioned") {
        permissioned(report, &subject, &sample).await?;
    }
    Ok(())
}

/// One query with one variable, by many clients, beside the bare handler that returns the same bytes.
async fn against_bare(
    report: &mut Report,
    subject: &Subject,
    row: &str,
    query: &str,
    variable: &str,
    values: Vec<Value>,
) -> Result<()> {
    let requests: Vec<Vec<u8>> = values
        .iter()
        .map(|value| {
            let body = json!({ "query": query, "variables": { variable: value } }).to_string();
            post("/api/v1/graphql", subject.owner.token.as_deref(), None, &body)
        })
        .collect();
    let answer = Http::open(&subject.address()).await?.ask(&requests[0]).await?.to_vec();
    ensure!(String::from_utf8_lossy(&answer).contains("person"), "{}", String::from_utf8_lossy(&answer));
    let bare = Bare::start(subject.root.path(), &answer)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        for (address, into) in [(bare.address.clone(), &mut theirs), (subject.address(), &mut ours)] {
            let requests = requests.clone();
            into.push(rate(&address, CLIENTS, SLICE, usize::MAX, move |n| requests[n % requests.len()].clone()).await?);
        }
    }
    report.rate(
        row,
        median(ours),
        "req/s",
        ("bare actix handler", median(theirs)),
        format!("{CLIENTS} clients, {} B", answer.len()),
    );
    Ok(())
}

/// One query by one client, beside raw SQLite in this process.
async fn against_sqlite(
    report: &mut Report,
    subject: &Subject,
    db: &Connection,
    row: &str,
    query: &str,
    sql: &str,
) -> Result<()> {
    let body = json!({ "query": query }).to_string();
    let request = post("/api/v1/graphql", subject.owner.token.as_deref(), None, &body);
    let answer = Http::open(&subject.address()).await?.ask(&request).await?.to_vec();
    let bare = Bare::start(subject.root.path(), &answer)?;
    let (mut ours, mut theirs, mut handler) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        theirs.push(raw_rate(db, sql)?);
        for (address, into) in [(subject.address(), &mut ours), (bare.address.clone(), &mut handler)] {
            let request = request.clone();
            into.push(rate(&address, 1, SLICE, usize::MAX, move |_| request.clone()).await?);
        }
    }
    let note = format!("1 client, {} B; bare handler {:.0} req/s", answer.len(), median(handler));
    report.rate(row, median(ours), "req/s", ("raw SQLite", median(theirs)), note);
    Ok(())
}

fn raw_rate(db: &Connection, sql: &str) -> Result<f64> {
    let begun = Instant::now();
    let mut done = 0;
    while begun.elapsed() < SLICE {
        let mut statement = db.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            for column in 1..5 {
                bytes += row.get_ref(column)?.as_str()?.len();
            }
        }
        std::hint::black_box(bytes);
        done += 1;
    }
    Ok(f64::from(done) / begun.elapsed().as_secs_f64())
}

/// An app that was granted all eight fields reads what its owner reads.
async fn permissioned(report: &mut Report, subject: &Subject, sample: &[Value]) -> Result<()> {
    let access = json!({
        "type": "allod_doc", "datatypes": ["Item"], "actions": ["read", "search"],
        "fields": {"allow": ["name", "email", "city", "note", "age", "score", "active", "born"]},
        "where": {"age": {"_geq": 0}}
    });
    let manifest = json!({ "name": "Bench", "redirect_uris": ["http://127.0.0.1:9/cb"], "access": [access], "confidential": false });
    let (app_file, grant_file) = (subject.root.path().join("app.json"), subject.root.path().join("grant.json"));
    std::fs::write(&app_file, manifest.to_string())?;
    let app = subject.node.cli_ok(&["app", "add", app_file.to_str().context("path")?])?;
    let client_id = app["client_id"].as_str().context("client_id")?;
    std::fs::write(&grant_file, access.to_string())?;
    let grant = subject.node.cli_ok(&[
        "grant",
        "add",
        "--user",
        "alice",
        "--app",
        client_id,
        grant_file.to_str().context("path")?,
    ])?;
    let token = grant["access_token"].as_str().context("access_token")?;
    let query = format!("query($id: ID) {{ Item(docID: $id) {{ {ALL} }} }}");
    let requests = |token: Option<&str>| -> Vec<Vec<u8>> {
        sample
            .iter()
            .map(|item| {
                let body = json!({ "query": query, "variables": { "id": item["_docID"] } }).to_string();
                post("/api/v1/graphql", token, None, &body)
            })
            .collect()
    };
    let (owners, apps) = (requests(subject.owner.token.as_deref()), requests(Some(token)));
    let (a, b) = (
        Http::open(&subject.address()).await?.ask(&owners[0]).await?.to_vec(),
        Http::open(&subject.address()).await?.ask(&apps[0]).await?.to_vec(),
    );
    ensure!(a == b, "owner {}, app {}", String::from_utf8_lossy(&a), String::from_utf8_lossy(&b));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        for (requests, into) in [(owners.clone(), &mut theirs), (apps.clone(), &mut ours)] {
            into.push(
                rate(&subject.address(), CLIENTS, SLICE, usize::MAX, move |n| requests[n % requests.len()].clone())
                    .await?,
            );
        }
    }
    let note = "by id, all fields, one row filter".into();
    report.rate("read permissioned", median(ours), "req/s", ("the owner's read", median(theirs)), note);
    Ok(())
}
