//! Files that are imported: somebody else may have written them.

use std::sync::LazyLock;

use gateway_transfer::{
    CsvSource, Definitions, Ids, JsonSource, JsonlSource, Source, SqliteSource, TransferError, check,
};

use crate::{Target, texts};

/// What the documents are imported as.
static DEFINITIONS: LazyLock<Definitions> = LazyLock::new(|| {
    let sdl = "type Note { n: Int! at: DateTime json: JSON texts: [String!] blob: Blob more: Float next: Note }";
    let texts = [("Note".to_owned(), sdl.to_owned())].into();
    Definitions::of_texts(&texts).expect("definitions")
});

/// Reads all of it, and looks at each document.
fn read(source: Result<impl Source, TransferError>) {
    let Ok(mut source) = source else { return };
    loop {
        match source.next() {
            Ok(Some(found)) => {
                if let Some(collection) = DEFINITIONS.named(&found.collection) {
                    let mut wrong = Vec::new();
                    let (id, document) = check(collection, &found, &Ids::kept(), &mut wrong);
                    assert_eq!(document["_docID"], id.to_string());
                    assert!(wrong.iter().all(|one| !one.problem.is_empty()));
                }
            }
            Ok(None) => return,
            Err(error) => return assert!(!error.message.is_empty() && !error.code.is_empty()),
        }
    }
}

pub const LINES: Target = Target {
    name: "import-lines",
    run: |bytes| read(JsonlSource::new(Box::new(std::io::Cursor::new(bytes.to_vec())), None)),
    seeds: || {
        texts(&[
            "{\"allod_export\":1,\"space\":\"x\",\"schema\":{\"Note\":\"type Note { n: Int }\"}}\n{\"collection\":\"Note\",\"document\":{\"_docID\":\"01930000-0000-7000-8000-00000000000a\",\"n\":1,\"json\":{\"a\":[1.5]},\"_nextID\":\"bae-4059cb15-2b30-5049-b0df-64cc7ad9b5e4\"}}\n{\"end\":{\"documents\":1}}\n",
            "{\"collection\":\"Note\",\"document\":{\"n\":-9223372036854775808,\"at\":\"2020-01-01T00:00:00.000001Z\",\"texts\":[\"\"]}}",
        ])
    },
    words: &[
        "{\"collection\":\"Note\",\"document\":{",
        "\"n\":",
        "}}\n",
        "null",
        "1e400",
        "\"_docIDNew\":",
        "[[[[",
        "\\u0000",
        "\u{feff}",
    ],
};

pub const OBJECT: Target = Target {
    name: "import-object",
    run: |bytes| read(JsonSource::new(Box::new(std::io::Cursor::new(bytes.to_vec())), None)),
    seeds: || {
        texts(&[
            "{\"Note\":[{\"_key\":\"bae-4059cb15-2b30-5049-b0df-64cc7ad9b5e4\",\"_newKey\":\"x\",\"next_id\":\"y\",\"n\":1},{\"n\":2}],\"Other\":[]}",
            "{\n  \"Note\": [\n    {\n      \"n\": 1\n    }\n  ]\n}\n",
        ])
    },
    words: &["{\"Note\":[", "]", "}", ",", ":", "\"", "\\", "{\"n\":1}", "[[[[[["],
};

pub const CELLS: Target = Target {
    name: "import-cells",
    run: |bytes| of_file("Note.csv", bytes, |path| read(CsvSource::new(path, None, &DEFINITIONS, true))),
    seeds: || {
        texts(&["_docID,n,at,texts,_nextID\r\n,1,2020-01-01T00:00:00Z,\"[\"\"a\"\"]\",\r\n", "n,json\n-5,\"'=1\"\n"])
    },
    words: &["\"", "\"\"", ",", "\r\n", "\n", "'=", "n,", "_docID", "\u{feff}", "\0"],
};

pub const TABLES: Target = Target {
    name: "import-tables",
    run: |bytes| of_file("notes.sqlite", bytes, |path| read(SqliteSource::new(path, &DEFINITIONS, None))),
    seeds: || {
        let (dir, part) = part();
        let path = dir.path().join("notes.sqlite");
        let mut sink = Box::new(gateway_transfer::SqliteSink::new(part, &Default::default()).expect("a database"));
        let collection = DEFINITIONS.named("Note").expect("it is defined");
        let document =
            serde_json::json!({"_docID": "01930000-0000-7000-8000-00000000000a", "n": 1, "texts": ["a"], "more": 1.5});
        gateway_transfer::Sink::begin(&mut *sink, collection).expect("begun");
        gateway_transfer::Sink::document(&mut *sink, collection, document.as_object().expect("an object"))
            .expect("written");
        gateway_transfer::Sink::finish(sink).expect("finished");
        vec![std::fs::read(path).expect("a file")]
    },
    words: &["SQLite format 3\0", "CREATE TABLE Note", "TEXT", "\0\0\0\0", "[\"a\"]"],
};

fn part() -> (tempfile::TempDir, gateway_transfer::Part) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let part = gateway_transfer::Part::of(&dir.path().join("notes.sqlite"), false).expect("a file");
    (dir, part)
}

/// Reads the bytes as a file of this name.
fn of_file(name: &str, bytes: &[u8], read: impl FnOnce(&std::path::Path)) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).expect("writing");
    read(&path);
}
