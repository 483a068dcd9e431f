//! Regular expressions in RE2's syntax, as Go reads it, run by the `regex` crate, whose syntax differs.

use std::fmt::Write as _;

use regex::bytes::{Regex, RegexBuilder};

/// The longest pattern, in bytes.
const MAX_PATTERN: usize = 10_000;
/// The largest compiled pattern, in bytes.
const MAX_COMPILED: usize = 4 << 20;
/// The highest count of a repetition, and the highest product of nested ones.
const MAX_REPEAT: u64 = 1000;

/// A pattern made ready, or why it cannot be; a bad one fails only the evaluation that reaches it.
#[derive(Debug)]
pub(super) struct Pattern {
    regex: Result<Regex, String>,
    weight: u64,
}

impl Pattern {
    pub(super) fn new(pattern: &str) -> Pattern {
        let translated = translate(pattern);
        let weight = translated.as_ref().map_or(0, |translated| translated.weight);
        let regex = translated.and_then(|translated| {
            let built = RegexBuilder::new(&translated.text).size_limit(MAX_COMPILED).build();
            built.map_err(|_| "the regular expression is too large".to_owned())
        });
        Pattern { regex: regex.map_err(|why| format!("error parsing regexp: {why}")), weight }
    }

    /// How many units it takes to make this pattern ready, without doing so.
    pub(super) fn cost(pattern: &str) -> u64 {
        1000 + translate(pattern).map_or(0, |translated| 20 * translated.weight)
    }

    /// How many units one match against so many bytes takes.
    pub(super) fn match_cost(&self, bytes: usize) -> u64 {
        (bytes as u64 / 16 + 1).saturating_mul(1 + self.weight / 64)
    }

    pub(super) fn is_match(&self, text: &str) -> Result<bool, String> {
        self.regex.as_ref().map(|regex| regex.is_match(text.as_bytes())).map_err(Clone::clone)
    }
}

struct Translated {
    text: String,
    /// About how many states it takes.
    weight: u64,
}

/// What is known of the piece just written, for a repetition to apply to.
#[derive(Clone, Copy, Default)]
struct Atom {
    weight: u64,
    /// The product of the repetitions in it.
    repeats: u64,
    repeated: bool,
}

/// A group that is open, and what was written in it.
#[derive(Default)]
struct Group {
    weight: u64,
    repeats: u64,
    last: Option<Atom>,
}

struct Translator<'a> {
    rest: &'a str,
    text: String,
    groups: Vec<Group>,
    /// Flags that were set since the last piece: a repetition after them is still of that piece.
    flags: String,
}

type Fault = String;

fn translate(pattern: &str) -> Result<Translated, Fault> {
    if pattern.len() > MAX_PATTERN {
        return Err("expression is too long".to_owned());
    }
    let mut translator =
        Translator { rest: pattern, text: String::new(), groups: vec![Group::default()], flags: String::new() };
    while let Some(c) = translator.rest.chars().next() {
        translator.piece(c)?;
    }
    match translator.groups.as_mut_slice() {
        [group] => {
            group.settle();
            Ok(Translated { weight: group.weight, text: translator.text })
        }
        _ => Err(format!("missing closing ): `{pattern}`")),
    }
}

impl Group {
    fn settle(&mut self) {
        if let Some(last) = self.last.take() {
            self.weight = self.weight.saturating_add(last.weight);
            self.repeats = self.repeats.max(last.repeats);
        }
    }
}

