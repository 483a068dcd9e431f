use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_764_000_000;
const ADDRESS: &str = "https://cloud.example.org/oauth/token";

/// A key of an app.
pub(crate) struct Key(EcdsaKeyPair);

fn encode(bytes: &[u8]) -> String {
    data_encoding::BASE64URL_NOPAD.encode(bytes)
}

impl Key {
    pub(crate) fn draw() -> Key {
        let random = SystemRandom::new();
        let bytes = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Key(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes.as_ref(), &random).unwrap())
    }

    fn jwk(&self) -> Value {
        let point = self.0.public_key().as_ref();
        json!({ "kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..]) })
    }

    fn head(&self) -> Value {
        json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk() })
    }

    fn signed(&self, head: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encode(head.as_bytes()), encode(claims.as_bytes()));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", encode(signature.as_ref()))
    }

    /// A proof of this id, made at `made`, that fits.
    pub(crate) fn proof(&self, id: &str, made: i64) -> Proof {
        let text = self.signed(&self.head().to_string(), &claims(json!({ "jti": id, "iat": made })).to_string());
        Proof::check(&text, &Wanted { now: Timestamp::from_seconds(made), ..wanted() }).unwrap()
    }
}

/// What fits, with `more`; null leaves out.
fn with(mut value: Value, more: Value) -> Value {
    for (name, more) in more.as_object().unwrap() {
        match more {
            Value::Null => drop(value.as_object_mut().unwrap().remove(name)),
            more => value[name] = more.clone(),
        }
    }
    value
}

fn claims(more: Value) -> Value {
    with(json!({ "jti": "an-id", "htm": "POST", "htu": ADDRESS, "iat": NOW }), more)
}

fn wanted() -> Wanted<'static> {
    Wanted { method: "POST", address: ADDRESS, token: None, now: Timestamp::from_seconds(NOW) }
}

#[test]
fn each_claim_of_a_proof_is_held_and_a_proof_that_fits_is_taken() {
    let key = Key::draw();
    let check = |claims: Value, wanted: &Wanted<'_>| {
        Proof::check(&key.signed(&key.head().to_string(), &claims.to_string()), wanted).map(|proof| proof.made)
    };
    assert_eq!(check(claims(json!({})), &wanted()), Ok(NOW), "control");
    assert_eq!(check(claims(json!({ "nonce": "n", "ath": "x", "exp": 1 })), &wanted()), Ok(NOW), "what is not asked");
    for (more, error) in [
        (json!({ "htm": "GET" }), ProofError::Method),
        (json!({ "htm": "post" }), ProofError::Method),
        (json!({ "htm": null }), ProofError::Method),
        (json!({ "htu": "https://cloud.example.org/oauth/par" }), ProofError::Address),
        (json!({ "htu": null }), ProofError::Address),
        (json!({ "iat": NOW - PAST - 1 }), ProofError::Time),
        (json!({ "iat": NOW + AHEAD + 1 }), ProofError::Time),
        (json!({ "iat": -1 }), ProofError::Time),
        (json!({ "iat": 1e300 }), ProofError::Time),
        (json!({ "iat": null }), ProofError::Time),
        (json!({ "iat": NOW.to_string() }), ProofError::Malformed),
        (json!({ "jti": "" }), ProofError::Id),
        (json!({ "jti": "x".repeat(MAX_ID_LENGTH + 1) }), ProofError::Id),
        (json!({ "jti": null }), ProofError::Id),
        (json!({ "jti": 1 }), ProofError::Malformed),
    ] {
        assert_eq!(check(claims(more.clone()), &wanted()), Err(error), "{more}");
    }
    for made in [NOW - PAST, NOW + AHEAD] {
        assert_eq!(check(claims(json!({ "iat": made })), &wanted()), Ok(made), "control");
    }
    assert_eq!(check(claims(json!({ "iat": NOW as f64 + 0.5 })), &wanted()), Ok(NOW), "a number of RFC 7519");
    assert!(check(claims(json!({ "jti": "x".repeat(MAX_ID_LENGTH) })), &wanted()).is_ok(), "control");
    // RFC 9449, 7.1.
    let token = Sha256::digest(b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
    let of_token = Wanted { token: Some(token.into()), ..wanted() };
    let ath = json!({ "ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo" });
    assert_eq!(check(claims(ath), &of_token), Ok(NOW), "control");
    for wrong in [json!({}), json!({ "ath": "" }), json!({ "ath": encode(&Sha256::digest(b"another")) })] {
        assert_eq!(check(claims(wrong.clone()), &of_token), Err(ProofError::Token), "{wrong}");
    }
}

