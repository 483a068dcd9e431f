//! `allod export`.

use std::path::PathBuf;

use clap::Args;
use gateway_transfer::{
    Collection, CsvFiles, Definitions, Document, Format, Header, JsonSink, JsonlSink, Output, Part, Sink, SqliteSink,
};
use serde_json::{Value, json};

use super::super::Common;
use super::super::output::{Exit, Failure, print, progress};
use super::super::remote::Remote;
use super::asked::{Refused, count, definitions, graphql};
use super::file::{format_of, is_std};
use super::mine;

/// Documents that are asked for at once, where they are small.
const PAGE: usize = 1_000;

#[derive(Debug, Args)]
pub struct Export {
    /// The file to write, or for several collections of CSV the directory; `-` is stdout
    file: PathBuf,
    /// The space [default: one's own]
    #[arg(long, value_name = "ID")]
    space: Option<String>,
    /// This collection alone; may be said several times
    #[arg(long = "collection", short, value_name = "NAME")]
    collections: Vec<String>,
    /// jsonl, json (the backup JSON of 2023), csv or sqlite [default: by the end of the file's name]
    #[arg(long)]
    format: Option<String>,
    /// JSON on many lines, for people
    #[arg(long)]
    pretty: bool,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// CSV: write texts that begin like formulas as they are; a spreadsheet may run them
    #[arg(long)]
    no_formula_guard: bool,
    /// Everything of one's own: spaces with documents and history, profile, apps, grants, shares, devices, sessions, audit
    #[arg(long, conflicts_with_all = ["space", "collections", "format", "pretty"])]
    mine: bool,
    /// With --mine: a file that holds one's password; `-` is stdin [default: asked for where it is needed]
    #[arg(long, value_name = "FILE", requires = "mine")]
    password_file: Option<PathBuf>,
}

impl Export {
    /// The backup JSON, where nothing else is said.
    pub fn or_json(self) -> Export {
        Export { format: self.format.or(Some("json".to_owned())), ..self }
    }

    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let node = common.node()?;
        self.run_on(node, common).await
    }

    pub async fn run_on(self, node: Remote, common: &Common) -> Result<Exit, Failure> {
        if self.mine {
            let report = mine::export(&node, &self.file, self.force, self.password_file.as_deref()).await?;
            if !is_std(&self.file) {
                print(common.json, &report, |report| {
                    format!("{} bytes of yours in {}", report["bytes"], report["file"])
                });
            }
            return Ok(Exit::Done);
        }
        let node = node.in_space(self.space.clone());
        let format = match is_std(&self.file) && self.format.is_none() {
            true => Format::Jsonl,
            false => format_of(self.format.as_deref(), &self.file)?,
        };
        let definitions = definitions(&node).await?;
        let (chosen, left_out) = self.chosen(&definitions)?;
        let mut sink = self.sink(&node, format, &chosen).await?;
        let mut total = 0;
        for collection in &chosen {
            total += count(&node, &collection.name).await?;
        }
        let bar = progress("documents");
        bar.set_length(total);
        let mut written = Vec::new();
        for collection in &chosen {
            sink.begin(collection)?;
            let (mut pages, mut documents) = (Pages::of(&node, collection), 0u64);
            while let Some(page) = pages.next().await? {
                for document in &page {
                    sink.document(collection, document)?;
                }
                documents += page.len() as u64;
                bar.inc(page.len() as u64);
            }
            written.push(json!({ "collection": collection.name, "documents": documents }));
        }
        sink.finish()?;
        bar.finish_and_clear();
        let documents: u64 = written.iter().filter_map(|one| one["documents"].as_u64()).sum();
        let report = json!({
            "file": self.file, "format": format.name(), "documents": documents, "collections": written, "left_out": left_out,
        });
        if is_std(&self.file) {
            // What stdout holds is the file; what was left out is told all the same.
            for name in &left_out {
                super::super::logging::line(&format!("left out: {name}, whose documents you may not list"));
            }
        } else {
            print(common.json, &report, summary);
        }
        Ok(Exit::Done)
    }

    /// The collections to write, and the names of those whose documents may be read by their id alone.
    fn chosen<'d>(&self, definitions: &'d Definitions) -> Result<(Vec<&'d Collection>, Vec<String>), Failure> {
        let unknown = |name: &String| definitions.named(name).is_none();
        if let Some(name) = self.collections.iter().find(|name| unknown(name)) {
            let text = format!("there is no collection `{name}` that you see");
            return Err(Failure::new(Exit::NotFound, "unknown_collection", &text));
        }
        let wanted = |one: &&Collection| self.collections.is_empty() || self.collections.contains(&one.name);
        let (listed, others): (Vec<_>, Vec<_>) =
            definitions.all().filter(wanted).filter(|one| one.read).partition(|one| one.listed);
        Ok((listed, others.into_iter().map(|one| one.name.clone()).collect()))
    }

    async fn sink(&self, node: &Remote, format: Format, chosen: &[&Collection]) -> Result<Box<dyn Sink>, Failure> {
        let output = || match is_std(&self.file) {
            true => Ok(Output::into(Box::new(std::io::stdout()))),
            false => Output::to(Part::of(&self.file, self.force)?),
        };
        let guard = !self.no_formula_guard;
        Ok(match format {
            Format::Jsonl => Box::new(JsonlSink::new(output()?, &self.header(node, chosen).await?)?),
            Format::Json => Box::new(JsonSink::new(output()?, self.pretty)?),
            Format::Csv if is_std(&self.file) || Format::of(&self.file) == Some(Format::Csv) => {
                if chosen.len() != 1 {
                    let text = format!("a CSV file holds one collection, and these are {}", chosen.len());
                    return Err(Failure::usage("csv_one_collection", &text)
                        .hint("name one with --collection, or a directory (with --format csv) for all of them"));
                }
                Box::new(CsvFiles::one(output()?, guard))
            }
            Format::Csv => Box::new(CsvFiles::directory(Part::of(&self.file, self.force)?, guard)?),
            Format::Sqlite if is_std(&self.file) => {
                return Err(Failure::usage("not_a_file", "a database is a file, and stdout is none"));
            }
            Format::Sqlite => {
                let header = self.header(node, chosen).await?;
                Box::new(SqliteSink::new(Part::of(&self.file, self.force)?, &header)?)
            }
        })
    }

    async fn header(&self, node: &Remote, chosen: &[&Collection]) -> Result<Header, Failure> {
        let space = match &self.space {
            Some(space) => Some(space.clone()),
            None => node.get("/api/v1/me").await?["space"].as_str().map(str::to_owned),
        };
        let schema = chosen.iter().map(|one| (one.name.clone(), one.sdl.clone())).collect();
        Ok(Header { space, exported: Some(crate::grants::rfc3339(policy::wall_clock())), schema })
    }
}

