//! Who proves by a passkey that they are its person: for a session, for a consent, and once more before dangerous acts.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use serde::Deserialize;
use webauthn_rs::prelude::{DiscoverableAuthentication, PublicKeyCredential};

use super::party::{party, stale};
use crate::authn::{origin, whence};
use crate::directory::credentials::CredentialKind;
use crate::directory::passkeys::{KeptPasskey, PasskeyProof, PasskeyRefused};
use crate::directory::sessions::OpenedBy;
use crate::directory::sign_in::{Origin, SignedIn};
use crate::directory::{Actor, SecretHash, User};
use crate::front::error::ApiError;
use crate::node::Node;
use crate::passkeys::{Purpose, RelyingParty};

/// Of the data that a device signs: where its flags stand, and which says that it checked the person (Web Authentication
/// Level 3, 6.1).
const FLAGS: usize = 32;
const CHECKED: u8 = 0b100;

/// What a browser says that it asked a device for.
#[derive(Deserialize)]
struct ClientData {
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
}

/// Refuses what proves nothing whosever it is, before anybody is looked for.
fn plain(given: &PublicKeyCredential) -> Result<(), ApiError> {
    let flags = given.response.authenticator_data.get(FLAGS).copied().unwrap_or_default();
    if flags & CHECKED == 0 {
        return Err(unverified());
    }
    // A frame within another site's page may not ask.
    let data = serde_json::from_slice::<ClientData>(&given.response.client_data_json);
    if data.map_or(true, |data| data.cross_origin) {
        return Err(wrong());
    }
    Ok(())
}

pub(super) fn unverified() -> ApiError {
    let text = "Your device did not check that it is you.";
    ApiError::new(StatusCode::UNAUTHORIZED, "passkey_unverified", text)
        .hint("Set a PIN or a fingerprint on it: a passkey counts for password and second factor together.")
}

fn wrong() -> ApiError {
    let text = "This passkey is none by which somebody signs in here.";
    ApiError::new(StatusCode::UNAUTHORIZED, "passkey_refused", text)
        .hint("Sign in with your password, and look under “Sign-in and password” which passkeys count.")
}

/// What is given, and by whom it is as its device says.
struct Assertion<'a> {
    party: &'a RelyingParty,
    credential: &'a PublicKeyCredential,
    known: Option<(User, KeptPasskey)>,
}

impl<'a> Assertion<'a> {
    async fn read(
        node: &dyn Node,
        party: &'a RelyingParty,
        credential: &'a PublicKeyCredential,
    ) -> Result<Assertion<'a>, ApiError> {
        plain(credential)?;
        let known = node.directory().passkey(&credential.raw_id).await?;
        Ok(Assertion { party, credential, known })
    }

    fn proof(&self, asked: DiscoverableAuthentication) -> PasskeyProof<'a> {
        let (webauthn, relying_party) = (self.party.webauthn(), self.party.id());
        PasskeyProof { webauthn, relying_party, given: self.credential, asked }
    }

    /// From where it comes, with what the browser keeps of whoever it says it is.
    fn origin(&self, req: &HttpRequest, node: &dyn Node) -> Origin {
        origin(req, node, self.known.as_ref().map_or("", |(user, _)| &user.name))
    }

    /// What the person is told; that a passkey is in two places stands in their audit.
    async fn refusal(&self, req: &HttpRequest, node: &dyn Node, refused: PasskeyRefused) -> Result<ApiError, ApiError> {
        Ok(match (refused, &self.known) {
            (PasskeyRefused::WentBack, Some((user, passkey))) => {
                let mut detail = whence(req);
                detail["credential"] = data_encoding::HEXLOWER.encode(&passkey.id).into();
                detail["label"] = passkey.name.as_str().into();
                node.directory().audit(user.id, Actor::Node, "passkey.went_back", detail, node.now()).await?;
                let text = "This passkey was used elsewhere since: somebody may have a copy of it.";
                ApiError::new(StatusCode::UNAUTHORIZED, "passkey_went_back", text)
                    .hint("Sign in another way, and remove it.")
            }
            (PasskeyRefused::Suspended, _) => {
                ApiError::new(StatusCode::FORBIDDEN, "suspended", "Your account is suspended.")
                    .hint("Ask whoever runs this node.")
            }
            _ => wrong(),
        })
    }
}

/// Whoever proves by a passkey that they are its person, and what their session ends with.
///
/// # Errors
/// If nobody does, or the ceremony is none that waits.
pub(crate) async fn signed_in(
    req: &HttpRequest,
    node: &dyn Node,
    ceremony: &str,
    credential: &PublicKeyCredential,
) -> Result<(SignedIn, OpenedBy), ApiError> {
    let party = party(req, node)?;
    let Some(Purpose::SignIn(asked)) = node.ceremonies().take(ceremony) else { return Err(stale()) };
    let given = Assertion::read(node, &party, credential).await?;
    let (proof, from) = (given.proof(asked), given.origin(req, node));
    let signed = node.directory().sign_in_by_passkey(given.known.as_ref(), proof, from, node.now()).await?;
    match (signed, &given.known) {
        (Ok(signed), Some((_, passkey))) => {
            let (credential, kind) = (passkey.id, CredentialKind::Passkey);
            Ok((signed, OpenedBy { credential, kind, outside_session: None, proved: true }))
        }
        (signed, _) => {
            let refused = signed.err().unwrap_or(PasskeyRefused::Wrong);
            Err(given.refusal(req, node, refused).await?)
        }
    }
}

/// Whether whoever has a session proves once more who they are.
pub(super) async fn confirmed(
    req: &HttpRequest,
    node: &dyn Node,
    (user, session): (policy_core::UserId, SecretHash),
    asked: DiscoverableAuthentication,
    credential: &PublicKeyCredential,
) -> Result<(), ApiError> {
    let party = party(req, node)?;
    let given = Assertion::read(node, &party, credential).await?;
    let (proof, from) = (given.proof(asked), given.origin(req, node));
    let known = given.known.as_ref();
    let proved = node.directory().confirm_by_passkey((user, session), known, proof, from, node.now()).await?;
    match proved {
        Ok(()) => Ok(()),
        Err(refused) => Err(given.refusal(req, node, refused).await?),
    }
}
