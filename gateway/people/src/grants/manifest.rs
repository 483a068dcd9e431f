//! What an app says of itself when it is registered.

use serde_json::{Map, Value, json};
use url::Url;

use super::access::{Access, AccessError, AskedCondition, fewer, parse_value};

/// A registered app: the most it may ever be granted, and where codes may be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    pub name: String,
    /// What a request names is compared with these by [`Manifest::may_return_to`].
    pub redirect_uris: Vec<String>,
    pub access: Vec<Access>,
    /// Whether the app can keep a secret.
    pub confidential: bool,
    pub client_uri: Option<String>,
    pub logo_uri: Option<String>,
    /// Where people may go after they signed out.
    pub post_logout_redirect_uris: Vec<String>,
    /// Where the app is told that somebody signed out.
    pub backchannel_logout_uri: Option<String>,
    /// Whether it sends its requests here itself, before it sends anybody (RFC 9126).
    pub require_pushed_authorization_requests: bool,
    /// Whether devices without a browser may ask in its name (RFC 8628).
    pub devices: bool,
    /// Whether it gets tokens by the proof of a key alone, whose holder alone may send them (RFC 9449, 5.2).
    pub dpop_bound_access_tokens: bool,
}

const KEYS: [&str; 11] = [
    "name",
    "redirect_uris",
    "access",
    "confidential",
    "client_uri",
    "logo_uri",
    "post_logout_redirect_uris",
    "backchannel_logout_uri",
    "require_pushed_authorization_requests",
    "devices",
    "dpop_bound_access_tokens",
];

impl Manifest {
    /// Reads a manifest. The caller has seen to doubled keys (see [`super::reads_once`]).
    pub fn parse(value: &Value) -> Result<Manifest, AccessError> {
        let map = value.as_object().ok_or_else(|| AccessError::malformed("A manifest is a JSON object."))?;
        if let Some(key) = map.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(AccessError::UnsupportedKey(key.chars().take(64).collect()));
        }
        let name = map.get("name").and_then(Value::as_str).map(str::trim).unwrap_or_default();
        if name.is_empty() || name.chars().count() > 80 || name.chars().any(char::is_control) {
            return Err(AccessError::malformed("`name` must be one line of 1 to 80 characters."));
        }
        let uris = map.get("redirect_uris").and_then(Value::as_array).filter(|list| (1..=16).contains(&list.len()));
        let uris =
            uris.ok_or_else(|| AccessError::malformed("`redirect_uris` must be a list of 1 to 16 addresses."))?;
        let redirect_uris = uris.iter().map(redirect_uri).collect::<Result<_, _>>()?;
        // An app that only signs people in asks for no data.
        let access = match map.get("access") {
            None | Some(Value::Null) => Vec::new(),
            Some(access) => parse_value(access)?,
        };
        let after = match map.get("post_logout_redirect_uris") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(list)) if list.len() <= 16 => list.iter().map(redirect_uri).collect::<Result<_, _>>()?,
            Some(_) => {
                return Err(AccessError::malformed(
                    "`post_logout_redirect_uris` must be a list of at most 16 addresses.",
                ));
            }
        };
        let pushed = yes(map, "require_pushed_authorization_requests")?;
        let devices = yes(map, "devices")?;
        if pushed && devices {
            // What a device asks is not pushed.
            return Err(AccessError::malformed(
                "`devices` and `require_pushed_authorization_requests` exclude each other: register two apps.",
            ));
        }
        Ok(Manifest {
            name: name.to_owned(),
            redirect_uris,
            access,
            confidential: yes(map, "confidential")?,
            client_uri: web_uri(map, "client_uri")?,
            logo_uri: web_uri(map, "logo_uri")?,
            post_logout_redirect_uris: after,
            backchannel_logout_uri: web_uri(map, "backchannel_logout_uri")?,
            require_pushed_authorization_requests: pushed,
            devices,
            dpop_bound_access_tokens: yes(map, "dpop_bound_access_tokens")?,
        })
    }

    /// The manifest as JSON, as [`Manifest::parse`] reads it.
    pub fn to_json(&self) -> Value {
        let mut out = json!({
            "name": self.name, "redirect_uris": self.redirect_uris, "confidential": self.confidential
        });
        if !self.access.is_empty() {
            out["access"] = self.access.iter().map(Access::to_json).collect();
        }
        if !self.post_logout_redirect_uris.is_empty() {
            out["post_logout_redirect_uris"] = json!(self.post_logout_redirect_uris);
        }
        if self.require_pushed_authorization_requests {
            out["require_pushed_authorization_requests"] = json!(true);
        }
        if self.devices {
            out["devices"] = json!(true);
        }
        if self.dpop_bound_access_tokens {
            out["dpop_bound_access_tokens"] = json!(true);
        }
        let uris = [
            ("client_uri", &self.client_uri),
            ("logo_uri", &self.logo_uri),
            ("backchannel_logout_uri", &self.backchannel_logout_uri),
        ];
        for (key, uri) in uris {
            if let Some(uri) = uri {
                out[key] = json!(uri);
            }
        }
        out
    }

    /// Whether codes may be sent to `uri`: one that is registered, byte for byte, but for the port of an address of
    /// this machine by number, which an app may only know when it runs (RFC 8252, section 7.3).
    pub fn may_return_to(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|known| {
            known == uri || without_port(known).is_some_and(|registered| without_port(uri) == Some(registered))
        })
    }

    /// What is asked, held within this manifest: each element lies in one element of `access`, holds its required fields,
    /// has conditions on no field that this does not name, and inherits what the manifest fixes (conditions, purpose,
    /// duration, space).
    pub fn narrow(&self, asked: &[Access]) -> Result<Vec<Access>, AccessError> {
        asked.iter().map(|one| self.narrow_one(one)).collect()
    }

    fn narrow_one(&self, asked: &Access) -> Result<Access, AccessError> {
        let mut refusal = None;
        for stated in &self.access {
            match within(asked, stated) {
                Ok(narrowed) => return Ok(narrowed),
                Err(reason) => refusal = refusal.or(Some(reason)),
            }
        }
        let reason = refusal.unwrap_or("The manifest of the app states no access.");
        Err(AccessError::OutsideManifest(reason.to_owned()))
    }
}

