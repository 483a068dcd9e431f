//! Room on the stack for expressions that nest deep; each walk over the tree asks for it at every level.

/// What must be left. One level takes a few kibibytes in a debug build; what recurses without asking,
/// such as dropping a tree or relating two types, is bounded to fit.
const LEFT: usize = 512 * 1024;
/// What is added where less is left.
const ADDED: usize = 2 * 1024 * 1024;

pub(super) fn with_room<T>(run: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(LEFT, ADDED, run)
}
