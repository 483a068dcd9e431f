//! Nodes that die in the middle of what they are asked for.
//!
//! The points are exact where `strace` can be used: the process dies behind the n-th time that something is made to last,
//! or at the n-th write.
//! `ALLOD_KILLS` says how many points are tried of each kind; the default is few.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use harness::{Node, Outcome};

use crate::home::Home;

/// How long a sync takes at least while it is watched, in microseconds: who counts them has so long to kill in.
const DELAY: u32 = 100_000;

/// Kills a process at a point.
struct Trap(Option<Child>);

impl Trap {
    fn set(pid: u32, (call, nth): (&str, usize)) -> Trap {
        // strace counts each call of each thread by itself, and a database has many threads: syncs are counted here.
        let counts = call == "sync";
        let inject = if counts {
            format!("inject=fsync,fdatasync:delay_exit={DELAY}")
        } else {
            format!("inject={call}:signal=KILL:when={nth}")
        };
        let mut strace = Command::new("strace");
        strace.args(["-f", "-e", if counts { "trace=fsync,fdatasync" } else { "trace=none" }]);
        strace.args(["-e", &inject, "-p", &pid.to_string()]);
        let Ok(mut child) = strace.stderr(Stdio::piped()).spawn() else { return Trap(None) };
        let mut said = BufReader::new(child.stderr.take().expect("stderr"));
        let mut line = String::new();
        let set = said.read_line(&mut line).is_ok() && line.contains("attached");
        if !set {
            eprintln!("note: strace cannot be used here ({line:?}); the points are only approximate");
        }
        std::thread::spawn(move || {
            let ended = |line: &String| line.contains("sync") && line.contains("= 0");
            let mut ended = said.lines().map_while(Result::ok).filter(ended);
            if counts && ended.nth(nth - 1).is_some() {
                let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
            }
            // What else it says is read, so that it never waits for somebody to.
            ended.for_each(drop);
        });
        Trap(Some(child))
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The n-th point: behind a sync of all that is synced, as each change is on disk, or within what is written.
pub fn point(n: usize) -> (&'static str, usize) {
    let round = n / 3;
    match n % 3 {
        2 => ("pwrite64", 3 * round + 1),
        first => ("sync", 2 * round + first + 1),
    }
}

pub fn points() -> usize {
    std::env::var("ALLOD_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(5)
}

/// Does something that the node may die of. The node is gone afterwards, and comes back.
pub async fn killed_by<T>(home: &mut Home, n: usize, what: impl AsyncFnOnce(&Home) -> T) -> T {
    let (call, nth) = point(n);
    let trap = Trap::set(home.node.pid(), (call, nth));
    let done = what(home).await;
    drop(trap);
    let (allod, dir) = (home.node.allod.clone(), home.node.dir.clone());
    home.node.kill_in_place().unwrap();
    home.node = Node::serve(&allod, &dir).unwrap_or_else(|error| panic!("killed at {call} {nth}: {error:#}"));
    done
}

/// Makes a request by the command line that the node may die of, as [`killed_by`]; how it ended: 0, it was acknowledged.
pub async fn killed(home: &mut Home, args: &[&str], n: usize) -> Outcome {
    killed_by(home, n, async |home| home.node.allod.run(&home.node.dir, args).unwrap()).await
}
