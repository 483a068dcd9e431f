//! Why a command did not do what was asked, and the codes that commands end with.

use gateway_http::listen::ListenError;
use serde::Serialize;
use serde_json::Value;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Refused = 3,
    NotFound = 4,
    Unreachable = 5,
}

/// Why a command failed: a stable code, a sentence, and what to do next.
#[derive(Debug, Clone)]
pub struct Failure {
    pub exit: Exit,
    pub code: String,
    pub message: String,
    pub hint: Option<String>,
}

impl Failure {
    pub fn new(exit: Exit, code: &str, message: &str) -> Self {
        Failure { exit, code: code.to_owned(), message: message.to_owned(), hint: None }
    }
    pub fn failed(code: &str, message: &str) -> Self {
        Self::new(Exit::Failed, code, message)
    }
    pub fn usage(code: &str, message: &str) -> Self {
        Self::new(Exit::Usage, code, message)
    }
    #[must_use]
    pub fn hint(mut self, hint: &str) -> Self {
        self.hint = Some(hint.to_owned());
        self
    }

    /// A failure whose message begins with its code and a colon.
    pub fn coded(exit: Exit, message: &str) -> Self {
        match message.split_once(": ") {
            Some((code, rest)) if code.chars().all(|c| c.is_ascii_lowercase() || c == '_') => {
                Self::new(exit, code, rest)
            }
            _ => Self::new(exit, "failed", message),
        }
    }

    /// Its message, which a command line says in half a sentence, as a whole one.
    pub fn sentence(&self) -> String {
        let mut rest = self.message.chars();
        let first = rest.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
        let end = if self.message.ends_with(['.', '!', '?']) { "" } else { "." };
        format!("{first}{}{end}", rest.as_str())
    }
}

/// As commands print it, and the routes that do the same answer.
///
/// # Errors
/// If it cannot be written as JSON.
pub fn to_json(value: impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(|error| Failure::failed("failed", &error.to_string()))
}

/// Of the socket in the data directory.
pub fn no_socket(error: std::io::Error) -> Failure {
    Failure::failed("control_socket_failed", &error.to_string())
}

impl From<ListenError> for Failure {
    fn from(error: ListenError) -> Self {
        let message = error.to_string();
        match error {
            ListenError::Address { .. } => Failure::usage(error.code(), &message),
            ListenError::InClear(_) => Failure::usage(error.code(), &message).hint(
                "serve TLS (`--tls internal`, `--tls acme`, or --tls-cert and --tls-key); behind a proxy that does, name \
                 it by --trusted-proxies; or say --insecure",
            ),
            ListenError::Failed { .. } => Failure::failed(error.code(), &message),
        }
    }
}

impl From<vault::keyring::DirectoryError> for Failure {
    fn from(error: vault::keyring::DirectoryError) -> Self {
        Failure::coded(Exit::Failed, &error.to_string())
    }
}
