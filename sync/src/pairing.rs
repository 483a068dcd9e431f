//! Pairing: a new device joins an account by a one-time code.
//!
//! The joiner dials the inviter (Noise authenticates both transport keys) and both prove the code's
//! secret: HPKE in PSK mode (RFC 9180) whose info holds both peers and a nonce of each. The joiner
//! signs the transcript with its new signing key; the answer is sealed under a key exported from the
//! same context, so only who knows the secret can have given it.
//!
//! ```text
//! joiner  -> [code id, nonce]
//! inviter -> [nonce, key encapsulation key]
//! joiner  -> [encapsulated key, sealed: device keys and signature]
//! inviter -> sealed: the frames of the account's control lane and the ids of its spaces
//! ```

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, PskBundle, Serializable};
use libp2p::{Multiaddr, StreamProtocol};
use parking_lot::Mutex;
use policy_core::{DeviceId, PeerKey, SpaceId, Timestamp, UserId};
use rand::RngExt;
use sha2::{Digest, Sha256};
use vault::Vault;
use vault::handover::{Pass, Wanted};
use vault_core::cbor::{CborError, Reader, Writer};
use vault_core::identity::{DeviceKeys, DeviceSecret, verify};
use zeroize::Zeroizing;

use crate::framing;
use crate::identity::{key_of, libp2p_id};
use crate::ledger::Ledger;
use crate::link::Hub;
use crate::member::Member;
use crate::node::wall_clock;
use crate::reach::Reach;
use crate::store::StoreError;
use crate::swarm::SwarmHandle;
use crate::{Identity, StartError};

const PAIR: StreamProtocol = StreamProtocol::new("/allod/pair/1");
const VERSION: u64 = 1;
/// How long a code is good.
const LIFETIME_S: i64 = 600;
/// A code dies after so many wrong tries.
const TRIES: u8 = 3;
/// Codes that wait at most.
const INVITES: usize = 64;
const MESSAGE: usize = 64 * 1024;
const ANSWER: usize = 16 << 20;
const STEP: Duration = Duration::from_secs(20);
/// Streams that have not named a code that waits yet, and how long they may take to: of more, the
/// oldest gives way.
const UNNAMED: usize = 32;
/// Addresses that a code holds.
pub const MAX_ADDRS: usize = 4;
const NAMING: Duration = Duration::from_secs(5);

type Private = <X25519HkdfSha256 as Kem>::PrivateKey;
type Public = <X25519HkdfSha256 as Kem>::PublicKey;
type Encapped = <X25519HkdfSha256 as Kem>::EncappedKey;

/// What a one-time code says.
#[derive(Clone)]
pub struct Code {
    secret: Zeroizing<[u8; 32]>,
    pub user: UserId,
    pub inviter: PeerKey,
    pub addrs: Vec<String>,
    pub expires: Timestamp,
}

/// Why a device does not join.
#[derive(Debug, thiserror::Error)]
pub enum PairingError {
    #[error("code_malformed: this is not an invitation code")]
    Malformed,
    #[error("code_expired: the code has expired; make a new one with `allod device invite`")]
    Expired,
    #[error("inviter_unreachable: the inviting device cannot be reached: {0}")]
    Unreachable(String),
    #[error("code_refused: the inviting device does not take this code (it may have been used)")]
    Refused,
    /// The device was named, and no answer came.
    #[error(
        "pairing_unanswered: the inviting device has not answered; it may have taken this device: run the same command again"
    )]
    Unanswered,
    #[error("pairing_failed: {0}")]
    Failed(String),
}

impl From<CborError> for PairingError {
    fn from(error: CborError) -> Self {
        PairingError::Failed(error.to_string())
    }
}
impl From<framing::FramingError> for PairingError {
    fn from(_: framing::FramingError) -> Self {
        PairingError::Refused
    }
}

impl Code {
    /// base32 (RFC 4648, without padding) of positional CBOR.
    pub fn encode(&self) -> String {
        data_encoding::BASE32_NOPAD.encode(&self.write())
    }

    /// The code with those addresses alone that may be dialled for whoever brought it.
    #[must_use]
    pub fn within(self, reach: &Reach) -> Code {
        let allowed = |addr: &String| addr.parse::<Multiaddr>().is_ok_and(|addr| reach.refuses(&addr).is_none());
        Code { addrs: self.addrs.into_iter().filter(allowed).collect(), ..self }
    }

