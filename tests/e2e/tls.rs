//! TLS, as a client that checks certificates meets it.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::{Allod, Node, free_port};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::{Certificate, Response, StatusCode};
use serde_json::{Value, json};

use crate::home::OWNER;

mod acme;

/// The public name of the nodes here.
pub(crate) const NAME: &str = "cloud.example.org";
const PUBLIC: &str = "https://cloud.example.org";
/// Longer than any of this takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// A directory that is a node, not served yet.
pub(crate) fn made() -> (Allod, PathBuf, tempfile::TempDir) {
    let root = tempfile::tempdir().unwrap();
    let (allod, dir) = (Allod::find().unwrap(), root.path().join("home"));
    Node::init(&allod, &dir, OWNER.0, "home", OWNER.1).unwrap();
    (allod, dir, root)
}

pub(crate) fn serve(allod: &Allod, dir: &Path, flags: &[&str]) -> Node {
    let command = allod.command(dir, &[&["serve", "--listen", "127.0.0.1:0"], flags].concat());
    Node::serve_by(allod.clone(), dir, command).unwrap()
}

pub(crate) fn port(node: &Node) -> u16 {
    node.url.rsplit(':').next().unwrap().parse().unwrap()
}

/// A client that trusts `root` alone and finds the public name where the node listens.
pub(crate) fn client(node: &Node, root: &str) -> reqwest::Client {
    building(node, root).build().unwrap()
}

fn building(node: &Node, root: &str) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .tls_built_in_root_certs(false)
        .add_root_certificate(Certificate::from_pem(root.as_bytes()).unwrap())
        .redirect(reqwest::redirect::Policy::none())
        .resolve(NAME, SocketAddr::from(([127, 0, 0, 1], port(node))))
        .resolve("allod.localhost", SocketAddr::from(([127, 0, 0, 1], port(node))))
        // A new certificate shows in a new connection.
        .pool_max_idle_per_host(0)
}

fn header(answer: &Response, name: &str) -> Option<String> {
    answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
}

