//! The node key, and what is sealed under it.
//!
//! The node key is 32 random bytes in `DIR/node.key` (0600): as they are, or sealed under a passphrase
//! (Argon2id, 64 MiB, three passes; RFC 9106). A missing or wrong key is a refusal, never a new key:
//! everything on the node hangs on it.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use crate::data_dir::{DataDir, DataFile, Holds, SecretError, io};

pub use crate::data_dir::DirectoryError;

/// The first word of a key file: what follows is the key, or salt and sealed key.
const PLAIN: &str = "allod-node-key-1";
const SEALED: &str = "allod-node-key-2";

/// Argon2id with 64 MiB and three passes.
fn stretch(passphrase: &str, salt: &[u8]) -> Result<Zeroizing<[u8; 32]>, DirectoryError> {
    let failed = |_| DirectoryError::PassphraseWrong;
    let parameters = argon2::Params::new(64 * 1024, 3, 1, Some(32)).map_err(failed)?;
    let mut key = Zeroizing::new([0u8; 32]);
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, parameters)
        .hash_password_into(passphrase.as_bytes(), salt, &mut *key)
        .map_err(failed)?;
    Ok(key)
}

/// The key under which everything that the node keeps for itself is sealed.
#[derive(Clone)]
pub struct NodeKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeKey(…)")
    }
}

/// Something that was sealed under the node key does not open: another key, or damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what this node sealed does not open with its key")]
pub struct UnsealError;

impl NodeKey {
    /// Whether the directory holds a node, or what is left of one: then no new key is made.
    pub fn exists(dir: &DataDir) -> bool {
        dir.holds() == Holds::Node
    }

    /// Makes the key of a new node; with a passphrase, sealed under it.
    pub fn create(dir: &DataDir, passphrase: Option<&str>) -> Result<Self, DirectoryError> {
        match dir.holds() {
            Holds::Nothing => {}
            Holds::Node => return Err(DirectoryError::AlreadyANode(dir.path().to_owned())),
            Holds::Replica => return Err(DirectoryError::AReplica(dir.path().to_owned())),
        }
        let path = dir.file(DataFile::NodeKey);
        let no_randomness =
            |_| DirectoryError::Io { path: path.clone(), source: std::io::Error::other("no randomness") };
        let mut key = Zeroizing::new([0u8; 32]);
        getrandom::fill(&mut *key).map_err(no_randomness)?;
        let key = NodeKey(key);
        let text = match passphrase {
            None => key.plain(),
            Some(passphrase) => key.sealed(dir, passphrase)?,
        };
        dir.write(DataFile::NodeKey, text.as_bytes()).map_err(io(&path))?;
        Ok(key)
    }

    /// Puts the key of a node back into a directory that holds none; with a passphrase, sealed under it.
    pub(crate) fn put_back(dir: &DataDir, key: &[u8; 32], passphrase: Option<&str>) -> Result<Self, DirectoryError> {
        if dir.holds() != Holds::Nothing {
            return Err(DirectoryError::AlreadyANode(dir.path().to_owned()));
        }
        let key = NodeKey(Zeroizing::new(*key));
        let text = match passphrase {
            None => key.plain(),
            Some(passphrase) => key.sealed(dir, passphrase)?,
        };
        dir.write(DataFile::NodeKey, text.as_bytes()).map_err(io(&dir.file(DataFile::NodeKey)))?;
        Ok(key)
    }

    /// The key itself, to be sealed under another.
    pub(crate) fn bytes(&self) -> Zeroizing<[u8; 32]> {
        self.0.clone()
    }

    /// The text of a key file that anybody opens who can read it.
    fn plain(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{PLAIN} {}\n", HEXLOWER.encode(&*self.0)))
    }