    fn write(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(6).uint(VERSION).bytes(&*self.secret).bytes(self.user.as_bytes()).bytes(&self.inviter.0);
        w.array(self.addrs.len());
        for addr in &self.addrs {
            w.text(addr);
        }
        w.int(self.expires.seconds());
        w.into_bytes()
    }

    /// Parses what a person typed or scanned: blanks, hyphens and small letters are fine.
    pub fn parse(text: &str) -> Result<Self, PairingError> {
        if text.len() > 4_096 {
            return Err(PairingError::Malformed);
        }
        let clean: String =
            text.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_uppercase()).collect();
        let bytes = data_encoding::BASE32_NOPAD.decode(clean.as_bytes()).map_err(|_| PairingError::Malformed)?;
        Self::read(&bytes).map_err(|_| PairingError::Malformed)
    }

    fn read(bytes: &[u8]) -> Result<Self, CborError> {
        let mut r = Reader::new(bytes);
        r.array_of(6)?;
        let unknown = r.error("another version of codes");
        if r.uint()? != VERSION {
            return Err(unknown);
        }
        let secret = Zeroizing::new(r.array_bytes()?);
        let user = UserId::from_bytes(r.array_bytes()?);
        let inviter = PeerKey(r.array_bytes()?);
        let addrs = (0..r.array(4)?).map(|_| r.text(512).map(str::to_owned)).collect::<Result<_, _>>()?;
        let expires = Timestamp::from_seconds(r.int()?);
        r.end()?;
        Ok(Code { secret, user, inviter, addrs, expires })
    }

    /// What the enrolment entry carries, so that a logged code is consumed.
    fn hash(&self) -> [u8; 32] {
        digest(b"allod/pair/code/v1\0", &self.secret)
    }

    /// By what the joiner names the code before anything is proven.
    fn id(&self) -> [u8; 32] {
        digest(b"allod/pair/id/v1\0", &self.secret)
    }
}

fn digest(domain: &[u8], secret: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update(domain).chain_update(secret).finalize().into()
}

fn info(joiner: PeerKey, inviter: PeerKey, nonces: (&[u8; 32], &[u8; 32])) -> Vec<u8> {
    [b"allod/pair/v1\0".as_slice(), &joiner.0, &inviter.0, nonces.0, nonces.1].concat()
}

fn write_keys(w: &mut Writer, keys: &DeviceKeys) {
    w.bytes(keys.id.as_bytes()).bytes(&keys.sign).bytes(&keys.kem).bytes(&keys.transport.0);
}

/// The codes that wait for a device. They are kept in the ledger too: a restart does not end them.
pub(crate) struct Invites {
    ledger: Arc<Ledger>,
    waiting: Mutex<HashMap<[u8; 32], (Code, u8)>>,
    /// Codes by which a device came, as long as they would live: what was broken off behind its enrolment goes on.
    used: Mutex<HashMap<[u8; 32], Code>>,
}

/// Stands for the wrong tries of a code that was used.
const USED: i32 = -1;

impl Invites {
    /// The codes that still wait from before.
    pub(crate) async fn open(ledger: Arc<Ledger>) -> Result<Self, StoreError> {
        let now = wall_clock();
        let (mut waiting, mut used) = (HashMap::new(), HashMap::new());
        for (id, code, tries) in ledger.invites().await? {
            let kept = <[u8; 32]>::try_from(id).ok().zip(Code::read(&code).ok());
            let Some((id, code)) = kept else { return Err(StoreError("a row of sync_invite is damaged".to_owned())) };
            if code.expires > now && tries == USED {
                used.insert(id, code);
            } else if code.expires > now {
                waiting.insert(id, (code, u8::try_from(tries).unwrap_or(TRIES)));
            } else {
                ledger.drop_invite(&id).await?;
            }
        }
        Ok(Invites { ledger, waiting: Mutex::new(waiting), used: Mutex::new(used) })
    }

