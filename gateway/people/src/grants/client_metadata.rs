//! What an app says of itself in the words of OAuth (RFC 7591, 2), read into a [`Manifest`].
//!
//! Nobody here has looked at the app. What is not known is ignored, as the RFC has it; what is known and not offered is
//! refused where an app could not work without it, and else left out. None of it gives an app more than a manifest that
//! an operator registers.

use serde_json::{Map, Value, json};

use super::access::reads_as_line;
use super::manifest::Manifest;

/// The longest name, in letters.
const MAX_NAME_CHARACTERS: usize = 80;

/// Why what an app says of itself does not do, in the words of RFC 7591 (3.2.2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// `invalid_redirect_uri`
    #[error("{0}")]
    Redirect(String),
    /// `invalid_client_metadata`
    #[error("{0}")]
    Metadata(String),
}

impl MetadataError {
    /// The word of the RFC.
    pub fn code(&self) -> &'static str {
        match self {
            MetadataError::Redirect(_) => "invalid_redirect_uri",
            MetadataError::Metadata(_) => "invalid_client_metadata",
        }
    }

    pub(super) fn metadata(text: impl Into<String>) -> Self {
        MetadataError::Metadata(text.into())
    }
}

/// How an app proves itself at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenAuth {
    /// It does not: it holds no secret.
    None,
    /// By its secret, in the header or in the form.
    Secret(&'static str),
}

impl TokenAuth {
    /// One that is called so.
    pub fn of(word: &str) -> Option<TokenAuth> {
        let secrets = ["client_secret_basic", "client_secret_post"].into_iter();
        let mut all = std::iter::once(TokenAuth::None).chain(secrets.map(TokenAuth::Secret));
        all.find(|one| one.word() == word)
    }

    /// `token_endpoint_auth_method`.
    pub fn word(self) -> &'static str {
        match self {
            TokenAuth::None => "none",
            TokenAuth::Secret(word) => word,
        }
    }
}

/// The member, if it is there: `null` is as if it were not.
fn member<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).filter(|value| !value.is_null())
}

/// What the app says of how it proves itself; `None`: nothing.
///
/// # Errors
/// If it is a way that is not offered: one by keys, say.
pub fn token_auth(map: &Map<String, Value>) -> Result<Option<TokenAuth>, MetadataError> {
    let Some(said) = member(map, "token_endpoint_auth_method") else { return Ok(None) };
    let text = "`token_endpoint_auth_method` is none, client_secret_basic or client_secret_post.";
    said.as_str().and_then(TokenAuth::of).map(Some).ok_or_else(|| MetadataError::metadata(text))
}

/// The name that an app gives itself, if it does.
///
/// # Errors
/// If it is no line that reads as it is written.
pub fn client_name(map: &Map<String, Value>) -> Result<Option<String>, MetadataError> {
    let Some(said) = member(map, "client_name") else { return Ok(None) };
    let name = said.as_str().map(str::trim).filter(|name| reads_as_line(name, MAX_NAME_CHARACTERS));
    let name = name.ok_or_else(|| MetadataError::metadata("`client_name` is one line of at most 80 letters."))?;
    Ok(Some(name.to_owned()).filter(|name| !name.is_empty()))
}

/// The manifest of an app that is shown as `name`, from what it says of itself.
///
/// # Errors
/// As [`MetadataError`] says.
pub fn manifest_of(map: &Map<String, Value>, name: &str, auth: TokenAuth) -> Result<Manifest, MetadataError> {
    let has = |key: &str, needed: &str| match member(map, key) {
        None => Ok(()),
        Some(Value::Array(list)) if list.iter().any(|one| one == needed) => Ok(()),
        Some(_) => Err(MetadataError::metadata(format!("`{key}` is a list, and must have {needed}."))),
    };
    // Under which name an app knows people follows from where its answers go: one that counts on another would be wrong.
    if member(map, "sector_identifier_uri").is_some() {
        return Err(MetadataError::metadata(
            "No `sector_identifier_uri` is taken: the host of `redirect_uris` is the sector.",
        ));
    }
    has("response_types", "code")?;
    has("grant_types", "authorization_code")?;
    let uris = member(map, "redirect_uris").cloned().unwrap_or(Value::Null);
    let least = json!({ "name": "x", "redirect_uris": uris });
    Manifest::parse(&least).map_err(|error| MetadataError::Redirect(error.to_string()))?;
    let mut whole = json!({ "name": name, "redirect_uris": uris, "confidential": auth != TokenAuth::None });
    for key in [
        "access",
        "client_uri",
        "logo_uri",
        "post_logout_redirect_uris",
        "backchannel_logout_uri",
        "require_pushed_authorization_requests",
        "dpop_bound_access_tokens",
    ] {
        if let Some(said) = member(map, key) {
            whole[key] = said.clone();
        }
    }
    Manifest::parse(&whole).map_err(|error| MetadataError::metadata(error.to_string()))
}

