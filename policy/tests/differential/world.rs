//! A schema with relationships, as a structure that can be cut down, and its text.

use std::fmt::Write;

use policy_core::{Context, EVERYONE, Object, Tuple};

/// What both sides are asked about.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub schema: SchemaModel,
    /// Objects that relationships may name.
    pub objects: Vec<Object>,
    pub relationships: Vec<Tuple>,
    /// What requests may know: nothing, something, everything.
    pub contexts: Vec<Context>,
    /// Whether relationships may lead in a circle: answers may then be errors on either side.
    pub circles: bool,
    /// Whether caveats may fail to evaluate, by a value of a wrong type or by their own fault.
    pub faults: bool,
    /// Whether there is one relationship only, under a caveat.
    pub lone: bool,
    /// Whether objects stand in a row that is about as long as a check may go.
    pub chain: bool,
}

#[derive(Debug, Clone, Default)]
pub struct SchemaModel {
    pub uses: Vec<&'static str>,
    pub caveats: Vec<CaveatModel>,
    pub partials: Vec<Definition>,
    pub definitions: Vec<Definition>,
    /// Chooses among ways to write the same thing.
    pub looks: Looks,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Looks {
    pub semicolons: bool,
    pub comments: bool,
    pub wrapped: bool,
    pub caveats_last: bool,
}

#[derive(Debug, Clone)]
pub struct CaveatModel {
    pub name: String,
    /// Names and types.
    pub parameters: Vec<(String, String)>,
    pub expression: String,
}

#[derive(Debug, Clone)]
pub struct Definition {
    pub name: String,
    pub members: Vec<Member>,
    /// Names of partials that are spliced in.
    pub spliced: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Member {
    pub name: String,
    pub body: Body,
}

#[derive(Debug, Clone)]
pub enum Body {
    Relation(Vec<Form>),
    Permission { annotation: Vec<String>, chain: Chain },
}

/// One allowed form of subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    pub kind: String,
    pub shape: Shape,
    pub caveat: Option<String>,
    pub expires: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    Object,
    /// The object, written with `#...`.
    Ellipsis,
    Everyone,
    Members(String),
}

/// Operands and signs in a row, as written: what binds tighter is left to the reader of the text.
#[derive(Debug, Clone)]
pub struct Chain {
    pub first: Operand,
    pub rest: Vec<(char, Operand)>,
}

#[derive(Debug, Clone)]
pub enum Operand {
    Nil,
    Itself,
    Member(String),
    Arrow { over: String, to: String, style: Style },
    Group(Box<Chain>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Arrow,
    Any,
    All,
}

impl Shape {
    /// `#...` is the object.
    pub fn meant(&self) -> Shape {
        if *self == Shape::Ellipsis { Shape::Object } else { self.clone() }
    }
}

impl World {
    /// Whether SpiceDB v1.54 lets a relationship in because it compares types by their text: an end and no caveat reads
    /// `with expiration`, as does a caveat of that name and no end. Without the caveat the row then holds for sure.
    pub fn takes_end_for_caveat(&self, tuple: &Tuple) -> bool {
        let shape = match &tuple.subject.relation {
            Some(relation) => Shape::Members(relation.clone()),
            None if tuple.subject.object.id == EVERYONE => Shape::Everyone,
            None => Shape::Object,
        };
        let Some(definition) = self.schema.definition(&tuple.resource.kind) else { return false };
        let mut forms = self.schema.members_of(definition).into_iter().filter_map(|member| match &member.body {
            Body::Relation(forms) if member.name == tuple.relation => Some(forms),
            _ => None,
        });
        let reads_so = |form: &Form| {
            form.kind == tuple.subject.object.kind
                && form.shape.meant() == shape
                && form.caveat.as_deref() == Some("expiration")
                && !form.expires
        };
        tuple.until.is_some() && tuple.caveat.is_none() && forms.any(|forms| forms.iter().any(reads_so))
    }

