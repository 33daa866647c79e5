//! The way to the worker: which servers help to find it, and the offer made with them.
//! Not here: exchanging the offer, and anything after the answer.

use std::time::Duration;

use framewire_protocol::job::{RESULTS_LABEL, UPLOAD_LABEL};
use framewire_transport::{
    Endpoint, EndpointConfig, GatherReport, IceServer, Offer, OfferError, PeerConfig, VideoConfig,
    probe_turn,
};

use crate::diagnosis::of_missing_relay;
use crate::error::{SessionError, Step};
use crate::http::ApiUrl;
use crate::ice::{DEFAULT_STUN, IceConfig};
use crate::session::coming_up::EXTENSION;
use crate::session::connect::{blocking, chain};
use crate::session::shared::{Shared, lock};

/// Batch: encoded frames, and bytes of them, that may wait for their decoder; beyond it frames would be lost up to a keyframe.
const BATCH_FRAMES: (usize, usize) = (600, 32 << 20);
/// Longest look for a TURN server that answers, when there are several.
const TURN_PROBE: Duration = Duration::from_secs(2);

/// Binds a socket, finds its addresses and makes the offer.
pub(super) async fn offer(shared: &Shared, servers: Vec<IceServer>) -> Result<Offer, SessionError> {
    let options = &shared.options;
    let mut config = PeerConfig::default()
        .with_channel(RESULTS_LABEL)
        .with_gather_timeout(options.gather_timeout)
        .with_connect_timeout(options.connect_timeout * EXTENSION)
        .with_lost_after(options.lost_after(false))
        .with_relay_only(options.relay_only);
    if shared.plan.uploads {
        config = config.with_channel(UPLOAD_LABEL);
    }
    if shared.plan.media.uses_track() {
        config = config.with_video(video(shared));
    }
    let local = |reason: String| SessionError::Local {
        step: Step::Gathering,
        reason,
    };
    let mut urls = servers.iter().flat_map(|server| &server.urls);
    if options.relay_only && !urls.any(|url| is_turn(url)) {
        return Err(no_relay("turn_server names no TURN server".into()));
    }
    blocking(Step::Gathering, move || {
        let config = config.with_ice_servers(ranked(servers));
        let endpoint =
            Endpoint::bind(EndpointConfig::default()).map_err(|error| local(chain(&error)))?;
        endpoint.offer(config).map_err(|error| match error {
            OfferError::NoRelay(report) => no_relay(report.to_string()),
            error => local(chain(&error)),
        })
    })
    .await
}

fn no_relay(reason: String) -> SessionError {
    SessionError::Gathering {
        diagnosis: Box::new(of_missing_relay(&reason)),
        reason,
    }
}

fn video(shared: &Shared) -> VideoConfig {
    let video = VideoConfig::default()
        .with_send(shared.plan.media.sends)
        .with_receive(shared.plan.media.receives)
        .with_bitrate(shared.options.bitrate);
    if shared.plan.realtime {
        video
    } else {
        // Acknowledgements pace the worker; an original sends ahead until the first one reaches it.
        video.with_receive_queue(BATCH_FRAMES.0, BATCH_FRAMES.1)
    }
}

/// The servers with the first TURN server that answers in front, as the original uses no other.
fn ranked(servers: Vec<IceServer>) -> Vec<IceServer> {
    let probe = probe_turn(&servers, TURN_PROBE);
    let Some(mut ranked) = probe.reordered(&servers) else {
        return servers;
    };
    // The one in front need not be asked twice.
    if let Some((first, rest)) = ranked.split_first_mut() {
        for server in rest {
            server.urls.retain(|url| !first.urls.contains(url));
        }
    }
    ranked.retain(|server| !server.urls.is_empty());
    ranked
}

fn is_turn(url: &str) -> bool {
    let scheme = url.split(':').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case("turn") || scheme.eq_ignore_ascii_case("turns")
}

/// Servers for this side; with none configured, the default STUN server unless the worker is near.
pub(crate) fn servers(ice: Option<&IceConfig>, api: &ApiUrl) -> Vec<IceServer> {
    match ice {
        None if api.is_local() => Vec::new(),
        None => vec![IceServer::new(vec![DEFAULT_STUN.to_owned()])],
        Some(ice) => ice.for_transport(),
    }
}

impl Shared {
    /// Remembers what servers gave: a connection that does not come about says so.
    pub(super) fn keep_gathering(&self, report: &GatherReport) {
        let failed = report.servers.iter().filter_map(|server| {
            let reason = server.outcome.as_ref().err()?;
            Some(format!("{}: {reason}", server.url))
        });
        let failed: Vec<_> = failed.collect();
        if !failed.is_empty() {
            let failed = failed.join("; ");
            tracing::warn!("servers that did not help: {failed}");
        }
        *lock(&self.gathering) = report.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn stun_is_used_by_default_only_for_workers_far_away() {
        let near = ApiUrl::parse("http://127.0.0.1:9001").unwrap();
        let far = ApiUrl::parse("https://worker.example.com").unwrap();
        assert!(servers(None, &near).is_empty());
        assert_eq!(servers(None, &far)[0].urls, [DEFAULT_STUN]);
        let none = IceConfig::parse(&json!({"iceServers": []})).unwrap();
        assert!(servers(Some(&none), &far).is_empty());
        let mixed = json!({"urls": ["turn:t.example", "stun:s.example"], "username": "u", "credential": "c"});
        let mixed = IceConfig::parse(&mixed).unwrap();
        let used = servers(Some(&mixed), &near);
        assert_eq!(used[0].urls, ["turn:t.example", "stun:s.example"]);
        assert_eq!(used[0].credential.as_deref(), Some("c"));
    }

    #[test]
    fn one_turn_server_is_not_probed() {
        let alone = vec![IceServer::new(vec![
            "turn:192.0.2.1".into(),
            "stun:192.0.2.1".into(),
        ])];
        assert_eq!(ranked(alone.clone()), alone);
        assert!(is_turn("TURNS:h") && !is_turn("stun:turn"));
    }
}
