//! The forms of names and ids, each with the pattern by which the API describes it.

/// What a text must look like.
pub struct Text {
    pub max_bytes: usize,
    /// For the message only; `fits` says the same.
    pub pattern: &'static str,
    pub fits: fn(&str) -> bool,
}

pub const TYPE: Text = Text {
    max_bytes: 128,
    pattern: "^([a-z][a-z0-9_]{1,61}[a-z0-9]/)*[a-z][a-z0-9_]{1,62}[a-z0-9]$",
    fits: |text| is_path(text, 63),
};

pub const TYPE_OR_NONE: Text = Text {
    max_bytes: 128,
    pattern: "^(([a-z][a-z0-9_]{1,61}[a-z0-9]/)*[a-z][a-z0-9_]{1,62}[a-z0-9])?$",
    fits: |text| text.is_empty() || is_path(text, 63),
};

/// As [`TYPE`], with one more letter before a slash.
pub const WATCHED_TYPE: Text = Text {
    max_bytes: 128,
    pattern: "^([a-z][a-z0-9_]{1,62}[a-z0-9]/)*[a-z][a-z0-9_]{1,62}[a-z0-9]$",
    fits: |text| is_path(text, 64),
};

/// A relation or permission.
pub const MEMBER: Text =
    Text { max_bytes: 64, pattern: "^[a-z][a-z0-9_]{1,62}[a-z0-9]$", fits: |text| is_word(text, 64) };

pub const MEMBER_OR_NONE: Text = Text {
    max_bytes: 64,
    pattern: "^([a-z][a-z0-9_]{1,62}[a-z0-9])?$",
    fits: |text| text.is_empty() || is_word(text, 64),
};

pub const OBJECT_ID: Text = Text {
    max_bytes: 1024,
    pattern: "^(([a-zA-Z0-9/_|\\-=+]{1,})|\\*)$",
    fits: |text| text == "*" || (!text.is_empty() && is_id(text)),
};

pub const OBJECT_ID_OR_NONE: Text = Text { max_bytes: 1024, pattern: "^([a-zA-Z0-9/_|\\-=+]{1,})?$", fits: is_id };

pub const SUBJECT_ID_OR_NONE: Text =
    Text { max_bytes: 1024, pattern: "^(([a-zA-Z0-9/_|\\-=+]{1,})|\\*)?$", fits: |text| text == "*" || is_id(text) };

pub const CAVEAT: Text =
    Text { max_bytes: 128, pattern: "^([a-zA-Z0-9_][a-zA-Z0-9/_|-]{0,127})$", fits: is_caveat_name };

/// 3 to `longest` lower-case letters, digits and `_`, beginning with a letter, not ending with `_`.
fn is_word(text: &str, longest: usize) -> bool {
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_';
    match text.as_bytes() {
        [first, middle @ .., last] => {
            (3..=longest).contains(&text.len())
                && first.is_ascii_lowercase()
                && middle.iter().all(inner)
                && inner(last)
                && *last != b'_'
        }
        _ => false,
    }
}

/// Words with slashes between them, all but the last of `longest_before` letters at most.
fn is_path(text: &str, longest_before: usize) -> bool {
    match text.rsplit_once('/') {
        None => is_word(text, 64),
        Some((before, last)) => before.split('/').all(|word| is_word(word, longest_before)) && is_word(last, 64),
    }
}

fn is_id(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'|' | b'-' | b'=' | b'+'))
}

fn is_caveat_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'|' | b'-');
    (1..=128).contains(&text.len())
        && text.bytes().all(inner)
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
}
