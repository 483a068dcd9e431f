//! Each target on its seeds, its corpus, and seeded mutations of both: a fraction of a second each, the same every time.
//! `FUZZ_ROUNDS` and `FUZZ_SEED` say how many and which.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tests_fuzz::mutate::mutate;
use tests_fuzz::{TARGETS, Target};

/// No input of a few kilobytes takes so long, on the slowest machine.
const HANGS: Duration = Duration::from_secs(10);

fn corpus(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

fn inputs(target: &Target) -> Vec<Vec<u8>> {
    let mut inputs = (target.seeds)();
    let mut files: Vec<PathBuf> = std::fs::read_dir(corpus(target)).map_or_else(
        |_| Vec::new(),
        |found| found.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()).collect(),
    );
    files.sort();
    inputs.extend(files.iter().map(|path| std::fs::read(path).expect("a readable input")));
    inputs
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What is wrong with how the target takes an input.
fn fed(target: &Target, input: &[u8]) -> Result<(), String> {
    let begun = Instant::now();
    let done = std::panic::catch_unwind(|| (target.run)(input));
    let took = begun.elapsed();
    if done.is_ok() && took < HANGS {
        return Ok(());
    }
    let what = if done.is_ok() { format!("takes {took:?} for") } else { "panics on".to_owned() };
    Err(format!("{} {what} {:?}\n{}", target.name, String::from_utf8_lossy(input), hex(input)))
}

/// A target on everything that it is tried on.
fn tried(target: &Target, rounds: u64, seed: u64) -> Result<(), String> {
    let inputs = inputs(target);
    if inputs.is_empty() {
        return Err(format!("{} has no seed", target.name));
    }
    inputs.iter().try_for_each(|input| fed(target, input))?;
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    for _ in 0..rounds {
        let one = &inputs[rng.random_range(0..inputs.len())];
        let other = &inputs[rng.random_range(0..inputs.len())];
        fed(target, &mutate(one, other, target.words, &mut rng))?;
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn nothing_that_comes_from_outside_breaks_its_parser() {
    let (rounds, seed) = (number("FUZZ_ROUNDS", 400), number("FUZZ_SEED", 1));
    let broken: Vec<String> = TARGETS.iter().filter_map(|target| tried(target, rounds, seed).err()).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_folder_of_the_corpus_is_a_target_s() {
    let names: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names.len(), TARGETS.len(), "each has a name of its own");
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")).into_iter().flatten() {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a name");
        assert!(!entry.path().is_dir() || names.contains(name.as_str()), "{name} is no target");
    }
}

/// A fuzzer that can find nothing would find nothing here either.
#[test]
fn mutations_reach_what_is_planted() {
    let target = Target {
        name: "planted",
        run: |bytes| assert!(!bytes.windows(4).any(|four| four == b"BOOM"), "found"),
        seeds: || vec![b"an input".to_vec()],
        words: &["BOOM"],
    };
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let found = (0..200).any(|_| {
        let input = mutate(b"an input", b"another", target.words, &mut rng);
        std::panic::catch_unwind(|| (target.run)(&input)).is_err()
    });
    assert!(found);
}
