//! Real input: the 3,201 films of the npm package `vega-datasets`, and the walk-through of the 2023
//! spelling.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::story::{Story, verified};

const PACKAGE: &str = "vega-datasets@3.2.1";
const SHA256: &str = "e63c499759e3b07b49563e036f55290f87feb56def8703ec049ca305ab1523d3";
pub const FILMS: u64 = 3_201;
const BATCH: usize = 500;

/// Field of the file, field of the collection, type of the collection's field.
const MAPPING: [(&str, &str, &str); 16] = [
    ("Title", "title", "String @index"),
    ("US Gross", "us_gross", "Int"),
    ("Worldwide Gross", "worldwide_gross", "Int"),
    ("US DVD Sales", "us_dvd_sales", "Int"),
    ("Production Budget", "production_budget", "Int"),
    ("Release Date", "release_date", "DateTime @index"),
    ("MPAA Rating", "mpaa_rating", "String"),
    ("Running Time min", "running_time_min", "Int"),
    ("Distributor", "distributor", "String"),
    ("Source", "source", "String"),
    ("Major Genre", "major_genre", "String @index"),
    ("Creative Type", "creative_type", "String"),
    ("Director", "director", "String"),
    ("Rotten Tomatoes Rating", "rotten_tomatoes_rating", "Int"),
    ("IMDB Rating", "rating", "Float"),
    ("IMDB Votes", "votes", "Int"),
];

/// The definition of `Film`.
fn sdl() -> String {
    let fields: Vec<String> = MAPPING.iter().map(|(_, field, kind)| format!("  {field}: {kind}")).collect();
    format!("type Film {{\n{}\n}}\n", fields.join("\n"))
}

/// The film file, fetched once by the npm client and cached under the target directory.
fn file() -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let cache = target.join("cache");
    let file = cache.join("movies.json");
    if !file.is_file() {
        std::fs::create_dir_all(&cache)?;
        run(Command::new("npm").args(["pack", "--silent", PACKAGE]).current_dir(&cache))?;
        let archive = format!("{}.tgz", PACKAGE.replace('@', "-"));
        let member = "package/data/movies.json";
        run(Command::new("tar").args(["xzf", &archive, "--strip-components=2", member]).current_dir(&cache))?;
    }
    let sum = data_encoding::HEXLOWER.encode(&Sha256::digest(std::fs::read(&file)?));
    ensure!(sum == SHA256, "{} is not the file we know (SHA-256 {sum})", file.display());
    Ok(file)
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("running {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The films as inputs of `add_Film`.
fn films(file: &Path) -> Result<Vec<Value>> {
    let rows: Vec<Map<String, Value>> = serde_json::from_slice(&std::fs::read(file)?)?;
    rows.iter().map(film).collect()
}

fn film(row: &Map<String, Value>) -> Result<Value> {
    let mut film = Map::new();
    for (from, to, kind) in MAPPING {
        let value = row.get(from).with_context(|| format!("a film without `{from}`"))?;
        let value = match value {
            Value::Null => Value::Null,
            // Nine titles are numbers in the file (1776, 1941, …).
            Value::Number(number) if kind.starts_with("String") => json!(number.to_string()),
            Value::String(text) if kind.starts_with("DateTime") => json!(date(text)?),
            other => other.clone(),
        };
        film.insert(to.to_owned(), value);
    }
    Ok(Value::Object(film))
}

/// `Jun 12 1998` in RFC 3339.
fn date(text: &str) -> Result<String> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_whitespace();
    let (Some(month), Some(day), Some(year)) = (words.next(), words.next(), words.next()) else {
        bail!("not a date: {text}")
    };
    let month = MONTHS.iter().position(|name| *name == month).with_context(|| format!("not a month: {text}"))? + 1;
    Ok(format!("{year}-{month:02}-{:02}T00:00:00Z", day.parse::<u8>()?))
}

