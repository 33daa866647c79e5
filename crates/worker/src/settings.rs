//! One session's settings, made from a request and the worker's options; refuses what cannot work.
//! Not the session: nothing here waits, opens or sends.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use framewire_media::FramePool;
use framewire_protocol::ack::{DEFAULT_ACK_WINDOW, OWN_ACK_WINDOW};
use framewire_protocol::job::{Job, JobConfig, JobLimits, JobSource};
use framewire_protocol::net::AddressClass;
use framewire_protocol::output::{DataOutput, StreamOutput, validate_outputs};
use framewire_protocol::signalling::{
    Agreement, Feature, ProcessingTimeout, RequestError, WorkerRequest,
};
use framewire_protocol::upload::UploadLimits;
use framewire_transport::{
    AnswerError, IceServer, Peer, PeerConfig, VideoCodec, VideoConfig, VideoTrack,
};
use serde_json::Value;

use crate::config::WorkerConfig;
use crate::http::errors::ApiError;
use crate::http::sdp_needs::{SdpNeeds, VideoRoles};
use crate::library::WorkflowLibrary;
use crate::session::{CompressRule, Plan, SendRules, SourceKind, VideoOut, WorkPlan};
use crate::sources::PullSpec;
use crate::worker::App;
use crate::workflow::{RunnerOptions, Workflow};

/// What a request comes to under the worker's options.
#[derive(Debug)]
pub(crate) struct Settings {
    stream_output: StreamOutput,
    pub(crate) has_key: bool,
    data_output: DataOutput,
    realtime: bool,
    processing: Option<Duration>,
    ice_servers: Vec<IceServer>,
    compress: CompressRule,
    /// What our two ends agree on; `None`: the client is an original.
    agreement: Option<Agreement>,
    /// The source of the request's own, if it names one.
    pub(crate) pull: Option<PullSpec>,
}

impl Settings {
    /// Checks everything that needs neither disk nor network. `near`: the client is on this machine.
    pub(crate) fn of_request(
        config: &WorkerConfig,
        request: &WorkerRequest,
        has_key: bool,
        near: bool,
    ) -> Result<Settings, ApiError> {
        if request.webrtc_offer.kind != "offer" {
            let text = "`webrtc_offer.type` must be `offer`".to_owned();
            return Err(RequestError::Offer(text).into());
        }
        let pull = PullSpec::of_request(config, request)?;
        let env = &config.env;
        let processing = match request.processing_timeout {
            ProcessingTimeout::Unlimited => None,
            ProcessingTimeout::Seconds(seconds) => match u64::try_from(seconds) {
                Ok(seconds @ 1..) => Some(Duration::from_secs(seconds)),
                _ => {
                    return Err(ApiError::configuration(
                        "`processing_timeout` must be at least 1 second, or null for none",
                    ));
                }
            },
            _ => Some(env.default_processing_timeout),
        };
        Ok(Settings {
            stream_output: StreamOutput::from_request(request.stream_output.as_deref()),
            has_key,
            data_output: DataOutput::from_names(request.data_output.as_deref()),
            realtime: request
                .webrtc_realtime_processing
                .unwrap_or(env.realtime_processing),
            processing,
            ice_servers: ice_servers(config, request, near)?,
            compress: match env.gzip {
                _ if !request.sender().reads_gzip() => CompressRule::Never,
                None => CompressRule::WhenItPays,
                Some(true) => CompressRule::Always,
                Some(false) => CompressRule::Never,
            },
            agreement: request.framewire.clone(),
            pull,
        })
    }

    /// What the offer and the outputs make of the video section.
    pub(crate) fn roles(&self, offer: &str) -> Result<VideoRoles, ApiError> {
        let needs = SdpNeeds::of(offer);
        Ok(needs.roles(&self.stream_output, &self.data_output, self.pull.is_some())?)
    }

