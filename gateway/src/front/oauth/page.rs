//! Pages: HTML with the headers that keep scripts, frames and other sites out.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use url::Url;

/// Text as it stands in HTML, in content and in quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Marks that turn the direction of writing could make a sentence read as another.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => {}
            c => out.push(c),
        }
    }
    out
}

/// A page. `body` is HTML; `sends_to` is the app's redirect address, if a form on the page may end there.
pub(crate) fn page(status: StatusCode, title: &str, body: &str, sends_to: Option<&str>) -> HttpResponse {
    built(status, title, body, sends_to, "")
}

/// A page that is as broad as the window lets it: for tables.
pub(crate) fn wide_page(status: StatusCode, title: &str, body: &str) -> HttpResponse {
    built(status, title, body, None, " class=\"wide\"")
}

fn built(status: StatusCode, title: &str, body: &str, sends_to: Option<&str>, class: &str) -> HttpResponse {
    let mut form_action = "'self'".to_owned();
    if let Some(source) = sends_to.and_then(source_of) {
        form_action.push(' ');
        form_action.push_str(&source);
    }
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action {form_action}; frame-ancestors 'none'; base-uri 'none'"
    );
    let title = escape(title);
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title} · Allod</title>\n\
         <link rel=\"stylesheet\" href=\"/oauth/style.css\">\n</head>\n<body{class}>\n<p class=\"mark\">Allod</p>\n\
         <main>\n<h1>{title}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    );
    HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((X_FRAME_OPTIONS, "DENY"))
        // Not `no-referrer`: the forms' own requests must carry their origin.
        .insert_header((REFERRER_POLICY, "same-origin"))
        .insert_header((HeaderName::from_static("cross-origin-opener-policy"), "same-origin"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(html)
}

/// The source expression of a redirect address: its origin, or the scheme that the app owns.
fn source_of(redirect_uri: &str) -> Option<String> {
    let uri = Url::parse(redirect_uri).ok()?;
    match uri.scheme() {
        "http" | "https" => Some(uri.origin().ascii_serialization()),
        own => Some(format!("{own}:")),
    }
}

/// A page that only says something.
pub(crate) fn notice(status: StatusCode, title: &str, text: &str) -> HttpResponse {
    page(status, title, &format!("<p>{}</p>", escape(text)), None)
}

/// What went wrong with a form, above it.
pub(super) fn alert(text: Option<&str>) -> String {
    text.map(|text| format!("<p class=\"alert\" id=\"wrong\" role=\"alert\">{}</p>\n", escape(text)))
        .unwrap_or_default()
}

/// A field that the person does not see.
pub(super) fn hidden(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">\n", escape(name), escape(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_can_become_markup() {
        assert_eq!(escape("<a href=\"x\" id='y'>&"), "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;");
        assert_eq!(escape("a\u{202e}b"), "ab");
        assert_eq!(source_of("https://app.example:8443/cb?x=1").unwrap(), "https://app.example:8443");
        assert_eq!(source_of("org.example.app:/cb").unwrap(), "org.example.app:");
    }
}
