//! Canaries: marked plaintext that must be nowhere outside Alice's decrypted side.

use std::path::Path;

use aho_corasick::AhoCorasick;
use anyhow::{Context, Result, ensure};
use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use rand::RngExt;
use serde_json::{Map, Value, json};

use crate::story::{Story, verified};

const NAMES: usize = 20;
const VALUES: usize = 480;

/// A text that occurs once in the world.
#[derive(Debug, Clone)]
pub struct Canary(String);

impl Canary {
    fn new(kind: &str) -> Self {
        Canary(format!("{kind}_{}", HEXLOWER.encode(&rand::rng().random::<[u8; 12]>())))
    }

    /// Every form in which the text might be written.
    fn forms(&self) -> Vec<Vec<u8>> {
        let raw = self.0.as_bytes();
        let mut forms = vec![
            raw.to_vec(),
            HEXLOWER.encode(raw).into_bytes(),
            HEXUPPER.encode(raw).into_bytes(),
            self.0.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            self.0.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        ];
        // Base64 depends on where in its groups of three bytes the text begins; the characters at
        // either end also hold bits of the neighbours, and are left out.
        for shift in 0..3usize {
            let mut padded = vec![0u8; shift];
            padded.extend_from_slice(raw);
            let whole = padded.len() / 3 * 3;
            for encoding in [&BASE64_NOPAD, &BASE64URL_NOPAD] {
                let text = encoding.encode(&padded[..whole]);
                forms.push(text.as_bytes()[if shift == 0 { 0 } else { 4 }..].to_vec());
            }
        }
        forms
    }
}

/// Alice writes 480 marked values under 20 marked names.
pub async fn plant(story: &mut Story) -> Result<()> {
    story.step("500 canaries in Alice's space");
    let names: Vec<Canary> = (0..NAMES).map(|_| Canary::new("name")).collect();
    let values: Vec<Canary> = (0..VALUES).map(|_| Canary::new("value")).collect();
    let fields: Vec<String> = names[1..].iter().map(|name| format!("{}: String", name.0)).collect();
    let collection = names[0].0.clone();
    story.alice.define(&format!("type {collection} {{ {} }}", fields.join(" "))).await?;
    let documents: Vec<Value> = values
        .chunks(NAMES - 1)
        .map(|row| {
            let fields: Map<String, Value> =
                names[1..].iter().zip(row).map(|(name, value)| (name.0.clone(), json!(value.0))).collect();
            Value::Object(fields)
        })
        .collect();
    let add = format!(
        "mutation($input: [{collection}MutationInputArg!]!) {{ add_{collection}(input: $input) {{ _docID }} }}"
    );
    story.alice.graphql_with(&add, json!({ "input": documents })).await?;
    story.canaries = names.into_iter().chain(values).collect();

    let selection: Vec<&str> = story.canaries[1..NAMES].iter().map(|name| name.0.as_str()).collect();
    let read = story.alice.graphql(&format!("{{ {collection} {{ {} }} }}", selection.join(" "))).await?;
    let found = Search::new(&story.canaries)?.count(read.to_string().as_bytes());
    ensure!(found == NAMES + VALUES, "the search finds {found} of 500 on Alice's own side");
    verified("the search finds all 500 in what Alice reads (the control)");
    Ok(())
}

/// Looks for every form of every canary at once.
pub struct Search {
    automaton: AhoCorasick,
    /// Which canary a pattern belongs to.
    owner: Vec<usize>,
    canaries: usize,
}

impl Search {
    pub fn new(canaries: &[Canary]) -> Result<Self> {
        let mut patterns = Vec::new();
        let mut owner = Vec::new();
        for (index, canary) in canaries.iter().enumerate() {
            for form in canary.forms() {
                patterns.push(form);
                owner.push(index);
            }
        }
        Ok(Search { automaton: AhoCorasick::new(patterns)?, owner, canaries: canaries.len() })
    }

    /// How many canaries occur in `bytes`, in whatever form.
    pub fn count(&self, bytes: &[u8]) -> usize {
        let mut seen = vec![false; self.canaries];
        for hit in self.automaton.find_overlapping_iter(bytes) {
            seen[self.owner[hit.pattern().as_usize()]] = true;
        }
        seen.into_iter().filter(|seen| *seen).count()
    }

    /// How many canaries occur in the files below `dir`, and how many bytes those files hold.
    pub fn files(&self, dir: &Path) -> Result<(usize, u64)> {
        let (mut found, mut bytes) = (0, 0);
        for entry in std::fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                let (more, size) = self.files(&path)?;
                (found, bytes) = (found + more, bytes + size);
            } else if path.is_file() {
                let content = std::fs::read(&path)?;
                found += self.count(&content);
                bytes += content.len() as u64;
            }
        }
        Ok((found, bytes))
    }
}