    /// A relation of users under a caveat that has the name of the trait, and of everyone without.
    pub fn with_a_caveat_called_expiration() -> World {
        let form = |shape: Shape, caveat: Option<&str>| Form {
            kind: "user".to_owned(),
            shape,
            caveat: caveat.map(str::to_owned),
            expires: false,
        };
        let forms = vec![form(Shape::Ellipsis, Some("expiration")), form(Shape::Everyone, None)];
        let members = vec![Member { name: "viewer".to_owned(), body: Body::Relation(forms) }];
        let definitions = vec![Definition { name: "doc".to_owned(), members, spliced: Vec::new() }];
        let user = Definition { name: "user".to_owned(), members: Vec::new(), spliced: Vec::new() };
        let caveat = CaveatModel {
            name: "expiration".to_owned(),
            parameters: vec![("at".to_owned(), "int".to_owned())],
            expression: "at < 5".to_owned(),
        };
        let definitions = [vec![user], definitions].concat();
        let schema = SchemaModel { caveats: vec![caveat], definitions, ..SchemaModel::default() };
        World { schema, ..World::default() }
    }
}

impl Looks {
    pub fn is_plain(self) -> bool {
        !(self.semicolons || self.comments || self.wrapped || self.caveats_last)
    }
}

impl From<Operand> for Chain {
    fn from(first: Operand) -> Self {
        Chain { first, rest: Vec::new() }
    }
}

impl Chain {
    /// All operands, groups opened.
    pub fn leaves(&self) -> Vec<&Operand> {
        let (mut open, mut leaves) = (vec![self], Vec::new());
        while let Some(chain) = open.pop() {
            for operand in std::iter::once(&chain.first).chain(chain.rest.iter().map(|(_, operand)| operand)) {
                match operand {
                    Operand::Group(inner) => open.push(inner),
                    leaf => leaves.push(leaf),
                }
            }
        }
        leaves
    }

    fn text(&self, wrapped: bool) -> String {
        let mut text = self.first.text(wrapped);
        for (sign, operand) in &self.rest {
            // An operator ends its line: one that begins a line is another statement.
            let space = if wrapped { "\n    " } else { " " };
            let _ = write!(text, " {sign}{space}{}", operand.text(wrapped));
        }
        text
    }
}

impl Operand {
    fn text(&self, wrapped: bool) -> String {
        match self {
            Operand::Nil => "nil".to_owned(),
            Operand::Itself => "self".to_owned(),
            Operand::Member(name) => name.clone(),
            Operand::Arrow { over, to, style: Style::Arrow } => format!("{over}->{to}"),
            Operand::Arrow { over, to, style: Style::Any } => format!("{over}.any({to})"),
            Operand::Arrow { over, to, style: Style::All } => format!("{over}.all({to})"),
            Operand::Group(chain) => format!("({})", chain.text(wrapped)),
        }
    }
}

impl Form {
    pub fn text(&self) -> String {
        let shape = match &self.shape {
            Shape::Object => String::new(),
            Shape::Ellipsis => "#...".to_owned(),
            Shape::Everyone => ":*".to_owned(),
            Shape::Members(relation) => format!("#{relation}"),
        };
        let with = match (&self.caveat, self.expires) {
            (None, false) => String::new(),
            (Some(caveat), false) => format!(" with {caveat}"),
            (None, true) => " with expiration".to_owned(),
            (Some(caveat), true) => format!(" with {caveat} and expiration"),
        };
        format!("{}{shape}{with}", self.kind)
    }
}

impl Chain {
    fn takes_away(&self) -> bool {
        let group = |operand: &Operand| matches!(operand, Operand::Group(inner) if inner.takes_away());
        group(&self.first) || self.rest.iter().any(|(operator, operand)| *operator != '+' || group(operand))
    }
}

impl SchemaModel {
    /// Whether an operand of some permission can turn a yes of another into a no.
    pub fn takes_away(&self) -> bool {
        let members = self.definitions.iter().flat_map(|definition| &definition.members);
        members.into_iter().any(|member| matches!(&member.body, Body::Permission { chain, .. } if chain.takes_away()))
    }

