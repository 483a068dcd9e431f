//! What an engine answers beyond yes and no: how an answer came about, and whether it can answer at all.

use async_trait::async_trait;
use policy_core::{Check, Engine, Traced};

use crate::{PolicyError, ServiceError, Token};

/// Whether a change is in force where questions are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a change that is pending must be told so"]
pub enum Delivery {
    Done,
    /// It is made and will be delivered; until then nobody is allowed anything by what it takes away. Why it is not.
    Pending(String),
}

impl Delivery {
    pub fn is_pending(&self) -> bool {
        matches!(self, Delivery::Pending(_))
    }

    /// Pending as an error: for who must not go on before it is in force.
    pub(crate) fn or_undelivered(self) -> Result<(), PolicyError> {
        match self {
            Delivery::Done => Ok(()),
            Delivery::Pending(why) => Err(PolicyError::Undelivered(why)),
        }
    }

    /// Pending if one of them is.
    pub fn and(self, other: Delivery) -> Delivery {
        if self.is_pending() { self } else { other }
    }
}

/// How it stands with an engine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// `embedded` or `spicedb`.
    pub engine: &'static str,
    /// Why it does not answer; `None`: it does.
    pub unanswered: Option<String>,
    /// Changes that it has not seen.
    pub pending: u64,
    /// Those among them that take something away.
    pub revocations: u64,
    /// Changes that it refuses, with the reasons: they wait for somebody to look.
    pub refused: Vec<String>,
}

/// The engine that answers: the gate's, and whoever explains its answers. There is one in a process.
#[async_trait]
pub trait Explainer: Engine {
    /// One answer and how it came about.
    ///
    /// # Errors
    /// If there is none, as [`Engine::check`].
    async fn trace(&self, check: &Check) -> Result<(Traced, Token), ServiceError>;

    /// Whether it answers at this moment, and what is on its way to it.
    async fn standing(&self) -> Standing;
}