#[test]
fn only_a_head_with_a_public_key_of_the_curve_is_read() {
    let (key, other) = (Key::draw(), Key::draw());
    let fits = claims(json!({})).to_string();
    let check = |head: &str| Proof::check(&key.signed(head, &fits), &wanted()).map(|proof| proof.key);
    let of = |more: Value| check(&with(key.head(), more).to_string());
    let known = of(json!({})).expect("control");
    assert_eq!(of(json!({ "kid": "a", "jwk": with(key.jwk(), json!({ "use": "sig", "kid": "b" })) })), Ok(known));
    let off_curve = json!({ "jwk": with(key.jwk(), json!({ "y": key.jwk()["x"] })) });
    let jwk = |more: Value| json!({ "jwk": with(key.jwk(), more) });
    for (more, error) in [
        (json!({ "typ": "JWT" }), ProofError::Type),
        (json!({ "typ": "DPOP+JWT" }), ProofError::Type),
        (json!({ "typ": null }), ProofError::Type),
        (json!({ "alg": "none" }), ProofError::Algorithm),
        (json!({ "alg": "HS256" }), ProofError::Algorithm),
        (json!({ "alg": "RS256" }), ProofError::Algorithm),
        (json!({ "alg": "es256" }), ProofError::Algorithm),
        (json!({ "alg": null }), ProofError::Algorithm),
        (json!({ "crit": ["b64"], "b64": false }), ProofError::Algorithm),
        (json!({ "jwk": null }), ProofError::Key),
        (json!({ "jwk": "key" }), ProofError::Malformed),
        (jwk(json!({ "d": encode(&[1; 32]) })), ProofError::Key),
        (jwk(json!({ "k": encode(&[1; 32]) })), ProofError::Key),
        (json!({ "jwk": { "kty": "oct", "k": "c2VjcmV0" } }), ProofError::Key),
        (json!({ "jwk": { "kty": "RSA", "n": encode(&[9; 256]), "e": "AQAB" } }), ProofError::Key),
        (jwk(json!({ "crv": "P-384" })), ProofError::Key),
        (jwk(json!({ "crv": "secp256k1" })), ProofError::Key),
        (jwk(json!({ "kty": "OKP" })), ProofError::Key),
        (jwk(json!({ "x": encode(&[1; 31]) })), ProofError::Key),
        (jwk(json!({ "x": encode(&[1; 33]) })), ProofError::Key),
        (jwk(json!({ "x": "====" })), ProofError::Key),
        (jwk(json!({ "y": null })), ProofError::Key),
        (off_curve, ProofError::Signature),
        (jwk(json!({ "x": encode(&[0; 32]), "y": encode(&[0; 32]) })), ProofError::Signature),
        (json!({ "jwk": other.jwk() }), ProofError::Signature),
    ] {
        assert_eq!(of(more.clone()), Err(error), "{more}");
    }
    // Two readers may pick different ones.
    let twice = key.head().to_string().replace("\"alg\":", "\"alg\":\"none\",\"alg\":");
    assert_eq!(check(&twice), Err(ProofError::Malformed));
}

