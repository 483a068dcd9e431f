//! Documents out of a node and into another, by file: the same come back, nobody takes more than they may read, and what
//! is cut off or hostile leaves nothing half done.

use std::path::Path;

use harness::{Client, Node};
use serde_json::{Value, json};

use crate::home::{Home, OWNER};

mod own;

const WIDE: &str = r#"
    type Wide {
        own: ID yes: Boolean whole: Int @index more: Int @crdt(type: pcounter) float: Float narrow: Float32
        sum: Float @crdt(type: pncounter) text: String @default(value: "said") at: DateTime json: JSON blob: Blob
        texts: [String!] wholes: [Int] floats: [Float] pair: [Int!] @constraints(size: 2) needed: String!
        wide: Wide @relation(name: "next") part: Part
    }
    type Part { name: String @index(unique: true) wides: [Wide] }
    type Empty { n: Int }"#;
const FIELDS: &str =
    "_docID own yes whole more float narrow sum text at json blob texts wholes floats pair needed _wideID _partID";

/// Numbers that are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn int(&mut self) -> i64 {
        match self.roll(4) {
            0 => i64::MIN,
            1 => i64::MAX,
            2 => self.roll(7) as i64 - 3,
            _ => self.roll(u64::MAX) as i64,
        }
    }

    fn float(&mut self) -> f64 {
        let some = [0.1, -2.5, 5e-324, f64::MAX, 1e300, 90.0, 9_007_199_254_740_993.0, 0.0];
        some[self.roll(8) as usize]
    }

    fn text(&mut self) -> String {
        let some =
            ["", "=1+1", "'=1", "null", "a,\"b\"\r\nc", "\u{0}\u{7f}é\u{1F980}", " x ", "-5", "'tis", "true", "\\N"];
        some[self.roll(11) as usize].repeat(1 + self.roll(3) as usize)
    }

    fn or_null(&mut self, value: Value) -> Value {
        if self.roll(5) == 0 { Value::Null } else { value }
    }

    fn list(&mut self, mut one: impl FnMut(&mut Dice) -> Value) -> Value {
        (0..self.roll(4)).map(|_| one(self)).collect::<Vec<_>>().into()
    }

    fn instant(&mut self) -> String {
        let fraction = ["", ".1", ".123456", ".000001", ".123456000"][self.roll(5) as usize];
        format!("20{:02}-02-0{}T03:04:05{fraction}Z", self.roll(90), 1 + self.roll(9))
    }

    /// A document, of which some fields are null, and some are not said at all.
    fn document(&mut self, id: &str, others: &[String], parts: &[String]) -> Value {
        let other = others.get(self.roll(others.len().max(1) as u64) as usize).cloned();
        let part = parts[self.roll(parts.len() as u64) as usize].clone();
        let json = json!({"k k": [1, 1.5, null, self.text()], "deep": {"er": [[], {}]}, "n": i64::MAX});
        let whole = |dice: &mut Dice| Value::from(dice.int());
        let mut document = json!({
            "_docID": id, "own": self.text(), "yes": self.roll(2) == 0, "whole": self.int(), "more": self.roll(1 << 60),
            "float": self.float(), "narrow": 0.1, "sum": self.float() / 4.0, "text": self.text(), "at": self.instant(), "json": json,
            "blob": "00ff10", "texts": self.list(|dice| dice.text().into()), "wholes": self.list(|dice| { let n = dice.int(); dice.or_null(n.into()) }),
            "floats": self.list(|dice| dice.float().into()), "pair": [whole(self), whole(self)], "_wideID": other, "_partID": part,
        });
        let names: Vec<String> =
            document.as_object().unwrap().keys().filter(|name| *name != "_docID").cloned().collect();
        for name in names {
            match self.roll(8) {
                0 => drop(document.as_object_mut().unwrap().remove(&name)),
                // A counter is not set to null.
                1 if name != "more" && name != "sum" => document[&name] = Value::Null,
                _ => {}
            }
        }
        document["needed"] = self.text().into();
        document
    }
}

fn id(n: usize) -> String {
    format!("01930000-0000-7000-8000-{n:012x}")
}

