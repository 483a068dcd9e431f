//! Tokens to a tree of names, not yet resolved.

use std::sync::Arc;

use super::error::{Span, Text};
use super::lex::{FLAGS, Lexer, Token, TokenKind};
use super::tree::{
    Block, Body, Caveat, Entry, File, Form, Item, Member, Parameter, ParameterType, Permission, SubjectType,
};
use super::{MAX_NESTING, MAX_SCHEMA_BYTES, SchemaError};

pub(super) fn parse(text: &str) -> Result<File, SchemaError> {
    let place = Text(text);
    if text.len() > MAX_SCHEMA_BYTES {
        let message = format!("the schema is longer than {MAX_SCHEMA_BYTES} bytes");
        return Err(place.syntax(Span::default(), "", message));
    }
    let mut parser = Parser::new(text);
    parser.file()?;
    Ok(parser.file)
}

/// Stands at a token; knows where the one before it ended.
pub(super) struct Parser<'a> {
    text: Text<'a>,
    lexer: Lexer<'a>,
    pub(super) current: Token<'a>,
    /// What was commented right before the current token.
    comments: Vec<&'a str>,
    pub(super) before: u32,
    file: File,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        let mut lexer = Lexer::new(text);
        let (current, comments) = lexer.next();
        Parser { text: Text(text), lexer, current, comments, before: 0, file: File::default() }
    }

    /// Passes the current token and returns it.
    pub(super) fn advance(&mut self) -> Token<'a> {
        let passed = self.current;
        self.before = passed.end();
        (self.current, self.comments) = self.lexer.next();
        passed
    }

    pub(super) fn is(&self, kind: TokenKind) -> bool {
        self.current.kind == kind
    }
    pub(super) fn is_keyword(&self, word: &str) -> bool {
        self.is(TokenKind::Keyword) && self.current.value == word
    }
    pub(super) fn take(&mut self, kind: TokenKind) -> bool {
        let taken = self.is(kind);
        if taken {
            self.advance();
        }
        taken
    }
    fn take_keyword(&mut self, word: &str) -> bool {
        let taken = self.is_keyword(word);
        if taken {
            self.advance();
        }
        taken
    }

    /// An error about the current token.
    pub(super) fn error(&self, message: impl Into<String>) -> SchemaError {
        self.text.syntax(Span { start: self.current.start, end: self.before }, self.current.value, message)
    }
    /// An error where something is missing, whatever stands there.
    pub(super) fn missing(&self, message: impl Into<String>) -> SchemaError {
        self.text.syntax(Span { start: self.current.start, end: self.before }, "", message)
    }

    pub(super) fn expect(&mut self, kind: TokenKind) -> Result<(), SchemaError> {
        if self.take(kind) {
            return Ok(());
        }
        Err(self.error(format!("Expected one of: [{kind}], found: {}", self.current.kind)))
    }
    pub(super) fn name(&mut self) -> Result<&'a str, SchemaError> {
        if self.is(TokenKind::Identifier) {
            return Ok(self.advance().value);
        }
        Err(self.error(format!("Expected identifier, found token {}", self.current.kind)))
    }
    fn path(&mut self) -> Result<String, SchemaError> {
        let mut path = self.name()?.to_owned();
        while self.take(TokenKind::Div) {
            path.push('/');
            path.push_str(self.name()?);
        }
        Ok(path)
    }
    /// Passes the end of a statement, if one is here. The end of the text is one.
    fn take_end(&mut self) -> bool {
        self.take(TokenKind::SyntheticSemicolon) || self.take(TokenKind::Semicolon) || self.take(TokenKind::Eof)
    }
    /// From a start to the end of what was passed last.
    pub(super) fn since(&self, start: u32) -> Span {
        Span { start, end: self.before }
    }
    /// The comments before the current token, as they are kept.
    fn doc_comments(&self) -> Vec<String> {
        self.comments.iter().map(|comment| plain(comment)).collect()
    }

    fn file(&mut self) -> Result<(), SchemaError> {
        if self.is(TokenKind::Error) {
            return Err(self.missing(self.current.value));
        }
        let mut defined = false;
        loop {
            if !self.is(TokenKind::Eof) {
                self.take_end();
            }
            if self.is(TokenKind::Eof) {
                return Ok(());
            }
            if self.is(TokenKind::Identifier) && self.current.value == "use" {
                self.flag(defined)?;
            } else if self.is_keyword("definition") {
                defined = true;
                let block = self.block()?;
                self.file.items.push(Item::Definition(block));
            } else if self.is_keyword("caveat") {
                defined = true;
                let caveat = self.caveat()?;
                self.file.items.push(Item::Caveat(caveat));
            } else if self.is_keyword("partial") {
                let block = self.block()?;
                self.file.items.push(Item::Partial(block));
            } else if self.is_keyword("import") {
                self.import()?;
            } else {
                return Err(self.error(format!("Unexpected token at root level: {}", self.current.kind)));
            }
        }
    }

    fn flag(&mut self, defined: bool) -> Result<(), SchemaError> {
        self.advance();
        if !self.is(TokenKind::Identifier) && !self.is(TokenKind::Keyword) {
            return Err(self.error(format!("Expected keyword, found token {}", self.current.kind)));
        }
        let flag = self.advance().value;
        if !FLAGS.contains(&flag) {
            return Err(self.error(format!("Unknown use flag: `{flag}`. Options are: {}", FLAGS.join(", "))));
        }
        if defined {
            return Err(self.error("`use` expressions must be declared before any definition"));
        }
        self.file.typechecking |= flag == "typechecking";
        Ok(())
    }

    fn import(&mut self) -> Result<(), SchemaError> {
        let start = self.advance().start;
        if !self.take(TokenKind::String) {
            return Err(self.error(format!("Expected quote-delimited string, found token {}", self.current.kind)));
        }
        self.file.import.get_or_insert(self.since(start));
        Ok(())
    }

    /// A definition or partial, at its keyword.
    fn block(&mut self) -> Result<Block, SchemaError> {
        let comments = self.doc_comments();
        let start = self.advance().start;
        let name = self.path()?;
        self.expect(TokenKind::LeftBrace)?;
        let mut entries = Vec::new();
        while !self.take(TokenKind::RightBrace) {
            if self.is_keyword("relation") {
                entries.push(self.member(Self::relation)?);
            } else if self.is_keyword("permission") {
                entries.push(self.member(Self::permission)?);
            } else if self.is(TokenKind::Ellipsis) {
                let start = self.advance().start;
                let name = self.name()?.to_owned();
                entries.push(Entry::Splice { name, span: self.since(start) });
            }
            if !self.take_end() {
                let found = self.current.kind;
                return Err(self.error(format!("Expected end of statement or definition, found: {found}")));
            }
        }
        Ok(Block { name, span: self.since(start), comments, entries })
    }

    fn member(&mut self, body: fn(&mut Self) -> Result<Body, SchemaError>) -> Result<Entry, SchemaError> {
        let comments = self.doc_comments();
        let start = self.advance().start;
        let name = self.name()?.to_owned();
        let body = body(self)?;
        let place = u32::try_from(self.file.members.len()).unwrap_or(u32::MAX);
        self.file.members.push(Arc::new(Member { name, span: self.since(start), comments, body }));
        Ok(Entry::Member(place))
    }

    fn relation(&mut self) -> Result<Body, SchemaError> {
        self.expect(TokenKind::Colon)?;
        let mut types = vec![self.subject_type()?];
        while self.take(TokenKind::Pipe) {
            types.push(self.subject_type()?);
        }
        Ok(Body::Relation(types))
    }

    fn subject_type(&mut self) -> Result<SubjectType, SchemaError> {
        let start = self.current.start;
        let definition = self.path()?;
        let form = if self.take(TokenKind::Colon) {
            self.expect(TokenKind::Star)?;
            Form::Everyone
        } else if self.take(TokenKind::Hash) {
            if self.take(TokenKind::Ellipsis) {
                Form::Object
            } else if self.is(TokenKind::Identifier) {
                Form::Members(self.advance().value.to_owned())
            } else {
                let (name, rest) = (TokenKind::Identifier, TokenKind::Ellipsis);
                return Err(self.error(format!("Expected one of: [{name} {rest}], found: {}", self.current.kind)));
            }
        } else {
            Form::Object
        };
        let (caveat, expires) = self.conditions()?;
        Ok(SubjectType { definition, form, caveat, expires, span: self.since(start) })
    }

    /// `with caveat`, `with expiration` or `with caveat and expiration`.
    fn conditions(&mut self) -> Result<(Option<String>, bool), SchemaError> {
        let mut caveat = None;
        if !self.take_keyword("with") {
            return Ok((None, false));
        }
        if !self.is_keyword("expiration") {
            caveat = Some(self.path()?);
            // An `and` with nothing behind it is let pass, as SpiceDB does.
            if !self.take_keyword("and") {
                return Ok((caveat, false));
            }
        }
        let expires = self.take_keyword("expiration");
        if expires && self.is_keyword("and") {
            return Err(self.error(
                "Unexpected keyword after expiration: the caveat must come before expiration, e.g. `with <caveat_name> and expiration`",
            ));
        }
        Ok((caveat, expires))
    }

    fn permission(&mut self) -> Result<Body, SchemaError> {
        let mut types = Vec::new();
        if self.take(TokenKind::Colon) {
            types.push(self.name()?.to_owned());
            while self.take(TokenKind::Pipe) {
                types.push(self.name()?.to_owned());
            }
        }
        self.expect(TokenKind::Equals)?;
        let mut nested_arrow = None;
        let expression = self.expression(&mut nested_arrow)?;
        Ok(Body::Permission(Permission { types, expression, nested_arrow }))
    }

    fn caveat(&mut self) -> Result<Caveat, SchemaError> {
        let comments = self.doc_comments();
        let start = self.advance().start;
        let name = self.path()?;
        self.expect(TokenKind::LeftParen)?;
        let mut caveat = Caveat { name, span: Span::default(), comments, parameters: Vec::new(), expression: None };
        loop {
            // A missing parameter or expression is no mistake yet: what stands there instead will be one
            // at the root, and else the compiler misses it.
            if !self.is(TokenKind::Identifier) {
                caveat.span = self.since(start);
                return Ok(caveat);
            }
            let name = self.advance();
            let kind = self.parameter_type(0)?;
            caveat.parameters.push(Parameter { name: name.value.to_owned(), span: self.since(name.start), kind });
            if !self.take(TokenKind::Comma) {
                break;
            }
        }
        self.expect(TokenKind::RightParen)?;
        self.expect(TokenKind::LeftBrace)?;
        caveat.expression = self.caveat_expression();
        if caveat.expression.is_some() {
            self.expect(TokenKind::RightBrace)?;
        }
        caveat.span = self.since(start);
        Ok(caveat)
    }

    fn parameter_type(&mut self, depth: usize) -> Result<ParameterType, SchemaError> {
        if depth > MAX_NESTING {
            return Err(self.error(format!("types nest deeper than {MAX_NESTING}")));
        }
        let mut kind = ParameterType { name: self.name()?.to_owned(), arguments: Vec::new() };
        if self.take(TokenKind::LessThan) {
            loop {
                kind.arguments.push(self.parameter_type(depth + 1)?);
                if !self.take(TokenKind::Comma) {
                    break;
                }
            }
            self.expect(TokenKind::GreaterThan)?;
        }
        Ok(kind)
    }

    /// Everything up to the brace that closes the one before; another language's parser will read it.
    fn caveat_expression(&mut self) -> Option<Span> {
        let start = self.current.start;
        let (mut open, mut any) = (0_usize, false);
        loop {
            match self.current.kind {
                TokenKind::LeftBrace => open += 1,
                TokenKind::RightBrace if open == 0 => break,
                TokenKind::RightBrace => open -= 1,
                TokenKind::Error | TokenKind::Eof => break,
                _ => {}
            }
            any = true;
            self.advance();
        }
        any.then(|| self.since(start))
    }
}

/// The longest line of a comment that is kept, in bytes; a longer one ends it.
const MAX_COMMENT_LINE: usize = (1 << 16) - 1;

/// A comment with every line trimmed.
fn plain(comment: &str) -> String {
    let lines = comment.split('\n').take_while(|line| line.len() <= MAX_COMMENT_LINE);
    lines.map(str::trim).collect::<Vec<_>>().join("\n")
}
