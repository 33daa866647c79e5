//! Walks the way to a worker step by step and says of each whether it works, how long it took and what to try if not.
//! Not the rules by which evidence becomes a cause; those are [`Diagnosis`](crate::Diagnosis)' own and errors use them too.

mod connect;
mod judge;
mod link;
mod paths;
mod reach;
mod report;
mod servers;
mod throughput;
mod video;
mod walk;

use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use crate::client::ApiKeyTransport;
use crate::diagnosis::CheckStep;
use crate::error::ConfigError;
use crate::ice::IceConfig;
use crate::options::ClientOptions;

pub use report::{DoctorReport, StepReport, StepStatus, WorkerKind, WorkerReport};

use walk::{Event, Walk};

/// What is checked, and with which network.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct DoctorOptions {
    /// STUN and TURN servers in one of the shapes of [`StreamConfig::turn_server`](crate::StreamConfig). Default: those a
    /// session would use.
    pub ice_servers: Option<Value>,
    /// Leave out the four seconds in which data goes through as fast as the path takes it. Default false.
    pub no_throughput: bool,
}

impl std::fmt::Debug for DoctorOptions {
    /// Servers come with passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DoctorOptions")
            .field("has_ice_servers", &self.ice_servers.is_some())
            .field("no_throughput", &self.no_throughput)
            .finish()
    }
}

impl DoctorOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the STUN and TURN servers.
    pub fn ice_servers(mut self, servers: Value) -> Self {
        self.ice_servers = Some(servers);
        self
    }

    /// Leaves out the measurement of throughput, or not.
    pub fn no_throughput(mut self, off: bool) -> Self {
        self.no_throughput = off;
        self
    }
}

/// What happens while a doctor is at work.
#[derive(Debug)]
#[non_exhaustive]
pub enum DoctorEvent<'a> {
    /// A step has begun that takes a while.
    Begun(CheckStep),
    /// A step is done.
    Done(&'a StepReport),
}

/// An examination that is about to begin; see [`Client::doctor`](crate::Client::doctor).
pub struct Doctor {
    pub(crate) patient: Patient,
}

/// Everything an examination needs. The address is text: a wrong one is a finding, not an error.
#[derive(Clone)]
pub(crate) struct Patient {
    pub(crate) api_url: String,
    pub(crate) api_key: Option<String>,
    pub(crate) transport: ApiKeyTransport,
    pub(crate) options: ClientOptions,
    pub(crate) ice: Option<IceConfig>,
    pub(crate) throughput: bool,
}

impl Patient {
    /// A request with the key where it belongs.
    fn with_key(&self, mut body: Value) -> Value {
        if self.transport != ApiKeyTransport::Header {
            body["api_key"] = self.api_key.clone().into();
        }
        body
    }
}

impl std::fmt::Debug for Doctor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let url = framewire_protocol::signalling::redact_url(&self.patient.api_url);
        f.debug_struct("Doctor")
            .field("api_url", &url)
            .finish_non_exhaustive()
    }
}

impl Doctor {
    pub(crate) fn new(
        api_url: &str,
        api_key: Option<String>,
        transport: ApiKeyTransport,
        options: ClientOptions,
        wanted: DoctorOptions,
    ) -> Result<Doctor, ConfigError> {
        let ice = wanted.ice_servers.as_ref().map(IceConfig::from_user);
        Ok(Doctor {
            patient: Patient {
                api_url: api_url.to_owned(),
                api_key,
                transport,
                options,
                ice: ice.transpose()?.flatten(),
                throughput: !wanted.no_throughput,
            },
        })
    }

    /// Examines. Blocks for at most 20 seconds whatever is wrong, some 5 when all is well: four of them measure throughput, during
    /// which the path is loaded as heavily as it can be. An original worker, which may need half a minute for an answer, gets
    /// 40 seconds more for each of its two. `on_event` is called on this thread, with the steps in their order.
    ///
    /// Opens two sessions with the worker, one after the other, and one allocation on each TURN server. Never fails: what
    /// does not work is in the report.
    pub fn run(self, mut on_event: impl FnMut(DoctorEvent<'_>)) -> DoctorReport {
        let (events, happened) = mpsc::channel();
        let address = self.patient.api_url.clone();
        let walk = Walk::new(self.patient, events);
        // A thread of its own, so that callers inside a runtime work too; it ends with the walk.
        let thread = std::thread::Builder::new()
            .name("framewire-doctor".into())
            .spawn(move || walk.run());
        let Ok(thread) = thread else {
            return DoctorReport::not_begun(&address, "this machine gives no thread");
        };
        for event in happened {
            match event {
                Event::Begun(step) => on_event(DoctorEvent::Begun(step)),
                Event::Done(step) => on_event(DoctorEvent::Done(&step)),
            }
        }
        let report = thread.join();
        report.unwrap_or_else(|_| {
            DoctorReport::not_begun(&address, "it failed inside; please report this")
        })
    }
}

/// The longest an examination takes.
const LONGEST: Duration = Duration::from_millis(19_500);
