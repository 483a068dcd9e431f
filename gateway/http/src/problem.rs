//! What `/api/v1` answers when it does not do what was asked: problem details (RFC 9457).

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::{ApiError, Plain};
use super::request_id::request_id;

/// Of the body (RFC 9457, 4).
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was not done.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// The kind of problem: `urn:problem-type:allod:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// What the kind is, in a few words.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What is wrong with this request, in a sentence.
    detail: String,
    /// A stable word for programs.
    code: &'static str,
    /// What to do about it; may be empty.
    hint: &'static str,
    /// By which the node's log knows the request; `X-Request-Id` says it too.
    #[schema(examples("5f0c2a9b7e4d1836a0b1c2d3"))]
    request_id: String,
    /// The same in the shape of before, for clients that read that: it goes with the next version.
    #[schema(value_type = Object)]
    error: Plain,
}

/// The errors of a front that speaks of problems.
pub fn problems(error: &ApiError) -> HttpResponse {
    let body = Problem {
        kind: urn(error.code),
        title: title(error.code, error.status),
        status: error.status.as_u16(),
        detail: error.message.clone(),
        code: error.code,
        hint: error.hint,
        request_id: request_id(),
        error: error.plain(),
    };
    let mut answer = error.head().json(body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    answer
}

/// The name of a kind of problem.
pub fn urn(code: &str) -> String {
    format!("urn:problem-type:allod:{code}")
}

/// What a code stands for, in a few words.
fn title(code: &str, status: StatusCode) -> &'static str {
    let known = CODES.iter().find(|(known, _)| *known == code);
    known.map(|(_, title)| *title).or(status.canonical_reason()).unwrap_or("Refused")
}

