//! The table of routes: paths with the handlers of their methods. The router follows from it, and with it
//! what holds on every path alike (RFC 9110, 9.3): `HEAD` wherever `GET` is, `OPTIONS`, and the `Allow` of a 405.

use actix_web::body::BoxBody;
use actix_web::dev::{Handler, ResourceDef, ServiceRequest};
use actix_web::guard::{self, Guard};
use actix_web::http::header::{ALLOW, HeaderName};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, HttpResponse, Responder, Route};
use utoipa::openapi::OpenApi;

use super::deadline::Deadline;
use super::error::{ApiError, Errors};
use super::intake::admitted;
use super::paths::{KnownPath, Paths};
use super::shape::shaped;
use super::terms::{Limits, SMALL_BODY, Terms};
use super::{conditions, repeated};

/// A protocol over HTTP: one folder.
#[derive(Clone, Copy)]
pub struct Front {
    /// Its paths, with the handlers of their methods.
    pub routes: fn(&mut Routes),
    pub terms: Terms,
}

/// Paths in the order in which they are tried, each with its methods.
pub struct Routes {
    entries: Vec<PathEntry>,
    /// Of the front whose routes are added.
    terms: Terms,
    /// What the operations ask and answer.
    api: OpenApi,
}

struct PathEntry {
    path: &'static str,
    terms: Terms,
    /// Whether pages of other origins may come here.
    open: bool,
    /// The conditions that handlers look at before they change something.
    heeded: Vec<(Method, HeaderName)>,
    methods: Vec<(Method, Route)>,
}

impl Default for Routes {
    fn default() -> Self {
        Routes { entries: Vec::new(), terms: Terms::own(SMALL_BODY), api: OpenApi::default() }
    }
}

impl Routes {
    /// The routes of a front, each on its terms.
    #[must_use]
    pub fn front(mut self, front: &Front) -> Routes {
        self.terms = front.terms;
        (front.routes)(&mut self);
        self
    }

    /// Gives a path, whose methods are there already, limits of its own.
    pub fn limited(&mut self, path: &'static str, limits: Limits) -> &mut Routes {
        for place in self.entries.iter_mut().filter(|place| place.path == path) {
            place.terms.limits = limits;
        }
        self
    }

    /// Gives a path, whose methods are there already, a shape of errors of its own.
    pub fn erring(&mut self, path: &'static str, errors: Errors) -> &mut Routes {
        for place in self.entries.iter_mut().filter(|place| place.path == path) {
            place.terms.errors = errors;
        }
        self
    }

    /// Lets pages of other origins come to a path, whose methods are there already, if the operator allows their origin: it
    /// is for apps.
    pub fn open(&mut self, path: &'static str) -> &mut Routes {
        for place in self.entries.iter_mut().filter(|place| place.path == path) {
            place.open = true;
        }
        self
    }

    /// Says which conditions the handler of a method looks at, on a path whose methods are there already: a change under
    /// any other is refused.
    pub fn heeding(
        &mut self,
        path: &'static str,
        method: &Method,
        conditions: impl IntoIterator<Item = HeaderName>,
    ) -> &mut Routes {
        let heeded: Vec<_> = conditions.into_iter().map(|header| (method.clone(), header)).collect();
        for place in self.entries.iter_mut().filter(|place| place.path == path) {
            place.heeded.extend(heeded.iter().cloned());
        }
        self
    }

    /// Adds what operations ask and answer: `openapi::tests` holds that each route is described.
    pub fn described<A: utoipa::OpenApi>(&mut self) -> &mut Routes {
        self.api.merge(A::openapi());
        self
    }

    /// What all operations ask and answer.
    pub fn described_so_far(self) -> OpenApi {
        self.api
    }

    /// What `part` adds: a resource of a front.
    pub fn part(&mut self, part: fn(&mut Routes)) -> &mut Routes {
        part(self);
        self
    }

    /// Answers `GET`, and `HEAD` with it: the same work, status and headers, without the body.
    pub fn get<F, Args>(&mut self, path: &'static str, handler: F) -> &mut Routes
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.add(path, Method::GET, handler)
    }

    pub fn post<F, Args>(&mut self, path: &'static str, handler: F) -> &mut Routes
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.add(path, Method::POST, handler)
    }

    pub fn put<F, Args>(&mut self, path: &'static str, handler: F) -> &mut Routes
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.add(path, Method::PUT, handler)
    }

    pub fn delete<F, Args>(&mut self, path: &'static str, handler: F) -> &mut Routes
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.add(path, Method::DELETE, handler)
    }

    fn add<F, Args>(&mut self, path: &'static str, method: Method, handler: F) -> &mut Routes
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let route = Route::new().guard(answers(&method)).to(handler);
        match self.entries.iter_mut().find(|place| place.path == path) {
            Some(place) => place.methods.push((method, route)),
            None => {
                let methods = vec![(method, route)];
                self.entries.push(PathEntry { path, terms: self.terms, open: false, heeded: Vec::new(), methods });
            }
        }
        self
    }

