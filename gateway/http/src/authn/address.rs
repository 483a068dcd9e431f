//! The address that a request comes from.

use std::net::IpAddr;

use actix_web::http::header::USER_AGENT;
use actix_web::{HttpMessage as _, HttpRequest};
use serde_json::{Value, json};

use gateway_people::directory::Network;
use vault::shares::Payer;

/// In a request's extensions, if proxies of ours stand before the node: the address that they name.
#[derive(Debug, Clone, Copy)]
pub struct CameFrom(pub IpAddr);

/// Behind proxies of ours what they say, else whoever holds the other end of the connection.
pub fn address(req: &HttpRequest) -> Option<IpAddr> {
    let found = req.extensions().get::<CameFrom>().map(|from| from.0);
    found.or_else(|| req.peer_addr().map(|peer| peer.ip()))
}

/// The network that a request comes from, as text; empty, if it comes from none.
pub fn network(req: &HttpRequest) -> String {
    address(req).map(|address| Network::of(address).to_string()).unwrap_or_default()
}

/// Whom a request is charged to whose sender is not known.
pub fn stranger(req: &HttpRequest) -> Payer {
    Payer::Stranger(vault::shares::Network(address(req).map_or(0, |address| Network::of(address).number())))
}

/// The most that is kept of what a client calls itself, in letters.
const AGENT: usize = 200;

/// What a client calls itself. Anybody can write it: it is cut, and holds nothing that would end a line.
pub fn agent(req: &HttpRequest) -> Option<String> {
    let said = req.headers().get(USER_AGENT)?.to_str().ok()?;
    Some(said.chars().filter(|letter| !letter.is_control()).take(AGENT).collect())
}

/// Where a request comes from, for the audit of whom it concerns.
pub fn whence(req: &HttpRequest) -> Value {
    json!({ "from": address(req).map(|ip| ip.to_canonical().to_string()), "agent": agent(req) })
}

/// What browsers call themselves, by the word that only they say: many say each other's.
const BROWSERS: [(&str, &str); 8] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
const SYSTEMS: [(&str, &str); 7] = [
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];
/// The longest name of a program, in letters.
const PROGRAM: usize = 32;

/// The browser or program that sent a request, by a name that people know it by: of a browser that and the system, of
/// anything else the first word, without its version.
pub fn product(req: &HttpRequest) -> Option<String> {
    named(req.headers().get(USER_AGENT)?.to_str().ok()?)
}

fn named(agent: &str) -> Option<String> {
    let first = |known: &[(&str, &'static str)]| known.iter().find(|(word, _)| agent.contains(word)).map(|one| one.1);
    match (first(&BROWSERS), first(&SYSTEMS)) {
        (Some(browser), Some(system)) => Some(format!("{browser} on {system}")),
        (Some(browser), None) => Some(browser.to_owned()),
        (None, _) => {
            let plain = |letter: &char| letter.is_ascii_alphanumeric() || "._-".contains(*letter);
            let word: String = agent.chars().take_while(plain).take(PROGRAM).collect();
            (!word.is_empty()).then_some(word)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn browsers_are_told_by_their_names_and_programs_by_their_first_word() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";
        let edge = format!("{chrome} Edg/130.0.0.0");
        let safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";
        for (agent, name) in [
            (firefox, Some("Firefox on Linux")),
            (chrome, Some("Chrome on Windows")),
            (edge.as_str(), Some("Edge on Windows")),
            (safari, Some("Safari on iOS")),
            ("curl/8.5.0", Some("curl")),
            ("allod/0.4.0", Some("allod")),
            ("", None),
            ("<script>alert(1)</script>", None),
            ("my\u{202e}app", Some("my")),
        ] {
            assert_eq!(named(agent).as_deref(), name, "{agent}");
        }
        assert_eq!(named(&"x".repeat(5_000)).unwrap().len(), 32);
    }
}
