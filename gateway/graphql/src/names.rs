//! The two spellings of the language.

use vault_core::query::Function;

/// Which spelling a request is written in, by API version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Spelling {
    /// The spelling of 2023.
    V0,
    /// The present spelling.
    V1,
}

/// What a condition does, by whatever name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Eq,
    Neq,
    In,
    Nin,
    Gt,
    Geq,
    Lt,
    Leq,
    Like,
    Nlike,
    Ilike,
    Nilike,
    Any,
    All,
    None,
}

pub(crate) const FUNCTIONS: [Function; 5] =
    [Function::Count, Function::Sum, Function::Avg, Function::Min, Function::Max];

/// Names that the language itself uses on types and documents.
pub(crate) const RESERVED_FIELDS: [&str; 6] = ["COUNT", "SUM", "AVG", "MIN", "MAX", "GROUP"];

impl Spelling {
    pub(crate) fn doc_id(self) -> &'static str {
        match self {
            Spelling::V0 => "_key",
            Spelling::V1 => "_docID",
        }
    }

    /// The field that holds the id behind a to-one relation.
    pub(crate) fn relation_id(self, relation: &str) -> String {
        match self {
            Spelling::V0 => format!("{relation}_id"),
            Spelling::V1 => format!("_{relation}ID"),
        }
    }

    pub(crate) fn group(self) -> &'static str {
        match self {
            Spelling::V0 => "_group",
            Spelling::V1 => "GROUP",
        }
    }

    pub(crate) fn function(self, function: Function) -> &'static str {
        match (self, function) {
            (Spelling::V1, Function::Count) => "COUNT",
            (Spelling::V1, Function::Sum) => "SUM",
            (Spelling::V1, Function::Avg) => "AVG",
            (Spelling::V1, Function::Min) => "MIN",
            (Spelling::V1, Function::Max) => "MAX",
            (Spelling::V0, Function::Count) => "_count",
            (Spelling::V0, Function::Sum) => "_sum",
            (Spelling::V0, Function::Avg) => "_avg",
            (Spelling::V0, Function::Min) => "_min",
            (Spelling::V0, Function::Max) => "_max",
        }
    }

    pub(crate) fn function_named(self, name: &str) -> Option<Function> {
        FUNCTIONS.into_iter().find(|&function| self.function(function) == name)
    }

    /// The field of the root that answers rows of history.
    pub(crate) fn commits(self) -> &'static str {
        match self {
            Spelling::V0 => "commits",
            Spelling::V1 => "_commits",
        }
    }

    /// The prefix of the mutation that adds documents.
    pub(crate) fn add(self) -> &'static str {
        match self {
            Spelling::V0 => "create_",
            Spelling::V1 => "add_",
        }
    }

    /// The arguments of a query that name documents by id.
    pub(crate) fn select_ids(self) -> &'static [&'static str] {
        match self {
            Spelling::V0 => &["dockey", "dockeys", "docID"],
            Spelling::V1 => &["docID"],
        }
    }

    /// The arguments of a mutation that name documents by id.
    pub(crate) fn change_ids(self) -> &'static [&'static str] {
        match self {
            Spelling::V0 => &["id", "ids", "dockey", "docID"],
            Spelling::V1 => &["docID"],
        }
    }

    pub(crate) fn op(self, op: Op) -> Option<&'static str> {
        Some(match (self, op) {
            (_, Op::Eq) => "_eq",
            (Spelling::V0, Op::Neq) => "_ne",
            (Spelling::V1, Op::Neq) => "_neq",
            (_, Op::In) => "_in",
            (_, Op::Nin) => "_nin",
            (_, Op::Gt) => "_gt",
            (Spelling::V0, Op::Geq) => "_ge",
            (Spelling::V1, Op::Geq) => "_geq",
            (_, Op::Lt) => "_lt",
            (Spelling::V0, Op::Leq) => "_le",
            (Spelling::V1, Op::Leq) => "_leq",
            (_, Op::Like) => "_like",
            (_, Op::Nlike) => "_nlike",
            (Spelling::V1, Op::Ilike) => "_ilike",
            (Spelling::V1, Op::Nilike) => "_nilike",
            (Spelling::V0, Op::Ilike | Op::Nilike) => return None,
            (_, Op::Any) => "_any",
            (_, Op::All) => "_all",
            (_, Op::None) => "_none",
        })
    }

    pub(crate) fn op_named(self, name: &str) -> Option<Op> {
        const ALL: [Op; 15] = [
            Op::Eq,
            Op::Neq,
            Op::In,
            Op::Nin,
            Op::Gt,
            Op::Geq,
            Op::Lt,
            Op::Leq,
            Op::Like,
            Op::Nlike,
            Op::Ilike,
            Op::Nilike,
            Op::Any,
            Op::All,
            Op::None,
        ];
        ALL.into_iter().find(|&op| self.op(op) == Some(name))
    }
}
