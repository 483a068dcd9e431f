//! Sizes as people write them.

/// A number of bytes, with or without a unit.
pub fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let by = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err("it is a number, or one with MB, GB or TB behind it".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "it is a number, or one with MB, GB or TB behind it".to_owned())?;
    number.checked_mul(by).ok_or_else(|| "it is more than there is".to_owned())
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn a_size_is_a_number_with_or_without_a_unit() {
        for (text, count) in
            [("5000000", 5_000_000), ("50GB", 50_000_000_000), ("2 tb", 2_000_000_000_000), ("1GiB", 1 << 30)]
        {
            assert_eq!(bytes(text), Ok(count), "{text}");
        }
        for text in ["", "GB", "5 apples", "-1GB", "1.5GB", "99999999TB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
