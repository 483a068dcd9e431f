//! What a node is told: settings from flags, the environment and `allod.toml`, each with its source.
//!
//! A flag beats the environment, the environment beats the file, the file beats the default. What the file says and
//! nobody knows is refused with the nearest name; an `ALLOD_…` variable that nobody knows is only warned of, since
//! others put such into an environment. A value is parsed where it is read; its error names key and source, and a
//! secret's value is never in it.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod layers;
mod secret;
mod setting;

pub use layers::{Environment, Flags, SettingView, Settings, Source};
pub use secret::{Secret, read_secret};
pub use setting::{SETTINGS, Setting, SettingKind};

/// Why settings are refused. Nothing was begun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    /// Stable, for programs.
    pub code: &'static str,
    /// A sentence for the operator; never a secret.
    pub message: String,
    /// What to do next, where there is something to say.
    pub hint: Option<String>,
}

impl ConfigError {
    pub(crate) fn new(code: &'static str, message: String) -> Self {
        ConfigError { code, message, hint: None }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: String) -> Self {
        self.hint = Some(hint);
        self
    }
}