    /// A new code, on disk when this returns; `None`: too many wait.
    pub(crate) async fn add(
        &self,
        user: UserId,
        inviter: PeerKey,
        addrs: Vec<String>,
    ) -> Result<Option<Code>, StoreError> {
        let now = wall_clock();
        let lapsed: Vec<[u8; 32]> = {
            let (mut waiting, mut used) = (self.waiting.lock(), self.used.lock());
            let codes = waiting.iter().map(|(id, (code, _))| (id, code)).chain(used.iter());
            let lapsed = codes.filter(|(_, code)| code.expires <= now).map(|(id, _)| *id).collect();
            waiting.retain(|_, (code, _)| code.expires > now);
            used.retain(|_, code| code.expires > now);
            lapsed
        };
        for id in lapsed {
            self.ledger.drop_invite(&id).await?;
        }
        let code = Code {
            secret: Zeroizing::new(rand::rng().random()),
            user,
            inviter,
            addrs: addrs.into_iter().take(MAX_ADDRS).collect(),
            expires: Timestamp::from_seconds(now.seconds() + LIFETIME_S),
        };
        {
            let mut waiting = self.waiting.lock();
            // Whoever has none waiting is let in: one person's codes are not everybody's.
            if waiting.len() >= INVITES && waiting.values().any(|(code, _)| code.user == user) {
                return Ok(None);
            }
            waiting.insert(code.id(), (code.clone(), 0));
        }
        let kept = self.ledger.keep_invite(&code.id(), code.write(), 0).await;
        kept.inspect_err(|_| drop(self.waiting.lock().remove(&code.id())))?;
        Ok(Some(code))
    }

    /// How many codes of a person wait.
    pub(crate) fn waiting(&self, user: UserId) -> usize {
        let now = wall_clock();
        self.waiting.lock().values().filter(|(code, _)| code.user == user && code.expires > now).count()
    }

    /// Forgets the codes of a person.
    pub(crate) async fn forget(&self, user: UserId) -> Result<(), StoreError> {
        let theirs: Vec<[u8; 32]> = {
            let (mut waiting, mut used) = (self.waiting.lock(), self.used.lock());
            let codes = waiting.iter().map(|(id, (code, _))| (id, code)).chain(used.iter());
            let theirs = codes.filter(|(_, code)| code.user == user).map(|(id, _)| *id).collect();
            waiting.retain(|_, (code, _)| code.user != user);
            used.retain(|_, code| code.user != user);
            theirs
        };
        for id in theirs {
            self.ledger.drop_invite(&id).await?;
        }
        Ok(())
    }

    fn find(&self, id: &[u8; 32]) -> Option<Code> {
        self.waiting.lock().get(id).map(|(code, _)| code.clone()).filter(|code| code.expires > wall_clock())
    }

    /// A code by which a device has come.
    fn used(&self, id: &[u8; 32]) -> Option<Code> {
        self.used.lock().get(id).filter(|code| code.expires > wall_clock()).cloned()
    }

    /// Counts a wrong proof before the next one is looked at, here and on disk.
    async fn wrong(&self, id: &[u8; 32]) {
        if self.used.lock().remove(id).is_some()
            && let Err(error) = self.ledger.drop_invite(id).await
        {
            tracing::warn!(%error, "a used code is still written down");
        }
        let tries = {
            let mut waiting = self.waiting.lock();
            let Some((code, tries)) = waiting.get_mut(id) else { return };
            *tries += 1;
            let counted = (code.write(), *tries);
            if counted.1 >= TRIES {
                waiting.remove(id);
            }
            counted
        };
        let kept = match tries {
            (_, TRIES..) => self.ledger.drop_invite(id).await,
            (code, tries) => self.ledger.keep_invite(id, code, i32::from(tries)).await,
        };
        if let Err(error) = kept {
            // It must not be good for more tries after a restart.
            self.waiting.lock().remove(id);
            tracing::warn!(%error, "a wrong try at a code was not written down; the code is void until a restart");
        }
    }

    /// Takes the code away; false if somebody was faster. What remains of it lets the device that came by it hear the
    /// answer again, and opens nothing to others: the account's lane takes a code once.
    async fn consume(&self, id: &[u8; 32]) -> bool {
        let code = {
            let mut waiting = self.waiting.lock();
            let Some((code, _)) = waiting.remove(id) else { return false };
            self.used.lock().insert(*id, code.clone());
            code
        };
        if let Err(error) = self.ledger.keep_invite(id, code.write(), USED).await {
            tracing::warn!(%error, "it was not written down that a code was used");
        }
        true
    }
}

