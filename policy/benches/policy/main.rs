//! The policy engine beside the real SpiceDB: `make bench` runs it and joins its rows with the others.
//!
//! Ours is measured in this process, SpiceDB over its API on the same machine, so the ratios compare what a caller
//! waits for, not instructions. Each cell: ours and SpiceDB's in turn, three times, the median; who has not answered in
//! time is not asked again.
#![forbid(unsafe_code)]

mod ours;
mod report;
mod theirs;
mod world;

use std::time::Duration;

use report::Report;
use world::World;

/// One measurement of a cell.
pub const SLICE: Duration = Duration::from_millis(700);

const CHECKS: [&str; 6] = ["direct", "view", "nested group", "deep folder", "denied", "caveated"];

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let (mut out, mut rows) = (None, String::new());
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.next()) {
            ("--out", Some(value)) => out = Some(value),
            ("--rows", Some(value)) => rows = value,
            (other, _) => {
                eprintln!("unknown argument {other}; known: --out FILE, --rows PATTERN");
                std::process::exit(2);
            }
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut report = Report::new(&rows);
    for (size, label) in [(1_000, "1k"), (100_000, "100k"), (1_000_000, "1M")] {
        if !report.wants_any(&cells(label)) {
            continue;
        }
        let world = World::new(size);
        runtime.block_on(run(&world, label, &mut report));
    }
    if let Some(out) = out {
        report.write(&out);
    }
}

fn cells(label: &str) -> Vec<String> {
    let others = ["load", "bytes per tuple", "bulk", "lookup resources", "mask", "write visible"];
    CHECKS.iter().chain(&others).map(|cell| format!("policy {cell} tuples={label}")).collect()
}

async fn run(world: &World, label: &str, report: &mut Report) {
    let name = |cell: &str| format!("policy {cell} tuples={label}");
    let loaded = ours::load(world);
    let tuples = loaded.tuples;
    report.alone(&name("load"), loaded.seconds * 1e3, "ms", "all relationships into an empty snapshot, two directions");
    report.alone(
        &name("bytes per tuple"),
        loaded.bytes,
        "bytes",
        "resident memory, both directions and names included",
    );
    let spicedb = theirs::Loaded::open(world).await;
    for cell in CHECKS {
        if !report.wants(&name(cell)) {
            continue;
        }
        let checks = world.checks(cell, 5_000);
        let expected = cell != "denied";
        let mut samples = (Vec::new(), Vec::new());
        for round in 0..3 {
            samples.0.push(ours::check(&tuples, world, cell, expected));
            if let Some(spicedb) = spicedb.as_ref().filter(|_| samples.1.len() == round) {
                samples.1.extend(spicedb.check(&checks, expected).await);
            }
        }
        report.latency(&name(cell), samples, "us", "one check");
    }
    if report.wants(&name("bulk")) {
        let checks: Vec<_> = CHECKS.iter().flat_map(|cell| world.checks(cell, 160)).collect();
        let mut samples = (Vec::new(), Vec::new());
        for round in 0..3 {
            samples.0.push(ours::bulk(&tuples, &checks));
            if let Some(spicedb) = spicedb.as_ref().filter(|_| samples.1.len() == round) {
                samples.1.extend(spicedb.bulk(&checks).await);
            }
        }
        report.rate(&name("bulk"), samples, "checks/s", "960 mixed checks a call");
    }
    if report.wants(&name("lookup resources")) {
        let mut samples = (Vec::new(), Vec::new());
        for round in 0..3 {
            samples.0.push(ours::lookup(&tuples, world.read));
            if let Some(spicedb) = spicedb.as_ref().filter(|_| samples.1.len() == round) {
                samples.1.extend(spicedb.lookup(world.read).await);
            }
        }
        report.latency(&name("lookup resources"), samples, "ms", &format!("{} documents of one reader", world.read));
    }
    if report.wants(&name("mask")) {
        report.alone(&name("mask"), ours::mask().await, "us", "a permit from a remembered mask");
    }
    if report.wants(&name("write visible")) {
        report.alone(
            &name("write visible"),
            ours::write(&tuples),
            "us",
            "one relationship, until a check sees it; no disk",
        );
    }
}