    pub fn definition(&self, name: &str) -> Option<&Definition> {
        self.definitions.iter().find(|definition| definition.name == name)
    }

    /// The members of a definition, those that are spliced in too.
    pub fn members_of<'a>(&'a self, definition: &'a Definition) -> Vec<&'a Member> {
        let (mut open, mut members) = (vec![definition], Vec::new());
        while let Some(block) = open.pop() {
            members.extend(&block.members);
            open.extend(
                block.spliced.iter().filter_map(|name| self.partials.iter().find(|partial| &partial.name == name)),
            );
        }
        members
    }

    pub fn text(&self) -> String {
        let mut text: String = self.uses.iter().map(|flag| format!("use {flag}\n")).collect();
        if self.looks.comments {
            text.push_str("// what may be asked of whom\n");
        }
        let caveats: String = self.caveats.iter().map(CaveatModel::text).collect();
        if !self.looks.caveats_last {
            text.push_str(&caveats);
        }
        for (word, blocks) in [("partial", &self.partials), ("definition", &self.definitions)] {
            for block in blocks {
                self.block(&mut text, word, block);
            }
        }
        if self.looks.caveats_last {
            text.push_str(&caveats);
        }
        text
    }

    fn block(&self, text: &mut String, word: &str, block: &Definition) {
        if self.looks.comments {
            let _ = writeln!(text, "/** {} is a kind of thing */", block.name);
        }
        let _ = write!(text, "{word} {} {{", block.name);
        if block.members.is_empty() && block.spliced.is_empty() {
            text.push_str("}\n");
            return;
        }
        text.push('\n');
        let end = if self.looks.semicolons { ";\n" } else { "\n" };
        for name in &block.spliced {
            let _ = write!(text, "  ...{name}{end}");
        }
        for member in &block.members {
            if self.looks.comments {
                text.push_str("  // one more\n");
            }
            match &member.body {
                Body::Relation(forms) => {
                    let forms: Vec<String> = forms.iter().map(Form::text).collect();
                    let between = if self.looks.wrapped { " |\n    " } else { " | " };
                    let _ = write!(text, "  relation {}: {}{end}", member.name, forms.join(between));
                }
                Body::Permission { annotation, chain } => {
                    let _ = write!(text, "  permission {}", member.name);
                    if !annotation.is_empty() {
                        let _ = write!(text, ": {}", annotation.join(" | "));
                    }
                    let _ = write!(text, " = {}{end}", chain.text(self.looks.wrapped));
                }
            }
        }
        text.push_str("}\n");
    }
}

impl CaveatModel {
    fn text(&self) -> String {
        let parameters: Vec<String> = self.parameters.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
        format!("caveat {}({}) {{\n  {}\n}}\n", self.name, parameters.join(", "), self.expression)
    }
}

#[test]
fn only_an_end_that_reads_as_the_caveat_is_taken_for_it() {
    let world = World::with_a_caveat_called_expiration();
    let taken = |line: &str| world.takes_end_for_caveat(&line.parse().unwrap());
    assert!(taken("doc:1#viewer@user:a[expiration:2030-01-01T00:00:00Z]"));
    for line in [
        "doc:1#viewer@user:a",
        "doc:1#viewer@user:a[expiration]",
        "doc:1#viewer@user:a[expiration][expiration:2030-01-01T00:00:00Z]",
        "doc:1#viewer@user:*[expiration:2030-01-01T00:00:00Z]",
        "doc:1#viewer@doc:a[expiration:2030-01-01T00:00:00Z]",
        "doc:1#viewer@user:a#viewer[expiration:2030-01-01T00:00:00Z]",
        "doc:1#reader@user:a[expiration:2030-01-01T00:00:00Z]",
        "page:1#viewer@user:a[expiration:2030-01-01T00:00:00Z]",
    ] {
        assert!(!taken(line), "{line}");
    }
}
