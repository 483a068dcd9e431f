//! Adding documents of eight fields with two indexes, beside raw SQLite (WAL, synchronous = FULL, the
//! same rows and indexes, one connection).

use std::time::{Duration, Instant};

use anyhow::Result;
use rusqlite::{Connection, params};
use serde_json::json;

use crate::load::{post, rate};
use crate::process::Subject;
use crate::{DOCUMENTS_MAX, SLICE};
use harness::report::{Report, median};

pub const SDL: &str = "type Item { name: String @index email: String city: String note: String age: Int @index score: Float active: Boolean born: DateTime }";

/// The n-th document: the same in every run.
pub fn document(n: usize) -> serde_json::Value {
    json!({
        "name": format!("person {n:07}"),
        "email": format!("person{n}@example.org"),
        "city": CITIES[n % CITIES.len()],
        "note": format!("note {} of a middling length, as notes are", n.wrapping_mul(2_654_435_761) % 100_003),
        "age": n % 97,
        "score": (n.wrapping_mul(48_271) % 65_537) as f64 / 16.0,
        "active": n.is_multiple_of(3),
        "born": format!("19{:02}-{:02}-{:02}T00:00:00Z", n % 100, n % 12 + 1, n % 28 + 1),
    })
}

pub const CITIES: [&str; 8] = ["Lisbon", "Tallinn", "Graz", "Bergen", "Ghent", "Brno", "Turin", "Cork"];

pub async fn run(report: &mut Report) -> Result<()> {
    let cells: Vec<(usize, usize)> =
        [1, 10, 100, 1_000].into_iter().flat_map(|batch| [(batch, 1), (batch, 64)]).collect();
    if !cells.iter().any(|(batch, clients)| report.wants(&name(*batch, *clients))) {
        return Ok(());
    }
    let subject = Subject::start().await?;
    for (batch, clients) in cells {
        if !report.wants(&name(batch, clients)) {
            continue;
        }
        let (mut ours, mut raw) = (Vec::new(), Vec::new());
        for round in 0..3 {
            raw.push(raw_sqlite(subject.root.path(), batch)?);
            let space = subject.owner.new_space(&format!("adds {batch} {clients} {round}")).await?;
            space.define(SDL).await?;
            let (token, id) = (space.token.clone(), space.space.clone());
            // Requests are made before the clock starts; making them is no part of what is measured.
            let distinct = (2_000 / batch).clamp(4, 2_000);
            let requests: Vec<Vec<u8>> = (0..distinct)
                .map(|r| {
                    let input: Vec<_> = (0..batch).map(|i| document(r * batch + i)).collect();
                    let query = "mutation($input: [ItemMutationInputArg!]!) { add_Item(input: $input) { _docID } }";
                    let body = json!({ "query": query, "variables": { "input": input } }).to_string();
                    post("/api/v1/graphql", token.as_deref(), id.as_deref(), &body)
                })
                .collect();
            let most = DOCUMENTS_MAX / 3 / batch;
            let requests_s =
                rate(&subject.address(), clients, SLICE, most, move |n| requests[n % requests.len()].clone()).await?;
            ours.push(requests_s * batch as f64);
        }
        report.rate(&name(batch, clients), median(ours), "doc/s", ("raw SQLite", median(raw)), String::new());
    }
    Ok(())
}

fn name(batch: usize, clients: usize) -> String {
    format!("add batch={batch} clients={clients}")
}

/// Opens a table as a careful user of SQLite would.
pub fn raw_table(dir: &std::path::Path) -> Result<Connection> {
    let file = dir.join("raw.db");
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", file.display()));
    }
    let db = Connection::open(&file)?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -32768;
         CREATE TABLE item (id BLOB PRIMARY KEY, name TEXT, email TEXT, city TEXT, note TEXT, age INTEGER, score REAL, active INTEGER, born INTEGER) WITHOUT ROWID;
         CREATE INDEX item_name ON item (name);
         CREATE INDEX item_age ON item (age);",
    )?;
    Ok(db)
}

pub fn insert(db: &Connection, n: usize) -> Result<()> {
    let value = document(n);
    let mut id = [0u8; 16];
    id[..8].copy_from_slice(&(n as u64).to_be_bytes());
    db.prepare_cached("INSERT INTO item VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?.execute(params![
        id,
        value["name"].as_str(),
        value["email"].as_str(),
        value["city"].as_str(),
        value["note"].as_str(),
        value["age"].as_i64(),
        value["score"].as_f64(),
        value["active"].as_bool(),
        n as i64,
    ])?;
    Ok(())
}

fn raw_sqlite(dir: &std::path::Path, batch: usize) -> Result<f64> {
    let mut db = raw_table(dir)?;
    let mut spent = Duration::ZERO;
    let mut n = 0;
    while spent < SLICE && n < DOCUMENTS_MAX / 3 {
        let begun = Instant::now();
        let transaction = db.transaction()?;
        for _ in 0..batch {
            insert(&transaction, n)?;
            n += 1;
        }
        transaction.commit()?;
        spent += begun.elapsed();
    }
    Ok(n as f64 / spent.as_secs_f64())
}
