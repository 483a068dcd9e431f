//! Apps that nobody registered, and that describe themselves by a document at their `client_id` (OAuth Client ID Metadata
//! Document): who they are said to be, what their documents may say, and what strangers can make the node do by them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use harness::{Allod, ConsentForm, Node};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::home::{Home, OWNER};
use crate::openid::{App, BACK, Browser, exchanged, posted, signed_in, user_info, verified};

const ON: &str = "[http]\noutbound_allow = [\"127.0.0.0/8\"]\n[oauth]\nclient_metadata = true\n";

/// A server of documents: what it answers, and how often it was asked.
struct Site {
    url: String,
    answer: Arc<Mutex<Option<Value>>>,
    asked: Arc<Mutex<usize>>,
}

impl Site {
    async fn new() -> Site {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/client.json", listener.local_addr().unwrap());
        let (answer, asked) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(0)));
        let (told, count) = (Arc::clone(&answer), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                let mut head = vec![0; 8_192];
                let _ = stream.read(&mut head).await;
                let body = told.lock().unwrap().as_ref().map(Value::to_string);
                let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
                let body = body.unwrap_or_default();
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        let site = Site { url, answer, asked };
        site.says(&json!({}));
        site
    }

    /// What the document says from now on, beside its `client_id`.
    fn says(&self, more: &Value) {
        let mut document = json!({ "client_id": self.url, "client_name": "Your Bank", "redirect_uris": [BACK] });
        for (key, value) in more.as_object().unwrap() {
            document[key] = value.clone();
        }
        *self.answer.lock().unwrap() = Some(document);
    }

    fn app(&self) -> App {
        App::called(&self.url, BACK)
    }

    fn host(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches("/client.json")
    }

    fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
}

/// The same node, started once more, with these settings: what it keeps in memory is gone.
async fn begun_again(home: Home, settings: &str) -> Home {
    let Home { node, made, root, .. } = home;
    let dir = node.stop().unwrap();
    std::fs::write(dir.join("allod.toml"), settings).unwrap();
    let node = Node::serve(&Allod::find().unwrap(), &dir).unwrap();
    let alice = node.sign_in(OWNER.0, OWNER.1).await.unwrap();
    Home { node, alice, made, root }
}

fn contacts() -> Value {
    json!({ "type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"], "fields": { "allow": ["name"] } })
}

async fn apps(home: &Home) -> Vec<Value> {
    let listed = home.node.cli_ok(&["app", "list"]).unwrap();
    listed.as_array().unwrap().clone()
}

#[tokio::test]
async fn who_describes_itself_is_called_by_its_host_signs_in_is_told_so_by_its_own_name_and_is_removed_like_others() {
    let home = Home::with(ON).await;
    let (site, browser) = (Site::new().await, Browser::of(&home));
    let metadata = home.alice.nobody().get("/.well-known/oauth-authorization-server").await.unwrap().json;
    assert_eq!(metadata["client_id_metadata_document_supported"], true);
    let app = site.app();
    let (status, page) = browser.open(&app.asks(&[])).await.page();
    assert_eq!(status, StatusCode::OK, "{page}");
    assert!(page.contains(site.host()) && !page.contains("Your Bank"), "{page}");
    let (_, consent) = browser.gives_password(&page).await.page();
    let host = format!("<strong>{}</strong>", site.host());
    assert!(consent.contains(&format!("This app is {host}")), "{consent}");
    assert!(consent.contains("It calls itself “<bdi>Your Bank</bdi>”"), "{consent}");
    assert!(consent.contains(&format!("<h1>{} wants to know who you are", site.host())), "{consent}");
    assert!(apps(&home).await.is_empty(), "nobody has let it in");
    let mut form = browser.form(&consent, "decision");
    form.set("decision", "allow");
    let (status, tokens) = exchanged(&home, &app, &browser.send(&form).await.code()).await;
    assert_eq!(status, 200, "{tokens}");
    let claims = verified(&home, tokens["id_token"].as_str().unwrap()).await;
    assert_eq!(claims["aud"], site.url);
    assert_eq!(user_info(&home, tokens["access_token"].as_str().unwrap()).await.0, 200);
    assert_eq!(site.asked(), 1, "once, for as long as it is good");
    // It is an app like others, by another id; by that it begins nothing.
    let [listed] = &apps(&home).await[..] else { panic!("one app") };
    assert_eq!((&listed["name"], &listed["document"]), (&json!(site.host()), &json!(site.url)));
    let inner = listed["client_id"].as_str().unwrap();
    let (status, page) = browser.open(&App::called(inner, BACK).asks(&[])).await.page();
    assert_eq!(status, StatusCode::BAD_REQUEST, "{page}");
    let of = |client: &str| [("client_id", client.to_owned()), ("token", "x".to_owned())];
    for (client, expected) in [(site.url.as_str(), 200), (inner, 401)] {
        let pairs = of(client);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(posted(&home, "/oauth/revoke", &pairs).await.0, expected, "{client}");
    }
    // Who let it know is not asked again, until an operator removes it.
    signed_in(&home, &browser, &app, &[]).await;
    assert!(matches!(browser.signs_in(&app.asks(&[])).await, crate::openid::Shown::Sent(_)));
    home.node.cli_ok(&["app", "remove", inner]).unwrap();
    assert_eq!(user_info(&home, tokens["access_token"].as_str().unwrap()).await.0, 401);
    let (_, consent) = browser.signs_in(&app.asks(&[])).await.page();
    assert!(consent.contains("This app is "), "{consent}");
}

