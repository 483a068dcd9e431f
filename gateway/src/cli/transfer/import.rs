//! `allod import`.

use std::collections::HashSet;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gateway_graphql::weight;
use gateway_transfer::{Collection, Definitions, Format, Header, Ids};
use policy_core::DocId;
use reqwest::Method;
use serde_json::{Value, json};

use super::super::Common;
use super::super::output::{Exit, Failure, print, progress};
use super::super::remote::Remote;
use super::asked::{Refused, definitions, graphql};
use super::file::{format_of, is_std};
use super::look::{FileReport, Reading, sentence};
use super::unique::{SeenValues, Wanted, taken};

/// What one request adds at most: documents, bytes, and values of JSON.
const DOCUMENTS: usize = 500;
const BYTES: usize = 2 << 20;
const VALUES: usize = 100_000;

/// What becomes of a document that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnConflict {
    /// It is left as it is
    Skip,
    /// Nothing is imported
    Fail,
}

#[derive(Debug, Args)]
pub struct Import {
    /// The file to read, or a directory of CSV; `-` is stdin, which is not looked at before it is written
    file: PathBuf,
    /// The space [default: one's own]
    #[arg(long, value_name = "ID")]
    space: Option<String>,
    /// The documents of this collection alone; of a CSV file what its documents belong to [default: its name]
    #[arg(long, short, value_name = "NAME")]
    collection: Option<String>,
    /// jsonl, json (the backup JSON of 2023), csv or sqlite [default: by the end of the file's name]
    #[arg(long)]
    format: Option<String>,
    /// Say what would be done, and what stands in the way, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Define the collections that are missing, as the file says
    #[arg(long)]
    create: bool,
    /// What becomes of documents that are there already, by their ids
    #[arg(long, value_enum, default_value = "skip")]
    on_conflict: OnConflict,
    /// Give every document a new id; relations follow, and the same file gives the same ids in the same space
    #[arg(long)]
    new_ids: bool,
    /// Leave out fields and collections that the space does not have
    #[arg(long)]
    ignore_unknown: bool,
    /// CSV: take apostrophes before what looks like a formula for text
    #[arg(long)]
    no_formula_guard: bool,
}

/// What was written.
#[derive(Default)]
struct Done {
    imported: u64,
    there: u64,
    collections: Vec<(String, u64, u64)>,
}

impl Done {
    fn add(&mut self, collection: &str, imported: u64, there: u64) {
        self.imported += imported;
        self.there += there;
        match self.collections.iter_mut().find(|(name, ..)| name == collection) {
            Some((_, had, were)) => (*had, *were) = (*had + imported, *were + there),
            None => self.collections.push((collection.to_owned(), imported, there)),
        }
    }

    fn to_json(&self, created: &[String]) -> Value {
        let one = |(name, imported, there): &(String, u64, u64)| json!({ "collection": name, "imported": imported, "there": there });
        json!({
            "imported": self.imported, "there": self.there, "created": created,
            "collections": self.collections.iter().map(one).collect::<Vec<_>>(),
        })
    }

    /// Says of a failure what came before it.
    fn after(&self, failure: Failure) -> Failure {
        if self.imported == 0 {
            return failure;
        }
        let message = format!("{}; {} documents were imported before", failure.message, self.imported);
        let again = "the same command goes on from here: what is there already is left as it is";
        let hint = failure.hint.as_deref().map_or(again.to_owned(), |hint| format!("{hint}; {again}"));
        Failure { message, hint: Some(hint), ..failure }
    }
}

/// Documents that go to the node together.
#[derive(Default)]
struct Batch {
    collection: String,
    documents: Vec<Pending>,
    bytes: usize,
    values: usize,
}

struct Pending {
    id: DocId,
    place: u64,
    text: String,
}

impl Batch {
    fn takes(&self, collection: &str, bytes: usize, values: usize) -> bool {
        self.documents.is_empty()
            || (self.collection == collection
                && self.documents.len() < DOCUMENTS
                && self.bytes + bytes <= BYTES
                && self.values + values <= VALUES)
    }
}

