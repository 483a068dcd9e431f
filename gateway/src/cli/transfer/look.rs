//! What is in a file, looked at from begin to end before anything of it is written.

use std::collections::BTreeMap;
use std::path::Path;

use gateway_transfer::{
    CsvSource, Definitions, DocumentIds, Format, Found, Ids, JsonSource, JsonlSource, Problem, Source, SqliteSource,
    check, excerpt, open,
};
use serde_json::{Value, json};

use super::super::output::Failure;
use super::file::is_std;

/// Problems that are told one by one.
const MAX_PROBLEMS: usize = 20;
/// Names that the file uses and the space does not, that are told.
const NAMES: usize = 100;

/// How a file is read.
pub struct Reading<'a> {
    pub path: &'a Path,
    pub format: Format,
    /// The documents of this collection alone; of CSV what its documents belong to.
    pub only: Option<&'a str>,
    /// Texts of CSV have an apostrophe before what looks like a formula.
    pub guard: bool,
    /// Leave out what the space does not know.
    pub ignore_unknown: bool,
}

impl Reading<'_> {
    pub fn source(&self, definitions: &Definitions) -> Result<Box<dyn Source>, Failure> {
        let (path, only) = (self.path, self.only);
        if is_std(path) {
            let stdin = Box::new(std::io::stdin());
            return Ok(match self.format {
                Format::Jsonl => Box::new(JsonlSource::new(stdin, None)?),
                Format::Json => Box::new(JsonSource::new(stdin, None)?),
                Format::Csv | Format::Sqlite => {
                    let text = "of this format a file is read, and not what comes on stdin";
                    return Err(Failure::usage("not_a_file", text));
                }
            });
        }
        Ok(match self.format {
            Format::Jsonl => {
                let (file, size) = open(path)?;
                Box::new(JsonlSource::new(Box::new(file), Some(size))?)
            }
            Format::Json => {
                let (file, size) = open(path)?;
                Box::new(JsonSource::new(Box::new(file), Some(size))?)
            }
            Format::Csv => Box::new(CsvSource::new(path, only, definitions, self.guard)?),
            Format::Sqlite => Box::new(SqliteSource::new(path, definitions, only)?),
        })
    }

    /// Whether the document is one of those that are wanted.
    pub fn wants(&self, found: &Found) -> bool {
        self.only.is_none_or(|only| only == found.collection)
    }

    /// What is wrong, but for what is to be left out.
    pub fn counted(&self, wrong: Vec<Problem>) -> impl Iterator<Item = Problem> {
        let ignore = self.ignore_unknown;
        wrong.into_iter().filter(move |one| !(ignore && one.code == "unknown_field"))
    }
}

/// What a file holds, and what is wrong with it.
#[derive(Default)]
pub struct FileReport {
    /// Documents, by collection; of those the ones that are there already.
    pub documents: BTreeMap<String, (u64, u64)>,
    /// Collections that the space does not have, with how many documents there are, and the line of the first.
    unknown: BTreeMap<String, (u64, u64)>,
    /// `Collection.field` that the space does not have, with the line of the first.
    unknown_fields: BTreeMap<(String, String), u64>,
    first_problems: Vec<Problem>,
    problems: u64,
    /// The ids under which documents come.
    pub ids: Ids,
}

impl FileReport {
    pub fn new(ids: Ids) -> FileReport {
        FileReport { ids, ..FileReport::default() }
    }

    /// Notes what stands in the way.
    pub fn wrong(&mut self, problem: Problem) {
        if problem.code == "unknown_field"
            && let (Some(field), Some(place)) = (&problem.field, problem.place)
            && self.unknown_fields.len() < NAMES
        {
            let key = (problem.collection.clone(), field.clone());
            if self.unknown_fields.contains_key(&key) {
                self.problems += 1;
                return;
            }
            self.unknown_fields.insert(key, place);
        }
        self.problems += 1;
        if self.first_problems.len() < MAX_PROBLEMS {
            self.first_problems.push(problem);
        }
    }