/// Every code of the API with its title.
pub const CODES: &[(&str, &str)] = &[
    ("account_elsewhere", "The account is on another node"),
    ("address_not_allowed", "Address not allowed"),
    ("already_set_up", "Set up already"),
    ("app_password_wrong", "App password wrong"),
    ("audit_damaged", "The audit is not whole"),
    ("backup_ambiguous", "Several backups fit"),
    ("backup_damaged", "Damaged backup"),
    ("backup_differs", "Backup shows other documents"),
    ("backup_failed", "Not backed up"),
    ("backup_incomplete", "Backup not whole"),
    ("backup_not_found", "No such backup"),
    ("backup_place_diverged", "Place of another copy"),
    ("backup_place_foreign", "Not a place for backups"),
    ("backup_place_full", "No room in the place"),
    ("backup_place_in_use", "Place in use"),
    ("backup_place_inside", "Place within the data directory"),
    ("backup_place_locked", "Place for other words"),
    ("backup_place_missing", "No place for backups"),
    ("backup_place_newer", "Place ahead of the node"),
    ("backup_place_newer_version", "Place of a newer version"),
    ("backup_place_of_another", "Place of another node"),
    ("backup_place_refused", "Place refuses the keys"),
    ("backup_place_relative", "Not a whole path"),
    ("backup_place_secret_unset", "No secret for the place"),
    ("backup_place_secret_wrong", "Not a secret of a place"),
    ("backup_place_unreachable", "Place out of reach"),
    ("backup_s3_unset", "No key for buckets"),
    ("backup_s3_wrong", "Not a server of buckets"),
    ("backup_untested", "Not tested"),
    ("bad_request", "Malformed request"),
    ("busy", "Too many attempts at a time"),
    ("code_malformed", "Not a device's code"),
    ("conflict", "Refused by what is there"),
    ("cross_site", "Sent by another site"),
    ("damaged", "Damaged data"),
    ("dpop_required", "Tokens by proof alone"),
    ("exists", "There already"),
    ("export_running", "Handed over already"),
    ("folder_depth", "Folders nested too deep"),
    ("folder_in_use", "Folder in use"),
    ("forbidden", "Not allowed"),
    ("grant_elsewhere", "Granted on another node"),
    ("grant_ended", "Grant has ended"),
    ("grant_key_unsupported", "Unsupported key in a grant"),
    ("grant_malformed", "Malformed grant"),
    ("grant_outside_manifest", "Grant outside the manifest"),
    ("grant_schema_mismatch", "The grant does not fit the definitions"),
    ("grant_wider", "More than was granted"),
    ("group_cycle", "Group within itself"),
    ("group_depth", "Groups nested too deep"),
    ("group_in_use", "Group in use"),
    ("host_unknown", "Unknown host name"),
    ("https_only", "Reached over TLS alone"),
    ("idempotency_answer_gone", "Answer not kept"),
    ("idempotency_in_progress", "Still being done"),
    ("idempotency_key_reused", "Key of another request"),
    ("insufficient_scope", "The token opens less"),
    ("insufficient_user_authentication", "The password is needed again"),
    ("internal", "The node failed"),
    ("invalid_address", "Not an address"),
    ("invalid_dpop_proof", "Proof of the key not valid"),
    ("invalid_input", "Invalid value"),
    ("invalid_request", "Malformed request"),
    ("invalid_token", "Token not valid"),
    ("is_operator", "An operator"),
    ("is_owner", "The owner of the node"),
    ("keep_nothing", "Nothing to keep"),
    ("last_manager", "Last manager of the group"),
    ("last_operator", "Last operator of the node"),
    ("last_way_in", "Last way to sign in"),
    ("length_required", "Length not said"),
    ("limit_body", "Body too large"),
    ("limit_bytes", "Answer too large"),
    ("limit_definitions", "Too many definitions"),
    ("limit_documents", "Too many single documents"),
    ("limit_rows_per_day", "Today's rows are told"),
    ("limit_time", "Took too long"),
    ("limit_tokens", "Text too long"),
    ("mail_failed", "Letter not taken"),
    ("mail_unset", "No server for letters"),
    ("max_depth", "Relationships nested too deep"),
    ("method_not_allowed", "Method not allowed"),
    ("name_taken", "Name taken"),
    ("no_account", "No account here"),
    ("no_passkeys", "Passkeys need a name"),
    ("not_acceptable", "No wanted media type"),
    ("not_admitted", "Not let in"),
    ("not_for_apps", "Not for apps"),
    ("not_found", "Not found"),
    ("not_home", "Not the node of the account"),
    ("not_migrated", "Policy was not moved"),
    ("not_set_up", "Not set up yet"),
    ("not_yours", "Not an account of yours"),
    ("notice_fixed", "Notice that stays on"),
    ("operator_only", "For the operator only"),
    ("own", "The owner's rights stay"),
    ("passkey_refused", "Passkey not accepted"),
    ("passkey_unfit", "Passkey not usable here"),
    ("passkey_unverified", "The device did not check the person"),
    ("passkey_went_back", "Passkey in two places"),
    ("passkeys_elsewhere", "Passkeys count at another address"),
    ("place_disk_full", "Disk next to full"),
    ("place_full", "Place full"),
    ("place_not_held", "Place of another holder"),
    ("policy_refused", "Refused by policy"),
    ("policy_unavailable", "Policy cannot answer"),
    ("precondition_failed", "Changed meanwhile"),
    ("provider_failed", "The provider failed"),
    ("provider_refused", "The provider refused"),
    ("quota_exceeded", "Quota exceeded"),
    ("recovery_exists", "Recovery words exist"),
    ("recovery_missing", "No recovery words"),
    ("recovery_words_others", "Words of another node"),
    ("recovery_words_wrong", "Not recovery words"),
    ("redirect_to_pages", "Redirect address of the node itself"),
    ("registration_off", "Apps do not register themselves"),
    ("replica_unreachable", "Replica not reachable"),
    ("request_decided", "Decided before"),
    ("request_waits", "Another request waits"),
    ("restore_under_way", "A restore is under way"),
    ("schema_in_use", "Policy schema in use"),
    ("schema_of_the_platform", "Policy schema of the platform"),
    ("schema_wrong", "Policy schema wrong"),
    ("setup_link_spent", "Set-up link no longer good"),
    ("sign_in_stale", "Sign-in out of date"),
    ("space_ambiguous", "Several spaces fit"),
    ("spicedb_config", "SpiceDB cannot be used so"),
    ("suspended", "Suspended"),
    ("too_many_codes", "Too many codes wait"),
    ("too_many_dials", "Too many attempts to connect"),
    ("too_many_letters", "Too many letters"),
    ("too_many_links", "Too many links"),
    ("too_many_passkeys", "Too many passkeys"),
    ("too_many_places", "Too many places"),
    ("too_many_requests", "Too many requests"),
    ("too_many_tokens", "Too many tokens"),
    ("totp_needed", "A code is needed as well"),
    ("unauthenticated", "Sign-in needed"),
    ("unavailable", "Not possible now"),
    ("unfit", "Unfit name or password"),
    ("unknown_app", "Unknown app"),
    ("unknown_field", "Unknown field"),
    ("unknown_group", "Unknown group"),
    ("unknown_name", "Unknown name of policy"),
    ("unknown_place", "Unknown place"),
    ("unknown_provider", "Unknown provider"),
    ("unknown_quota", "Unknown quota"),
    ("unknown_tenant", "Unknown tenant"),
    ("unknown_type", "Unknown type"),
    ("unknown_user", "Unknown user"),
    ("unsupported", "Not supported"),
    ("unsupported_media_type", "Unsupported media type"),
    ("wrong_code", "Wrong code"),
    ("wrong_password", "Wrong name or password"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn sources(dir: &Path, out: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, out);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                // What tests beside the code say is no code.
                out.push(text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned());
            }
        }
    }

    /// Every word in quotes that follows one of these, perhaps on the next line.
    fn codes(text: &str) -> BTreeSet<&str> {
        const BEFORE: [&str; 4] = ["StatusCode::", "conflict(", "unknown(", "unauthorized("];
        let mut found = BTreeSet::new();
        for (at, before) in BEFORE.iter().flat_map(|before| text.match_indices(before)) {
            let rest = &text[at + before.len()..];
            // Of a status the name and a comma stand between.
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_uppercase() || matches!(c, '_' | ','));
            let quoted = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            found.extend(quoted.filter(|code| code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
        }
        found
    }

    #[test]
    fn every_code_has_a_title() {
        let known: BTreeSet<&str> = CODES.iter().map(|(code, _)| *code).collect();
        assert_eq!(known.len(), CODES.len(), "each stands once");
        assert!(CODES.is_sorted_by_key(|(code, _)| *code));
        let mut all = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/front"), &mut all);
        let used: BTreeSet<&str> = all.iter().flat_map(|text| codes(text)).collect();
        assert!(used.len() > 50, "control: codes are found: {used:?}");
        let untitled: Vec<_> = used.difference(&known).collect();
        assert!(untitled.is_empty(), "without a title: {untitled:?}");
    }
}