impl Import {
    /// The backup JSON, where nothing else is said.
    pub fn or_json(self) -> Import {
        Import { format: self.format.or(Some("json".to_owned())), ..self }
    }

    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let node = common.node()?;
        self.run_on(node, common).await
    }

    pub async fn run_on(self, node: Remote, common: &Common) -> Result<Exit, Failure> {
        let node = node.in_space(self.space.clone());
        let stdin = is_std(&self.file);
        let format = match (stdin && self.format.is_none(), self.file.is_dir() && self.format.is_none()) {
            (true, _) => Format::Jsonl,
            (_, true) => Format::Csv,
            _ => format_of(self.format.as_deref(), &self.file)?,
        };
        if stdin && (self.dry_run || self.create || self.on_conflict == OnConflict::Fail) {
            let text = "what comes on stdin is read once, and cannot be looked at first";
            return Err(Failure::usage("not_a_file", text).hint("name a file"));
        }
        let reading = Reading {
            path: &self.file,
            format,
            only: self.collection.as_deref(),
            guard: !self.no_formula_guard,
            ignore_unknown: self.ignore_unknown,
        };
        let mut definitions = definitions(&node).await?;
        let ids = match self.new_ids {
            true => Ids::fresh(&self.target(&node).await?),
            false => Ids::kept(),
        };
        if stdin {
            let done = self.write(&node, &reading, &definitions, FileReport::new(ids)).await?;
            print(common.json, &done.to_json(&[]), summary);
            return Ok(Exit::Done);
        }
        let missing = if self.create { missing(&reading, &mut definitions)? } else { Vec::new() };
        let seen = self.look(&node, &reading, &definitions, &missing, ids).await?;
        if self.dry_run {
            let mut report = seen.to_json();
            report["dry_run"] = true.into();
            report["format"] = format.name().into();
            let names: Vec<&str> = missing.iter().map(|one| one.name.as_str()).collect();
            report["would_create"] = json!(names);
            print(common.json, &report, |report| forecast(report, &seen));
            return Ok(if seen.is_well() { Exit::Done } else { Exit::Usage });
        }
        if !seen.is_well() {
            return Err(seen.failure());
        }
        let there: u64 = seen.documents.values().map(|(_, there)| there).sum();
        if self.on_conflict == OnConflict::Fail && there > 0 {
            let text = format!("nothing was imported: {there} documents of the file are there already");
            return Err(Failure::failed("import_conflict", &text).hint("--on-conflict skip leaves them as they are"));
        }
        if !missing.is_empty() {
            let sdl: String = missing.iter().map(|one| one.sdl.as_str()).collect();
            node.send(Method::POST, "/api/v1/collections", Some(("text/plain", sdl.into_bytes()))).await?.ok()?;
        }
        let created: Vec<String> = missing.into_iter().map(|one| one.name).collect();
        let done = self.write(&node, &reading, &definitions, FileReport::new(seen.ids)).await?;
        print(common.json, &done.to_json(&created), summary);
        Ok(Exit::Done)
    }

    async fn target(&self, node: &Remote) -> Result<String, Failure> {
        match &self.space {
            Some(space) => Ok(space.to_ascii_lowercase()),
            None => Ok(node.get("/api/v1/me").await?["space"].as_str().unwrap_or_default().to_owned()),
        }
    }

    /// Looks at the whole file, and counts what of it is there.
    async fn look(
        &self,
        node: &Remote,
        reading: &Reading<'_>,
        definitions: &Definitions,
        missing: &[Collection],
        ids: Ids,
    ) -> Result<FileReport, Failure> {
        let mut seen = FileReport::new(ids);
        // Under which ids documents come is known once all of them were seen: what leads to them is looked at then.
        if !self.new_ids && reading.format == Format::Json {
            let mut source = reading.source(definitions)?;
            while let Some(found) = source.next()? {
                seen.rename(&found)?;
            }
        }
        let counted = self.dry_run || self.on_conflict == OnConflict::Fail;
        let mut source = reading.source(definitions)?;
        let bar = progress("looked at");
        let (mut asked, mut values): ((String, Vec<Wanted>), _) = (Default::default(), SeenValues::default());
        while let Some(found) = source.next()? {
            follow(&bar, source.read());
            if !reading.wants(&found) {
                continue;
            }
            let Some((id, document)) = seen.look(reading, definitions, &found) else { continue };
            let Some(collection) = definitions.named(&found.collection).filter(|_| counted) else { continue };
            let wanted = Wanted::of(collection, id, found.place, &document);
            if missing.iter().any(|one| one.name == found.collection) {
                values.note(collection, &wanted).into_iter().for_each(|problem| seen.wrong(problem));
                continue;
            }
            if asked.0 != found.collection || asked.1.len() >= DOCUMENTS {
                self.count(node, definitions, &mut asked, &mut values, &mut seen).await?;
                asked.0.clone_from(&found.collection);
            }
            asked.1.push(wanted);
        }
        self.count(node, definitions, &mut asked, &mut values, &mut seen).await?;
        bar.finish_and_clear();
        Ok(seen)
    }

    /// Counts which of these are there, and finds those whose values another document has.
    async fn count(
        &self,
        node: &Remote,
        definitions: &Definitions,
        (name, wanted): &mut (String, Vec<Wanted>),
        values: &mut SeenValues,
        seen: &mut FileReport,
    ) -> Result<(), Failure> {
        let Some(collection) = definitions.named(name) else { return Ok(()) };
        let mut wanted = std::mem::take(wanted);
        let ids: Vec<DocId> = wanted.iter().map(|one| one.id).collect();
        let there: HashSet<DocId> = there(node, collection, &ids).await?.into_iter().collect();
        if let Some((_, known)) = seen.documents.get_mut(name) {
            *known += there.len() as u64;
        }
        wanted.retain(|one| !there.contains(&one.id));
        wanted.iter().flat_map(|one| values.note(collection, one)).for_each(|problem| seen.wrong(problem));
        taken(node, collection, &wanted).await?.into_iter().for_each(|problem| seen.wrong(problem));
        Ok(())
    }

    /// Reads the file once more, and writes.
    async fn write(
        &self,
        node: &Remote,
        reading: &Reading<'_>,
        definitions: &Definitions,
        mut seen: FileReport,
    ) -> Result<Done, Failure> {
        let mut done = Done::default();
        let mut source = reading.source(definitions)?;
        let bar = progress("imported");
        let mut batch = Batch::default();
        let end = loop {
            let found = match source.next() {
                Ok(Some(found)) => found,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error.into()),
            };
            follow(&bar, source.read());
            if !reading.wants(&found) {
                continue;
            }
            if is_std(&self.file) && reading.format == Format::Json && !self.new_ids {
                seen.rename(&found)?;
                if seen.ids.renames() {
                    let text = "the file gives documents other ids, and what leads to them may come first";
                    break Err(Failure::usage("not_a_file", text).hint("name a file instead of stdin"));
                }
            }
            let Some((id, document)) = seen.look(reading, definitions, &found) else {
                // Of a file all of it was looked at; it may be another by now.
                if seen.is_well() {
                    continue;
                }
                let why = seen.first_problems().first().map_or_else(String::new, sentence);
                break Err(Failure::usage("import_unfit", &why));
            };
            let text = Value::Object(document).to_string();
            let values = weight::values(text.as_bytes());
            if !batch.takes(&found.collection, text.len(), values) {
                let full = std::mem::take(&mut batch);
                if let Err(failure) = self.add(node, definitions, full, &mut done).await {
                    break Err(failure);
                }
            }
            batch.collection = found.collection;
            batch.bytes += text.len();
            batch.values += values;
            batch.documents.push(Pending { id, place: found.place, text });
        };
        // What was read before something was wrong is not lost.
        let last = self.add(node, definitions, batch, &mut done).await;
        bar.finish_and_clear();
        match end.and(last) {
            Ok(()) => Ok(done),
            Err(failure) => Err(done.after(failure)),
        }
    }

    /// Adds a batch, but for what is there.
    async fn add(
        &self,
        node: &Remote,
        definitions: &Definitions,
        batch: Batch,
        done: &mut Done,
    ) -> Result<(), Failure> {
        let Some(collection) = definitions.named(&batch.collection) else { return Ok(()) };
        let ids: Vec<DocId> = batch.documents.iter().map(|one| one.id).collect();
        let mut known: HashSet<DocId> = there(node, collection, &ids).await?.into_iter().collect();
        let (mut new, mut were) = (Vec::new(), 0);
        for document in batch.documents {
            // The same id twice in one file is one document.
            if known.insert(document.id) { new.push(document) } else { were += 1 }
        }
        done.add(&collection.name, 0, were);
        let query =
            format!("mutation($i: [{0}MutationInputArg!]!) {{ add_{0}(input: $i) {{ _docID }} }}", collection.name);
        let mut left = vec![new];
        while let Some(some) = left.pop() {
            if some.is_empty() {
                continue;
            }
            let texts: Vec<&str> = some.iter().map(|one| one.text.as_str()).collect();
            let body = format!("{{\"query\":{},\"variables\":{{\"i\":[{}]}}}}", json!(query), texts.join(","));
            match graphql(node, &body).await {
                Ok(_) => done.add(&collection.name, some.len() as u64, 0),
                Err(Refused::Answered { .. }) if some.len() > 1 => {
                    // One of them: the others are added, and it is named. In their order.
                    let mut some = some;
                    let behind = some.split_off(some.len() / 2);
                    left.extend([behind, some]);
                }
                // It is there all the same, where one does not see it: deleted, or another's.
                Err(Refused::Answered { code, message }) if code == "not_unique" && message.contains("`_docID`") => {
                    if self.on_conflict == OnConflict::Fail {
                        let text = format!("line {}: the document is there already", some[0].place);
                        return Err(Failure::failed("import_conflict", &text));
                    }
                    done.add(&collection.name, 0, 1);
                }
                Err(Refused::Answered { code, message }) => {
                    let message = format!("line {}: {message}", some[0].place);
                    return Err(Refused::Answered { code, message }.failure());
                }
                Err(refused) => return Err(refused.failure()),
            }
        }
        Ok(())
    }
}

