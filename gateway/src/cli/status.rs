//! `allod status`: how the node is, on one screen.

use serde_json::Value;

use super::Common;
use super::output::{Exit, Failure, print};
use super::remote::Remote;

/// Asks the running node, and shows what it says.
pub async fn run(common: &Common) -> Result<Exit, Failure> {
    let status = Remote::of(&common.dir()?)?.get("/api/v1/status").await?;
    print(common.json, &status, screen);
    Ok(Exit::Done)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Bytes, as people say them.
fn size(bytes: &Value) -> String {
    let Some(bytes) = bytes.as_u64() else { return "an unknown number of bytes".to_owned() };
    let units = ["B", "kB", "MB", "GB", "TB"];
    let step = (0..units.len() - 1).find(|step| bytes < 1_000u64.pow(*step as u32 + 1)).unwrap_or(units.len() - 1);
    match step {
        0 => format!("{bytes} B"),
        step => format!("{:.1} {}", bytes as f64 / 1_000f64.powi(step as i32), units[step]),
    }
}

/// One line a subject, and one more for each thing that is not well, with what to do.
fn screen(status: &Value) -> String {
    let is = match (status["set_up"] == true, status["ready"] == true) {
        (false, _) => "not set up yet: `allod setup-link` prints the link",
        (true, true) => "well",
        (true, false) => "NOT WELL",
    };
    let (people, bytes) = (&status["people"], &status["bytes"]);
    let mut lines = vec![
        format!("Allod {}  {is}", text(&status["version"])),
        format!("  address      {}", text(&status["url"])),
        format!("  people       {} in {} tenants, {} apps", people["users"], people["tenants"], people["apps"]),
        format!("  spaces       {}", status["spaces"]),
        format!(
            "  disk         log {}, open views {}, {} free",
            size(&bytes["log"]),
            size(&bytes["views"]),
            size(&bytes["free"])
        ),
    ];
    let certificate = &status["certificate"];
    lines.push(match (certificate.is_null(), certificate["until"].as_str()) {
        (true, _) => "  certificate  none: plain HTTP".to_owned(),
        (false, Some(until)) => format!("  certificate  {}, good until {until}", text(&certificate["mode"])),
        (false, None) => format!("  certificate  {}: none yet", text(&certificate["mode"])),
    });
    let backups = &status["backups"];
    lines.push(match backups["last"].as_str() {
        None => "  backups      none was ever made from here".to_owned(),
        Some(last) => match backups["tested"].as_str() {
            Some(tested) => format!("  backups      restorable as of {last}, last tested {tested}"),
            None => format!("  backups      restorable as of {last}, never tested"),
        },
    });
    let peers = status["peers"].as_array().map(Vec::as_slice).unwrap_or_default();
    if peers.is_empty() {
        lines.push("  peers        none: what is here is nowhere else".to_owned());
    }
    for peer in peers {
        let reached = if peer["reachable"] == true { "reached" } else { "not reached" };
        let behind = match peer["lag_commits"].as_u64() {
            Some(0) | None => "has everything".to_owned(),
            Some(commits) => format!("lacks {commits} commits, for {} s", peer["lag_s"]),
        };
        lines.push(format!("  {:<12} {} {reached}, {behind}", text(&peer["kind"]), text(&peer["peer"])));
    }
    for reason in status["reasons"].as_array().into_iter().flatten() {
        let (state, name) = (text(&reason["state"]), text(&reason["name"]));
        lines.push(format!("  {state}: {name}: {}\n    -> {}", text(&reason["detail"]), text(&reason["fix"])));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_screen_says_what_is_wrong_and_what_to_do() {
        for (bytes, shown) in
            [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (12_345_678, "12.3 MB"), (u64::MAX, "18446744.1 TB")]
        {
            assert_eq!(size(&json!(bytes)), shown);
        }
        let mut status = json!({
            "version": "1.2.3", "url": "https://cloud.example.org", "set_up": true, "ready": false,
            "reasons": [{ "name": "disk", "state": "bad", "detail": "5 MB are free", "fix": "make room" }],
            "people": { "users": 3, "tenants": 2, "apps": 1 }, "spaces": 4,
            "bytes": { "log": 1, "views": 2, "free": null },
            "peers": [{ "peer": "12D3", "kind": "replica", "reachable": false, "lag_commits": 7, "lag_s": 60 }],
            "certificate": { "mode": "acme", "until": null, "names": [] },
        });
        let shown = screen(&status);
        for wanted in
            ["NOT WELL", "disk: 5 MB are free\n    -> make room", "lacks 7 commits, for 60 s", "acme: none yet"]
        {
            assert!(shown.contains(wanted), "{wanted}: {shown}");
        }
        assert!(shown.contains("backups      none was ever made"), "{shown}");
        status["backups"] = json!({ "last": "2026-11-02T03:00:00Z", "tested": null });
        assert!(screen(&status).contains("restorable as of 2026-11-02T03:00:00Z, never tested"));
        status["backups"]["tested"] = json!("2026-11-01T03:00:00Z");
        assert!(screen(&status).contains("last tested 2026-11-01T03:00:00Z"));
        status["ready"] = json!(true);
        assert!(screen(&status).starts_with("Allod 1.2.3  well\n"));
        status["set_up"] = json!(false);
        assert!(screen(&status).contains("allod setup-link"));
    }
}
