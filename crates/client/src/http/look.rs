//! Questions to the worker's HTTP side that start no session: what answers there, and what it says of itself.
//! Not the exchange of offer and answer.

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use reqwest::header::DATE;
use serde_json::Value;

use super::{Signalling, Trouble, TroubleKind, connect_timeout, proxy, read_bounded};
use crate::diagnosis::{Diagnosis, Request, of_request};

/// Largest page read; what is longer is no description of a worker.
const MAX_PAGE: usize = 256 * 1024;

/// An HTTP answer, whatever its status.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub(crate) status: u16,
    /// Its `Date`.
    pub(crate) date: Option<SystemTime>,
    /// Our clock when it came.
    pub(crate) at: SystemTime,
    /// Until the headers were here, connecting included.
    pub(crate) took: Duration,
    /// Where it came from; none through a proxy.
    pub(crate) from: Option<IpAddr>,
    body: Vec<u8>,
}

impl Look {
    /// Its body, if it is JSON.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

impl Signalling {
    /// The same with another wait for answers to offers.
    pub(crate) fn with_patience(&self, offer: Duration) -> Signalling {
        Signalling {
            signalling_timeout: offer,
            ..self.clone()
        }
    }

    /// Gets a page below the address. Cancel-safe.
    pub(crate) async fn look(&self, route: &str, limit: Duration) -> Result<Look, Diagnosis> {
        let trouble = match tokio::time::timeout(limit, self.look_now(route)).await {
            Ok(Ok(look)) => return Ok(look),
            Ok(Err(error)) => Trouble::of(error, &self.api, |text| self.clean(text)),
            Err(_) => Trouble::silent(&self.api),
        };
        let waited = match trouble.kind {
            TroubleKind::ConnectSilent => connect_timeout(self.reach_timeout),
            _ => limit,
        };
        Err(of_request(Request::Reach, &self.api, &trouble, waited))
    }

    async fn look_now(&self, route: &str) -> Result<Look, reqwest::Error> {
        let begun = Instant::now();
        let mut response = self.http.get(self.api.join(route)).send().await?;
        let (took, at) = (begun.elapsed(), SystemTime::now());
        let from = response.remote_addr();
        let from = from.filter(|_| proxy(&self.api).is_none());
        let date = response.headers().get(DATE);
        let date = date.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        // What is wrong with the body of a page does not matter: that there is an answer does.
        let body = read_bounded(&mut response, MAX_PAGE).await;
        Ok(Look {
            status: response.status().as_u16(),
            date,
            at,
            took,
            from: from.map(|from| from.ip().to_canonical()),
            body: body.map(|(body, _)| body).unwrap_or_default(),
        })
    }
}