/// Takes devices that come with a code.
pub(crate) async fn accept(hub: Arc<Hub>, vault: Vault, member: Arc<dyn Member>, invites: Arc<Invites>, own: PeerKey) {
    let Ok(mut streams) = hub.swarm.control().accept(PAIR) else { return };
    let mut stopped = hub.stopped.clone();
    let mut unnamed: VecDeque<(Arc<AtomicBool>, tokio::task::AbortHandle)> = VecDeque::new();
    loop {
        let (peer, stream) = tokio::select! {
            _ = stopped.changed() => return,
            next = streams.next() => match next {
                Some(next) => next,
                None => return,
            },
        };
        let Some(joiner) = key_of(&peer) else { continue };
        let (vault, member, invites) = (vault.clone(), Arc::clone(&member), Arc::clone(&invites));
        unnamed.retain(|(named, task)| !named.load(Ordering::SeqCst) && !task.is_finished());
        if unnamed.len() >= UNNAMED
            && let Some((_, oldest)) = unnamed.pop_front()
        {
            oldest.abort();
        }
        let named = Arc::new(AtomicBool::new(false));
        let naming = Arc::clone(&named);
        let task = tokio::spawn(async move {
            let invited =
                tokio::time::timeout(STEP * 2, invite(stream, joiner, own, (&vault, &*member), &invites, &naming))
                    .await;
            match invited {
                Ok(Ok(device)) => tracing::info!(%device, "a device joined"),
                Ok(Err(error)) => tracing::warn!(%error, "a device did not join"),
                Err(_) => tracing::warn!("a device did not join in time"),
            }
        });
        unnamed.push_back((named, task.abort_handle()));
    }
}

async fn invite(
    mut stream: libp2p::Stream,
    joiner: PeerKey,
    own: PeerKey,
    (vault, member): (&Vault, &dyn Member),
    invites: &Invites,
    named: &AtomicBool,
) -> Result<DeviceId, PairingError> {
    let hello = tokio::time::timeout(NAMING, framing::read(&mut stream, MESSAGE)).await;
    let hello = hello.map_err(|_| PairingError::Refused)??.ok_or(PairingError::Refused)?;
    let mut r = Reader::new(&hello);
    r.array_of(2)?;
    let (id, theirs): ([u8; 32], [u8; 32]) = (r.array_bytes()?, r.array_bytes()?);
    r.end()?;
    // A code that was used is good for the device that came by it, to hear the answer that it may have missed.
    let came = |code: &Code| vault.admission().transports(code.user).contains(&joiner);
    let code = invites.find(&id).or_else(|| invites.used(&id).filter(came)).ok_or(PairingError::Refused)?;
    let failed = |error: &dyn std::fmt::Display| PairingError::Failed(error.to_string());
    // Who is suspended gets no device, by whatever code; and is told no more than of a code that is none.
    if !member.accounts().await.map_err(|error| failed(&error))?.contains(&code.user) {
        return Err(PairingError::Refused);
    }
    named.store(true, Ordering::SeqCst);
    let ours: [u8; 32] = rand::rng().random();
    let (private, public) = X25519HkdfSha256::gen_keypair_with_rng(&mut rand::rng());
    let mut w = Writer::new();
    w.array(2).bytes(&ours).bytes(&public.to_bytes());
    framing::write(&mut stream, w.as_bytes()).await?;
    let proof = framing::read(&mut stream, MESSAGE).await?.ok_or(PairingError::Refused)?;
    let info = info(joiner, own, (&theirs, &ours));
    let (keys, reply) = match open_proof(&code, &private, &info, &proof, joiner) {
        Ok(opened) => opened,
        Err(error) => {
            invites.wrong(&id).await;
            return Err(error);
        }
    };
    let consumed = invites.consume(&id).await;
    // Joining was broken off behind the enrolment: the very same keys are those of a device already.
    let known = vault.devices(code.user).contains(&keys);
    if !consumed && !known {
        return Err(PairingError::Refused);
    }
    if !known {
        vault.enrol(code.user, keys, code.hash()).await.map_err(|error| failed(&error))?;
    }
    let enrolled = vault.admission().enrolled(code.user, joiner).ok_or(PairingError::Refused)?;
    let wanted = Wanted { control: true, after: 0, have: &|_, _| 0, max_bytes: ANSWER / 2 };
    let rows = vault.hand_over(Pass::Account(&enrolled), wanted).await.map_err(|error| failed(&error))?;
    let spaces = vault.space_ids(code.user);
    let mut w = Writer::new();
    w.array(2).array(rows.rows.len());
    for row in &rows.rows {
        w.bytes(row.body());
    }
    w.array(spaces.len());
    for space in &spaces {
        w.bytes(space.as_bytes());
    }
    framing::write(&mut stream, &seal(&reply, w.as_bytes())).await?;
    // The joiner closes when it has read; the connection is kept until then.
    let _ = tokio::time::timeout(STEP, framing::read(&mut stream, 1)).await;
    Ok(keys.id)
}