/// An authority, and pairs under it.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A pair in PEM that is valid within these years.
    fn pair(&self, hosts: &[&str], years: (i32, i32)) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(hosts.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

fn put(dir: &Path, name: &str, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let (path, fresh) = (dir.join(name), dir.join("fresh"));
    std::fs::write(&fresh, text).unwrap();
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(&fresh, &path).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What a node logged, but for the requests that asked it how it is.
fn told(node: &Node) -> String {
    node.said().lines().filter(|line| !line.contains("/readyz")).fold(String::new(), |all, line| all + line + "\n")
}

/// What `/readyz` says of TLS, once `fits` is true of it.
pub(crate) async fn standing(node: &Node, fits: impl Fn(&Value) -> bool) -> Value {
    let local: Value = serde_json::from_slice(&std::fs::read(node.dir.join("node.json")).unwrap()).unwrap();
    let url = format!("{}/readyz", local["local"].as_str().unwrap());
    let (client, until) = (reqwest::Client::builder().no_proxy().build().unwrap(), Instant::now() + PATIENCE);
    loop {
        let state: Value = client.get(&url).send().await.unwrap().json().await.unwrap();
        if fits(&state["tls"]) {
            return state;
        }
        assert!(Instant::now() < until, "{state}\n{}", told(node));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_node_serves_the_certificate_in_files_and_takes_up_new_ones() {
    let (allod, dir, root) = made();
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (pem, key) = ours.pair(&[NAME, "127.0.0.1"], (2020, 2099));
    let (cert, secret) = (put(root.path(), "cert", &pem), put(root.path(), "key", &key));
    let node = serve(&allod, &dir, &["--public-url", PUBLIC, "--tls-cert", &cert, "--tls-key", &secret]);
    assert!(node.url.starts_with("https://127.0.0.1:"), "{}", node.url);
    let web = client(&node, &ours.0.pem());
    let asked = async |url: String| web.get(url).send().await;
    let at_name = format!("{PUBLIC}:{}", port(&node));
    let answer = asked(format!("{at_name}/healthz")).await.unwrap();
    assert_eq!(header(&answer, "strict-transport-security").as_deref(), Some("max-age=31536000"));
    let by_number = asked(format!("{}/.well-known/oauth-authorization-server", node.url)).await.unwrap();
    assert_eq!(header(&by_number, "strict-transport-security"), None, "a number is no public name");
    assert_eq!(by_number.json::<Value>().await.unwrap()["issuer"], PUBLIC);
    assert!(asked(format!("https://localhost:{}/", port(&node))).await.is_err(), "it is not for this name");
    assert!(client(&node, &theirs.0.pem()).get(format!("{at_name}/healthz")).send().await.is_err());

    // Who signs in has a cookie that no connection in clear carries.
    let credentials = json!({ "user": OWNER.0, "password": OWNER.1 });
    let signed_in = web.post(format!("{at_name}/api/v1/session")).header("sec-fetch-site", "same-origin");
    let signed_in = signed_in.header("origin", &at_name).json(&credentials).send().await.unwrap();
    assert_eq!(signed_in.status(), StatusCode::OK);
    let cookies: Vec<_> = signed_in.headers().get_all("set-cookie").iter().map(|c| c.to_str().unwrap()).collect();
    let session = cookies.iter().find(|cookie| cookie.starts_with("__Host-allod-")).expect("a session");
    assert!(session.contains("Secure") && session.contains("Path=/") && !session.contains("Domain"), "{session}");
    assert!(cookies.iter().all(|cookie| cookie.contains("Secure")), "{cookies:?}");

    // In clear nothing is answered there, and the command line has its own way in.
    let in_clear = node.url.replace("https", "http");
    assert!(reqwest::Client::builder().no_proxy().build().unwrap().get(&in_clear).send().await.is_err());
    node.cli_ok(&["client", "ping"]).unwrap();
    assert_eq!(
        node.cli_ok(&["doctor"]).unwrap()["checks"].as_array().unwrap().iter().filter(|c| c["name"] == "tls").count(),
        1
    );

    // A pair of which one half is another's, one that ended, one for another name: the old one stays.
    let serves =
        async |root: &Authority| client(&node, &root.0.pem()).get(format!("{at_name}/healthz")).send().await.is_ok();
    for (pair, code) in [
        ((theirs.pair(&[NAME], (2020, 2099)).0, key.clone()), "certificate_key_mismatch"),
        (theirs.pair(&[NAME], (2020, 2021)), "certificate_expired"),
        (theirs.pair(&["other.example.org"], (2020, 2099)), "certificate_name"),
        ((String::new(), key.clone()), "certificate_malformed"),
    ] {
        put(root.path(), "key", &pair.1);
        put(root.path(), "cert", &pair.0);
        let state = standing(&node, |tls| tls["code"] == code).await;
        assert!(!state.to_string().contains(root.path().to_str().unwrap()), "no paths for everybody: {state}");
        assert!(node.says(code), "{}", node.said());
        assert!(serves(&ours).await && !serves(&theirs).await, "{code}");
        let doctor = node.cli(&["doctor"]).unwrap();
        assert!(doctor.code == 1 && doctor.stdout.contains(code), "{}", doctor.stdout);
    }
    let (pem, key) = theirs.pair(&[NAME], (2020, 2098));
    put(root.path(), "key", &key);
    put(root.path(), "cert", &pem);
    let state = standing(&node, |tls| tls.get("code").is_none()).await;
    assert_eq!(state["tls"]["until"], "2098-01-01T00:00:00Z");
    assert!(serves(&theirs).await && !serves(&ours).await);
    node.stop().unwrap();
}

#[tokio::test]
async fn a_certificate_that_is_no_good_begins_nothing() {
    let (allod, dir, root) = made();
    let authority = Authority::new();
    let (pem, key) = authority.pair(&[NAME], (2020, 2099));
    let (cert, secret) = (put(root.path(), "cert", &pem), put(root.path(), "key", &key));
    let old = put(root.path(), "old", &authority.pair(&[NAME], (2020, 2021)).0);
    let open = put(root.path(), "open", &key);
    std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let exposed = put(root.path(), "exposed", &key);
    std::fs::set_permissions(&exposed, std::os::unix::fs::PermissionsExt::from_mode(0o444)).unwrap();
    let with = |flags: &[&str], command: &[&str]| {
        let own = ["--public-url", PUBLIC, "--listen", "127.0.0.1:0"];
        allod.run(&dir, &[command, &own[..], flags].concat()).unwrap()
    };
    let checked = with(&["--tls-cert", &cert, "--tls-key", &exposed], &["config", "check"]).ok().unwrap();
    assert!(checked["warnings"].to_string().contains("others on this machine can read"), "{checked}");
    for (flags, code) in [
        (&["--tls-cert", &*old, "--tls-key", &*secret][..], "certificate_key_mismatch"),
        (&["--tls-cert", &cert, "--tls-key", &open], "secret_file_writable"),
        (&["--tls-cert", &cert, "--tls-key", "/nowhere/key"], "certificate_unreadable"),
        (&["--tls-cert", &secret, "--tls-key", &secret], "certificate_malformed"),
        (&["--tls-cert", &cert, "--tls-key", &cert], "certificate_key_malformed"),
        (&["--tls-cert", &cert], "config_incomplete"),
        (&["--tls-key", &secret], "config_incomplete"),
        (&["--tls", "files"], "config_incomplete"),
        (&["--tls", "none"], "config_value"),
        (&["--tls-listen", "127.0.0.1:0"], "config_incomplete"),
        (&["--redirect-listen", "127.0.0.1:0"], "config_incomplete"),
        (&["--tls", "acme", "--public-url", "https://10.0.0.1"], "acme_name"),
        (&["--tls", "acme", "--acme-email", "nobody"], "config_value"),
        (&["--tls", "internal", "--public-url", "http://cloud.example.org"], "config_contradiction"),
    ] {
        // The later one of a flag that is given twice would be refused by itself.
        let flags: Vec<&str> = flags.to_vec();
        let run = |command: &[&str]| match flags.contains(&"--public-url") {
            true => allod.run(&dir, &[command, &["--listen", "127.0.0.1:0"], &flags[..]].concat()).unwrap(),
            false => with(&flags, command),
        };
        for command in [&["config", "check"][..], &["serve"]] {
            let outcome = run(command);
            let message = outcome.json["error"]["message"].as_str().unwrap_or_default().to_owned();
            assert_eq!(outcome.refused(2).unwrap(), code, "{flags:?}");
            assert!(!message.is_empty() && !message.contains('\n') && !message.contains("BEGIN"), "{message}");
        }
    }
    for (hosts, years, code) in [
        (NAME, (2020, 2021), "certificate_expired"),
        (NAME, (2090, 2099), "certificate_not_yet_valid"),
        ("x.example.org", (2020, 2099), "certificate_name"),
    ] {
        // Certificate and key in one file.
        let (pem, key) = authority.pair(&[hosts], years);
        let both = put(root.path(), "both", &format!("{pem}{key}"));
        assert_eq!(with(&["--tls-cert", &both, "--tls-key", &both], &["serve"]).refused(2).unwrap(), code);
    }
    // Nothing holds the directory.
    serve(&allod, &dir, &[]).stop().unwrap();
}

#[tokio::test]
async fn devices_trust_a_node_s_own_authority_once() {
    let (allod, dir, _root) = made();
    allod.run(&dir, &["tls", "root"]).unwrap().refused(4).unwrap();
    let begin = |flags: &[&str]| serve(&allod, &dir, flags);
    let node = begin(&["--tls"]);
    let root = node.cli_ok(&["tls", "root"]).unwrap();
    let pem = root["pem"].as_str().unwrap().to_owned();
    assert!(!pem.contains("PRIVATE"));
    for host in ["127.0.0.1", "localhost", "allod.localhost"] {
        let web = client(&node, &pem);
        let answer = web.get(format!("https://{host}:{}/healthz", port(&node))).send().await.unwrap();
        assert_eq!((answer.status(), header(&answer, "strict-transport-security")), (StatusCode::OK, None), "{host}");
    }
    // A page that is opened by number moves to the pages' name, and stays with TLS.
    let moved = client(&node, &pem).get(format!("{}/admin/", node.url)).header("sec-fetch-mode", "navigate");
    let moved = moved.send().await.unwrap();
    assert_eq!(header(&moved, "location"), Some(format!("https://allod.localhost:{}/admin/", port(&node))));
    let metadata: Value = client(&node, &pem)
        .get(format!("{}/.well-known/oauth-authorization-server", node.url))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(metadata["issuer"], node.url.as_str(), "addresses begin with https by themselves");
    node.stop().unwrap();
    for file in std::fs::read_dir(dir.join("certs")).unwrap() {
        use std::os::unix::fs::PermissionsExt;
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.path());
    }
    let node = begin(&["--tls", "internal"]);
    assert!(client(&node, &pem).get(format!("{}/healthz", node.url)).send().await.is_ok(), "it is trusted still");
    node.stop().unwrap();
    // Files that the operator puts there come first.
    let authority = Authority::new();
    let (cert, key) = authority.pair(&["127.0.0.1"], (2020, 2099));
    put(&dir.join("certs"), "server.crt", &cert);
    put(&dir.join("certs"), "server.key", &key);
    let node = begin(&["--tls"]);
    assert!(client(&node, &authority.0.pem()).get(format!("{}/healthz", node.url)).send().await.is_ok());
    assert!(client(&node, &pem).get(format!("{}/healthz", node.url)).send().await.is_err());
    node.stop().unwrap();
    let (cert, key) = (dir.join("certs/server.crt"), dir.join("certs/server.key"));
    let node = begin(&["--pubkeypath", cert.to_str().unwrap(), "--privkeypath", key.to_str().unwrap(), "--tls"]);
    assert!(client(&node, &authority.0.pem()).get(format!("{}/healthz", node.url)).send().await.is_ok());
}

#[tokio::test]
async fn plain_http_stays_on_this_machine_and_browsers_are_sent_on() {
    let (allod, dir, root) = made();
    let key = put(root.path(), "policy", "0123456789abcdef");
    let serve_at = |listen: &str, flags: &[&str]| {
        allod.command(&dir, &[&["serve", "--listen", listen, "--public-url", PUBLIC], flags].concat())
    };
    for (listen, flags) in [
        ("0.0.0.0:0", &[][..]),
        ("[::]:0", &[]),
        ("0.0.0.0:0", &["--tls", "off"]),
        ("0.0.0.0:0", &["--tls", "internal", "--tls-listen", "127.0.0.1:0"]),
        ("127.0.0.1:0", &["--policy-listen", "0.0.0.0:0", "--policy-key-file", &key]),
    ] {
        let output = serve_at(listen, flags).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.code() == Some(2) && said.contains("\"http_insecure\""), "{listen} {flags:?}: {said}");
    }
    for flags in [&["--insecure"][..], &["--trusted-proxies", "10.0.0.0/8"], &["--tls", "internal"]] {
        Node::serve_by(allod.clone(), &dir, serve_at("0.0.0.0:0", flags)).unwrap().stop().unwrap();
    }
    let at = format!("127.0.0.1:{}", free_port());
    let node =
        Node::serve_by(allod.clone(), &dir, serve_at("127.0.0.1:0", &["--tls", "internal", "--redirect-listen", &at]));
    let _node = node.unwrap();
    let raw = |request: &str| {
        let mut stream = TcpStream::connect(&at).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    };
    let sent = |line: &str, host: &str| raw(&format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
    for (line, host, to) in [
        ("GET /a?b=c", NAME, "https://cloud.example.org/a?b=c"),
        ("GET /l/x", "evil.example", "https://cloud.example.org/l/x"),
        ("GET //evil.example/x", "evil.example", "https://cloud.example.org//evil.example/x"),
        ("GET http://evil.example/x", "evil.example", "https://cloud.example.org/x"),
    ] {
        let answer = sent(line, host);
        let location = answer.lines().find_map(|line| line.strip_prefix("location: "));
        assert!(answer.starts_with("HTTP/1.1 308") && location == Some(to), "{line}: {answer}");
        assert!(!answer.contains("strict-transport-security"));
    }
    for line in ["POST /api/v1/session", "DELETE /x", "GET /.well-known/acme-challenge/x"] {
        let answer = sent(line, NAME);
        assert!(answer.starts_with("HTTP/1.1 40") && !answer.contains("location:"), "{line}: {answer}");
    }
}

/// The first message of a client that speaks at most this version of TLS.
fn hello(version: [u8; 2]) -> Vec<u8> {
    let mut body = version.to_vec();
    body.extend([7; 32]);
    // No session; TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 and, as of old, ..._CBC_SHA; no compression.
    body.extend([0, 0, 4, 0xc0, 0x2b, 0xc0, 0x09, 1, 0]);
    // Groups, formats of points, signatures.
    let extensions: &[&[u8]] =
        &[&[0, 10, 0, 4, 0, 2, 0, 0x17], &[0, 11, 0, 2, 1, 0], &[0, 13, 0, 6, 0, 4, 0x04, 0x03, 0x02, 0x03]];
    let extensions = extensions.concat();
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let mut record = vec![22, 3, 1];
    record.extend(u16::try_from(body.len() + 4).unwrap().to_be_bytes());
    record.extend([1, 0]);
    record.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    record.extend(body);
    record
}

/// A little less than what a node gives a handshake (10 s): it began to count before this test did.
const TOO_LONG: Duration = Duration::from_secs(9);

#[tokio::test]
async fn old_versions_are_refused_and_handshakes_that_never_end_shut_nobody_out() {
    let (allod, dir, _root) = made();
    let node = serve(&allod, &dir, &["--tls", "internal"]);
    let pem = node.cli_ok(&["tls", "root"]).unwrap()["pem"].as_str().unwrap().to_owned();
    let connect = || {
        let stream = TcpStream::connect(("127.0.0.1", port(&node))).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    for (version, alert) in [([3, 3], None), ([3, 2], Some(70)), ([3, 1], Some(70)), ([3, 0], Some(70))] {
        let mut stream = connect();
        stream.write_all(&hello(version)).unwrap();
        let mut head = [0; 7];
        stream.read_exact(&mut head).unwrap();
        let got = (head[0] == 21).then_some(head[6]);
        assert_eq!(got, alert, "{version:?}: {head:?}");
    }
    // Ten times as many as one address may have; each sends the beginning of a hello.
    let mut half_open: Vec<TcpStream> = (0..640)
        .map(|_| {
            let mut stream = connect();
            stream.write_all(&hello([3, 3])[..20]).unwrap();
            stream
        })
        .collect();
    let all_open = Instant::now();
    // Somebody else, at an address of their own: whoever shares that of the flood may be pushed out by what still comes.
    let web = building(&node, &pem).local_address(IpAddr::from([127, 1, 0, 1])).build().unwrap();
    for _ in 0..5 {
        assert_eq!(web.get(format!("{}/healthz", node.url)).send().await.unwrap().status(), StatusCode::OK);
    }
    // The oldest gave way at once: long before a handshake takes too long.
    let mut rest = Vec::new();
    let begun = Instant::now();
    assert!(matches!(half_open[0].read_to_end(&mut rest), Ok(0) | Err(_)));
    let after = begun.elapsed();
    // And as many as it may have are there until they do, which on a slow machine may be by now. Which of the last they are
    // is nobody's word: several workers take what comes.
    let still = half_open.iter_mut().filter_map(|stream| {
        stream.set_nonblocking(true).unwrap();
        stream.read(&mut [0; 1]).err().filter(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    });
    let still = still.count();
    assert!(still <= 64, "{still} are open, and the first ended after {after:?}");
    assert!(still >= 32 || all_open.elapsed() >= TOO_LONG, "{still} are open after {:?}", all_open.elapsed());
}
