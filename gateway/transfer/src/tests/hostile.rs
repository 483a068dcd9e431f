//! What somebody else wrote, who means no good.

use std::io::{Read, Seek, SeekFrom, Write};

use super::*;

/// A reader that never ends.
struct Endless(&'static [u8], &'static [u8]);

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if !self.0.is_empty() {
            return self.0.read(out);
        }
        for (at, byte) in out.iter_mut().enumerate() {
            *byte = self.1[at % self.1.len()];
        }
        Ok(out.len() / self.1.len() * self.1.len())
    }
}

fn refused(format: Format, bytes: &[u8]) -> (&'static str, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("Wide.csv");
    std::fs::write(&path, bytes).unwrap();
    let error = source(format, &path, &wide()).and_then(|mut source| all(&mut *source)).expect_err("it is refused");
    (error.code, error.message)
}

#[test]
fn what_is_no_such_file_is_said_in_a_sentence() {
    let deep =
        |n: usize| format!(r#"{{"collection":"Wide","document":{{"json":{}{}}}}}"#, "[".repeat(n), "]".repeat(n));
    let long = "x".repeat(100);
    for (format, text, code, told) in [
        (Format::Jsonl, "{\"collection\":\"Wide\",\"document\":{}", "file_malformed", "line 1"),
        (Format::Jsonl, "\n\nnonsense\n", "file_malformed", "line 3"),
        (Format::Jsonl, "\0\0\0\0", "file_malformed", "line 1"),
        (Format::Jsonl, "{\"collection\":\"Wide\"}", "file_malformed", "document"),
        (Format::Jsonl, "{\"collection\":\"Wide\",\"document\":[1]}", "file_malformed", "object"),
        (Format::Jsonl, "{\"collection\":\"Wide\",\"document\":{\"a\":1,\"a\":2}}", "file_malformed", "twice"),
        (Format::Jsonl, "{\"document\":{}}", "file_malformed", "collection"),
        (Format::Jsonl, "{\"allod_export\":1}\n", "file_cut_off", "last line"),
        (Format::Jsonl, "{\"allod_export\":2}\n", "file_newer", "version 2"),
        (Format::Jsonl, "{\"allod_export\":1}\n{\"end\":{\"documents\":1}}\n", "file_cut_off", "had 1"),
        (Format::Jsonl, "{\"allod_export\":1}\n{\"end\":{\"documents\":0}}\n{}\n", "file_malformed", "behind"),
        (Format::Jsonl, &deep(200), "file_malformed", "line 1"),
        (Format::Jsonl, "\u{1f}\u{fffd}", "file_malformed", "line 1"),
        (Format::Jsonl, &format!("{{\"allod_export\":\"{}\"}}", "y".repeat(10_000)), "file_malformed", "yyy"),
        (
            Format::Jsonl,
            &format!("{{\"collection\":\"Wide\",\"document\":{{\"json\":[{}0]}}}}", "0,".repeat(600_000)),
            "file_malformed",
            "values",
        ),
        (Format::Json, "", "file_cut_off", "expected"),
        (Format::Json, "[]", "file_malformed", "collections"),
        (Format::Json, "{\"Wide\":{}}", "file_malformed", "array"),
        (Format::Json, "{\"Wide\":[{}", "file_cut_off", "middle"),
        (Format::Json, "{\"Wide\":[{\"a\":", "file_cut_off", "line 1"),
        (Format::Json, "{\"Wide\":[{}]", "file_cut_off", "expected"),
        (Format::Json, "{\"Wide\":[{},]}", "file_malformed", "document"),
        (Format::Json, "{\"Wide\":[1]}", "file_malformed", "document"),
        (Format::Json, "{\"Wide\":[{}]} x", "file_malformed", "behind"),
        (Format::Json, "{\"Wide\":[],\"Wide\":[]}", "file_malformed", "twice"),
        (Format::Json, &format!("{{\"Wide\":[{}", "[".repeat(500)), "file_malformed", ""),
        (Format::Json, &format!("{{\"Wide\":[{{\"a\":{}", "[".repeat(500)), "file_malformed", "deep"),
        (Format::Csv, "", "file_malformed", "first line"),
        (Format::Csv, "needed,needed\r\n", "file_malformed", "twice"),
        (Format::Csv, "needed,text\r\nx\r\n", "file_malformed", "1 cells"),
        (Format::Csv, "needed\r\n\"x", "file_cut_off", "line 2"),
        (Format::Csv, "needed\r\n\"x\"y\r\n", "file_malformed", "quote"),
        (Format::Csv, "needed\r\nx\"y\r\n", "file_malformed", "quote"),
        (Format::Csv, &",".repeat(10_000), "file_malformed", "cells"),
        (Format::Sqlite, "", "file_malformed", "SQLite"),
        (Format::Sqlite, &long, "file_malformed", "SQLite"),
        (Format::Sqlite, &format!("SQLite format 3\0{long}"), "file_malformed", "database"),
    ] {
        let (got, message) = refused(format, text.as_bytes());
        assert_eq!(got, code, "{text:.80}: {message}");
        assert!(message.contains(told) && message.len() < 500, "{text:.80}: {message}");
    }
    for (bytes, told) in [
        (&b"\xff\xfe{\0"[..], "UTF-16"),
        (b"\xfe\xff\0{", "UTF-16"),
        (b"\x1f\x8b\x08\0", "unpack"),
        (b"PK\x03\x04", "unpack"),
    ] {
        for format in [Format::Jsonl, Format::Json, Format::Csv] {
            let (code, message) = refused(format, bytes);
            assert!(code == "file_encoding" && message.contains(told), "{message}");
        }
    }
    let not_utf8 = b"{\"collection\":\"Wide\",\"document\":{\"text\":\"\xff\"}}";
    assert!(refused(Format::Jsonl, not_utf8).1.contains("not UTF-8"));
    assert!(refused(Format::Csv, b"needed\r\n\xff\r\n").1.contains("not UTF-8"));
    // Control: a mark of UTF-8 at the begin is none of the text.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("Wide.csv");
    std::fs::write(&path, b"\xef\xbb\xbfneeded\r\nx\r\n").unwrap();
    assert_eq!(all(&mut *source(Format::Csv, &path, &wide()).unwrap()).unwrap()[0].document["needed"], "x");
}

#[test]
fn what_never_ends_is_not_read_to_its_end() {
    let lines = |reader: Endless| all(&mut JsonlSource::new(Box::new(reader), None).unwrap()).unwrap_err();
    let object = |reader: Endless| all(&mut JsonSource::new(Box::new(reader), None).unwrap()).unwrap_err();
    assert_eq!(lines(Endless(b"", b"\0")).code, "file_too_long");
    assert_eq!(lines(Endless(b"{\"collection\":\"", b"x")).code, "file_too_long");
    assert_eq!(object(Endless(b"{\"Wide\":[{\"a\":\"", b"x")).code, "file_too_long");
    assert_eq!(object(Endless(b"{\"Wide\":[{\"a\":[", b"1,")).code, "file_too_long");
    // A terabyte of zeros that takes no room.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("Wide.csv");
    let mut file = std::fs::File::create(&path).unwrap();
    file.seek(SeekFrom::Start((1 << 40) - 1)).unwrap();
    if file.write_all(b"\0").is_ok() {
        for format in FORMATS {
            let read = source(format, &path, &wide()).and_then(|mut source| all(&mut *source));
            assert!(["file_too_long", "file_malformed"].contains(&read.unwrap_err().code), "{format:?}");
        }
    }
}

#[test]
fn a_database_of_somebody_else_runs_nothing_and_a_directory_leads_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("evil.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database
        .execute_batch(
            "CREATE TABLE Wide (_docID TEXT, needed TEXT, whole TEXT, colour TEXT);
             INSERT INTO Wide VALUES ('01930000-0000-7000-8000-00000000000a', 'x', 'no number', 'red');
             CREATE VIEW Empty AS SELECT * FROM Wide;
             CREATE TABLE \"a\"\"; DROP TABLE Wide; --\" (n INT);
             CREATE TRIGGER boom AFTER INSERT ON Wide BEGIN DELETE FROM Wide; END;",
        )
        .unwrap();
    drop(database);
    let found = all(&mut *source(Format::Sqlite, &path, &wide()).unwrap()).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    let mut wrong = Vec::new();
    check(wide().named("Wide").unwrap(), &found[0], &Ids::kept(), &mut wrong);
    let fields: Vec<_> = wrong.iter().filter_map(|problem| problem.field.as_deref()).collect();
    assert_eq!(fields, ["colour", "whole"]);
    // Every bit of it may be another: it is read, or refused, and nothing else.
    let whole = std::fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(37) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(&path, &bytes).unwrap();
        let _ = source(Format::Sqlite, &path, &wide()).and_then(|mut source| all(&mut *source));
    }
    let directory = dir.path().join("many");
    std::fs::create_dir(&directory).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", directory.join("Wide.csv")).unwrap();
    let climbing = CsvSource::new(&directory, None, &wide(), true).map(drop).unwrap_err();
    assert_eq!(climbing.code, "not_a_file");
    for format in FORMATS {
        let there = source(format, Path::new("/dev/zero"), &wide()).map(drop).unwrap_err();
        assert_eq!(there.code, "not_a_file");
    }
}

proptest! {
    /// Whatever it is: it is read or refused.
    #[test]
    fn no_bytes_are_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..200), json in "[\\[\\]{}\",:a0\\\\ \n]{0,80}") {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("Wide.csv");
        for bytes in [bytes.as_slice(), json.as_bytes()] {
            std::fs::write(&path, bytes).unwrap();
            for format in FORMATS {
                let _ = source(format, &path, &wide()).and_then(|mut source| all(&mut *source));
            }
        }
    }
}

#[test]
fn what_a_file_says_is_told_without_what_a_terminal_would_obey() {
    let document = serde_json::json!({"needed": "x", "\u{1b}]0;evil\u{7}": 1, "z".repeat(5_000): 1});
    let found =
        Found { collection: "Wide".into(), place: 1, document: document.as_object().unwrap().clone(), unread: None };
    let mut wrong = Vec::new();
    check(wide().named("Wide").unwrap(), &found, &Ids::kept(), &mut wrong);
    assert_eq!(wrong.len(), 2);
    for problem in wrong {
        let told = format!("{} {:?}", problem.problem, problem.field);
        assert!(told.len() < 600 && !problem.problem.contains('\u{1b}') && !told.contains("\\u{1b}"), "{told}");
    }
}
