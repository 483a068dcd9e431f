//! Pages: HTML with the headers that keep scripts, frames and other sites out.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use gateway_people::language::Language;
use url::Url;

use super::speech;
use super::words::words;
use crate::grants::turns_text;

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
            // They could make a sentence read as another.
            c if turns_text(c) => {}
            c => out.push(c),
        }
    }
    out
}

/// Text as the value of a control: all of it, as it comes back.
pub(super) fn attribute(text: &str) -> String {
    let part = |part: &str| {
        let left_out = part.chars().next_back().filter(|c| turns_text(*c));
        escape(part) + &left_out.map(|c| format!("&#{};", u32::from(c))).unwrap_or_default()
    };
    text.split_inclusive(turns_text).map(part).collect()
}

/// A text of which what stands between quotation marks is somebody else's, and marked: it turns no writing around it.
pub(super) fn quoted(text: &str, language: Language) -> String {
    let (open, close) = match language {
        Language::English => ('“', '”'),
        Language::German => ('„', '“'),
    };
    let (mut out, mut within, mut marked) = (String::new(), false, false);
    for c in escape(text).chars() {
        let ends = within && c == close && !marked;
        if ends {
            out.push_str("</bdi>");
        }
        out.push(c);
        if !within && c == open {
            out.push_str("<bdi>");
            within = true;
        } else if ends {
            within = false;
        }
        marked = within && c == '\\' && !marked;
    }
    if within {
        out.push_str("</bdi>");
    }
    out
}

/// A page. `body` is HTML; `sends_to` is the app's redirect address, if a form on the page may end there.
pub(crate) fn page(status: StatusCode, title: &str, body: &str, sends_to: Option<&str>) -> HttpResponse {
    built(status, title, body, &Built { sends_to, ..Built::default() })
}

/// A page on which a script of the node runs, which asks the node alone.
pub(super) fn scripted_page(
    status: StatusCode,
    title: &str,
    body: &str,
    sends_to: Option<&str>,
    script: &'static str,
) -> HttpResponse {
    built(status, title, body, &Built { sends_to, script: Some(script), ..Built::default() })
}

/// A page that is as broad as the window lets it: for tables.
pub(crate) fn wide_page(status: StatusCode, title: &str, body: &str) -> HttpResponse {
    built(status, title, body, &Built { class: " class=\"wide\"", ..Built::default() })
}

/// What differs between pages.
#[derive(Default)]
struct Built<'a> {
    /// The app's redirect address, if a form on the page may end there.
    sends_to: Option<&'a str>,
    class: &'static str,
    /// The address of a script of the node.
    script: Option<&'static str>,
}

fn built(status: StatusCode, title: &str, body: &str, page: &Built<'_>) -> HttpResponse {
    let class = page.class;
    let mut form_action = "'self'".to_owned();
    if let Some(source) = page.sends_to.and_then(source_of) {
        form_action.push(' ');
        form_action.push_str(&source);
    }
    let scripts = if page.script.is_some() { " script-src 'self'; connect-src 'self';" } else { "" };
    let policy = format!(
        "default-src 'none'; style-src 'self';{scripts} form-action {form_action}; frame-ancestors 'none'; base-uri 'none'"
    );
    let script = page.script.map(|script| format!("<script src=\"{script}\" defer></script>\n")).unwrap_or_default();
    // What a wrong address says is not said again.
    let tongues = tongues(body, speech::here().filter(|_| status.is_success()));
    let body = speaking(body);
    let (title, lang) = (escape(title), speech::language().tag());
    let html = format!(
        "<!doctype html>\n<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title} · Allod</title>\n\
         <link rel=\"stylesheet\" href=\"/oauth/style.css\">\n{script}</head>\n<body{class}>\n<p class=\"mark\">Allod</p>\n\
         <main>\n<h1>{title}</h1>\n{body}\n</main>\n{tongues}</body>\n</html>\n"
    );
    let mut answer = HttpResponse::build(status);
    if let Some(cookie) = speech::cookie() {
        answer.cookie(cookie);
    }
    answer
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

/// The form of a page that can be shown again in another language has this id.
pub(super) const FORM: &str = "page";

/// The page's form, if it has one, says in which language it speaks.
fn speaking(body: &str) -> String {
    let start = format!("<form id=\"{FORM}\"");
    let inside = body.find(&start).and_then(|at| Some(at + body[at..].find('>')? + 1));
    match inside {
        Some(at) => [&body[..at], hidden(speech::SPEAKS, speech::language().tag()).as_str(), &body[at..]].concat(),
        None => body.to_owned(),
    }
}

/// The choice of a language: by address where that shows the same page, else by the page's form, which keeps all that is
/// filled in. Where neither does, there is none.
fn tongues(body: &str, here: Option<String>) -> String {
    if here.is_none() && !body.contains(&format!("<form id=\"{FORM}\"")) {
        return String::new();
    }
    let one = |language: Language| {
        let (tag, name, field) = (language.tag(), language.name(), speech::CHOICE);
        if language == speech::language() {
            return format!("<span lang=\"{tag}\" aria-current=\"true\">{name}</span>\n");
        }
        match &here {
            Some(here) => format!("<a href=\"{}{tag}\" hreflang=\"{tag}\" lang=\"{tag}\">{name}</a>\n", escape(here)),
            None => format!(
                "<button type=\"submit\" form=\"{FORM}\" name=\"{field}\" value=\"{tag}\" lang=\"{tag}\" class=\"link\" formnovalidate>{name}</button>\n"
            ),
        }
    };
    let all: String = Language::ALL.into_iter().map(one).collect();
    format!("<nav class=\"tongues\" aria-label=\"{}\">\n{all}</nav>\n", words().your_language())
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
    format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">\n", escape(name), attribute(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_quotation_marks_turns_nothing_around_it() {
        let of = |text| quoted(text, Language::English);
        assert_eq!(of("tag is “<x>” and b"), "tag is “<bdi>&lt;x&gt;</bdi>” and b");
        assert_eq!(of(r"a is “x\” and y” and c is “z”"), r"a is “<bdi>x\” and y</bdi>” and c is “<bdi>z</bdi>”");
        assert_eq!(of(r"a is “x\\” and"), r"a is “<bdi>x\\</bdi>” and");
        assert_eq!(of("“open"), "“<bdi>open</bdi>");
        assert_eq!(quoted("„a\\“b“ ist", Language::German), "„<bdi>a\\“b</bdi>“ ist");
    }

    #[test]
    fn nothing_that_is_shown_can_become_markup() {
        assert_eq!(escape("<a href=\"x\" id='y'>&"), "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;");
        assert_eq!(escape("a\u{202e}b\u{200b}c\u{61c}d\u{2028}e\u{feff}"), "abcde");
        assert_eq!(escape("\u{200d}\u{200c}"), "\u{200d}\u{200c}", "what joins letters stays");
        assert_eq!(attribute("<a\u{200f}b\u{feff}"), "&lt;a&#8207;b&#65279;", "all of it comes back");
        assert_eq!(source_of("https://app.example:8443/cb?x=1").unwrap(), "https://app.example:8443");
        assert_eq!(source_of("org.example.app:/cb").unwrap(), "org.example.app:");
    }
}
