//! Tokens to a tree of names, not yet resolved.

use super::lex::{Token, lex};
use super::{At, MAX_SCHEMA_BYTES, SchemaError};

/// How deep parentheses may nest: bounds the recursion of this parser and of the evaluator.
pub(super) const MAX_NESTING: usize = 32;

const KEYWORDS: [&str; 6] = ["definition", "caveat", "relation", "permission", "nil", "with"];
const NO_CAVEATS: &str = "caveats are not supported yet";

#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) definitions: Vec<Definition>,
    pub(super) typechecking: bool,
}

#[derive(Debug)]
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) at: At,
    pub(super) members: Vec<Member>,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) at: At,
    pub(super) body: Body,
}

#[derive(Debug)]
pub(super) enum Body {
    Relation(Vec<Type>),
    Permission { types: Option<Vec<(String, At)>>, rule: Rule },
}

#[derive(Debug)]
pub(super) struct Type {
    pub(super) name: String,
    pub(super) at: At,
    pub(super) form: Form,
    pub(super) expires: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Form {
    Object,
    Everyone,
    Members(String),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Nil,
    Itself,
    Member(String, At),
    Arrow { over: String, to: String, all: bool, at: At },
    Union(Vec<Rule>),
    Intersection(Vec<Rule>),
    Exclusion(Box<Rule>, Vec<Rule>),
}

#[derive(Default)]
struct Flags {
    expiration: bool,
    itself: bool,
    typechecking: bool,
}

struct Parser {
    tokens: Vec<(Token, At)>,
    next: usize,
    flags: Flags,
    nesting: usize,
}

pub(super) fn parse(text: &str) -> Result<Tree, SchemaError> {
    if text.len() > MAX_SCHEMA_BYTES {
        return Err(At { line: 1, column: 1 }.syntax(format!("the schema is longer than {MAX_SCHEMA_BYTES} bytes")));
    }
    let mut parser = Parser { tokens: lex(text)?, next: 0, flags: Flags::default(), nesting: 0 };
    parser.file()
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::Eof, |(token, _)| token)
    }
    fn at(&self) -> At {
        self.tokens.get(self.next).or(self.tokens.last()).map_or_else(At::default, |&(_, at)| at)
    }
    fn advance(&mut self) {
        self.next += 1;
    }
    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(next) if *next == sign)
    }
    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(next) if next == word)
    }
    fn take_sign(&mut self, sign: &str) -> bool {
        let taken = self.is_sign(sign);
        self.next += usize::from(taken);
        taken
    }
    fn take_word(&mut self, word: &str) -> bool {
        let taken = self.is_word(word);
        self.next += usize::from(taken);
        taken
    }
    fn unexpected(&self, wanted: &str) -> SchemaError {
        self.at().syntax(format!("expected {wanted}, found {}", self.peek().quoted()))
    }
    fn sign(&mut self, sign: &str) -> Result<(), SchemaError> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    fn is_keyword(&self, word: &str) -> bool {
        KEYWORDS.contains(&word)
            || (self.flags.expiration && matches!(word, "expiration" | "and"))
            || (self.flags.itself && word == "self")
            || (self.flags.typechecking && word == "typechecking")
    }

    /// A name: a word that is no keyword under the flags of this file.
    fn name(&mut self, wanted: &str) -> Result<String, SchemaError> {
        match self.peek() {
            Token::Word(word) if !self.is_keyword(word) => {
                let word = word.clone();
                self.advance();
                Ok(word)
            }
            _ => Err(self.unexpected(wanted)),
        }
    }

    fn path(&mut self) -> Result<String, SchemaError> {
        let mut path = self.name("the name of a definition")?;
        while self.take_sign("/") {
            path.push('/');
            path.push_str(&self.name("the name of a definition")?);
        }
        Ok(path)
    }

    fn file(&mut self) -> Result<Tree, SchemaError> {
        let mut tree = Tree::default();
        loop {
            while *self.peek() == Token::End {
                self.advance();
            }
            let at = self.at();
            if *self.peek() == Token::Eof {
                tree.typechecking = self.flags.typechecking;
                return Ok(tree);
            }
            if self.take_word("definition") {
                tree.definitions.push(self.definition()?);
            } else if self.take_word("use") {
                if !tree.definitions.is_empty() {
                    return Err(at.syntax("`use` must stand before any definition"));
                }
                self.flag()?;
            } else if self.is_word("caveat") {
                return Err(at.syntax(NO_CAVEATS));
            } else if self.is_word("partial") || self.is_word("import") {
                return Err(at.syntax(format!("{} is not supported", self.peek().quoted())));
            } else {
                return Err(self.unexpected("a definition"));
            }
        }
    }

    fn flag(&mut self) -> Result<(), SchemaError> {
        let at = self.at();
        let flag = match self.peek() {
            Token::Word(word) => word.clone(),
            _ => return Err(self.unexpected("a flag after `use`")),
        };
        self.advance();
        match flag.as_str() {
            "expiration" => self.flags.expiration = true,
            "self" => self.flags.itself = true,
            "typechecking" => self.flags.typechecking = true,
            "partial" | "import" => return Err(at.syntax(format!("`use {flag}` is not supported"))),
            _ => return Err(at.syntax("unknown `use` flag: expected expiration, self or typechecking")),
        }
        self.end()
    }

    fn end(&mut self) -> Result<(), SchemaError> {
        match self.peek() {
            Token::End => {
                self.advance();
                Ok(())
            }
            Token::Eof => Ok(()),
            _ => Err(self.unexpected("the end of a statement or definition")),
        }
    }

    fn definition(&mut self) -> Result<Definition, SchemaError> {
        let at = self.at();
        let name = self.path()?;
        self.sign("{")?;
        let mut members = Vec::new();
        while !self.take_sign("}") {
            let keyword = self.at();
            if self.take_word("relation") {
                members.push(self.relation()?);
            } else if self.take_word("permission") {
                members.push(self.permission()?);
            } else if self.is_sign("...") {
                return Err(keyword.syntax("partials are not supported"));
            } else {
                return Err(self.unexpected("`relation`, `permission` or `}`"));
            }
            self.end()?;
        }
        Ok(Definition { name, at, members })
    }

    fn relation(&mut self) -> Result<Member, SchemaError> {
        let at = self.at();
        let name = self.name("the name of a relation")?;
        self.sign(":")?;
        let mut types = vec![self.subject_type()?];
        while self.take_sign("|") {
            types.push(self.subject_type()?);
        }
        Ok(Member { name, at, body: Body::Relation(types) })
    }

    fn subject_type(&mut self) -> Result<Type, SchemaError> {
        let at = self.at();
        let name = self.path()?;
        let form = if self.take_sign(":") {
            self.sign("*")?;
            Form::Everyone
        } else if self.take_sign("#") {
            if self.take_sign("...") { Form::Object } else { Form::Members(self.name("the name of a relation")?) }
        } else {
            Form::Object
        };
        let with = self.at();
        let mut expires = false;
        if self.take_word("with") {
            if self.take_word("expiration") {
                if !self.flags.expiration {
                    return Err(with.types("there is no caveat `expiration`; expiry needs `use expiration`"));
                }
                if self.is_word("and") {
                    return Err(self.at().syntax("the caveat must come before `expiration`"));
                }
                expires = true;
            } else {
                self.path()?;
                return Err(with.syntax(NO_CAVEATS));
            }
        }
        Ok(Type { name, at, form, expires })
    }

    fn permission(&mut self) -> Result<Member, SchemaError> {
        let at = self.at();
        let name = self.name("the name of a permission")?;
        let mut types = None;
        if self.take_sign(":") {
            let mut named = Vec::new();
            loop {
                let at = self.at();
                named.push((self.path()?, at));
                if !self.take_sign("|") {
                    break;
                }
            }
            types = Some(named);
        }
        self.sign("=")?;
        let rule = self.exclusion()?;
        Ok(Member { name, at, body: Body::Permission { types, rule } })
    }

    /// The loosest: `a - b - c` takes both from `a`.
    fn exclusion(&mut self) -> Result<Rule, SchemaError> {
        let first = self.intersection()?;
        let mut without = Vec::new();
        while self.take_sign("-") {
            without.push(self.intersection()?);
        }
        Ok(if without.is_empty() { first } else { Rule::Exclusion(Box::new(first), without) })
    }

    fn intersection(&mut self) -> Result<Rule, SchemaError> {
        let mut rules = vec![self.union()?];
        while self.take_sign("&") {
            rules.push(self.union()?);
        }
        Ok(one_or(rules, Rule::Intersection))
    }

    /// The tightest.
    fn union(&mut self) -> Result<Rule, SchemaError> {
        let mut rules = vec![self.base()?];
        while self.take_sign("+") {
            rules.push(self.base()?);
        }
        Ok(one_or(rules, Rule::Union))
    }

    fn base(&mut self) -> Result<Rule, SchemaError> {
        let at = self.at();
        if self.take_sign("(") {
            if self.nesting == MAX_NESTING {
                return Err(at.syntax(format!("parentheses nest deeper than {MAX_NESTING}")));
            }
            self.nesting += 1;
            let rule = self.exclusion()?;
            self.nesting -= 1;
            self.sign(")")?;
            return Ok(rule);
        }
        if self.take_word("nil") {
            return Ok(Rule::Nil);
        }
        if self.flags.itself && self.take_word("self") {
            return Ok(Rule::Itself);
        }
        let name = self.name("a relation or permission")?;
        let all = if self.take_sign("->") {
            let to = self.name("a relation or permission")?;
            if self.is_sign("->") || self.is_sign(".") {
                return Err(self.at().syntax("nested arrows are not supported"));
            }
            return Ok(Rule::Arrow { over: name, to, all: false, at });
        } else if self.take_sign(".") {
            let function = self.at();
            if self.take_word("any") {
                false
            } else if self.take_word("all") {
                true
            } else {
                return Err(function.syntax("expected `any` or `all` for an arrow function"));
            }
        } else {
            return Ok(Rule::Member(name, at));
        };
        self.sign("(")?;
        let to = self.name("a relation or permission")?;
        self.sign(")")?;
        if self.is_sign("->") || self.is_sign(".") {
            return Err(self.at().syntax("nested arrows are not supported"));
        }
        Ok(Rule::Arrow { over: name, to, all, at })
    }
}

fn one_or(mut rules: Vec<Rule>, many: impl FnOnce(Vec<Rule>) -> Rule) -> Rule {
    match rules.pop() {
        Some(only) if rules.is_empty() => only,
        last => {
            rules.extend(last);
            many(rules)
        }
    }
}
