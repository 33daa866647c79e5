//! HTTP requests by route and status.
//! Not what they asked for: refused sessions are counted by reason elsewhere.

use std::time::Duration;

use super::histogram::REQUEST;
use super::label::{Counters, Histograms, Label};
use super::reasons::{Route, StatusClass, named};
use super::text::Page;

/// See the module.
#[derive(Debug)]
pub(crate) struct HttpMetrics {
    /// For each route.
    answered: Vec<Counters<StatusClass>>,
    took: Histograms<Route>,
}

impl Default for HttpMetrics {
    fn default() -> HttpMetrics {
        HttpMetrics {
            answered: Route::ALL.iter().map(|_| Counters::default()).collect(),
            took: Histograms::new(REQUEST),
        }
    }
}

impl HttpMetrics {
    /// A request was answered. `route`: the pattern that matched; anything else is `other`.
    pub(crate) fn answered(&self, route: &str, status: u16, took: Duration) {
        let route = named(route).unwrap_or(Route::Other);
        let class = match status {
            ..300 => StatusClass::Success,
            300..400 => StatusClass::Redirection,
            400..500 => StatusClass::ClientError,
            500.. => StatusClass::ServerError,
        };
        self.answered[route.index()].of(class).add(1); // one was made for each
        self.took.of(route).record(took);
    }

    pub(super) fn render(&self, page: &mut Page) {
        let mut requests = page.counters(
            "framewire_http_requests_total",
            "HTTP requests answered, by route and first digit of the status.",
        );
        for (route, counters) in Route::ALL.iter().zip(&self.answered) {
            for (status, count) in counters.each() {
                requests.sample(&[("route", route.as_str()), ("status", status)], count);
            }
        }
        let mut seconds = page.histograms(
            "framewire_http_request_duration_seconds",
            "From a request's head to its response's head.",
        );
        for route in Route::ALL {
            seconds.distribution(&[("route", route.as_str())], self.took.of(*route));
        }
    }
}
