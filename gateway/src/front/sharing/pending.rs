//! Changes that are made, and not in force everywhere yet.

use actix_web::HttpResponse;
use policy::Delivery;
use serde::Serialize;
use utoipa::ToSchema;

/// Says that what was taken away is pending, and what that means. Nothing, if it is in force.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(crate) struct Pending {
    /// True, where it is not in force everywhere yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

impl Pending {
    pub(crate) fn of(delivery: &Delivery) -> Pending {
        let Delivery::Pending(why) = delivery else { return Pending::default() };
        tracing::warn!(why, "a removal is pending");
        let detail = "It is taken away on this node, and nothing is allowed by it any more. SpiceDB has not been told \
                      yet; it is as soon as it answers.";
        let hint = "Start SpiceDB again; `GET /readyz` says what is pending.";
        Pending { pending: Some(true), detail: Some(detail), hint: Some(hint) }
    }

    /// Of somebody who has not come for it yet.
    pub(super) fn until_taken_up(detail: &'static str) -> Pending {
        Pending { pending: Some(true), detail: Some(detail), hint: None }
    }
}

/// What is left to somebody who managed something and does so no more.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Removed<T> {
    /// What they had given themselves, and have no more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(super) taken: Vec<T>,
    /// What they still reach.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(super) reaches: Vec<T>,
    #[serde(flatten)]
    pending: Pending,
}

impl<T: Serialize> Removed<T> {
    pub(super) fn new(taken: Vec<T>, reaches: Vec<T>) -> Removed<T> {
        Removed { taken, reaches, pending: Pending::default() }
    }

    /// What a removal answers: nothing, unless there is something to say.
    pub(super) fn answer(mut self, delivery: &Delivery) -> HttpResponse {
        self.pending = Pending::of(delivery);
        match (delivery.is_pending(), self.taken.is_empty() && self.reaches.is_empty()) {
            (true, _) => HttpResponse::Accepted().json(self),
            (false, true) => HttpResponse::NoContent().finish(),
            (false, false) => HttpResponse::Ok().json(self),
        }
    }
}

/// As [`Removed::answer`], where nothing is left to anybody.
pub(super) fn removed(delivery: &Delivery) -> HttpResponse {
    Removed::<Pending>::new(Vec::new(), Vec::new()).answer(delivery)
}
