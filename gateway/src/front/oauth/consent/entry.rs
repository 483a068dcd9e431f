//! One entry of what an app asks, with all that the person may take away from it.

use std::fmt::Write;

use policy_core::{Timestamp, Verb};
use vault_core::schema::Schema;

use super::super::form::Fields;
use super::super::page::{attribute, escape, hidden, quoted};
use super::super::words::Words;
use super::choices::{
    BY_ITSELF, Comparand, End, MAX_DOCUMENTS, day_control, days, document_control, end_control, field_control, filters,
    named_control, offered, rows_control, test_control, value_control, verb_control,
};
use crate::grants::{Access, date, marked};

/// What an entry is shown with.
pub(super) struct EntryForm<'a> {
    /// Which one, of how many.
    pub(super) at: (usize, usize),
    pub(super) asked: &'a Access,
    /// What it would give as chosen.
    pub(super) sentences: &'a [String],
    /// The form as it was sent, or as it is first.
    pub(super) sent: &'a Fields,
    pub(super) schema: &'a Schema,
    /// The control at which something is wrong, and one goes on.
    pub(super) wrong: Option<&'a str>,
    pub(super) now: Timestamp,
    pub(super) words: Words,
}

impl EntryForm<'_> {
    pub(super) fn html(&self) -> String {
        let (at, asked, words) = (self.at.0, self.asked, self.words);
        let mut html = format!("<fieldset>\n<legend>{}</legend>\n", escape(&asked.datatypes.join(", ")));
        let _ = write!(
            html,
            "<div id=\"says-{at}\" data-live aria-live=\"polite\">\n{}</div>\n",
            paragraphs(self.sentences, words)
        );
        if let Some(purpose) = &asked.purpose {
            let _ = writeln!(html, "<p class=\"soft\">{}</p>", quoted(&words.says_why(marked(purpose)), words.0));
        }
        self.verbs(&mut html);
        self.fields(&mut html);
        self.documents(&mut html);
        self.rows(&mut html);
        self.rows_a_day(&mut html);
        self.end(&mut html);
        html.push_str("</fieldset>\n");
        html
    }

    /// What makes a control the one at which one goes on.
    fn mark(&self, control: &str) -> &'static str {
        if self.wrong == Some(control) { " autofocus aria-invalid=\"true\" aria-describedby=\"wrong\"" } else { "" }
    }

    fn verbs(&self, html: &mut String) {
        let (words, control) = (self.words, verb_control(self.at.0));
        let ticked: Vec<&str> = self.sent.all(&control).collect();
        let _ = write!(html, "<fieldset class=\"inner\">\n<legend>{}</legend>\n", words.what_it_may_do());
        for (nth, verb) in self.asked.verbs.iter().enumerate() {
            let note = match verb {
                Verb::Delete => Some(words.does_even_foreign()),
                Verb::History => Some(words.sees_the_past()),
                _ => None,
            };
            let note = note.map(|text| format!(" <span class=\"soft\">{text}</span>")).unwrap_or_default();
            let checked = if ticked.contains(&verb.word()) { " checked" } else { "" };
            let mark = if nth == 0 { self.mark(&control) } else { "" };
            let _ = writeln!(
                html,
                "<label class=\"tick\"><input type=\"checkbox\" name=\"{control}\" value=\"{}\"{checked}{mark}> <span>{}{note}</span></label>",
                verb.word(),
                words.does(verb),
            );
        }
        html.push_str("</fieldset>\n");
    }

    fn fields(&self, html: &mut String) {
        let (at, asked, words, control) = (self.at.0, self.asked, self.words, field_control(self.at.0));
        let ticked: std::collections::BTreeSet<&str> = self.sent.all(&control).collect();
        let _ = write!(html, "<fieldset class=\"inner\">\n<legend>{}</legend>\n", words.which_fields());
        let mut open = 0;
        for name in &asked.allow {
            let shown = escape(name);
            // A box that cannot be unticked sends nothing by itself: the hidden field does.
            let _ = if asked.required.contains(name) {
                write!(
                    html,
                    "<label class=\"tick\"><input type=\"checkbox\" checked disabled> <span>{shown} <span class=\"soft\">{}</span></span></label>\n{}",
                    words.app_needs_it(),
                    hidden(&control, name)
                )
            } else {
                let checked = if ticked.contains(name.as_str()) { " checked" } else { "" };
                let mark = if open == 0 { self.mark(&control) } else { "" };
                open += 1;
                writeln!(
                    html,
                    "<label class=\"tick\"><input type=\"checkbox\" name=\"{control}\" value=\"{shown}\"{checked}{mark}> <span>{shown}</span></label>"
                )
            };
        }
        if open > 1 {
            let kinds = escape(&asked.datatypes.join(", "));
            let _ = writeln!(
                html,
                "<p><button type=\"submit\" name=\"all\" value=\"{at}\" class=\"link\">{}</button></p>",
                words.tick_all_fields(kinds)
            );
        }
        html.push_str("</fieldset>\n");
    }

    /// The documents that the app names, each of which can be taken away.
    fn documents(&self, html: &mut String) {
        let (words, control) = (self.words, document_control(self.at.0));
        let Some(named) = &self.asked.documents else { return };
        let ticked: std::collections::BTreeSet<&str> = self.sent.all(&control).collect();
        let _ = write!(html, "<fieldset class=\"inner\">\n<legend>{}</legend>\n", words.which_documents());
        for (nth, id) in named.iter().map(ToString::to_string).enumerate() {
            let checked = if ticked.contains(id.as_str()) { " checked" } else { "" };
            let mark = if nth == 0 { self.mark(&control) } else { "" };
            let _ = writeln!(
                html,
                "<label class=\"tick\"><input type=\"checkbox\" name=\"{control}\" value=\"{id}\"{checked}{mark}> <span>{id}</span></label>"
            );
        }
        html.push_str("</fieldset>\n");
    }

    /// Where the person names documents themselves: the app named none.
    fn named(&self, html: &mut String) {
        let (words, control) = (self.words, named_control(self.at.0));
        if self.asked.documents.is_some() {
            return;
        }
        let text = self.sent.get(&control).unwrap_or_default();
        let _ = writeln!(
            html,
            "<label for=\"{control}\">{}</label>\n<input id=\"{control}\" name=\"{control}\" type=\"text\" \
             autocapitalize=\"none\" spellcheck=\"false\" value=\"{}\" aria-describedby=\"{control}-help\"{}>\n\
             <p class=\"soft help\" id=\"{control}-help\">{}</p>",
            words.only_these(),
            attribute(text),
            self.mark(&control).replace(" aria-describedby=\"wrong\"", ""),
            words.only_these_help(MAX_DOCUMENTS),
        );
    }

    /// The row filter: a test and a value for each field, nothing to be spelt.
    fn rows(&self, html: &mut String) {
        let ((at, all), words) = (self.at, self.words);
        let fields = filters(self.asked, all, self.schema);
        if fields.is_empty() && self.asked.documents.is_some() {
            return;
        }
        let (tested, given) = (self.sent.beginning(&test_control(at, "")), self.sent.beginning(&value_control(at, "")));
        let named = self.sent.get(&named_control(at)).is_some();
        let open = if tested.is_empty() && given.is_empty() && !named { "" } else { " open" };
        let _ = write!(
            html,
            "<details{open}>\n<summary>{}</summary>\n<p class=\"soft\">{}</p>\n",
            words.only_some(),
            words.only_some_help()
        );
        for (field, kind) in fields {
            let (test, value) = (test_control(at, &field), value_control(at, &field));
            let kept = |of: &std::collections::BTreeMap<&str, Option<&str>>, name: &str| {
                of.get(name).copied().flatten().unwrap_or_default().to_owned()
            };
            let (chosen, text) = (kept(&tested, &test), kept(&given, &value));
            // A moment that is chosen here names no place on earth.
            let field = if kind == Comparand::Moment { words.in_utc(&field) } else { field };
            let shown = escape(&field);
            let option = |value: &str, said: &str, selected: bool| {
                let selected = if selected { " selected" } else { "" };
                format!("<option value=\"{value}\"{selected}>{said}</option>")
            };
            let mut tests = option("", words.any_value(), chosen.is_empty());
            for operator in kind.operators() {
                let word = operator.word();
                tests.push_str(&option(word, words.compares(*operator), chosen == word));
            }
            for (word, empty) in BY_ITSELF {
                let said = if empty { words.is_empty() } else { words.is_not_empty() };
                tests.push_str(&option(word, said, chosen == word));
            }
            let named = format!(" aria-label=\"{}\"", escape(&words.compared_with(&field)));
            let mark = self.mark(&value);
            let input = match kind {
                Comparand::Truth => {
                    let truths = option("", words.any_value(), text.is_empty())
                        + &option("yes", words.yes(), text == "yes")
                        + &option("no", words.no(), text == "no");
                    format!("<select name=\"{value}\"{named}{mark}>{truths}</select>")
                }
                kind => {
                    let how = match kind {
                        Comparand::Whole => "type=\"text\" inputmode=\"numeric\"",
                        Comparand::Number | Comparand::Single => "type=\"text\" inputmode=\"decimal\"",
                        Comparand::Moment => "type=\"datetime-local\" step=\"1\"",
                        _ => "type=\"text\" autocapitalize=\"none\" maxlength=\"1024\"",
                    };
                    format!(
                        "<input name=\"{value}\" {how} value=\"{}\" autocomplete=\"off\"{named}{mark}>",
                        attribute(&text)
                    )
                }
            };
            let _ = writeln!(
                html,
                "<div class=\"row\"><span class=\"name\">{shown}</span>\
                 <select name=\"{test}\" aria-label=\"{}\"{}>{tests}</select>{input}</div>",
                escape(&words.how_compared(&field)),
                self.mark(&test),
            );
        }
        self.named(html);
        html.push_str("</details>\n");
    }

    /// How many rows a day.
    fn rows_a_day(&self, html: &mut String) {
        let (words, control) = (self.words, rows_control(self.at.0));
        let help = match self.asked.rows_per_day {
            Some(most) => words.rows_a_day_asked(most),
            None => words.rows_a_day_help().to_owned(),
        };
        let _ = writeln!(
            html,
            "<label for=\"{control}\">{}</label>\n<input id=\"{control}\" name=\"{control}\" type=\"text\" \
             inputmode=\"numeric\" autocomplete=\"off\" value=\"{}\" aria-describedby=\"{control}-help\"{}>\n\
             <p class=\"soft help\" id=\"{control}-help\">{help}</p>",
            words.rows_a_day(),
            attribute(self.sent.get(&control).unwrap_or_default()),
            self.mark(&control).replace(" aria-describedby=\"wrong\"", ""),
        );
    }

    fn end(&self, html: &mut String) {
        let (at, asked, words) = (self.at.0, self.asked, self.words);
        let (end, day) = (end_control(at), day_control(at));
        let chosen = self.sent.get(&end).unwrap_or_default();
        let _ = write!(
            html,
            "<div class=\"pair\">\n<span><label for=\"{end}\">{}</label>\n<select id=\"{end}\" name=\"{end}\"{}>\n",
            words.how_long(),
            self.mark(&end)
        );
        for (value, offered) in offered(asked, self.now) {
            let said = match offered {
                End::Days(1) => words.for_a_day(),
                End::Days(30) => words.for_30_days(),
                End::Days(180) => words.for_180_days(),
                End::Days(_) => words.for_a_year(),
                End::Asked => words.as_the_app_asks(),
                End::Never => words.until_i_revoke(),
            };
            let selected = if value == chosen { " selected" } else { "" };
            let _ = writeln!(html, "<option value=\"{value}\"{selected}>{said}</option>");
        }
        let (first, last) = days(asked, self.now);
        let last = last.map(|last| format!(" max=\"{last}\"")).unwrap_or_default();
        let _ = write!(
            html,
            "</select></span>\n<span><label for=\"{day}\">{}</label>\n\
             <input id=\"{day}\" name=\"{day}\" type=\"date\" min=\"{first}\"{last} value=\"{}\" aria-describedby=\"{day}-help\"{}></span>\n</div>\n\
             <p class=\"soft help\" id=\"{day}-help\">{}",
            words.or_until_day(),
            attribute(self.sent.get(&day).unwrap_or_default()),
            self.mark(&day).replace(" aria-describedby=\"wrong\"", ""),
            words.day_counts(),
        );
        if let Some(most) = asked.duration {
            let _ = write!(html, " {}", words.asks_until(date(words.0, most.after(self.now))));
        }
        html.push_str("</p>\n");
    }
}

/// What an entry says, with a line for each sentence.
pub(super) fn paragraphs(sentences: &[String], words: Words) -> String {
    sentences.iter().map(|sentence| format!("<p>{}</p>\n", quoted(sentence, words.0))).collect()
}
