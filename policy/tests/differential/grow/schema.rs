//! Random schemas that keep the rules of the language.

use super::caveats;
use crate::dice::Dice;
use crate::world::{Body, Chain, Definition, Form, Looks, Member, Operand, SchemaModel, Shape, Style};

const LEAVES: &[&str] = &["user", "acme/client", "device"];
const KINDS: &[&str] = &["group", "folder", "doc", "acme/team", "site", "org"];
const RELATIONS: &[&str] = &["viewer", "editor", "parent", "member", "banned", "any", "all", "owner_2"];
const PERMISSIONS: &[&str] = &["view", "edit", "manage", "see", "admit", "use_it"];

/// What is known of a definition before its bodies are made.
struct Outline {
    name: String,
    leaf: bool,
    relations: Vec<String>,
    /// Relations that may hold everyone; no arrow walks them, no relation includes them.
    public: Vec<String>,
    permissions: Vec<String>,
}

struct Plan<'a> {
    dice: &'a mut Dice,
    outlines: Vec<Outline>,
    caveats: Vec<String>,
    expiration: bool,
    itself: bool,
}

pub fn schema(dice: &mut Dice, faults: bool) -> SchemaModel {
    let (expiration, itself) = (dice.chance(70), dice.chance(50));
    let mut uses = Vec::new();
    if expiration {
        uses.push("expiration");
    }
    if itself {
        uses.push("self");
    }
    let mut names = vec!["is_open", "acme/hours", "fits"];
    if !expiration && dice.chance(10) {
        names[2] = "expiration";
    }
    let count = dice.below(4);
    names.truncate(count);
    let caveats: Vec<_> = names.iter().map(|name| caveats::caveat(dice, name, faults)).collect();

    let outlines = outlines(dice, expiration, itself);
    let caveat_names = caveats.iter().map(|caveat| caveat.name.clone()).collect();
    let mut plan = Plan { dice, outlines, caveats: caveat_names, expiration, itself };
    let mut definitions: Vec<Definition> = (0..plan.outlines.len()).map(|at| plan.definition(at)).collect();
    let partials = if dice.chance(12) { partials(dice, &mut definitions) } else { Vec::new() };
    if !partials.is_empty() {
        uses.push("partial");
    }
    if dice.chance(8) {
        uses.push("typechecking");
        annotate(dice, &mut definitions);
    }
    dice.shuffle(&mut definitions);
    dice.shuffle(&mut uses);
    let looks = Looks {
        semicolons: dice.chance(20),
        comments: dice.chance(20),
        wrapped: dice.chance(20),
        caveats_last: dice.chance(50),
    };
    SchemaModel { uses, caveats, partials, definitions, looks }
}

/// Takes a member into a partial of its own, and lets definitions share another that has a partial in it.
fn partials(dice: &mut Dice, definitions: &mut [Definition]) -> Vec<Definition> {
    let member = |name: &str, body: Body| Member { name: name.to_owned(), body };
    let partial = |name: &str, members: Vec<Member>, spliced: &[&str]| Definition {
        name: name.to_owned(),
        members,
        spliced: spliced.iter().map(|name| (*name).to_owned()).collect(),
    };
    let chain = Operand::Member("keeper".to_owned()).into();
    let kept = member("kept", Body::Permission { annotation: Vec::new(), chain });
    let form = Form { kind: definitions[0].name.clone(), shape: Shape::Object, caveat: None, expires: false };
    let mut partials = vec![
        partial("kept", vec![kept], &["keeper"]),
        partial("keeper", vec![member("keeper", Body::Relation(vec![form]))], &[]),
    ];
    for definition in definitions.iter_mut().filter(|definition| !definition.members.is_empty()) {
        if dice.chance(50) {
            definition.spliced.push("kept".to_owned());
        }
    }
    let at = dice.below(definitions.len());
    let definition = &mut definitions[at];
    if !definition.members.is_empty() {
        let member = definition.members.remove(dice.below(definition.members.len()));
        definition.spliced.push("own".to_owned());
        partials.push(partial("own", vec![member], &[]));
    }
    dice.shuffle(&mut partials);
    partials
}

