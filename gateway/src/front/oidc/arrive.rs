//! Whoever comes from a provider becomes a person of this node.

use actix_web::http::StatusCode;
use policy_core::TenantId;
use serde_json::json;

use crate::directory::credentials::{CredentialId, CredentialKind};
use crate::directory::sessions::OpenedBy;
use crate::directory::{Actor, DirectoryError, User};
use crate::front::error::ApiError;
use crate::node::Node;
use crate::oidc::{Person, Provider};

/// Names of one kind that are tried before an account is made: `bob`, `bob-2`, …
const TRIED: u32 = 9;

/// Whose account here it is; an account is made if there is none and the operator wishes so.
pub(super) async fn arrive(
    node: &dyn Node,
    provider: &Provider,
    person: &Person,
) -> Result<(User, OpenedBy), ApiError> {
    // Whoever was signed in there all the time has proved nothing now: dangerous acts ask them.
    let proved = person.is_fresh(node.now());
    let opened = |(user, credential): (User, CredentialId)| {
        (user, OpenedBy { credential, kind: CredentialKind::Outside, outside_session: person.session.clone(), proved })
    };
    let directory = node.directory();
    if let Some(known) = directory.user_outside(&person.identity).await? {
        return Ok(opened(known));
    }
    // People are kept where they sign in: at home, once somebody owns it.
    let home = match directory.owner() {
        Some(owner) => directory.tenant_of(owner).await?,
        None => None,
    };
    let Some(tenant) = home.filter(|_| provider.config().create_accounts) else {
        let text = "Nobody here signs in by this account.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "no_account", text)
            .hint("Sign in with your password, and add it under “Sign-in and password”."));
    };
    match made(node, provider, person, tenant).await {
        Err(error) => match directory.user_outside(&person.identity).await? {
            // The same person, twice at once.
            Some(known) => Ok(opened(known)),
            None => Err(error),
        },
        Ok(made) => Ok(opened(made)),
    }
}

/// Makes an account, under a name that nobody has: who comes from elsewhere takes nobody's place.
async fn made(
    node: &dyn Node,
    provider: &Provider,
    person: &Person,
    tenant: TenantId,
) -> Result<(User, CredentialId), ApiError> {
    let directory = node.directory();
    let name = free_name(node, person).await?;
    let (id, space) = node.create_account().await?;
    let now = node.now();
    let way = (&person.identity, person.label.as_str());
    let (user, credential) = directory.add_outside_user((id, space), &name, tenant, way, now).await?;
    node.enrol(tenant, id, space).await?;
    let detail = json!({ "tenant": tenant, "provider": provider.config().name });
    directory.audit(id, Actor::Person(id), "user.created", detail, now).await?;
    Ok((user, credential))
}

async fn free_name(node: &dyn Node, person: &Person) -> Result<String, ApiError> {
    for wished in person.names.iter().map(String::as_str).chain(["person"]) {
        for n in 1..=TRIED {
            let name = if n == 1 { wished.to_owned() } else { format!("{wished}-{n}") };
            match node.directory().can_add_user(&name, None).await {
                Ok(()) => return Ok(name),
                Err(DirectoryError::Taken(_)) => {}
                // Nobody can be called so, or would be taken for another.
                Err(DirectoryError::Unfit(_)) => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
    let text = "No name is free that you have there.";
    Err(ApiError::new(StatusCode::CONFLICT, "name_taken", text)
        .hint("Ask the operator for an account, and link it then."))
}
