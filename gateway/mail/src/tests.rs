use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use super::*;
use crate::mailer::Waits;

/// What a server does.
#[derive(Clone)]
struct Server {
    tls: Option<TlsAcceptor>,
    implicit: bool,
    offers: &'static str,
    /// Said in clear right behind the agreement to TLS.
    injects: &'static str,
    rcpt: &'static str,
    auth: &'static str,
    greeting: &'static str,
    mail: &'static str,
    /// Its answer to the whole letter; empty: none.
    end: &'static str,
    /// Its answer to a farewell; empty: none.
    quit: &'static str,
}

const TAKES: Server = Server {
    tls: None,
    implicit: false,
    offers: "",
    injects: "",
    rcpt: "250 ok",
    auth: "235 welcome",
    greeting: "220 here",
    mail: "250 ok",
    end: "250 taken",
    quit: "221 bye",
};

/// What it heard: commands and letters.
type Heard = Arc<std::sync::Mutex<Vec<String>>>;

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(stream: S, server: &Server, heard: &Heard, greets: bool) -> Option<S> {
    let mut stream = BufReader::new(stream);
    if greets {
        stream.write_all(format!("{}\r\n", server.greeting).as_bytes()).await.ok()?;
    }
    let mut letter = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        heard.lock().unwrap().push(line.trim_end().to_owned());
        let answer = match line.trim_end() {
            "." if letter => {
                letter = false;
                server.end.to_owned()
            }
            _ if letter => continue,
            "DATA" => {
                letter = true;
                "354 go on".to_owned()
            }
            "STARTTLS" => {
                let agreed = format!("220 go on\r\n{}", server.injects);
                stream.write_all(agreed.as_bytes()).await.ok()?;
                return Some(stream.into_inner());
            }
            "QUIT" => server.quit.to_owned(),
            line if line.starts_with("EHLO") => format!("250-here\r\n250-AUTH PLAIN LOGIN\r\n250 {}", server.offers),
            line if line.starts_with("AUTH") => server.auth.to_owned(),
            line if line.starts_with("MAIL") => server.mail.to_owned(),
            line if line.starts_with("RCPT") => server.rcpt.to_owned(),
            _ => "250 ok".to_owned(),
        };
        if answer.is_empty() {
            continue;
        }
        stream.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
    }
}

async fn serve(server: Server) -> (u16, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Heard::default();
    let hears = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (server, hears) = (server.clone(), Arc::clone(&hears));
            tokio::spawn(async move {
                let upgrade = async |stream: TcpStream| server.tls.as_ref()?.accept(stream).await.ok();
                if server.implicit {
                    let stream = upgrade(stream).await?;
                    talk(stream, &server, &hears, true).await;
                } else if let Some(stream) = talk(stream, &server, &hears, true).await {
                    hears.lock().unwrap().push("(TLS)".to_owned());
                    let stream = upgrade(stream).await?;
                    talk(stream, &Server { offers: "", ..server.clone() }, &hears, false).await;
                }
                Some(())
            });
        }
    });
    (port, heard)
}

/// Who a server proves to be, and the root by which.
fn certified(name: &str) -> (TlsAcceptor, Vec<u8>) {
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    (TlsAcceptor::from(Arc::new(config)), cert.pem().into_bytes())
}

fn settings(port: u16, tls: MailTls, root: Option<Vec<u8>>) -> MailSettings {
    let from = "Allod <allod@home.example>".parse().unwrap();
    MailSettings { host: "127.0.0.1".to_owned(), port, tls, login: None, from, root }
}

fn letter() -> Letter {
    Letter {
        id: "abc.1".to_owned(),
        to: "alice@example.org".to_owned(),
        subject: "Ein Grüß".to_owned(),
        text: "Hello.\n.\nBye.".to_owned(),
    }
}

async fn send(settings: MailSettings) -> Result<(), MailError> {
    Mailer::new(settings, "home.example").unwrap().send(&letter()).await
}

fn has(heard: &Heard, what: &str) -> bool {
    heard.lock().unwrap().iter().any(|line| line.contains(what))
}