    /// Each path with the methods that its `Allow` names.
    pub fn table(&self) -> impl Iterator<Item = (&'static str, Vec<Method>)> {
        self.entries.iter().map(|place| (place.path, place.allowed()))
    }

    /// What is said of the paths, for whatever looks at a request before its route is found.
    #[must_use]
    pub fn paths(&self) -> Paths {
        Paths::new(self.entries.iter().map(|place| KnownPath {
            path: place.path,
            route: ResourceDef::new(place.path),
            errors: place.terms.errors,
            open: place.open,
        }))
    }

    /// Each path with its limits.
    pub fn limits(&self) -> impl Iterator<Item = (&'static str, Limits)> {
        self.entries.iter().map(|place| (place.path, place.terms.limits))
    }

    /// Puts the table into a server.
    pub fn install(self, config: &mut ServiceConfig) {
        for place in self.entries {
            let terms = place.terms;
            let taken = place.allowed();
            let allow = taken.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
            let mut resource = web::resource(place.path);
            for (_, route) in place.methods {
                resource = resource.route(route);
            }
            let other = move |method: Method| {
                let answer = without_handler(&method, &allow, terms);
                async move { answer }
            };
            let resource = resource.default_service(web::to(other));
            let admitted = move |request: ServiceRequest, next: Next<BoxBody>| admitted(terms, request, next);
            let deadline = Deadline { after: terms.limits.deadline, errors: terms.errors };
            let shaped = move |request: ServiceRequest, next: Next<BoxBody>| shaped(terms.errors, request, next);
            // What holds of the API alike: answers that have a tag, and requests that are done once.
            let (api, graphql) = (place.path.starts_with("/api/"), place.path.ends_with("/graphql"));
            let tagged = move |request: ServiceRequest, next: Next<BoxBody>| async move {
                if api && !graphql { conditions::tagged(request, next).await } else { next.call(request).await }
            };
            let once = move |request: ServiceRequest, next: Next<BoxBody>| async move {
                if api { repeated::once(terms, request, next).await } else { next.call(request).await }
            };
            let heeded = place.heeded;
            let unheeded = move |request: ServiceRequest, next: Next<BoxBody>| {
                let asked = |header: &HeaderName| {
                    request.headers().contains_key(header)
                        && !heeded.iter().any(|(method, heeded)| method == request.method() && heeded == header)
                };
                let refused = taken.contains(request.method()).then(|| conditions::unheeded(request.method(), asked));
                async move {
                    match refused.flatten() {
                        Some(error) => Ok(request.into_response((terms.errors)(&error))),
                        None => next.call(request).await,
                    }
                }
            };
            let resource = resource.wrap(from_fn(shaped)).wrap(from_fn(tagged)).wrap(from_fn(once));
            let resource = resource.wrap(from_fn(unheeded));
            config.service(resource.wrap(from_fn(admitted)).wrap(deadline));
        }
    }
}

impl PathEntry {
    fn allowed(&self) -> Vec<Method> {
        let mut out: Vec<Method> = Vec::new();
        for (method, _) in &self.methods {
            out.push(method.clone());
            if method == Method::GET {
                out.push(Method::HEAD);
            }
        }
        out.push(Method::OPTIONS);
        out
    }
}

/// Which requests a handler for `method` takes.
fn answers(method: &Method) -> impl Guard + 'static {
    let own = guard::Method(method.clone());
    let head = *method == Method::GET;
    guard::fn_guard(move |context| own.check(context) || head && context.head().method == Method::HEAD)
}

/// The answer on a known path to a method that has no handler there.
fn without_handler(method: &Method, allow: &str, terms: Terms) -> HttpResponse {
    if *method == Method::OPTIONS {
        return HttpResponse::NoContent().insert_header((ALLOW, allow)).finish();
    }
    let text = format!("This route does not take this method; it takes {allow}.");
    let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text);
    let mut answer = (terms.errors)(&error);
    if let Ok(allow) = allow.parse() {
        answer.headers_mut().insert(ALLOW, allow);
    }
    answer
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};

    use super::*;

    #[actix_web::test]
    async fn head_is_the_work_of_get() {
        fn part(routes: &mut Routes) {
            routes.get("/x/{name}", |name: web::Path<String>| async move { name.into_inner() });
            routes.post("/x/{name}", || async { "made" });
        }
        let front = Front { routes: part, terms: Terms::own(SMALL_BODY) };
        let app = init_service(App::new().configure(|config| Routes::default().front(&front).install(config))).await;
        for method in [Method::GET, Method::HEAD] {
            let answer = call_service(&app, TestRequest::with_uri("/x/abc").method(method).to_request()).await;
            assert_eq!(answer.status(), 200);
            // The server leaves the body out when it writes the answer to HEAD.
            assert_eq!(read_body(answer).await, "abc");
        }
        let made = call_service(&app, TestRequest::post().uri("/x/abc").to_request()).await;
        assert_eq!(read_body(made).await, "made");
    }
}
