//! Timestamps, durations and time zones, as Go's time package and CEL have them.

use std::cmp::Ordering;
use std::fmt;
use std::sync::LazyLock;

use jiff::tz::TimeZoneDatabase;

/// A point in time, to the nanosecond, and the zone that it was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant {
    /// Since 1970, in UTC.
    seconds: i64,
    nanos: u32,
    /// Seconds east of UTC; only `string()` shows it.
    offset: i32,
    /// Written with `Z`, which is not the same zone as `+00:00`.
    utc: bool,
}

/// The seconds that CEL's timestamps may have: the years 1 to 9999.
const RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
const NANOS: i64 = 1_000_000_000;
const DAY: i64 = 86_400;

impl Instant {
    pub(super) fn from_seconds(seconds: i64) -> Option<Instant> {
        RANGE.contains(&seconds).then_some(Instant { seconds, nanos: 0, offset: 0, utc: true })
    }

    /// Reads RFC 3339 as leniently as SpiceDB does: an hour of one digit, a comma before the fraction
    /// and a zone of up to 24:60 are taken.
    pub(super) fn parse(text: &str) -> Option<Instant> {
        let mut rest = text.as_bytes();
        let year = digits(&mut rest, 4)?;
        skip(&mut rest, b'-')?;
        let month = digits(&mut rest, 2).filter(|month| (1..=12).contains(month))?;
        skip(&mut rest, b'-')?;
        let day = digits(&mut rest, 2).filter(|day| (1..=days_in(year, month)).contains(day))?;
        skip(&mut rest, b'T')?;
        let two = rest.get(1).is_some_and(u8::is_ascii_digit);
        let hour = digits(&mut rest, if two { 2 } else { 1 }).filter(|hour| *hour < 24)?;
        skip(&mut rest, b':')?;
        let minute = digits(&mut rest, 2).filter(|minute| *minute < 60)?;
        skip(&mut rest, b':')?;
        let second = digits(&mut rest, 2).filter(|second| *second < 60)?;
        let nanos = fraction(&mut rest);
        let (offset, utc) = zone(rest)?;
        let seconds = days_from_civil(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset;
        Some(Instant { seconds, nanos, offset: i32::try_from(offset).ok()?, utc })
    }

    /// For `timestamp()`, which also bounds the year.
    pub(super) fn in_range(self) -> Option<Instant> {
        RANGE.contains(&self.seconds).then_some(self)
    }

    pub(super) fn seconds(self) -> i64 {
        self.seconds
    }

    pub(super) fn order(&self, other: &Instant) -> Ordering {
        (self.seconds, self.nanos).cmp(&(other.seconds, other.nanos))
    }

    pub(super) fn is_year_one(&self) -> bool {
        (self.seconds, self.nanos) == (*RANGE.start(), 0)
    }

    /// Whether both hold the same time written in the same zone. Zones given by an offset are never
    /// the same: in SpiceDB each value has a zone of its own.
    pub(super) fn identical(&self, other: &Instant) -> bool {
        self == other && (self.utc || self.offset == 0)
    }

    pub(super) fn plus(self, duration: i64) -> Option<Instant> {
        let nanos = i64::from(self.nanos) + duration % NANOS;
        let seconds = self.seconds.checked_add(duration / NANOS)?.checked_add(nanos.div_euclid(NANOS))?;
        let nanos = u32::try_from(nanos.rem_euclid(NANOS)).ok()?;
        Instant { seconds, nanos, ..self }.in_range()
    }

    /// The duration from `other` to this, in nanoseconds.
    pub(super) fn since(self, other: Instant) -> Option<i64> {
        let seconds = self.seconds.checked_sub(other.seconds)?;
        seconds.checked_mul(NANOS)?.checked_add(i64::from(self.nanos) - i64::from(other.nanos))
    }

    /// The calendar and the clock in UTC.
    pub(super) fn civil(self) -> Civil {
        self.civil_at(0)
    }

    /// The calendar and the clock in the zone of that name, or `hours:minutes` from UTC.
    ///
    /// # Errors
    /// Why there is no such zone.
    pub(super) fn civil_in(self, zone: &str) -> Result<Civil, String> {
        let offset = match zone.split_once(':') {
            Some((hours, minutes)) => fixed_offset(zone, hours, minutes)?,
            None => named_offset(zone, self)?,
        };
        Ok(self.civil_at(offset))
    }

    fn civil_at(self, offset: i64) -> Civil {
        let local = self.seconds.saturating_add(offset);
        let days = local.div_euclid(DAY);
        let time = local.rem_euclid(DAY);
        let (year, month, day) = civil_from_days(days);
        Civil {
            year,
            month,
            day,
            day_of_year: days - days_from_civil(year, 1, 1),
            // 1970 began on a Thursday; Sunday is 0.
            day_of_week: (days + 4).rem_euclid(7),
            hour: time / 3600,
            minute: time / 60 % 60,
            second: time % 60,
            millisecond: i64::from(self.nanos / 1_000_000),
        }
    }
}

pub(super) struct Civil {
    pub(super) year: i64,
    /// From 1.
    pub(super) month: i64,
    /// From 1.
    pub(super) day: i64,
    /// From 0.
    pub(super) day_of_year: i64,
    pub(super) day_of_week: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) millisecond: i64,
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.civil_at(i64::from(self.offset));
        let sign = if local.year < 0 { "-" } else { "" };
        let (year, month, day) = (local.year.unsigned_abs(), local.month, local.day);
        write!(f, "{sign}{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", local.hour, local.minute, local.second)?;
        if self.nanos > 0 {
            let nanos = format!("{:09}", self.nanos);
            write!(f, ".{}", nanos.trim_end_matches('0'))?;
        }
        if self.offset == 0 {
            return f.write_str("Z");
        }
        let minutes = self.offset / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        write!(f, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
    }
}

