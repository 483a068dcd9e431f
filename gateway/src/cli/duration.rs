//! Durations as people write them.

/// A duration as people write it, in seconds.
pub fn seconds(text: &str) -> Result<u64, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err("expected a number with s, m, h or d behind it".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "expected a number with s, m, h or d behind it".to_owned())?;
    number
        .checked_mul(unit)
        .filter(|&s| (1..=366 * 86_400).contains(&s))
        .ok_or("between 1 second and a year".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(
            (seconds("30s"), seconds("2m"), seconds("1h"), seconds("7d")),
            (Ok(30), Ok(120), Ok(3_600), Ok(604_800))
        );
        for bad in ["", "x", "1y", "-1s", "0s", "99999999999999999999s", "9999d"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
