//! A provider that says whatever a test wishes, and whom the node believes.

use std::net::SocketAddr;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD as BASE64;
use parking_lot::Mutex;
use policy_core::Timestamp;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

struct Said {
    discovery: Value,
    keys: Value,
    token: String,
    userinfo: Value,
    /// What was sent to the token endpoint.
    asked: String,
    calls: Vec<String>,
}

struct Fake {
    at: SocketAddr,
    said: Arc<Mutex<Said>>,
    key: Ed25519KeyPair,
}

fn key(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn jwk(key: &Ed25519KeyPair, kid: &str) -> Value {
    let x = BASE64.encode(key.public_key().as_ref());
    json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "use": "sig", "alg": "EdDSA"})
}

fn signed(key: &Ed25519KeyPair, header: &Value, claims: &Value) -> String {
    let message =
        format!("{}.{}", BASE64.encode(header.to_string().as_bytes()), BASE64.encode(claims.to_string().as_bytes()));
    format!("{message}.{}", BASE64.encode(key.sign(message.as_bytes()).as_ref()))
}

fn now() -> i64 {
    policy::wall_clock().seconds()
}

impl Fake {
    async fn start() -> Fake {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let issuer = format!("http://{at}");
        let discovery = json!({
            "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/jwks"),
            "userinfo_endpoint": format!("{issuer}/userinfo"), "response_types_supported": ["code"],
            "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["EdDSA"],
        });
        let key = key(1);
        let said = Said {
            discovery,
            keys: json!({"keys": [jwk(&key, "1")]}),
            token: String::new(),
            userinfo: json!({"sub": "7", "preferred_username": "bob"}),
            asked: String::new(),
            calls: Vec::new(),
        };
        let said = Arc::new(Mutex::new(said));
        let told = Arc::clone(&said);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let told = Arc::clone(&told);
                tokio::spawn(async move {
                    let mut sent = vec![0; 16_384];
                    let mut length = 0;
                    // The head, and the body as far as it is said to go.
                    loop {
                        let read = stream.read(&mut sent[length..]).await.unwrap_or(0);
                        length += read;
                        let text = String::from_utf8_lossy(&sent[..length]).into_owned();
                        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                            let lengths = head.lines().filter_map(|line| {
                                line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned)
                            });
                            body.len() >= lengths.filter_map(|n| n.parse::<usize>().ok()).next().unwrap_or(0)
                        });
                        if whole || read == 0 {
                            break;
                        }
                    }
                    let text = String::from_utf8_lossy(&sent[..length]).into_owned();
                    let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
                    let body = {
                        let mut told = told.lock();
                        told.calls.push(path.clone());
                        match path.as_str() {
                            "/.well-known/openid-configuration" => told.discovery.to_string(),
                            "/jwks" => told.keys.to_string(),
                            "/token" => {
                                told.asked.clone_from(&text);
                                told.token.clone()
                            }
                            "/userinfo" => told.userinfo.to_string(),
                            _ => "{}".to_owned(),
                        }
                    };
                    let head = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                        body.len()
                    );
                    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                });
            }
        });
        Fake { at, said, key }
    }

    fn issuer(&self) -> String {
        format!("http://{}", self.at)
    }

    fn provider(&self) -> Provider {
        let config = ProviderConfig {
            name: "firm".to_owned(),
            label: "Firm".to_owned(),
            issuer: self.issuer(),
            client_id: "allod".to_owned(),
            client_secret: Some(zeroize::Zeroizing::new("a secret".to_owned())),
            scopes: vec!["profile".to_owned()],
            create_accounts: false,
            allowed_domains: Vec::new(),
            allowed_groups: Vec::new(),
            groups_claim: "groups".to_owned(),
        };
        Provider::new(config, Outbound::new(sync::Reach::new(vec!["127.0.0.0/8".parse().unwrap()])))
    }

    fn claims(&self, nonce: &str) -> Value {
        let hash = Sha512::digest(b"access");
        json!({
            "iss": self.issuer(), "aud": "allod", "sub": "7", "exp": now() + 60, "iat": now(), "nonce": nonce,
            "at_hash": BASE64.encode(&hash[..32]), "auth_time": now(), "email": "bob@firm.example", "email_verified": true,
        })
    }

    fn answers(&self, id_token: &str) {
        let token = json!({"access_token": "access", "token_type": "Bearer", "expires_in": 60, "id_token": id_token});
        self.said.lock().token = token.to_string();
    }

    /// What comes of a sign-in whose token says this, under this header.
    async fn sign_in(
        &self,
        header: &Value,
        change: impl FnOnce(&mut Value),
        signer: &Ed25519KeyPair,
    ) -> Result<Person, OidcError> {
        let provider = self.provider();
        let begun = provider.begin("https://cloud.example", false).await?;
        let mut claims = self.claims(&begun.nonce);
        change(&mut claims);
        self.answers(&signed(signer, header, &claims));
        provider.exchange(&begun, "https://cloud.example", "a code".to_owned(), None).await
    }
}

