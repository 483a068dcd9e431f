//! Changes that are made, and not in force everywhere yet.

use actix_web::HttpResponse;
use policy::Delivery;
use serde_json::{Value, json};

/// Says in an answer that what was taken away is pending, and what that means. Nothing, if it is in force.
pub(crate) fn say_pending(answer: &mut Value, delivery: &Delivery) {
    if let Delivery::Pending(why) = delivery {
        tracing::warn!(why, "a removal is pending");
        answer["pending"] = json!(true);
        answer["detail"] = json!(
            "It is taken away on this node, and nothing is allowed by it any more. SpiceDB has not been told yet; it is \
             as soon as it answers."
        );
        answer["hint"] = json!("Start SpiceDB again; `GET /readyz` says what is pending.");
    }
}

/// What a removal answers: nothing, unless there is something to say.
pub(super) fn removed(mut said: Value, delivery: &Delivery) -> HttpResponse {
    say_pending(&mut said, delivery);
    match (delivery.is_pending(), said.as_object().is_none_or(serde_json::Map::is_empty)) {
        (true, _) => HttpResponse::Accepted().json(said),
        (false, true) => HttpResponse::NoContent().finish(),
        (false, false) => HttpResponse::Ok().json(said),
    }
}
