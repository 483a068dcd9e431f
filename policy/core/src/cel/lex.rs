//! Text to tokens: the lexical grammar of CEL.

use super::CompileError;

/// A place in the expression, both counted from 1; a column is a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    pub(super) line: u32,
    pub(super) column: u32,
}

impl At {
    pub(super) fn error(self, message: impl Into<String>) -> CompileError {
        CompileError { line: self.line, column: self.column, message: message.into() }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'a> {
    Name(&'a str),
    /// Digits, or `0x` and hexadecimal digits.
    Int(&'a str),
    /// The same, without the `u` that marks it.
    Uint(&'a str),
    Double(&'a str),
    Text(String),
    Bytes(Vec<u8>),
    Sign(&'static str),
    End,
}

impl Token<'_> {
    /// The token as messages quote it.
    pub(super) fn quoted(&self) -> String {
        match self {
            Token::Name(text) | Token::Int(text) | Token::Uint(text) | Token::Double(text) => {
                format!("`{}`", text.chars().take(64).collect::<String>())
            }
            Token::Text(_) => "a string".to_owned(),
            Token::Bytes(_) => "a bytes literal".to_owned(),
            Token::Sign(sign) => format!("`{sign}`"),
            Token::End => "the end of the expression".to_owned(),
        }
    }
}

/// Longer signs first: the first that fits is taken.
const SIGNS: [&str; 24] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "[", "]", "{", "}", "(", ")", ".", ",", "-", "!", "?", ":", "+", "*",
    "/", "%",
];

struct Lexer<'a> {
    rest: &'a str,
    at: At,
}

/// # Errors
/// A character that begins no token, a string that does not end or holds an escape that CEL lacks.
pub(super) fn lex(text: &str) -> Result<Vec<(Token<'_>, At)>, CompileError> {
    let mut lexer = Lexer { rest: text, at: At { line: 1, column: 1 } };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank();
        let at = lexer.at;
        let token = lexer.token()?;
        let end = token == Token::End;
        tokens.push((token, at));
        if end {
            return Ok(tokens);
        }
    }
}

impl<'a> Lexer<'a> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        for c in taken.chars() {
            if c == '\n' {
                self.at = At { line: self.at.line + 1, column: 1 };
            } else {
                self.at.column += 1;
            }
        }
        self.rest = rest;
        taken
    }

    fn skip_blank(&mut self) {
        loop {
            let blank = self.rest.len() - self.rest.trim_start_matches(['\t', ' ', '\r', '\n', '\u{c}']).len();
            self.take(blank);
            if !self.rest.starts_with("//") {
                return;
            }
            self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
        }
    }