fn outlines(dice: &mut Dice, expiration: bool, itself: bool) -> Vec<Outline> {
    let total = dice.between(2, 6);
    let leaves = if total > 3 && dice.chance(40) { 2 } else { 1 };
    let mut outlines = Vec::new();
    for name in dice.some(LEAVES.to_vec(), leaves) {
        let permissions = if dice.chance(15) { vec!["view".to_owned()] } else { Vec::new() };
        outlines.push(Outline {
            name: name.to_owned(),
            leaf: true,
            relations: Vec::new(),
            public: Vec::new(),
            permissions,
        });
    }
    let mut names: Vec<&str> = RELATIONS.to_vec();
    if !expiration {
        names.push("expiration");
    }
    if !itself {
        names.push("self");
    }
    for name in dice.some(KINDS.to_vec(), total - leaves) {
        let (relations, permissions) = (dice.between(1, 4), dice.between(1, 4));
        let relations: Vec<String> = dice.some(names.clone(), relations).into_iter().map(str::to_owned).collect();
        let public = relations.iter().filter(|_| dice.chance(30)).cloned().collect();
        let permissions = dice.some(PERMISSIONS.to_vec(), permissions).into_iter().map(str::to_owned).collect();
        outlines.push(Outline { name: name.to_owned(), leaf: false, relations, public, permissions });
    }
    outlines
}

impl Plan<'_> {
    fn definition(&mut self, at: usize) -> Definition {
        let relations = self.outlines[at].relations.clone();
        let mut members: Vec<Member> = Vec::new();
        for name in relations {
            let body = Body::Relation(self.forms(at, &name));
            members.push(Member { name, body });
        }
        for (index, name) in self.outlines[at].permissions.clone().into_iter().enumerate() {
            let chain = self.chain(at, &members, index, 0);
            members.push(Member { name, body: Body::Permission { annotation: Vec::new(), chain } });
        }
        self.dice.shuffle(&mut members);
        Definition { name: self.outlines[at].name.clone(), members, spliced: Vec::new() }
    }

    fn forms(&mut self, at: usize, relation: &str) -> Vec<Form> {
        let public = self.outlines[at].public.iter().any(|name| name == relation);
        let mut forms: Vec<Form> = Vec::new();
        for _ in 0..self.dice.between(1, 4) {
            let leaf = self.dice.chance(50);
            let among: Vec<usize> = (0..self.outlines.len()).filter(|&of| self.outlines[of].leaf == leaf).collect();
            let of = &self.outlines[*self.dice.pick(&among)];
            let included: Vec<&String> =
                of.relations.iter().filter(|name| !of.public.contains(name)).chain(&of.permissions).collect();
            let shape = if public && self.dice.chance(50) {
                Shape::Everyone
            } else if !included.is_empty() && self.dice.chance(60) {
                Shape::Members((*self.dice.pick(&included)).clone())
            } else if self.dice.chance(8) {
                Shape::Ellipsis
            } else {
                Shape::Object
            };
            let caveat =
                (!self.caveats.is_empty() && self.dice.chance(55)).then(|| self.dice.pick(&self.caveats).clone());
            let expires = self.expiration && self.dice.chance(25);
            let form = Form { kind: of.name.clone(), shape, caveat, expires };
            if self.dice.chance(35) {
                forms.push(Form { caveat: None, expires: false, ..form.clone() });
            }
            forms.push(form);
        }
        loop {
            let mut seen = Vec::new();
            forms.retain(|form| {
                let key = Form { shape: form.shape.meant(), ..form.clone() };
                let new = !seen.contains(&key);
                seen.push(key);
                new
            });
            if !make_plain(&mut forms) {
                break;
            }
        }
        // What ends in `...` does not end a line.
        if let Some(last) = forms.last_mut()
            && last.shape == Shape::Ellipsis
        {
            last.shape = Shape::Object;
        }
        forms
    }

    /// An expression over the relations and the first `earlier` permissions, so that no circle is made.
    fn chain(&mut self, at: usize, members: &[Member], earlier: usize, nesting: usize) -> Chain {
        let first = self.operand(at, members, earlier, nesting);
        let mut rest = Vec::new();
        while rest.len() < 4 && self.dice.chance(if nesting == 0 { 60 } else { 45 }) {
            let sign = *self.dice.pick(&['+', '+', '&', '-']);
            rest.push((sign, self.operand(at, members, earlier, nesting)));
        }
        Chain { first, rest }
    }

    fn operand(&mut self, at: usize, members: &[Member], earlier: usize, nesting: usize) -> Operand {
        if nesting < 3 && self.dice.chance(15) {
            return Operand::Group(Box::new(self.chain(at, members, earlier, nesting + 1)));
        }
        let outline = &self.outlines[at];
        let known: Vec<String> = outline.relations.iter().chain(&outline.permissions[..earlier]).cloned().collect();
        if self.itself && (known.is_empty() || self.dice.chance(8)) {
            return Operand::Itself;
        }
        if known.is_empty() || self.dice.chance(4) {
            return Operand::Nil;
        }
        let walked: Vec<String> =
            outline.relations.iter().filter(|name| !outline.public.contains(name)).cloned().collect();
        if !walked.is_empty() && self.dice.chance(35) {
            return self.arrow(members, walked);
        }
        Operand::Member(self.dice.pick(&known).clone())
    }

    fn arrow(&mut self, members: &[Member], walked: Vec<String>) -> Operand {
        let over = self.dice.pick(&walked).clone();
        let forms = members.iter().find(|member| member.name == over).map(|member| &member.body);
        let Some(Body::Relation(forms)) = forms else { return Operand::Nil };
        let there: Vec<String> = self
            .outlines
            .iter()
            .filter(|outline| forms.iter().any(|form| form.kind == outline.name))
            .flat_map(|outline| outline.relations.iter().chain(&outline.permissions))
            .cloned()
            .collect();
        let to = if there.is_empty() || self.dice.chance(10) {
            (*self.dice.pick(&[PERMISSIONS, RELATIONS].concat())).to_owned()
        } else {
            self.dice.pick(&there).clone()
        };
        let style = *self.dice.pick(&[Style::Arrow, Style::Arrow, Style::Any, Style::All]);
        Operand::Arrow { over, to, style }
    }
}