    /// The transport's side.
    pub(crate) fn peer_config(&self, config: &WorkerConfig, roles: &VideoRoles) -> PeerConfig {
        let limits = &config.limits;
        // The client names the servers; they follow the rule of the other addresses it may have us dial.
        let allowed: fn(IpAddr) -> bool = if config.deny_private_sources {
            |address| AddressClass::of(address).allows_stream(true)
        } else {
            |address| AddressClass::of(address).allows_stream(false)
        };
        let mut peer = PeerConfig::default()
            .with_ice_servers(self.ice_servers.clone())
            .with_ice_server_filter(allowed)
            .with_gather_timeout(limits.gather_timeout)
            .with_connect_timeout(limits.connect_timeout)
            .with_lost_after(self.lost_after(config))
            .with_inbound_limit(INBOUND_LIMIT);
        if roles.send() || roles.receive {
            let mut video = VideoConfig::default()
                .with_send(roles.send())
                .with_receive(roles.receive)
                .with_bitrate(config.video_bitrate);
            if !self.realtime {
                // A live track cannot be paused: what waits for a slow workflow waits encoded, where it is small.
                video = video.with_receive_queue(BATCH_TRACK_FRAMES, BATCH_TRACK_BYTES);
            }
            peer = peer.with_video(video);
        }
        peer
    }

    /// What the negotiation left of the roles: the client's track, ours, or a reason to refuse. Falls back to data where
    /// there is some.
    pub(crate) fn tracks(&self, roles: &mut VideoRoles, peer: &Peer) -> Result<Tracks, ApiError> {
        let track = peer.video();
        let usable = |can: fn(framewire_transport::Direction) -> bool| {
            track.clone().filter(|track| can(track.direction()))
        };
        let source = usable(framewire_transport::Direction::can_receive).filter(|_| roles.receive);
        if roles.receive && source.is_none() {
            let text = "its video section shares no codec with this worker (VP8 and H264)";
            return Err(RequestError::Offer(text.to_owned()).into());
        }
        let mut out = None;
        if roles.send() {
            match usable(framewire_transport::Direction::can_send) {
                Some(track) => {
                    let codec = self.codec(&track);
                    out = Some(VideoOut { track, codec });
                }
                None => roles.give_up_sending(
                    &self.data_output,
                    "the offer's video section shares no codec with this worker (VP8 and H264)",
                )?,
            }
        }
        Ok(Tracks { source, out })
    }

    /// Towards an end of ours the cheaper codec, towards an original the one it named first.
    fn codec(&self, track: &VideoTrack) -> VideoCodec {
        let codecs = track.codecs();
        if self.agreement.is_some() && codecs.contains(&VideoCodec::H264) {
            return VideoCodec::H264;
        }
        codecs.first().copied().unwrap_or(VideoCodec::Vp8)
    }

    /// Our half of the agreement, for a client that has one.
    pub(crate) fn answer_agreement(&self) -> Option<Agreement> {
        self.agreement.as_ref().map(|_| own_agreement())
    }

    /// Silence after which the client counts as gone.
    fn lost_after(&self, config: &WorkerConfig) -> Duration {
        let usual = if self.agreement.is_some() {
            LOST_AFTER_OURS
        } else {
            LOST_AFTER_ORIGINAL
        };
        config.limits.lost_after.unwrap_or(usual)
    }

    /// Whether both ends named a feature.
    pub(crate) fn agreed(&self, feature: Feature) -> bool {
        let theirs = self.agreement.as_ref();
        theirs.is_some_and(|theirs| theirs.intersect(&own_agreement()).has(feature))
    }

