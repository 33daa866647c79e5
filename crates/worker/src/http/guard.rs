//! Who may talk to the worker from a web page: Host, Origin and CORS rules.
//! Not authentication: keys are `auth`'s matter.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::errors::plain;

/// The rules of one worker, fixed at its start.
#[derive(Debug)]
pub(crate) struct Guard {
    /// Without keys a page must not drive this worker, so unknown origins are turned away.
    open: bool,
    /// The HTTP address is a loopback one.
    loopback: bool,
    /// `ALLOW_ORIGINS` as set.
    origins: Option<Vec<String>>,
}

impl Guard {
    pub(crate) fn new(open: bool, listen: IpAddr, origins: Option<Vec<String>>) -> Guard {
        let origins = origins.map(|list| {
            list.into_iter()
                .map(|origin| origin.trim_end_matches('/').to_ascii_lowercase())
                .collect()
        });
        Guard {
            open,
            loopback: listen.is_loopback(),
            origins,
        }
    }

    /// Why this request is turned away, if it is.
    fn refusal(&self, headers: &HeaderMap) -> Option<&'static str> {
        if !self.open {
            return None;
        }
        let origin = headers.get(header::ORIGIN);
        let host = headers
            .get(header::HOST)
            .and_then(|value| value.to_str().ok());
        // A name that resolves here can be anyone's (DNS rebinding). A program on another machine may use any name of
        // an insecure worker; a page, which always names its origin, may not.
        if (self.loopback || origin.is_some()) && !host.is_some_and(|host| self.own_host(host)) {
            return Some(
                "the Host header names neither an address nor localhost; without API keys no other name is served",
            );
        }
        match origin {
            Some(origin) if !self.allows(origin, headers) => Some(
                "this origin may not use a worker without API keys; name it in ALLOW_ORIGINS to permit it",
            ),
            _ => None,
        }
    }

    fn allows(&self, origin: &HeaderValue, headers: &HeaderMap) -> bool {
        let Ok(origin) = origin.to_str().map(str::to_ascii_lowercase) else {
            return false;
        };
        match &self.origins {
            Some(list) if list.iter().any(|known| known == "*" || *known == origin) => return true,
            None if !self.open => return true,
            _ => {}
        }
        let Some((scheme, authority)) = origin.split_once("://") else {
            return false; // `null` and other opaque origins
        };
        if !matches!(scheme, "http" | "https") {
            return false;
        }
        let same = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .is_some_and(|host| host.eq_ignore_ascii_case(authority));
        same || is_loopback_name(host_name(authority))
    }

    /// A literal address, localhost, or the host of an allowed origin.
    fn own_host(&self, host: &str) -> bool {
        let name = host_name(host);
        let listed = |known: &String| {
            known
                .split_once("://")
                .is_some_and(|(_, authority)| host_name(authority).eq_ignore_ascii_case(name))
        };
        is_loopback_name(name)
            || parse_ip(name).is_some()
            || self
                .origins
                .as_ref()
                .is_some_and(|list| list.iter().any(listed))
    }
}

/// Turns foreign pages away and answers preflights; adds the CORS headers to everything else.
pub(crate) async fn guard(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(reason) = guard.refusal(request.headers()) {
        return plain(StatusCode::FORBIDDEN, reason);
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let allowed = origin.filter(|origin| guard.allows(origin, request.headers()));
    let preflight = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight {
        let wanted = request
            .headers()
            .get(header::ACCESS_CONTROL_REQUEST_HEADERS)
            .cloned();
        preflight_answer(allowed.is_some(), wanted)
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
    }
    response
}

fn preflight_answer(allowed: bool, wanted: Option<HeaderValue>) -> Response {
    if !allowed {
        return plain(StatusCode::BAD_REQUEST, "this origin is not allowed");
    }
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, OPTIONS"),
    );
    headers.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static("600"),
    );
    if let Some(wanted) = wanted {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted);
    }
    response
}

