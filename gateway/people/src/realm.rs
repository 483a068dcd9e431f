//! What sign-in needs of a node (RFC 9110, 11.5): whose accounts count, when it is, and under which address.

use policy_core::{Timestamp, UserId};

use crate::directory::{Directory, SecretHash};

/// The accounts that requests are authenticated against.
pub trait Realm: Send + Sync + 'static {
    fn directory(&self) -> &Directory;
    /// The present instant.
    fn now(&self) -> Timestamp;
    /// The address under which people and apps reach the node, without a slash at the end.
    fn url(&self) -> String;
    /// The hash of this start's local token.
    fn local_token(&self) -> SecretHash;
    /// The person whom the operator acts as; `None` before the setup.
    fn owner(&self) -> Option<UserId> {
        self.directory().owner()
    }
}
