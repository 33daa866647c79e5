//! An HTTP response read as a stream of bytes: every hop checked, pinned and bounded, no proxy from the environment.
//! Not MJPEG: the media crate finds the pictures in the bytes.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, Bytes};
use reqwest::header::{CONTENT_TYPE, LOCATION, TRANSFER_ENCODING};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use url::{Host, Url};

use super::SourceError;
use super::address::Reach;

/// Redirects followed at most, as the original.
const MAX_REDIRECTS: usize = 5;

/// Limits of one connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct HttpLimits {
    pub(super) reach: Reach,
    /// All hops together, up to the head of the response.
    pub(super) open: Duration,
    /// Silence inside the body.
    pub(super) silence: Duration,
}

/// The body of a response. Dropping it closes the connection.
pub(super) struct HttpBody {
    /// Drives the connection while this is read, and only then.
    runtime: Option<Runtime>,
    response: Response,
    rest: Bytes,
    /// Whether an end of the bytes is the end the server meant: announced by it, or of a body without parts.
    may_end: bool,
    silence: Duration,
    stop: watch::Receiver<bool>,
}

impl HttpBody {
    /// Connects and follows redirects until a response comes; whether it is multipart. Blocks for at most
    /// `limits.open`.
    pub(super) fn open(
        url: &Url,
        limits: HttpLimits,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(HttpBody, bool), SourceError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| SourceError::Unreachable(error.to_string()))?;
        let opened = runtime.block_on(async {
            tokio::select! {
                opened = tokio::time::timeout(limits.open, follow(url.clone(), limits)) => {
                    opened.unwrap_or(Err(SourceError::TimedOut { step: "opening it", limit: limits.open }))
                }
                _ = stop.wait_for(|stop| *stop) => Err(SourceError::Stopped),
            }
        });
        let response = match opened {
            Ok(response) => response,
            Err(error) => {
                // A name lookup that hangs must not hold up the caller.
                runtime.shutdown_background();
                return Err(error);
            }
        };
        let multipart = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| {
                value
                    .trim_start()
                    .to_ascii_lowercase()
                    .starts_with("multipart/x-mixed-replace")
            });
        let announced = response.content_length().is_some()
            || response.headers().contains_key(TRANSFER_ENCODING);
        let body = HttpBody {
            may_end: announced || !multipart,
            runtime: Some(runtime),
            response,
            rest: Bytes::new(),
            silence: limits.silence,
            stop,
        };
        Ok((body, multipart))
    }
}

impl Read for HttpBody {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            let Some(runtime) = &self.runtime else {
                return Ok(0);
            };
            let (response, stop, silence) = (&mut self.response, &mut self.stop, self.silence);
            let chunk = runtime.block_on(async {
                tokio::select! {
                    chunk = tokio::time::timeout(silence, response.chunk()) => match chunk {
                        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("nothing came for {silence:?}"))),
                        Ok(Err(error)) => Err(io::Error::new(io::ErrorKind::ConnectionReset, reason(&error.without_url()))),
                        Ok(Ok(chunk)) => Ok(chunk),
                    },
                    _ = stop.wait_for(|stop| *stop) => Ok(None),
                }
            })?;
            match chunk {
                Some(chunk) => self.rest = chunk,
                None if self.may_end || *self.stop.borrow() => return Ok(0),
                // A camera that dies looks like this. One that is done says so with the last boundary.
                None => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the server closed the connection without an end",
                    ));
                }
            }
        }
        let length = out.len().min(self.rest.len());
        self.rest.copy_to_slice(&mut out[..length]);
        Ok(length)
    }
}

impl Drop for HttpBody {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn follow(mut url: Url, limits: HttpLimits) -> Result<Response, SourceError> {
    for _ in 0..=MAX_REDIRECTS {
        let response = request(&url, limits).await?;
        let status = response.status();
        if !status.is_redirection() {
            return match status.as_u16() {
                200..=299 => Ok(response),
                401 | 403 => Err(SourceError::Unauthorized),
                other => Err(SourceError::Status(other)),
            };
        }
        let target = response
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|target| url.join(target).ok());
        url = target.ok_or(SourceError::Redirect("says nowhere to"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(SourceError::Redirect("not to an http address"));
        }
    }
    Err(SourceError::Redirect("more than 5 times"))
}

/// One hop: resolved once, checked, and dialled at exactly what was checked.
async fn request(url: &Url, limits: HttpLimits) -> Result<Response, SourceError> {
    let addresses = resolve(url).await?;
    limits.reach.check(&addresses)?;
    let unreachable = |error: reqwest::Error| {
        let error = error.without_url();
        SourceError::Unreachable(reason(&error))
    };
    let mut client = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .connect_timeout(limits.open);
    if let Some(Host::Domain(name)) = url.host() {
        client = client.resolve_to_addrs(name, &addresses);
    }
    let client = client.build().map_err(unreachable)?;
    client.get(url.clone()).send().await.map_err(unreachable)
}

/// The addresses of a URL's host.
pub(super) async fn resolve(url: &Url) -> Result<Vec<SocketAddr>, SourceError> {
    let port = url
        .port_or_known_default()
        .or(match url.scheme() {
            "rtsp" => Some(554),
            "rtsps" => Some(322),
            _ => None,
        })
        .ok_or_else(|| SourceError::NoAddress("no port is known for it".into()))?;
    match host(url) {
        Some(Host::Ipv4(address)) => Ok(vec![SocketAddr::from((address, port))]),
        Some(Host::Ipv6(address)) => Ok(vec![SocketAddr::from((address, port))]),
        Some(Host::Domain(name)) => tokio::net::lookup_host((name.as_str(), port))
            .await
            .map(Iterator::collect)
            .map_err(|error| SourceError::NoAddress(error.to_string())),
        None => Err(SourceError::NoAddress("it names no host".into())),
    }
}

/// The host, with an address recognised as one whatever the scheme (the URL rules leave it a name for `rtsp`).
fn host(url: &Url) -> Option<Host<String>> {
    match url.host()? {
        Host::Domain(name) => {
            Some(Host::parse(name).unwrap_or_else(|_| Host::Domain(name.to_owned())))
        }
        Host::Ipv4(address) => Some(Host::Ipv4(address)),
        Host::Ipv6(address) => Some(Host::Ipv6(address)),
    }
}

/// The innermost cause: the outer ones only say that a request failed.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
