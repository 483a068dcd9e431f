//! What the app would see first, as the page shows it.

use std::fmt::Write;

use super::super::page::escape;
use super::super::words::Words;
use crate::node::{Preview, PreviewContent, TypePreview};

/// What there is to show.
pub(super) enum PreviewPane {
    /// Nothing is ticked.
    Nothing,
    /// Something of what was chosen is wrong.
    Unclear,
    /// It cannot be told now.
    Unavailable,
    Rows(Preview),
}

impl PreviewPane {
    pub(super) fn html(&self, words: Words) -> String {
        let plain = |text: &str| format!("<p class=\"soft\">{}</p>\n", escape(text));
        match self {
            PreviewPane::Nothing => plain(words.seen_nothing_ticked()),
            PreviewPane::Unclear => plain(words.seen_after_correction()),
            PreviewPane::Unavailable => format!("<p class=\"soft\" data-untold>{}</p>\n", escape(words.seen_not_now())),
            PreviewPane::Rows(Preview { types, types_left }) => {
                let mut html = plain(words.your_first_rows());
                types.iter().for_each(|one| type_preview(&mut html, one, words));
                if *types_left > 0 {
                    html.push_str(&plain(&words.further_types(*types_left)));
                }
                html
            }
        }
    }
}

fn type_preview(html: &mut String, shown: &TypePreview, words: Words) {
    let kind = &shown.collection;
    let plain = |html: &mut String, text: &str| _ = writeln!(html, "<p>{}</p>", escape(text));
    if shown.versions && !matches!(shown.shows, PreviewContent::Rows { .. }) {
        // What can be done without it is no news then.
        plain(html, &words.seen_versions(kind));
        return;
    }
    match &shown.shows {
        PreviewContent::Nothing => plain(html, &words.seen_nothing(kind)),
        PreviewContent::Named => plain(html, &words.seen_by_name(kind)),
        PreviewContent::Large => plain(html, &words.seen_too_large(kind)),
        PreviewContent::Rows { fields, .. } if fields.is_empty() => plain(html, &words.seen_no_fields(kind)),
        PreviewContent::Rows { rows, .. } if rows.is_empty() => plain(html, &words.seen_no_rows(kind)),
        PreviewContent::Rows { fields, fields_left, rows, more } => {
            let kind = escape(kind);
            let _ = write!(
                html,
                "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{kind}\">\n<table>\n<caption>{kind}</caption>\n<tr>"
            );
            fields.iter().for_each(|field| _ = write!(html, "<th scope=\"col\">{}</th>", escape(field)));
            html.push_str("</tr>\n");
            for row in rows {
                html.push_str("<tr>");
                for cell in row {
                    let _ = match cell {
                        Some(text) => write!(html, "<td>{}</td>", escape(text)),
                        None => write!(html, "<td class=\"soft\"><i>{}</i></td>", words.not_shown()),
                    };
                }
                html.push_str("</tr>\n");
            }
            html.push_str("</table>\n</div>\n");
            let further = (*fields_left > 0).then(|| words.further_fields(*fields_left));
            let notes: Vec<String> = further.into_iter().chain(more.then(|| words.seen_more().to_owned())).collect();
            if !notes.is_empty() {
                let _ = writeln!(html, "<p class=\"soft\">{}</p>", notes.join(" "));
            }
        }
    }
    if shown.versions {
        plain(html, &words.seen_versions_too(kind));
    }
}
