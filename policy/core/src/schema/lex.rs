//! Text to tokens, one at a time. A newline ends a statement where one can end, as if `;` stood there.

use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// What a token is. The names are SpiceDB's: its messages spell them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// What begins no token, and what lies behind it or behind the end.
    Error,
    SyntheticSemicolon,
    Eof,
    Keyword,
    Identifier,
    LeftBrace,
    RightBrace,
    LeftParen,
    RightParen,
    Pipe,
    Plus,
    Minus,
    And,
    Div,
    Equals,
    Colon,
    Semicolon,
    RightArrow,
    Hash,
    Ellipsis,
    Star,
    QuestionMark,
    ConditionalOr,
    ConditionalAnd,
    ExclamationPoint,
    LeftBracket,
    RightBracket,
    Period,
    Comma,
    Percent,
    LessThan,
    GreaterThan,
    LessThanOrEqual,
    GreaterThanOrEqual,
    EqualEqual,
    NotEqual,
    String,
}

/// As messages print it.
impl std::fmt::Display for TokenKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // `Eof` is the only one whose name is spelled otherwise.
        if *self == TokenKind::Eof { f.write_str("TokenTypeEOF") } else { write!(f, "TokenType{self:?}") }
    }
}

impl TokenKind {
    /// Whether a newline behind it ends a statement.
    fn may_end(self) -> bool {
        matches!(
            self,
            TokenKind::Identifier
                | TokenKind::Keyword
                | TokenKind::RightBrace
                | TokenKind::RightParen
                | TokenKind::Star
        )
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind,
    pub(super) start: u32,
    /// The text of the token; of an error, the character that is none.
    pub(super) value: &'a str,
}

impl Token<'_> {
    /// What comes before the first token and behind the last.
    pub(super) const NONE: Token<'static> = Token { kind: TokenKind::Error, start: 0, value: "" };

    pub(super) fn end(&self) -> u32 {
        self.start.saturating_add(length(self.value))
    }
}

fn length(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

/// The words that `use` may name, sorted.
pub(super) const FLAGS: [&str; 5] = ["expiration", "import", "partial", "self", "typechecking"];
const KEYWORDS: [&str; 6] = ["definition", "caveat", "relation", "permission", "nil", "with"];
/// Signs of two and three characters; the longer comes first.
const LONG_SIGNS: [(&str, TokenKind); 8] = [
    ("...", TokenKind::Ellipsis),
    ("||", TokenKind::ConditionalOr),
    ("&&", TokenKind::ConditionalAnd),
    ("!=", TokenKind::NotEqual),
    ("<=", TokenKind::LessThanOrEqual),
    (">=", TokenKind::GreaterThanOrEqual),
    ("==", TokenKind::EqualEqual),
    ("->", TokenKind::RightArrow),
];

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Whether a newline here would end a statement.
    may_end: bool,
    ended: bool,
    /// Which of [`FLAGS`] are on: what they name is a keyword from there.
    flags: [bool; FLAGS.len()],
    /// The last word, perhaps far before, was `use`.
    after_use: bool,
    /// A definition or caveat has begun: no flag goes on any more.
    begun: bool,
}

