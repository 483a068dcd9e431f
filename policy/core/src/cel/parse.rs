//! Tokens to a tree: the grammar of CEL with optional syntax, its macros, and its bounds on nesting.

use super::CompileError;
use super::ast::{Element, Entry, Expr, ExprKind, Fold, FoldKind, Literal};
use super::lex::{At, Token, lex};
use super::stack::with_room;

/// How deep one rule of the grammar may nest in itself, and how many operators and selections may
/// lie above one another in the tree; the same as SpiceDB's.
const MAX_NESTING: u16 = 250;
/// How many nodes of any kind may lie above one another. Only an expression that nests several
/// operators and calls at each of hundreds of levels meets it; SpiceDB takes such.
const MAX_DEPTH: u16 = 600;

/// Names that the language keeps for itself. The tokens `in`, `true`, `false` and `null` are not even
/// allowed as names of fields.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];
const WORDS: [&str; 4] = ["in", "true", "false", "null"];

/// The binary operators below `&&`, loosest first; left to right among equals.
const RELATIONS: [&str; 7] = ["<", "<=", ">=", ">", "==", "!=", "in"];
const SUMS: [&str; 2] = ["+", "-"];
const PRODUCTS: [&str; 3] = ["*", "/", "%"];

/// The rules whose nesting is counted. All others nest no deeper than one of these.
#[derive(Clone, Copy)]
enum Rule {
    Expression,
    Relation,
    Arithmetic,
}

struct Parser<'a> {
    tokens: Vec<(Token<'a>, At)>,
    next: usize,
    nesting: [u16; 3],
}

/// # Errors
/// The first fault of form, and where it is.
pub(super) fn parse(text: &str) -> Result<Expr, CompileError> {
    let mut parser = Parser { tokens: lex(text)?, next: 0, nesting: [0; 3] };
    let expr = parser.expression()?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.unexpected()),
    }
}

impl<'a> Parser<'a> {
    fn peek(&self) -> &Token<'a> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> &Token<'a> {
        self.tokens.get(self.next + ahead).map_or(&Token::End, |(token, _)| token)
    }

    fn at(&self) -> At {
        let last = self.tokens.len().saturating_sub(1);
        self.tokens.get(self.next.min(last)).map_or(At { line: 1, column: 1 }, |(_, at)| *at)
    }

