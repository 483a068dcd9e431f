//! A person's browser and an app, in the authorization code flow with PKCE (RFC 7636), through the
//! real forms: what a test submits is what the page offered.

use anyhow::{Context, Result, ensure};
use data_encoding::BASE64URL_NOPAD;
use rand::RngExt;
use reqwest::header::LOCATION;
use scraper::{Html, Selector};
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

/// A form as a page shows it: where it goes, and its fields with their present values. Check boxes
/// and radio buttons count only if they are ticked.
#[derive(Debug, Clone)]
pub struct ConsentForm {
    pub action: Url,
    pub fields: Vec<(String, String)>,
    /// Every control of the form, ticked or not: (type, name, value).
    pub controls: Vec<(String, String, String)>,
    pub html: String,
}

impl ConsentForm {
    /// Reads the form of `html` that holds a control named `holding`.
    pub fn read(page: &Url, html: &str, holding: &str) -> Result<Self> {
        let document = Html::parse_document(html);
        let forms = Selector::parse("form").map_err(|error| anyhow::anyhow!("{error}"))?;
        let inputs = Selector::parse("input, select, textarea, button").map_err(|error| anyhow::anyhow!("{error}"))?;
        for form in document.select(&forms) {
            let mut fields = Vec::new();
            let mut controls = Vec::new();
            for control in form.select(&inputs) {
                let Some(name) = control.attr("name") else { continue };
                let kind = if control.value().name() == "input" {
                    control.attr("type").unwrap_or("text")
                } else {
                    control.value().name()
                };
                let value = match kind {
                    "select" => {
                        let chosen = Selector::parse("option[selected]").map_err(|error| anyhow::anyhow!("{error}"))?;
                        let option = Selector::parse("option").map_err(|error| anyhow::anyhow!("{error}"))?;
                        let picked = control.select(&chosen).next().or_else(|| control.select(&option).next());
                        picked.and_then(|o| o.attr("value")).unwrap_or_default().to_owned()
                    }
                    "textarea" => control.text().collect(),
                    "checkbox" => control.attr("value").unwrap_or("on").to_owned(),
                    _ => control.attr("value").unwrap_or_default().to_owned(),
                };
                controls.push((kind.to_owned(), name.to_owned(), value.clone()));
                let counts = match kind {
                    "checkbox" | "radio" => control.attr("checked").is_some(),
                    "submit" | "button" => false,
                    _ => true,
                };
                if counts {
                    fields.push((name.to_owned(), value));
                }
            }
            if controls.iter().any(|(_, name, _)| name == holding) {
                let action = page.join(form.attr("action").unwrap_or(""))?;
                return Ok(ConsentForm { action, fields, controls, html: html.to_owned() });
            }
        }
        anyhow::bail!("no form with a control `{holding}` in {html}")
    }

    /// Sets a field, adding it if the form does not hold it.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.fields.iter_mut().find(|(n, _)| n == name) {
            Some((_, v)) => value.clone_into(v),
            None => self.fields.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Ticks all that the app asks for.
    pub fn tick_all(&mut self) {
        let boxes = self.controls.iter().filter(|(kind, name, _)| kind == "checkbox" && name.starts_with("field-"));
        for (_, name, value) in boxes.cloned().collect::<Vec<_>>() {
            if !self.fields.contains(&(name.clone(), value.clone())) {
                self.fields.push((name, value));
            }
        }
    }

    /// Unticks a check box.
    pub fn untick(&mut self, name: &str, value: &str) {
        self.fields.retain(|(n, v)| !(n == name && v == value));
    }
}

/// What an app holds after a consent.
#[derive(Debug, Clone)]
pub struct AppGrant {
    pub access_token: String,
    pub refresh_token: Option<String>,
    /// The whole token response.
    pub response: Value,
}

/// Goes through sign-in and consent as a browser would, and returns the code that the app's redirect
/// URI receives, with the PKCE verifier. `choose` changes the consent form before it is sent.
pub async fn authorize(
    base: &str,
    client_id: &str,
    redirect_uri: &str,
    access: &Value,
    user: (&str, &str),
    choose: impl FnOnce(&mut ConsentForm),
) -> Result<(String, String)> {
    let browser =
        reqwest::Client::builder().cookie_store(true).redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
    let verifier = BASE64URL_NOPAD.encode(&rand::rng().random::<[u8; 32]>());
    let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()));
    let state = BASE64URL_NOPAD.encode(&rand::rng().random::<[u8; 12]>());
    let mut url = Url::parse(&format!("{base}/oauth/authorize"))?;
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", client_id)
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("state", &state)
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256")
        .append_pair("authorization_details", &access.to_string());

    let (mut choose, mut allowed) = (Some(choose), false);
    // Sign-in and consent may each take a redirect and a form; eight steps are more than enough.
    let mut next = Step::Get(url);
    for _ in 0..8 {
        let (response, at) = match next {
            Step::Get(url) => (browser.get(url.clone()).send().await?, url),
            Step::Post(form) => {
                let origin = form.action.origin().ascii_serialization();
                let request = browser.post(form.action.clone()).header("origin", origin).form(&form.fields);
                (request.send().await?, form.action)
            }
        };
        if let Some(location) = response.headers().get(LOCATION) {
            let to = at.join(location.to_str()?)?;
            if to.as_str().starts_with(redirect_uri) {
                let pairs: std::collections::HashMap<_, _> = to.query_pairs().into_owned().collect();
                ensure!(pairs.get("state") == Some(&state), "the redirect does not carry our state: {to}");
                let code = pairs.get("code").with_context(|| format!("no code in {to}"))?;
                return Ok((code.clone(), verifier));
            }
            next = Step::Get(to);
            continue;
        }
        let status = response.status();
        let html = response.text().await?;
        ensure!(status.is_success(), "{at} answered {status}: {html}");
        next = if let Ok(mut form) = ConsentForm::read(&at, &html, "password") {
            form.set("user", user.0);
            form.set("password", user.1);
            Step::Post(form)
        } else {
            let mut form = ConsentForm::read(&at, &html, "decision")?;
            // Allowed is what the page shows: whoever chooses looks at it once more.
            let decision = if let Some(choose) = choose.take() {
                form.tick_all();
                choose(&mut form);
                "look"
            } else {
                ensure!(!std::mem::replace(&mut allowed, true), "asked for consent twice: {html}");
                "allow"
            };
            form.set("decision", decision);
            Step::Post(form)
        };
    }
    anyhow::bail!("no code after eight steps")
}

enum Step {
    Get(Url),
    Post(ConsentForm),
}

/// The app's side: the code becomes tokens.
pub async fn exchange(base: &str, client_id: &str, redirect_uri: &str, code: &str, verifier: &str) -> Result<AppGrant> {
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", client_id),
        ("redirect_uri", redirect_uri),
        ("code", code),
        ("code_verifier", verifier),
    ];
    let response =
        reqwest::Client::builder().no_proxy().build()?.post(format!("{base}/oauth/token")).form(&form).send().await?;
    let status = response.status();
    let body: Value = response.json().await?;
    ensure!(status.is_success(), "the token endpoint answered {status}: {body}");
    Ok(AppGrant {
        access_token: body["access_token"].as_str().context("no access_token")?.to_owned(),
        refresh_token: body["refresh_token"].as_str().map(str::to_owned),
        response: body,
    })
}