async fn add(client: &Client, collection: &str, documents: Vec<Value>) {
    let text = format!("mutation($i: [{collection}MutationInputArg!]!) {{ add_{collection}(input: $i) {{ _docID }} }}");
    client.graphql_with(&text, json!({ "i": documents })).await.unwrap();
}

/// All that a space holds, as it answers.
async fn everything(client: &Client) -> String {
    let text = format!(
        "{{ Wide {{ {FIELDS} wide {{ needed }} part {{ name }} }} Part {{ _docID name wides {{ _docID }} }} Empty {{ n }} }}"
    );
    client.try_graphql(&text, Value::Null).await.unwrap().text
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn the_same_comes_back_in_every_format() {
    let (home, other) = (Home::new().await, Home::new().await);
    let here = home.alice.new_space("here").await.unwrap();
    let space = here.space.clone().unwrap();
    here.define(WIDE).await.unwrap();
    let (mut dice, mut ids) = (Dice(20_231_129), Vec::new());
    let parts: Vec<String> = (1..4).map(id).collect();
    add(&here, "Part", parts.iter().map(|id| json!({"_docID": id, "name": id})).collect()).await;
    let mut documents = Vec::new();
    for n in 0..240 {
        documents.push(dice.document(&id(1_000 + n), &ids, &parts));
        ids.push(id(1_000 + n));
    }
    add(&here, "Wide", documents).await;
    let wanted = everything(&here).await;
    assert!(wanted.len() > 40_000 && !wanted.contains("errors"), "{wanted:.500}");
    for (format, name, create) in [
        ("jsonl", "all.jsonl", true),
        ("json", "all.json", false),
        ("sqlite", "all.sqlite", true),
        ("csv", "all", false),
    ] {
        let file = home.root.path().join(name);
        let mut args = vec!["export", text(&file), "--space", &space, "--format", format];
        let told = home.node.cli_ok(&args).unwrap();
        assert_eq!((&told["documents"], &told["format"]), (&json!(243), &json!(format)), "{told}");
        assert_eq!(home.node.cli(&args).unwrap().refused(2).unwrap(), "file_exists");
        args.push("--force");
        if format != "csv" {
            home.node.cli_ok(&args).unwrap();
        }
        let there = other.alice.new_space(format).await.unwrap();
        let target = there.space.clone().unwrap();
        let mut args = vec!["import", text(&file), "--space", &target, "--format", format];
        if create {
            args.push("--create");
        } else {
            there.define(WIDE).await.unwrap();
        }
        let dry = other.node.cli_ok(&[&args[..], &["--dry-run"]].concat()).unwrap();
        assert_eq!(
            (&dry["problem_count"], dry["would_create"].as_array().unwrap().len() == 3),
            (&json!(0), create),
            "{dry}"
        );
        let done = other.node.cli_ok(&args).unwrap();
        assert_eq!((&done["imported"], &done["there"]), (&json!(243), &json!(0)), "{done}");
        assert_eq!(everything(&there).await, wanted, "{format}");
        // Once more: nothing is doubled, and nothing is changed.
        let again = other.node.cli_ok(&args).unwrap();
        assert_eq!((&again["imported"], &again["there"]), (&json!(0), &json!(243)), "{format}: {again}");
        assert_eq!(everything(&there).await, wanted, "{format}");
        let strict = other.node.cli(&[&args[..], &["--on-conflict", "fail"]].concat()).unwrap();
        assert_eq!(strict.refused(1).unwrap(), "import_conflict");
        // With new ids it is there twice, and what leads to the one does not lead to the other.
        let fresh = other.alice.new_space("fresh").await.unwrap();
        fresh.define(WIDE).await.unwrap();
        let target = fresh.space.clone().unwrap();
        let args = ["import", text(&file), "--space", &target, "--format", format, "--new-ids"];
        for (imported, there) in [(243, 0), (0, 243)] {
            let done = other.node.cli_ok(&args).unwrap();
            assert_eq!((&done["imported"], &done["there"]), (&json!(imported), &json!(there)), "{format}: {done}");
        }
        let count = |text: &str| text.matches("\"name\":\"01930000").count();
        let fresh = everything(&fresh).await;
        assert_eq!(count(&fresh), count(&wanted), "{format}: relations lead somewhere");
        assert!(!fresh.contains(&format!("\"_docID\":\"{}\"", id(1_000))), "{format}");
    }
}

/// A home with notes, and bob, who signs in by a token file.
struct Shared {
    home: Home,
    bob: Client,
    token: String,
    space: String,
}

async fn shared() -> Shared {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    home.alice
        .define("type Note { title: String text: String tag: String } type Diary { entry: String }")
        .await
        .unwrap();
    let notes =
        (0..30).map(|n| json!({"title": format!("title {n}"), "text": format!("CANARY {n}"), "tag": "x"})).collect();
    add(&home.alice, "Note", notes).await;
    add(&home.alice, "Diary", vec![json!({"entry": "CANARY of the diary"})]).await;
    let space = home.made["space"].as_str().unwrap().to_owned();
    home.node.cli_ok(&["share", "add", "--user", "bob", "--collection", "Note", "--role", "viewer"]).unwrap();
    home.node.cli_ok(&["field-rule", "hide", "Note.text", "--user", "bob"]).unwrap();
    let token = home.root.path().join("bob.token");
    let password = home.file("bob.password", "the long password of bob");
    let login = ["login", &home.node.url, "--user", "bob", "--password-file", &password, "--token-file", text(&token)];
    home.node.cli_ok(&login).unwrap();
    let token = text(&token).to_owned();
    Shared { home, bob, token, space }
}

#[tokio::test]
async fn nobody_exports_more_than_they_may_read_or_imports_where_they_may_not_write() {
    let Shared { home, bob, token, space } = shared().await;
    let as_bob =
        |args: &[&str]| home.node.allod.run(home.root.path(), &[args, &["--token-file", &token]].concat()).unwrap();
    for format in ["jsonl", "json", "sqlite", "csv"] {
        let (his, hers) =
            (home.root.path().join(format!("bob {format}")), home.root.path().join(format!("alice {format}")));
        let told = as_bob(&["export", text(&his), "--space", &space, "--format", format]).ok().unwrap();
        assert_eq!(told["collections"], json!([{"collection": "Note", "documents": 30}]), "{format}");
        home.node.cli_ok(&["export", text(&hers), "--format", format]).unwrap();
        let bytes = |path: &Path| -> Vec<u8> {
            match path.is_dir() {
                true => std::fs::read_dir(path)
                    .unwrap()
                    .flat_map(|entry| {
                        let path = entry.unwrap().path();
                        [text(&path).as_bytes(), &std::fs::read(&path).unwrap()].concat()
                    })
                    .collect(),
                false => std::fs::read(path).unwrap(),
            }
        };
        let (his, hers) = (bytes(&his), bytes(&hers));
        let has = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(has(&his, "title 7") && has(&hers, "title 7") && has(&hers, "CANARY 7"), "control: {format}");
        for hidden in ["CANARY", "text", "Diary", "entry"] {
            assert!(has(&hers, hidden), "control: {format} {hidden}");
            // `"TEXT"` is a type of SQLite.
            assert!(!has(&his, hidden), "{format}: {hidden}");
        }
    }
    let all = home.file("more.jsonl", "{\"collection\":\"Note\",\"document\":{\"title\":\"by bob\"}}\n");
    let refused = as_bob(&["import", &all, "--space", &space]);
    assert!(refused.stdout.contains("may not"), "{}", refused.stdout);
    assert_eq!(refused.refused(2).unwrap(), "import_unfit");
    assert_eq!(
        as_bob(&["export", "-", "--space", &space, "--collection", "Diary"]).refused(4).unwrap(),
        "unknown_collection"
    );
    assert_eq!(as_bob(&["export", "x.jsonl", "--space", &"0".repeat(32)]).refused(4).unwrap(), "not_found");
    home.node.cli_ok(&["import", &all]).unwrap();
    let seen = bob.in_space(&space).graphql("{ COUNT(Note: {}) }").await.unwrap();
    assert_eq!(seen["COUNT"], 31, "control: alice may");
}

#[tokio::test]
async fn an_import_that_is_cut_off_goes_on_where_it_was() {
    let home = Home::new().await;
    home.alice.define("type Note { n: Int text: String }").await.unwrap();
    let line = |n: usize| format!("{}\n", json!({"collection": "Note", "document": {"n": n, "text": "x".repeat(200)}}));
    let lines: String = (0..6_000).map(line).collect();
    let file = home.file("notes.jsonl", &lines);
    let count = || async { home.alice.graphql("{ COUNT(Note: {}) }").await.unwrap()["COUNT"].as_u64().unwrap() };
    let mut child = home
        .node
        .allod
        .command(&home.node.dir, &["import", &file])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while count().await == 0 && child.try_wait().unwrap().is_none() {}
    child.kill().unwrap();
    child.wait().unwrap();
    let before = count().await;
    let dry = home.node.cli_ok(&["import", &file, "--dry-run"]).unwrap();
    assert_eq!(dry["collections"][0]["documents"], 6_000, "{dry}");
    assert!(dry["collections"][0]["there"].as_u64().unwrap() >= before && dry["dry_run"] == true, "{dry}");
    let done = home.node.cli_ok(&["import", &file]).unwrap();
    assert_eq!(done["imported"].as_u64().unwrap() + done["there"].as_u64().unwrap(), 6_000, "{done}");
    assert!(done["there"].as_u64().unwrap() >= before, "{done}");
    assert_eq!(count().await, 6_000);
}

#[tokio::test]
async fn the_backup_commands_of_2023_write_and_read_its_json() {
    let home = Home::new().await;
    let sdl = "type User { name: String age: Int books: [Book] } type Book { title: String author: User }";
    home.alice.define(sdl).await.unwrap();
    let backup = home.file(
        "backup.json",
        r#"{"Book":[{"_docID":"bae-4059cb15-2b30-5049-b0df-64cc7ad9b5e4","_docIDNew":"bae-4059cb15-2b30-5049-b0df-64cc7ad9b5e4",
            "author_id":"bae-e933420a-988a-56f8-8952-6c245aebd519","title":"John and the sourcerers' stone"}],
            "User":[{"_docID":"bae-0648f44e-74e8-593b-a662-3310ec278927","_docIDNew":"bae-e933420a-988a-56f8-8952-6c245aebd519",
            "name":"John","age":31}]}"#,
    );
    let done = home.node.cli_ok(&["client", "backup", "import", &backup]).unwrap();
    assert_eq!(done["imported"], 2, "{done}");
    let seen = home.alice.graphql("{ Book { title author { _docID name age } } }").await.unwrap();
    assert_eq!(
        seen["Book"],
        json!([{"title": "John and the sourcerers' stone", "author":
            {"_docID": "e933420a-988a-56f8-8952-6c245aebd519", "name": "John", "age": 31}}])
    );
    let file = home.root.path().join("again");
    home.node.cli_ok(&["client", "backup", "export", "--pretty", text(&file)]).unwrap();
    let again = std::fs::read_to_string(&file).unwrap();
    assert!(again.lines().count() > 10, "{again}");
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["User"][0]["_docIDNew"], again["User"][0]["_docID"]);
    assert_eq!(again["Book"][0]["_authorID"], again["User"][0]["_docID"]);
    let there = home.alice.new_space("there").await.unwrap();
    there.define(sdl).await.unwrap();
    let space = there.space.clone().unwrap();
    home.node.cli_ok(&["client", "backup", "import", text(&file), "--space", &space]).unwrap();
    let moved = there.graphql("{ Book { title author { _docID name age } } }").await.unwrap();
    assert_eq!(moved, seen);
    let only = home.node.cli(&["export", "-", "--format", "json", "--collection", "User"]).unwrap();
    assert!(only.json["Book"].is_null() && only.json["User"][0]["name"] == "John", "{}", only.stdout);
}

