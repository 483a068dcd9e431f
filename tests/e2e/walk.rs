//! The README's walk through is run as it stands there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::Allod;

/// The blocks between a heading of the README and the next, one after the other.
fn blocks(heading: &str) -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let section = text.split(&format!("\n## {heading}\n")).nth(1).expect("the section");
    let section = section.split("\n## ").next().unwrap();
    // A block of a language is no shell's.
    let (mut within, mut walk) = (None, String::new());
    for line in section.lines() {
        match (line.strip_prefix("```"), within) {
            (Some(language), None) => within = Some(language.is_empty()),
            (Some(_), Some(_)) => within = None,
            (None, Some(true)) => walk = walk + line + "\n",
            (None, _) => {}
        }
    }
    walk
}

/// A network of its own, if this machine lets us have one: the README's ports may be taken here.
fn alone(shell: &[&str]) -> Command {
    let up = ["-n", "--", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""];
    let works = Command::new("unshare").args(up).arg("true").stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    let mut command = if works { Command::new("unshare") } else { Command::new(shell[0]) };
    if works {
        command.args(up).args(shell);
    } else {
        eprintln!("note: no network of its own; ports 8420 and 8421 must be free");
        command.args(&shell[1..]);
    }
    command
}

/// Ends what a failed walk has left.
struct Left(PathBuf);

impl Drop for Left {
    fn drop(&mut self) {
        let allod = self.0.join("target/release/allod");
        for dir in ["home", "laptop", "centre"] {
            let _ = Command::new(&allod).args(["stop", "--data"]).arg(self.0.join(dir)).output();
        }
    }
}

#[test]
fn the_walk_through_of_the_readme_runs_as_one_block_in_a_fresh_shell() {
    let scratch = tempfile::tempdir().unwrap();
    let _left = Left(scratch.path().to_owned());
    let release = scratch.path().join("target/release");
    std::fs::create_dir_all(&release).unwrap();
    std::os::unix::fs::symlink(Allod::find().unwrap().path(), release.join("allod")).unwrap();
    let walk = blocks("A walk through");
    for wanted in ["allod init", "allod grant revoke", "allod share add", "allod device join", "allod sync wait"] {
        assert!(walk.contains(wanted), "control: the blocks are found: {walk}");
    }
    // What a person would see as an error stops the walk; nothing else is added.
    let script = scratch.path().join("walk.sh");
    std::fs::write(&script, format!("set -eu -o pipefail\n{walk}")).unwrap();
    let said = scratch.path().join("said");
    let out = std::fs::File::create(&said).unwrap();
    let home = scratch.path().to_str().unwrap();
    let mut child = alone(&["timeout", "120", "bash", "--norc", "-x", "walk.sh"])
        .current_dir(scratch.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home)
        .stdin(Stdio::null())
        .stdout(out.try_clone().unwrap())
        .stderr(out)
        .spawn()
        .unwrap();
    let status = child.wait().unwrap();
    std::thread::sleep(Duration::from_millis(10));
    let text = std::fs::read_to_string(&said).unwrap();
    assert!(status.success(), "{status}:\n{text}");
    assert!(text.contains("\"title\": \"Emma\""), "the book is found:\n{text}");
    for file in ["home", "laptop", "centre", "alice.password", "bob.password", "code", "grant.json", "manifest.json"] {
        assert!(scratch.path().join(file).exists(), "control: {file}");
        let ignored = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.gitignore")).unwrap();
        let covered = [format!("/{file}"), format!("/{file}/"), "/*.password".to_owned()];
        let by_star = file.ends_with(".password");
        assert!(
            ignored.lines().any(|line| line == covered[0] || line == covered[1] || (by_star && line == covered[2])),
            "{file}"
        );
    }
}
