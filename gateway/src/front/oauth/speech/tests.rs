use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::test::TestRequest;
use gateway_people::language::Language;
use gateway_people::realm::Realm as _;
use serde_json::json;

use super::super::page::escape;
use super::super::tests::{Pairs, form, pairs, posted, public_app, request, set};
use super::super::words::{self, Words};

use crate::node::fake::{Answer, Fake, PASSWORD, REDIRECT};

async fn german(node: &Arc<Fake>, request: TestRequest) -> Answer {
    node.call(request.insert_header(("accept-language", "de-DE,de;q=0.9,en;q=0.5"))).await
}

async fn shown(node: &Arc<Fake>, uri: &str) -> String {
    german(node, TestRequest::get().uri(uri)).await.text
}

async fn sent(node: &Arc<Fake>, path: &str, fields: &Pairs) -> String {
    german(node, posted(path, fields)).await.text
}

fn with(page: &str, changes: &[(&str, &str)]) -> Pairs {
    let mut fields = form(page);
    changes.iter().for_each(|(name, value)| set(&mut fields, name, value));
    fields
}

/// Every page, by what it is.
async fn pages() -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    let fresh = Fake::fresh().await;
    let link = fresh.directory().begin_setup(fresh.now()).await.unwrap().unwrap();
    let setup = format!("/setup?token={}", link.text());
    all.push(("before set-up", shown(&fresh, "/oauth/authorize?client_id=x").await));
    all.push(("set-up", shown(&fresh, &setup).await));
    let page = all[1].1.clone();
    let fill = |password: &'static str, again: &'static str, tenant: &'static str| {
        with(&page, &[("user", "alice"), ("tenant", tenant), ("password", password), ("password-again", again)])
    };
    all.push(("set-up, passwords differ", sent(&fresh, "/setup", &fill(PASSWORD, "another", "home")).await));
    all.push(("set-up, short password", sent(&fresh, "/setup", &fill("short", "short", "home")).await));
    all.push(("set-up, tenant unfit", sent(&fresh, "/setup", &fill(PASSWORD, PASSWORD, "A B")).await));
    all.push(("set up", sent(&fresh, "/setup", &fill(PASSWORD, PASSWORD, "home")).await));
    all.push(("set-up again", shown(&fresh, &setup).await));

    let (node, client) = public_app().await;
    let query = |pairs: &Pairs| super::super::tests::encode(pairs);
    let address = |pairs: &Pairs| format!("/oauth/authorize?{}", query(pairs));
    let sign_in = shown(&node, &address(&request(&client))).await;
    all.push(("sign-in", sign_in.clone()));
    let wrong = with(&sign_in, &[("user", "alice"), ("password", "wrong")]);
    all.push(("sign-in, wrong", sent(&node, "/oauth/authorize", &wrong).await));
    let right = with(&sign_in, &[("user", "alice"), ("password", PASSWORD)]);
    let consent = sent(&node, "/oauth/authorize", &right).await;
    all.push(("consent", consent.clone()));
    for (what, changes) in [
        ("consent, looked at", &[("all", "0")][..]),
        ("consent, no value", &[("decision", "allow"), ("test-0-tag", "_eq")]),
        ("consent, no such test", &[("decision", "allow"), ("test-0-tag", "_gt"), ("value-0-tag", "x")]),
        ("consent, no such field", &[("decision", "allow"), ("value-0-other", "x")]),
        ("consent, day over", &[("decision", "allow"), ("day-0", "2020-01-01")]),
        ("consent, day beyond", &[("decision", "allow"), ("day-0", "2090-01-01")]),
        ("consent, no day", &[("decision", "allow"), ("day-0", "tomorrow")]),
        ("consent, no end", &[("decision", "allow"), ("end-0", "P9Y")]),
        ("consent, stale", &[("decision", "allow"), ("proof", "x")]),
    ] {
        all.push((what, sent(&node, "/oauth/authorize", &with(&consent, changes)).await));
    }
    let unread: Pairs = form(&consent).into_iter().filter(|(_, value)| value != "read").collect();
    all.push((
        "consent, search without read",
        sent(&node, "/oauth/authorize", &[unread, pairs(&[("decision", "allow")])].concat()).await,
    ));
    let nothing: Pairs = form(&consent).into_iter().filter(|(name, _)| name != "verb-0").collect();
    all.push((
        "consent, no verb",
        sent(&node, "/oauth/authorize", &[nothing, pairs(&[("decision", "look")])].concat()).await,
    ));
    let foreign = posted("/oauth/authorize", &form(&consent)).insert_header(("origin", "https://evil.example"));
    all.push(("foreign", german(&node, foreign).await.text));
    for (what, name, value) in [
        ("unknown app", "client_id", "00000000000000000000000000000000"),
        ("unknown address", "redirect_uri", "https://evil.example/"),
    ] {
        let mut odd = request(&client);
        set(&mut odd, name, value);
        all.push((what, shown(&node, &address(&odd)).await));
    }
    let twice = [request(&client), pairs(&[("state", "again")])].concat();
    all.push(("malformed", shown(&node, &address(&twice)).await));
    let mut openid = request(&client);
    set(&mut openid, "scope", "openid profile");
    openid.retain(|(name, _)| name != "authorization_details");
    let page = shown(&node, &address(&openid)).await;
    let right = with(&page, &[("user", "alice"), ("password", PASSWORD)]);
    all.push(("who you are", sent(&node, "/oauth/authorize", &right).await));

    let missing = json!({"name": "Elsewhere", "redirect_uris": [REDIRECT], "access": [{"type": "allod_doc",
        "datatypes": ["Nowhere"], "actions": ["read"], "fields": {"allow": ["name"]}}]});
    let other = node.operator_post("/api/v1/apps", missing).await.json()["client_id"].as_str().unwrap().to_owned();
    let mut asked = request(&other);
    asked.retain(|(name, _)| name != "authorization_details");
    let page = shown(&node, &address(&asked)).await;
    let right = with(&page, &[("user", "alice"), ("password", PASSWORD)]);
    all.push(("nothing to share", sent(&node, "/oauth/authorize", &right).await));

    all.push(("device", shown(&node, "/oauth/device").await));
    all.push(("device, wrong", sent(&node, "/oauth/device", &pairs(&[("user_code", "BCDF-GHJK")])).await));
    all.push(("device by link", shown(&node, "/oauth/authorize?device=BCDF-GHJK&seen=x").await));
    node.operator_post("/api/v1/users", json!({"name": "bob", "password": "another long password"})).await;
    let invite = node.operator_post("/api/v1/users/bob/invite", json!({})).await.json();
    let invite = invite["link"].as_str().or(invite["url"].as_str()).unwrap_or_else(|| panic!("{invite}")).to_owned();
    let invite = invite[invite.find("/invite").unwrap()..].to_owned();
    let page = shown(&node, &invite).await;
    all.push(("invite", page.clone()));
    let fill = |password, again| with(&page, &[("password", password), ("password-again", again)]);
    all.push(("invite, differ", sent(&node, "/invite", &fill("one", "two")).await));
    all.push(("invite, short", sent(&node, "/invite", &fill("short", "short")).await));
    all.push(("invite, taken", sent(&node, "/invite", &fill(PASSWORD, PASSWORD)).await));
    all.push(("invite, spent", shown(&node, &invite).await));
    all.push(("signing out", shown(&node, "/oauth/logout").await));
    all.push(("signing out, whom", shown(&node, "/oauth/logout?post_logout_redirect_uri=x").await));
    all.push(("signing out, token", shown(&node, "/oauth/logout?id_token_hint=x").await));
    all
}