#[tokio::test]
async fn a_letter_is_handed_over_in_clear_to_this_machine_and_holds_what_it_should() {
    let (port, heard) = serve(TAKES).await;
    send(settings(port, MailTls::Off, None)).await.unwrap();
    for line in [
        "EHLO home.example",
        "MAIL FROM:<allod@home.example>",
        "RCPT TO:<alice@example.org>",
        "Message-ID: <abc.1@home.example>",
        "Auto-Submitted: auto-generated",
        "Subject: Ein =?utf-8?",
    ] {
        assert!(has(&heard, line), "{line}: {heard:?}");
    }
    // A dot by itself ends no letter before its end.
    assert!(heard.lock().unwrap().iter().any(|line| line == ".." || line == "=2E"), "{heard:?}");
    assert!(has(&heard, "Bye."));
}

#[tokio::test]
async fn with_tls_the_name_of_the_server_counts_and_nothing_is_said_before() {
    let (tls, root) = certified("127.0.0.1");
    let server = Server { tls: Some(tls), offers: "STARTTLS", ..TAKES };
    for (wants, implicit) in [(MailTls::StartTls, false), (MailTls::Implicit, true)] {
        let (port, heard) = serve(Server { implicit, ..server.clone() }).await;
        let mut with = settings(port, wants, Some(root.clone()));
        with.login = Some(("node".to_owned(), Zeroizing::new("secret".to_owned())));
        send(with.clone()).await.unwrap_or_else(|error| panic!("{wants:?}: {error}"));
        let all = heard.lock().unwrap().clone();
        assert!(has(&heard, "AUTH PLAIN") && has(&heard, "RCPT TO"), "{all:?}");
        if !implicit {
            let at = |what: &str| all.iter().position(|line| line.contains(what)).unwrap();
            assert!(at("(TLS)") < at("AUTH PLAIN"), "{all:?}");
        }
        // Nobody vouches for it.
        heard.lock().unwrap().clear();
        with.root = None;
        let refused = send(with.clone()).await.unwrap_err();
        assert!(matches!(refused, MailError::Tls(..) | MailError::Unreachable(..)), "{refused:?}");
        // Another name.
        let (_, other) = certified("other.example");
        with.root = Some(other);
        assert!(send(with).await.is_err());
        assert!(!has(&heard, "AUTH") && !has(&heard, "RCPT"), "{heard:?}");
    }
}

#[tokio::test]
async fn a_server_that_offers_no_tls_or_slips_something_in_before_it_gets_nothing() {
    let (tls, root) = certified("127.0.0.1");
    let (port, heard) = serve(TAKES).await;
    let refused = send(settings(port, MailTls::StartTls, Some(root.clone()))).await.unwrap_err();
    assert!(matches!(refused, MailError::Tls(..)) && !refused.is_final(), "{refused:?}");
    assert!(!has(&heard, "MAIL FROM"));
    let injects = "250 ok\r\n250 ok\r\n250 ok\r\n354 go on\r\n250 taken\r\n";
    let server = Server { tls: Some(tls), offers: "STARTTLS", injects, ..TAKES };
    let (port, heard) = serve(server.clone()).await;
    let refused = send(settings(port, MailTls::StartTls, Some(root.clone()))).await.unwrap_err();
    assert!(matches!(refused, MailError::Tls(..)), "{refused:?}");
    assert!(!has(&heard, "MAIL FROM"));
    let (port, _) = serve(Server { injects: "", ..server }).await;
    send(settings(port, MailTls::StartTls, Some(root))).await.expect("control");
}