/// A letter or decimal digit of any script, or `_`.
fn is_word(c: char) -> bool {
    if c.is_ascii() {
        return c == '_' || c.is_ascii_alphanumeric();
    }
    c.general_category_group() == GeneralCategoryGroup::Letter || c.general_category() == GeneralCategory::DecimalNumber
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let flags = [false; FLAGS.len()];
        Lexer { text, at: 0, may_end: false, ended: false, flags, after_use: false, begun: false }
    }

    /// The next token, and what was commented since the last.
    pub(super) fn next(&mut self) -> (Token<'a>, Vec<&'a str>) {
        let mut comments = Vec::new();
        loop {
            if self.ended {
                return (Token::NONE, comments);
            }
            let start = self.at;
            let Some(first) = self.rest().chars().next() else {
                self.ended = true;
                return (self.token(TokenKind::Eof, start), comments);
            };
            match first {
                ' ' | '\t' => self.at += 1,
                '\r' | '\n' => {
                    self.at += 1;
                    if self.may_end {
                        self.may_end = false;
                        return (self.token(TokenKind::SyntheticSemicolon, start), comments);
                    }
                }
                '/' if self.rest().starts_with("//") => {
                    let length = self.rest().find(['\r', '\n']).unwrap_or(self.rest().len());
                    self.at += length;
                    comments.push(&self.text[start..self.at]);
                }
                '/' if self.rest().starts_with("/*") => match self.rest()[2..].find("*/") {
                    Some(length) => {
                        self.at += length + 4;
                        comments.push(&self.text[start..self.at]);
                    }
                    None => return (self.error(start, UNREADABLE), comments),
                },
                _ => {
                    let token = self.read(start, first);
                    self.may_end = token.kind.may_end();
                    return (self.flagged(token), comments);
                }
            }
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn token(&self, kind: TokenKind, start: usize) -> Token<'a> {
        Token { kind, start: u32::try_from(start).unwrap_or(u32::MAX), value: &self.text[start..self.at] }
    }

    /// What cannot be read; nothing behind it is.
    fn error(&mut self, start: usize, value: &'a str) -> Token<'a> {
        self.ended = true;
        Token { value, ..self.token(TokenKind::Error, start) }
    }

    fn read(&mut self, start: usize, first: char) -> Token<'a> {
        if is_word(first) {
            self.at += self.rest().find(|c| !is_word(c)).unwrap_or(self.rest().len());
            let token = self.token(TokenKind::Identifier, start);
            let keyword = KEYWORDS.contains(&token.value);
            return if keyword { Token { kind: TokenKind::Keyword, ..token } } else { token };
        }
        if first == '"' || first == '\'' {
            return self.string(start);
        }
        if let Some((sign, kind)) = LONG_SIGNS.into_iter().find(|(sign, _)| self.rest().starts_with(sign)) {
            self.at += sign.len();
            return self.token(kind, start);
        }
        let kind = match first {
            '{' => TokenKind::LeftBrace,
            '}' => TokenKind::RightBrace,
            '(' => TokenKind::LeftParen,
            ')' => TokenKind::RightParen,
            '|' => TokenKind::Pipe,
            '+' => TokenKind::Plus,
            '-' => TokenKind::Minus,
            '&' => TokenKind::And,
            '/' => TokenKind::Div,
            '=' => TokenKind::Equals,
            ':' => TokenKind::Colon,
            ';' => TokenKind::Semicolon,
            '#' => TokenKind::Hash,
            '*' => TokenKind::Star,
            '?' => TokenKind::QuestionMark,
            '!' => TokenKind::ExclamationPoint,
            '[' => TokenKind::LeftBracket,
            ']' => TokenKind::RightBracket,
            '.' => TokenKind::Period,
            ',' => TokenKind::Comma,
            '%' => TokenKind::Percent,
            '<' => TokenKind::LessThan,
            '>' => TokenKind::GreaterThan,
            _ => {
                let end = start + first.len_utf8();
                return self.error(start, &self.text[start..end]);
            }
        };
        self.at += 1;
        self.token(kind, start)
    }

    /// A string in any of four quotes. No escapes: a backslash before a quote does not keep it from ending.
    fn string(&mut self, start: usize) -> Token<'a> {
        let rest = self.rest();
        let (open, close) = match rest {
            _ if rest.starts_with("\"\"\"") => (3, "\"\"\""),
            // What SpiceDB does; a text in three single quotes ends nowhere else.
            _ if rest.starts_with("'''") => (3, "\"\"\""),
            _ if rest.starts_with('"') => (1, "\""),
            _ => (1, "'"),
        };
        let body = &rest[open..];
        let Some(length) = body.find(close) else {
            let newline = body.find(['\r', '\n']).filter(|_| open == 1);
            return self.error(start, newline.map_or(UNREADABLE, |at| &body[at..at + 1]));
        };
        if open == 1
            && let Some(at) = body[..length].find(['\r', '\n'])
        {
            return self.error(start, &body[at..at + 1]);
        }
        self.at += open + length + close.len();
        self.token(TokenKind::String, start)
    }

    /// The token under the flags, which it may itself put on.
    fn flagged(&mut self, token: Token<'a>) -> Token<'a> {
        match token.kind {
            TokenKind::Identifier if !self.begun => {
                if self.after_use {
                    self.after_use = false;
                    if let Some(flag) = FLAGS.iter().position(|flag| *flag == token.value) {
                        self.flags[flag] = true;
                    }
                } else {
                    self.after_use = token.value == "use";
                }
            }
            TokenKind::Keyword if matches!(token.value, "definition" | "caveat") => self.begun = true,
            _ => {}
        }
        let word = if token.value == "and" { "expiration" } else { token.value };
        let on = FLAGS.iter().zip(self.flags).any(|(flag, on)| on && *flag == word);
        if on && token.kind == TokenKind::Identifier { Token { kind: TokenKind::Keyword, ..token } } else { token }
    }
}

/// What stands for an end of text that came too soon.
const UNREADABLE: &str = "\u{fffd}";