/// What each of them is called: what is not there is tested by nobody.
fn title(what: &str) -> String {
    let words = Words(Language::German);
    let title = match what {
        "before set-up" => words.not_set_up(),
        "set-up" | "set-up, passwords differ" | "set-up, short password" | "set-up, tenant unfit" => {
            words.set_up_your_node()
        }
        "set up" => words.welcome_home(),
        "set-up again" | "invite, spent" => words.no_such_link(),
        "sign-in" | "sign-in, wrong" => words.sign_in(),
        "consent, stale" => words.out_of_date(),
        "foreign" => words.refused(),
        "unknown app" | "unknown address" | "malformed" | "device by link" => words.link_does_not_work(),
        "who you are" => return words.asks_who_you_are("An <App>"),
        "nothing to share" => words.nothing_to_share(),
        "device" | "device, wrong" => words.let_device_in(),
        "invite" | "invite, differ" | "invite, short" => words.set_your_password(),
        "invite, taken" => words.welcome(),
        "signing out" => words.signing_out(),
        "signing out, whom" | "signing out, token" => words.link_does_not_work(),
        consent => {
            assert!(consent.starts_with("consent"), "{consent} is called nothing");
            return words.asks_for_access("An <App>");
        }
    };
    title.to_owned()
}

#[actix_web::test]
async fn no_page_shows_an_english_text_in_german() {
    let texts: Vec<_> = words::all().collect();
    for (what, page) in pages().await {
        assert!(page.contains("<html lang=\"de\">"), "{what}: {page}");
        assert!(page.contains(&format!("<h1>{}</h1>", escape(&title(what)))), "{what} is not {}: {page}", title(what));
        let page = page.replace("autocapitalize=\"characters\"", "");
        // What people typed, and what code says, is nobody's translation.
        for (name, english, german) in &texts {
            let parts = english.split(['{', '}']).step_by(2).map(str::trim).filter(|part| part.len() > 8);
            for part in parts.filter(|part| !german.contains(part)) {
                let part = part.replace('\'', "&#39;");
                let also = texts.iter().any(|(_, _, german)| german.contains(&part));
                assert!(also || !page.contains(&part), "{what} says {name} in English: {page}");
            }
        }
    }
}