#[tokio::test]
async fn what_a_server_refuses_is_told_apart() {
    for (rcpt, is_final) in [("550 <alice@example.org>: no such", true), ("451 later", false), ("250 ok", false)] {
        let (port, _) = serve(Server { rcpt, ..TAKES }).await;
        match send(settings(port, MailTls::Off, None)).await {
            Ok(()) => assert!(rcpt.starts_with("250")),
            Err(error) => {
                assert_eq!(error.is_final(), is_final, "{error:?}");
                let (short, code) = (error.in_short(), format!("({})", &rcpt[..3]));
                assert!(short.ends_with(&code) && !short.contains("alice"), "{short}");
            }
        }
    }
    let (port, _) = serve(Server { auth: "535 no", ..TAKES }).await;
    let mut with = settings(port, MailTls::Off, None);
    with.login = Some(("node".to_owned(), Zeroizing::new("secret".to_owned())));
    let refused = send(with).await.unwrap_err();
    assert!(matches!(refused, MailError::Login(..)) && !refused.is_final(), "{refused:?}");
    assert!(!refused.to_string().contains("secret"));
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let refused = send(settings(gone, MailTls::Off, None)).await.unwrap_err();
    assert!(matches!(refused, MailError::Unreachable(..)), "{refused:?}");
}

#[tokio::test]
async fn what_says_nothing_of_a_letter_throws_none_away() {
    type Is = fn(&MailError) -> bool;
    let (login, later, refused): (Is, Is, Is) = (
        |error| matches!(error, MailError::Login(..)),
        |error| matches!(error, MailError::Later(..)),
        |error| matches!(error, MailError::Refused(..)),
    );
    for (server, is) in [
        (Server { greeting: "554 no", ..TAKES }, login),
        (Server { mail: "530 5.7.0 sign in first", ..TAKES }, login),
        (Server { mail: "553 5.7.1 not your sender", ..TAKES }, login),
        (Server { mail: "550 no", ..TAKES }, login),
        (Server { mail: "451 later", ..TAKES }, later),
        (Server { rcpt: "530 sign in first", ..TAKES }, login),
        (Server { rcpt: "554 5.7.1 relay access denied", ..TAKES }, later),
        (Server { rcpt: "550 5.1.8 no such sender", ..TAKES }, later),
        (Server { rcpt: "503 bad sequence", ..TAKES }, later),
        (Server { rcpt: "550 5.1.1 nobody here", ..TAKES }, refused),
        (Server { end: "451 later", ..TAKES }, later),
        (Server { end: "550 5.7.1 policy", ..TAKES }, later),
        (Server { end: "552 too large", ..TAKES }, refused),
    ] {
        let said = (server.greeting, server.mail, server.rcpt, server.end);
        let (port, _) = serve(server).await;
        let error = send(settings(port, MailTls::Off, None)).await.unwrap_err();
        assert!(is(&error) && error.is_final() == matches!(error, MailError::Refused(..)), "{said:?}: {error:?}");
    }
    let mailer = Mailer::new(settings(25, MailTls::Off, None), "nas_box.example");
    assert!(mailer.is_err(), "every letter would be malformed");
}

#[tokio::test]
async fn a_letter_that_was_taken_is_sent_whatever_becomes_of_the_farewell() {
    let (port, heard) = serve(Server { quit: "", ..TAKES }).await;
    send(settings(port, MailTls::Off, None)).await.unwrap();
    assert!(has(&heard, "QUIT"), "{heard:?}");
    let (port, _) = serve(Server { quit: "", rcpt: "550 5.1.1 nobody here", ..TAKES }).await;
    let refused = send(settings(port, MailTls::Off, None)).await.unwrap_err();
    assert!(matches!(refused, MailError::Refused(..)), "{refused:?}");
}

#[tokio::test]
async fn a_server_may_look_at_a_letter_for_minutes_and_whatever_it_hangs_at_holds_that_letter_alone() {
    let hangs = async |server: Server, hurry: fn(&mut Waits)| {
        let (port, _) = serve(server).await;
        let mut mailer = Mailer::new(settings(port, MailTls::Off, None), "home.example").unwrap();
        assert!(mailer.waits.look >= Duration::from_secs(600) && mailer.waits.farewell <= Duration::from_secs(5));
        hurry(&mut mailer.waits);
        mailer.send(&letter()).await.unwrap_err()
    };
    const SOON: Duration = Duration::from_millis(200);
    let late = hangs(Server { end: "", ..TAKES }, |waits| waits.look = SOON).await;
    assert!(matches!(late, MailError::Later(..)), "{late:?}");
    let late = hangs(Server { rcpt: "", ..TAKES }, |waits| waits.announce = SOON).await;
    assert!(matches!(late, MailError::Later(..)), "{late:?}");
    let late = hangs(Server { mail: "", ..TAKES }, |waits| waits.begin = SOON).await;
    assert!(matches!(late, MailError::Unreachable(..)), "all others would only hear the same: {late:?}");
}

