//! What pages say when they do not do what was asked.

use actix_web::http::StatusCode;
use gateway_people::language::Language;

use crate::front::error::ApiError;
use crate::front::request_id::request_id;

words! {
    did_not_work: "That did not work", "Das hat nicht geklappt";
    link_does_not_work: "This link does not work", "Dieser Link geht nicht";
    out_of_date: "Out of date", "Nicht mehr aktuell";
    page_is_stale: "This page is no longer current. Go back to the app and begin again. Nothing was changed.", "Diese Seite ist nicht mehr aktuell. Geh zurück zur App und beginne von vorn. Nichts wurde geändert.";
    busy: "Too much is asked of the node just now. Wait a little, and try again.", "Gerade wird zu viel von dem Server verlangt. Warte ein wenig und versuch es noch einmal.";
    cannot_now: "The node cannot do this at this moment; try again.", "Der Server kann das gerade nicht; versuch es noch einmal.";
    not_there: "There is nothing of this kind, or it is not for you.", "So etwas gibt es hier nicht, oder es ist nicht für dich.";
    not_done_so: "It cannot be done so.", "So geht es nicht.";
    what_to_tell(code, request): "Whoever runs the node finds it by this: {code}, {request}.", "Wer den Server betreibt, findet es damit: {code}, {request}.";
    refused: "Refused", "Abgelehnt";
    foreign_form: "This form was sent by another site. Nothing was changed.", "Dieses Formular hat eine andere Seite geschickt. Nichts wurde geändert.";
}

impl super::Words {
    /// Why something was refused.
    pub(crate) fn refusal(self, error: &ApiError) -> String {
        if self.0 == Language::English {
            return error.message.clone();
        }
        let said = match error.status {
            StatusCode::TOO_MANY_REQUESTS => self.busy(),
            StatusCode::NOT_FOUND => self.not_there(),
            status if status.is_server_error() => self.cannot_now(),
            _ => self.not_done_so(),
        };
        format!("{said} {}", self.what_to_tell(error.code(), request_id()))
    }
}
