//! Numbers from text and to text, as Go has them.

/// Decimal digits and a power of ten: `digits * 10^power`, the digits without zeros at either end.
struct Decimal<'a> {
    negative: bool,
    digits: Vec<u8>,
    power: i64,
    text: &'a str,
}

/// Powers of ten beyond it are refused.
const MAX_POWER: i64 = 600_000_000;

impl Decimal<'_> {
    fn parse(text: &str) -> Option<Decimal<'_>> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let mantissa = unsigned.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(unsigned.len());
        let (mantissa, exponent) = unsigned.split_at(mantissa);
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        let mut power = match exponent.strip_prefix(['e', 'E']) {
            Some(power) => power.parse().ok().filter(|power: &i64| power.abs() <= MAX_POWER)?,
            None if exponent.is_empty() => 0,
            None => return None,
        };
        power -= i64::try_from(fraction.len()).ok()?;
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).skip_while(|digit| *digit == b'0').collect();
        while digits.last() == Some(&b'0') {
            digits.pop();
            power += 1;
        }
        Some(Decimal { negative: text.starts_with('-'), digits, power, text })
    }
}

/// What text stands for where an integer is wanted.
pub(super) enum Whole {
    Number(i64),
    /// A number that is not whole, as messages show it.
    Fraction(String),
    NotANumber,
}

/// Reads an integer from text such as `5`, `5.0` or `5e3`; one out of range becomes the nearest in range.
pub(super) fn whole_from_text(text: &str) -> Whole {
    if let Ok(number) = text.parse() {
        return Whole::Number(number);
    }
    if let Some(infinite) = infinity(text) {
        return Whole::Fraction(general(infinite, Some(10)));
    }
    let Some(decimal) = Decimal::parse(text) else { return Whole::NotANumber };
    if decimal.digits.is_empty() {
        return Whole::Number(0);
    }
    if decimal.power < 0 {
        return Whole::Fraction(general(decimal.text.parse().unwrap_or(0.0), Some(10)));
    }
    let digits = std::str::from_utf8(&decimal.digits).ok();
    // 38 digits fit, and all that is longer is out of range anyway.
    let size = u32::try_from(decimal.power).ok().filter(|power| *power <= 19).and_then(|power| {
        let digits: i128 = digits?.parse().ok()?;
        digits.checked_mul(10i128.checked_pow(power)?)
    });
    let size = size.unwrap_or(i128::MAX);
    let bounded = (if decimal.negative { -size } else { size }).clamp(i64::MIN.into(), i64::MAX.into());
    Whole::Number(i64::try_from(bounded).unwrap_or(i64::MAX))
}

/// An integer from a number of JSON.
pub(super) fn whole_from_double(value: f64) -> Whole {
    // The conversion stops at the bounds.
    if value.fract() == 0.0 { Whole::Number(value as i64) } else { Whole::Fraction(general(value, Some(10))) }
}

/// Reads a double for a context value. One out of range becomes infinite.
pub(super) fn double_from_text(text: &str) -> Option<f64> {
    infinity(text).or_else(|| Decimal::parse(text)?.text.parse().ok())
}

fn infinity(text: &str) -> Option<f64> {
    match text {
        "Inf" | "inf" | "+Inf" | "+inf" => Some(f64::INFINITY),
        "-Inf" | "-inf" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// Reads a double as `double()` does. One out of range is refused.
pub(super) fn parse_double(text: &str) -> Option<f64> {
    let separated = text.contains('_');
    if separated && !separators_separate(text) {
        return None;
    }
    let without = if separated { text.replace('_', "") } else { String::new() };
    let text = if separated { &without } else { text };
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(hex) = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        let size = hexadecimal(hex)?;
        return Some(if text.starts_with('-') { -size } else { size });
    }
    // Words for what is no finite number may be written in any case.
    let word = unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity");
    if unsigned.len() != text.len() && unsigned.eq_ignore_ascii_case("nan") {
        return None;
    }
    text.parse().ok().filter(|number: &f64| word || !number.is_infinite())
}

/// Whether every underscore stands between digits, or after the `0x`.
fn separators_separate(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let hex = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X"));
    let digit = |c: char| if hex.is_some() { c.is_ascii_hexdigit() } else { c.is_ascii_digit() };
    let mut before = if hex.is_some() { '0' } else { '!' };
    for c in hex.unwrap_or(unsigned).chars() {
        if (c == '_' && !digit(before)) || (before == '_' && !digit(c)) {
            return false;
        }
        before = c;
    }
    before != '_'
}

/// A double written as `0x1.8p3`; the power is required. Digits beyond 64 bits are dropped.
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, power) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut power: i32 = power.parse().ok()?;
    let (mut value, mut digits) = (0u64, 0usize);
    for digit in whole.chars().chain(fraction.chars()) {
        let digit = digit.to_digit(16)?;
        digits += 1;
        if value >> 60 == 0 {
            value = value << 4 | u64::from(digit);
        } else {
            power = power.checked_add(4)?;
        }
    }
    if digits == 0 {
        return None;
    }
    power = power.checked_sub(i32::try_from(fraction.len()).ok()?.checked_mul(4)?)?;
    // Two steps, as the smallest doubles cannot be a factor.
    let half = power / 2;
    Some(value as f64 * 2f64.powi(half) * 2f64.powi(power - half)).filter(|number| number.is_finite())
}

/// The general format: the shortest text that reads back the same, or a number of significant digits.
pub(super) fn general(value: f64, precision: Option<usize>) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = match precision {
        Some(digits) => format!("{:.*e}", digits.saturating_sub(1), value.abs()),
        None => format!("{:e}", value.abs()),
    };
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let digits = match digits.trim_end_matches('0') {
        "" => "0",
        digits => digits,
    };
    let count = digits.len() as i64;
    let limit = match precision {
        None => 6,
        Some(precision) => {
            let precision = precision as i64;
            if precision > count && count > exponent { count } else { precision }
        }
    };
    let sign = if value.is_sign_negative() { "-" } else { "" };
    if exponent < -4 || exponent >= limit {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let direction = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{first}{point}{rest}e{direction}{:02}", exponent.abs());
    }
    if exponent < 0 {
        let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0));
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = usize::try_from(exponent + 1).unwrap_or(1);
    match digits.split_at_checked(whole) {
        Some((all, "")) => format!("{sign}{all}"),
        Some((whole, fraction)) => format!("{sign}{whole}.{fraction}"),
        None => format!("{sign}{digits}{}", "0".repeat(whole - digits.len())),
    }
}