#[tokio::test]
async fn a_line_without_an_end_is_not_read_to_its_end() {
    for (one, many) in [("x", 3 << 10), ("220-x\r\n", 100 << 10)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let text = one.repeat(many / one.len());
            let _ = stream.write_all(text.as_bytes()).await;
            // It waits for more until the other has gone.
            let mut heard = String::new();
            let _ = BufReader::new(stream).read_line(&mut heard).await;
            heard
        });
        let refused = send(settings(port, MailTls::Off, None)).await.unwrap_err();
        let told = refused.to_string();
        assert!(!refused.is_final() && (told.contains("more than") || told.contains("too large")), "{refused:?}");
        assert_eq!(server.await.unwrap(), "", "it was not answered");
    }
    let (port, _) = serve(Server { greeting: concat!("220-here\r\n220-are\r\n", "220 rules"), ..TAKES }).await;
    send(settings(port, MailTls::Off, None)).await.expect("control");
}

#[tokio::test]
async fn nothing_of_a_letter_becomes_a_header_or_a_command() {
    let (port, heard) = serve(TAKES).await;
    let mailer = Mailer::new(settings(port, MailTls::Off, None), "home.example").unwrap();
    for wrong in [
        Letter { subject: "a\r\nBcc: eve@example.org".to_owned(), ..letter() },
        Letter { subject: "a\nb".to_owned(), ..letter() },
        Letter { to: "alice@example.org>\r\nRCPT TO:<eve@example.org".to_owned(), ..letter() },
        Letter { to: "alice@example.org\0".to_owned(), ..letter() },
        Letter { to: "alice@example.org, eve@example.org".to_owned(), ..letter() },
        Letter { to: "alice".to_owned(), ..letter() },
        Letter { id: "a>\r\nBcc: eve@example.org".to_owned(), ..letter() },
    ] {
        assert_eq!(mailer.send(&wrong).await, Err(MailError::Malformed), "{wrong:?}");
    }
    assert!(!has(&heard, "eve"));
    mailer.send(&Letter { text: "\r\n.\r\nRCPT TO:<eve@example.org>\r\n".to_owned(), ..letter() }).await.unwrap();
    assert_eq!(heard.lock().unwrap().iter().filter(|line| line.starts_with("RCPT TO:<alice")).count(), 1);
}

#[test]
fn settings_that_do_not_fit_are_told() {
    let good = settings(25, MailTls::Off, None);
    good.look_at().unwrap();
    for host in ["127.0.0.1", "::1", "[::1]", "localhost"] {
        MailSettings { host: host.to_owned(), ..good.clone() }.look_at().unwrap();
    }
    for host in ["", "smtp.example.org", "10.0.0.1", "127.0.0.1.example.org", "a b", "a\nb"] {
        let wrong = MailSettings { host: host.to_owned(), ..good.clone() };
        assert!(wrong.look_at().is_err(), "{host:?}");
    }
    let far = MailSettings { host: "smtp.example.org".to_owned(), tls: MailTls::StartTls, ..good.clone() };
    far.look_at().unwrap();
    assert!(MailSettings { root: Some(b"nothing".to_vec()), ..far.clone() }.look_at().is_err());
    assert!(MailSettings { port: 0, ..far }.look_at().is_err());
    for text in ["a@example.org", "Allod <a@example.org>", "\"Our, house\" <a@example.org>"] {
        text.parse::<Sender>().unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    for text in ["", "a", "a@", "a@example.org\r\nBcc: x@example.org", "a@example.org, b@example.org"] {
        assert!(text.parse::<Sender>().is_err(), "{text:?}");
    }
    assert_eq!("starttls".parse(), Ok(MailTls::StartTls));
    assert!("tls".parse::<MailTls>().is_err());
}
