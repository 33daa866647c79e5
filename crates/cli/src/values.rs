//! Values of options that are more than a text or a number.
//! Not here: which options there are.

use std::net::SocketAddr;
use std::time::Duration;

use crate::run::source::{SourceSpec, TestSpec};

pub(crate) fn parse_shape(text: &str) -> Result<TestSpec, String> {
    match SourceSpec::parse(&format!("test:{text}"), false) {
        Ok(SourceSpec::Test(spec)) => Ok(spec),
        Ok(_) => Err("expected WIDTHxHEIGHT@FPS".to_owned()),
        Err(error) => Err(format!("{error:#}")),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Listen(SocketAddr),
    Connect(SocketAddr),
}

pub(crate) fn parse_peer(text: &str) -> Result<Peer, String> {
    let (role, addr) = text
        .split_once(':')
        .ok_or("expected listen:ADDR:PORT or connect:ADDR:PORT")?;
    let addr = addr.parse().map_err(|error| format!("{addr}: {error}"))?;
    match role {
        "listen" => Ok(Peer::Listen(addr)),
        "connect" => Ok(Peer::Connect(addr)),
        other => Err(format!("`{other}` is neither listen nor connect")),
    }
}

pub(crate) fn parse_param(text: &str) -> Result<(String, serde_json::Value), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=JSON")?;
    if key.is_empty() {
        return Err("the key is empty".into());
    }
    let value = serde_json::from_str(value).map_err(|error| {
        format!("the value of `{key}` is not JSON ({error}); quote texts, as {key}='\"text\"'")
    })?;
    Ok((key.to_owned(), value))
}

pub(crate) fn parse_json(text: &str) -> Result<serde_json::Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}

/// How long a lost network source is tried again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reconnect {
    Off,
    Within(Duration),
    Forever,
}

impl From<Reconnect> for framewire::Reconnect {
    fn from(reconnect: Reconnect) -> Self {
        match reconnect {
            Reconnect::Off => Self::Off,
            Reconnect::Within(budget) => Self::Within(budget),
            Reconnect::Forever => Self::Forever,
        }
    }
}

impl From<Reconnect> for framewire_worker::Reconnect {
    fn from(reconnect: Reconnect) -> Self {
        match reconnect {
            Reconnect::Off => Self::Off,
            Reconnect::Within(budget) => Self::Within(budget),
            Reconnect::Forever => Self::Forever,
        }
    }
}

pub(crate) fn parse_reconnect(text: &str) -> Result<Reconnect, String> {
    match text {
        "0" => Ok(Reconnect::Off),
        "forever" => Ok(Reconnect::Forever),
        seconds => parse_seconds(seconds).map(|s| Reconnect::Within(Duration::from_secs_f64(s))),
    }
}

pub(crate) fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 1e9 => Ok(seconds),
        Ok(_) => Err("expected a positive number of seconds".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// A number of seconds, 0 or more.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|error: std::num::ParseFloatError| error.to_string())?;
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| "expected a number of seconds, 0 or more".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_key_and_json() {
        assert_eq!(
            parse_param("a=[1]").unwrap(),
            ("a".into(), serde_json::json!([1]))
        );
        assert!(parse_param("a=text").unwrap_err().contains("quote"));
        assert!(parse_param("=1").is_err() && parse_param("a").is_err());
    }

    #[test]
    fn peers_name_their_role() {
        assert_eq!(
            parse_peer("listen:127.0.0.1:5").unwrap(),
            Peer::Listen("127.0.0.1:5".parse().unwrap())
        );
        assert!(parse_peer("both:127.0.0.1:5").is_err());
    }
}
