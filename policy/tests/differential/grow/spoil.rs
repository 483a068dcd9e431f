//! Schemas with a mistake in them, or in the text of them; now and then the mistake is none.

use crate::dice::Dice;
use crate::world::{Body, CaveatModel, Form, Member, Operand, SchemaModel, Shape, Style};

/// The text of a schema with one thing wrong in it.
pub fn spoiled(dice: &mut Dice, schema: &SchemaModel) -> String {
    if dice.chance(45) {
        return scrambled(dice, &schema.text());
    }
    let mut schema = schema.clone();
    if dice.chance(30) {
        spoil_caveat(dice, &mut schema);
    } else {
        spoil_model(dice, &mut schema);
    }
    schema.text()
}

/// Takes away, doubles, swaps or replaces one token.
fn scrambled(dice: &mut Dice, text: &str) -> String {
    let mut tokens = tokens(text);
    if tokens.is_empty() {
        return String::new();
    }
    let at = dice.below(tokens.len());
    let other = dice.below(tokens.len());
    match dice.below(5) {
        0 => {
            tokens.remove(at);
        }
        1 => tokens.insert(at, tokens[at]),
        2 => tokens.swap(at, other),
        3 => tokens[at] = tokens[other],
        _ => {
            const ODD: &[&str] = &[
                "relation",
                "permission",
                "definition",
                "caveat",
                "nil",
                "self",
                "with",
                "expiration",
                "and",
                "use",
                "->",
                ".any(",
                "#...",
                ":*",
                "|",
                "&",
                "-",
                "+",
                "(",
                ")",
                "{",
                "}",
                ";",
                "\n",
                "=",
                ":",
                "#",
                "/",
                "...",
                "ab",
                "A",
                "1",
                "_x",
                "//",
                "/*",
                "*/",
                "\"",
                "'",
                "$",
                "user",
                "partial",
                "import",
                "%",
            ];
            tokens.insert(at, *dice.pick(ODD));
        }
    }
    tokens.concat()
}

/// Words, blanks and single signs.
fn tokens(text: &str) -> Vec<&str> {
    let kind = |c: char| match c {
        c if c.is_ascii_alphanumeric() || c == '_' => 0,
        ' ' => 1,
        _ => 2,
    };
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = match kind(first) {
            2 => first.len_utf8(),
            of => rest.find(|c| kind(c) != of).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(end);
        tokens.push(token);
        rest = after;
    }
    tokens
}

fn spoil_caveat(dice: &mut Dice, schema: &mut SchemaModel) {
    if schema.caveats.is_empty() {
        schema.caveats.push(CaveatModel {
            name: "is_open".to_owned(),
            parameters: vec![("flag".to_owned(), "bool".to_owned())],
            expression: "flag".to_owned(),
        });
    }
    let at = dice.below(schema.caveats.len());
    let double = schema.caveats[at].clone();
    let caveat = &mut schema.caveats[at];
    let first = caveat.parameters.first().cloned().unwrap_or_default();
    match dice.below(14) {
        0 => caveat.parameters.push(("unread".to_owned(), "int".to_owned())),
        1 => caveat.parameters.clear(),
        2 => caveat.parameters.push(first),
        3 => caveat.expression = format!("{} && unheard", caveat.expression),
        4 => caveat.expression = format!("({}) ? 1 : 2", caveat.expression),
        5 => caveat.expression = String::new(),
        6 => caveat.expression.push_str(" &&"),
        7 => schema.caveats.push(double),
        8 => caveat.name = schema.definitions[0].name.clone(),
        9 => {
            if let Some(parameter) = caveat.parameters.first_mut() {
                parameter.1 =
                    (*dice.pick(&["number", "list", "list<int", "map<string, int>", "INT", "list<list<int>>"]))
                        .to_owned();
            }
        }
        10 => {
            if let Some(parameter) = caveat.parameters.first_mut() {
                parameter.1 = (*dice.pick(&[
                    "int",
                    "string",
                    "bool",
                    "any",
                    "list<any>",
                    "map<any>",
                    "duration",
                    "double",
                    "bytes",
                ]))
                .to_owned();
            }
        }
        11 => caveat.name = "ab".to_owned(),
        12 => caveat.expression = format!("{} == 1", caveat.expression),
        _ => caveat.expression = format!("{} && size(1) > 2", caveat.expression),
    }
}