fn within(asked: &Access, stated: &Access) -> Result<Access, &'static str> {
    let inside = |few: &[String], many: &[String]| few.iter().all(|name| many.contains(name));
    if !inside(&asked.datatypes, &stated.datatypes) {
        return Err("The access names a type that the app's manifest does not.");
    }
    if !stated.verbs.covers(asked.verbs) {
        return Err("The access names an action that the app's manifest does not.");
    }
    if !inside(&asked.allow, &stated.allow) {
        return Err("The access names a field that the app's manifest does not.");
    }
    // A condition asks about a field, and is answered by what is granted: it names what the app may ask for anyway. Before
    // anything is looked up, so that no answer tells which other fields there are, or of what type.
    let known =
        |field: &String| stated.allow.contains(field) || stated.conditions.iter().any(|one| one.field == *field);
    if !asked.conditions.iter().all(|one| known(&one.field)) {
        return Err("The access has a condition on a field that the app's manifest does not name.");
    }
    if !inside(&stated.required, &asked.allow) {
        return Err("The access leaves out a field that the app's manifest requires.");
    }
    if stated.space.is_some() && asked.space.is_some() && stated.space != asked.space {
        return Err("The access names another space than the app's manifest.");
    }
    let duration = match (stated.duration, asked.duration) {
        (Some(most), Some(wanted)) => {
            // Months have no fixed length: the two are compared from one day.
            let start = policy_core::Timestamp(0);
            if wanted.after(start) > most.after(start) {
                return Err("The access lasts longer than the app's manifest says.");
            }
            Some(wanted)
        }
        (most, wanted) => wanted.or(most),
    };
    if stated.purpose.is_some() && asked.purpose.is_some() && stated.purpose != asked.purpose {
        return Err("The access gives another purpose than the app's manifest.");
    }
    let documents = match (&stated.documents, &asked.documents) {
        (Some(stated), Some(asked)) if !asked.iter().all(|id| stated.contains(id)) => {
            return Err("The access names a document that the app's manifest does not.");
        }
        (stated, asked) => asked.as_ref().or(stated.as_ref()).cloned(),
    };
    if let (Some(most), Some(wanted)) = (stated.rows_per_day, asked.rows_per_day)
        && wanted > most
    {
        return Err("The access asks for more rows a day than the app's manifest says.");
    }
    let mut conditions: Vec<AskedCondition> = stated.conditions.clone();
    conditions.extend(asked.conditions.iter().filter(|one| !stated.conditions.contains(one)).cloned());
    let mut required = asked.required.clone();
    required.extend(stated.required.iter().filter(|name| !asked.required.contains(name)).cloned());
    Ok(Access {
        space: asked.space.or(stated.space),
        datatypes: asked.datatypes.clone(),
        verbs: asked.verbs,
        allow: asked.allow.clone(),
        required,
        conditions,
        documents,
        rows_per_day: fewer(stated.rows_per_day, asked.rows_per_day),
        purpose: asked.purpose.clone().or_else(|| stated.purpose.clone()),
        duration,
    })
}

