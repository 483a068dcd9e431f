//! The log of the process, on stderr.
//!
//! Nothing that happens to stderr may hold up or end what is logged from: a disk that is full, a pipe that is closed or
//! that nobody reads. So lines go into a queue of bounded size, which a thread of its own empties. What finds no place
//! is counted, and the count is told as soon as stderr takes lines again.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// Bytes of lines that wait at most.
const MAX_WAITING_BYTES: usize = 1 << 20;
/// How long the end of the process waits for lines to be written.
const PATIENCE: Duration = Duration::from_millis(500);

/// Lines on their way to a file.
#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Lines that found no place, and are not told of yet.
    lost: u64,
    writing: bool,
}

impl Queue {
    fn push(&self, line: &[u8]) {
        let mut state = self.state.lock();
        if state.bytes + line.len() > MAX_WAITING_BYTES {
            state.lost += 1;
            return;
        }
        state.bytes += line.len();
        state.lines.push_back(line.to_vec());
        self.changed.notify_all();
    }

    /// Waits for lines, and takes all of them: their bytes, and how many lines are lost if these are not written.
    fn take(&self) -> (Vec<u8>, u64) {
        let mut state = self.state.lock();
        state.writing = false;
        self.changed.notify_all();
        while state.lines.is_empty() {
            self.changed.wait(&mut state);
        }
        state.writing = true;
        let mut all = Vec::with_capacity(state.bytes);
        let lost = std::mem::take(&mut state.lost);
        if lost > 0 {
            all.extend(format!("({lost} lines could not be written)\n").into_bytes());
        }
        let at_stake = lost + state.lines.len() as u64;
        state.bytes = 0;
        state.lines.drain(..).for_each(|line| all.extend(line));
        (all, at_stake)
    }

    /// Waits until everything is written, for a while.
    fn flush(&self) {
        let mut state = self.state.lock();
        let idle = |state: &mut State| state.lines.is_empty() && !state.writing;
        self.changed.wait_while_for(&mut state, |state| !idle(state), PATIENCE);
    }

    /// Writes what comes, for ever. A line that cannot be written is lost.
    fn empty_into(&self, mut out: impl Write) {
        loop {
            let (lines, at_stake) = self.take();
            if out.write_all(&lines).and_then(|()| out.flush()).is_err() {
                self.state.lock().lost += at_stake;
            }
        }
    }
}

static QUEUE: OnceLock<Arc<Queue>> = OnceLock::new();