#[actix_web::test]
async fn the_choice_of_a_language_is_remembered_and_keeps_what_was_chosen() {
    let (node, client) = public_app().await;
    let address = format!("/oauth/authorize?{}", super::super::tests::encode(&request(&client)));
    let english = node.call(TestRequest::get().uri(&address)).await;
    assert!(english.text.contains("<html lang=\"en\">") && english.cookies().is_empty(), "{}", english.text);
    let link = english.text.split("<a href=\"").find(|rest| rest.contains("hreflang=\"de\"")).unwrap();
    let link = link.split('"').next().unwrap().replace("&amp;", "&");
    assert!(link.starts_with("/oauth/authorize?") && link.ends_with("&lang=de"), "{link}");
    let german = node.call(TestRequest::get().uri(&link).insert_header(("sec-fetch-site", "same-origin"))).await;
    assert!(german.text.contains("<html lang=\"de\">"), "{}", german.text);
    assert_eq!(german.cookies(), ["allod-language=de"]);
    // A link from elsewhere chooses for its page and for what its form leads to, and is remembered by nobody.
    for site in ["cross-site", "same-site", "none", ""] {
        let german = node.call(TestRequest::get().uri(&link).insert_header(("sec-fetch-site", site))).await;
        assert!(german.text.contains("<html lang=\"de\">") && german.cookies().is_empty(), "{site}: {}", german.text);
        let mut sign_in = form(&german.text);
        set(&mut sign_in, "user", "alice");
        set(&mut sign_in, "password", PASSWORD);
        let consent = node.call(posted("/oauth/authorize", &sign_in)).await;
        assert!(consent.text.contains("<html lang=\"de\">"), "{site}: {}", consent.text);
        let mut look = form(&consent.text);
        set(&mut look, "decision", "look");
        let looked = posted("/oauth/authorize", &look).insert_header(("accept-language", "en"));
        assert!(node.call(looked).await.text.contains("<html lang=\"de\">"), "{site}");
    }
    let by_cookie = || ("cookie", "x=1; allod-language=de; y=2");
    let again = node.call(TestRequest::get().uri(&address).insert_header(by_cookie())).await;
    assert!(again.text.contains("<html lang=\"de\">") && again.cookies().is_empty());
    let odd = TestRequest::get().uri(&address).insert_header(("cookie", "allod-language=<x>"));
    assert!(node.call(odd).await.text.contains("<html lang=\"en\">"));
    // By a form: the page comes back as it was filled in, and nothing is decided or tried.
    let sign_in = form(&again.text);
    let named = |mut fields: Pairs| {
        set(&mut fields, "user", "alice");
        set(&mut fields, "lang", "en");
        fields
    };
    let other = node.call(posted("/oauth/authorize", &named(sign_in.clone())).insert_header(by_cookie())).await;
    assert_eq!((other.status, other.cookies()), (StatusCode::OK, vec!["allod-language=en".to_owned()]));
    assert!(other.text.contains("<html lang=\"en\">") && other.text.contains("value=\"alice\""), "{}", other.text);
    let mut right = form(&other.text);
    set(&mut right, "password", PASSWORD);
    let consent = node.call(posted("/oauth/authorize", &right)).await;
    assert!(consent.text.contains("name=\"lang\" value=\"de\""), "{}", consent.text);
    let mut fields = form(&consent.text);
    set(&mut fields, "value-0-tag", "kept");
    set(&mut fields, "lang", "de");
    let consent = node.call(posted("/oauth/authorize", &fields)).await;
    assert!(consent.text.contains("<html lang=\"de\">") && consent.text.contains("value=\"kept\""), "{}", consent.text);
    assert!(node.records.lock().is_empty());
    // What an app wishes counts where the person chose nothing.
    let wished =
        TestRequest::get().uri(&format!("{address}&ui_locales=fr+de-AT")).insert_header(("accept-language", "en"));
    assert!(node.call(wished).await.text.contains("<html lang=\"de\">"));
    // So it does where the app sent its request here itself.
    let mut pushed = request(&client);
    set(&mut pushed, "ui_locales", "fr de-AT");
    let pushed = node.call(posted("/oauth/par", &pushed)).await.json();
    let query = super::super::tests::encode(&pairs(&[
        ("client_id", &client),
        ("request_uri", pushed["request_uri"].as_str().unwrap_or_else(|| panic!("{pushed}"))),
    ]));
    let address = format!("/oauth/authorize?{query}");
    assert!(node.call(TestRequest::get().uri(&address)).await.text.contains("<html lang=\"de\">"));
    let chose = TestRequest::get().uri(&address).insert_header(("cookie", "allod-language=en"));
    assert!(node.call(chose).await.text.contains("<html lang=\"en\">"), "whoever chose is not asked anew");
}