/// An `http` address of this machine by number, as its host and what follows the port; `None` for any other.
fn without_port(uri: &str) -> Option<(&str, &str)> {
    let host = ["http://127.0.0.1", "http://[::1]"].into_iter().find(|host| uri.starts_with(host))?;
    let rest = &uri[host.len()..];
    let rest = match rest.strip_prefix(':') {
        None => rest,
        Some(rest) => {
            let path = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            rest[..path].parse::<u16>().ok().filter(|port| *port != 0)?;
            &rest[path..]
        }
    };
    // Anything else here would belong to another host, or to a user's name.
    let ends = rest.is_empty() || rest.starts_with('/') || rest.starts_with('?');
    ends.then_some((host, rest))
}

/// Web addresses need TLS but on this machine; an app of a phone or desktop may own a scheme, which
/// then holds a dot (RFC 8252).
fn redirect_uri(value: &Value) -> Result<String, AccessError> {
    let fail = || {
        AccessError::malformed(
            "A redirect address must be https, http on 127.0.0.1, [::1] or localhost, or a scheme with a dot in it, without fragment, user and wildcard.",
        )
    };
    let text = value.as_str().filter(|text| text.len() <= 1_024).ok_or_else(fail)?;
    let plain =
        text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'*' | b'\\' | b'"' | b'<' | b'>' | b';' | b','));
    let uri = Url::parse(text).map_err(|_| fail())?;
    let fits = match uri.scheme() {
        "https" => uri.host_str().is_some(),
        "http" => matches!(uri.host_str(), Some("127.0.0.1" | "[::1]" | "localhost")),
        own => own.contains('.'),
    };
    let bare = uri.fragment().is_none() && uri.username().is_empty() && uri.password().is_none();
    if plain && fits && bare { Ok(text.to_owned()) } else { Err(fail()) }
}

fn yes(map: &Map<String, Value>, key: &str) -> Result<bool, AccessError> {
    match map.get(key) {
        None => Ok(false),
        Some(Value::Bool(yes)) => Ok(*yes),
        Some(_) => Err(AccessError::malformed(format!("`{key}` must be true or false."))),
    }
}

