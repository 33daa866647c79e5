//! Restarts that do not come about: what the session ends with, and what is not even tried.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use framewire::{Client, ClientOptions, Recovery, SessionError, VideoFileSource};
use serde_json::json;

use crate::common::{PATIENCE, video, worker, worker_with};
use crate::way::Way;
use crate::{file, session, watch};

const LOST: Duration = Duration::from_secs(6);

fn options() -> ClientOptions {
    let mut options = ClientOptions::default();
    options.lost_after = Some(LOST);
    options
}

/// Streams a file, cuts the path at its tenth frame, and returns what the session ended with.
fn cut(way: &Way, options: ClientOptions) -> (SessionError, Duration) {
    let clip = file(&video::numbered(120));
    let client = Client::new(&way.url).with_options(options);
    let session = session(&client, VideoFileSource::new(clip.path().to_str().unwrap()));
    let mut begun = None;
    for event in session.frames() {
        match event {
            Ok(event) if event.frame_id().unwrap().0 == 10 => {
                way.cut();
                begun = Some(Instant::now());
            }
            Ok(_) => {}
            Err(error) => return (error, begun.expect("ten frames came").elapsed()),
        }
    }
    panic!("it ended well");
}

#[test]
fn a_wrong_secret_gets_no_path_and_the_session_is_lost_as_without_restarts() {
    let worker = worker();
    let way = Way::to(&worker);
    *way.rules.restarts_changed.lock().unwrap() = Some(|body| body["secret"] = json!("x"));
    let (error, _) = cut(&way, options());
    assert!(matches!(error, SessionError::Lost { .. }), "{error:?}");
    assert_eq!(way.restarts(), 1, "asking again changes nothing");
}

#[test]
fn a_worker_that_cannot_now_is_asked_again_until_it_can() {
    let worker = worker();
    let way = Way::to(&worker);
    way.rules.restarts_refused.store(3, Ordering::Relaxed);
    let clip = file(&video::numbered(60));
    let source = VideoFileSource::new(clip.path().to_str().unwrap());
    let session = session(&Client::new(&way.url), source);
    let (numbers, _) = watch(&session, |number| {
        if number == 10 {
            way.cut();
        }
    });
    assert_eq!(numbers, (1..=60).collect::<Vec<_>>());
    assert!(way.restarts() >= 4, "{}", way.restarts());
    assert!(session.stats().ice_restarts >= 1);
}

#[test]
fn a_restart_answered_by_a_worker_that_does_not_know_the_session_ends_nothing() {
    const FRAMES: u32 = 60;
    let worker = worker();
    let way = Way::to(&worker);
    way.rules.restart_astray.store(true, Ordering::Relaxed);
    let clip = file(&video::numbered(FRAMES));
    let source = VideoFileSource::new(clip.path().to_str().unwrap());
    let session = session(&Client::new(&way.url), source);
    let (numbers, _) = watch(&session, |number| {
        if number == 10 {
            way.cut();
        }
    });
    assert_eq!(numbers, (1..=u64::from(FRAMES)).collect::<Vec<_>>());
    assert!(way.restarts() >= 1 && session.stats().reconnects == 0);
}

#[test]
fn a_session_the_worker_gave_up_is_replaced_as_soon_as_it_says_so_where_that_is_wanted() {
    const FRAMES: u32 = 60;
    let worker = worker_with(|config| config.limits.lost_after = Some(Duration::from_secs(4)));
    let way = Way::to(&worker);
    let waited_for = Mutex::new(worker);
    // The worker is not asked before it has given the session up.
    way.rules
        .restarts_refused
        .store(usize::MAX, Ordering::Relaxed);
    let mut options = options();
    options.lost_after = Some(10 * LOST);
    options.recovery = Recovery::reconnect();
    let clip = file(&video::numbered(FRAMES));
    let source = VideoFileSource::new(clip.path().to_str().unwrap());
    let session = session(&Client::new(&way.url).with_options(options), source);
    let (told, gaps) = channel();
    session.on_gap(move |gap| told.send((gap.cause.clone(), gap.outage)).unwrap());
    let numbers = std::thread::scope(|scope| {
        let (numbers, _) = watch(&session, |number| {
            if number == 10 {
                way.cut();
                scope.spawn(|| {
                    assert!(waited_for.lock().unwrap().wait_idle(PATIENCE));
                    way.rules.restarts_refused.store(0, Ordering::Relaxed);
                });
            }
        });
        numbers
    });
    assert_eq!(numbers, (1..=u64::from(FRAMES)).collect::<Vec<_>>());
    let (cause, outage) = gaps.recv().unwrap();
    assert!(
        matches!(cause, SessionError::PeerClosed { .. }),
        "{cause:?}"
    );
    assert!(outage < 5 * LOST, "{outage:?}");
}

#[test]
fn an_original_and_a_client_without_restarts_never_ask_for_one() {
    let worker = worker();
    for off in [true, false] {
        let way = Way::to(&worker);
        way.rules.as_original.store(!off, Ordering::Relaxed);
        let mut options = options();
        if off {
            options.recovery = Recovery::off();
        }
        let (error, took) = cut(&way, options);
        assert!(matches!(error, SessionError::Lost { .. }), "{error:?}");
        assert_eq!(way.restarts(), 0);
        assert!(took >= LOST - Duration::from_secs(1), "{took:?}");
    }
}
