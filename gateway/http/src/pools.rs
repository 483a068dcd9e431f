//! What all requests share of memory and of time, divided among whoever asks.

use vault::memory::Answers;
use vault::shares::{Pool, Shares};

use crate::repeats::Repeats;

/// The memory of all bodies together, in bytes.
const BODIES: u64 = 128 << 20;
/// Requests of one person whose bodies wait.
const BODIES_WAITING: usize = 256;
/// Large operations of one person that wait to be planned.
const PLANS_WAITING: usize = 64;
/// People that look at what they are about to allow, and how often one may wait for that.
const LOOKS: u64 = 4;
const LOOKS_WAITING: usize = 8;

/// The pools of a node.
pub struct Pools {
    /// The memory for bodies of requests.
    pub bodies: Pool,
    /// The memory for answers, those of the vault among them.
    pub answers: Answers,
    /// Where large operations are read and planned.
    pub planning: Pool,
    /// Where people look at what they are about to allow: one of each at a time.
    pub looks: Pool,
    /// What was asked for with a key.
    pub repeats: Repeats,
}

impl Default for Pools {
    fn default() -> Self {
        Pools::new(Answers::default())
    }
}

impl Pools {
    /// With the memory of answers that a vault has.
    pub fn new(answers: Answers) -> Pools {
        let cores = std::thread::available_parallelism().map_or(2, usize::from) as u64;
        let (person, part, stranger) = (BODIES * 3 / 8, BODIES / 4, BODIES * 3 / 32);
        let bodies = Shares { total: BODIES, person, part, stranger, waiting: BODIES_WAITING };
        let planning = Shares::of(cores.clamp(2, 8), PLANS_WAITING);
        let looks = Shares { total: LOOKS, person: 1, part: 1, stranger: 1, waiting: LOOKS_WAITING };
        Pools {
            bodies: Pool::new(bodies),
            answers,
            planning: Pool::new(planning),
            looks: Pool::new(looks),
            repeats: Repeats::default(),
        }
    }
}
