use super::{consent, entering, refusals, taking};

/// Every text: its name, and what it says in each language.
pub(in super::super) fn all() -> impl Iterator<Item = &'static (&'static str, &'static str, &'static str)> {
    [refusals::ALL, entering::ALL, consent::ALL, taking::ALL].into_iter().flatten()
}

/// The arguments that a text names, sorted.
fn arguments(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> =
        text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect();
    found.sort_unstable();
    found
}

#[test]
fn each_text_is_translated_and_holds_no_markup() {
    for (name, english, german) in all() {
        assert_eq!(arguments(english), arguments(german), "{name}");
        assert_ne!(english, german, "{name} is not translated");
        for text in [english, german] {
            assert!(!text.contains(['<', '>', '&', '"']) && text.trim() == *text && !text.is_empty(), "{name}: {text}");
        }
    }
}
