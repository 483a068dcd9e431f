//! A device that makes passkeys and proves them, as browsers hand over what it does (Web Authentication Level 3).

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const PRESENT: u8 = 0b1;
const CHECKED: u8 = 0b100;
const MADE: u8 = 0b100_0000;
/// What its maker calls its kind.
pub const MODEL: [u8; 16] = *b"a device of test";

/// A passkey on a device.
pub struct Device {
    key: EcdsaKeyPair,
    pub credential: Vec<u8>,
    pub handle: Vec<u8>,
    counter: u32,
}

/// What a device, or the browser before it, says otherwise than it was asked.
#[derive(Default, Clone)]
pub struct Odd {
    pub origin: Option<String>,
    pub relying_party: Option<&'static str>,
    pub challenge: Option<String>,
    pub unchecked: bool,
    pub cross_origin: bool,
    /// By how much the counter goes on; else by one.
    pub count: Option<i64>,
    pub handle: Option<Option<Vec<u8>>>,
    pub kind: Option<&'static str>,
    pub forged: bool,
}

fn text(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

fn hash(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

fn said(kind: &str, asked: &Value, origin: &str, odd: &Odd) -> Vec<u8> {
    let challenge = odd.challenge.clone().unwrap_or_else(|| asked["challenge"].as_str().unwrap().to_owned());
    let (kind, origin) = (odd.kind.unwrap_or(kind), odd.origin.as_deref().unwrap_or(origin));
    json!({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": odd.cross_origin}).to_string().into()
}

impl Device {
    /// Makes the passkey that is asked for; with it what the page sends.
    pub fn make(asked: &Value, origin: &str, odd: &Odd) -> (Device, Value) {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random).unwrap();
        let credential: Vec<u8> = rand::random::<[u8; 32]>().into();
        let handle = BASE64URL_NOPAD.decode(asked["user"]["id"].as_str().unwrap().as_bytes()).unwrap();
        let mut device = Device { key, credential, handle, counter: 0 };
        let made = device.attest(asked, origin, odd);
        (device, made)
    }

    /// The same passkey as an answer to another question.
    pub fn attest(&mut self, asked: &Value, origin: &str, odd: &Odd) -> Value {
        let point = self.key.public_key().as_ref();
        // COSE (RFC 9053): EC2, ES256, P-256.
        let cose = [
            &[0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20][..],
            &point[1..33],
            &[0x22, 0x58, 0x20],
            &point[33..65],
        ]
        .concat();
        let mut data = self.data(asked["rp"]["id"].as_str().unwrap(), MADE, odd);
        data.extend(MODEL);
        data.extend(u16::try_from(self.credential.len()).unwrap().to_be_bytes());
        data.extend(&self.credential);
        data.extend(cose);
        let object = [
            &b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59"[..],
            &u16::try_from(data.len()).unwrap().to_be_bytes(),
            &data,
        ]
        .concat();
        let said = said("webauthn.create", asked, origin, odd);
        json!({"id": text(&self.credential), "rawId": text(&self.credential), "type": "public-key",
            "authenticatorAttachment": "platform", "clientExtensionResults": {"credProps": {"rk": true}},
            "response": {"attestationObject": text(&object), "clientDataJSON": text(&said),
                "transports": ["internal", "hybrid", "one of later"], "publicKeyAlgorithm": -7}})
    }

    fn data(&self, relying_party: &str, flags: u8, odd: &Odd) -> Vec<u8> {
        let relying_party = odd.relying_party.unwrap_or(relying_party);
        let checked = if odd.unchecked { 0 } else { CHECKED };
        let mut data = hash(relying_party.as_bytes());
        data.push(PRESENT | checked | flags);
        data.extend(self.counter.to_be_bytes());
        data
    }

    /// Proves the passkey; what the page sends.
    pub fn prove(&mut self, asked: &Value, origin: &str, odd: &Odd) -> Value {
        let (before, count) = (self.counter, odd.count.unwrap_or(1));
        self.counter = u32::try_from(i64::from(before) + count).unwrap();
        let data = self.data(asked["rpId"].as_str().unwrap(), 0, odd);
        // A copy goes its own way.
        self.counter = self.counter.max(before);
        let said = said("webauthn.get", asked, origin, odd);
        let mut signed = [data.clone(), hash(&said)].concat();
        if odd.forged {
            signed.push(0);
        }
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        let handle = odd.handle.clone().unwrap_or_else(|| Some(self.handle.clone()));
        json!({"id": text(&self.credential), "rawId": text(&self.credential), "type": "public-key",
            "clientExtensionResults": {}, "response": {"authenticatorData": text(&data), "clientDataJSON": text(&said),
                "signature": text(signature.as_ref()), "userHandle": handle.as_deref().map(text)}})
    }
}
