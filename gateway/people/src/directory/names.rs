//! Names of people and tenants: in any script, in one spelling, and none that looks like another.

use precis_core::profile::Profile as _;
use precis_profiles::UsernameCaseMapped;
use unicode_security::MixedScript as _;
use unicode_security::confusable_detection::skeleton;

use super::DirectoryError;

const NAME: &str = "A name has 1 to 64 characters of one script: letters, digits, and . _ - between them; it begins with a \
                    letter or digit.";
/// Characters of a name at most.
const MAX_NAME: usize = 64;
/// Bytes that are looked at: nobody's name is longer, however it is written.
const MAX_BYTES: usize = 1_024;

/// A name in its one spelling: small, wide letters made narrow, composed (RFC 8265, 3.3: UsernameCaseMapped), and of
/// what that allows in ASCII only letters, digits and `.`, `_`, `-`. Scripts are not mixed (UTS 39, 5.1), so that no
/// letter hides among others.
///
/// # Errors
/// [`DirectoryError::Unfit`] if it is none.
pub fn name_of(text: &str) -> Result<String, DirectoryError> {
    let unfit = || DirectoryError::Unfit(NAME);
    let text = text.trim();
    if text.len() > MAX_BYTES {
        return Err(unfit());
    }
    let name = UsernameCaseMapped::new().enforce(text).map_err(|_| unfit())?.into_owned();
    let plain = |c: char| !c.is_ascii() || c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    let begins = name.starts_with(char::is_alphanumeric);
    let short = name.chars().count() <= MAX_NAME;
    if begins && short && name.chars().all(plain) && name.as_str().is_single_script() { Ok(name) } else { Err(unfit()) }
}

/// Whether two names, each in its one spelling, look alike (UTS 39, 4): Cyrillic `асе` is no other Latin `ace`. Those in
/// ASCII are what people type: `bo1` may stand beside `bol`.
pub(super) fn look_alike(one: &str, other: &str) -> bool {
    !(one.is_ascii() && other.is_ascii()) && skeleton(one).eq(skeleton(other))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_in_any_script_has_one_spelling() {
        for (text, name) in [
            ("alice", "alice"),
            (" Alice ", "alice"),
            ("ALICE-2.b_c", "alice-2.b_c"),
            ("Ｂob", "bob"),
            ("José", "josé"),
            ("Jose\u{301}", "josé"),
            ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
            ("Ольга", "ольга"),
            ("山田太郎", "山田太郎"),
            ("さくらサクラ桜", "さくらサクラ桜"),
            ("مريم", "مريم"),
            ("דוד", "דוד"),
            ("ไพลิน", "ไพลิน"),
            ("Straße", "straße"),
            ("金", "金"),
        ] {
            assert_eq!(name_of(text).ok().as_deref(), Some(name), "{text}");
        }
        for bad in [
            "",
            " ",
            "a b",
            "<b>",
            "-a",
            ".a",
            "a/b",
            "a:b",
            "a@b",
            "a\u{0}b",
            "a\u{200b}b",
            "a\u{202e}b",
            "\u{301}a",
            "😀",
            "a😀",
            "½",
            "①",
            "аlice", // a Cyrillic а
            "alicе", // a Cyrillic е
            "pаypаl",
            "דa", // from right to left and back
            &"a".repeat(65),
            &"山".repeat(65),
            &"a\u{301}".repeat(5_000),
        ] {
            assert!(name_of(bad).is_err(), "{bad:?}");
        }
        assert!(name_of(&"山".repeat(64)).is_ok(), "characters count, not bytes");
    }

    #[test]
    fn names_that_look_alike_are_found() {
        let name = |text: &str| name_of(text).unwrap();
        assert!(look_alike(&name("асе"), &name("ace")), "Cyrillic and Latin");
        for (one, other) in
            [("alice", "bob"), ("bo1", "bol"), ("burn", "bum"), ("ольга", "olga"), ("jose", "josé"), ("山田", "山口")]
        {
            assert!(!look_alike(&name(one), &name(other)), "{one} {other}");
        }
    }

    proptest! {
        /// Who had a name before other scripts were taken has it still.
        #[test]
        fn names_in_ascii_are_what_they_were(text in "[a-z0-9][a-z0-9._-]{0,63}") {
            prop_assert_eq!(name_of(&text).ok(), Some(text));
        }

        /// A spelling is its own spelling, and looks like itself.
        #[test]
        fn a_name_is_stable(text in "\\PC{0,40}") {
            if let Ok(name) = name_of(&text) {
                prop_assert_eq!(name_of(&name).unwrap(), name.clone());
                prop_assert!(name.is_ascii() || look_alike(&name, &name));
            }
        }
    }
}
