//! Values as text of JSON.

use std::io::Write;

use policy_core::Scalar;

/// A JSON string.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.reserve(text.len() + 2);
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut from = 0;
    for (i, &byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0..=0x1f => 0,
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..i]);
        from = i + 1;
        if short == 0 {
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&digits);
        } else {
            out.extend_from_slice(&[b'\\', short]);
        }
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

pub(super) fn key(out: &mut Vec<u8>, name: &str) {
    string(out, name);
    out.push(b':');
}

pub(super) fn null(out: &mut Vec<u8>) {
    out.extend_from_slice(b"null");
}

pub(super) fn bool(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

pub(super) fn int(out: &mut Vec<u8>, value: i64) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "{value}");
}

/// The shortest digits that read back as the same number; a whole one keeps its `.0`.
pub(super) fn float(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        let _ = write!(out, "{value:?}");
    } else {
        null(out);
    }
}

pub(super) fn float32(out: &mut Vec<u8>, value: f32) {
    if value.is_finite() {
        let _ = write!(out, "{value:?}");
    } else {
        null(out);
    }
}

pub(super) fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(data_encoding::HEXLOWER.encode(bytes).as_bytes());
    out.push(b'"');
}

/// A document id: 16 bytes as a hyphenated UUID.
pub(super) fn doc_id(out: &mut Vec<u8>, id: &[u8]) {
    out.push(b'"');
    let mut digits = [0u8; 2];
    for (i, byte) in id.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        data_encoding::HEXLOWER.encode_mut(&[*byte], &mut digits);
        out.extend_from_slice(&digits);
    }
    out.push(b'"');
}

/// RFC 3339 in UTC, without a fraction if it is zero and without zeros at its end.
pub(super) fn date_time(out: &mut Vec<u8>, micros: i64) {
    let (days, of_day) = (micros.div_euclid(86_400_000_000), micros.rem_euclid(86_400_000_000));
    let (year, month, day) = civil(days);
    let (seconds, fraction) = (of_day / 1_000_000, of_day % 1_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    out.push(b'"');
    let sign = if year < 0 { "-" } else { "" };
    let _ = write!(out, "{sign}{:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}", year.abs());
    if fraction > 0 {
        let _ = write!(out, ".{fraction:06}");
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
    out.extend_from_slice(b"Z\"");
}

/// The proleptic Gregorian date of a day counted from 1970-01-01. Years are counted from March, so
/// that the leap day is the last of its year, in cycles of 400 years.
fn civil(days: i64) -> (i64, i64, i64) {
    let from_march = days + 719_468;
    let (cycle, in_cycle) = (from_march.div_euclid(146_097), from_march.rem_euclid(146_097));
    let year_in_cycle = (in_cycle - in_cycle / 1_460 + in_cycle / 36_524 - in_cycle / 146_096) / 365;
    let day_of_year = in_cycle - (365 * year_in_cycle + year_in_cycle / 4 - year_in_cycle / 100);
    let from_march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march_month + 2) / 5 + 1;
    let month = if from_march_month < 10 { from_march_month + 3 } else { from_march_month - 9 };
    (cycle * 400 + year_in_cycle + i64::from(month <= 2), month, day)
}

pub(super) fn scalar(out: &mut Vec<u8>, value: &Scalar) {
    match value {
        Scalar::Null => null(out),
        Scalar::Bool(value) => bool(out, *value),
        Scalar::Int(value) => int(out, *value),
        Scalar::Float(value) => float(out, *value),
        Scalar::String(value) => string(out, value),
        Scalar::DateTime(value) => date_time(out, value.0),
        Scalar::Blob(value) => hex(out, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dates_print_in_utc_without_zeros_at_the_end() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1_893_358_555_000_000, "1910-01-02T03:04:05Z"),
            (1_582_934_399_120_000, "2020-02-28T23:59:59.12Z"),
            (951_782_400_000_001, "2000-02-29T00:00:00.000001Z"),
            (-62_167_219_200_000_000, "0000-01-01T00:00:00Z"),
            (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(written(|out| date_time(out, micros)), format!("\"{text}\""), "{micros}");
        }
        date_time(&mut Vec::new(), i64::MIN);
        date_time(&mut Vec::new(), i64::MAX);
    }

    #[test]
    fn strings_and_numbers_read_back_through_another_parser() {
        for text in ["", "é\"\\\n\r\t\u{1}\u{7f}", "plain"] {
            let read: String = serde_json::from_str(&written(|out| string(out, text))).unwrap();
            assert_eq!(read, text);
        }
        for number in [0.0, 90.0, -2.5, 1e300, 5e-324, 0.1] {
            let text = written(|out| float(out, number));
            assert_eq!(text.parse::<f64>().unwrap(), number);
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
        }
        assert_eq!(written(|out| int(out, i64::MIN)), i64::MIN.to_string());
    }
}
