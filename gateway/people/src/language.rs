//! The languages in which people are spoken to.

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Language {
    #[default]
    English,
    German,
}

/// Ranges of one `Accept-Language` that are looked at.
const RANGES: usize = 32;

impl Language {
    pub const ALL: [Language; 2] = [Language::English, Language::German];

    /// As BCP 47 writes it.
    pub const fn tag(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::German => "de",
        }
    }

    /// What it calls itself.
    pub const fn name(self) -> &'static str {
        match self {
            Language::English => "English",
            Language::German => "Deutsch",
        }
    }

    /// The language of exactly this tag.
    pub fn of_tag(tag: &str) -> Option<Language> {
        Language::ALL.into_iter().find(|language| language.tag() == tag)
    }

    /// The one that is liked best of what `Accept-Language` names (RFC 9110, section 12.5.4), whatever the region; `None`
    /// if it names none of ours.
    pub fn accepted(header: &str) -> Option<Language> {
        let mut best: Option<(u16, Language)> = None;
        for range in header.split(',').take(RANGES) {
            let mut parts = range.split(';');
            let primary = parts.next().unwrap_or_default().trim().split('-').next().unwrap_or_default();
            let Some(language) = Language::of_tag(&primary.to_ascii_lowercase()) else { continue };
            let weight = match parts.next().map(str::trim) {
                None => Some(1_000),
                Some(text) => text.strip_prefix("q=").or_else(|| text.strip_prefix("Q=")).and_then(weight),
            };
            let Some(weight) = weight.filter(|weight| *weight > 0) else { continue };
            if best.is_none_or(|(most, _)| weight > most) {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
    }
}

/// `0.7` in thousandths.
fn weight(text: &str) -> Option<u16> {
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    if part.len() > 3 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part: u16 = format!("{part:0<3}").parse().ok()?;
    match (whole, part) {
        ("0", part) => Some(part),
        ("1", 0) => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_one_that_is_liked_best_of_ours() {
        for (header, language) in [
            ("de", Some(Language::German)),
            ("DE-at", Some(Language::German)),
            ("fr, de;q=0.5, en;q=0.4", Some(Language::German)),
            ("en-GB,de;q=0.9", Some(Language::English)),
            ("de;q=0.2,en;q=0.21", Some(Language::English)),
            ("de;q=0, en;q=0.001", Some(Language::English)),
            ("de, en", Some(Language::German)),
            ("den", None),
            ("de;q=2", None),
            ("de;q=x", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(Language::accepted(header), language, "{header}");
        }
        assert_eq!(Language::accepted(&"fr,".repeat(1_000_000)), None);
        assert!(Language::ALL.into_iter().all(|one| Language::of_tag(one.tag()) == Some(one)));
    }
}
