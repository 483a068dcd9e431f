//! What is deployed with: compose files, the image, the unit, the dashboard. `make compose-test` runs them for real.

mod yaml;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use harness::{Allod, Replica};
use serde_json::Value;

use crate::home::Home;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("deploy")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(deploy().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

const COMPOSE: [&str; 6] = ["base.yml", "compose.yaml", "host.yml", "proxy.yml", "replica.yml", "metrics.yml"];

/// The variables of a text, each with what stands behind its name.
fn variables(text: &str) -> Vec<(&str, &str)> {
    let inside = text.split("${").skip(1).map(|rest| rest.split('}').next().unwrap_or_default());
    inside.map(|inside| inside.split_at(inside.find([':', '-', '?']).unwrap_or(inside.len()))).collect()
}

/// Every text in a value.
fn texts<'a>(value: &'a Value, out: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => out.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, out)),
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            out.push(key);
            texts(value, out);
        }),
        _ => {}
    }
}

/// What is wrong with a compose file: variables that nobody has to say and nobody has a word for, secrets, rights.
fn faults(text: &str) -> Vec<String> {
    let file = match yaml::parse(text) {
        Ok(file) => file,
        Err(error) => return vec![format!("not YAML: {error}")],
    };
    let mut out = Vec::new();
    // What is written about a variable in a comment is no use of it.
    let mut all = Vec::new();
    texts(&file, &mut all);
    for (name, rest) in all.iter().flat_map(|text| variables(text)) {
        let said = rest.strip_prefix(":-").is_some() || rest.strip_prefix(":?").is_some_and(|why| why.len() > 20);
        if !said {
            out.push(format!("{name} has neither a default nor a sentence for who does not say it"));
        }
    }
    for (name, service) in file["services"].as_object().into_iter().flatten() {
        let whole = service["image"].is_string();
        if whole && service["cap_drop"] != serde_json::json!(["ALL"]) {
            out.push(format!("{name} keeps capabilities"));
        }
        if whole && service["security_opt"] != serde_json::json!(["no-new-privileges:true"]) {
            out.push(format!("{name} may gain privileges"));
        }
        let ours = service["image"].as_str().is_some_and(|image| image.contains("ALLOD_IMAGE"));
        let wanted = [
            ("user", "10001:10001"),
            ("read_only", "true"),
            ("stop_grace_period", "30s"),
            ("restart", "unless-stopped"),
        ];
        for (key, value) in wanted.into_iter().filter(|_| ours) {
            if service[key] != value {
                out.push(format!("{name}: {key} is {}", service[key]));
            }
        }
        if ours && service["healthcheck"]["test"][2] != "healthcheck" {
            out.push(format!("{name} is not asked for its health"));
        }
        for key in ["privileged", "cap_add", "devices", "pid", "ipc"].iter().filter(|key| !service[**key].is_null()) {
            out.push(format!("{name} has {key}"));
        }
        for (key, value) in service["environment"].as_object().into_iter().flatten() {
            let names_a_secret =
                ["PASSWORD", "SECRET", "TOKEN", "KEY", "PASSPHRASE"].iter().any(|word| key.contains(word));
            if names_a_secret && !key.ends_with("FILE") {
                out.push(format!("{name}: {key} holds {value}"));
            }
        }
    }
    out.extend(
        all.iter().filter(|text| text.contains("docker.sock")).map(|text| format!("the engine's socket: {text}")),
    );
    out
}

#[test]
fn compose_files_parse_say_what_they_need_and_hold_no_secret_and_no_right() {
    for file in COMPOSE {
        assert_eq!(faults(&read(file)), Vec::<String>::new(), "{file}");
    }
    let base = read("base.yml");
    for (planted, with, fault) in [
        ("${ALLOD_LOG_FORMAT:-text}", "${ALLOD_LOG_FORMAT}", "neither a default"),
        ("say how people reach the node, as ALLOD_URL=https://cloud.example.org", "", "neither a default"),
        ("ALLOD_DATA: /data", "ALLOD_POLICY_KEY: abc", "ALLOD_POLICY_KEY holds"),
        ("cap_drop: [ALL]", "cap_drop: []", "keeps capabilities"),
        ("read_only: true", "read_only: false", "read_only is"),
        ("volumes: [\"data:/data\"]", "volumes: [/var/run/docker.sock:/x]", "the engine's socket"),
        ("stop_grace_period: 30s", "privileged: true", "has privileged"),
        ("command: [serve]", "command: [serve", "not YAML"),
    ] {
        assert!(base.contains(planted), "control: {planted}");
        let found = faults(&base.replace(planted, with));
        assert!(found.iter().any(|found| found.contains(fault)), "{with}: {found:?}");
    }
}