/// The host of `host[:port]`, brackets of an IPv6 literal kept.
fn host_name(authority: &str) -> &str {
    if authority.starts_with('[') {
        return authority
            .find(']')
            .map_or(authority, |end| &authority[..=end]);
    }
    authority.split(':').next().unwrap_or(authority)
}

fn parse_ip(name: &str) -> Option<IpAddr> {
    name.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .ok()
}

fn is_loopback_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    let localhost = name.eq_ignore_ascii_case("localhost")
        || name
            .rsplit_once('.')
            .is_some_and(|(_, last)| last.eq_ignore_ascii_case("localhost"));
    localhost || parse_ip(name).is_some_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, origin: Option<&str>) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            map.insert(header::ORIGIN, origin.parse().unwrap());
        }
        map
    }

    fn open(origins: Option<&[&str]>) -> Guard {
        let origins = origins.map(|list| list.iter().map(|o| o.to_string()).collect());
        Guard::new(true, "127.0.0.1".parse().unwrap(), origins)
    }

    #[test]
    fn an_open_worker_serves_own_and_loopback_pages_only() {
        let guard = open(None);
        for (host, origin, served) in [
            ("127.0.0.1:9001", None, true),
            ("localhost:9001", None, true),
            ("[::1]:9001", None, true),
            ("evil.example:9001", None, false),
            ("localhost.evil.example", None, false),
            ("127.0.0.1.evil.example", None, false),
            ("127.0.0.1:9001", Some("http://127.0.0.1:9001"), true),
            ("127.0.0.1:9001", Some("http://localhost:3000"), true),
            ("127.0.0.1:9001", Some("http://[::1]:3000"), true),
            ("127.0.0.1:9001", Some("https://evil.example"), false),
            (
                "127.0.0.1:9001",
                Some("http://localhost.evil.example"),
                false,
            ),
            (
                "127.0.0.1:9001",
                Some("http://localhost@evil.example"),
                false,
            ),
            ("127.0.0.1:9001", Some("null"), false),
            ("127.0.0.1:9001", Some("file://"), false),
            ("evil.example", Some("http://evil.example"), false),
        ] {
            let refused = guard.refusal(&headers(host, origin));
            assert_eq!(refused.is_none(), served, "{host} {origin:?}: {refused:?}");
        }
        assert!(guard.refusal(&HeaderMap::new()).is_some(), "no Host at all");
    }

    #[test]
    fn a_named_origin_is_served_and_its_host_too() {
        let guard = open(Some(&["https://app.example/"]));
        let served = |host, origin| guard.refusal(&headers(host, origin)).is_none();
        assert!(served("127.0.0.1:9001", Some("https://app.example")));
        assert!(served("app.example", Some("https://app.example")));
        assert!(!served("127.0.0.1:9001", Some("http://app.example")));
        assert!(!served("127.0.0.1:9001", Some("https://app.example.evil")));
    }

    #[test]
    fn an_insecure_public_worker_takes_any_name_from_programs_only() {
        let guard = Guard::new(true, "0.0.0.0".parse().unwrap(), None);
        assert!(guard.refusal(&headers("worker:9001", None)).is_none());
        assert!(
            guard
                .refusal(&headers("evil.example", Some("http://evil.example")))
                .is_some()
        );
    }

    #[test]
    fn with_keys_every_origin_is_allowed_unless_listed() {
        let guard = Guard::new(false, "0.0.0.0".parse().unwrap(), None);
        let map = headers("any.example", Some("https://elsewhere.example"));
        assert!(guard.refusal(&map).is_none());
        assert!(guard.allows(&map[header::ORIGIN], &map));
        let guard = Guard::new(
            false,
            "0.0.0.0".parse().unwrap(),
            Some(vec!["https://app.example".into()]),
        );
        assert!(guard.refusal(&map).is_none());
        assert!(!guard.allows(&map[header::ORIGIN], &map));
    }
}
