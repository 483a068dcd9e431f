//! What the process asks of the system before it touches a secret.

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask};

/// Files that are made are for their owner alone; the memory, with the keys in it, is neither written out when the
/// process crashes nor read by other processes of the same user.
pub fn harden() {
    umask(Mode::RWXG | Mode::RWXO);
    // Where the system refuses one of them the other still holds, and nothing else rests on either.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}