fn skip(rest: &mut &[u8], byte: u8) -> Option<()> {
    *rest = rest.strip_prefix(&[byte])?;
    Some(())
}

fn digits(rest: &mut &[u8], count: usize) -> Option<i64> {
    let (taken, after) = rest.split_at_checked(count)?;
    *rest = after;
    taken.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
}

/// The nanoseconds of a fraction of any length, if there is one.
fn fraction(rest: &mut &[u8]) -> u32 {
    let [b'.' | b',', digits @ ..] = *rest else { return 0 };
    let length = digits.iter().take_while(|digit| digit.is_ascii_digit()).count();
    if length == 0 {
        return 0;
    }
    let (taken, after) = digits.split_at(length);
    *rest = after;
    (0..9).fold(0, |nanos, place| nanos * 10 + taken.get(place).map_or(0, |digit| u32::from(digit - b'0')))
}

fn zone(mut rest: &[u8]) -> Option<(i64, bool)> {
    if rest == b"Z" {
        return Some((0, true));
    }
    let sign = match rest.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    rest = rest.get(1..)?;
    let hours = digits(&mut rest, 2).filter(|hours| *hours <= 24)?;
    skip(&mut rest, b':')?;
    let minutes = digits(&mut rest, 2).filter(|minutes| *minutes <= 60)?;
    rest.is_empty().then_some((sign * (hours * 60 + minutes) * 60, false))
}

fn fixed_offset(zone: &str, hours: &str, minutes: &str) -> Result<i64, String> {
    let number = |text: &str| text.parse::<i64>().map_err(|_| format!("parsing \"{text}\": invalid syntax"));
    let (hours, minutes) = (number(hours)?.wrapping_mul(60), number(minutes)?);
    let offset = if zone.starts_with('-') { hours.wrapping_sub(minutes) } else { hours.wrapping_add(minutes) };
    // In nanoseconds first, which wrap around: nobody's clock is that far off.
    Ok(offset.wrapping_mul(60 * NANOS) / NANOS)
}

/// The zones of the IANA database; names are told apart by case.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

fn named_offset(name: &str, at: Instant) -> Result<i64, String> {
    // `Local` is the zone of a server, which runs in UTC.
    if matches!(name, "" | "UTC" | "Local") {
        return Ok(0);
    }
    let unknown = || format!("unknown time zone {}", name.chars().take(64).collect::<String>());
    let zone = ZONES.get(name).map_err(|_| unknown())?;
    if zone.iana_name() != Some(name) {
        return Err(unknown());
    }
    // Two days at the very end of year 9999 are out of the library's range.
    let at = jiff::Timestamp::from_second(at.seconds).unwrap_or(jiff::Timestamp::MAX);
    Ok(i64::from(zone.to_offset(at).seconds()))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970 of a date in the Gregorian calendar, carried back. Years are counted from March,
/// so that the leap day is the last of its year.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Why a duration could not be read, as Go says it.
#[derive(Debug)]
pub(super) enum DurationFault {
    Invalid,
    MissingUnit,
    UnknownUnit(String),
}

/// Reads a duration such as `1h30m` or `-1.5s`, in nanoseconds.
pub(super) fn parse_duration(text: &str) -> Result<i64, DurationFault> {
    let (negative, mut rest) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(DurationFault::Invalid);
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        total = total
            .checked_add(duration_part(&mut rest)?)
            .filter(|total| *total <= 1 << 63)
            .ok_or(DurationFault::Invalid)?;
    }
    let signed = if negative { 0i64.checked_sub_unsigned(total) } else { i64::try_from(total).ok() };
    signed.ok_or(DurationFault::Invalid)
}

/// One number and its unit.
fn duration_part(rest: &mut &str) -> Result<u64, DurationFault> {
    let span = |text: &str, kind: fn(char) -> bool| text.find(|c| !kind(c)).unwrap_or(text.len());
    let (whole, after) = rest.split_at(span(rest, |c| c.is_ascii_digit()));
    let mut after = after;
    let mut fraction = "";
    if let Some(point) = after.strip_prefix('.') {
        (fraction, after) = point.split_at(span(point, |c| c.is_ascii_digit()));
    }
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationFault::Invalid);
    }
    let (unit, after) = after.split_at(span(after, |c| c != '.' && !c.is_ascii_digit()));
    let nanos: u64 = match unit {
        "" => return Err(DurationFault::MissingUnit),
        "ns" => 1,
        // Both Unicode letters for micro.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        other => return Err(DurationFault::UnknownUnit(other.to_owned())),
    };
    *rest = after;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| DurationFault::Invalid)? };
    let value = whole.checked_mul(nanos).filter(|value| *value <= 1 << 63).ok_or(DurationFault::Invalid)?;
    let (digits, scale) = leading_fraction(fraction);
    let part = if digits > 0 { (digits as f64 * (nanos as f64 / scale)) as u64 } else { 0 };
    value.checked_add(part).filter(|value| *value <= 1 << 63).ok_or(DurationFault::Invalid)
}

/// As many digits of a fraction as fit 63 bits, and the power of ten that they are to be divided by.
fn leading_fraction(text: &str) -> (u64, f64) {
    let (mut value, mut scale) = (0u64, 1.0);
    for digit in text.bytes() {
        let next = value.checked_mul(10).and_then(|value| value.checked_add(u64::from(digit - b'0')));
        match next.filter(|next| *next <= 1 << 63 && value <= (i64::MAX / 10) as u64) {
            Some(next) => (value, scale) = (next, scale * 10.0),
            None => break,
        }
    }
    (value, scale)
}