    /// The text of a key file that a passphrase opens.
    fn sealed(&self, dir: &DataDir, passphrase: &str) -> Result<Zeroizing<String>, DirectoryError> {
        let mut salt = [0u8; 16];
        getrandom::fill(&mut salt).map_err(|_| {
            let source = std::io::Error::other("no randomness");
            DirectoryError::Io { path: dir.file(DataFile::NodeKey), source }
        })?;
        let sealed = NodeKey(stretch(passphrase, &salt)?).seal(SEALED.as_bytes(), &*self.0);
        Ok(Zeroizing::new(format!("{SEALED} {} {}\n", HEXLOWER.encode(&salt), HEXLOWER.encode(&sealed))))
    }

    /// Seals the key of a node under another passphrase, or under a first one. The key stays, and with it everything that
    /// hangs on it. The caller holds the directory's lock.
    ///
    /// # Errors
    /// If the present passphrase does not open it, or it cannot be written: then the key is sealed as it was. Broken off
    /// at any point, it is sealed under the one or the other.
    pub fn change_passphrase(dir: &DataDir, present: Option<&str>, new: &str) -> Result<(), DirectoryError> {
        let text = Self::load(dir, present)?.sealed(dir, new)?;
        dir.write(DataFile::NodeKey, text.as_bytes()).map_err(io(&dir.file(DataFile::NodeKey)))
    }

    /// Whether the key of a node is sealed under a passphrase.
    pub fn needs_passphrase(dir: &DataDir) -> bool {
        std::fs::read_to_string(dir.file(DataFile::NodeKey)).is_ok_and(|text| text.starts_with(SEALED))
    }

    /// Reads the key of a node.
    pub fn load(dir: &DataDir, passphrase: Option<&str>) -> Result<Self, DirectoryError> {
        match dir.holds() {
            Holds::Node => {}
            Holds::Nothing => return Err(DirectoryError::NotANode(dir.path().to_owned())),
            Holds::Replica => return Err(DirectoryError::AReplica(dir.path().to_owned())),
        }
        let path = dir.file(DataFile::NodeKey);
        let damaged = || DirectoryError::KeyDamaged(path.clone());
        let text = dir.read_secret(DataFile::NodeKey).map_err(|error| match error {
            SecretError::Missing(path) => DirectoryError::KeyMissing(path),
            SecretError::Exposed(path) => DirectoryError::KeyExposed { code: "node_key_exposed", path },
            SecretError::Damaged(path) => DirectoryError::KeyDamaged(path),
            SecretError::Io { path, source } => DirectoryError::Io { path, source },
        })?;
        let words: Vec<&str> = text.split_whitespace().collect();
        let decode = |hex: &str| HEXLOWER.decode(hex.as_bytes()).map(Zeroizing::new).map_err(|_| damaged());
        let key = match words[..] {
            [PLAIN, key] => decode(key)?,
            [SEALED, salt, sealed] => {
                let passphrase = passphrase.ok_or(DirectoryError::PassphraseNeeded)?;
                let stretched = NodeKey(stretch(passphrase, &decode(salt)?)?);
                let opened = stretched.unseal(SEALED.as_bytes(), &decode(sealed)?);
                opened.map_err(|_| DirectoryError::PassphraseWrong)?
            }
            _ => return Err(damaged()),
        };
        Ok(NodeKey(Zeroizing::new(key[..].try_into().map_err(|_| damaged())?)))
    }

