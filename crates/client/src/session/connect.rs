//! From nothing to an applied answer: the source once, then for each connection candidates, reaching the worker, offer and
//! answer. Not here: what happens on the connection afterwards (`driver`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use framewire_protocol::session::Input;
use framewire_protocol::signalling::{Agreement, Feature};
use framewire_transport::{Direction, Peer, VideoTrack};

use crate::client::ApiKeyTransport;
use crate::diagnosis::{WorkerSeen, of_answer};
use crate::error::{SessionError, Step};
use crate::http::{ApiUrl, Signalling};
use crate::platform;
use crate::session::background::Work;
use crate::session::coming_up::ComingUp;
use crate::session::file_hash::UploadIdentity;
use crate::session::file_job::FileJob;
use crate::session::live::Link;
#[cfg(feature = "ffmpeg")]
use crate::session::live::{self, LiveSource};
use crate::session::network;
use crate::session::restart::Restarts;
use crate::session::shared::Shared;
use crate::session::upload::Upload;
use crate::source::{PreparedFile, Source, VideoFileSource, fetch};

/// How much longer than its lifetime a result may take: what the completion message may gain on it on the way.
const STRAGGLE: Duration = Duration::from_millis(100);

/// What a start needs besides the shared state. Used up by it.
pub(crate) struct Launch {
    pub(crate) api: ApiUrl,
    pub(crate) api_key: Option<String>,
    pub(crate) transport: ApiKeyTransport,
    pub(crate) source: Source,
}

impl std::fmt::Debug for Launch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Launch")
            .field("api", &self.api.shown())
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// A connection that is coming up.
pub(crate) struct Connected {
    pub(crate) peer: Peer,
    pub(crate) coming_up: ComingUp,
    pub(crate) upload: Option<Upload>,
    pub(crate) signalling: Signalling,
    /// How new network paths are found for it, with a worker that can.
    pub(crate) restarts: Option<Restarts>,
}

/// Everything connections are made from, for as long as the session lives.
pub(crate) struct Ready {
    api: ApiUrl,
    api_key: Option<String>,
    transport: ApiKeyTransport,
    source: Prepared,
}

/// Makes the source ready.
pub(crate) async fn ready(shared: &Arc<Shared>, launch: Launch) -> Result<Ready, SessionError> {
    let source = prepare(shared, launch.source).await?;
    if let Some(file) = &source.file {
        shared.upload.announce(file.size());
    }
    shared.ledger(|ledger| ledger.begin(Instant::now()));
    Ok(Ready {
        api: launch.api,
        api_key: launch.api_key,
        transport: launch.transport,
        source,
    })
}

/// Runs the handshake. Cancel-safe: dropping it releases everything begun so far.
pub(crate) async fn connect(
    shared: &Arc<Shared>,
    ready: &Ready,
) -> Result<Connected, SessionError> {
    let Ready {
        api,
        api_key,
        transport,
        source,
    } = ready;
    let options = &shared.options;
    let upload = source.file.as_ref().map(FileJob::upload).transpose()?;
    shared.input(Input::Start);
    let signalling = Signalling::new(
        api.clone(),
        api_key.clone(),
        *transport,
        options.reach_timeout,
        options.signalling_timeout,
    )?;
    let fetched = match shared.plan.ice {
        Some(_) => None,
        None => platform::turn_servers(options, api, api_key.as_deref()).await,
    };
    let ice = shared.plan.ice.as_ref().or(fetched.as_ref());
    let gather = network::offer(shared, network::servers(ice, api));
    let begun = Instant::now();
    let reach = async { Ok((signalling.reach().await?, begun.elapsed())) };
    let (offer, (reached, reach)) = tokio::try_join!(gather, reach)?;
    shared.keep_gathering(offer.gathering());

    shared.input(Input::OfferReady);
    let body = shared.plan.body(
        &shared.asked.for_request(),
        api_key.as_deref(),
        *transport,
        ice,
        offer.sdp(),
        source.fps,
    );
    let answer = signalling.exchange(&body).await?;
    let agreement = answer.agreement.clone();
    let key = answer.session.clone();
    shared.named_session(key.as_ref(), api);
    let seen = WorkerSeen {
        reached,
        names: names(&answer.sdp),
        ..WorkerSeen::default()
    };
    let shown = api.shown();
    let applied = blocking(Step::Signalling, move || {
        offer
            .accept_answer(&answer.sdp)
            .map_err(|error| bad_answer(shown, chain(&error)))
    });
    let peer = applied.await?;
    link(shared, &peer, agreement.as_ref(), api)?;
    shared.input(Input::AnswerApplied);
    Ok(Connected {
        coming_up: ComingUp::new(Instant::now(), options.connect_timeout, seen, reach),
        restarts: Restarts::agreed(shared, &peer, &signalling, agreement.as_ref(), key),
        peer,
        upload,
        signalling,
    })
}

/// Candidates that are multicast DNS names.
pub(crate) fn names(sdp: &str) -> usize {
    let candidates = sdp.lines().filter(|line| line.starts_with("a=candidate:"));
    candidates.filter(|line| line.contains(".local ")).count()
}

