//! Who administers a node, as handlers are given them: a route takes one of these as a parameter, and so cannot forget to
//! ask.
//!
//! | parameter | who may |
//! |---|---|
//! | [`Operator`] | looks: whoever holds the machine, and an operator in a session of their own |
//! | [`ConfirmedOperator`] | changes: the same, if the password was given within the last five minutes |
//! | [`ConfirmedOwner`] | has the words that open backups: the same, of operators only who owns the node |
//! | [`Overseer`] | looks, also at a node that nobody owns yet |
//! | [`AtTheMachine`] | whoever holds the machine alone: what opens data, or files of the machine |

use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, web};
use futures::future::LocalBoxFuture;
use policy_core::{TenantId, UserId};

use super::error::ApiError;
use crate::authn::{self, Principal};
use gateway_people::directory::Actor;
use gateway_people::realm::Realm;

/// An operator, who may look.
#[derive(Debug)]
pub struct Operator(Principal);

impl Operator {
    async fn of(req: &HttpRequest, node: &dyn Realm) -> Result<Operator, ApiError> {
        let principal = authn::authenticate(req, node).await?;
        if principal.caller.app.is_some() {
            return Err(ApiError::for_people());
        }
        if principal.administers() {
            return Ok(Operator(principal));
        }
        Err(ApiError::new(StatusCode::FORBIDDEN, "operator_only", "Only an operator can do this.")
            .hint("Sign in as an operator, or use the `allod` command on the node's machine."))
    }

    /// Who acts, as the audit tells it.
    pub fn actor(&self) -> Actor {
        if self.0.operator { Actor::Operator } else { Actor::PersonAsOperator(self.user()) }
    }

    /// The operator themselves; of whoever holds the machine, the owner.
    pub fn user(&self) -> UserId {
        self.0.caller.user
    }

    pub fn tenant(&self) -> TenantId {
        self.0.tenant
    }
}

/// An operator who may change something.
#[derive(Debug)]
pub struct ConfirmedOperator(Operator);

impl Deref for ConfirmedOperator {
    type Target = Operator;
    fn deref(&self) -> &Operator {
        &self.0
    }
}

/// Who owns the node, and gave their password; or whoever holds the machine, who acts for them.
#[derive(Debug)]
pub struct ConfirmedOwner(Option<Operator>);

impl ConfirmedOwner {
    async fn of(req: &HttpRequest, node: &dyn Realm) -> Result<ConfirmedOwner, ApiError> {
        if authn::is_operator(req, node) {
            return Ok(ConfirmedOwner(None));
        }
        let operator = Operator::of(req, node).await?;
        if node.owner() != Some(operator.user()) {
            let text = "Only who owns this node can do this.";
            return Err(ApiError::new(StatusCode::FORBIDDEN, "operator_only", text));
        }
        operator.0.confirmed(node.now())?;
        Ok(ConfirmedOwner(Some(operator)))
    }

    /// Who acts, as the audit tells it.
    pub fn actor(&self) -> Actor {
        self.0.as_ref().map_or(Actor::Operator, |owner| Actor::Person(owner.user()))
    }
}

/// Whoever may look at how a node is, set up or not.
#[derive(Debug)]
pub struct Overseer;

/// Whoever holds the machine, and nobody over the network.
#[derive(Debug)]
pub struct AtTheMachine;

impl AtTheMachine {
    async fn of(req: &HttpRequest, node: &dyn Realm) -> Result<AtTheMachine, ApiError> {
        if authn::is_operator(req, node) {
            return Ok(AtTheMachine);
        }
        // Whoever is nobody is told so first.
        authn::authenticate(req, node).await?;
        let text = "Only the operator can do this, on the machine itself.";
        Err(ApiError::new(StatusCode::FORBIDDEN, "operator_only", text)
            .hint("Use the `allod` command on the node's machine."))
    }
}

/// Makes a type a parameter of handlers by what `$of` says of a request and its node.
macro_rules! parameter {
    ($name:ty, $of:expr) => {
        impl FromRequest for $name {
            type Error = ApiError;
            type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

            fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
                let req = req.clone();
                Box::pin(async move {
                    let node = req.app_data::<web::Data<dyn Realm>>().cloned().ok_or_else(ApiError::not_found)?;
                    let of: fn(HttpRequest, web::Data<dyn Realm>) -> Self::Future = $of;
                    of(req, node).await
                })
            }
        }
    };
}

parameter!(Operator, |req, node| Box::pin(async move { Operator::of(&req, &**node).await }));
parameter!(AtTheMachine, |req, node| Box::pin(async move { AtTheMachine::of(&req, &**node).await }));
parameter!(ConfirmedOperator, |req, node| Box::pin(async move {
    let operator = Operator::of(&req, &**node).await?;
    operator.0.confirmed(node.now())?;
    Ok(ConfirmedOperator(operator))
}));
parameter!(ConfirmedOwner, |req, node| Box::pin(async move { ConfirmedOwner::of(&req, &**node).await }));
parameter!(Overseer, |req, node| Box::pin(async move {
    if !authn::is_operator(&req, &**node) {
        Operator::of(&req, &**node).await?;
    }
    Ok(Overseer)
}));