    fn token(&mut self) -> Result<Token<'a>, CompileError> {
        let Some(first) = self.peek() else { return Ok(Token::End) };
        if let Some((prefix, raw, bytes)) = string_prefix(self.rest) {
            return self.string(prefix, raw, bytes);
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let length = run(self.rest, |c| c.is_ascii_alphanumeric() || c == b'_');
            return Ok(Token::Name(self.take(length)));
        }
        if let Some(number) = self.number() {
            return Ok(number);
        }
        match SIGNS.into_iter().find(|sign| self.rest.starts_with(sign)) {
            Some(sign) => {
                self.take(sign.len());
                Ok(Token::Sign(sign))
            }
            None => Err(self.unknown()),
        }
    }

    fn unknown(&self) -> CompileError {
        let found = self.peek().map(|c| c.escape_debug().to_string()).unwrap_or_default();
        self.at.error(format!("Syntax error: token recognition error at: '{found}'"))
    }

    /// The longest of the three number forms that fits here.
    fn number(&mut self) -> Option<Token<'a>> {
        let digits = |text: &str| run(text, |c| c.is_ascii_digit());
        let whole = digits(self.rest);
        let mut double = whole;
        if self.rest[whole..].starts_with('.') && digits(&self.rest[whole + 1..]) > 0 {
            double = whole + 1 + digits(&self.rest[whole + 1..]);
        } else if whole == 0 {
            return None;
        }
        let exponent = &self.rest[double..];
        if exponent.starts_with(['e', 'E']) {
            let sign = usize::from(exponent[1..].starts_with(['+', '-']));
            match digits(&exponent[1 + sign..]) {
                0 => {}
                count => double += 1 + sign + count,
            }
        }
        if double > whole {
            return Some(Token::Double(self.take(double)));
        }
        let mut length = whole;
        if let Some(hex) = self.rest.strip_prefix("0x") {
            match run(hex, |c| c.is_ascii_hexdigit()) {
                0 => {}
                count => length = 2 + count,
            }
        }
        let text = self.take(length);
        if self.rest.starts_with(['u', 'U']) {
            self.take(1);
            return Some(Token::Uint(text));
        }
        Some(Token::Int(text))
    }

    /// A string or bytes literal, past its prefix of `prefix` letters.
    fn string(&mut self, prefix: usize, raw: bool, bytes: bool) -> Result<Token<'a>, CompileError> {
        let at = self.at;
        let unknown = self.unknown();
        self.take(prefix);
        let quote = if self.rest.starts_with('"') { "\"" } else { "'" };
        let triple = if quote == "\"" { "\"\"\"" } else { "'''" };
        let end = if self.rest.starts_with(triple) { triple } else { quote };
        self.take(end.len());
        let mut content = Vec::new();
        loop {
            if self.rest.starts_with(end) {
                self.take(end.len());
                break;
            }
            match self.peek() {
                None => return Err(unknown),
                Some('\\') if !raw => self.escape(&mut content, bytes)?,
                Some('\n' | '\r') if end.len() == 1 => return Err(unknown),
                Some('\r') => {
                    // Line ends inside literals become `\n`, however the file was written.
                    self.take(if self.rest.starts_with("\r\n") { 2 } else { 1 });
                    content.push(b'\n');
                }
                Some(c) => content.extend_from_slice(self.take(c.len_utf8()).as_bytes()),
            }
        }
        if bytes {
            return Ok(Token::Bytes(content));
        }
        String::from_utf8(content).map(Token::Text).map_err(|_| at.error("unable to unescape string"))
    }

    fn escape(&mut self, content: &mut Vec<u8>, bytes: bool) -> Result<(), CompileError> {
        let at = self.at;
        let unknown = self.unknown();
        self.take(1);
        let Some(kind) = self.peek() else { return Err(unknown) };
        let plain = match kind {
            'a' => Some(7),
            'b' => Some(8),
            'f' => Some(12),
            'n' => Some(b'\n'),
            'r' => Some(b'\r'),
            't' => Some(b'\t'),
            'v' => Some(11),
            '\\' => Some(b'\\'),
            '\'' => Some(b'\''),
            '"' => Some(b'"'),
            '`' => Some(b'`'),
            '?' => Some(b'?'),
            _ => None,
        };
        if let Some(byte) = plain {
            self.take(1);
            content.push(byte);
            return Ok(());
        }
        let (skip, length, radix) = match kind {
            'x' | 'X' => (1, 2, 16),
            'u' => (1, 4, 16),
            'U' => (1, 8, 16),
            '0'..='3' => (0, 3, 8),
            _ => return Err(unknown),
        };
        self.take(skip);
        let digits = run(self.rest, |c| char::from(c).is_digit(radix));
        if digits < length {
            return Err(unknown);
        }
        let code = u32::from_str_radix(self.take(length), radix).map_err(|_| unknown)?;
        let unescapable = || at.error("unable to unescape string");
        if bytes {
            // Four and eight digits name characters, which bytes do not hold.
            content.push(u8::try_from(code).ok().filter(|_| length < 4).ok_or_else(unescapable)?);
            return Ok(());
        }
        let c = match code {
            0xd800..=0xdfff => char::REPLACEMENT_CHARACTER,
            code => char::from_u32(code).ok_or_else(unescapable)?,
        };
        content.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }
}

/// How many leading bytes of `text` are of a kind; all kinds asked for are ASCII.
fn run(text: &str, kind: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|&c| kind(c)).count()
}

/// If a string begins here: the length of its prefix, whether it is raw, whether it is bytes.
fn string_prefix(text: &str) -> Option<(usize, bool, bool)> {
    let mut length = 0;
    let mut next = |letters: [char; 2]| {
        let found = text[length..].starts_with(letters);
        length += usize::from(found);
        found
    };
    let bytes = next(['b', 'B']);
    let raw = next(['r', 'R']);
    text[length..].starts_with(['"', '\'']).then_some((length, raw, bytes))
}
