//! `POST /initialise_webrtc_worker`: from a request body to a running session and its answer.
//! Not the session: it is handed over complete and lives on its own threads.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use framewire_protocol::signalling::{Answer, Feature, RequestError, Secret, WorkerRequest};
use serde_json::Value;
use tracing::{Instrument, Span, field};
use uuid::Uuid;

use super::auth::{authorize, request_key};
use super::errors::{ApiError, json_response};
use super::read_body;
use crate::metrics::Label;
use crate::session::places::Place;
use crate::session::{self, Session, SessionParts, Source};
use crate::settings::{self, Settings};
use crate::sources::{Pulled, Stop};
use crate::upload::UploadOwner;
use crate::worker::App;

/// Answers once the session exists, or says why it does not.
pub(crate) async fn initialise(
    State(app): State<Arc<App>>,
    Extension(ConnectInfo(peer)): Extension<ConnectInfo<SocketAddr>>,
    request: Request,
) -> Response {
    // One of these for every session, refused ones too. An error's level: it must be there wherever one is logged.
    let id = Uuid::new_v4();
    let span = tracing::error_span!(
        parent: None,
        "session",
        session = %id,
        client = %peer,
        peer = field::Empty,
        source = field::Empty,
    );
    start(app, id, peer, request).instrument(span).await
}

async fn start(app: Arc<App>, id: Uuid, peer: SocketAddr, request: Request) -> Response {
    match answer(&app, id, peer, request).await {
        Ok(body) => json_response(StatusCode::OK, &body),
        Err(error) => {
            let reason = error.refusal();
            app.metrics.sessions_refused.of(reason).add(1);
            tracing::info!(%error, reason = reason.as_str(), "session refused");
            error.into_response()
        }
    }
}

async fn answer(
    app: &Arc<App>,
    id: Uuid,
    peer: SocketAddr,
    request: Request,
) -> Result<Value, ApiError> {
    let headers = request.headers().clone();
    let body = read_body(app, request).await?;
    let request = WorkerRequest::parse(&body)?;
    let key = request_key(
        &headers,
        app.config.env.api_key_from_headers,
        request.api_key.as_ref(),
    );
    authorize(&app.keys, key.as_ref())?;
    let near = is_near(peer, &headers);
    let settings = Settings::of_request(&app.config, &request, key.is_some(), near)?;
    let place = app.places.take()?;
    let app = app.clone();
    // Compiling, gathering and opening the upload file all block. The task ends by its own limits even when the client
    // hangs up meanwhile; the session then is never connected and ends by its connect limit.
    let owner = UploadOwner::of_key(key.as_ref().map(Secret::expose));
    let span = Span::current();
    let begun = tokio::task::spawn_blocking(move || {
        span.in_scope(|| begin(&app, &request, settings, owner, place, id))
    });
    begun.await.unwrap_or_else(|panic| {
        tracing::error!(%panic, "starting a session panicked");
        Err(RequestError::Internal.into())
    })
}

/// Everything that may block. The place is free again when anything fails.
fn begin(
    app: &App,
    request: &WorkerRequest,
    settings: Settings,
    owner: UploadOwner,
    place: Place,
    id: Uuid,
) -> Result<Value, ApiError> {
    let offer = &request.webrtc_offer.sdp;
    let mut roles = settings.roles(offer)?;
    let work = settings::work(app, request, settings.has_key)?;
    let pool = session::frame_pool();
    // Before the answer: a source that cannot be opened is this request's error, not a session that ends at once.
    let pulled = match &settings.pull {
        None => None,
        Some(spec) => {
            let stop = Stop::default();
            let opened = spec.open(app.config.limits.source_open, &pool, &stop)?;
            let spec = spec.clone();
            Some(Box::new(Pulled { spec, stop, opened }))
        }
    };
    let peer_config = settings.peer_config(&app.config, &roles);
    let answered = app.endpoint.answer(offer, peer_config);
    let (peer, sdp) = answered.map_err(|error| settings::offer_error(&error))?;
    // From here on a refusal drops the connection before its answer is known to anybody.
    let tracks = settings.tracks(&mut roles, &peer)?;
    let source = match (pulled, tracks.source) {
        (Some(pulled), _) => Source::Pulled(pulled),
        (None, Some(track)) => Source::Track(track),
        (None, None) => Source::Upload(app.store.create().map_err(|error| {
            tracing::error!(%error, "cannot create an upload file");
            RequestError::Internal
        })?),
    };
    let ours = settings.answer_agreement().is_some();
    Span::current()
        .record("peer", if ours { "framewire" } else { "original" })
        .record("source", source.kind().as_str());
    if let Some(reason) = roles.fallback {
        tracing::warn!("no video towards the client: {reason}");
    }
    let named = settings.agreed(Feature::IceRestart);
    let (known, key) = named.then(|| app.known.add(id, peer.ice())).unzip();
    let now = Instant::now();
    let parts = SessionParts {
        place,
        peer,
        job: settings.job(&app.config, now, source.kind(), roles.stream),
        plan: settings.plan(&app.config, request, work, tracks.out, pool),
        source,
        uploads: (app.store.clone(), owner),
        metrics: app.metrics.clone(),
        known,
        id,
        flush: app.config.limits.completion_drain,
        probe: settings.agreed(Feature::Probe),
    };
    Session::spawn(parts).map_err(|error| {
        tracing::error!(%error, "cannot start a session thread");
        RequestError::Internal
    })?;
    let mut answer = Answer::new(sdp, settings.answer_agreement());
    if let Some(key) = key {
        answer = answer.with_session(key);
    }
    Ok(answer.to_value())
}

/// Whether the client is on this machine, as far as HTTP can tell: then STUN has nothing to add.
fn is_near(peer: SocketAddr, headers: &HeaderMap) -> bool {
    let proxied = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    peer.ip().to_canonical().is_loopback()
        && !proxied.iter().any(|name| headers.contains_key(*name))
}
