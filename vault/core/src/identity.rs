//! Devices: their keys, signatures and what is sealed to them.

use std::fmt;

use ed25519_zebra::{Signature, SigningKey, VerificationKey};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use policy_core::{DeviceId, PeerKey};
use rand::{CryptoRng, RngExt};
use zeroize::Zeroizing;

use crate::cbor::{CborError, Reader, Writer};

type Private = <X25519HkdfSha256 as Kem>::PrivateKey;
type Public = <X25519HkdfSha256 as Kem>::PublicKey;
type Encapped = <X25519HkdfSha256 as Kem>::EncappedKey;

/// A signing key: of a device, or the root key of an account (RFC 8032; verified by ZIP-215).
#[derive(Clone)]
pub struct Signer(SigningKey);

impl Signer {
    /// A new key.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        Signer::from_seed(rng.random())
    }
    /// The key of this seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Signer(SigningKey::from(seed))
    }
    /// What the key is made of: secret.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new((*self.0.as_bytes())[..32].try_into().expect("an Ed25519 secret begins with its seed"))
    }
    /// By which signatures are checked.
    pub fn public(&self) -> [u8; 32] {
        self.0.verification_key().into()
    }
    /// Of Ed25519 (RFC 8032).
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).into()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(…)")
    }
}

/// Whether `signature` is `key`'s over `message`: ZIP-215, the same on every replica.
pub fn verify(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    VerificationKey::try_from(*key).is_ok_and(|key| key.verify(&Signature::from(*signature), message).is_ok())
}

/// Whether a public key may be enrolled: a point of the curve, and not of small order. Under a key of
/// small order, and under no other but by chance, (R, S) = (identity, 0) verifies for any message.
pub fn enrollable(key: &[u8; 32]) -> bool {
    let mut forged = [0u8; 64];
    forged[0] = 1;
    VerificationKey::try_from(*key).is_ok() && !verify(key, b"allod/small-order/v1", &forged)
}

/// The secrets of one device.
#[derive(Clone)]
pub struct DeviceSecret {
    /// Names the device.
    pub id: DeviceId,
    /// What it signs commits with.
    pub signer: Signer,
    kem: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for DeviceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceSecret({})", self.id)
    }
}

/// The public keys of a device, as its account's control lane has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceKeys {
    /// Names the device.
    pub id: DeviceId,
    /// Ed25519: commits are checked by it.
    pub sign: [u8; 32],
    /// X25519: envelopes are sealed to it.
    pub kem: [u8; 32],
    /// Proves its connections.
    pub transport: PeerKey,
}

/// Something sealed to a device did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what was sealed to a device does not open with its key")]
pub struct EnvelopeError;

impl DeviceSecret {
    /// A new device.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let ikm: Zeroizing<[u8; 32]> = Zeroizing::new(rng.random());
        let (private, _) = X25519HkdfSha256::derive_keypair(&*ikm);
        let kem = Zeroizing::new(private.to_bytes().into());
        DeviceSecret { id: DeviceId::from_bytes(rng.random()), signer: Signer::random(rng), kem }
    }

    /// The public half, for a node whose transport key is `transport`.
    pub fn public(&self, transport: PeerKey) -> DeviceKeys {
        let kem = X25519HkdfSha256::sk_to_pk(&self.private()).to_bytes().into();
        DeviceKeys { id: self.id, sign: self.signer.public(), kem, transport }
    }

    fn private(&self) -> Private {
        Private::from_bytes(&*self.kem).expect("32 bytes are an X25519 key")
    }

    /// Opens what [`DeviceKeys::seal`] sealed with the same `info`.
    pub fn open(&self, info: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        let (enc, ct) = sealed.split_at_checked(32).ok_or(EnvelopeError)?;
        let enc = Encapped::from_bytes(enc).map_err(|_| EnvelopeError)?;
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.private(),
            &enc,
            info,
            ct,
            b"",
        )
        .map(Zeroizing::new)
        .map_err(|_| EnvelopeError)
    }

    /// The stored form: secret; the caller seals it.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut w = Writer::with_capacity(96);
        w.array(3).bytes(self.id.as_bytes()).bytes(&*self.signer.seed()).bytes(&*self.kem);
        Zeroizing::new(w.into_bytes())
    }

    /// Reads what [`DeviceSecret::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, CborError> {
        let mut r = Reader::new(bytes);
        r.array_of(3)?;
        let id = DeviceId::from_bytes(r.array_bytes()?);
        let signer = Signer::from_seed(r.array_bytes()?);
        let kem = Zeroizing::new(r.array_bytes()?);
        r.end()?;
        Ok(DeviceSecret { id, signer, kem })
    }
}

impl DeviceKeys {
    /// Seals to the device: HPKE base mode (RFC 9180), X25519, HKDF-SHA-256, ChaCha20-Poly1305;
    /// the encapsulated key, then the ciphertext.
    pub fn seal(&self, info: &[u8], plaintext: &[u8], rng: &mut impl CryptoRng) -> Result<Vec<u8>, EnvelopeError> {
        let key = Public::from_bytes(&self.kem).map_err(|_| EnvelopeError)?;
        let (enc, ct) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &key,
            info,
            plaintext,
            b"",
            rng,
        )
        .map_err(|_| EnvelopeError)?;
        let mut sealed = enc.to_bytes().to_vec();
        sealed.extend_from_slice(&ct);
        Ok(sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    #[test]
    fn what_is_sealed_to_a_device_opens_there_alone() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (a, b) = (DeviceSecret::random(&mut rng), DeviceSecret::random(&mut rng));
        let keys = a.public(PeerKey([0; 32]));
        let sealed = keys.seal(b"info", b"secret", &mut rng).unwrap();
        assert_eq!(&a.open(b"info", &sealed).unwrap()[..], b"secret");
        assert!(a.open(b"other", &sealed).is_err());
        assert!(b.open(b"info", &sealed).is_err());
        assert!(a.open(b"info", &sealed[..20]).is_err());
        let again = DeviceSecret::decode(&a.encode()).unwrap();
        assert_eq!(again.public(PeerKey([0; 32])), keys);
    }

    #[test]
    fn small_order_keys_are_not_enrolled_and_others_are() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        assert!(enrollable(&Signer::random(&mut rng).public()));
        let mut identity = [0u8; 32];
        identity[0] = 1;
        assert!(!enrollable(&identity), "the identity");
        assert!(!enrollable(&[0; 32]), "a point of order four");
        let mut two = [0xff; 32];
        (two[0], two[31]) = (0xec, 0x7f);
        assert!(!enrollable(&two), "the point of order two");
    }
}
