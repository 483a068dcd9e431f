//! The text that is told, held against the rules of OpenMetrics and the habits that `promtool check metrics` asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use prometheus_client::metrics::histogram::Histogram;
use sync::PeerLag;
use vault::Figures;
use vault::shares::Use;

use super::state::State;
use super::*;

fn state(peers: usize) -> State {
    let peer = |n: usize| PeerLag {
        peer: format!("12D3KooW{n}"),
        kind: if n.is_multiple_of(2) { "device" } else { "replica" },
        reachable: n.is_multiple_of(3),
        lag_commits: n as u64,
        lag_s: 1,
        waits_for: None,
    };
    let some = Use { total: 8, held: 3, waiting: 2 };
    let commit_times = Histogram::new([0.1, 1.0]);
    commit_times.observe(0.2);
    State {
        vault: Figures { writing: true, short_reads: some, long_reads: some, answers: some, ..Figures::default() },
        commit_times,
        bodies: some,
        planning: some,
        sign_ins_waiting: 1,
        epoch: 7,
        tasks: 2,
        backup_age_s: Some(60),
        backup_tested_s: None,
        peers: (0..peers).map(peer).collect(),
    }
}

fn told(metrics: &Metrics, peers: usize) -> String {
    metrics.written(&state(peers))
}

