//! What a failed HTTP request means: the error of the HTTP client, sorted by what happened on the way.
//! Not here: answers with a status, and words for users.

use std::error::Error;
use std::io::ErrorKind;

use framewire_protocol::signalling::redact_url;
use framewire_transport::ServerFailure;
use hyper_util::client::proxy::matcher::Matcher;
use rustls::InvalidMessage;

use crate::http::ApiUrl;
use crate::redact;

/// How a request failed that got no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) kind: TroubleKind,
    /// What the system or the library said, without address and key.
    pub(crate) text: String,
    /// The proxy that was to be used, without credentials.
    pub(crate) proxy: Option<String>,
}

/// See [`Trouble`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TroubleKind {
    /// The host's name, or the proxy's, does not resolve.
    Name,
    /// Nobody listens at the port.
    Refused,
    /// No way to the host.
    NoRoute,
    /// The attempt to connect was not answered.
    ConnectSilent,
    /// Connected, and no answer to the request.
    AnswerSilent,
    /// The proxy took the connection and did not pass it on.
    Proxy,
    /// Signed by nobody known.
    UnknownIssuer,
    /// For another name.
    WrongName,
    /// Not valid now.
    Expired,
    /// The server does not speak TLS.
    NoTls,
    /// Any other failure of TLS.
    Tls,
    /// The system has no trusted certificates, or its settings cannot be used.
    Setup,
    /// Connected, and what came is no HTTP, or the connection ended.
    Broken,
}

impl Trouble {
    /// Sorts an error of the HTTP client. `clean` takes secrets out of text.
    pub(crate) fn of(
        error: reqwest::Error,
        api: &ApiUrl,
        clean: impl Fn(&str) -> String,
    ) -> Trouble {
        let kind = kind(&error);
        Trouble {
            kind,
            text: clean(&redact::shorten(&innermost(&error))),
            proxy: proxy(api),
        }
    }

    /// Nothing came at all in the time given to the whole.
    pub(crate) fn silent(api: &ApiUrl) -> Trouble {
        Trouble {
            kind: TroubleKind::AnswerSilent,
            text: "no answer".into(),
            proxy: proxy(api),
        }
    }
}

/// The proxy that requests to this address go through, without credentials.
pub(crate) fn proxy(api: &ApiUrl) -> Option<String> {
    if api.is_loopback() {
        return None;
    }
    let address: http::Uri = api.as_str().parse().ok()?;
    let proxy = Matcher::from_system().intercept(&address)?;
    Some(
        redact_url(&proxy.uri().to_string())
            .trim_end_matches('/')
            .to_owned(),
    )
}

/// What the system said: the layers above only say what they were doing, and some name the whole address.
fn innermost(error: &reqwest::Error) -> String {
    let mut inner = error.source();
    while let Some(next) = inner.and_then(Error::source) {
        inner = Some(next);
    }
    inner.map_or_else(|| "no further words".to_owned(), ToString::to_string)
}

fn kind(error: &reqwest::Error) -> TroubleKind {
    if error.is_builder() {
        return TroubleKind::Setup;
    }
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    let mut found = None;
    let mut refused = None;
    while let Some(here) = cause {
        // The innermost says most, but for a proxy: what it did not do comes after what it said.
        if let Some(kind) = tls(here) {
            found = Some(kind);
        } else if let Some(io) = here.downcast_ref::<std::io::Error>() {
            found = found.or(io.get_ref().and_then(|inner| tls(inner)));
            refused = refused.or(match io.kind() {
                ErrorKind::ConnectionRefused => Some(TroubleKind::Refused),
                ErrorKind::HostUnreachable
                | ErrorKind::NetworkUnreachable
                | ErrorKind::NetworkDown
                | ErrorKind::AddrNotAvailable
                | ErrorKind::PermissionDenied => Some(TroubleKind::NoRoute),
                ErrorKind::TimedOut => Some(TroubleKind::ConnectSilent),
                _ => None,
            });
        } else if is_tunnel(here) && here.source().is_none() {
            found = Some(TroubleKind::Proxy);
        }
        cause = here.source();
    }
    if let Some(kind) = found {
        return kind;
    }
    if !error.is_connect() {
        return if error.is_timeout() {
            TroubleKind::AnswerSilent
        } else {
            TroubleKind::Broken
        };
    }
    if error.is_dns() {
        return TroubleKind::Name;
    }
    match refused {
        Some(kind) => kind,
        None if error.is_timeout() => TroubleKind::ConnectSilent,
        None => TroubleKind::Broken,
    }
}

/// The library's own error type for proxies is not public; its text is, and a test holds it.
fn is_tunnel(error: &(dyn Error + 'static)) -> bool {
    let text = error.to_string();
    text.starts_with("tunnel error") || text.starts_with("SOCKS error")
}

fn tls(error: &(dyn Error + 'static)) -> Option<TroubleKind> {
    let error = match error.downcast_ref::<rustls::Error>() {
        Some(error) => error,
        None => {
            let io = error.downcast_ref::<std::io::Error>()?;
            return tls(io.get_ref()?);
        }
    };
    if let rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) = error {
        return Some(TroubleKind::NoTls);
    }
    // Certificates are sorted in one place, for TURN servers and for this.
    Some(match ServerFailure::from(error) {
        ServerFailure::TlsUnknownIssuer => TroubleKind::UnknownIssuer,
        ServerFailure::TlsNameMismatch => TroubleKind::WrongName,
        ServerFailure::TlsExpired => TroubleKind::Expired,
        _ => TroubleKind::Tls,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::CertificateError::{Expired, NotValidForName, NotValidYet, Revoked, UnknownIssuer};

    #[test]
    fn certificates_are_told_apart_through_the_layers_around_them() {
        let of = |error: rustls::Error| {
            let inner = std::io::Error::new(ErrorKind::InvalidData, error);
            tls(&std::io::Error::other(inner))
        };
        let certificate = |error| of(rustls::Error::InvalidCertificate(error));
        for (error, kind) in [
            (UnknownIssuer, TroubleKind::UnknownIssuer),
            (NotValidForName, TroubleKind::WrongName),
            (Expired, TroubleKind::Expired),
            (NotValidYet, TroubleKind::Expired),
            (Revoked, TroubleKind::Tls),
        ] {
            assert_eq!(certificate(error), Some(kind));
        }
        let plain = rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType);
        assert_eq!(of(plain), Some(TroubleKind::NoTls));
        assert_eq!(tls(&std::io::Error::other("else")), None);
    }
}
