//! A route: what it is called by, who may, and what takes, answers and refuses its requests.

use std::collections::BTreeSet;
use std::rc::Rc;

use actix_web::http;
use actix_web::{HttpRequest, HttpResponse, guard, web};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use crate::auth::{self, Access};
use crate::http::answer::{Answers, Reply};
use crate::http::component::component;
use crate::http::extract::{Extract, Parts, Takes};
use crate::http::problem::ApiError;
use crate::intake::clock::Clock;

/// One method of one path.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The pattern of its paths, which is also the name that the metrics count it by.
    pub path: &'static str,
    /// Its name for programs, unique.
    pub operation: &'static str,
    /// Who may call it.
    pub access: Access,
    /// Statuses of refusals, beside those that follow from the rest: see [`Route::refusals`].
    pub errors: &'static [u16],
    /// What does it.
    pub(crate) handler: fn() -> Handler,
}

/// The method of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`, and `HEAD` with it (RFC 9110 section 9.1).
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

impl Method {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// What it is called in `Allow`.
    pub(crate) const fn allowed(self) -> &'static str {
        if let Self::Get = self { "GET, HEAD" } else { self.as_str() }
    }

    fn route(self) -> actix_web::Route {
        let method = match self {
            Self::Get => return web::route().guard(guard::Any(guard::Get()).or(guard::Head())),
            Self::Post => http::Method::POST,
            Self::Put => http::Method::PUT,
            Self::Patch => http::Method::PATCH,
            Self::Delete => http::Method::DELETE,
        };
        web::method(method)
    }
}

impl Route {
    /// What its handler takes.
    #[must_use]
    pub fn takes(&self) -> Takes {
        (self.handler)().takes
    }

    /// What its handler answers if it is as asked.
    #[must_use]
    pub fn answers(&self) -> Answers {
        (self.handler)().answers
    }

    /// The statuses of its refusals.
    #[must_use]
    pub fn refusals(&self) -> BTreeSet<u16> {
        let takes = self.takes();
        let needs_credential = self.access != Access::Anyone;
        let is_restricted = needs_credential && self.access != Access::SignedIn;
        let parts: [(bool, &[u16]); 5] = [
            (needs_credential, &[401, 429, 503]),
            (is_restricted, &[403]),
            (!takes.path.is_empty(), &[404]),
            (takes.query.is_some(), &[400]),
            (takes.reads_body, &[400, 408, 413, 415, 422, 503]),
        ];
        let parts = parts.into_iter().filter(|(is_so, _)| *is_so).flat_map(|(_, statuses)| statuses);
        parts.chain(self.errors).copied().collect()
    }

    /// Whether it takes jobs in, which is not done by a wrong clock.
    fn takes_jobs(&self) -> bool {
        matches!(self.access, Access::JobSubmitters | Access::EventSenders)
    }

    /// The route as the HTTP library has it.
    pub(super) fn serve(&'static self) -> actix_web::Route {
        let call = (self.handler)().call;
        self.method.route().to(move |request, payload| {
            let call = Rc::clone(&call);
            async move { call(self.admit(request, payload).await?).await }
        })
    }

    /// Lets a request in.
    async fn admit(&self, request: HttpRequest, payload: web::Payload) -> Result<Parts, ApiError> {
        if self.takes_jobs() {
            // Before the credential: by a wrong clock, good ones are bad ones.
            component::<Clock>(&request)?.check()?;
        }
        let caller = auth::admit(self.access, &request).await?;
        Ok(Parts::new(request, payload.into_inner(), caller))
    }
}

/// What does what a route is for.
pub(crate) struct Handler {
    takes: Takes,
    answers: Answers,
    call: Call,
}

/// Behind a pointer, so that what the HTTP library makes of a route is compiled once and not for each.
type Call = Rc<dyn Fn(Parts) -> LocalBoxFuture<'static, Result<HttpResponse, ApiError>>>;

/// Has a route done by a function of parts of the request.
pub(super) fn handle<P: 'static, F: Handle<P>>(function: F) -> Handler {
    let call = move |parts| function.call(parts).boxed_local();
    Handler { takes: F::takes(), answers: F::ANSWERS, call: Rc::new(call) }
}

/// A function of parts of a request.
pub(super) trait Handle<P>: Copy + 'static {
    /// What it answers.
    const ANSWERS: Answers;

    /// What its parts take.
    fn takes() -> Takes;

    /// Calls it.
    ///
    /// # Errors
    /// What the first part that cannot be had says, or the function.
    fn call(self, parts: Parts) -> impl Future<Output = Result<HttpResponse, ApiError>>;
}

macro_rules! handle {
    ($($part:ident)*) => {
        impl<F, Fut, R, $($part,)*> Handle<($($part,)*)> for F
        where
            F: Fn($($part),*) -> Fut + Copy + 'static,
            Fut: Future<Output = Result<R, ApiError>>,
            R: Reply,
            $($part: Extract,)*
        {
            const ANSWERS: Answers = R::ANSWERS;

            fn takes() -> Takes {
                let mut takes = Takes::default();
                $($part::describe(&mut takes);)*
                takes
            }

            #[expect(non_snake_case, reason = "a part is called as its type")]
            async fn call(self, mut parts: Parts) -> Result<HttpResponse, ApiError> {
                $(let $part = $part::extract(&mut parts).await?;)*
                self($($part),*).await?.reply()
            }
        }
    };
}

handle! { A }
handle! { A B }
handle! { A B C }
handle! { A B C D }
handle! { A B C D E }
handle! { A B C D E G }
handle! { A B C D E G H }