/// The walk-through that people of the 2023 spelling know: schema, create, query, filter, commits.
pub async fn walkthrough(story: &mut Story) -> Result<()> {
    story.step("The 2023 walk-through, with `allod client` in its spelling");
    let node = story.node()?;
    node.cli_ok(&["client", "ping"])?;
    verified("client ping");
    node.cli_ok(&["client", "schema", "add", "type User { name: String age: Int verified: Boolean points: Float }"])?;
    verified("client schema add");
    let create = r#"mutation { create_User(data: "{\"age\": 31, \"verified\": true, \"points\": 90, \"name\": \"Bob\"}") { _key } }"#;
    let made = node.cli_ok(&["client", "query", create])?;
    let key = made["data"][0]["_key"].as_str().with_context(|| format!("no _key in {made}"))?.to_owned();
    verified(&format!("create_User answered _key {key}"));
    let read = node.cli_ok(&["client", "query", "query { User { _key age name points } }"])?;
    ensure!(read["data"] == json!([{"_key": key, "age": 31, "name": "Bob", "points": 90.0}]), "read {read}");
    let none = node.cli_ok(&["client", "query", "query { User(filter: {points: {_ge: 91}}) { _key } }"])?;
    let some = node.cli_ok(&["client", "query", "query { User(filter: {points: {_ge: 50}}) { _key } }"])?;
    ensure!(none["data"] == json!([]) && some["data"][0]["_key"] == json!(key), "filters: {none} {some}");
    verified("User, and User by points _ge");
    let latest = node.cli_ok(&[
        "client",
        "query",
        &format!("query {{ latestCommits(dockey: \"{key}\") {{ cid delta height links {{ cid name }} }} }}"),
    ])?;
    let head = latest["data"]
        .as_array()
        .and_then(|rows| rows.iter().find(|row| row["links"].as_array().is_some_and(|links| !links.is_empty())))
        .with_context(|| format!("no composite commit in {latest}"))?;
    let mut names: Vec<&str> =
        head["links"].as_array().into_iter().flatten().filter_map(|link| link["name"].as_str()).collect();
    names.sort_unstable();
    ensure!(names == ["age", "name", "points", "verified"] && head["height"] == 1, "head {head}");
    let delta = head["delta"].as_str().context("no delta")?;
    let delta = data_encoding::BASE64.decode(delta.as_bytes())?;
    ensure!(delta.windows(3).any(|bytes| bytes == b"Bob"), "the owner's delta holds the name");
    let cid = head["cid"].as_str().context("no cid")?;
    let again = node.cli_ok(&[
        "client",
        "query",
        &format!("query {{ commits(cid: \"{cid}\") {{ cid delta height links {{ cid name }} }} }}"),
    ])?;
    ensure!(again["data"][0]["cid"] == json!(cid) && again["data"][0]["links"] == head["links"], "commits {again}");
    verified(&format!("latestCommits and commits(cid:), four links at height 1, cid {cid}"));
    Ok(())
}

/// The films go into Alice's space.
pub async fn import(story: &mut Story) -> Result<()> {
    story.step("3,201 films into Alice's space");
    let films = films(&file()?)?;
    ensure!(films.len() as u64 == FILMS, "{} films in the file", films.len());
    println!("     {:<24} {:<24} type", "field in the file", "field in Film");
    for (from, to, kind) in MAPPING {
        println!("     {from:<24} {to:<24} {kind}");
    }
    story.alice.define(&sdl()).await?;
    let begun = Instant::now();
    for batch in films.chunks(BATCH) {
        let add = "mutation($input: [FilmMutationInputArg!]!) { add_Film(input: $input) { _docID } }";
        let answer = story.alice.graphql_with(add, json!({ "input": batch })).await?;
        let added = answer["add_Film"].as_array().map_or(0, Vec::len);
        ensure!(added == batch.len(), "{added} of {} films were acknowledged", batch.len());
    }
    let seconds = begun.elapsed().as_secs_f64();
    let counted = story.alice.graphql("{ COUNT(Film: {}) }").await?;
    ensure!(counted["COUNT"] == FILMS, "counted {counted}");
    verified(&format!("{FILMS} films in batches of {BATCH}: {:.1} s, COUNT agrees", seconds));

    let dated = films.iter().filter(|film| film["director"] == "Steven Spielberg").count();
    let found = story.alice.graphql(r#"{ Film(filter: {director: {_eq: "Steven Spielberg"}}) { title } }"#).await?;
    ensure!(found["Film"].as_array().map_or(0, Vec::len) == dated, "found {found}");
    let genres: std::collections::HashSet<String> = films.iter().map(|film| film["major_genre"].to_string()).collect();
    let groups = story.alice.graphql("{ Film(groupBy: [major_genre]) { major_genre COUNT(GROUP: {}) } }").await?;
    let rows = groups["Film"].as_array().context("no groups")?;
    let total: u64 = rows.iter().filter_map(|row| row["COUNT"].as_u64()).sum();
    ensure!(rows.len() == genres.len() && total == FILMS, "groups {groups}");
    let gross: i64 = films.iter().filter_map(|film| film["us_gross"].as_i64()).sum();
    let summed = story.alice.graphql("{ SUM(Film: {field: us_gross}) }").await?;
    ensure!(summed["SUM"].as_f64() == Some(gross as f64), "sum {summed}, in the file {gross}");
    verified(&format!("{dated} films by one director, {} genres, takings of {gross}: as in the file", rows.len()));
    Ok(())
}
