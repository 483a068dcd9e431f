//! Who asks: a person, whoever holds the machine, an app or a link in somebody's name.

use policy_core::{AppCaller, Caller, Holder, TenantId, Timestamp, UserId};

use crate::directory::{Actor, Directory, DirectoryError, ELSEWHERE, SecretHash, Token, TokenKind};
use crate::dpop::ProofError;

/// Who a request is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub caller: Caller,
    /// The request is from whoever holds the machine: it acts as the owner and may do what no one may over the network.
    pub operator: bool,
    pub tenant: TenantId,
    /// It is from an operator, in a session that began with their sign-in: they administer, and see no more data for it.
    as_operator: bool,
    /// The session, if it is a person's: what signing out ends.
    pub session: Option<SecretHash>,
    /// When the person last proved in this session who they are.
    confirmed: Option<Timestamp>,
}

/// How long a password that was given is good for dangerous acts, in seconds.
pub const CONFIRMED_SECONDS: i64 = 300;

impl Principal {
    /// A person for whom something is done that they asked for before: without a session, and nothing confirmed.
    pub fn of_person(caller: Caller, tenant: TenantId) -> Principal {
        Principal { caller, operator: false, tenant, as_operator: false, session: None, confirmed: None }
    }

    /// Whoever holds the machine, who acts as the owner of the node.
    pub async fn at_the_machine(directory: &Directory, owner: UserId) -> Result<Principal, DirectoryError> {
        let tenant = directory.tenant_of(owner).await?.unwrap_or(ELSEWHERE);
        let caller = Caller { user: owner, app: None, device: None };
        Ok(Principal { caller, operator: true, tenant, as_operator: false, session: None, confirmed: None })
    }

    /// Whoever bears a token.
    pub async fn of_token(directory: &Directory, token: &Token, now: Timestamp) -> Result<Principal, AuthError> {
        let tenant = directory.tenant_of(token.user).await?.ok_or(AuthError::Invalid)?;
        let app = match token.kind {
            TokenKind::Session => None,
            TokenKind::Access { client, grant, .. } | TokenKind::AppPassword { client, grant } => {
                directory.used_grant(grant, now);
                Some(AppCaller { within: token.within.clone(), ..AppCaller::new(Holder::Client(client), grant) })
            }
            TokenKind::Identity { .. } => return Err(AuthError::IdentityAlone),
            TokenKind::Link { grant } => {
                directory.used_grant(grant, now);
                Some(AppCaller::new(Holder::Link(token.hash.link()), grant))
            }
        };
        let session = (token.kind == TokenKind::Session).then_some(token.hash);
        let caller = Caller { user: token.user, app, device: None };
        // A session that was made for somebody, and not by their sign-in, is a script's: it has no part in this.
        let signed_in = session.is_some() && token.idle.is_some();
        let as_operator = signed_in && directory.is_operator(token.user);
        Ok(Principal { caller, operator: false, tenant, as_operator, session, confirmed: token.confirmed })
    }

    /// Whether they may do what operators do: whoever holds the machine, and people who are operators.
    pub fn administers(&self) -> bool {
        self.operator || self.as_operator
    }

    /// Who acts, as the audit tells it of a person or whoever holds the machine.
    pub fn actor(&self) -> Actor {
        if self.operator { Actor::Operator } else { Actor::Person(self.caller.user) }
    }

    /// Refuses an act that outlives the session or widens who reads, unless the person gave their password within the
    /// last five minutes (RFC 9470). Whoever holds the machine is not asked.
    pub fn confirmed(&self, now: Timestamp) -> Result<(), AuthError> {
        let recent = |at: Timestamp| at <= now && now.0 - at.0 < CONFIRMED_SECONDS * 1_000_000;
        if self.operator || self.confirmed.is_some_and(recent) { Ok(()) } else { Err(AuthError::NotConfirmed) }
    }
}

/// Why a request is from nobody.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error("This needs a sign-in: send an access token as `Authorization: Bearer …`.")]
    Missing,
    #[error("The user name or the app password is wrong, or the password has ended; its person makes another.")]
    AppPassword,
    #[error("The token is unknown, revoked or has lapsed; sign in again.")]
    Invalid,
    #[error("The token is bound to a key: send it as `Authorization: DPoP …`, with a proof (RFC 9449).")]
    Bound,
    #[error("The token is unknown, revoked, has lapsed, or is not bound to the key of the proof.")]
    NotOfTheKey,
    #[error("{0}")]
    Proof(#[from] ProofError),
    #[error("The session cookie counts only for requests of the node's own pages, which send their key beside it.")]
    CrossSite,
    #[error(
        "This needs your password again: send it to `POST /api/v1/session/confirm`, or prove a passkey \
         (`/api/v1/passkeys/confirm/start`), and ask once more."
    )]
    NotConfirmed,
    #[error("The token tells an app who somebody is, and opens no data; ask for access by `authorization_details`.")]
    IdentityAlone,
    #[error("This node is not set up yet: open the set-up link that it printed, or a new one (`allod setup-link`).")]
    NotSetUp,
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}
