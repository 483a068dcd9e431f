//! What can go wrong on the way to a provider and back.

use crate::outbound::OutboundError;

/// Why a provider signed nobody in.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// What the browser brought back is of no sign-in that waits here: it lapsed, was used, or began in another browser.
    #[error("This sign-in is out of date; begin it again.")]
    Stale,
    /// The person, or the provider, said no.
    #[error("The provider let nobody in.")]
    Refused,
    /// Who they are there is known, and they are not let in here.
    #[error("This node does not let you in: {0}.")]
    NotAdmitted(&'static str),
    /// For the log: what is wrong with the provider, its answers or its settings.
    #[error("The provider could not be asked; try again later, or sign in another way.")]
    Failed(String),
}

impl From<OutboundError> for OidcError {
    fn from(error: OutboundError) -> Self {
        OidcError::Failed(error.to_string())
    }
}