#[test]
fn a_proof_is_three_parts_of_which_none_was_changed() {
    let key = Key::draw();
    let (head, fits) = (key.head().to_string(), claims(json!({})).to_string());
    let whole = key.signed(&head, &fits);
    let check = |text: &str| Proof::check(text, &wanted()).map(|proof| proof.made);
    assert_eq!(check(&whole), Ok(NOW), "control");
    let parts: Vec<&str> = whole.split('.').collect();
    let later = encode(claims(json!({ "iat": NOW + 1 })).to_string().as_bytes());
    for (text, error) in [
        (String::new(), ProofError::Malformed),
        ("..".to_owned(), ProofError::Malformed),
        (parts[..2].join("."), ProofError::Malformed),
        (format!("{whole}.x"), ProofError::Malformed),
        (format!("{}.{}.", parts[0], parts[1]), ProofError::Signature),
        (format!("{}.{later}.{}", parts[0], parts[2]), ProofError::Signature),
        (format!("{whole}A"), ProofError::Signature),
        (format!("{whole}="), ProofError::Malformed),
        (format!("{}.{}.{}", parts[0], parts[1], encode(&[0; 64])), ProofError::Signature),
        (format!("{}.{}.{}", encode(b"[]"), parts[1], parts[2]), ProofError::Malformed),
        (key.signed("null", &fits), ProofError::Malformed),
        (key.signed(&head, "[]"), ProofError::Malformed),
    ] {
        assert_eq!(check(&text), Err(error), "{text}");
    }
    // What is long is refused before it is read, and what just fits is read.
    let filled = |more: usize| key.signed(&head, &claims(json!({ "more": "x".repeat(more) })).to_string());
    let more = (1..).find(|more| filled(*more).len() > LONGEST).unwrap();
    assert_eq!(check(&filled(more)), Err(ProofError::Long));
    assert_eq!(check(&filled(more - 3)), Ok(NOW), "control");
    assert_eq!(check(&"x".repeat(1 << 20)), Err(ProofError::Long));
}

#[test]
fn addresses_are_the_same_whatever_way_they_are_written() {
    for told in [
        ADDRESS,
        "HTTPS://CLOUD.example.ORG/oauth/token",
        "https://cloud.example.org:443/oauth/token",
        "https://cloud.example.org/oauth/token?a=b#c",
        "https://cloud.example.org/oauth/%74oken",
        "https://cloud.example.org/oauth/./x/../token",
    ] {
        assert!(is_same(told, ADDRESS), "{told}");
    }
    for told in [
        "",
        "/oauth/token",
        "http://cloud.example.org/oauth/token",
        "https://cloud.example.org:8443/oauth/token",
        "https://cloud.example.org.evil.example/oauth/token",
        "https://evil.example/oauth/token",
        "https://u@cloud.example.org/oauth/token",
        "https://cloud.example.org/oauth/token/",
        "https://cloud.example.org/oauth/Token",
        "https://cloud.example.org/oauth%2Ftoken",
        "https://cloud.example.org/oauth\\token",
        " https://cloud.example.org/oauth/token",
        "https://cloud.example.org/oauth/to\tken",
    ] {
        assert!(!is_same(told, ADDRESS), "{told}");
    }
    assert!(is_same("http://a.example/%c3%a4%7E", "http://a.example/%C3%A4~"));
    assert!(!is_same("http://a.example/%c3%a4", "http://a.example/%C3%A5"));
    for odd in ["%", "%4", "%zz", "%+1", "a%%41", "ä%"] {
        spelt(odd);
    }
    assert_eq!((spelt("a%%41"), spelt("%zz%")), ("a%A".to_owned(), "%zz%".to_owned()));
}

#[test]
fn a_thumbprint_is_that_of_the_rfc_and_is_read_strictly() {
    // RFC 9449, 6.1, of the key in 4.2.
    let point: Vec<u8> = ["l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"]
        .iter()
        .flat_map(|text| decode(text).unwrap())
        .collect();
    let text = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let print = Thumbprint::of_point(&point.try_into().unwrap());
    assert_eq!((print.to_string().as_str(), text.parse()), (text, Ok(print)));
    assert_eq!(Thumbprint::of_bytes(&print.to_bytes()), Some(print));
    for wrong in ["", "x", &text[1..], &format!("{text}A"), &text.replace('-', "+"), &format!("{}J", &text[..42])] {
        assert!(wrong.parse::<Thumbprint>().is_err(), "{wrong}");
    }
}