#[tokio::test]
async fn what_stands_in_the_way_is_said_by_name_and_nothing_is_half_done() {
    let home = Home::new().await;
    home.alice.define("type Note { n: Int! text: String mail: String @index(unique: true) }").await.unwrap();
    let import = |name: &str, content: &[u8], args: &[&str]| {
        let file = home.root.path().join(name);
        std::fs::write(&file, content).unwrap();
        home.node.cli(&[&["import", text(&file)], args].concat()).unwrap()
    };
    let count = || async { home.alice.graphql("{ COUNT(Note: {}) }").await.unwrap()["COUNT"].as_u64().unwrap() };
    let wrong = concat!(
        "{\"collection\":\"Note\",\"document\":{\"n\":1}}\n",
        "{\"collection\":\"Note\",\"document\":{\"n\":\"one\"}}\n",
        "{\"collection\":\"Note\",\"document\":{\"n\":2,\"colour\":\"red\"}}\n",
        "{\"collection\":\"Letter\",\"document\":{\"n\":3}}\n",
        "{\"collection\":\"Letter\",\"document\":{\"n\":4}}\n",
    );
    let dry = import("wrong.jsonl", wrong.as_bytes(), &["--dry-run"]);
    assert_eq!((dry.code, &dry.json["problem_count"]), (2, &json!(3)), "{}", dry.stdout);
    assert_eq!(dry.json["unknown_collections"], json!([{"collection": "Letter", "documents": 2, "line": 4}]));
    assert_eq!(dry.json["unknown_fields"], json!([{"collection": "Note", "field": "colour", "line": 3}]));
    assert_eq!((&dry.json["problems"][0]["line"], &dry.json["problems"][0]["field"]), (&json!(2), &json!("n")));
    let refused = import("wrong.jsonl", wrong.as_bytes(), &[]);
    assert!(refused.stdout.contains("line 2") && refused.stdout.contains("2 more"), "{}", refused.stdout);
    assert_eq!(refused.refused(2).unwrap(), "import_unfit");
    assert_eq!(import("wrong.jsonl", wrong.as_bytes(), &["--create"]).refused(2).unwrap(), "definitions_missing");
    let (zeros, utf16) = (vec![0; 100_000], b"\xff\xfe{\0".to_vec());
    let newer = b"{\"allod_export\":9}\n".to_vec();
    let cut = b"{\"allod_export\":1}\n{\"collection\":\"Note\",\"document\":{\"n\":1}}\n".to_vec();
    for (name, content, code) in [
        ("zeros.jsonl", &zeros, "file_malformed"),
        ("zeros.json", &zeros, "file_malformed"),
        ("zeros.sqlite", &zeros, "file_malformed"),
        ("zeros.csv", &zeros, "file_malformed"),
        ("utf16.json", &utf16, "file_encoding"),
        ("newer.jsonl", &newer, "file_newer"),
        ("cut.jsonl", &cut, "file_cut_off"),
        ("all.car", &zeros, "format_unsupported"),
        ("all.xml", &zeros, "format_unknown"),
    ] {
        assert_eq!(import(name, content, &[]).refused(2).unwrap(), code, "{name}");
    }
    let missing = home.node.cli(&["import", "/no/such/file.jsonl"]).unwrap();
    assert_eq!(missing.refused(1).unwrap(), "file_failed");
    assert_eq!(count().await, 0, "nothing of all this was written");
    // What a definition forbids beyond the types is found by the node: what came before is told.
    let twice = concat!(
        "{\"collection\":\"Note\",\"document\":{\"n\":1,\"mail\":\"a\"}}\n",
        "{\"collection\":\"Note\",\"document\":{\"n\":2,\"mail\":\"a\"}}\n",
    );
    let dry = import("twice.jsonl", twice.as_bytes(), &["--dry-run"]);
    let first = |dry: &harness::Outcome| (dry.code, dry.json["problems"][0].clone());
    let (code, found) = first(&dry);
    assert_eq!((code, &found["code"], &found["line"]), (2, &json!("not_unique"), &json!(2)), "{}", dry.stdout);
    let refused = import("twice.jsonl", twice.as_bytes(), &[]);
    assert!(
        refused.stdout.contains("line 2") && refused.stdout.contains("1 documents were imported"),
        "{}",
        refused.stdout
    );
    assert_eq!(refused.refused(2).unwrap(), "not_unique");
    assert_eq!(count().await, 1);
    // It is said before, of what is there, and of what was deleted, which counts as there.
    let taken = "{\"collection\":\"Note\",\"document\":{\"n\":3,\"mail\":\"a\"}}\n";
    let (code, found) = first(&import("taken.jsonl", taken.as_bytes(), &["--dry-run"]));
    assert_eq!((code, &found["code"], &found["line"]), (2, &json!("not_unique"), &json!(1)), "{found}");
    let gone = home.alice.graphql("mutation { add_Note(input: {n: 9, mail: \"gone\"}) { _docID } }").await.unwrap();
    let gone = gone["add_Note"][0]["_docID"].as_str().unwrap().to_owned();
    home.alice.graphql(&format!("mutation {{ delete_Note(docID: \"{gone}\") {{ _docID }} }}")).await.unwrap();
    let deleted = format!("{{\"collection\":\"Note\",\"document\":{{\"_docID\":\"{gone}\",\"n\":9}}}}\n");
    let dry = import("deleted.jsonl", deleted.as_bytes(), &["--dry-run"]).ok().unwrap();
    assert_eq!((&dry["collections"][0]["new"], &dry["collections"][0]["there"]), (&json!(0), &json!(1)), "{dry}");
    let free = taken.replace("\"a\"", "\"gone\"");
    assert_eq!(import("free.jsonl", free.as_bytes(), &["--dry-run"]).code, 0, "control: who had it is deleted");
    let done = import(
        "wrong.jsonl",
        wrong.lines().filter(|line| !line.contains("one")).collect::<Vec<_>>().join("\n").as_bytes(),
        &["--ignore-unknown"],
    );
    assert_eq!((&done.ok().unwrap()["imported"], count().await), (&json!(2), 3), "control: what fits is imported");
    let piped = home.root.path().join("piped.jsonl");
    std::fs::write(
        &piped,
        "{\"collection\":\"Note\",\"document\":{\"n\":5}}\n{\"collection\":\"Note\",\"document\":{}}\n",
    )
    .unwrap();
    let mut command = home.node.allod.command(&home.node.dir, &["import", "-"]);
    let out = command.stdin(std::fs::File::open(&piped).unwrap()).output().unwrap();
    let told = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.code() == Some(2) && told.contains("line 2") && told.contains("1 documents were"), "{told}");
    assert_eq!(count().await, 4);
}