/// A family: its type, its unit, whether it has a help, and its samples by name and labels.
#[derive(Debug, Default)]
struct Told {
    kind: String,
    unit: Option<String>,
    help: String,
    samples: BTreeMap<String, f64>,
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Reads the text as strictly as OpenMetrics is written; what is wrong is said.
fn lint(text: &str) -> Result<BTreeMap<String, Told>, String> {
    let mut families: BTreeMap<String, Told> = BTreeMap::new();
    let mut at = String::new();
    let body = text.strip_suffix("# EOF\n").ok_or("it does not end in # EOF")?;
    for line in body.lines() {
        if let Some(said) = line.strip_prefix("# ") {
            let mut words = said.splitn(3, ' ');
            let (what, name, rest) = (words.next().unwrap(), words.next().unwrap_or(""), words.next().unwrap_or(""));
            if at != name {
                if families.contains_key(name) {
                    return Err(format!("{name} is told in two places"));
                }
                at = name.to_owned();
            }
            let family = families.entry(name.to_owned()).or_default();
            match what {
                "HELP" => family.help = rest.to_owned(),
                "TYPE" => family.kind = rest.to_owned(),
                "UNIT" => family.unit = Some(rest.to_owned()),
                other => return Err(format!("{other} is no word of OpenMetrics")),
            }
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').ok_or_else(|| format!("no value: {line}"))?;
        let value: f64 = value.parse().map_err(|_| format!("no number: {line}"))?;
        let name = sample.split('{').next().unwrap_or_default();
        let suffix = name.strip_prefix(at.as_str()).ok_or_else(|| format!("{name} stands under {at}"))?;
        let family = families.get_mut(&at).ok_or_else(|| format!("{name} has no type"))?;
        let fits = match family.kind.as_str() {
            "counter" => suffix == "_total",
            "gauge" => suffix.is_empty(),
            "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix),
            "info" => suffix == "_info",
            _ => false,
        };
        if !fits {
            return Err(format!("{name} is no sample of a {}", family.kind));
        }
        if value < 0.0 || !value.is_finite() {
            return Err(format!("{sample} is {value}"));
        }
        if family.samples.insert(sample.to_owned(), value).is_some() {
            return Err(format!("{sample} is told twice"));
        }
    }
    for (name, family) in &families {
        if !is_name(name) {
            return Err(format!("{name} is no plain name"));
        }
        if family.help.is_empty() {
            return Err(format!("{name} has no help"));
        }
        if name.ends_with("_total") || name.ends_with("_info") || name.ends_with("_count") || name.ends_with("_sum") {
            return Err(format!("{name} ends as a sample does"));
        }
        if let Some(unit) = &family.unit
            && !name.ends_with(&format!("_{unit}"))
        {
            return Err(format!("{name} does not end in its unit {unit}"));
        }
        for abbreviated in ["_ms", "_us", "_millis", "_kb", "_mb", "_percent", "_s"] {
            if name.ends_with(abbreviated) {
                return Err(format!("{name} is not in a base unit"));
            }
        }
        for (sample, value) in family.samples.iter().filter(|(sample, _)| sample.contains("_bucket")) {
            let rest: String = sample.replace("_bucket", "_count");
            let labels = rest.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
            let labels: Vec<&str> = labels.split(',').filter(|label| !label.starts_with("le=")).collect();
            let count = match labels.as_slice() {
                [] => format!("{name}_count"),
                some => format!("{name}_count{{{}}}", some.join(",")),
            };
            let all = family.samples.get(&count).ok_or_else(|| format!("{count} is missing for {sample}"))?;
            if value > all || sample.contains("le=\"+Inf\"") && value != all {
                return Err(format!("{sample} does not come to {count}"));
            }
        }
    }
    Ok(families)
}

#[test]
fn what_is_told_is_well_formed() {
    let metrics = Metrics::default();
    for (method, status) in [(Method::GET, 200), (Method::GET, 404), (Method::POST, 503)] {
        let status = StatusCode::from_u16(status).unwrap();
        metrics.requests.answered(&method, "/api/v1/x/{id}".to_owned(), status, Duration::from_millis(3));
    }
    let families = lint(&told(&metrics, 3)).unwrap();
    for (name, kind) in [
        ("allod_build", "info"),
        ("allod_http_requests", "counter"),
        ("allod_http_request_duration_seconds", "histogram"),
        ("allod_http_requests_open", "gauge"),
        ("allod_queue_waiting", "gauge"),
        ("allod_memory_held_bytes", "gauge"),
        ("allod_log_commit_seconds", "histogram"),
        ("allod_log_size_bytes", "gauge"),
        ("allod_views_open", "gauge"),
        ("allod_policy_epoch", "gauge"),
        ("allod_background_tasks", "gauge"),
        ("allod_sync_lag_seconds", "gauge"),
        ("process_cpu_seconds", "counter"),
        ("process_resident_memory_bytes", "gauge"),
        ("process_open_fds", "gauge"),
        ("process_start_time_seconds", "gauge"),
    ] {
        assert_eq!(families.get(name).unwrap_or_else(|| panic!("{name} of {families:?}")).kind, kind, "{name}");
    }
    let requests = &families["allod_http_requests"].samples;
    let sample = r#"allod_http_requests_total{route="/api/v1/x/{id}",method="GET",status="4xx"}"#;
    assert_eq!(requests.get(sample), Some(&1.0), "{requests:?}");
    assert_eq!(families["allod_policy_epoch"].samples["allod_policy_epoch"], 7.0);
}

#[test]
fn the_lint_sees_what_is_wrong() {
    for (wrong, text) in [
        ("no end", "# HELP a A thing.\n# TYPE a gauge\na 1\n"),
        ("no help", "# TYPE a gauge\na 1\n# EOF\n"),
        ("no type", "# HELP a A thing.\na 1\n# EOF\n"),
        ("a counter without _total", "# HELP a A thing.\n# TYPE a counter\na 1\n# EOF\n"),
        ("not in a base unit", "# HELP a_ms A thing.\n# TYPE a_ms gauge\na_ms 1\n# EOF\n"),
        ("twice", "# HELP a A thing.\n# TYPE a gauge\na 1\na 1\n# EOF\n"),
        ("another's sample", "# HELP a A thing.\n# TYPE a gauge\nb 1\n# EOF\n"),
        ("its unit is not in its name", "# HELP a A thing.\n# TYPE a gauge\n# UNIT a seconds\na 1\n# EOF\n"),
        (
            "buckets that do not come to the count",
            "# HELP a A.\n# TYPE a histogram\na_sum 1\na_count 2\na_bucket{le=\"+Inf\"} 1\n# EOF\n",
        ),
    ] {
        assert!(lint(text).is_err(), "{wrong}");
    }
}

#[test]
fn whatever_anybody_sends_and_however_many_peers_there_are_labels_stay_few() {
    let metrics = Metrics::default();
    for n in 0..1_000 {
        let method = Method::from_bytes(format!("M{n}").as_bytes()).unwrap();
        let status = StatusCode::from_u16(100 + n % 900).unwrap();
        metrics.requests.answered(&method, "(none)".to_owned(), status, Duration::ZERO);
    }
    let families = lint(&told(&metrics, 500)).unwrap();
    assert!(families["allod_http_requests"].samples.len() <= 5);
    assert_eq!(families["allod_sync_lag_seconds"].samples.len(), 64);
    let peers = &families["allod_sync_peers"].samples;
    assert_eq!(peers.values().sum::<f64>(), 500.0, "{peers:?}");
}

#[test]
fn requests_that_nobody_waits_for_any_more_are_not_open() {
    let metrics = Metrics::default();
    let open: Vec<_> = (0..3).map(|_| metrics.requests.begun()).collect();
    let now = || lint(&told(&metrics, 0)).unwrap()["allod_http_requests_open"].samples["allod_http_requests_open"];
    assert_eq!(now(), 3.0);
    drop(open);
    assert_eq!(now(), 0.0);
}

#[test]
fn a_figure_is_told_of_each_queue() {
    let families = lint(&told(&Metrics::default(), 0)).unwrap();
    let queues: BTreeSet<&str> =
        families["allod_queue_waiting"].samples.keys().filter_map(|sample| sample.split('"').nth(1)).collect();
    assert_eq!(
        queues,
        BTreeSet::from(["answers", "bodies", "long_reads", "plans", "short_reads", "sign_ins", "writes"])
    );
}
