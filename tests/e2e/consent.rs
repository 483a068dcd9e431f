//! The consent page: what it shows is what the app then gets, and what is allowed is what it showed.

use data_encoding::BASE64;
use harness::{Client, ConsentForm, exchange};
use reqwest::StatusCode;
use serde_json::{Value, json};
use url::Url;

use crate::home::Home;
use crate::masks::ask;
use crate::openid::{Browser, Shown};

const BACK: &str = "http://127.0.0.1:9/cb";
/// The S256 challenge of [`VERIFIER`] (RFC 7636, appendix B).
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A node with people of whom an app may see some, and their ids.
struct Shelf {
    home: Home,
    browser: Browser,
    ann: String,
}

impl Shelf {
    async fn new() -> Shelf {
        let home = Home::new().await;
        let sdl = "type Contact { name: String phone: String tag: String age: Int diary: String }";
        home.alice.define(sdl).await.unwrap();
        let mut ids = Vec::new();
        for (name, phone, tag, age) in
            [("Ann", "0151", "family", 41), ("Ben", "0152", "work", 17), ("Cleo", "0153", "secret", 99)]
        {
            let input =
                format!(r#"name: "{name}", phone: "{phone}", tag: "{tag}", age: {age}, diary: "nobody's business""#);
            let made =
                home.alice.graphql(&format!("mutation {{ add_Contact(input: {{{input}}}) {{ _docID }} }}")).await;
            ids.push(made.unwrap()["add_Contact"][0]["_docID"].as_str().unwrap().to_owned());
        }
        let browser = Browser::of(&home);
        Shelf { ann: ids.swap_remove(0), home, browser }
    }

    /// An app that asks for this.
    fn app(&self, access: &Value) -> String {
        let manifest = json!({"name": "An App", "redirect_uris": [BACK], "access": [access], "confidential": false});
        let made = self.home.node.cli_ok(&["app", "add", &self.home.file("app.json", &manifest.to_string())]).unwrap();
        made["client_id"].as_str().unwrap().to_owned()
    }

    /// The consent page of an app, as it is first.
    async fn asked(&self, client: &str) -> ConsentForm {
        let pairs = [
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", BACK),
            ("state", "s"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (status, html) = self.browser.signs_in(&pairs).await.page();
        assert_eq!(status, StatusCode::OK, "{html}");
        self.read(&html)
    }

    fn read(&self, html: &str) -> ConsentForm {
        let at = Url::parse(&format!("{}/oauth/authorize", self.home.node.url)).unwrap();
        ConsentForm::read(&at, html, "decision").unwrap()
    }

    async fn sent(&self, form: &ConsentForm, decision: &str) -> Shown {
        let mut form = form.clone();
        form.set("decision", decision);
        self.browser.send_once(&form).await
    }

    /// The page with these choices.
    async fn looked(&self, form: &ConsentForm) -> ConsentForm {
        let (status, html) = self.sent(form, "look").await.page();
        assert_eq!(status, StatusCode::OK, "{html}");
        self.read(&html)
    }

    /// What an app holds whose page was allowed as it stands.
    async fn allowed(&self, client: &str, form: &ConsentForm) -> Client {
        let code = match self.sent(form, "allow").await {
            Shown::Sent(to) => to.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned(),
            Shown::Page(status, html) => panic!("{status}: {html}"),
        };
        let held = exchange(&self.home.node.url, client, BACK, &code, VERIFIER).await.unwrap();
        self.home.alice.with_token(&held.access_token)
    }
}

/// What the app would see, as the page says it.
fn seen(form: &ConsentForm) -> &str {
    let (_, rest) = form.html.split_once("<div id=\"seen\"").expect("what it would see");
    rest.split_once("id=\"late\"").expect("its end").0
}

/// The values that a column of a type shows to an app which lists them; none if it may not.
async fn listed(app: &Client, field: &str) -> Vec<String> {
    let answer = ask(app, &format!("{{ Contact {{ {field} }} }}")).await;
    let rows = answer.json["data"]["Contact"].as_array().cloned().unwrap_or_default();
    rows.iter().filter_map(|row| row[field].as_str().map(str::to_owned)).collect()
}

/// All that the commits tell to an app.
async fn past(app: &Client) -> String {
    let answer = ask(app, "{ _commits { fieldName delta } }").await;
    let rows = answer.json["data"]["_commits"].as_array().cloned().unwrap_or_default();
    let delta = |row: &Value| BASE64.decode(row["delta"].as_str().unwrap_or_default().as_bytes()).unwrap_or_default();
    rows.iter().map(|row| String::from_utf8_lossy(&delta(row)).into_owned()).collect()
}

fn access(actions: Value) -> Value {
    json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": actions,
        "fields": {"allow": ["name", "phone"], "required": ["name"]}, "where": {"tag": {"_neq": "secret"}}})
}

#[tokio::test]
async fn what_the_page_shows_is_what_the_app_then_gets() {
    let shelf = Shelf::new().await;
    let verbs = ["create", "read", "update", "delete", "search", "history"];
    let client = shelf.app(&access(json!(verbs)));
    let first = shelf.asked(&client).await;
    for left in [
        &["read", "search"][..],
        &["read"],
        &["read", "history"],
        &["read", "search", "history"],
        &["create"],
        &["update"],
        &["delete"],
        &verbs,
    ] {
        let mut form = first.clone();
        verbs.iter().filter(|verb| !left.contains(verb)).for_each(|verb| form.untick("verb-0", verb));
        let page = shelf.looked(&form).await;
        let (seen, app) = (seen(&page), shelf.allowed(&client, &page).await);
        let has = |verb: &str| left.contains(&verb);
        let rows = listed(&app, "name").await;
        assert_eq!(rows.len(), if has("search") { 2 } else { 0 }, "{left:?}: {rows:?}");
        for name in ["Ann", "Ben", "Cleo", "0151", "nobody"] {
            let listed = rows.iter().any(|row| row == name);
            assert_eq!(seen.contains(&format!("<td>{name}</td>")), listed, "{left:?} {name}: {seen}");
            assert!(listed || !seen.contains(name), "{left:?} {name}: {seen}");
        }
        assert!(listed(&app, "phone").await.is_empty() && listed(&app, "diary").await.is_empty(), "{left:?}");
        let by_id = ask(&app, &format!("{{ Contact(docID: \"{}\") {{ name }} }}", shelf.ann)).await;
        assert_eq!(by_id.text.contains("Ann"), has("read"), "{left:?}: {}", by_id.text);
        let past = past(&app).await;
        for (name, is_seen) in [("Ann", true), ("Cleo", false), ("0151", false), ("nobody", false)] {
            assert_eq!(past.contains(name), is_seen && has("history"), "{left:?} {name}: {past}");
        }
        // In words, where no row says it.
        for (text, says) in [
            ("read nothing", !has("read")),
            ("list none by itself", has("read") && !has("search") && !has("history")),
            ("every version of all of them", !has("search") && has("history")),
            ("every earlier version too", has("search") && has("history")),
        ] {
            assert_eq!(seen.contains(text), says, "{left:?} {text}: {seen}");
        }
    }
    // By fields and rows: what is ticked, and what meets the test, and nothing else.
    let mut form = first.clone();
    form.tick_all();
    form.set("test-0-age", "_lt");
    form.set("value-0-age", "18");
    let page = shelf.looked(&form).await;
    let app = shelf.allowed(&client, &page).await;
    assert_eq!((listed(&app, "name").await, listed(&app, "phone").await), (vec!["Ben".into()], vec!["0152".into()]));
    let shown = seen(&page);
    assert!(shown.contains("<td>Ben</td><td>0152</td>") && !shown.contains("Ann"), "{shown}");
}

#[tokio::test]
async fn whoever_may_see_versions_is_never_said_to_read_nothing() {
    let shelf = Shelf::new().await;
    // Where reading can be ticked beside it, it has to be.
    let client = shelf.app(&access(json!(["read", "history"])));
    let mut form = shelf.asked(&client).await;
    form.untick("verb-0", "read");
    let (status, html) = shelf.sent(&form, "allow").await.page();
    assert!(status == StatusCode::BAD_REQUEST && html.contains("Tick reading too"), "{html}");
    // An app that asks for nothing else is said to read today's too, and does.
    let client = shelf.app(&access(json!(["history"])));
    let form = shelf.asked(&client).await;
    assert!(seen(&form).contains("every version of all of them, also today"), "{}", seen(&form));
    assert!(form.html.contains("See past and present versions of name"), "{}", form.html);
    let app = shelf.allowed(&client, &form).await;
    let past = past(&app).await;
    assert!(past.contains("Ann") && past.contains("Ben") && !past.contains("Cleo") && !past.contains("0151"), "{past}");
    assert!(listed(&app, "name").await.is_empty());
}

#[tokio::test]
async fn what_is_allowed_is_what_the_page_said_when_it_was_pressed() {
    let shelf = Shelf::new().await;
    let client = shelf.app(&access(json!(["read", "search"])));
    let grants = async || shelf.home.node.cli_ok(&["grant", "list"]).unwrap().as_array().unwrap().len();
    let first = shelf.asked(&client).await;
    let before = grants().await;
    let changes: [fn(&mut ConsentForm); 5] = [
        |form| form.tick_all(),
        |form| form.untick("verb-0", "search"),
        |form| form.set("end-0", "P1D"),
        |form| form.set("test-0-tag", "_null"),
        |form| form.set("shown", "AAAA"),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut form = first.clone();
        change(&mut form);
        let (status, html) = shelf.sent(&form, "allow").await.page();
        assert_eq!(status, StatusCode::OK, "{at}: {html}");
        assert!(html.contains("Look at it once more"), "{at}: {html}");
        assert_eq!(grants().await, before, "{at}");
        let again = shelf.read(&html);
        let given = |of: &ConsentForm| {
            let chosen = of.fields.iter().filter(|(name, value)| name.contains("-0") && !value.is_empty());
            chosen.cloned().collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(given(&again), given(&form), "{at}: every choice stays");
    }
    // What a page showed for one request is no proof for another.
    let other = shelf.app(&access(json!(["read", "search"])));
    let mut form = shelf.asked(&other).await;
    let shown = first.fields.iter().find(|(name, _)| name == "shown").unwrap().1.clone();
    form.set("shown", &shown);
    let (_, html) = shelf.sent(&form, "allow").await.page();
    assert!(html.contains("Look at it once more"), "{html}");
    // Control: as it stands it is given, and so is what was looked at.
    shelf.allowed(&client, &first).await;
    let mut form = first.clone();
    form.tick_all();
    let app = shelf.allowed(&client, &shelf.looked(&form).await).await;
    assert_eq!(listed(&app, "phone").await, ["0151", "0152"]);
    assert_eq!(grants().await, before + 2);
}

#[tokio::test]
async fn a_form_that_says_something_twice_decides_nothing() {
    let shelf = Shelf::new().await;
    let client = shelf.app(&access(json!(["read", "search"])));
    let first = shelf.asked(&client).await;
    for (name, one, other) in [
        ("day-0", "2090-01-01", "2091-01-01"),
        ("end-0", "P1D", "P30D"),
        ("test-0-tag", "_eq", "_neq"),
        ("value-0-tag", "family", "work"),
        ("decision", "deny", "allow"),
        ("request", "x", "y"),
    ] {
        let mut form = first.clone();
        form.set("decision", "allow");
        form.set(name, one);
        form.fields.push((name.to_owned(), other.to_owned()));
        let (status, html) = shelf.browser.send_once(&form).await.page();
        assert_eq!(status, StatusCode::FORBIDDEN, "{name}: {html}");
    }
    assert!(shelf.home.node.cli_ok(&["grant", "list"]).unwrap().as_array().unwrap().is_empty());
    // No date keeps anybody from denying.
    let mut form = first;
    form.set("day-0", "1999-01-01");
    assert!(
        matches!(shelf.sent(&form, "deny").await, Shown::Sent(to) if to.query().unwrap().contains("access_denied"))
    );
}