/// One event of the log.
struct Line(Arc<Queue>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.push(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Lines(Arc<Queue>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;
    fn make_writer(&'a self) -> Line {
        Line(Arc::clone(&self.0))
    }
}

/// What is logged: a filter of tracing, as in `warn,allod=info`.
#[derive(Debug, Clone)]
pub struct Level(String);

impl std::str::FromStr for Level {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = "it is error, warn, info, debug or trace, or such for parts, as in warn,allod=info";
        // A lone word that is no level would be taken for a part of the program, and silence everything else.
        let level = |part: &str| part.contains(['=', '[']) || part.parse::<LevelFilter>().is_ok();
        match EnvFilter::try_new(text) {
            Ok(_) if text.split(',').all(level) => Ok(Level(text.to_owned())),
            _ => Err(wrong.to_owned()),
        }
    }
}

/// How the log is written.
#[derive(Debug, Clone, Default)]
pub struct Style {
    /// A JSON object a line; else text.
    pub json: bool,
    /// `None`: as `RUST_LOG` says, else warnings.
    pub level: Option<Level>,
}

/// Begins to log to stderr. A panic goes the same way. `spans` are told elsewhere, and are no part of the log.
pub fn start(style: &Style, spans: Option<gateway_trace::Spans>) {
    let queue = Arc::clone(QUEUE.get_or_init(Arc::default));
    let emptied = Arc::clone(&queue);
    // Not through `std::io::Stderr`: whoever else writes there would wait for its lock.
    let stderr = std::io::stderr().as_fd().try_clone_to_owned().map(File::from);
    let begun = std::thread::Builder::new().name("log".to_owned()).spawn(move || match stderr {
        Ok(stderr) => emptied.empty_into(stderr),
        Err(_) => emptied.empty_into(std::io::sink()),
    });
    if begun.is_err() {
        return;
    }
    let default = || EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,allod=info"));
    let filter = style.level.as_ref().map_or_else(default, |level| EnvFilter::new(&level.0));
    let (lines, ansi) = (Lines(queue), std::io::stderr().is_terminal());
    let _ = match spans {
        None => {
            let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines).with_ansi(ansi);
            let log = log.log_internal_errors(false);
            if style.json { log.json().flatten_event(true).try_init().is_ok() } else { log.try_init().is_ok() }
        }
        Some(spans) => {
            let log = tracing_subscriber::fmt::layer().with_writer(lines).with_ansi(ansi).log_internal_errors(false);
            let log = if style.json { log.json().flatten_event(true).boxed() } else { log.boxed() };
            let logged = filter.and(filter_fn(|about| about.target() != gateway_trace::TARGET));
            tracing_subscriber::registry().with(spans).with(log.with_filter(logged)).try_init().is_ok()
        }
    };
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("(no name)").to_owned();
        let trace = std::backtrace::Backtrace::capture();
        let trace = match trace.status() {
            std::backtrace::BacktraceStatus::Captured => format!("\n{trace}"),
            _ => String::new(),
        };
        line(&format!("thread '{name}' {panic}{trace}"));
    }));
}

/// Writes a line to stderr, behind what is logged.
pub fn line(text: &str) {
    match QUEUE.get() {
        Some(queue) => queue.push(format!("{text}\n").as_bytes()),
        None => drop(writeln!(std::io::stderr(), "{text}")),
    }
}

/// Waits until the log is written, for half a second at most: the last thing before the process ends.
pub fn finish() {
    if let Some(queue) = QUEUE.get() {
        queue.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes nothing, until it is let.
    struct Stuck(Arc<(Mutex<bool>, Condvar)>, Arc<Mutex<Vec<u8>>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let mut open = self.0.0.lock();
            while !*open {
                self.0.1.wait(&mut open);
            }
            self.1.lock().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_that_nobody_reads_holds_nobody_up_and_tells_what_was_lost() {
        let queue: Arc<Queue> = Arc::default();
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let written: Arc<Mutex<Vec<u8>>> = Arc::default();
        let out = Stuck(Arc::clone(&gate), Arc::clone(&written));
        let emptied = Arc::clone(&queue);
        std::thread::spawn(move || emptied.empty_into(out));
        let line = [vec![b'x'; 1_023], vec![b'\n']].concat();
        // Whoever writes is held up before the others come.
        queue.push(&line);
        while !queue.state.lock().lines.is_empty() {
            std::thread::yield_now();
        }
        for _ in 0..4_096 {
            queue.push(&line);
        }
        assert!(queue.state.lock().bytes <= MAX_WAITING_BYTES, "more waits than may");
        let lost = queue.state.lock().lost;
        assert!((2_000..4_096).contains(&lost), "{lost} lines lost");
        *gate.0.lock() = true;
        gate.1.notify_all();
        queue.flush();
        queue.push(b"after\n");
        queue.flush();
        let text = String::from_utf8(written.lock().clone()).unwrap();
        assert!(text.contains(&format!("({lost} lines could not be written)\n")) && text.ends_with("after\n"));
    }

    #[test]
    fn a_log_that_cannot_be_written_goes_on() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let queue: Arc<Queue> = Arc::default();
        let emptied = Arc::clone(&queue);
        std::thread::spawn(move || emptied.empty_into(Full));
        for n in 1..=3 {
            queue.push(b"a line\n");
            queue.flush();
            assert_eq!(queue.state.lock().lost, n);
        }
    }
}
