//! Letters that people see, and those that they do not.

/// Whether a letter shows as nothing, or turns the order of others around.
pub(crate) fn is_unseen(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{feff}' | '\u{ffa0}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether people can read a text as one line: nothing unseen is in it but what joins letters (scripts need it, and
/// pictures of several), and something shows.
pub(crate) fn is_line(text: &str) -> bool {
    let joins = |letter| matches!(letter, '\u{200c}' | '\u{200d}');
    let chooses = |letter| matches!(letter, '\u{fe00}'..='\u{fe0f}');
    let shows = |letter: char| !letter.is_whitespace() && !is_unseen(letter) && !chooses(letter);
    text.chars().all(|letter| !letter.is_control() && (!is_unseen(letter) || joins(letter))) && text.chars().any(shows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_in_no_line_and_is_none() {
        for good in ["curl", "日記", "می\u{200c}خواهم", "👩\u{200d}💻", "❤\u{fe0f}", "a b"] {
            assert!(is_line(good), "{good:?}");
        }
        for unseen in [
            '\n',
            '\u{61c}',
            '\u{ad}',
            '\u{180e}',
            '\u{115f}',
            '\u{1160}',
            '\u{3164}',
            '\u{ffa0}',
            '\u{e0041}',
            '\u{202e}',
            '\u{200b}',
            '\u{feff}',
        ] {
            assert!(!is_line(&format!("a{unseen}b")), "{unseen:?}");
        }
        for nothing in ["", " ", "\u{200d}", "\u{200c}\u{fe0f}", "\u{3000}"] {
            assert!(!is_line(nothing), "{nothing:?}");
        }
    }
}