    fn bump(&mut self) -> Token<'a> {
        let token = self.tokens.get_mut(self.next).map_or(Token::End, |(token, _)| match token {
            Token::Text(_) | Token::Bytes(_) => std::mem::replace(token, Token::End),
            token => token.clone(),
        });
        self.next += 1;
        token
    }

    fn eat(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(found) if *found == sign);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), CompileError> {
        if self.eat(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> CompileError {
        let found = self.peek().quoted();
        self.at().error(format!("Syntax error: mismatched input {found}"))
    }

    fn enter(&mut self, rule: Rule) -> Result<(), CompileError> {
        let nesting = &mut self.nesting[rule as usize];
        *nesting += 1;
        if *nesting > MAX_NESTING {
            return Err(self.at().error(format!("expression recursion limit exceeded: {MAX_NESTING}")));
        }
        Ok(())
    }

    fn leave(&mut self, rule: Rule) {
        self.nesting[rule as usize] -= 1;
    }

    /// The word at hand if it is an operator of `operators`.
    fn operator(&self, operators: &[&'static str]) -> Option<&'static str> {
        let found = match self.peek() {
            Token::Sign(sign) => sign,
            Token::Name("in") => "in",
            _ => return None,
        };
        operators.iter().copied().find(|operator| *operator == found)
    }

    fn expression(&mut self) -> Result<Expr, CompileError> {
        let at = self.at();
        let expr = with_room(|| self.ternary())?;
        if expr.depth > MAX_DEPTH { Err(at.error("max recursion depth exceeded")) } else { Ok(expr) }
    }

    /// A ternary, or what is tighter.
    fn ternary(&mut self) -> Result<Expr, CompileError> {
        self.enter(Rule::Expression)?;
        let mut condition = self.disjunction()?;
        let at = self.at();
        if self.eat("?") {
            let yes = self.disjunction()?;
            self.expect(":")?;
            let no = self.expression()?;
            condition = operation(at, "_?_:_", vec![condition, yes, no])?;
        }
        self.leave(Rule::Expression);
        Ok(condition)
    }

    fn disjunction(&mut self) -> Result<Expr, CompileError> {
        self.chain("||", ExprKind::Or, |parser| parser.chain("&&", ExprKind::And, |parser| parser.binary(0)))
    }

    /// Operands of one logical operator, kept side by side: neither result nor missing parameters
    /// depend on how they would be paired.
    fn chain(
        &mut self,
        sign: &str,
        kind: fn(Vec<Expr>) -> ExprKind,
        operand: fn(&mut Self) -> Result<Expr, CompileError>,
    ) -> Result<Expr, CompileError> {
        let first = operand(self)?;
        let at = self.at();
        if !self.eat(sign) {
            return Ok(first);
        }
        let mut operands = vec![first, operand(self)?];
        while self.eat(sign) {
            operands.push(operand(self)?);
        }
        let height = height(&operands);
        Ok(Expr::new(at, height, kind(operands)))
    }

    /// Relations (0), sums (1) and products (2) by precedence.
    fn binary(&mut self, level: usize) -> Result<Expr, CompileError> {
        if level == 0 {
            self.enter(Rule::Relation)?;
        }
        self.enter(Rule::Arithmetic)?;
        let mut left = self.unary()?;
        // Once a relation follows, the arithmetic of the left side is over.
        let mut arithmetic = true;
        loop {
            let at = self.at();
            let (operator, right) = if level <= 2
                && arithmetic
                && let Some(operator) = self.operator(&PRODUCTS)
            {
                self.next += 1;
                (operator, self.binary(3)?)
            } else if level <= 1
                && arithmetic
                && let Some(operator) = self.operator(&SUMS)
            {
                self.next += 1;
                (operator, self.binary(2)?)
            } else if level == 0
                && let Some(operator) = self.operator(&RELATIONS)
            {
                if arithmetic {
                    self.leave(Rule::Arithmetic);
                    arithmetic = false;
                }
                self.next += 1;
                self.enter(Rule::Relation)?;
                let right = self.binary(1)?;
                self.leave(Rule::Relation);
                (operator, right)
            } else {
                break;
            };
            left = operation(at, operator, vec![left, right])?;
        }
        if arithmetic {
            self.leave(Rule::Arithmetic);
        }
        if level == 0 {
            self.leave(Rule::Relation);
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, CompileError> {
        let at = self.at();
        let sign = match self.peek() {
            Token::Sign("!") => "!",
            // A minus before a number belongs to the number.
            Token::Sign("-") if !matches!(self.peek_at(1), Token::Int(_) | Token::Double(_)) => "-",
            _ => return self.member(),
        };
        let mut odd = false;
        while self.eat(sign) {
            odd = !odd;
        }
        let operand = self.member()?;
        // A pair of them undoes itself, as the language has it, whatever the operand is.
        if odd { call(at, if sign == "!" { "!_" } else { "-_" }, None, vec![operand]) } else { Ok(operand) }
    }

    fn member(&mut self) -> Result<Expr, CompileError> {
        let mut operand = self.primary()?;
        loop {
            let at = self.at();
            operand = if self.eat(".") {
                let optional = self.eat("?");
                let name_at = self.at();
                let field = self.field()?;
                let call_at = self.at();
                if optional {
                    let field = literal(name_at, Literal::Text(field));
                    operation(at, "_?._", vec![operand, field])?
                } else if self.eat("(") {
                    let arguments = self.arguments()?;
                    member_call(call_at, operand, field, arguments)?
                } else {
                    let height = above(at, operand.height)?;
                    Expr::new(at, height, ExprKind::Select(Box::new(operand), field))
                }
            } else if self.eat("[") {
                let operator = if self.eat("?") { "_[?_]" } else { "_[_]" };
                let index = self.expression()?;
                self.expect("]")?;
                operation(at, operator, vec![operand, index])?
            } else {
                return Ok(operand);
            };
        }
    }

    /// A name where a field or method stands: reserved words are allowed, the four word tokens are not.
    fn field(&mut self) -> Result<String, CompileError> {
        match self.peek() {
            Token::Name(name) if !WORDS.contains(name) => {
                let name = (*name).to_owned();
                self.next += 1;
                Ok(name)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn primary(&mut self) -> Result<Expr, CompileError> {
        let at = self.at();
        match self.peek() {
            Token::Sign("(") => {
                self.next += 1;
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Sign("[") => {
                self.next += 1;
                self.list(at)
            }
            Token::Sign("{") => {
                self.next += 1;
                self.map(at)
            }
            Token::Sign("-") => {
                self.next += 1;
                self.number(at, true)
            }
            Token::Int(_) | Token::Uint(_) | Token::Double(_) => self.number(at, false),
            Token::Text(_) | Token::Bytes(_) => Ok(literal(
                at,
                match self.bump() {
                    Token::Text(text) => Literal::Text(text),
                    Token::Bytes(bytes) => Literal::Bytes(bytes),
                    _ => return Err(self.unexpected()),
                },
            )),
            Token::Sign(".") => {
                self.next += 1;
                self.name(at)
            }
            Token::Name(name) => {
                let word = match *name {
                    "true" => Literal::Bool(true),
                    "false" => Literal::Bool(false),
                    "null" => Literal::Null,
                    _ => return self.name(at),
                };
                self.next += 1;
                Ok(literal(at, word))
            }
            Token::Sign(_) | Token::End => Err(self.unexpected()),
        }
    }

    fn name(&mut self, at: At) -> Result<Expr, CompileError> {
        let dotted = self.message_name();
        if dotted > 0 {
            return Err(
                at.error("message literals are not supported: write a map, or a call of timestamp() or duration()")
            );
        }
        let name = self.field()?;
        if RESERVED.contains(&name.as_str()) {
            return Err(at.error(format!("reserved identifier: {name}")));
        }
        let call_at = self.at();
        if !self.eat("(") {
            return Ok(Expr::new(at, 0, ExprKind::Name(name)));
        }
        let mut arguments = self.arguments()?;
        if name == "has" && arguments.len() == 1 {
            return match arguments.pop().map(|argument| (argument.at, argument.height, argument.kind)) {
                Some((_, height, ExprKind::Select(operand, field) | ExprKind::Has(operand, field))) => {
                    Ok(Expr::new(call_at, height, ExprKind::Has(operand, field)))
                }
                other => {
                    let at = other.map_or(call_at, |(at, ..)| at);
                    Err(at.error("invalid argument to has() macro"))
                }
            };
        }
        call(call_at, &name, None, arguments)
    }

    /// The number of tokens up to the brace if what stands here is `a.b.C{`.
    fn message_name(&self) -> usize {
        let mut ahead = 0;
        while matches!(self.peek_at(ahead), Token::Name(name) if !WORDS.contains(name)) {
            match self.peek_at(ahead + 1) {
                Token::Sign("{") => return ahead + 1,
                Token::Sign(".") => ahead += 2,
                _ => return 0,
            }
        }
        0
    }

    fn arguments(&mut self) -> Result<Vec<Expr>, CompileError> {
        let mut arguments = Vec::new();
        if self.eat(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression()?);
            if self.eat(")") {
                return Ok(arguments);
            }
            self.expect(",")?;
        }
    }

    fn element(&mut self) -> Result<Element, CompileError> {
        let optional = self.eat("?");
        Ok(Element { optional, value: self.expression()? })
    }

    fn list(&mut self, at: At) -> Result<Expr, CompileError> {
        let mut elements = Vec::new();
        while !self.eat("]") {
            if elements.is_empty() && self.eat(",") {
                self.expect("]")?;
                break;
            }
            elements.push(self.element()?);
            if !self.eat(",") {
                self.expect("]")?;
                break;
            }
        }
        let height = elements.iter().map(|element| element.value.height).max().unwrap_or(0);
        Ok(Expr::new(at, height, ExprKind::List(elements)))
    }

    fn map(&mut self, at: At) -> Result<Expr, CompileError> {
        let mut entries = Vec::new();
        while !self.eat("}") {
            if entries.is_empty() && self.eat(",") {
                self.expect("}")?;
                break;
            }
            let key = self.element()?;
            self.expect(":")?;
            let value = self.expression()?;
            entries.push(Entry { key: key.value, element: Element { optional: key.optional, value } });
            if !self.eat(",") {
                self.expect("}")?;
                break;
            }
        }
        let height = entries.iter().map(|entry| entry.key.height.max(entry.element.value.height)).max().unwrap_or(0);
        Ok(Expr::new(at, height, ExprKind::Map(entries)))
    }

    fn number(&mut self, at: At, negative: bool) -> Result<Expr, CompileError> {
        let sign = if negative { "-" } else { "" };
        let value = match self.bump() {
            Token::Int(text) => {
                let parsed = match text.strip_prefix("0x") {
                    Some(hex) => i64::from_str_radix(&format!("{sign}{hex}"), 16),
                    None => format!("{sign}{text}").parse(),
                };
                Literal::Int(parsed.map_err(|_| at.error("invalid int literal"))?)
            }
            Token::Uint(text) => {
                let parsed = match text.strip_prefix("0x") {
                    Some(hex) => u64::from_str_radix(hex, 16),
                    None => text.parse(),
                };
                Literal::Uint(parsed.map_err(|_| at.error("invalid uint literal"))?)
            }
            Token::Double(text) => {
                let parsed = format!("{sign}{text}").parse::<f64>().ok().filter(|number| number.is_finite());
                Literal::Double(parsed.ok_or_else(|| at.error("invalid double literal"))?)
            }
            _ => {
                self.next -= 1;
                return Err(self.unexpected());
            }
        };
        Ok(literal(at, value))
    }
}

fn literal(at: At, value: Literal) -> Expr {
    Expr::new(at, 0, ExprKind::Literal(value))
}

fn height(below: &[Expr]) -> u16 {
    below.iter().map(|expr| expr.height).max().unwrap_or(0)
}

/// The height of a node that counts, above one of `below`.
fn above(at: At, below: u16) -> Result<u16, CompileError> {
    if below >= MAX_NESTING { Err(at.error("max recursion depth exceeded")) } else { Ok(below + 1) }
}

fn call(at: At, function: &str, target: Option<Box<Expr>>, arguments: Vec<Expr>) -> Result<Expr, CompileError> {
    let height = height(&arguments).max(target.as_ref().map_or(0, |target| target.height));
    Ok(Expr::new(at, height, ExprKind::Call { function: function.to_owned(), target, arguments }))
}

/// A call that counts as a level.
fn operation(at: At, operator: &str, arguments: Vec<Expr>) -> Result<Expr, CompileError> {
    let mut expr = call(at, operator, None, arguments)?;
    expr.height = above(at, expr.height)?;
    Ok(expr)
}

/// A method call, or the macro that looks like one.
fn member_call(at: At, target: Expr, function: String, arguments: Vec<Expr>) -> Result<Expr, CompileError> {
    let height = above(at, height(&arguments).max(target.height))?;
    let kind = match (function.as_str(), arguments.len()) {
        ("all", 2) => FoldKind::All,
        ("exists", 2) => FoldKind::Exists,
        ("exists_one", 2) => FoldKind::ExistsOne,
        ("map", 2 | 3) => FoldKind::Map,
        ("filter", 2) => FoldKind::Filter,
        ("optMap", 2) => FoldKind::Optional,
        _ => {
            return Ok(Expr::new(at, height, ExprKind::Call { function, target: Some(Box::new(target)), arguments }));
        }
    };
    let mut arguments = arguments.into_iter();
    let variable = match arguments.next() {
        Some(Expr { kind: ExprKind::Name(name), .. }) => name,
        other => {
            let message = match kind {
                FoldKind::Map | FoldKind::Filter => "argument is not an identifier",
                FoldKind::Optional => "optMap() variable name must be a simple identifier",
                _ => "argument must be a simple name",
            };
            return Err(other.map_or(at, |expr| expr.at).error(message));
        }
    };
    let last = arguments.next_back();
    let (condition, transform) = match kind {
        FoldKind::Map | FoldKind::Optional => (arguments.next(), last),
        _ => (last, None),
    };
    let fold = Fold { kind, range: target, variable, condition, transform };
    Ok(Expr::new(at, height, ExprKind::Fold(Box::new(fold))))
}
