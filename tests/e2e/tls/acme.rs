//! Certificates by ACME, of a real authority: Pebble, which `deploy/with-pebble.sh` brings.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use harness::{Allod, Node, free_port};
use reqwest::Certificate;
use serde_json::{Value, json};

use super::{Authority, NAME, PATIENCE, PUBLIC, client, made, put, standing};

/// An authority of one test, with a DNS in which every name is this machine. Both end with it.
struct Pebble {
    directory: String,
    management: String,
    /// The root of the authority's own server.
    root: String,
    web: reqwest::Client,
    children: Vec<Child>,
    dir: tempfile::TempDir,
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Pebble {
    /// Looks at names on these ports, and gives certificates for so many seconds. `None` where there is no Pebble.
    async fn new(http: u16, tls: u16, validity: u64) -> Option<Pebble> {
        let Some(programs) = std::env::var_os("ALLOD_TEST_PEBBLE").map(PathBuf::from) else {
            eprintln!("skipped: there is no Pebble; deploy/with-pebble.sh brings it");
            return None;
        };
        let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        let (pem, key) = authority.pair(&["127.0.0.1"], (2020, 2099));
        let [api, management, dns, control] = [(); 4].map(|()| format!("127.0.0.1:{}", free_port()));
        let settings = json!({ "pebble": {
            "listenAddress": api, "managementListenAddress": management,
            "certificate": put(dir.path(), "cert", &pem), "privateKey": put(dir.path(), "key", &key),
            "httpPort": http, "tlsPort": tls, "ocspResponderURL": "", "externalAccountBindingRequired": false,
            "retryAfter": { "authz": 1, "order": 1 }, "keyAlgorithm": "ecdsa",
            "profiles": { "default": { "description": "of this test", "validityPeriod": validity } },
        } });
        let settings = put(dir.path(), "config.json", &settings.to_string());
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let quiet = |mut command: Command| {
            command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log.try_clone().unwrap());
            command.spawn().unwrap()
        };
        let mut names = Command::new(programs.join("pebble-challtestsrv"));
        names.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-defaultIPv6", ""]);
        names.args(["-defaultIPv4", "127.0.0.1", "-dnsserver", &dns, "-management", &control]);
        let mut pebble = Command::new(programs.join("pebble"));
        pebble.args(["-config", &settings, "-dnsserver", &dns]);
        // Every order is proved anew, at once; now and then a nonce is refused, as real authorities do.
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_AUTHZREUSE", "0").env("PEBBLE_WFE_NONCEREJECT", "20");
        let children = vec![quiet(names), quiet(pebble)];
        let root = put(dir.path(), "root.pem", &authority.0.pem());
        let web = reqwest::Client::builder()
            .no_proxy()
            .tls_built_in_root_certs(false)
            .add_root_certificate(Certificate::from_pem(authority.0.pem().as_bytes()).unwrap())
            .build()
            .unwrap();
        let directory = format!("https://{api}/dir");
        let until = Instant::now() + PATIENCE;
        while web.get(&directory).send().await.is_err() {
            let said = std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < until, "Pebble does not answer: {said}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Some(Pebble { directory, management: format!("https://{management}"), root, web, children, dir })
    }

    /// The root under which its certificates are.
    async fn issues_under(&self) -> String {
        self.web.get(format!("{}/roots/0", self.management)).send().await.unwrap().text().await.unwrap()
    }

    fn serve(&self, allod: &Allod, dir: &Path, tls: u16, flags: &[&str]) -> Node {
        let listen = format!("127.0.0.1:{tls}");
        let own =
            ["serve", "--listen", &listen, "--public-url", PUBLIC, "--tls", "acme", "--acme-email", "you@example.org"];
        let mut command = allod.command(dir, &[&own[..], flags].concat());
        command.env("ALLOD_TLS_ACME_DIRECTORY", &self.directory).env("ALLOD_TLS_ACME_ROOT", &self.root);
        Node::serve_by(allod.clone(), dir, command).unwrap()
    }

    /// How many certificates it says that it gave. One at least: its log may come after the certificate.
    fn issued(&self) -> usize {
        let until = Instant::now() + PATIENCE;
        loop {
            let issued = self.said().matches("Issued certificate").count();
            if issued > 0 {
                return issued;
            }
            assert!(Instant::now() < until, "it gave none: {}", self.said());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap()
    }
}

fn is_good(tls: &Value) -> bool {
    tls["until"].is_string() && tls.get("code").is_none()
}

#[tokio::test]
async fn an_authority_finds_the_name_on_the_node_s_own_listener() {
    let (allod, dir, _root) = made();
    let tls = free_port();
    let Some(pebble) = Pebble::new(free_port(), tls, 90 * 86_400).await else { return };
    let node = pebble.serve(&allod, &dir, tls, &[]);
    let state = standing(&node, is_good).await;
    let root = pebble.issues_under().await;
    let at_name = format!("{PUBLIC}:{tls}");
    assert!(client(&node, &root).get(format!("{at_name}/healthz")).send().await.unwrap().status().is_success());
    assert!(client(&node, &root).get(format!("{}/healthz", node.url)).send().await.is_err(), "for the name alone");
    let mut kept = 0;
    for authority in std::fs::read_dir(dir.join("certs/acme")).unwrap() {
        for file in std::fs::read_dir(authority.unwrap().path()).unwrap() {
            let mode = file.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{mode:o}");
            kept += 1;
        }
    }
    assert_eq!(kept, 2, "the account, and the certificate with its key");
    node.stop().unwrap();
    // What is there is good: nobody is asked.
    let orders = pebble.issued();
    let node = pebble.serve(&allod, &dir, tls, &[]);
    assert_eq!(standing(&node, is_good).await["tls"]["until"], state["tls"]["until"]);
    assert!(client(&node, &root).get(format!("{at_name}/healthz")).send().await.is_ok());
    assert_eq!(pebble.issued(), orders);
}

#[tokio::test]
async fn an_authority_finds_the_name_on_port_80_and_the_certificate_is_renewed_in_time() {
    let (allod, dir, _root) = made();
    let (http, tls) = (free_port(), free_port());
    // Where it looks for TLS nobody answers.
    let Some(pebble) = Pebble::new(http, free_port(), 9).await else { return };
    let redirect = format!("127.0.0.1:{http}");
    let node = pebble.serve(&allod, &dir, tls, &["--redirect-listen", &redirect]);
    let first = standing(&node, is_good).await["tls"]["until"].clone();
    let root = pebble.issues_under().await;
    let answers = async || client(&node, &root).get(format!("{PUBLIC}:{tls}/healthz")).send().await.is_ok();
    assert!(answers().await);
    for _ in 0..2 {
        standing(&node, |tls| is_good(tls) && tls["until"] != first).await;
        assert!(answers().await, "{}", node.said());
    }
    // The proof is gone with the order.
    let token = format!("http://{redirect}/.well-known/acme-challenge/x");
    let web = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(web.get(token).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_certificate_is_renewed_early_when_its_authority_says() {
    let (allod, dir, _root) = made();
    let tls = free_port();
    let Some(pebble) = Pebble::new(free_port(), tls, 90 * 86_400).await else { return };
    let issued = || pebble.issued();
    let node = pebble.serve(&allod, &dir, tls, &[]);
    standing(&node, is_good).await;
    assert_eq!(issued(), 1);
    node.stop().unwrap();
    let late = || {
        let listen = format!("127.0.0.1:{tls}");
        let flags =
            ["serve", "--listen", &listen, "--public-url", PUBLIC, "--tls", "acme", "--acme-email", "you@example.org"];
        let mut command = allod.command(&dir, &flags);
        command.env("ALLOD_TLS_ACME_DIRECTORY", &pebble.directory).env("ALLOD_TLS_ACME_ROOT", &pebble.root);
        command.env("ALLOD_CLOCK_AHEAD", "10800");
        Node::serve_by(allod.clone(), &dir, command).unwrap()
    };
    let asked = || pebble.said().matches("/renewalInfo/").count();
    let heard = async |before: usize, node: &Node| {
        let until = Instant::now() + PATIENCE;
        while asked() == before {
            assert!(Instant::now() < until, "it does not ask: {}", node.said());
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    // Control: what the authority says of itself is a time far ahead.
    let before = asked();
    let node = late();
    heard(before, &node).await;
    standing(&node, is_good).await;
    node.stop().unwrap();
    assert_eq!(issued(), 1);
    // It is about to revoke it.
    let kept = std::fs::read_dir(dir.join("certs/acme")).unwrap().next().unwrap().unwrap().path();
    let pem = std::fs::read_to_string(kept.join(format!("{NAME}.pem"))).unwrap();
    let window = json!({ "suggestedWindow": { "start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z" } });
    let told = json!({
        "Certificate": &pem[pem.find("-----BEGIN CERTIFICATE").unwrap()..], "ARIResponse": window.to_string(),
    });
    let to = format!("{}/set-renewal-info/", pebble.management);
    let told = pebble.web.post(to).header("User-Agent", "allod-tests").body(told.to_string());
    let told = told.send().await.unwrap();
    assert!(told.status().is_success(), "{}", told.text().await.unwrap());
    let node = late();
    let until = Instant::now() + PATIENCE;
    while issued() < 2 {
        assert!(Instant::now() < until, "{}\n{}", node.said(), pebble.said());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    node.stop().unwrap();
    // Once: the new one is not to be renewed.
    let before = asked();
    let node = late();
    heard(before, &node).await;
    standing(&node, is_good).await;
    node.stop().unwrap();
    assert_eq!(issued(), 2);
}

#[tokio::test]
async fn a_name_that_the_authority_does_not_find_is_told_and_the_node_goes_on() {
    let (allod, dir, _root) = made();
    let tls = free_port();
    let Some(pebble) = Pebble::new(free_port(), free_port(), 90).await else { return };
    let node = pebble.serve(&allod, &dir, tls, &[]);
    let state = standing(&node, |tls| tls["code"] == "acme_failed").await;
    assert_eq!(state["tls"]["until"], Value::Null);
    // An order may have ended by a nonce before the name was looked for; the next try is soon.
    let until = Instant::now() + PATIENCE;
    let mut doctor = node.cli(&["doctor"]).unwrap();
    while !doctor.stdout.contains("tls-alpn-01") {
        assert!(doctor.code == 1 && Instant::now() < until, "{}", doctor.stdout);
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        doctor = node.cli(&["doctor"]).unwrap();
    }
    assert_eq!(doctor.code, 1, "{}", doctor.stdout);
    assert!(node.says(NAME) && !node.said().contains("PRIVATE"), "{}", node.said());
    node.cli_ok(&["client", "ping"]).unwrap();
    node.stop().unwrap();
}