#[tokio::test]
async fn its_page_speaks_german_too() {
    let home = Home::with(ON).await;
    let site = Site::new().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut url = url::Url::parse(&format!("{}/oauth/authorize", home.node.url)).unwrap();
    url.query_pairs_mut().extend_pairs(site.app().asks(&[]));
    let page = http.get(url).header("accept-language", "de").send().await.unwrap().text().await.unwrap();
    let at = url::Url::parse(&format!("{}/oauth/authorize", home.node.url)).unwrap();
    let mut form = ConsentForm::read(&at, &page, "password").unwrap();
    form.set("user", OWNER.0);
    form.set("password", OWNER.1);
    let origin = at.origin().ascii_serialization();
    let sent =
        http.post(form.action.clone()).header("origin", origin).header("accept-language", "de").form(&form.fields);
    let consent = sent.send().await.unwrap().text().await.unwrap();
    assert!(
        consent.contains("Diese App ist <strong>") && consent.contains("Sie nennt sich „<bdi>Your Bank</bdi>“"),
        "{consent}"
    );
}

#[tokio::test]
async fn what_it_may_ask_for_is_what_its_document_says_and_a_change_of_that_asks_anew() {
    let home = Home::with(ON).await;
    home.alice.define("type Contact { name: String phone: String }").await.unwrap();
    home.alice.graphql(r#"mutation { add_Contact(input: {name: "Ann"}) { _docID } }"#).await.unwrap();
    let (site, browser) = (Site::new().await, Browser::of(&home));
    site.says(&json!({ "access": [contacts()] }));
    let app = site.app();
    let details = json!([contacts()]).to_string();
    let mut wider = contacts();
    wider["fields"]["allow"] = json!(["name", "phone"]);
    let asked = browser.open(&app.asks(&[("authorization_details", &json!([wider]).to_string())])).await;
    assert_eq!(asked.error(&home), "invalid_authorization_details");
    let (tokens, _) = signed_in(&home, &browser, &app, &[("authorization_details", &details)]).await;
    let reads = home.alice.with_token(tokens["access_token"].as_str().unwrap());
    let seen = reads.graphql("{ Contact { name } }").await.unwrap();
    assert_eq!(seen["Contact"][0]["name"], "Ann");
    assert!(reads.graphql("{ Contact { phone } }").await.is_err());
    let grants = home.alice.get("/api/v1/grants").await.unwrap().json;
    assert_eq!(grants[0]["app"], site.host(), "{grants}");
    // It may refresh without its document: who it is, is known.
    *site.answer.lock().unwrap() = None;
    let pairs = [
        ("grant_type", "refresh_token"),
        ("client_id", site.url.as_str()),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
    ];
    let (status, next) = posted(&home, "/oauth/token", &pairs).await;
    assert_eq!(status, 200, "{next}");
}

#[tokio::test]
async fn a_document_that_says_something_else_asks_anew_who_said_yes_to_it_before() {
    let home = Home::with(ON).await;
    let (one, other, browser) = (Site::new().await, Site::new().await, Browser::of(&home));
    for site in [&one, &other] {
        signed_in(&home, &browser, &site.app(), &[]).await;
    }
    // What is kept of it lapses with the process.
    let home = begun_again(home, ON).await;
    let browser = Browser::of(&home);
    one.says(&json!({ "redirect_uris": [BACK, "http://127.0.0.1:9/another"] }));
    let (status, consent) = browser.signs_in(&one.app().asks(&[])).await.page();
    assert_eq!(status, StatusCode::OK, "{consent}");
    assert!(matches!(browser.signs_in(&other.app().asks(&[])).await, crate::openid::Shown::Sent(_)), "control");
    one.says(&json!({ "redirect_uris": ["http://127.0.0.1:9/another"] }));
    let home = begun_again(home, ON).await;
    let (status, page) = Browser::of(&home).open(&one.app().asks(&[])).await.page();
    assert_eq!(status, StatusCode::BAD_REQUEST, "the address is in it no more: {page}");
}

#[tokio::test]
async fn what_is_no_description_answers_alike_and_after_the_same_time_wherever_it_leads() {
    let home = Home::with(ON).await;
    let (site, good) = (Site::new().await, Site::new().await);
    let browser = Browser::of(&home);
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut seen = Vec::new();
    for change in [
        json!({ "client_id": "https://app.example/client.json" }),
        json!({ "token_endpoint_auth_method": "client_secret_basic" }),
        json!({ "redirect_uris": ["https://evil.example/cb"] }),
    ] {
        site.says(&change);
        seen.push((site.url.clone(), change.to_string()));
        let (status, page) = browser.open(&site.app().asks(&[])).await.page();
        assert_eq!(status, StatusCode::BAD_REQUEST, "{change}: {page}");
        assert!(page.contains("leads to no description of an app"), "{page}");
    }
    assert_eq!(site.asked(), 3, "what went wrong is not kept");
    let timed = async |url: &str| {
        let began = Instant::now();
        let (status, page) = browser.open(&App::called(url, BACK).asks(&[])).await.page();
        (status, page.contains("leads to no description of an app"), began.elapsed())
    };
    let (closed, within) = (format!("http://{gone}/client.json"), "https://10.0.0.1/client.json");
    let (closed, within) = tokio::join!(timed(&closed), timed(within));
    for (status, told, took) in [closed, within] {
        assert_eq!((status, told), (StatusCode::BAD_REQUEST, true));
        assert!((Duration::from_secs(5)..Duration::from_secs(8)).contains(&took), "{took:?}");
    }
    let (status, _, took) = timed(&good.url).await;
    assert_eq!(status, StatusCode::OK, "control");
    assert!(took < Duration::from_secs(4), "{took:?}");
    // What is no address of a document is not called.
    for odd in [format!("{}#x", good.url), good.url.replace("http://", "http://u:p@"), home.node.url.clone() + "/a"] {
        let (status, told, _) = timed(&odd).await;
        assert_eq!((status, told), (StatusCode::BAD_REQUEST, false), "{odd}");
    }
    assert_eq!(good.asked(), 1);
}

#[tokio::test]
async fn one_network_makes_the_node_call_so_often_and_what_is_kept_goes_on() {
    let home = Home::with(ON).await;
    let (site, browser) = (Site::new().await, Browser::of(&home));
    let opened = async |url: &str| browser.open(&App::called(url, BACK).asks(&[])).await.page().0;
    assert_eq!(opened(&site.url).await, StatusCode::OK);
    let other = Site::new().await;
    let all = (0..20).map(|n| {
        let url = format!("{}?{n}", other.url);
        let browser = Browser::of(&home);
        async move { browser.open(&App::called(&url, BACK).asks(&[])).await.page().0 }
    });
    let told = futures::future::join_all(all).await;
    let busy = told.iter().filter(|status| **status == StatusCode::TOO_MANY_REQUESTS).count();
    assert_eq!((busy, other.asked()), (11, 9), "{told:?}");
    assert_eq!(opened(&site.url).await, StatusCode::OK, "control: what is kept is not called for");
    let (status, told) = posted(&home, "/oauth/par", &[("client_id", &format!("{}?x", other.url))]).await;
    assert_eq!((status, other.asked()), (429, 9), "{told}");
}

#[tokio::test]
async fn where_it_is_off_nothing_is_called_and_what_was_let_in_goes_on() {
    let home = Home::with(ON).await;
    let (site, browser) = (Site::new().await, Browser::of(&home));
    let (tokens, _) = signed_in(&home, &browser, &site.app(), &[]).await;
    assert_eq!(site.asked(), 1);
    let home = begun_again(home, "[http]\noutbound_allow = [\"127.0.0.0/8\"]\n").await;
    let metadata = home.alice.nobody().get("/.well-known/openid-configuration").await.unwrap().json;
    assert_eq!(metadata["client_id_metadata_document_supported"], false);
    let (status, page) = Browser::of(&home).open(&site.app().asks(&[])).await.page();
    assert_eq!(status, StatusCode::BAD_REQUEST, "{page}");
    assert!(page.contains("is not known to this node"), "{page}");
    let (status, _) = posted(&home, "/oauth/par", &[("client_id", &site.url)]).await;
    assert_eq!((status, site.asked()), (401, 1));
    assert_eq!(user_info(&home, tokens["access_token"].as_str().unwrap()).await.0, 200);
}