/// Opens and checks what the joiner proves; returns its keys and the key of the answer.
fn open_proof(
    code: &Code,
    private: &Private,
    info: &[u8],
    proof: &[u8],
    joiner: PeerKey,
) -> Result<(DeviceKeys, Zeroizing<[u8; 32]>), PairingError> {
    let mut r = Reader::new(proof);
    r.array_of(2)?;
    let encapped: [u8; 32] = r.array_bytes()?;
    let sealed = r.bytes(MESSAGE)?;
    r.end()?;
    let id = code.id();
    let bundle = PskBundle::new(&*code.secret, &id).map_err(|_| PairingError::Refused)?;
    let encapped = Encapped::from_bytes(&encapped).map_err(|_| PairingError::Refused)?;
    let mut context = hpke::setup_receiver::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Psk(bundle),
        private,
        &encapped,
        info,
    )
    .map_err(|_| PairingError::Refused)?;
    let plain = context.open(sealed, b"").map_err(|_| PairingError::Refused)?;
    let mut r = Reader::new(&plain);
    r.array_of(5)?;
    let keys = DeviceKeys {
        id: DeviceId::from_bytes(r.array_bytes()?),
        sign: r.array_bytes()?,
        kem: r.array_bytes()?,
        transport: PeerKey(r.array_bytes()?),
    };
    let signature: [u8; 64] = r.array_bytes()?;
    r.end()?;
    let mut signed = Writer::new();
    write_keys(&mut signed, &keys);
    if keys.transport != joiner || !verify(&keys.sign, &[info, signed.as_bytes()].concat(), &signature) {
        return Err(PairingError::Refused);
    }
    let mut reply = Zeroizing::new([0u8; 32]);
    context.export(b"allod/pair/reply/v1", &mut *reply).map_err(|_| PairingError::Refused)?;
    Ok((keys, reply))
}

fn cipher(key: &[u8; 32]) -> chacha20poly1305::ChaCha20Poly1305 {
    chacha20poly1305::KeyInit::new(key.into())
}

/// Seals the one message under a key that is used once.
fn seal(key: &[u8; 32], plain: &[u8]) -> Vec<u8> {
    use chacha20poly1305::aead::Aead;
    cipher(key).encrypt(&[0u8; 12].into(), plain).expect("the answer is far below the cipher's limit")
}

fn open(key: &[u8; 32], sealed: &[u8]) -> Result<Vec<u8>, PairingError> {
    use chacha20poly1305::aead::Aead;
    cipher(key).decrypt(&[0u8; 12].into(), sealed).map_err(|_| PairingError::Refused)
}

/// What the joiner learns.
pub struct Joined {
    /// The frames of the account's control lane.
    pub frames: Vec<Vec<u8>>,
    pub spaces: Vec<SpaceId>,
}

/// Joins by a code: proves its secret and the new device's keys, returns what the inviter answers.
/// The caller verifies the frames against `code.user`.
pub async fn join(code: &Code, identity: &Identity, device: &DeviceSecret) -> Result<Joined, PairingError> {
    if code.expires <= wall_clock() {
        return Err(PairingError::Expired);
    }
    let swarm =
        SwarmHandle::start(identity, &[]).await.map_err(|error: StartError| PairingError::Failed(error.to_string()))?;
    let peer = libp2p_id(code.inviter).ok_or(PairingError::Malformed)?;
    let addrs: Vec<Multiaddr> = code.addrs.iter().filter_map(|addr| addr.parse().ok()).collect();
    let named = AtomicBool::new(false);
    let joined = tokio::time::timeout(STEP * 2, async {
        swarm.connect(peer, addrs).await.map_err(PairingError::Unreachable)?;
        let stream = swarm.control().open_stream(peer, PAIR).await;
        prove(stream.map_err(|error| PairingError::Unreachable(error.to_string()))?, code, identity, device, &named)
            .await
    })
    .await
    .unwrap_or_else(|_| Err(PairingError::Unreachable("it does not answer in time".into())));
    swarm.disconnect(peer).await;
    joined.map_err(|error| if named.load(Ordering::SeqCst) { PairingError::Unanswered } else { error })
}