fn bad_answer(url: String, reason: String) -> SessionError {
    SessionError::BadAnswer {
        diagnosis: Box::new(of_answer(&url, None, true, &reason)),
        url,
        reason,
    }
}

/// Keeps what the answer means for video, and refuses one that leaves nothing to do.
fn link(
    shared: &Shared,
    peer: &Peer,
    agreement: Option<&Agreement>,
    api: &ApiUrl,
) -> Result<(), SessionError> {
    let media = shared.plan.media;
    let track = peer.video().filter(|_| media.uses_track());
    let direction = track.as_ref().map(VideoTrack::direction);
    if media.sends && !direction.is_some_and(Direction::can_send) {
        let reason = "it accepts no video from this side, or none in VP8 or H.264";
        return Err(bad_answer(api.shown(), reason.into()));
    }
    let wanted = media.receives && !shared.plan.selection.picture_names.is_empty();
    if wanted && !direction.is_some_and(Direction::can_receive) {
        tracing::warn!(
            "the worker sends no video although pictures were asked for; only data will come"
        );
    }
    let both = agreement.map(|theirs| shared.plan.agreement().intersect(theirs));
    let lost_after = shared.options.lost_after(both.is_some());
    peer.set_lost_after(lost_after);
    shared.control(|machine| machine.set_lost_after(lost_after));
    let fresh = shared.plan.fresh_results;
    let fresh = fresh.filter(|_| {
        both.as_ref()
            .is_some_and(|both| both.has(Feature::Freshness))
    });
    if let Some(lifetime) = fresh {
        shared.control(|machine| machine.set_fresh_results(lifetime + STRAGGLE));
    }
    shared.live.set_link(Link {
        track,
        figures: peer.figures(),
        ours: both.is_some(),
        fresh,
        upload: both.as_ref().is_some_and(|both| both.has(Feature::Upload)),
        ledger: both.is_some_and(|both| both.has(Feature::Ledger)),
    });
    Ok(())
}

/// A source that is ready to be streamed.
#[derive(Default)]
struct Prepared {
    file: Option<FileJob>,
    /// What the source says about its rate.
    fps: Option<f64>,
}

async fn prepare(shared: &Arc<Shared>, source: Source) -> Result<Prepared, SessionError> {
    match source {
        Source::File(file) => {
            let file = prepare_file(shared, file).await?;
            Ok(Prepared {
                file: Some(file),
                fps: None,
            })
        }
        #[cfg(feature = "ffmpeg")]
        Source::Camera(camera) => prepare_live(shared, LiveSource::Camera(camera)).await,
        #[cfg(feature = "ffmpeg")]
        Source::LocalStream(stream) => prepare_live(shared, LiveSource::Stream(stream)).await,
        _ => Ok(Prepared::default()),
    }
}

/// Opens a source of this side and begins to read it, so that what it gives later is fresh.
#[cfg(feature = "ffmpeg")]
async fn prepare_live(shared: &Arc<Shared>, source: LiveSource) -> Result<Prepared, SessionError> {
    let (pool, interrupt) = (shared.pool.clone(), shared.live.interrupt.clone());
    let opened = blocking(Step::Source, move || {
        Ok(live::open(source, &pool, &interrupt)?)
    })
    .await?;
    let fps = opened.declared_fps();
    let body = move |shared: &Arc<Shared>| live::capture(shared, opened);
    shared
        .spawn("framewire-capture", body)
        .map_err(|error| SessionError::Local {
            step: Step::Source,
            reason: error.to_string(),
        })?;
    Ok(Prepared {
        fps,
        ..Prepared::default()
    })
}

async fn prepare_file(shared: &Shared, mut file: VideoFileSource) -> Result<FileJob, SessionError> {
    let (path, temporary) = if file.is_url() {
        let progress = file.on_download_progress.take();
        let fetched = fetch(&file.location, file.use_cache, &shared.options, progress).await?;
        (fetched.path, fetched.temporary)
    } else {
        (file.location.clone().into(), None)
    };
    let options = shared.options.clone();
    let prepared = blocking(Step::Source, move || {
        Ok(PreparedFile::open(&path, temporary, &options)?)
    })
    .await?;
    Ok(FileJob::new(
        prepared,
        file.on_upload_progress,
        UploadIdentity::new(file.upload_id),
    ))
}

/// Runs something that blocks for a bounded time beside the session thread, which stays interruptible.
pub(super) async fn blocking<T: Send + 'static>(
    step: Step,
    work: impl FnOnce() -> Result<T, SessionError> + Send + 'static,
) -> Result<T, SessionError> {
    aside(work, |reason| SessionError::Local { step, reason }).await
}

/// The same with an error of its own for work that panicked.
pub(super) async fn aside<T: Send + 'static, E: Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
    failed: impl FnOnce(String) -> E,
) -> Result<T, E> {
    let counted = Work::begin();
    let task = tokio::task::spawn_blocking(move || {
        let _counted = counted;
        work()
    });
    match task.await {
        Ok(result) => result,
        Err(_) => Err(failed("an internal task failed; please report this".into())),
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
