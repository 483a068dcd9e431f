//! Letters of a node to its people, handed to the SMTP server that the operator names (RFC 5321, RFC 6409).
//!
//! One connection a letter, to an address that was looked at: a server that hangs holds nobody but whoever waits for this
//! letter, for [`PATIENCE`] until it hears of it, and ten minutes while it looks at it. Beyond the machine nothing is said in clear: `STARTTLS` (RFC 3207) is insisted on, or TLS
//! is spoken from the first byte (RFC 8314).
#![forbid(unsafe_code)]

mod letter;
mod lines;
mod mailer;
mod settings;
#[cfg(test)]
mod tests;

pub use letter::Letter;
pub use mailer::{MailError, Mailer, PATIENCE};
pub use settings::{MailSettings, MailTls, Sender, SettingsError};
