//! What the node draws for others to keep: tokens, codes, client secrets.

use std::fmt;

use policy_core::{AssignmentId, ClientId, FolderId, GrantId, GroupId, LinkId, TenantId};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A drawn secret: 32 random bytes in base64url. It is shown once and never stored.
#[derive(Clone, zeroize::ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Draws one.
    ///
    /// # Panics
    /// If the system has no randomness: nothing can be issued safely then.
    pub fn draw() -> Secret {
        Secret::of(random())
    }

    /// The secret of these bytes, which nobody can guess.
    pub(super) fn of(bytes: [u8; 32]) -> Secret {
        Secret(data_encoding::BASE64URL_NOPAD.encode(&bytes))
    }

    /// The text to hand over.
    pub fn text(&self) -> &str {
        &self.0
    }

    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// SHA-256 of a secret's text: all that is kept of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash(pub [u8; 32]);

impl SecretHash {
    pub fn of(text: &str) -> SecretHash {
        SecretHash(Sha256::digest(text.as_bytes()).into())
    }

    /// How policy names the link whose token has this hash.
    pub fn link(&self) -> LinkId {
        let mut id = [0u8; 16];
        id.copy_from_slice(&self.0[..16]);
        LinkId::from_bytes(id)
    }

    /// Whether both are the same, in a time that does not tell where they differ.
    pub fn matches(&self, other: &SecretHash) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl From<[u8; 32]> for SecretHash {
    fn from(hash: [u8; 32]) -> Self {
        SecretHash(hash)
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).expect("the system gives randomness");
    bytes
}

macro_rules! drawn {
    ($($name:ident => $id:ident),*) => {
        impl super::Directory {
            $(
                /// A fresh random id.
                pub fn $name() -> $id {
                    $id::from_bytes(random())
                }
            )*
        }
    };
}
drawn!(
    new_grant_id => GrantId,
    new_client_id => ClientId,
    new_tenant_id => TenantId,
    new_group_id => GroupId,
    new_assignment_id => AssignmentId,
    new_folder_id => FolderId
);