/// What counts of an app, in the words that it says it in.
pub fn metadata_of(manifest: &Manifest, auth: TokenAuth) -> Value {
    let mut told = manifest.to_json();
    if let Some(map) = told.as_object_mut() {
        map.remove("name");
        map.remove("confidential");
        map.remove("devices");
    }
    told["client_name"] = json!(manifest.name);
    told["token_endpoint_auth_method"] = json!(auth.word());
    told["grant_types"] = json!(["authorization_code", "refresh_token"]);
    told["response_types"] = json!(["code"]);
    told["subject_type"] = json!("pairwise");
    told["id_token_signed_response_alg"] = json!("ES256");
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &Value) -> Result<Manifest, MetadataError> {
        manifest_of(value.as_object().unwrap(), "An App", TokenAuth::None)
    }

    #[test]
    fn what_is_known_is_read_what_is_not_is_ignored_and_nothing_widens() {
        let read_from = read(&json!({
            "redirect_uris": ["https://app.example/cb"], "grant_types": ["authorization_code", "implicit"],
            "response_types": ["code", "token"], "dpop_bound_access_tokens": true, "software_id": "x",
            "client_uri": null, "devices": true, "confidential": true, "scope": "everything", "name": "Another",
            "client_id": "mine", "jwks": {}, "access": [{ "type": "allod_doc", "datatypes": ["Contact"],
                "actions": ["read"], "fields": { "allow": ["name"] } }]
        }));
        let manifest = read_from.unwrap();
        assert_eq!((manifest.name.as_str(), manifest.access.len()), ("An App", 1));
        assert!(manifest.dpop_bound_access_tokens && !manifest.devices && !manifest.confidential);
    }

    #[test]
    fn what_an_app_could_not_work_with_is_refused_in_the_words_of_the_rfc() {
        let good = json!({ "redirect_uris": ["https://app.example/cb"] });
        read(&good).unwrap();
        for uris in
            [json!(null), json!([]), json!("https://app.example/cb"), json!(["http://app.example/"]), json!([1])]
        {
            let mut bad = good.clone();
            bad["redirect_uris"] = uris.clone();
            assert_eq!(read(&bad).unwrap_err().code(), "invalid_redirect_uri", "{uris}");
        }
        for (key, value) in [
            ("grant_types", json!(["implicit"])),
            ("grant_types", json!("authorization_code")),
            ("response_types", json!(["token"])),
            ("sector_identifier_uri", json!("https://app.example/sector.json")),
            ("access", json!([{ "type": "other" }])),
            ("client_uri", json!("javascript:alert(1)")),
            ("dpop_bound_access_tokens", json!("yes")),
            ("post_logout_redirect_uris", json!(["http://app.example/"])),
        ] {
            let mut bad = good.clone();
            bad[key] = value.clone();
            assert_eq!(read(&bad).unwrap_err().code(), "invalid_client_metadata", "{key}: {value}");
        }
    }

    #[test]
    fn a_name_reads_as_it_is_written_and_a_way_to_prove_oneself_is_one_that_is_offered() {
        let name = |name: Value| client_name(json!({ "client_name": name }).as_object().unwrap());
        assert_eq!(name(json!(" Sh\u{e9}lf ")).unwrap().as_deref(), Some("Sh\u{e9}lf"));
        assert_eq!(name(json!("")).unwrap(), None);
        for bad in [json!("a\u{202e}b"), json!("a\nb"), json!("x".repeat(81)), json!(7)] {
            assert!(name(bad.clone()).is_err(), "{bad}");
        }
        let auth = |said: Value| token_auth(json!({ "token_endpoint_auth_method": said }).as_object().unwrap());
        assert_eq!(auth(json!("none")).unwrap(), Some(TokenAuth::None));
        assert_eq!(auth(json!("client_secret_post")).unwrap().map(TokenAuth::word), Some("client_secret_post"));
        assert_eq!(auth(Value::Null).unwrap(), None);
        for bad in ["private_key_jwt", "client_secret_jwt", "tls_client_auth", ""] {
            assert!(auth(json!(bad)).is_err(), "{bad}");
        }
    }
}
