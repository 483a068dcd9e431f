//! A firm of people, nested groups, folders ten deep and documents, in as many relationships as asked for.

use std::sync::Arc;

use policy_core::{CaveatUse, Check, Context, Object, Schema, Subject, Tuple};

pub const SCHEMA: &str = "
definition user {}

caveat at_most(limit int, amount int) {
  amount <= limit
}

definition group {
  relation member: user | group#member
}

definition folder {
  relation parent: folder
  relation viewer: user | group#member
  permission view = viewer + parent->view
}

definition document {
  relation folder: folder
  relation owner: user
  relation viewer: user | group#member | user with at_most
  relation banned: user
  permission view = (owner + viewer + folder->view) - banned
}
";

/// How many groups lie in one another, and how many folders.
const GROUPS_DEEP: usize = 5;
const FOLDERS_DEEP: usize = 10;

pub struct World {
    pub schema: Arc<Schema>,
    pub tuples: Vec<Tuple>,
    pub documents: usize,
    users: usize,
    groups: usize,
    folders: usize,
    /// Of how many documents the reader is a viewer.
    pub read: usize,
}

/// As ids are in the product: 32 hexadecimal digits, in no order.
fn id(noun: u64, n: usize) -> String {
    let mixed = (n as u128 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835) ^ u128::from(noun);
    format!("{mixed:032x}")
}

pub fn user(n: usize) -> Subject {
    Subject::object("user", id(1, n))
}
pub fn group(n: usize) -> Object {
    Object::new("group", id(2, n))
}
pub fn folder(n: usize) -> Object {
    Object::new("folder", id(3, n))
}
pub fn document(n: usize) -> Object {
    Object::new("document", id(4, n))
}
pub fn reader() -> Subject {
    Subject::object("user", id(5, 0))
}

fn members(group: Object) -> Subject {
    Subject { object: group, relation: Some("member".into()) }
}
fn itself(object: Object) -> Subject {
    Subject { object, relation: None }
}

impl World {
    pub fn new(size: usize) -> World {
        let (users, groups, folders) = (size / 20 + 10, size / 50 + GROUPS_DEEP, size / 50 + FOLDERS_DEEP);
        let mut tuples = Vec::with_capacity(size);
        for n in 0..groups {
            tuples.push(Tuple::new(group(n), "member", user(n % users)));
            if n % GROUPS_DEEP != GROUPS_DEEP - 1 {
                tuples.push(Tuple::new(group(n), "member", members(group(n + 1))));
            }
        }
        for n in 0..folders {
            tuples.push(Tuple::new(folder(n), "viewer", user((n * 7) % users)));
            if n % FOLDERS_DEEP != FOLDERS_DEEP - 1 {
                tuples.push(Tuple::new(folder(n), "parent", itself(folder(n + 1))));
            }
        }
        let read = (size / 10).min(10_000);
        let mut n = 0;
        while tuples.len() < size {
            tuples.push(Tuple::new(document(n), "owner", user(n % users)));
            tuples.push(Tuple::new(document(n), "folder", itself(folder(n % folders))));
            tuples.push(Tuple::new(document(n), "viewer", members(group(n % groups))));
            if n < read {
                tuples.push(Tuple::new(document(n), "viewer", reader()));
            }
            if n % 10 == 0 {
                let context = Context::from_iter([("limit".to_owned(), serde_json::json!(100))]);
                let mut limited = Tuple::new(document(n), "viewer", user((n + 1) % users));
                limited.caveat = Some(CaveatUse { name: "at_most".into(), context });
                tuples.push(limited);
            }
            n += 1;
        }
        tuples.truncate(size);
        let schema = Arc::new(Schema::parse(SCHEMA).expect("the schema of the bench"));
        World { schema, tuples, documents: n.saturating_sub(1), users, groups, folders, read: read.min(n - 1) }
    }

    /// `count` checks of one kind.
    pub fn checks(&self, kind: &str, count: usize) -> Vec<Check> {
        (0..count).map(|i| self.check(kind, i)).collect()
    }

    /// One of a row of checks that goes all over the world.
    pub fn check(&self, kind: &str, i: usize) -> Check {
        let i = i.wrapping_mul(7_919);
        let n = i % self.documents;
        match kind {
            "direct" => Check::new(document(n), "owner", user(n % self.users)),
            "view" => Check::new(document(n), "view", user(n % self.users)),
            // From the outermost of five groups to a member of the innermost.
            "nested group" => {
                let outer = i % (self.groups / GROUPS_DEEP) * GROUPS_DEEP;
                Check::new(group(outer), "member", user((outer + GROUPS_DEEP - 1) % self.users))
            }
            "deep folder" => {
                let inner = i % (self.folders / FOLDERS_DEEP) * FOLDERS_DEEP;
                Check::new(folder(inner), "view", user(((inner + FOLDERS_DEEP - 1) * 7) % self.users))
            }
            "denied" => Check::new(document(n), "view", Subject::object("user", id(6, n))),
            "caveated" => {
                let n = n / 10 * 10;
                let mut check = Check::new(document(n), "viewer", user((n + 1) % self.users));
                check.context.insert("amount".into(), serde_json::json!(50));
                check
            }
            other => unreachable!("no check is called {other}"),
        }
    }
}
