//! The process, under the names that every Prometheus client gives it.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// A process at one moment, as `proc(5)` tells it.
#[derive(Debug, Default, PartialEq)]
struct Process {
    /// In the kernel and out of it.
    cpu_ticks: u64,
    threads: i64,
    /// After the boot of the machine.
    started_ticks: u64,
    virtual_bytes: i64,
    resident_pages: i64,
}

impl Process {
    /// From `/proc/PID/stat`.
    fn parse(stat: &str) -> Option<Process> {
        // The name of the program, in brackets, may hold anything.
        let behind: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        // The first of these is the third field of proc(5).
        let field = |number: usize| behind.get(number - 3)?.parse::<u64>().ok();
        let signed = |number: usize| i64::try_from(field(number)?).ok();
        Some(Process {
            cpu_ticks: field(14)?.checked_add(field(15)?)?,
            threads: signed(20)?,
            started_ticks: field(22)?,
            virtual_bytes: signed(23)?,
            resident_pages: signed(24)?,
        })
    }
}

/// When the machine was booted, in seconds since the Unix epoch.
fn booted() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// Adds the figures of this process, as far as the system tells them.
pub fn register(registry: &mut Registry) {
    let stat = std::fs::read_to_string("/proc/self/stat").ok();
    let ticks = clock_ticks_per_second().max(1) as f64;
    if let Some(process) = stat.as_deref().and_then(Process::parse) {
        let cpu = Counter::<f64, AtomicU64>::default();
        cpu.inc_by(process.cpu_ticks as f64 / ticks);
        registry.register_with_unit("process_cpu", "Time on processors", Unit::Seconds, cpu);
        gauge(registry, "process_threads", "Threads", None, process.threads);
        let pages = i64::try_from(page_size()).unwrap_or(4_096);
        let resident = process.resident_pages.saturating_mul(pages);
        gauge(registry, "process_resident_memory", "Memory that is there", Some(Unit::Bytes), resident);
        let reserved = process.virtual_bytes;
        gauge(registry, "process_virtual_memory", "Memory that is reserved", Some(Unit::Bytes), reserved);
        if let Some(booted) = booted() {
            let started = Gauge::<f64, AtomicU64>::default();
            started.set(booted + process.started_ticks as f64 / ticks);
            let help = "When the process began, since the Unix epoch";
            registry.register_with_unit("process_start_time", help, Unit::Seconds, started);
        }
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        let open = i64::try_from(open.count()).unwrap_or(i64::MAX);
        gauge(registry, "process_open_fds", "Open files and connections", None, open);
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        gauge(registry, "process_max_fds", "Files and connections that may be open", None, most);
    }
}

fn gauge(registry: &mut Registry, name: &str, help: &str, unit: Option<Unit>, value: i64) {
    let gauge = Gauge::<i64>::default();
    gauge.set(value);
    match unit {
        Some(unit) => registry.register_with_unit(name, help, unit, gauge),
        None => registry.register(name, help, gauge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_have_any_name() {
        let line = "42 (a) b (c) S 1 42 42 0 -1 4194560 9 0 0 0 150 50 0 0 20 0 7 0 1000 8192 33 18446744073709551615";
        let process =
            Process { cpu_ticks: 200, threads: 7, started_ticks: 1_000, virtual_bytes: 8_192, resident_pages: 33 };
        assert_eq!(Process::parse(line), Some(process));
        for broken in ["", "42 (allod", "42 (allod) S 1", "42 (allod) S 1 42 42 0 -1 4 9 0 0 0 x 50 0 0 20 0 7 0 1 2 3"]
        {
            assert_eq!(Process::parse(broken), None, "{broken}");
        }
    }
}