impl<'a> Translator<'a> {
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.take(c.len_utf8());
        Some(c)
    }

    fn settle_flags(&mut self) {
        self.text.push_str(&self.flags);
        self.flags.clear();
    }

    fn atom(&mut self, weight: u64) {
        if let Some(group) = self.groups.last_mut() {
            group.settle();
            group.last = Some(Atom { weight, repeats: 0, repeated: false });
        }
    }

    fn literal(&mut self, c: char) {
        write_char(&mut self.text, c);
        self.atom(1);
    }

    fn piece(&mut self, first: char) -> Result<(), Fault> {
        let repeats = matches!(first, '*' | '+' | '?') || (first == '{' && repetition(self.rest).is_some());
        if !repeats && !self.rest.starts_with("(?") {
            self.settle_flags();
        }
        match first {
            '(' => self.open(),
            ')' => {
                self.take(1);
                let Some(mut group) = self.groups.pop().filter(|_| !self.groups.is_empty()) else {
                    return Err("unexpected ): `)`".to_owned());
                };
                group.settle();
                self.text.push(')');
                self.atom(group.weight.max(1));
                if let Some(last) = self.groups.last_mut().and_then(|group| group.last.as_mut()) {
                    last.repeats = group.repeats;
                }
                Ok(())
            }
            '|' => {
                self.take(1);
                self.text.push('|');
                if let Some(group) = self.groups.last_mut() {
                    group.settle();
                }
                Ok(())
            }
            '^' | '$' | '.' => {
                self.take(1);
                self.text.push(first);
                self.atom(if first == '.' { 8 } else { 1 });
                Ok(())
            }
            '[' => {
                let (class, weight) = self.class()?;
                self.text.push_str(&class);
                self.atom(weight);
                Ok(())
            }
            '*' | '+' | '?' => {
                self.take(1);
                self.repeat(&first.to_string(), (0, None))
            }
            '{' => match repetition(self.rest) {
                Some((length, low, high)) => {
                    self.take(length);
                    let oversized = low > MAX_REPEAT || high.is_some_and(|high| high > MAX_REPEAT || high < low);
                    let text = match high {
                        _ if oversized => return Err("invalid repeat count".to_owned()),
                        Some(high) => format!("{{{low},{high}}}"),
                        None => format!("{{{low},}}"),
                    };
                    self.repeat(&text, (low, high))
                }
                None => {
                    self.take(1);
                    self.literal('{');
                    Ok(())
                }
            },
            '\\' => self.escape(),
            c => {
                self.take(c.len_utf8());
                self.literal(c);
                Ok(())
            }
        }
    }

    /// `(`, and what may follow a question mark there. Nothing is captured: a match is all that is asked.
    fn open(&mut self) -> Result<(), Fault> {
        let Some(special) = self.rest.strip_prefix("(?") else {
            self.take(1);
            self.text.push_str("(?:");
            self.groups.push(Group::default());
            return Ok(());
        };
        if let Some(named) = special.strip_prefix("P<").or_else(|| special.strip_prefix('<')) {
            let Some((name, after)) = named.split_once('>') else { return Err("invalid named capture".to_owned()) };
            let good = !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
            if !good {
                return Err("invalid named capture".to_owned());
            }
            self.rest = after;
            self.settle_flags();
            self.text.push_str("(?:");
            self.groups.push(Group::default());
            return Ok(());
        }
        let Some(end) = special.find([':', ')']) else { return Err("missing argument or closing )".to_owned()) };
        let flags = special.get(..end).unwrap_or("");
        let (on, off) = flags.split_once('-').unwrap_or((flags, ""));
        let known = |flags: &str| flags.bytes().all(|flag| b"imsU".contains(&flag));
        if !known(on) || !known(off) || (off.is_empty() && flags.contains('-')) {
            return Err("invalid or unsupported Perl syntax".to_owned());
        }
        let opens = special.get(end..).is_some_and(|rest| rest.starts_with(':'));
        self.take(2 + end + 1);
        // The crate takes no flag twice.
        let distinct = |flags: &str, but: &str| -> String {
            "imsU".chars().filter(|flag| flags.contains(*flag) && !but.contains(*flag)).collect()
        };
        let (on, off) = (distinct(on, off), distinct(off, ""));
        let off = if off.is_empty() { off } else { format!("-{off}") };
        if opens {
            self.settle_flags();
            let _ = write!(self.text, "(?{on}{off}:");
            self.groups.push(Group::default());
            return Ok(());
        }
        if !on.is_empty() || !off.is_empty() {
            let _ = write!(self.flags, "(?{on}{off})");
        }
        if let Some(last) = self.groups.last_mut().and_then(|group| group.last.as_mut()) {
            last.repeated = false;
        }
        Ok(())
    }

    fn repeat(&mut self, operator: &str, (low, high): (u64, Option<u64>)) -> Result<(), Fault> {
        let counted = operator.starts_with('{');
        let lazy = if self.rest.starts_with('?') { self.take(1) } else { "" };
        let last = self.groups.last_mut().and_then(|group| group.last.as_mut());
        let Some(last) = last else {
            return Err(format!("missing argument to repetition operator: `{operator}`"));
        };
        if last.repeated {
            return Err(format!("invalid nested repetition operator: `{operator}`"));
        }
        last.repeated = true;
        if counted {
            let count = high.unwrap_or(low);
            last.repeats = if high == Some(0) { 0 } else { count * last.repeats.max(1) };
            last.weight = last.weight.saturating_mul(count.max(1));
            if (low >= 2 || high.is_some_and(|high| high >= 2)) && last.repeats > MAX_REPEAT {
                return Err(format!("invalid repeat count: `{operator}`"));
            }
        }
        self.text.push_str(operator);
        self.text.push_str(lazy);
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Fault> {
        self.take(1);
        if let Some(quoted) = self.rest.strip_prefix('Q') {
            let (text, after) = quoted.split_once("\\E").unwrap_or((quoted, ""));
            text.chars().for_each(|c| self.literal(c));
            self.rest = after;
            return Ok(());
        }
        let written = match self.rest.chars().next() {
            Some('A') => "\\A",
            Some('z') => "\\z",
            Some('b') => "(?-u:\\b)",
            Some('B') => "(?-u:\\B)",
            _ => {
                if let Some((class, weight)) = self.shorthand()? {
                    self.text.push_str(&class);
                    self.atom(weight);
                    return Ok(());
                }
                let c = self.escaped_char()?;
                self.literal(c);
                return Ok(());
            }
        };
        self.take(1);
        self.text.push_str(written);
        self.atom(1);
        Ok(())
    }

    /// `\d` and the like, `\pL` and the like, past the backslash.
    fn shorthand(&mut self) -> Result<Option<(String, u64)>, Fault> {
        let class = match self.rest.chars().next() {
            Some('d') => "[0-9]",
            Some('D') => "[^0-9]",
            Some('s') => "[\\t\\n\\x0C\\r\\x20]",
            Some('S') => "[^\\t\\n\\x0C\\r\\x20]",
            Some('w') => "[0-9A-Za-z_]",
            Some('W') => "[^0-9A-Za-z_]",
            Some(letter @ ('p' | 'P')) => {
                self.take(1);
                return self.property(letter == 'P').map(Some);
            }
            _ => return Ok(None),
        };
        self.take(1);
        Ok(Some((class.to_owned(), if class.starts_with("[^") { 16 } else { 2 })))
    }

    /// A Unicode category or script.
    fn property(&mut self, negated: bool) -> Result<(String, u64), Fault> {
        let unknown = || "invalid character class range".to_owned();
        let name = if let Some(braced) = self.rest.strip_prefix('{') {
            let (name, after) = braced.split_once('}').ok_or_else(unknown)?;
            self.rest = after;
            name
        } else {
            let length = self.rest.chars().next().map_or(0, char::len_utf8);
            self.take(length)
        };
        let (name, negated) = name.strip_prefix('^').map_or((name, negated), |name| (name, !negated));
        let sign = if negated { 'P' } else { 'p' };
        if name.is_empty() || !name.bytes().all(|c| c.is_ascii_alphabetic() || matches!(c, b'_' | b'-' | b' ')) {
            return Err(unknown());
        }
        let found = ["gc", "sc"].into_iter().map(|kind| format!("\\{sign}{{{kind}={name}}}"));
        let found = found.into_iter().find(|class| Regex::new(class).is_ok());
        found.map(|class| (class, 500)).ok_or_else(unknown)
    }

    /// One character, past the backslash.
    fn escaped_char(&mut self) -> Result<char, Fault> {
        let invalid = || "invalid escape sequence".to_owned();
        let Some(c) = self.next() else { return Err("trailing backslash at end of expression: ``".to_owned()) };
        let octal = |text: &str| text.bytes().take(2).take_while(|c| (b'0'..=b'7').contains(c)).count();
        let code = match c {
            '0'..='7' => {
                let more = octal(self.rest);
                if c != '0' && more == 0 {
                    return Err(invalid());
                }
                let first = c.to_digit(8).unwrap_or(0);
                self.take(more).chars().fold(first, |code, digit| code * 8 + digit.to_digit(8).unwrap_or(0))
            }
            'x' => {
                let digits = if let Some(braced) = self.rest.strip_prefix('{') {
                    let (digits, after) = braced.split_once('}').ok_or_else(invalid)?;
                    self.rest = after;
                    digits
                } else {
                    let digits = self.rest.get(..2).ok_or_else(invalid)?;
                    self.take(2);
                    digits
                };
                let hexadecimal = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_hexdigit());
                let code = u32::from_str_radix(digits, 16).ok().filter(|_| hexadecimal);
                code.ok_or_else(invalid)?
            }
            'a' => 7,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'v' => 11,
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => c.into(),
            _ => return Err(invalid()),
        };
        // A surrogate is a character to Go that no text holds.
        let never = matches!(code, 0xd800..=0xdfff).then_some(char::REPLACEMENT_CHARACTER);
        never.or_else(|| char::from_u32(code)).ok_or_else(invalid)
    }

    /// A class in brackets.
    fn class(&mut self) -> Result<(String, u64), Fault> {
        let missing = || "missing closing ]".to_owned();
        self.take(1);
        let mut class = String::from("[");
        let mut weight = 2;
        if self.rest.starts_with('^') {
            self.take(1);
            class.push('^');
            weight = 16;
        }
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            first = false;
            if let Some(named) = self.rest.strip_prefix("[:")
                && let Some((name, after)) = named.split_once(":]")
            {
                let plain = name.strip_prefix('^').unwrap_or(name);
                if !POSIX.contains(&plain) {
                    return Err("invalid character class range".to_owned());
                }
                let _ = write!(class, "[:{name}:]");
                self.rest = after;
                continue;
            }
            if self.rest.starts_with('\\') {
                let before = self.rest;
                self.take(1);
                if let Some((inner, more)) = self.shorthand()? {
                    class.push_str(&inner);
                    weight += more;
                    continue;
                }
                self.rest = before;
            }
            let low = self.class_char()?.ok_or_else(missing)?;
            let mut high = low;
            if self.rest.starts_with('-') && self.rest.len() >= 2 && !self.rest.starts_with("-]") {
                self.take(1);
                high = self.class_char()?.ok_or_else(missing)?;
                if high < low {
                    return Err("invalid character class range".to_owned());
                }
            }
            write_char(&mut class, low);
            if high > low {
                class.push('-');
                write_char(&mut class, high);
            }
            weight += if high.is_ascii() { 1 } else { 8 };
        }
        self.take(1);
        class.push(']');
        Ok((class, weight))
    }

    fn class_char(&mut self) -> Result<Option<char>, Fault> {
        if self.rest.starts_with('\\') {
            self.take(1);
            return self.escaped_char().map(Some);
        }
        Ok(self.next())
    }
}

const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

fn write_char(text: &mut String, c: char) {
    if c.is_ascii_alphanumeric() {
        text.push(c);
    } else {
        let _ = write!(text, "\\x{{{:X}}}", u32::from(c));
    }
}

/// `{n}`, `{n,}` or `{n,m}` at the start of `text`: its length and bounds. Anything else in braces is text.
fn repetition(text: &str) -> Option<(usize, u64, Option<u64>)> {
    let number = |text: &str| {
        let good =
            !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        // Far more than the bound, and no overflow.
        good.then(|| text.parse().unwrap_or(u64::MAX / 2))
    };
    let (inner, _) = text.strip_prefix('{')?.split_once('}')?;
    let (low, high) = match inner.split_once(',') {
        Some((low, "")) => (number(low)?, None),
        Some((low, high)) => (number(low)?, Some(number(high)?)),
        None => (number(inner)?, Some(number(inner)?)),
    };
    Some((inner.len() + 2, low, high))
}
