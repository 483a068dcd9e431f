//! What people are told of.

use serde_json::Value;

use super::super::Actor;
use crate::grants::turns_text;
use policy_core::UserId;

/// A kind of notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoticeKind {
    /// An app asks for more than it was granted.
    AccessAsked,
    /// Something was shared.
    ShareGot,
    /// A device joined the account.
    DeviceAdded,
    /// Somebody signed in by a browser, and from a network, that were not seen before.
    NewSignIn,
    /// Backups are not made in time.
    BackupFailing,
    /// A device or replica lacks what it ought to have.
    ReplicaBehind,
    /// A grant to an app is about to end.
    GrantEnding,
    /// Another password counts.
    PasswordChanged,
    /// There is one more way to sign in, or a second factor.
    CredentialAdded,
    /// There is one less.
    CredentialRemoved,
    /// The words that open backups were made or shown.
    RecoveryShown,
}

impl NoticeKind {
    /// All of them, those of everyday first.
    pub const ALL: [NoticeKind; 11] = [
        NoticeKind::AccessAsked,
        NoticeKind::ShareGot,
        NoticeKind::GrantEnding,
        NoticeKind::ReplicaBehind,
        NoticeKind::BackupFailing,
        NoticeKind::NewSignIn,
        NoticeKind::DeviceAdded,
        NoticeKind::PasswordChanged,
        NoticeKind::CredentialAdded,
        NoticeKind::CredentialRemoved,
        NoticeKind::RecoveryShown,
    ];

    /// The word in routes and tables; it stays.
    pub const fn word(self) -> &'static str {
        match self {
            NoticeKind::AccessAsked => "access_asked",
            NoticeKind::ShareGot => "share_got",
            NoticeKind::DeviceAdded => "device_added",
            NoticeKind::NewSignIn => "sign_in_new",
            NoticeKind::BackupFailing => "backup_failing",
            NoticeKind::ReplicaBehind => "replica_behind",
            NoticeKind::GrantEnding => "grant_ending",
            NoticeKind::PasswordChanged => "password_changed",
            NoticeKind::CredentialAdded => "credential_added",
            NoticeKind::CredentialRemoved => "credential_removed",
            NoticeKind::RecoveryShown => "recovery_shown",
        }
    }

    /// The kind of a word.
    pub fn of_word(word: &str) -> Option<NoticeKind> {
        NoticeKind::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Whether nobody turns it off: whoever is in somebody's account, and changes how it is entered, cannot keep that from
    /// them first.
    pub const fn is_fixed(self) -> bool {
        matches!(
            self,
            NoticeKind::PasswordChanged
                | NoticeKind::CredentialAdded
                | NoticeKind::CredentialRemoved
                | NoticeKind::RecoveryShown
        )
    }

    /// Whether it warns of somebody else in the account: it is turned off by who proves who they are.
    pub const fn warns(self) -> bool {
        self.is_fixed() || matches!(self, NoticeKind::NewSignIn | NoticeKind::DeviceAdded)
    }

    /// Whether others bring it about, as often as they like: then one that was not read yet stands for all.
    pub(super) const fn is_brought_by_others(self) -> bool {
        matches!(self, NoticeKind::AccessAsked | NoticeKind::ShareGot)
    }
}

/// What a person is told of an act that is in their audit, and about what.
pub(super) fn of_act(user: UserId, actor: Actor, action: &str, detail: &Value) -> Option<(NoticeKind, About)> {
    let own = actor == Actor::Person(user);
    let kind = match action {
        "password.changed" => NoticeKind::PasswordChanged,
        "credential.added" => NoticeKind::CredentialAdded,
        "credential.removed" => NoticeKind::CredentialRemoved,
        "recovery.made" | "recovery.shown" => NoticeKind::RecoveryShown,
        // Who owns a space hears in their audit of what others share of it.
        "share.given" if !own && detail["with"] == format!("user:{user}") => NoticeKind::ShareGot,
        "group.member_added" if !own && detail["member"] == format!("user:{user}") => NoticeKind::ShareGot,
        _ => return None,
    };
    let about = match (kind, actor) {
        (NoticeKind::ShareGot, Actor::Person(giver) | Actor::PersonAsOperator(giver)) => About::Person(giver),
        (NoticeKind::ShareGot, _) => About::Nothing,
        _ => detail["kind"].as_str().map_or(About::Nothing, |kind| About::Words(kind.to_owned())),
    };
    Some((kind, about))
}

/// What a notice is about, in its person's own list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// The kind says it all.
    Nothing,
    /// Somebody, whose name is looked up when it is told.
    Person(UserId),
    /// An app or a place, by a name that somebody chose; a kind of credential.
    Words(String),
}

/// The longest name that is kept, in letters.
const MAX_NAME_LETTERS: usize = 120;

impl About {
    pub(super) fn to_text(&self) -> Option<String> {
        match self {
            About::Nothing => None,
            About::Person(user) => Some(format!("user:{user}")),
            About::Words(words) => {
                let words: String =
                    words.chars().filter(|c| !c.is_control() && !turns_text(*c)).take(MAX_NAME_LETTERS).collect();
                Some(format!("words:{words}"))
            }
        }
    }

    pub(super) fn of_text(text: Option<&str>) -> About {
        match text.and_then(|text| text.split_once(':')) {
            Some(("user", id)) => id.parse().map_or(About::Nothing, About::Person),
            Some((_, words)) => About::Words(words.to_owned()),
            None => About::Nothing,
        }
    }
}