fn web_uri(map: &Map<String, Value>, key: &str) -> Result<Option<String>, AccessError> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let text = value.as_str().filter(|text| text.len() <= 1_024);
            let uri =
                text.and_then(|text| Url::parse(text).ok()).filter(|uri| matches!(uri.scheme(), "https" | "http"));
            match uri {
                Some(uri) => Ok(Some(uri.into())),
                None => Err(AccessError::malformed(format!("`{key}` must be a web address."))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(extra: Value) -> Value {
        let mut value = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read"],
            "fields": {"allow": ["name", "phone"], "required": ["name"]}});
        for (key, extra) in extra.as_object().unwrap() {
            value[key] = extra.clone();
        }
        value
    }

    fn manifest(extra: Value) -> Manifest {
        let uris = ["https://app.example/cb", "http://127.0.0.1:9/cb", "org.example.app:/cb"];
        Manifest::parse(&json!({"name": "App", "redirect_uris": uris, "access": [access(extra)]})).unwrap()
    }

    #[test]
    fn manifests_read_and_write() {
        let manifest = manifest(json!({"duration": "P30D", "where": {"tag": {"_eq": "family"}}}));
        assert_eq!(Manifest::parse(&manifest.to_json()).unwrap(), manifest);
        let signs_in = json!({"name": "App", "redirect_uris": ["https://a.example/"], "post_logout_redirect_uris": ["https://a.example/out"],
            "backchannel_logout_uri": "https://a.example/hears", "require_pushed_authorization_requests": true});
        let signs_in = Manifest::parse(&signs_in).unwrap();
        assert!(signs_in.access.is_empty() && signs_in.require_pushed_authorization_requests);
        assert_eq!(Manifest::parse(&signs_in.to_json()).unwrap(), signs_in);
        let mut devices = json!({"name": "App", "redirect_uris": ["https://a.example/"], "devices": true,
            "dpop_bound_access_tokens": true});
        let read = Manifest::parse(&devices).unwrap();
        assert!(read.devices && !signs_in.devices);
        assert!(read.dpop_bound_access_tokens && !signs_in.dpop_bound_access_tokens);
        assert_eq!(Manifest::parse(&read.to_json()).unwrap(), read);
        devices["require_pushed_authorization_requests"] = json!(true);
        assert!(Manifest::parse(&devices).is_err(), "a device would go round it");
        for uri in [
            "http://app.example/cb",
            "https://app.example/cb#x",
            "https://u@app.example/",
            "https://*.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "myapp:/cb",
            "/cb",
            "",
        ] {
            let value = json!({"name": "App", "redirect_uris": [uri], "access": [access(json!({}))]});
            assert!(Manifest::parse(&value).is_err(), "{uri}");
        }
        let odd = json!({"name": "App", "redirect_uris": ["https://a.example/"], "access": [access(json!({}))], "scope": "*"});
        assert_eq!(Manifest::parse(&odd).unwrap_err().code(), "grant_key_unsupported");
    }

    #[test]
    fn only_the_port_of_a_loopback_address_by_number_may_differ() {
        let uris = ["https://app.example/cb", "http://127.0.0.1:9/cb?a=1", "http://[::1]/cb", "http://localhost:9/cb"];
        let value = json!({"name": "App", "redirect_uris": uris, "access": [access(json!({}))]});
        let manifest = Manifest::parse(&value).unwrap();
        for good in [
            "https://app.example/cb",
            "http://127.0.0.1:9/cb?a=1",
            "http://127.0.0.1:51004/cb?a=1",
            "http://127.0.0.1/cb?a=1",
            "http://[::1]:1/cb",
            "http://[::1]/cb",
            "http://localhost:9/cb",
        ] {
            assert!(manifest.may_return_to(good), "{good}");
        }
        for bad in [
            "https://app.example:8443/cb",
            "http://localhost:10/cb",
            "http://127.0.0.1:10/cb",
            "http://127.0.0.1:10/cb?a=2",
            "http://127.0.0.1:10/cb?a=1&b=2",
            "http://127.0.0.1:10/cb?a=1#x",
            "http://127.0.0.1:10/CB?a=1",
            "http://127.0.0.1:10/x/../cb?a=1",
            "http://127.0.0.1:0/cb?a=1",
            "http://127.0.0.1:65536/cb?a=1",
            "http://127.0.0.1:/cb?a=1",
            "http://127.0.0.1:+9/cb?a=1",
            "http://127.0.0.1:9@evil.example/cb?a=1",
            "http://127.0.0.1.evil.example/cb?a=1",
            "http://127.0.0.11:9/cb?a=1",
            "http://127.0.0.2:9/cb?a=1",
            "http://127.1:9/cb?a=1",
            "http://[::1]:10/cb?a=1",
            "http://[0:0:0:0:0:0:0:1]:10/cb",
            "https://127.0.0.1:10/cb?a=1",
            "HTTP://127.0.0.1:10/cb?a=1",
            "",
        ] {
            assert!(!manifest.may_return_to(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_asked_stays_within_and_inherits() {
        let manifest =
            manifest(json!({"duration": "P30D", "purpose": "To call.", "where": {"tag": {"_eq": "family"}}}));
        let narrow = |extra: Value| manifest.narrow(&parse_value(&access(extra)).unwrap());
        let plain = narrow(json!({})).unwrap().remove(0);
        assert_eq!(plain, manifest.access[0]);
        let less =
            narrow(json!({"duration": "P1D", "where": {"phone": {"_gt": 1}}, "fields": {"allow": ["name"]}})).unwrap();
        assert_eq!((less[0].conditions.len(), less[0].required.as_slice()), (2, &["name".to_owned()][..]));
        let closer = narrow(json!({"where": {"tag": {"_neq": "x"}, "name": {"_eq": "Ann"}}})).unwrap();
        assert_eq!(closer[0].conditions.len(), 3, "fields that the manifest allows, or has a condition on");
        for wider in [
            json!({"actions": ["read", "search"]}),
            json!({"datatypes": ["Contact", "Film"]}),
            json!({"fields": {"allow": ["name", "tag"]}}),
            json!({"fields": {"allow": ["phone"]}}),
            json!({"duration": "P31D"}),
            json!({"purpose": "To sell."}),
            json!({"where": {"age": {"_gt": 1}}}),
            json!({"where": {"tag": {"_eq": "family"}, "salary": {"_eq": null}}}),
        ] {
            assert_eq!(narrow(wider.clone()).unwrap_err().code(), "grant_outside_manifest", "{wider}");
        }
    }
}