    /// The machine's side; its processing time counts from `now`.
    pub(crate) fn job(
        &self,
        config: &WorkerConfig,
        now: Instant,
        source: SourceKind,
        stream: StreamOutput,
    ) -> Job {
        let limits = &config.limits;
        let mut times = JobLimits::default();
        times.connect = limits.connect_timeout;
        times.upload_stall = config.env.watchdog;
        times.processing = self.processing;
        times.reserve = config.env.shutdown_reserve;
        times.vanished = self.lost_after(config);
        times.frame = limits.teardown_timeout;
        times.drain = limits.completion_drain;
        times.linger = limits.linger;
        let source = if source == SourceKind::File {
            JobSource::Upload
        } else {
            JobSource::Ready
        };
        let job = JobConfig::new(source)
            .with_batch(!self.realtime)
            .with_outputs(stream, self.data_output.clone())
            .with_ack_window(self.ack_window(config))
            .with_upload_limits(UploadLimits::new(config.max_upload_bytes))
            .with_agreement(self.agreement.is_some())
            .with_verified_uploads(self.agreed(Feature::Upload))
            .with_fresh_results(self.agreed(Feature::Freshness))
            .with_limits(times);
        Job::new(now, job)
    }

    fn ack_window(&self, config: &WorkerConfig) -> u64 {
        let ours = self.agreement.is_some();
        let usual = if ours {
            OWN_ACK_WINDOW
        } else {
            DEFAULT_ACK_WINDOW
        };
        config.env.ack_window.unwrap_or(usual)
    }

    /// The pipeline's side.
    pub(crate) fn plan(
        &self,
        config: &WorkerConfig,
        request: &WorkerRequest,
        work: WorkPlan,
        video: Option<VideoOut>,
        pool: FramePool,
    ) -> Plan {
        let wanted = &request.workflow_configuration;
        let options = RunnerOptions {
            parameters: wanted.workflows_parameters.clone().unwrap_or_default(),
            image_input_name: wanted.image_input_name.clone(),
            video_metadata_input_name: wanted.video_metadata_input_name.clone(),
        };
        Plan {
            work,
            options,
            realtime: self.realtime,
            declared_fps: request.declared_fps.filter(|fps| *fps > 0.0),
            jpeg_quality: config.env.jpeg_quality,
            raw_pictures: self.agreed(Feature::RawImage),
            rules: SendRules {
                compress: self.compress,
                buffer_limit: config.env.buffer_limit,
                timeout: config.limits.send_timeout,
                log_latency: config.env.debug_latency,
            },
            ledger: self.agreed(Feature::Ledger),
            video,
            pool,
            reconnect: config.reconnect,
            first_frame: config.limits.first_frame,
            max_frame_age: config.limits.max_frame_age,
        }
    }
}

/// The two directions of the negotiated video section.
#[derive(Debug)]
pub(crate) struct Tracks {
    /// The client's track, if it is the source.
    pub(crate) source: Option<VideoTrack>,
    /// Where processed video goes.
    pub(crate) out: Option<VideoOut>,
}

fn own_agreement() -> Agreement {
    Agreement::new([
        Feature::Ledger,
        Feature::RawImage,
        Feature::Upload,
        Feature::Freshness,
        Feature::IceRestart,
        Feature::Probe,
    ])
}

/// What is done with the frames: the worker's own function whatever the request names, else the request's workflow, whose
/// names are checked.
pub(crate) fn work(
    app: &App,
    request: &WorkerRequest,
    has_key: bool,
) -> Result<WorkPlan, ApiError> {
    if let Some(make) = &app.config.processor {
        return Ok(WorkPlan::Function(make.clone()));
    }
    let definition = definition(&app.library, request, has_key)?;
    let workflow =
        Workflow::compile(&definition, &app.models).map_err(|error| ApiError::from(&error))?;
    check_names(&workflow, request)?;
    Ok(WorkPlan::Workflow(workflow))
}