#[tokio::test]
async fn definitions_tell_what_one_sees_and_no_more() {
    let home = Home::new().await;
    let sdl = "type Contact { name: String! phone: String @index notes: String mail: String @index(unique: true) company: Company }
        type Company { title: String staff: [Contact] }";
    home.alice.define(sdl).await.unwrap();
    let access = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"],
        "fields": {"allow": ["name", "phone"]}});
    let (app, _) = home.app(&access, &access);
    let (hers, its) = (home.alice.get("/api/v1/schema").await.unwrap(), app.get("/api/v1/schema").await.unwrap());
    assert_eq!((hers.status, its.status, hers.json.as_array().unwrap().len()), (200, 200, 2));
    let shown = "type Contact @index(name: \"Contact_phone\", includes: [{field: \"phone\"}]) {\n  name: String!\n  phone: String\n}\n";
    let field = |name: &str| json!({"name": name, "verbs": ["read", "search"]});
    assert_eq!(
        its.json,
        json!([{"name": "Contact", "sdl": shown, "verbs": ["read", "search"], "own_ids": false, "fields": [field("name"), field("phone")]}])
    );
    for hidden in ["notes", "mail", "ompany", "staff"] {
        assert!(hers.text.contains(hidden) && !its.text.contains(hidden), "{hidden}");
    }
    assert_eq!(home.alice.nobody().get("/api/v1/schema").await.unwrap().status, 401);
    // What is told is what is defined: another space is made of it.
    let there = home.alice.new_space("there").await.unwrap();
    let all: String = hers.json.as_array().unwrap().iter().map(|one| one["sdl"].as_str().unwrap()).collect();
    there.define(&all).await.unwrap();
    assert_eq!(there.get("/api/v1/schema").await.unwrap().text, hers.text);
}

/// A node whose owner signs in.
async fn confirmed(node: &Node) -> Client {
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    let answer = alice.post("/api/v1/session/confirm", &json!({ "password": OWNER.1 })).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    alice
}
