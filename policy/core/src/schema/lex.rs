//! Text to tokens. A newline ends a statement where one can end, as if `;` stood there.

use std::iter::Peekable;
use std::str::Chars;

use super::{At, SchemaError};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Text(String),
    /// `;`, written or implied by a newline.
    End,
    /// Any other sign, as written.
    Sign(&'static str),
    /// A character that begins no token; the parser refuses it where it stands.
    Odd(char),
    /// The end of the file.
    Eof,
}

impl Token {
    /// The token as messages quote it.
    pub(super) fn quoted(&self) -> String {
        match self {
            Token::Word(word) => format!("`{}`", word.chars().take(64).collect::<String>()),
            Token::Text(_) => "a string".to_owned(),
            Token::End => "the end of a statement".to_owned(),
            Token::Sign(sign) => format!("`{sign}`"),
            Token::Odd(c) => format!("the character `{}`", c.escape_debug()),
            Token::Eof => "the end of the file".to_owned(),
        }
    }

    /// Whether a newline after this token ends a statement.
    fn may_end(&self) -> bool {
        matches!(self, Token::Word(_) | Token::Sign("}" | ")" | "*"))
    }
}

/// Longer signs first: the first that fits is taken.
const SIGNS: [&str; 16] = ["...", "->", "{", "}", "(", ")", "|", ":", "+", "&", "-", ".", "*", "#", "=", "/"];

struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    at: At,
}

pub(super) fn lex(text: &str) -> Result<Vec<(Token, At)>, SchemaError> {
    let mut lexer = Lexer { rest: text.chars().peekable(), at: At { line: 1, column: 1 } };
    let mut tokens: Vec<(Token, At)> = Vec::new();
    loop {
        let at = lexer.at;
        let Some(&next) = lexer.rest.peek() else { break };
        match next {
            '\n' => {
                if tokens.last().is_some_and(|(token, _)| token.may_end()) {
                    tokens.push((Token::End, at));
                }
                lexer.step();
            }
            ' ' | '\t' | '\r' => {
                lexer.step();
            }
            ';' => {
                lexer.step();
                tokens.push((Token::End, at));
            }
            '"' | '\'' => tokens.push((lexer.text(at)?, at)),
            'a'..='z' | 'A'..='Z' | '_' | '0'..='9' => tokens.push((lexer.word(), at)),
            '/' => {
                if !lexer.comment(at)? {
                    tokens.push((Token::Sign("/"), at));
                }
            }
            _ => tokens.push((lexer.sign(), at)),
        }
    }
    tokens.push((Token::Eof, lexer.at));
    Ok(tokens)
}

impl Lexer<'_> {
    fn step(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        if next == '\n' {
            self.at = At { line: self.at.line.saturating_add(1), column: 1 };
        } else {
            self.at.column = self.at.column.saturating_add(1);
        }
        Some(next)
    }

    fn word(&mut self) -> Token {
        let mut word = String::new();
        while let Some(&c) = self.rest.peek()
            && (c.is_ascii_alphanumeric() || c == '_')
        {
            word.push(c);
            self.step();
        }
        Token::Word(word)
    }

    fn text(&mut self, at: At) -> Result<Token, SchemaError> {
        let quote = self.step();
        let mut text = String::new();
        loop {
            match self.step() {
                None | Some('\n') => return Err(at.syntax("the string does not end on its line")),
                end if end == quote => return Ok(Token::Text(text)),
                Some(c) => text.push(c),
            }
        }
    }

    /// Passes the `/`, and the comment if it begins one.
    fn comment(&mut self, at: At) -> Result<bool, SchemaError> {
        self.step();
        match self.rest.peek() {
            Some('/') => {
                // The newline stays: it may end the statement before the comment.
                while self.rest.peek().is_some_and(|&c| c != '\n') {
                    self.step();
                }
                Ok(true)
            }
            Some('*') => {
                self.step();
                let mut star = false;
                loop {
                    match self.step() {
                        None => return Err(at.syntax("the comment does not end")),
                        Some('/') if star => return Ok(true),
                        Some(c) => star = c == '*',
                    }
                }
            }
            _ => Ok(false),
        }
    }

    fn sign(&mut self) -> Token {
        let ahead = self.rest.clone();
        match SIGNS.into_iter().find(|sign| sign.chars().eq(ahead.clone().take(sign.len()))) {
            Some(sign) => {
                sign.chars().for_each(|_| {
                    self.step();
                });
                Token::Sign(sign)
            }
            None => Token::Odd(self.step().unwrap_or(' ')),
        }
    }
}