fn summary(report: &Value) -> String {
    let mut lines =
        vec![format!("{} documents in {}", report["documents"], report["file"].as_str().unwrap_or_default())];
    for one in report["collections"].as_array().into_iter().flatten() {
        lines.push(format!("  {} {}", one["collection"].as_str().unwrap_or_default(), one["documents"]));
    }
    for one in report["left_out"].as_array().into_iter().flatten() {
        lines.push(format!("  left out: {}, whose documents you may not list", one.as_str().unwrap_or_default()));
    }
    lines.join("\n")
}

/// All documents of a collection, some at a time, by their ids: what is added or removed meanwhile hides nothing else.
struct Pages<'n> {
    node: &'n Remote,
    name: String,
    fields: String,
    after: Option<String>,
    size: usize,
    ended: bool,
}

impl<'n> Pages<'n> {
    fn of(node: &'n Remote, collection: &Collection) -> Pages<'n> {
        let fields = collection.readable().map(|column| format!(" {}", column.name)).collect();
        Pages { node, name: collection.name.clone(), fields, after: None, size: PAGE, ended: false }
    }

    /// The next documents; `None` behind the last.
    async fn next(&mut self) -> Result<Option<Vec<Document>>, Failure> {
        while !self.ended {
            let (filter, variables) = match &self.after {
                None => ("", json!({ "n": self.size })),
                Some(after) => ("filter: {_docID: {_gt: $after}}, ", json!({ "n": self.size, "after": after })),
            };
            let declared = if filter.is_empty() { "" } else { ", $after: ID" };
            let query = format!(
                "query($n: Int{declared}) {{ {}({filter}order: {{_docID: ASC}}, limit: $n) {{ _docID{} }} }}",
                self.name, self.fields
            );
            let body = json!({ "query": query, "variables": variables }).to_string();
            let mut data = match graphql(self.node, &body).await {
                Ok(data) => data,
                // Fewer of them are less to answer.
                Err(Refused::Answered { code, .. }) if code.starts_with("limit_") && self.size > 1 => {
                    self.size = self.size.div_ceil(4);
                    continue;
                }
                Err(refused) => return Err(refused.failure()),
            };
            let Value::Array(rows) = data[&self.name].take() else {
                return Err(Failure::failed("not_a_node", "what answers there is no node of ours"));
            };
            self.ended = rows.len() < self.size;
            let page: Vec<Document> = rows
                .into_iter()
                .filter_map(|row| match row {
                    Value::Object(document) => Some(document),
                    _ => None,
                })
                .collect();
            if page.is_empty() {
                break;
            }
            self.after = page.last().and_then(|last| Some(last.get("_docID")?.as_str()?.to_owned()));
            return Ok(Some(page));
        }
        Ok(None)
    }
}