/// The definition to compile: inline, or from the worker's folder.
fn definition(
    library: &WorkflowLibrary,
    request: &WorkerRequest,
    has_key: bool,
) -> Result<Value, ApiError> {
    let wanted = &request.workflow_configuration;
    if let Some(inline) = &wanted.workflow_specification {
        return Ok(Value::Object(inline.clone()));
    }
    let (Some(workspace), Some(id)) = (&wanted.workspace_name, &wanted.workflow_id) else {
        return Err(ApiError::configuration(
            "`workflow_configuration` needs `workflow_specification`, or `workflow_id` with `workspace_name`",
        ));
    };
    match library.load(workspace, id) {
        Ok(definition) => Ok(definition),
        Err(crate::library::LibraryError::Missing { .. }) if !has_key => {
            Err(RequestError::MissingApiKey.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Checks output and input names against the compiled workflow, inline or by id.
fn check_names(workflow: &Workflow, request: &WorkerRequest) -> Result<(), ApiError> {
    let known: Vec<String> = workflow.output_names().map(str::to_owned).collect();
    validate_outputs(
        request.stream_output.as_deref(),
        request.data_output.as_deref(),
        &known,
    )
    .map_err(|unknown| ApiError::configuration(unknown.to_string()))?;
    let input = &request.workflow_configuration.image_input_name;
    let inputs: Vec<&str> = workflow.image_inputs().collect();
    if !inputs.is_empty() && !inputs.contains(&input.as_str()) {
        let text = format!(
            "`image_input_name` is {input:?}, but the workflow's image inputs are {inputs:?}"
        );
        return Err(ApiError::configuration(text));
    }
    Ok(())
}

/// What the transport says of an offer, as an answer to the request.
pub(crate) fn offer_error(error: &AnswerError) -> ApiError {
    match error {
        AnswerError::Sdp(inner) => RequestError::Offer(inner.to_string()).into(),
        AnswerError::EndpointClosed => ApiError::Draining,
        _ => {
            tracing::error!(%error, "cannot answer an offer");
            RequestError::Internal.into()
        }
    }
}

fn ice_servers(
    config: &WorkerConfig,
    request: &WorkerRequest,
    near: bool,
) -> Result<Vec<IceServer>, ApiError> {
    let wanted = request.ice_servers.as_deref().unwrap_or_default();
    if config.env.offline {
        return if wanted.is_empty() {
            Ok(Vec::new())
        } else {
            Err(ApiError::configuration(
                "this worker is offline and uses no ICE servers; send none",
            ))
        };
    }
    let own = wanted.iter().map(|server| {
        let credential = server
            .credential
            .as_ref()
            .map(|secret| secret.expose().to_owned());
        IceServer::new(server.urls.clone()).with_credentials(server.username.clone(), credential)
    });
    // A client on this machine is reached without our outside address; asking for it would only delay the answer.
    let ours = if near {
        Vec::new()
    } else {
        config.env.stun_servers()
    };
    let ours = ours.into_iter().map(|url| IceServer::new(vec![url]));
    Ok(own.chain(ours).collect())
}

/// A client of ours answers the network whatever its caller does.
const LOST_AFTER_OURS: Duration = Duration::from_secs(15);
/// An original is silent while one of its handlers blocks.
const LOST_AFTER_ORIGINAL: Duration = Duration::from_secs(30);
/// Bytes of a client's messages that may wait for the session thread: it only writes them to disk.
const INBOUND_LIMIT: usize = 4 * 1024 * 1024;
/// Encoded frames of a client's track that may wait in batch processing: half a minute.
const BATCH_TRACK_FRAMES: usize = 900;
/// And their bytes: at some 8 Mbit/s as long.
const BATCH_TRACK_BYTES: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_client_of_ours_is_gone_after_15_seconds_an_original_after_30_unless_told() {
        let mut config = WorkerConfig::embedded();
        for (told, ours, original) in [(None, 15, 30), (Some(7), 7, 7)] {
            config.limits.lost_after = told.map(Duration::from_secs);
            for (key, seconds) in [(r#"{"v": 1, "features": []}"#, ours), ("null", original)] {
                let body = r#"{"workflow_configuration": {"type": "WorkflowConfiguration", "workflow_specification": {}},
                    "webrtc_offer": {"type": "offer", "sdp": "v=0"}, "framewire": KEY}"#;
                let request = WorkerRequest::parse(body.replace("KEY", key).as_bytes()).unwrap();
                let settings = Settings::of_request(&config, &request, false, true).unwrap();
                assert_eq!(settings.lost_after(&config).as_secs(), seconds, "{key}");
            }
        }
    }
}