async fn prove(
    mut stream: libp2p::Stream,
    code: &Code,
    identity: &Identity,
    device: &DeviceSecret,
    named: &AtomicBool,
) -> Result<Joined, PairingError> {
    let id = code.id();
    let ours: [u8; 32] = rand::rng().random();
    let mut w = Writer::new();
    w.array(2).bytes(&id).bytes(&ours);
    framing::write(&mut stream, w.as_bytes()).await?;
    let answer = framing::read(&mut stream, MESSAGE).await?.ok_or(PairingError::Refused)?;
    let mut r = Reader::new(&answer);
    r.array_of(2)?;
    let (theirs, public): ([u8; 32], [u8; 32]) = (r.array_bytes()?, r.array_bytes()?);
    r.end()?;
    let public = Public::from_bytes(&public).map_err(|_| PairingError::Refused)?;
    let info = info(identity.peer(), code.inviter, (&ours, &theirs));
    let (sealed, reply) = {
        let bundle = PskBundle::new(&*code.secret, &id).map_err(|_| PairingError::Refused)?;
        let (encapped, mut context) = hpke::setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Psk(bundle),
            &public,
            &info,
            &mut rand::rng(),
        )
        .map_err(|_| PairingError::Refused)?;
        let keys = device.public(identity.peer());
        let mut signed = Writer::new();
        write_keys(&mut signed, &keys);
        let signature = device.signer.sign(&[&info, signed.as_bytes()].concat());
        let mut plain = Writer::new();
        plain.array(5);
        write_keys(&mut plain, &keys);
        plain.bytes(&signature);
        let ct = context.seal(plain.as_bytes(), b"").map_err(|_| PairingError::Refused)?;
        let mut reply = Zeroizing::new([0u8; 32]);
        context.export(b"allod/pair/reply/v1", &mut *reply).map_err(|_| PairingError::Refused)?;
        let mut w = Writer::new();
        w.array(2).bytes(&encapped.to_bytes()).bytes(&ct);
        (w.into_bytes(), reply)
    };
    named.store(true, Ordering::SeqCst);
    framing::write(&mut stream, &sealed).await?;
    let answer = framing::read(&mut stream, ANSWER).await?.ok_or(PairingError::Refused)?;
    let plain = open(&reply, &answer)?;
    let mut r = Reader::new(&plain);
    r.array_of(2)?;
    let frames = (0..r.array(65_536)?).map(|_| r.bytes(ANSWER).map(<[u8]>::to_vec)).collect::<Result<_, _>>()?;
    let spaces = (0..r.array(65_536)?).map(|_| r.array_bytes().map(SpaceId::from_bytes)).collect::<Result<_, _>>()?;
    r.end()?;
    Ok(Joined { frames, spaces })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn invites(dir: &tempfile::TempDir) -> Invites {
        let url = format!("sqlite://{}?mode=rwc", dir.path().join("node.db").display());
        let database = sea_orm::Database::connect(url).await.unwrap();
        Invites::open(Ledger::open(database).await.unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn codes_are_read_as_they_are_shown_and_die_after_three_wrong_tries() {
        let dir = tempfile::tempdir().unwrap();
        let waiting = invites(&dir).await;
        let user = UserId::from_bytes([1; 16]);
        let inviter = PeerKey([2; 32]);
        let code = waiting.add(user, inviter, vec!["/ip4/127.0.0.1/tcp/1".into()]).await.unwrap().unwrap();
        let shown = code.encode();
        let typed = format!(" {}-{}\n", &shown[..10].to_lowercase(), &shown[10..]);
        let read = Code::parse(&typed).unwrap();
        assert_eq!((read.user, read.inviter, read.id()), (user, code.inviter, code.id()));
        for bad in ["", "x", "!!!!", &shown[1..], &shown[..shown.len() - 2]] {
            assert!(Code::parse(bad).is_err(), "{bad}");
        }
        for _ in 0..TRIES - 1 {
            waiting.wrong(&code.id()).await;
        }
        // A restart neither ends a code nor gives it more tries.
        let waiting = invites(&dir).await;
        assert!(waiting.find(&code.id()).is_some());
        waiting.wrong(&code.id()).await;
        assert!(waiting.find(&code.id()).is_none() && invites(&dir).await.find(&code.id()).is_none());
        let again = waiting.add(user, inviter, vec![]).await.unwrap().unwrap();
        assert!(waiting.consume(&again.id()).await && !waiting.consume(&again.id()).await);
        let waiting = invites(&dir).await;
        assert!(!waiting.consume(&again.id()).await, "a used code stays used");
        assert!(waiting.find(&again.id()).is_none() && waiting.used(&again.id()).is_some(), "for who came by it");
        waiting.wrong(&again.id()).await;
        assert!(waiting.used(&again.id()).is_none() && invites(&dir).await.used(&again.id()).is_none());
    }
}