/// SpiceDB v1.54 does not read caveats, or ends, of rows where it believes that there are none: it counts the forms of
/// the subject's definition that are without, those of other relations too, and compares with the number of forms that
/// match the subject. Where that goes wrong it lets rows through that have lapsed or whose caveat does not hold. We do
/// not follow it there, so such relations are not grown.
/// Whether that changed anything.
fn make_plain(forms: &mut [Form]) -> bool {
    type Mark = (fn(&Form) -> bool, fn(&mut Form));
    let marks: [Mark; 2] =
        [(|form| form.caveat.is_some(), |form| form.caveat = None), (|form| form.expires, |form| form.expires = false)];
    for (has, clear) in marks {
        // A subject's relation may also be one that no form names.
        let other = Shape::Members(String::new());
        let shapes = |form: &Form| [form.shape.meant(), Shape::Object, other.clone()];
        let kinds = forms.iter().flat_map(|form| shapes(form).map(|shape| (form.kind.clone(), shape)));
        for (kind, shape) in kinds.collect::<Vec<_>>() {
            let matches = |form: &&Form| form.kind == kind && [&shape, &Shape::Everyone].contains(&&form.shape.meant());
            let matching = forms.iter().filter(matches).count();
            let without = forms.iter().filter(|form| form.kind == kind && !has(form)).count();
            if matching == without && forms.iter().filter(matches).any(has) {
                forms.iter_mut().filter(|form| form.kind == kind).for_each(clear);
                return true;
            }
        }
    }
    false
}

/// Says of some permissions which types they lead to, right or wrong.
fn annotate(dice: &mut Dice, definitions: &mut [Definition]) {
    let names: Vec<String> = definitions.iter().map(|definition| definition.name.clone()).collect();
    for member in definitions.iter_mut().flat_map(|definition| &mut definition.members) {
        if let Body::Permission { annotation, .. } = &mut member.body
            && dice.chance(50)
        {
            let count = dice.between(1, names.len());
            *annotation = dice.some(names.iter().filter(|name| !name.contains('/')).cloned().collect(), count);
        }
    }
}
