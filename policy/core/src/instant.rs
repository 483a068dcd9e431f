//! Instants as RFC 3339 writes them. Nothing of a text is dropped: what would be, is refused.

use std::ops::RangeInclusive;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::Timestamp;

/// The first and the last instant that RFC 3339 can write in UTC, in microseconds: the years 0000 to 9999.
const INSTANTS: RangeInclusive<i64> = -62_167_219_200_000_000..=253_402_300_799_999_999;

/// Why a text is no instant that is kept as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoInstant {
    /// Not of RFC 3339.
    Malformed,
    /// Finer than a microsecond.
    TooFine,
    /// A leap second, `:60`, which the time scale of Unix has no number for.
    LeapSecond,
    /// Outside the years 0000 to 9999 once it is in UTC.
    Year,
}

impl NoInstant {
    /// What is wanted, for "the value is not …".
    pub fn wanted(self) -> &'static str {
        match self {
            NoInstant::Malformed => "a date and time (RFC 3339)",
            NoInstant::TooFine => "a date and time of at most six digits of a second: microseconds are kept, no finer",
            NoInstant::LeapSecond => "a date and time without a leap second (`:60`), which is not kept",
            NoInstant::Year => "a date and time that lies in the years 0000 to 9999 in UTC",
        }
    }
}

/// The instant that a text of RFC 3339 names. Nothing of it is dropped: what would be, is refused.
pub fn instant(text: &str) -> Result<Timestamp, NoInstant> {
    if text.len() > 64 || !text.is_ascii() {
        return Err(NoInstant::Malformed);
    }
    // `YYYY-MM-DDTHH:MM:` is 17 characters long.
    let seconds = text.get(17..).ok_or(NoInstant::Malformed)?;
    let at = OffsetDateTime::parse(text, &Rfc3339);
    if let Some(rest) = seconds.strip_prefix("60") {
        let before = OffsetDateTime::parse(&format!("{}59{rest}", &text[..17]), &Rfc3339);
        return Err(if before.is_ok() { NoInstant::LeapSecond } else { NoInstant::Malformed });
    }
    let at = at.map_err(|_| NoInstant::Malformed)?;
    let fraction = seconds.get(2..).and_then(|rest| rest.strip_prefix('.')).unwrap_or_default();
    if fraction.bytes().take_while(u8::is_ascii_digit).skip(6).any(|digit| digit != b'0') {
        return Err(NoInstant::TooFine);
    }
    let micros = i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000)).map_err(|_| NoInstant::Year)?;
    if INSTANTS.contains(&micros) { Ok(Timestamp(micros)) } else { Err(NoInstant::Year) }
}

/// The text of an instant, in UTC: what [`instant`] reads back as the same.
pub fn written(at: Timestamp) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1_000);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_would_be_dropped_or_cannot_be_written_is_refused() {
        for (text, why) in [
            ("2020-01-01T00:00:00.0000001Z", NoInstant::TooFine),
            ("2020-01-01T00:00:00.123456789+02:00", NoInstant::TooFine),
            ("2016-12-31T23:59:60Z", NoInstant::LeapSecond),
            ("2016-12-31T23:59:60.5Z", NoInstant::LeapSecond),
            ("2016-12-31T15:59:60-08:00", NoInstant::LeapSecond),
            ("0000-01-01T00:00:00+01:00", NoInstant::Year),
            ("9999-12-31T23:59:59-01:00", NoInstant::Year),
            ("10000-01-01T00:00:00Z", NoInstant::Malformed),
            ("-001-01-01T00:00:00Z", NoInstant::Malformed),
            ("2021-02-29T00:00:00Z", NoInstant::Malformed),
            ("2020-01-01T24:00:00Z", NoInstant::Malformed),
            ("2020-01-01T00:00:00", NoInstant::Malformed),
            ("2020-01-01", NoInstant::Malformed),
            ("2020-01-01T00:00:60x", NoInstant::Malformed),
            ("２020-01-01T00:00:00Z", NoInstant::Malformed),
            ("", NoInstant::Malformed),
        ] {
            assert_eq!(instant(text), Err(why), "{text}");
        }
        for (text, micros) in [
            ("1970-01-01T00:00:00.000001Z", 1),
            ("1970-01-01T00:00:00.000001000Z", 1),
            ("1970-01-01T01:00:00+01:00", 0),
            ("0000-01-01T00:00:00Z", *INSTANTS.start()),
            ("9999-12-31T23:59:59.999999Z", *INSTANTS.end()),
            ("9999-12-31T22:59:59.999999-01:00", *INSTANTS.end()),
        ] {
            assert_eq!(instant(text), Ok(Timestamp(micros)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_text_and_its_instant_say_the_same(micros in INSTANTS, hours in -23i32..24, minutes in 0i32..60, other in INSTANTS) {
            let write = |micros: i64, hours: i32, minutes: i32| {
                let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).unwrap();
                let offset = time::UtcOffset::from_hms(hours as i8, (minutes * hours.signum()) as i8, 0).unwrap();
                at.checked_to_offset(offset).filter(|at| (0..=9999).contains(&at.year())).map(|at| at.format(&Rfc3339).unwrap())
            };
            if let Some(text) = write(micros, hours, minutes) {
                prop_assert_eq!(instant(&text), Ok(Timestamp(micros)), "{}", text);
            }
            prop_assert_eq!(instant(&written(Timestamp(micros))), Ok(Timestamp(micros)));
            let (a, b) = (write(micros, 0, 0).unwrap(), write(other, 0, 0).unwrap());
            prop_assert_eq!(instant(&a).unwrap().cmp(&instant(&b).unwrap()), micros.cmp(&other));
        }
    }
}
