//! The steps about STUN and TURN servers: each URL by itself, asked as a session would, all at once.
//! Not what a session gets from them together, which is the step `candidates`.

use std::time::Duration;

use framewire_transport::{ServerCheck, ServerFailure, check_ice_servers};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::reach::At;
use super::report::ms;
use super::walk::{Found, Walk};
use crate::diagnosis::{CheckStep, of_server, step_of};
use crate::ice::IceConfig;
use crate::session;

/// Longest wait for any of them. A silent one over TCP takes all of it.
const SERVERS: Duration = Duration::from_secs(4);
/// After this long the connection is tried beside those that are still silent.
const SOON: Duration = Duration::from_secs(1);

/// The steps, each of which appears even when there is no such URL.
const STEPS: [CheckStep; 4] = [
    CheckStep::Stun,
    CheckStep::TurnUdp,
    CheckStep::TurnTcp,
    CheckStep::TurnTls,
];

/// Servers that are being asked.
pub(super) struct Asked {
    /// What a session would use, which may have to be asked for first.
    ice: oneshot::Receiver<Option<IceConfig>>,
    checks: JoinHandle<Vec<ServerCheck>>,
}

/// Begins to ask them, beside everything else.
pub(super) fn ask(walk: &Walk, at: Option<&At>) -> Asked {
    let (patient, at) = (walk.patient.clone(), at.cloned());
    let budget = walk.allow(SERVERS);
    let (known, ice) = oneshot::channel();
    let checks = tokio::spawn(async move {
        let mut config = patient.ice;
        if let (None, Some(at)) = (&config, &at) {
            let key = patient.api_key.as_deref();
            config = crate::platform::turn_servers(&patient.options, &at.api, key).await;
        }
        let servers = match &at {
            Some(at) => session::servers(config.as_ref(), &at.api),
            None => config
                .as_ref()
                .map(IceConfig::for_transport)
                .unwrap_or_default(),
        };
        // Nobody waits for it when there is no worker.
        let _ = known.send(config);
        let checks = tokio::task::spawn_blocking(move || check_ice_servers(&servers, budget));
        checks.await.unwrap_or_default()
    });
    Asked { ice, checks }
}

/// What they said, in the order of the steps. Those that answer do so soon; if one is silent, the others are told later, and what
/// is found meanwhile is held back for so long.
pub(super) async fn report(walk: &mut Walk, mut asked: Asked) -> Option<Asked> {
    walk.begin(CheckStep::Stun);
    if let Ok(Ok(ice)) = tokio::time::timeout(walk.left(), &mut asked.ice).await {
        walk.patient.ice = ice;
    }
    match tokio::time::timeout(walk.allow(SOON), &mut asked.checks).await {
        Ok(checks) => show(walk, &checks.unwrap_or_default()),
        Err(_) => {
            walk.hold();
            return Some(asked);
        }
    }
    None
}

/// The same of those that were not done then.
pub(super) async fn report_late(walk: &mut Walk, asked: Asked) {
    let checks = tokio::time::timeout(walk.left(), asked.checks).await;
    let held = walk.release();
    match checks {
        Ok(checks) => show(walk, &checks.unwrap_or_default()),
        Err(_) => {
            for step in STEPS {
                walk.skip(step, "the servers were not asked in time");
            }
        }
    }
    held.into_iter().for_each(|step| walk.push(step));
}

fn show(walk: &mut Walk, checks: &[ServerCheck]) {
    for step in STEPS {
        let of_step: Vec<_> = checks
            .iter()
            .filter(|check| step_of(check) == step)
            .collect();
        if of_step.is_empty() {
            walk.skip(step, "no such server is configured");
        }
        for check in of_step {
            one(walk, step, check);
        }
    }
}

fn one(walk: &mut Walk, step: CheckStep, check: &ServerCheck) {
    let mut facts = json!({
        "resolved_ms": check.resolved.map(ms),
        "connected_ms": check.connected.map(ms),
    });
    let (took, detail) = match &check.outcome {
        Ok(grant) => {
            facts["reflexive"] = grant.reflexive.map(|at| at.to_string()).into();
            facts["relayed"] = grant.relayed.map(|at| at.to_string()).into();
            let detail = match (grant.relayed, grant.reflexive) {
                (Some(relayed), _) => format!("gave the address {relayed}"),
                (None, Some(seen)) => format!("sees us as {seen}"),
                (None, None) => "answered".to_owned(),
            };
            (grant.took, detail)
        }
        Err(failure) => {
            let took = match failure {
                ServerFailure::Silent { after } => *after,
                _ => check.resolved.unwrap_or_default() + check.connected.unwrap_or_default(),
            };
            (took, failure.to_string())
        }
    };
    let found = Found::new(took, detail, facts);
    walk.add(step, found, of_server(check), Some(check.url.clone()));
}
