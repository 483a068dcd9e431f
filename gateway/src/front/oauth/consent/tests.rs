use actix_web::http::StatusCode;
use serde_json::json;

use super::super::tests::{Browser, Pairs, form, public_app, redirected, request, set, token};

#[actix_web::test]
async fn the_person_takes_away_what_they_like_but_not_what_is_needed() {
    let (node, client) = public_app().await;
    let browser = Browser::of(&node);
    let page = browser.consent(&request(&client)).await;
    let mut fields = form(&page.text);
    set(&mut fields, "decision", "allow");
    assert_eq!(fields.iter().filter(|(name, _)| name == "field-0").count(), 1);
    for (change, value) in [
        ("end-0", "P99D"),
        ("end-0", "none"),
        ("test-0-nothing", "_eq"),
        ("test-0-tag", "_in"),
        ("day-0", "2020-01-01"),
    ] {
        let mut odd = fields.clone();
        set(&mut odd, "value-0-tag", "family");
        set(&mut odd, change, value);
        assert_eq!(browser.post(&odd).await.status, StatusCode::BAD_REQUEST, "{change} {value}");
    }
    let needed: Pairs = fields.iter().filter(|(_, value)| value != "name").cloned().collect();
    let refused = browser.post(&needed).await;
    assert!(refused.status == StatusCode::BAD_REQUEST && refused.text.contains("needs name"), "{}", refused.text);
    assert!(node.records.lock().is_empty());
    let mut less: Pairs = fields.iter().filter(|(_, value)| value != "search").cloned().collect();
    set(&mut less, "end-0", "P1D");
    set(&mut less, "test-0-tag", "_eq");
    set(&mut less, "value-0-tag", "family");
    less.push(("verb-0".into(), "delete".into()));
    less.push(("field-0".into(), "notes".into()));
    let unseen = browser.post(&less).await;
    assert!(unseen.status == StatusCode::OK && unseen.text.contains("Look at it once more"), "{}", unseen.text);
    assert!(node.records.lock().is_empty(), "what no page said is not given");
    let code = redirected(&browser.allows(&less).await, "code").unwrap();
    let given = token(&node, &[("client_id", &client), ("code", &code)]).await.json();
    let given = &given["authorization_details"][0];
    assert_eq!(given["fields"]["allow"], json!(["name"]), "a field that was not asked for cannot be added");
    assert_eq!(given["actions"], json!(["read"]), "nor an action; and one may be left out");
    assert_eq!((&given["where"], &given["duration"]), (&json!({"tag": {"_eq": "family"}}), &json!("P1D")));
}

#[actix_web::test]
async fn what_was_typed_stays_when_a_form_comes_back() {
    let (node, client) = public_app().await;
    let browser = Browser::of(&node);
    let page = browser.get(&request(&client)).await;
    assert!(page.text.contains("required autofocus>\n<label for=\"password\""), "the name first: {}", page.text);
    let mut sign_in = form(&page.text);
    set(&mut sign_in, "user", "al\"ice");
    set(&mut sign_in, "password", "not her password");
    let wrong = browser.post(&sign_in).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(wrong.text.contains("value=\"al&quot;ice\"") && !wrong.text.contains("not her password"), "{}", wrong.text);
    assert!(wrong.text.contains("autofocus aria-invalid=\"true\" aria-describedby=\"wrong\""), "{}", wrong.text);
    let page = browser.consent(&request(&client)).await;
    let mut fields: Pairs = form(&page.text).into_iter().filter(|(_, value)| value != "search").collect();
    for (name, value) in [
        ("test-0-tag", "_neq"),
        ("value-0-tag", "<x>"),
        ("end-0", "P1D"),
        ("day-0", "2020-01-01"),
        ("decision", "allow"),
    ] {
        set(&mut fields, name, value);
    }
    fields.push(("field-0".into(), "phone".into()));
    let back = browser.post(&fields).await;
    assert_eq!(back.status, StatusCode::BAD_REQUEST, "{}", back.text);
    assert!(back.text.contains("<details open>") && back.text.contains("value=\"&lt;x&gt;\""), "{}", back.text);
    for kept in [
        "<option value=\"_neq\" selected>",
        "<option value=\"P1D\" selected>",
        "value=\"2020-01-01\" aria-describedby=\"day-0-help\" autofocus aria-invalid=\"true\"",
        "value=\"phone\" checked>",
        "value=\"read\" checked>",
        "value=\"search\">",
    ] {
        assert!(back.text.contains(kept), "{kept}: {}", back.text);
    }
    let mut again = form(&back.text);
    set(&mut again, "day-0", "");
    set(&mut again, "decision", "allow");
    let code = redirected(&browser.allows(&again).await, "code").expect("the form that came back works");
    let given = token(&node, &[("client_id", &client), ("code", &code)]).await.json();
    let given = &given["authorization_details"][0];
    assert_eq!((&given["fields"]["allow"], &given["actions"]), (&json!(["phone", "name"]), &json!(["read"])));
    assert_eq!((&given["where"], &given["duration"]), (&json!({"tag": {"_neq": "<x>"}}), &json!("P1D")));
}
