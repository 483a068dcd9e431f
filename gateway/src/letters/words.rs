//! What letters say: that something is to be seen, and where. No name of anybody or anything, since letters lie about in
//! clear on servers of others.

use crate::directory::notices::NoticeKind;

pub(super) const TEST: &str = "Letters from your Allod arrive";

/// What every letter ends with.
fn end(url: &str) -> String {
    format!(
        "\n\nThis was sent by the Allod node at {url} . Of what you are told, and where, you say at\n{url}/admin/notices .\n"
    )
}

pub(super) fn test(url: &str) -> String {
    format!("This letter tries whether letters arrive. They do.{}", end(url))
}

pub(super) fn code(code: &str, url: &str) -> (&'static str, String) {
    let (first, second) = code.split_at(code.len() / 2);
    let text = format!(
        "Somebody with an account there wishes to be written to at this address. If that is you, type this code\n\
         on the page of notices, within an hour:\n\n    {first} {second}\n\n\
         If it is not, do nothing: without the code nothing more is sent here.\n\n\
         This was sent by the Allod node at {url} .\n"
    );
    ("A code for your address", text)
}

pub(super) fn address_left(url: &str) -> (&'static str, String) {
    let text = format!(
        "From now on nothing more is sent to this address. If you did not wish that, somebody else is in your\n\
         account: sign in, change your password, and look at where you are signed in:\n{url}/admin/security .\n\n\
         This was sent by the Allod node at {url} .\n"
    );
    ("This address was taken out of your account", text)
}

pub(super) fn notice(kind: NoticeKind, url: &str) -> (&'static str, String) {
    let (subject, says, page) = match kind {
        NoticeKind::ShareGot => {
            ("Something was shared with you", "Something was shared with you. Sign in to see it:", "shares")
        }
        NoticeKind::AccessAsked => (
            "An app asks for access",
            "An app asks for more than you let it do. Sign in to see for what, and to decide:",
            "apps",
        ),
        NoticeKind::GrantEnding => (
            "What an app may do ends soon",
            "What you let an app do ends soon. Sign in to see which, and to let it go on:",
            "apps",
        ),
        NoticeKind::ReplicaBehind => (
            "A copy of your data is behind",
            "A device or a replica of yours has lacked something for a while. Sign in to see which:",
            "devices",
        ),
        NoticeKind::BackupFailing => {
            ("Backups are not made", "Backups of the node are not made in time. Sign in to see why:", "operator/node")
        }
        NoticeKind::NewSignIn => (
            "A sign-in from a new place",
            "Somebody signed in to your account, by a browser and from a place that were not seen before. If it was not\n\
             you, change your password, and end that session:",
            "security",
        ),
        NoticeKind::DeviceAdded => (
            "A device joined your account",
            "A device joined your account, and has its keys. If you did not add one, look at it at once:",
            "devices",
        ),
        NoticeKind::PasswordChanged => (
            "Your password was changed",
            "The password of your account was changed. If it was not you, ask whoever runs the node for help, and look at:",
            "security",
        ),
        NoticeKind::CredentialAdded => (
            "A way to sign in was added",
            "Your account has one more way to sign in, or a second factor. If you did not add it, remove it:",
            "security",
        ),
        NoticeKind::CredentialRemoved => (
            "A way to sign in was removed",
            "A way to sign in, or a second factor, was taken out of your account. If it was not you, look at:",
            "security",
        ),
        NoticeKind::RecoveryShown => (
            "The recovery words were shown",
            "The words that open the backups of the node were made, or shown. If it was not you, somebody else may have\nthem:",
            "recovery",
        ),
    };
    (subject, format!("{says}\n{url}/admin/{page} .{}", end(url)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_is_plain_and_leads_to_the_node_alone() {
        let url = "https://home.example";
        let all = NoticeKind::ALL.map(|kind| notice(kind, url));
        for (subject, text) in all.into_iter().chain([code("12345678", url), address_left(url), (TEST, test(url))]) {
            assert!(subject.len() <= 60 && subject.is_ascii(), "{subject}");
            assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 200), "{text}");
            for link in text.match_indices("http").map(|(at, _)| &text[at..]) {
                assert!(link.starts_with(url), "{link}");
            }
        }
        assert!(code("12345678", url).1.contains("    1234 5678\n"));
    }
}