fn header() -> Value {
    json!({"alg": "EdDSA", "kid": "1"})
}

#[tokio::test]
async fn whom_the_provider_signs_in_is_known_by_issuer_and_subject() {
    let fake = Fake::start().await;
    let person = fake.sign_in(&header(), |_| (), &fake.key).await.unwrap();
    assert_eq!((person.identity.issuer.as_str(), person.identity.subject.as_str()), (fake.issuer().as_str(), "7"));
    assert_eq!(person.names, ["bob", "bob"], "what the token leaves out, userinfo tells");
    assert!(person.is_fresh(Timestamp::from_seconds(now())));
    let asked = fake.said.lock().asked.clone();
    for part in [
        "code_verifier=",
        "grant_type=authorization_code",
        "redirect_uri=https%3A%2F%2Fcloud.example%2Fauth%2Foidc%2Ffirm%2Fcallback",
    ] {
        assert!(asked.contains(part), "{part}");
    }
    assert!(asked.to_ascii_lowercase().contains("authorization: basic"), "the secret is in a header");
    fake.said.lock().discovery["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
    fake.sign_in(&header(), |_| (), &fake.key).await.unwrap();
    assert!(
        fake.said.lock().asked.contains("client_secret=a+secret"),
        "in the body, where the provider wants it there"
    );
}

#[tokio::test]
async fn where_people_are_sent_is_as_the_profile_has_it() {
    let fake = Fake::start().await;
    let provider = fake.provider();
    let begun = provider.begin("https://cloud.example", false).await.unwrap();
    let url = url::Url::parse(&begun.url).unwrap();
    let get = |name: &str| url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
    assert_eq!((get("response_type").as_deref(), get("client_id").as_deref()), (Some("code"), Some("allod")));
    assert_eq!(get("scope").as_deref(), Some("openid profile"));
    assert_eq!(get("code_challenge_method").as_deref(), Some("S256"));
    assert_eq!((get("state"), get("nonce")), (Some(begun.state.clone()), Some(begun.nonce.clone())));
    assert!(get("prompt").is_none() && !begun.url.contains(&begun.verifier));
    let again = provider.begin("https://cloud.example", true).await.unwrap();
    assert!(again.url.contains("prompt=login") && again.url.contains("max_age=0"));
    assert!(again.state != begun.state && again.nonce != begun.nonce && again.verifier != begun.verifier);
    assert_eq!(fake.said.lock().calls.len(), 2, "what it says of itself is asked for once");
}

#[tokio::test]
async fn a_token_that_is_wrong_in_anything_signs_nobody_in() {
    let fake = Fake::start().await;
    type Change = fn(&mut Value);
    let wrong: [(&str, Change); 14] = [
        ("issuer", |claims| claims["iss"] = "https://other.example".into()),
        ("no issuer", |claims| _ = claims.as_object_mut().unwrap().remove("iss")),
        ("audience", |claims| claims["aud"] = "another".into()),
        ("audiences", |claims| claims["aud"] = json!(["allod", "another"])),
        ("no audience", |claims| claims["aud"] = json!([])),
        ("over", |claims| claims["exp"] = (now() - 1).into()),
        ("no end", |claims| _ = claims.as_object_mut().unwrap().remove("exp")),
        ("nonce", |claims| claims["nonce"] = "another".into()),
        ("no nonce", |claims| _ = claims.as_object_mut().unwrap().remove("nonce")),
        ("at_hash", |claims| claims["at_hash"] = "AAAA".into()),
        ("nobody", |claims| _ = claims.as_object_mut().unwrap().remove("sub")),
        ("an empty name", |claims| claims["sub"] = "".into()),
        ("no instant", |claims| _ = claims.as_object_mut().unwrap().remove("iat")),
        ("a number for a name", |claims| claims["sub"] = 7.into()),
    ];
    for (what, change) in wrong {
        let told = fake.sign_in(&header(), change, &fake.key).await;
        assert!(matches!(told, Err(OidcError::Failed(_))), "{what}: {told:?}");
    }
    let stranger = key(2);
    for (what, header, signer) in [
        ("another key", header(), &stranger),
        ("another kid", json!({"alg": "EdDSA", "kid": "2"}), &fake.key),
        ("none", json!({"alg": "none"}), &fake.key),
        ("a shared secret", json!({"alg": "HS256"}), &fake.key),
        ("another algorithm", json!({"alg": "RS256", "kid": "1"}), &fake.key),
    ] {
        let told = fake.sign_in(&header, |_| (), signer).await;
        assert!(matches!(told, Err(OidcError::Failed(_))), "{what}: {told:?}");
    }
    assert!(fake.sign_in(&header(), |_| (), &fake.key).await.is_ok(), "control");
    fake.said.lock().userinfo = json!({"sub": "8", "preferred_username": "eve"});
    assert!(fake.sign_in(&header(), |_| (), &fake.key).await.is_err(), "userinfo of another");
}

#[tokio::test]
async fn keys_that_change_are_asked_for_anew_and_answers_of_others_are_refused() {
    let fake = Fake::start().await;
    let provider = fake.provider();
    let begun = provider.begin("https://cloud.example", false).await.unwrap();
    let next = key(3);
    fake.answers(&signed(&next, &json!({"alg": "EdDSA", "kid": "3"}), &fake.claims(&begun.nonce)));
    let exchange =
        async |iss: Option<&str>| provider.exchange(&begun, "https://cloud.example", "a code".to_owned(), iss).await;
    assert!(exchange(None).await.is_err(), "asked for a moment ago, it has no such key");
    // A provider that is known a little longer.
    let provider = fake.provider();
    let begun = provider.begin("https://cloud.example", false).await.unwrap();
    provider.age(std::time::Duration::from_secs(61)).await;
    fake.said.lock().keys = json!({"keys": [jwk(&fake.key, "1"), jwk(&next, "3")]});
    fake.answers(&signed(&next, &json!({"alg": "EdDSA", "kid": "3"}), &fake.claims(&begun.nonce)));
    let exchange =
        async |iss: Option<&str>| provider.exchange(&begun, "https://cloud.example", "a code".to_owned(), iss).await;
    assert!(exchange(None).await.is_ok());
    assert!(exchange(Some("https://other.example")).await.is_err(), "RFC 9207");
    assert!(exchange(Some(&fake.issuer())).await.is_ok(), "control");
}

#[tokio::test]
async fn a_provider_that_says_it_is_another_is_not_believed() {
    let fake = Fake::start().await;
    fake.said.lock().discovery["issuer"] = "https://other.example".into();
    assert!(matches!(fake.provider().begin("https://cloud.example", false).await, Err(OidcError::Failed(_))));
    fake.said.lock().discovery["issuer"] = fake.issuer().into();
    fake.said.lock().discovery["authorization_response_iss_parameter_supported"] = true.into();
    assert!(fake.sign_in(&header(), |_| (), &fake.key).await.is_err(), "it promised to say who answers");
    fake.said.lock().discovery["authorization_response_iss_parameter_supported"] = false.into();
    assert!(fake.sign_in(&header(), |_| (), &fake.key).await.is_ok(), "control");
}

#[tokio::test]
async fn a_logout_is_believed_once_of_the_provider_and_of_now() {
    let fake = Fake::start().await;
    let provider = fake.provider();
    let claims = |jti: &str| {
        json!({
            "iss": fake.issuer(), "aud": "allod", "iat": now(), "exp": now() + 60, "jti": jti, "sub": "7", "sid": "s",
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        })
    };
    let hear = async |claims: &Value, signer: &Ed25519KeyPair, header: &Value| {
        provider.logged_out(&signed(signer, header, claims), Timestamp::from_seconds(now())).await
    };
    let told = hear(&claims("1"), &fake.key, &header()).await.unwrap();
    assert_eq!((told.subject.as_deref(), told.session.as_deref()), (Some("7"), Some("s")));
    assert!(hear(&claims("1"), &fake.key, &header()).await.is_err(), "used before");
    type Change = fn(&mut Value);
    let wrong: [(&str, Change); 9] = [
        ("issuer", |claims| claims["iss"] = "https://other.example".into()),
        ("audience", |claims| claims["aud"] = json!(["another"])),
        ("old", |claims| claims["iat"] = (now() - 301).into()),
        ("ahead", |claims| claims["iat"] = (now() + 301).into()),
        ("over", |claims| claims["exp"] = now().into()),
        ("an ID token", |claims| claims["nonce"] = "n".into()),
        ("no event", |claims| claims["events"] = json!({})),
        ("no name", |claims| claims["jti"] = "".into()),
        ("nobody", |claims| (claims["sub"], claims["sid"]) = (Value::Null, Value::Null)),
    ];
    for (n, (what, change)) in wrong.into_iter().enumerate() {
        let mut claims = claims(&format!("wrong {n}"));
        change(&mut claims);
        assert!(hear(&claims, &fake.key, &header()).await.is_err(), "{what}");
    }
    assert!(hear(&claims("2"), &key(2), &header()).await.is_err(), "another's key");
    assert!(hear(&claims("2"), &fake.key, &json!({"alg": "none"})).await.is_err());
    for nonsense in ["", ".", "..", "a.b.c", "eyJ.eyJ.", &"a.".repeat(20_000)] {
        assert!(provider.logged_out(nonsense, Timestamp::from_seconds(now())).await.is_err());
    }
    assert!(hear(&claims("2"), &fake.key, &header()).await.is_ok(), "control: what was refused was not used up");
}