/// Those of the ids whose documents are there, deleted ones too, and may be seen.
async fn there(node: &Remote, collection: &Collection, ids: &[DocId]) -> Result<Vec<DocId>, Failure> {
    if ids.is_empty() || !collection.read {
        return Ok(Vec::new());
    }
    let query = format!("query($ids: [ID]!) {{ {}(docID: $ids, showDeleted: true) {{ _docID }} }}", collection.name);
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let body = json!({ "query": query, "variables": { "ids": ids } }).to_string();
    let data = graphql(node, &body).await.map_err(Refused::failure)?;
    let rows = data[&collection.name].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(rows.iter().filter_map(|row| row["_docID"].as_str()?.parse().ok()).collect())
}

/// The collections that the file defines and the space does not have, which then count as there.
fn missing(reading: &Reading<'_>, definitions: &mut Definitions) -> Result<Vec<Collection>, Failure> {
    let mut source = reading.source(definitions)?;
    if source.header().is_none() {
        // The header stands before the first document.
        source.next()?;
    }
    let none = || {
        let text = "the file does not say how its collections are defined";
        Failure::usage("definitions_missing", text).hint("define them first: `allod client schema add`")
    };
    let header: &Header = source.header().ok_or_else(none)?;
    let all = Definitions::of_texts(&header.schema)?;
    let wanted = |one: &&Collection| reading.only.is_none_or(|only| only == one.name);
    let new: Vec<Collection> =
        all.all().filter(wanted).filter(|one| definitions.named(&one.name).is_none()).cloned().collect();
    new.iter().for_each(|one| definitions.add(one.clone()));
    Ok(new)
}