#[test]
fn one_variable_is_required_of_who_runs_a_node() {
    let required = |file: &str| -> BTreeSet<String> {
        let (text, mut all) = (yaml::parse(&read(file)).unwrap(), Vec::new());
        texts(&text, &mut all);
        let all = all.iter().flat_map(|text| variables(text)).filter(|(_, rest)| rest.starts_with(":?"));
        all.map(|(name, _)| name.to_owned()).collect()
    };
    assert_eq!(required("base.yml"), BTreeSet::from(["ALLOD_URL".to_owned()]));
    for file in ["compose.yaml", "host.yml", "proxy.yml", "replica.yml"] {
        assert!(required(file).is_empty(), "{file}: {:?}", required(file));
    }
    assert_eq!(required("metrics.yml"), BTreeSet::from(["ALLOD_GRAFANA_PASSWORD_FILE".to_owned()]));
}

/// Whatever the files say to the node, it knows: a variable that is not a setting would be passed over in silence.
#[test]
fn the_node_knows_every_variable_that_it_is_given() {
    let root = tempfile::tempdir().unwrap();
    let settings = Allod::find().unwrap().ok(root.path(), &["config"]).unwrap();
    let keys = settings.as_array().unwrap().iter().map(|setting| setting["key"].as_str().unwrap());
    let mut known: BTreeSet<String> =
        keys.map(|key| format!("ALLOD_{}", key.replace('.', "_").to_uppercase())).collect();
    known.extend(["ALLOD_DATA", "ALLOD_URL"].map(str::to_owned));
    let mut seen = 0;
    for file in COMPOSE {
        let file = yaml::parse(&read(file)).unwrap();
        for service in file["services"].as_object().unwrap().values() {
            for name in service["environment"].as_object().into_iter().flatten().map(|(name, _)| name) {
                assert!(!name.starts_with("ALLOD_") || known.contains(name), "{name} is no setting");
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "control: variables are found: {seen}");
    let unit = read("deb/allod.service");
    assert!(unit.contains("ALLOD_DATA=/var/lib/allod ALLOD_CONFIG="), "{unit}");
}

#[test]
fn the_image_is_the_binary_alone_and_of_no_rights() {
    let file = read("Dockerfile");
    let lines: Vec<&str> = file.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines[0], "FROM scratch");
    assert_eq!(lines.iter().filter(|line| line.starts_with("FROM")).count(), 1);
    assert!(lines.contains(&"USER 10001:10001") && !file.contains("RUN ") && !file.contains("ADD "), "{file}");
}

/// Names of figures in an expression of Prometheus.
fn figures(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("allod_") || word.starts_with("process_"))
}

/// Every sample that a node can tell, by its family's kind (OpenMetrics 1.0).
fn told(text: &str) -> BTreeSet<String> {
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let of = |(name, kind): (&str, &str)| -> Vec<String> {
        let ends: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            "info" => &["_info"],
            _ => &[""],
        };
        ends.iter().map(|end| format!("{name}{end}")).collect()
    };
    families.flat_map(of).collect()
}

#[tokio::test]
async fn the_dashboard_and_the_rules_show_figures_that_are_told() {
    let home = Home::new().await;
    // A figure of which there is none yet is not told: somebody asks policy, and a replica holds what is here.
    home.alice.define("type Note { n: Int }").await.unwrap();
    home.alice.graphql("{ Note { n } }").await.unwrap();
    let dir = home.root.path().join("centre");
    Replica::init(&home.node.allod, &dir).unwrap();
    let replica = Replica::serve(&home.node.allod, &dir, None).unwrap();
    home.node.cli_ok(&["replica", "add", &replica.addr]).unwrap();
    let mut text = String::new();
    // Answers are kept for half a second.
    for _ in 0..100 {
        text = home.node.operator().unwrap().get("/metrics").await.unwrap().text;
        if text.contains("# TYPE allod_sync_lag_seconds") && text.contains("# TYPE allod_policy_answer_seconds") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let told = told(&text);
    assert!(told.contains("allod_http_requests_total") && told.len() > 20, "control: {told:?}");
    let dashboard: Value = serde_json::from_str(&read("metrics/allod.json")).unwrap();
    let rules = yaml::parse(&read("metrics/rules.yml")).unwrap();
    let panels = dashboard["panels"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let alerts = rules["groups"][0]["rules"].as_array().unwrap().iter();
    let mut seen = BTreeSet::new();
    for expression in panels.chain(alerts).map(|asked| asked["expr"].as_str().unwrap()) {
        // What stands in quotes, or is summed by, is no figure.
        for figure in figures(expression) {
            assert!(told.contains(figure), "{figure}, of `{expression}`, is not told: {told:?}");
            seen.insert(figure.to_owned());
        }
    }
    assert!(seen.len() >= 15, "control: figures are found: {seen:?}");
    for file in ["metrics/prometheus.yml", "metrics/datasource.yml", "metrics/dashboards.yml"] {
        yaml::parse(&read(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}
