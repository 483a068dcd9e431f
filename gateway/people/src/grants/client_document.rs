//! An app whose `client_id` is the address of a document that describes it (OAuth Client ID Metadata Document,
//! draft-ietf-oauth-client-id-metadata-document).
//!
//! Who an app is, is the host of that address: whoever may put a document there, and nobody else. So that is its name here;
//! what it calls itself stands beside it, and its answers go to the same host, or to the machine of its person.

use policy_core::ClientId;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use url::Url;

use super::access::reads_once;
use super::client_metadata::{MetadataError, TokenAuth, client_name, manifest_of, token_auth};
use super::manifest::Manifest;

/// The longest address, in bytes.
pub const MAX_ADDRESS_BYTES: usize = 512;

/// The address of a document that describes an app. Written in the one way in which addresses are compared: letter by letter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DocumentUrl(Url);

impl DocumentUrl {
    /// Reads a `client_id`; `None` if it is no such address. Plain http is for what the operator lets the node call in clear
    /// (`http.outbound_allow`), and refused elsewhere where it is called.
    pub fn parse(text: &str) -> Option<DocumentUrl> {
        if text.len() > MAX_ADDRESS_BYTES {
            return None;
        }
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http"))?;
        let bare = url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
        // Segments of dots, upper case, default ports and odd spellings of numbers would read otherwise once they are parsed.
        let as_written = url.as_str() == text;
        (bare && as_written && url.has_host()).then_some(DocumentUrl(url))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The host, and the port if it is not the usual one: who the app is. Names beyond ASCII stand in their ASCII form, in which
    /// none looks like another.
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The host alone: what is called is one server, whatever the port.
    pub fn server(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// What the app is called inside: the same each time, also after it was removed. Nothing leads to a registered app's.
    pub fn client(&self) -> ClientId {
        let digest = Sha256::new().chain_update(b"allod client document\0").chain_update(self.as_str()).finalize();
        ClientId::from_bytes(std::array::from_fn(|at| digest[at]))
    }

    /// Whether an address is of the host of this one.
    fn is_beside(&self, uri: &Url) -> bool {
        uri.scheme() == self.0.scheme() && uri.host() == self.0.host() && uri.port() == self.0.port()
    }

    /// Whether codes may go there: to the host itself, to the machine of the person, or to a scheme that is the name of the
    /// host read backwards (RFC 8252, 7.1), or continues it.
    fn may_send_to(&self, uri: &str) -> bool {
        let Ok(uri) = Url::parse(uri) else { return false };
        match uri.scheme() {
            "http" if matches!(uri.host_str(), Some("127.0.0.1" | "[::1]" | "localhost")) => true,
            "http" | "https" => self.is_beside(&uri),
            own => {
                let Some(name) = self.0.domain().filter(|name| name.contains('.')) else { return false };
                let backwards = name.rsplit('.').collect::<Vec<_>>().join(".");
                own.strip_prefix(&backwards).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            }
        }
    }
}

/// What a document says.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientDocument {
    /// Its name is the host of the address.
    pub manifest: Manifest,
    /// What the app calls itself.
    pub calls_itself: Option<String>,
}

impl ClientDocument {
    /// Reads the document at `url`.
    ///
    /// # Errors
    /// Why it describes no app.
    pub fn read(url: &DocumentUrl, text: &str) -> Result<ClientDocument, MetadataError> {
        let wrong = MetadataError::metadata;
        if !reads_once(text) {
            return Err(wrong("the document is not JSON, or a key occurs twice in one object"));
        }
        let value = serde_json::from_str(text).map_err(|_| wrong("the document is not JSON"))?;
        let Value::Object(map) = value else { return Err(wrong("the document is no JSON object")) };
        if map.get("client_id").and_then(Value::as_str) != Some(url.as_str()) {
            return Err(wrong("`client_id` in the document is not the address of the document"));
        }
        // Nothing is shared with whoever the document is of.
        if ["client_secret", "client_secret_expires_at"].iter().any(|key| map.contains_key(*key)) {
            return Err(wrong("the document holds a secret, which everybody can read"));
        }
        if !matches!(token_auth(&map)?, None | Some(TokenAuth::None)) {
            return Err(wrong("`token_endpoint_auth_method` in a document is `none`"));
        }
        let calls_itself = client_name(&map)?;
        let manifest = manifest_of(&within(&map, url)?, &url.host(), TokenAuth::None)?;
        if let Some(uri) = manifest.redirect_uris.iter().find(|uri| !url.may_send_to(uri)) {
            return Err(MetadataError::Redirect(format!(
                "{uri} is neither of the document's host nor of this machine"
            )));
        }
        Ok(ClientDocument { manifest, calls_itself })
    }
}

/// The document, without links to elsewhere, and refused where the node itself would call elsewhere.
fn within(map: &Map<String, Value>, url: &DocumentUrl) -> Result<Map<String, Value>, MetadataError> {
    let beside = |value: &Value| {
        let uri = value.as_str().and_then(|text| Url::parse(text).ok());
        uri.is_some_and(|uri| url.is_beside(&uri))
    };
    let mut map = map.clone();
    for key in ["client_uri", "logo_uri"] {
        if map.get(key).is_some_and(|value| !beside(value)) {
            map.remove(key);
        }
    }
    if map.get("backchannel_logout_uri").is_some_and(|value| !value.is_null() && !beside(value)) {
        return Err(MetadataError::metadata("`backchannel_logout_uri` is not of the document's host"));
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AT: &str = "https://app.example/client.json";

    #[test]
    fn an_address_is_written_in_one_way_and_names_one_app() {
        for good in [
            AT,
            "https://app.example/",
            "https://app.example:8443/a/b.json?v=1",
            "http://127.0.0.1:9000/client.json",
            "https://xn--bcher-kva.example/app",
        ] {
            assert_eq!(DocumentUrl::parse(good).expect(good).as_str(), good);
        }
        let long = format!("https://app.example/{}", "a".repeat(MAX_ADDRESS_BYTES));
        for bad in [
            "https://app.example",
            "https://APP.example/client.json",
            "https://app.example:443/client.json",
            "https://app.example/./client.json",
            "https://app.example/a/../client.json",
            "https://app.example/a/%2e%2e/client.json",
            "https://app.example/client.json#x",
            "https://u@app.example/client.json",
            "https://u:p@app.example/client.json",
            "https://b\u{fc}cher.example/app",
            "https://0x7f.1/client.json",
            "https://app.example\\client.json",
            " https://app.example/client.json",
            "https://app.example/cli\tent.json",
            "ftp://app.example/client.json",
            "https:///client.json",
            "00112233445566778899aabbccddeeff",
            "",
            long.as_str(),
        ] {
            assert_eq!(DocumentUrl::parse(bad), None, "{bad}");
        }
        let client = |text: &str| DocumentUrl::parse(text).unwrap().client();
        assert_eq!(client(AT), client(AT));
        assert_ne!(client(AT), client("https://app.example/client.jsoN"));
        assert_eq!(DocumentUrl::parse("https://app.example:8443/").unwrap().host(), "app.example:8443");
    }

    fn read(change: &Value) -> Result<ClientDocument, MetadataError> {
        let mut document =
            json!({ "client_id": AT, "client_name": "Shelf", "redirect_uris": ["https://app.example/cb"] });
        for (key, value) in change.as_object().unwrap() {
            document[key] = value.clone();
        }
        ClientDocument::read(&DocumentUrl::parse(AT).unwrap(), &document.to_string())
    }

    #[test]
    fn an_app_is_called_by_its_host_and_nothing_in_its_document_leads_elsewhere() {
        let read_from =
            read(&json!({ "client_uri": "https://bank.example/", "logo_uri": "https://app.example/logo.png",
            "token_endpoint_auth_method": "none", "devices": true, "dpop_bound_access_tokens": true }));
        let document = read_from.unwrap();
        assert_eq!((document.manifest.name.as_str(), document.calls_itself.as_deref()), ("app.example", Some("Shelf")));
        assert_eq!(document.manifest.client_uri, None);
        assert_eq!(document.manifest.logo_uri.as_deref(), Some("https://app.example/logo.png"));
        assert!(document.manifest.dpop_bound_access_tokens && !document.manifest.devices);
        for uris in [
            json!(["http://127.0.0.1/cb"]),
            json!(["http://[::1]:9/cb", "http://localhost:9/cb"]),
            json!(["example.app:/cb", "example.app.ios:/cb"]),
        ] {
            read(&json!({ "redirect_uris": uris })).unwrap();
        }
        for bad in [
            json!({ "redirect_uris": ["https://evil.example/cb"] }),
            json!({ "redirect_uris": ["https://app.example/cb", "https://app.example.evil.example/cb"] }),
            json!({ "redirect_uris": ["https://app.example:8443/cb"] }),
            json!({ "redirect_uris": ["example.apple:/cb"] }),
            json!({ "redirect_uris": ["com.bank:/cb"] }),
            json!({ "client_id": "https://app.example/client.json?" }),
            json!({ "client_id": null }),
            json!({ "client_secret": "s" }),
            json!({ "client_secret_expires_at": 0 }),
            json!({ "token_endpoint_auth_method": "client_secret_basic" }),
            json!({ "token_endpoint_auth_method": "private_key_jwt" }),
            json!({ "backchannel_logout_uri": "https://victim.example/" }),
            json!({ "client_name": "a\u{202e}b" }),
        ] {
            assert!(read(&bad).is_err(), "{bad}");
        }
        let url = DocumentUrl::parse(AT).unwrap();
        for text in ["", "[]", "{", "{\"client_id\":1,\"client_id\":2}"] {
            assert!(ClientDocument::read(&url, text).is_err(), "{text}");
        }
    }
}
