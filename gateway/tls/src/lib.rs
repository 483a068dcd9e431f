//! TLS of a node: where its certificate comes from, how it is renewed, and what a handshake may cost.
//!
//! A certificate comes from files that somebody else keeps ([`Source::Files`]), from an authority of the node's own
//! ([`Source::Internal`]), or from an authority that speaks ACME ([`Source::Acme`]). Whichever it is, a certificate that
//! took the place of another is used from the next handshake on, and one that is no good does not take it.
//! TLS 1.2 and 1.3, HTTP/1.1.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod acme;
mod certificate;
mod error;
mod files;
mod handshakes;
mod internal;
mod names;
mod resolver;
#[cfg(test)]
mod tests;
mod tls;

pub use acme::{AcmeOptions, LETS_ENCRYPT};
pub use certificate::fingerprint;
pub use error::TlsError;
pub use files::FilesOptions;
pub use internal::{InternalOptions, Root, read_root, root_file};
pub use names::is_public;
pub use tls::{Clock, Source, Standing, Tls, TlsStream, Trouble};
