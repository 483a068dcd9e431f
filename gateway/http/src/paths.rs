//! What fronts say of their paths, for whatever looks at a request before its route is found.

use actix_web::dev::ResourceDef;
use actix_web::{HttpRequest, web};

use super::error::{Errors, json_errors};

/// The paths of all fronts, in the order in which they are tried.
#[derive(Default)]
pub struct Paths(Vec<KnownPath>);

/// A path, as its front says it.
pub(crate) struct KnownPath {
    pub(crate) path: &'static str,
    pub(crate) route: ResourceDef,
    pub(crate) errors: Errors,
    /// Whether pages of other origins may come here.
    pub(crate) open: bool,
}

impl Paths {
    pub(crate) fn new(known: impl Iterator<Item = KnownPath>) -> Paths {
        Paths(known.collect())
    }

    fn at(&self, path: &str) -> Option<&KnownPath> {
        self.0.iter().find(|known| known.route.is_match(path))
    }

    /// The shape of errors at a path: where no route is, that of the first of those whose beginning it shares longest.
    #[must_use]
    pub fn errors(&self, path: &str) -> Errors {
        if let Some(known) = self.at(path) {
            return known.errors;
        }
        let shared = |known: &str| known.split('/').zip(path.split('/')).skip(1).take_while(|(a, b)| a == b).count();
        let mut nearest: (usize, Errors) = (0, json_errors);
        for known in &self.0 {
            let count = shared(known.path);
            if count > nearest.0 {
                nearest = (count, known.errors);
            }
        }
        nearest.1
    }

    /// Whether pages of other origins may come here at all, if the operator allows their origin.
    #[must_use]
    pub fn is_open(&self, path: &str) -> bool {
        self.at(path).is_some_and(|known| known.open)
    }
}

/// The shape of errors for a request whose route is not found yet.
pub fn errors_for(request: &HttpRequest) -> Errors {
    match request.app_data::<web::Data<Paths>>() {
        Some(paths) => paths.errors(request.path()),
        None => json_errors,
    }
}
