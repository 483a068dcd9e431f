//! Chance that a seed repeats (SplitMix64).

#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// `of`: which of the dice of one seed.
    pub fn new(seed: u64, of: u64) -> Dice {
        let mut dice = Dice(seed ^ of.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17));
        dice.next();
        dice
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.next() % end as u64) as usize }
    }

    /// Whether it happens, `percent` of a hundred times.
    pub fn happens(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