fn spoil_model(dice: &mut Dice, schema: &mut SchemaModel) {
    let at = dice.below(schema.definitions.len());
    let kinds: Vec<String> = schema.definitions.iter().map(|definition| definition.name.clone()).collect();
    let kind = dice.pick(&kinds).clone();
    let definition = &mut schema.definitions[at];
    let names: Vec<String> = definition.members.iter().map(|member| member.name.clone()).collect();
    let name = if names.is_empty() { "view".to_owned() } else { dice.pick(&names).clone() };
    let double = definition.members.iter().find(|member| member.name == name).cloned();
    let permission = |name: &str, operand: Operand| Member {
        name: name.to_owned(),
        body: Body::Permission { annotation: Vec::new(), chain: operand.into() },
    };
    let form = |kind: &str, shape: Shape| Form { kind: kind.to_owned(), shape, caveat: None, expires: false };
    let mut forms: Vec<&mut Vec<Form>> = definition
        .members
        .iter_mut()
        .filter_map(|member| match &mut member.body {
            Body::Relation(forms) => Some(forms),
            Body::Permission { .. } => None,
        })
        .collect();
    let count = forms.len();
    if count > 0 && dice.chance(60) {
        let forms = &mut *forms[dice.below(count)];
        let one = dice.below(forms.len());
        match dice.below(9) {
            0 => forms[one].kind = "no_such".to_owned(),
            1 => forms[one].caveat = Some("no_such".to_owned()),
            2 => forms[one].expires = !forms[one].expires,
            3 => forms[one].shape = Shape::Members("no_such".to_owned()),
            4 => forms[one].shape = Shape::Members(name),
            5 => forms[one].shape = Shape::Everyone,
            6 => forms.push(forms[one].clone()),
            7 => forms.push(Form { shape: Shape::Ellipsis, ..forms[one].clone() }),
            _ => forms.clear(),
        }
        return;
    }
    match dice.below(16) {
        0 => definition.members.extend(double),
        1 => definition.members.push(permission("extra", Operand::Member("no_such".to_owned()))),
        2 => definition.members.push(permission("extra", Operand::Member("extra".to_owned()))),
        3 => {
            definition.members.push(permission("extra", Operand::Member("extra_two".to_owned())));
            definition.members.push(permission("extra_two", Operand::Member("extra".to_owned())));
        }
        4..=6 => {
            let style = *dice.pick(&[Style::Arrow, Style::Any, Style::All]);
            let arrow = Operand::Arrow { over: name, to: "view".to_owned(), style };
            definition.members.push(permission("extra", arrow));
        }
        7 => definition
            .members
            .push(permission(dice.pick::<&str>(&["ab", "a", "Extra", "x__", "x-y", "permission"]), Operand::Nil)),
        8 => definition.members.push(permission("extra", Operand::Itself)),
        9 => {
            let long = *dice.pick(&[62, 63, 64, 65]);
            definition.members.push(permission(&"x".repeat(long), Operand::Nil));
        }
        10 => {
            let forms = vec![form(&kind, Shape::Members(name))];
            definition.members.push(Member { name: "extra".to_owned(), body: Body::Relation(forms) });
        }
        11 => {
            let forms = vec![form(&kind, Shape::Everyone), form(&kind, Shape::Object)];
            definition.members.push(Member { name: "extra".to_owned(), body: Body::Relation(forms) });
        }
        12 => {
            let again = definition.clone();
            schema.definitions.push(again);
        }
        13 => definition.name = (*dice.pick(&["ab", "Doc", "a/doc", "acme/", "acme//doc", "x_", "doc-1"])).to_owned(),
        14 => {
            schema.uses.pop();
        }
        _ => {
            let flag = *dice.pick(&["expiration", "self", "typechecking", "partial", "import", "no_such"]);
            schema.uses.push(flag);
        }
    }
}