    fn unknown(&mut self, found: &Found, ignore: bool) {
        let name = excerpt(&found.collection);
        if let Some((count, _)) = self.unknown.get_mut(&name) {
            *count += 1;
            return;
        }
        if self.unknown.len() >= NAMES {
            return;
        }
        self.unknown.insert(name.clone(), (1, found.place));
        if !ignore {
            let problem = format!("there is no collection `{name}` that you see");
            let (place, collection) = (Some(found.place), name);
            self.wrong(Problem { place, collection, field: None, code: "unknown_collection", problem });
        }
    }

    /// Looks at one document. What it comes as, if it can.
    pub fn look(
        &mut self,
        reading: &Reading<'_>,
        definitions: &Definitions,
        found: &Found,
    ) -> Option<(policy_core::DocId, gateway_transfer::Document)> {
        let Some(collection) = definitions.named(&found.collection) else {
            self.unknown(found, reading.ignore_unknown);
            return None;
        };
        let known = self.documents.entry(found.collection.clone()).or_default();
        known.0 += 1;
        if known.0 == 1 {
            let refused = match (collection.added, collection.own_ids) {
                (false, _) => Some("you may not add documents to"),
                (_, false) => Some("you may not say the ids of documents of: only who may add any document may, in"),
                _ => None,
            };
            if let Some(why) = refused {
                let (problem, collection) = (format!("{why} `{}`", collection.name), collection.name.clone());
                self.wrong(Problem { place: None, collection, field: None, code: "forbidden", problem });
            }
        }
        let mut wrong = Vec::new();
        let made = check(collection, found, &self.ids, &mut wrong);
        let mut fits = true;
        for problem in reading.counted(wrong) {
            fits = false;
            self.wrong(problem);
        }
        fits.then_some(made)
    }

    /// Notes under which id a document comes, where the file says another than it had.
    pub fn rename(&mut self, found: &Found) -> Result<(), Failure> {
        let known = DocumentIds::of(&found.document);
        if let (Some(old), Some(new)) = (known.old, known.new) {
            self.ids.rename(old, new)?;
        }
        Ok(())
    }

    pub fn is_well(&self) -> bool {
        self.problems == 0
    }

    /// Problems, the first ones.
    pub fn first_problems(&self) -> &[Problem] {
        &self.first_problems
    }

    /// As the command tells it.
    pub fn to_json(&self) -> Value {
        let documents = |(name, (documents, there)): (&String, &(u64, u64))| json!({ "collection": name, "documents": documents, "there": there, "new": documents - there });
        let unknown = |(name, (documents, line)): (&String, &(u64, u64))| json!({ "collection": name, "documents": documents, "line": line });
        let field = |((collection, field), line): (&(String, String), &u64)| json!({ "collection": collection, "field": field, "line": line });
        let problem_json = |one: &Problem| json!({ "line": one.place, "collection": one.collection, "field": one.field, "code": one.code, "problem": one.problem });
        json!({
            "collections": self.documents.iter().map(documents).collect::<Vec<_>>(),
            "unknown_collections": self.unknown.iter().map(unknown).collect::<Vec<_>>(),
            "unknown_fields": self.unknown_fields.iter().map(field).collect::<Vec<_>>(),
            "problem_count": self.problems,
            "problems": self.first_problems.iter().map(problem_json).collect::<Vec<_>>(),
        })
    }

    /// Why nothing was written.
    pub fn failure(&self) -> Failure {
        let first = self.first_problems.first().map_or_else(String::new, sentence);
        let more = match self.problems {
            0 | 1 => String::new(),
            n => format!(", and {} more", n - 1),
        };
        let failure = Failure::usage("import_unfit", &format!("nothing was imported: {first}{more}"));
        let unknown = self.first_problems.iter().any(|one| one.code.starts_with("unknown_"));
        failure.hint(match unknown {
            true => "--dry-run lists all of it; --create defines what is missing, if the file says how; --ignore-unknown leaves out what has no place",
            false => "--dry-run lists all of it",
        })
    }
}

/// A problem with its place.
pub fn sentence(one: &Problem) -> String {
    match one.place {
        Some(place) => format!("line {place}: {}", one.problem),
        None => one.problem.clone(),
    }
}