    /// A key for one purpose.
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let mut hash = blake3::Hasher::new_keyed(&self.0);
        hash.update(b"allod/node/v1\0").update(purpose.as_bytes());
        Zeroizing::new(*hash.finalize().as_bytes())
    }

    /// Seals a secret for one place (XChaCha20-Poly1305, random nonce in front). `place` binds it.
    pub fn seal(&self, place: &[u8], secret: &[u8]) -> Vec<u8> {
        let mut nonce = [0u8; 24];
        getrandom::fill(&mut nonce).expect("the system gives randomness");
        let cipher = XChaCha20Poly1305::new((&*self.derive("seal")).into());
        let mut sealed = nonce.to_vec();
        let payload = Payload { msg: secret, aad: place };
        sealed.extend(cipher.encrypt((&nonce).into(), payload).expect("secrets are short"));
        sealed
    }

    pub fn unseal(&self, place: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
        let (nonce, ct) = sealed.split_first_chunk::<24>().ok_or(UnsealError)?;
        let cipher = XChaCha20Poly1305::new((&*self.derive("seal")).into());
        cipher.decrypt(nonce.into(), Payload { msg: ct, aad: place }).map(Zeroizing::new).map_err(|_| UnsealError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_never_anew() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::at(root.path());
        assert!(matches!(NodeKey::load(&dir, None), Err(DirectoryError::NotANode(_))));
        let key = NodeKey::create(&dir, None).unwrap();
        assert!(matches!(NodeKey::create(&dir, None), Err(DirectoryError::AlreadyANode(_))));
        assert_eq!(*NodeKey::load(&dir, None).unwrap().0, *key.0);
        let path = dir.file(DataFile::NodeKey);
        std::fs::write(dir.file(DataFile::NodeDatabase), b"x").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(NodeKey::load(&dir, None), Err(DirectoryError::KeyExposed { .. })));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "allod-node-key-1 00\n").unwrap();
        assert!(matches!(NodeKey::load(&dir, None), Err(DirectoryError::KeyDamaged(_))));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(NodeKey::load(&dir, None), Err(DirectoryError::KeyMissing(_))));
        assert!(matches!(NodeKey::create(&dir, None), Err(DirectoryError::AlreadyANode(_))));
    }

    #[test]
    fn another_passphrase_opens_the_same_key_and_a_change_that_was_broken_off_leaves_the_former() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::at(root.path());
        let key = NodeKey::create(&dir, None).unwrap();
        NodeKey::change_passphrase(&dir, None, "the first one").unwrap();
        assert!(matches!(NodeKey::load(&dir, None), Err(DirectoryError::PassphraseNeeded)));
        let wrong = NodeKey::change_passphrase(&dir, Some("a guess"), "the second one");
        assert!(matches!(wrong, Err(DirectoryError::PassphraseWrong)));
        // What a kill leaves before the new file has its name.
        std::fs::write(root.path().join("node.key.new"), "allod-node-key-2 00").unwrap();
        assert_eq!(*NodeKey::load(&dir, Some("the first one")).unwrap().0, *key.0, "control");
        NodeKey::change_passphrase(&dir, Some("the first one"), "the second one").unwrap();
        assert!(matches!(NodeKey::load(&dir, Some("the first one")), Err(DirectoryError::PassphraseWrong)));
        assert_eq!(*NodeKey::load(&dir, Some("the second one")).unwrap().0, *key.0);
    }

    #[test]
    fn a_sealed_key_opens_with_its_passphrase_only() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::at(root.path());
        let key = NodeKey::create(&dir, Some("a long passphrase")).unwrap();
        assert!(NodeKey::needs_passphrase(&dir));
        let text = std::fs::read_to_string(dir.file(DataFile::NodeKey)).unwrap();
        assert!(!text.contains(&HEXLOWER.encode(&*key.0)));
        assert!(matches!(NodeKey::load(&dir, None), Err(DirectoryError::PassphraseNeeded)));
        assert!(matches!(NodeKey::load(&dir, Some("another")), Err(DirectoryError::PassphraseWrong)));
        assert_eq!(*NodeKey::load(&dir, Some("a long passphrase")).unwrap().0, *key.0);
    }

    #[test]
    fn what_is_sealed_opens_at_its_place() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::at(root.path());
        let key = NodeKey::create(&dir, None).unwrap();
        let mut sealed = key.seal(b"here", b"secret");
        assert_eq!(&key.unseal(b"here", &sealed).unwrap()[..], b"secret");
        assert!(key.unseal(b"there", &sealed).is_err());
        sealed[30] ^= 1;
        assert!(key.unseal(b"here", &sealed).is_err());
        assert!(key.unseal(b"here", b"short").is_err());
    }
}
