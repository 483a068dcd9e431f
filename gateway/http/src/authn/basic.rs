//! App passwords: Basic (RFC 7617), for tools that can do nothing else. Only a front that says so in its terms takes them.

use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpMessage as _, HttpRequest};
use zeroize::Zeroizing;

use super::address::{address, agent};
use super::header::only;
use gateway_people::directory::{DirectoryError, Token};
use gateway_people::principal::AuthError;
use gateway_people::realm::Realm;

/// The longest that is looked at, in bytes of base64.
const MAX_CREDENTIALS_BYTES: usize = 2_048;

/// In the extensions of a request whose app password was looked at and opens nothing: it is looked at once, and waits once.
#[derive(Clone, Copy)]
enum Refused {
    Wrong,
    Busy,
}

impl From<Refused> for AuthError {
    fn from(refused: Refused) -> AuthError {
        match refused {
            Refused::Wrong => AuthError::AppPassword,
            Refused::Busy => AuthError::Directory(DirectoryError::Busy),
        }
    }
}

/// The token of the app password that `req` carries; `None` if it carries none.
///
/// # Errors
/// [`AuthError::AppPassword`] whatever is wrong with it.
pub(super) async fn token(req: &HttpRequest, node: &dyn Realm) -> Result<Option<Token>, AuthError> {
    let Some(sent) = basic(req) else { return Ok(None) };
    if let Some(refused) = req.extensions().get::<Refused>() {
        return Err((*refused).into());
    }
    let refuse = |refused: Refused| {
        req.extensions_mut().insert(refused);
        refused.into()
    };
    let found = match read(sent) {
        Some(text) => {
            // Neither what names a person nor what the node draws has a colon.
            let (name, password) = text.split_once(':').unwrap_or((&text, ""));
            match node.directory().app_password(name, password, address(req), agent(req), node.now()).await {
                Err(DirectoryError::Busy) => return Err(refuse(Refused::Busy)),
                found => found?,
            }
        }
        None => None,
    };
    found.map(Some).ok_or_else(|| refuse(Refused::Wrong))
}

/// What follows the word `Basic`.
fn basic(req: &HttpRequest) -> Option<&str> {
    let (scheme, sent) = only(req, &AUTHORIZATION).ok()??.split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then(|| sent.trim())
}

fn read(sent: &str) -> Option<Zeroizing<String>> {
    if sent.len() > MAX_CREDENTIALS_BYTES {
        return None;
    }
    let bytes = data_encoding::BASE64.decode(sent.as_bytes()).ok()?;
    String::from_utf8(bytes).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_one_header_of_the_scheme_is_read_and_only_text() {
        let of = |value: &str| {
            let request = TestRequest::default().insert_header(("authorization", value.to_owned())).to_http_request();
            basic(&request).and_then(read).map(|text| text.to_string())
        };
        // RFC 7617, sections 2 and 2.1.
        assert_eq!(of("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==").as_deref(), Some("Aladdin:open sesame"));
        assert_eq!(of("bAsIc dGVzdDoxMjPCow==").as_deref(), Some("test:123£"));
        for bad in
            ["Basic", "Basic ", "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Basic QWxh*", "Basic /////w==", "Basic QQ"]
        {
            assert!(of(bad).is_none_or(|text| text.is_empty()), "{bad}");
        }
        assert_eq!(of(&format!("Basic {}", "QUFB".repeat(1_000))), None, "too long");
        let two = TestRequest::default()
            .append_header(("authorization", "Basic QTpi"))
            .append_header(("authorization", "Basic QTpi"))
            .to_http_request();
        assert!(basic(&two).is_none());
    }
}
