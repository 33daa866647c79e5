//! Videos given by URL: fetched before connecting, within the URL rules, complete or not at all.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use framewire::{
    ClientOptions, Closer, ConfigError, EndKind, SessionError, SourceError, UrlPolicyError,
    VideoFileSource,
};
use support::{FakeWorker, Reply, clip, config, options, scratch};

/// Serves `answer(path)` as raw bytes for each request and reports the paths.
fn serve(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (asked, requests) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let Some(Ok(first)) = lines.next() else {
                continue;
            };
            while lines
                .next()
                .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
            {}
            let path = first.split(' ').nth(1).unwrap().to_owned();
            let _ = stream.write_all(&answer(&path));
            let _ = asked.send(path);
        }
    });
    (base, requests)
}

fn ok(body: &[u8]) -> Vec<u8> {
    announced(body.len(), body)
}

fn announced(length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn redirect(to: &str) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 302 x\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    head.into_bytes()
}

/// Options that allow this machine and cache in a folder of the test.
fn local(folder: &str) -> ClientOptions {
    let mut options = options();
    options.url_policy.allow_non_global = true;
    options.cache_dir = scratch().join(folder);
    options
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// The error of a session on this URL; nothing may be connected and nothing left behind.
fn refused(url: &str, options: ClientOptions) -> SourceError {
    let worker = FakeWorker::start(Reply::Answer(500, String::new()));
    let folder = options.cache_dir.clone();
    let session = worker.session_with(VideoFileSource::new(url), config(), options);
    let error = session.run().unwrap_err();
    assert!(worker.heads.try_recv().is_err(), "a worker was connected");
    assert!(
        files(&folder).is_empty(),
        "left behind: {:?}",
        files(&folder)
    );
    match error {
        SessionError::Source(error) => error,
        other => panic!("{other:?}"),
    }
}

fn succeeds(url: &str, use_cache: bool, options: ClientOptions) {
    let worker = FakeWorker::connecting(|mut worker| {
        assert!(worker.receive_file() == std::fs::read(clip()).unwrap());
        worker.complete(0);
        worker.linger();
    });
    let source = VideoFileSource::new(url).use_cache(use_cache);
    let session = worker.session_with(source, config(), options);
    assert_eq!(session.run().unwrap().kind, EndKind::Complete);
}

#[test]
fn a_video_is_fetched_once_and_then_taken_from_the_cache() {
    let (base, requests) = serve(|path| match path {
        "/moved?x=1" => redirect("/clip.mp4"),
        _ => ok(&std::fs::read(clip()).unwrap()),
    });
    let url = format!("{base}/moved?x=1");
    succeeds(&url, true, local("cache-once"));
    succeeds(&url, true, local("cache-once"));
    assert_eq!(
        requests.try_iter().collect::<Vec<_>>(),
        ["/moved?x=1", "/clip.mp4"]
    );
    let kept = files(&scratch().join("cache-once"));
    assert_eq!(kept.len(), 1);
    assert!(kept[0].len() == 36 && kept[0].ends_with(".mp4"), "{kept:?}");
}

#[test]
fn without_the_cache_each_session_fetches_and_cleans_up() {
    let (base, requests) = serve(|_| ok(&std::fs::read(clip()).unwrap()));
    let url = format!("{base}/clip.mov");
    succeeds(&url, false, local("no-cache"));
    succeeds(&url, false, local("no-cache"));
    assert_eq!(requests.try_iter().count(), 2);
    assert!(files(&scratch().join("no-cache")).is_empty());
}

#[test]
fn private_addresses_are_refused_by_default_and_the_error_names_the_variable() {
    let (base, requests) = serve(|_| ok(b"secret"));
    let mut options = local("private");
    options.url_policy.allow_non_global = false;
    let error = refused(&format!("{base}/x.mp4"), options);
    assert!(
        matches!(
            error,
            SourceError::Url(UrlPolicyError::AddressNotAllowed { .. })
        ),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .contains("ALLOW_URL_TO_NON_GLOBAL_ADDRESSES")
    );
    assert!(requests.try_recv().is_err(), "the address was contacted");
}

#[test]
fn redirects_obey_the_rules_too_and_end() {
    let (base, _requests) = serve(|path| match path {
        "/ftp" => redirect("ftp://example.com/x.mp4"),
        _ => redirect("/again"),
    });
    let error = refused(&format!("{base}/ftp"), local("redirect"));
    assert!(
        matches!(error, SourceError::Url(UrlPolicyError::Invalid { .. })),
        "{error:?}"
    );
    let error = refused(&format!("{base}/loop"), local("redirect"));
    assert!(
        matches!(
            error,
            SourceError::Url(UrlPolicyError::TooManyRedirects { limit: 30, .. })
        ),
        "{error:?}"
    );
}

#[test]
fn incomplete_oversized_refused_and_endless_downloads_are_errors_that_leave_nothing() {
    let (base, _requests) = serve(|path| match path.trim_end_matches("?token=top-secret") {
        "/short.mp4" => announced(1000, &[7; 400]),
        "/announced.mp4" => announced(5000, &[7; 5000]),
        "/endless.mp4" => {
            let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            for _ in 0..100 {
                answer.extend_from_slice(b"64\r\n");
                answer.extend_from_slice(&[7; 100]);
                answer.extend_from_slice(b"\r\n");
            }
            answer
        }
        "/empty.mp4" => ok(b""),
        _ => b"HTTP/1.1 404 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec(),
    });
    let small = || {
        let mut options = local("bad");
        options.max_download_bytes = 4000;
        options
    };
    let url = |path: &str| format!("{base}{path}?token=top-secret");
    let error = refused(&url("/short.mp4"), small());
    assert!(
        matches!(
            error,
            SourceError::DownloadIncomplete {
                received: 400,
                announced: 1000,
                ..
            }
        ),
        "{error:?}"
    );
    let error = refused(&url("/announced.mp4"), small());
    assert!(
        matches!(error, SourceError::DownloadTooLarge { limit: 4000, .. }),
        "{error:?}"
    );
    let error = refused(&url("/endless.mp4"), small());
    assert!(
        matches!(error, SourceError::DownloadTooLarge { limit: 4000, .. }),
        "{error:?}"
    );
    let error = refused(&url("/missing.mp4"), small());
    assert!(
        matches!(error, SourceError::DownloadStatus { status: 404, .. }),
        "{error:?}"
    );
    assert!(!error.to_string().contains("top-secret"), "{error}");
    let error = refused(&url("/empty.mp4"), small());
    assert!(matches!(error, SourceError::Download { .. }), "{error:?}");
}

#[test]
fn a_download_that_stands_still_meets_its_overall_deadline() {
    let (release, held) = channel::<()>();
    let (base, _requests) = serve(move |_| {
        // Silent until the test is over.
        let _ = held.recv();
        Vec::new()
    });
    // Kept alive to the end of the test.
    let _release = release;
    let mut options = local("stuck");
    options.download_deadline = Duration::from_millis(200);
    let error = refused(&format!("{base}/x.mp4"), options);
    assert!(
        matches!(error, SourceError::DownloadTimeout { .. }),
        "{error:?}"
    );
}

#[test]
fn unusable_urls_are_refused_when_the_stream_is_described() {
    let client = framewire::Client::new("http://127.0.0.1:1").with_options(options());
    let mut policy = options();
    policy.url_policy.allow_urls = false;
    for (client, url) in [
        (client.clone(), "http://good.example\\@bad.example/x.mp4"),
        (client.clone(), "http://"),
        (client.with_options(policy), "https://example.com/x.mp4"),
    ] {
        let workflow = framewire::Workflow::inline(serde_json::json!({}));
        let error = client
            .stream(VideoFileSource::new(url), workflow, config())
            .unwrap_err();
        assert!(matches!(error, ConfigError::Url(_)), "{url}: {error:?}");
    }
}

#[test]
fn a_download_says_how_far_it_is_and_may_be_closed_by_whom_it_tells() {
    let content = std::fs::read(support::long_file("progress.mp4", 3 << 20)).unwrap();
    let size = content.len() as u64;
    let (base, _requests) = serve(move |path| match path {
        "/known.mp4" => ok(&content),
        _ => [b"HTTP/1.0 200 OK\r\n\r\n", &content[..]].concat(),
    });
    for (name, announced) in [("known", Some(size)), ("unknown", None)] {
        let worker = FakeWorker::connecting(|mut worker| {
            worker.receive_file();
            worker.complete(0);
            worker.linger();
        });
        let (told, reports) = channel();
        let source = VideoFileSource::new(format!("{base}/{name}.mp4"))
            .on_download_progress(move |done, total| told.send((done, total)).unwrap());
        let folder = format!("progress-{name}");
        let session = worker.session_with(source, config(), local(&folder));
        session.run().unwrap();
        let reports: Vec<_> = reports.try_iter().collect();
        assert!(
            (2..=13).contains(&reports.len()),
            "{} reports",
            reports.len()
        );
        assert!(reports.is_sorted());
        assert_eq!(*reports.last().unwrap(), (size, announced));
    }

    let worker = FakeWorker::connecting(|_| {});
    let closer: Arc<OnceLock<Closer>> = Arc::default();
    let known = closer.clone();
    let source = VideoFileSource::new(format!("{base}/known.mp4"))
        .use_cache(false)
        .on_download_progress(move |_, _| {
            known.get().unwrap().close();
            panic!("mine");
        });
    let session = worker.session_with(source, config(), local("progress-closed"));
    closer.set(session.closer()).unwrap();
    assert_eq!(session.run().unwrap().kind, EndKind::Closed);
    assert!(worker.requests.try_recv().is_err(), "it was connected");
}