/// Moves the bar to how far the file was read.
fn follow(bar: &indicatif::ProgressBar, (read, of): (u64, Option<u64>)) {
    bar.set_length(of.unwrap_or(read));
    bar.set_position(read);
}

fn summary(report: &Value) -> String {
    let mut lines = vec![format!("{} documents were imported, {} were there", report["imported"], report["there"])];
    for name in report["created"].as_array().into_iter().flatten() {
        lines.push(format!("  defined: {}", name.as_str().unwrap_or_default()));
    }
    for one in report["collections"].as_array().into_iter().flatten() {
        let name = one["collection"].as_str().unwrap_or_default();
        lines.push(format!("  {name}: {} imported, {} there", one["imported"], one["there"]));
    }
    lines.join("\n")
}

/// What a dry run says to people.
fn forecast(report: &Value, seen: &FileReport) -> String {
    let mut lines = vec![match seen.is_well() {
        true => "This would be imported; nothing was done:".to_owned(),
        false => format!("This cannot be imported, for {} reasons; nothing was done:", report["problem_count"]),
    }];
    for name in report["would_create"].as_array().into_iter().flatten() {
        lines.push(format!("  defined: {}", name.as_str().unwrap_or_default()));
    }
    for one in report["collections"].as_array().into_iter().flatten() {
        let name = one["collection"].as_str().unwrap_or_default();
        lines.push(format!("  {name}: {} new, {} there already", one["new"], one["there"]));
    }
    for one in report["unknown_collections"].as_array().into_iter().flatten() {
        let name = one["collection"].as_str().unwrap_or_default();
        lines
            .push(format!("  {name}: not a collection here, {} documents from line {}", one["documents"], one["line"]));
    }
    lines.extend(seen.first_problems().iter().map(|problem| format!("  {}", sentence(problem))));
    lines.join("\n")
}
