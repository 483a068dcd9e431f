//! A letter as it goes over the wire (RFC 5322).

use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};

use crate::settings::Sender;

/// A letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Names the letter, the same each time that it is sent: letters, digits and `.`.
    pub id: String,
    /// Whom it is for.
    pub to: String,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
}

/// What stands in a `Message-ID`, and in a greeting.
pub(crate) fn is_named(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-.:".contains(letter))
}

impl Letter {
    /// The envelope and the bytes; `None`: it cannot be written as a letter.
    pub(crate) fn written(&self, from: &Sender, host: &str) -> Option<(Envelope, Vec<u8>)> {
        // What ends a line would begin another header, or another command.
        let plain = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
        if !plain(&self.to) || !self.to.is_ascii() || !plain(&self.subject) || !is_named(&self.id) || !is_named(host) {
            return None;
        }
        let to: Mailbox = Mailbox::new(None, self.to.parse().ok()?);
        let auto = HeaderName::new_from_ascii_str("Auto-Submitted");
        let message = Message::builder()
            .from(from.0.clone())
            .to(to)
            .subject(self.subject.as_str())
            .message_id(Some(format!("<{}@{host}>", self.id)))
            .date_now()
            .header(ContentType::TEXT_PLAIN)
            // Nothing answers by itself to it (RFC 3834, 5).
            .raw_header(HeaderValue::new(auto, "auto-generated".to_owned()))
            .body(self.text.clone())
            .ok()?;
        Some((message.envelope().clone(), message.formatted()))
    }
}
