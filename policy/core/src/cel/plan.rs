//! What an evaluation runs: the checked tree, with names turned into places.

use std::sync::Arc;

use super::ast::FoldKind;
use super::pattern::Pattern;
use super::signatures::{Function, Overload};
use super::value::Value;

#[derive(Debug)]
pub(super) enum PlanNode {
    Constant(Value),
    Path(Path),
    /// A path whose last step is a test: the evaluation yields a boolean.
    Has(Path),
    And(Vec<PlanNode>),
    Or(Vec<PlanNode>),
    Call {
        function: Function,
        /// Set where the call must keep to one overload.
        only: Option<&'static Overload>,
        arguments: Vec<PlanNode>,
    },
    /// `matches` with a pattern that is written out: made ready when compiled.
    Matches(Box<PlanNode>, Pattern),
    List(Vec<(bool, PlanNode)>),
    Map(Vec<(PlanNode, bool, PlanNode)>),
    Fold(Box<Fold>),
}

/// A value and the steps into it, resolved as one: a missing parameter makes all of it unknown.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) root: Root,
    pub(super) steps: Vec<Arc<Step>>,
}

#[derive(Debug)]
pub(super) enum Root {
    Parameter(u16),
    /// The variable of a fold, counted from the outermost. `hides` is the parameter that goes by the
    /// same name: while that has no value, neither has the variable, as in SpiceDB.
    Local {
        depth: u16,
        hides: Option<u16>,
    },
    Value(Box<PlanNode>),
    Choice(Box<Choice>),
}

#[derive(Debug)]
pub(super) struct Choice {
    pub(super) condition: PlanNode,
    pub(super) yes: Path,
    pub(super) no: Path,
}

#[derive(Debug)]
pub(super) struct Step {
    pub(super) optional: bool,
    pub(super) kind: StepKind,
}

#[derive(Debug)]
pub(super) enum StepKind {
    Key(Value),
    /// The test of `has`.
    Test(Value),
    /// A key that must be evaluated.
    Path(Path),
}

#[derive(Debug)]
pub(super) struct Fold {
    pub(super) kind: FoldKind,
    pub(super) range: PlanNode,
    /// For `filter` and `map`: what decides; for `all`, `exists` and `exists_one`: the predicate.
    pub(super) condition: Option<PlanNode>,
    pub(super) transform: Option<PlanNode>,
    /// The variable, as an expression would name it: `filter` keeps what that yields.
    pub(super) element: Path,
}
