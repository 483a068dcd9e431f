//! Durations as ISO 8601 writes them.

use std::fmt;
use std::str::FromStr;

use policy_core::Timestamp;
use time::{Month, OffsetDateTime};

/// A duration: months by the calendar, the rest in seconds. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    months: u32,
    seconds: i64,
}

const DAY: i64 = 86_400;
/// A century: what lies beyond it is asked for by leaving the duration out.
const MAX_MONTHS: u32 = 1_200;
const MAX_SECONDS: i64 = 36_525 * DAY;

impl Span {
    /// `days` days; `None` for none or more than a century of them.
    pub fn days(days: u32) -> Option<Span> {
        Span::new(0, i64::from(days) * DAY)
    }

    /// The time between two instants, in whole seconds; `None` unless `to` is later.
    pub fn between(from: Timestamp, to: Timestamp) -> Option<Span> {
        Span::new(0, (to.0 - from.0).div_euclid(1_000_000))
    }

    fn new(months: u32, seconds: i64) -> Option<Span> {
        let fits = months <= MAX_MONTHS && (0..=MAX_SECONDS).contains(&seconds);
        (fits && (months > 0 || seconds > 0)).then_some(Span { months, seconds })
    }

    /// The instant this long after `start`. A day of the month that does not exist becomes the last that does.
    pub fn after(self, start: Timestamp) -> Timestamp {
        let moved = self.add_months(start).unwrap_or(start);
        Timestamp(moved.0.saturating_add(self.seconds.saturating_mul(1_000_000)))
    }

    fn add_months(self, start: Timestamp) -> Option<Timestamp> {
        if self.months == 0 {
            return Some(start);
        }
        let at = OffsetDateTime::from_unix_timestamp(start.seconds()).ok()?;
        let count = at.year() * 12 + i32::from(u8::from(at.month())) - 1 + i32::try_from(self.months).ok()?;
        let month = Month::try_from(u8::try_from(count.rem_euclid(12)).ok()? + 1).ok()?;
        let year = count.div_euclid(12);
        let day = at.day().min(month.length(year));
        let date = time::Date::from_calendar_date(year, month, day).ok()?;
        let micros = start.0.rem_euclid(1_000_000);
        Some(Timestamp(at.replace_date(date).unix_timestamp() * 1_000_000 + micros))
    }
}

impl FromStr for Span {
    type Err = ();

    /// `P30D`, `PT1H`, `P1Y2M3DT4H5M6S`, `P2W`: whole numbers, each unit once, in this order.
    fn from_str(text: &str) -> Result<Span, ()> {
        if text.len() > 32 {
            return Err(());
        }
        let rest = text.strip_prefix('P').ok_or(())?;
        let (date, clock) = match rest.split_once('T') {
            Some((_, "")) => return Err(()),
            Some((date, clock)) => (date, clock),
            None => (rest, ""),
        };
        let (mut months, mut seconds) = (0u32, 0i64);
        for (unit, number) in units(date, "YMWD")? {
            match unit {
                'Y' => months = number.checked_mul(12).and_then(|n| n.checked_add(months)).ok_or(())?,
                'M' => months = months.checked_add(number).ok_or(())?,
                'W' => seconds += i64::from(number) * 7 * DAY,
                _ => seconds += i64::from(number) * DAY,
            }
        }
        for (unit, number) in units(clock, "HMS")? {
            seconds += i64::from(number)
                * match unit {
                    'H' => 3_600,
                    'M' => 60,
                    _ => 1,
                };
        }
        Span::new(months, seconds).ok_or(())
    }
}

/// Splits `3D` or `4H5M` into numbers with their units, which must come in the order of `allowed`.
fn units(text: &str, allowed: &str) -> Result<Vec<(char, u32)>, ()> {
    let (mut out, mut digits, mut next) = (Vec::new(), String::new(), 0);
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let at = allowed.find(c).filter(|&at| at >= next).ok_or(())?;
        out.push((c, digits.parse().map_err(|_| ())?));
        digits.clear();
        next = at + 1;
    }
    if digits.is_empty() { Ok(out) } else { Err(()) }
}

impl fmt::Display for Span {
    /// The same length in years, months, days, hours, minutes and seconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P")?;
        let clock = self.seconds % DAY;
        let parts = [(self.months / 12, 'Y'), (self.months % 12, 'M')];
        for (number, unit) in parts.into_iter().filter(|(number, _)| *number > 0) {
            write!(f, "{number}{unit}")?;
        }
        if self.seconds >= DAY {
            write!(f, "{}D", self.seconds / DAY)?;
        }
        if clock > 0 {
            f.write_str("T")?;
            for (number, unit) in [(clock / 3_600, 'H'), (clock / 60 % 60, 'M'), (clock % 60, 'S')] {
                if number > 0 {
                    write!(f, "{number}{unit}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_read_and_write_and_the_rest_is_refused() {
        let start = Timestamp::from_seconds(0);
        for (text, seconds) in [("P30D", 30 * DAY), ("PT1H", 3_600), ("P2W", 14 * DAY), ("P1DT1M1S", DAY + 61)] {
            assert_eq!(text.parse::<Span>().unwrap().after(start), Timestamp::from_seconds(seconds), "{text}");
        }
        assert_eq!("P1M".parse::<Span>().unwrap().after(Timestamp::from_seconds(30 * DAY)).seconds(), 58 * DAY);
        assert_eq!("P1Y".parse::<Span>().unwrap().after(start).seconds(), 365 * DAY);
        for bad in
            ["", "P", "PT", "30D", "P0D", "P-1D", "P1.5D", "P1D1D", "P1D2W", "P1DT", "PT1D", "P1H", "p1d", "P999999D"]
        {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_as_the_same(months in 0u32..1_200, seconds in 1i64..MAX_SECONDS, junk in "[PTYMWDHS0-9]{0,12}") {
            let span = Span { months, seconds };
            prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
            if let Ok(span) = junk.parse::<Span>() {
                prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
            }
        }
    }
}
