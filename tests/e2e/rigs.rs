//! The rigs of `make crash`, a little of each: they run, and find nothing.

use std::process::Command;

use serde_json::Value;

/// Runs some rigs; what each of them found.
fn run(args: &[&str]) -> Vec<Value> {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("figures.json");
    let none = ["--kills", "0", "--cuts", "0", "--flips", "0", "--rounds", "0", "--planted", "0"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_durability"));
    let output = command.args(none).args(args).arg("--out").arg(&out).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{args:?}: {said}\n{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap()
}

fn number(figure: &Value, name: &str) -> u64 {
    figure[name].as_u64().unwrap_or_else(|| panic!("no {name} in {figure}"))
}

#[test]
fn what_was_acknowledged_outlives_kills_and_power_cuts() {
    for (args, tried) in [(["--kills", "4"], 4), (["--cuts", "8"], 8)] {
        let figures = run(&args);
        assert_eq!(number(&figures[0], "tried"), tried);
        assert!(number(&figures[0], "acknowledged") > 20, "control: something was written: {figures:?}");
    }
}

#[test]
fn flipped_bits_are_named_or_without_effect() {
    let figures = run(&["--flips", "12"]);
    assert_eq!(number(&figures[0], "tried"), 12);
    let note = figures[0]["note"].as_str().unwrap();
    assert!(!note.starts_with("0 refused a start, 0 named"), "control: some flips are noticed: {note}");
}

#[test]
fn a_disk_that_fails_files_that_are_few_and_a_clock_that_jumps_lose_nothing() {
    let figures = run(&["--rounds", "2"]);
    assert_eq!(figures.len(), 7);
    for figure in &figures {
        let (rig, note) = (figure["rig"].as_str().unwrap(), figure["note"].as_str().unwrap());
        let fails = ["disk full", "disk read-only", "syncs fail"].contains(&rig);
        assert_eq!(number(figure, "tried"), 2, "{figure}");
        assert!(!fails || note.contains("unavailable"), "control: the trouble was felt: {figure}");
    }
}

/// The control of the rig itself: what is planted below the node is found.
#[test]
fn a_node_below_which_nothing_is_synced_is_found_out() {
    let figures = run(&["--planted", "1"]);
    assert!(figures[0]["note"].as_str().unwrap().contains("no fsync at all"), "{figures:?}");
}
