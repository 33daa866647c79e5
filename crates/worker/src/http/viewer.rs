//! The viewer page at `GET /`: three files of the binary, the headers they go with, and 304 for who has them.
//! Not the page itself, which is in `src/viewer/`, and nothing it asks for: it uses the routes everyone uses.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// `GET /`, `/viewer.js`, `/viewer.css`.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(|headers: HeaderMap| answer(&PAGE, headers)))
        .route(
            "/viewer.js",
            get(|headers: HeaderMap| answer(&SCRIPT, headers)),
        )
        .route(
            "/viewer.css",
            get(|headers: HeaderMap| answer(&STYLE, headers)),
        )
}

/// One file of the page; its tag changes with its content, so that a new worker never runs with an old script.
struct Asset {
    content_type: &'static str,
    body: String,
    tag: String,
}

impl Asset {
    fn new(content_type: &'static str, source: &str) -> Asset {
        let body = lean(source);
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        Asset {
            content_type,
            body,
            tag: format!("\"{:016x}\"", hasher.finish()),
        }
    }
}

/// Without what only its authors read: indentation, empty lines, comments that have lines of their own. The files hold no text
/// over several lines, where this could change what is said.
fn lean(source: &str) -> String {
    let mut lean = String::with_capacity(source.len());
    let mut in_comment = false;
    for line in source.lines().map(str::trim) {
        in_comment |= line.starts_with("/**");
        if !in_comment && !line.is_empty() && !line.starts_with("//") {
            lean.push_str(line);
            // Where a statement or a block's head ends, the end of the line says nothing more.
            if !line.ends_with([';', '{', ',']) {
                lean.push('\n');
            }
        }
        in_comment &= !line.ends_with("*/");
    }
    lean
}

static PAGE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "text/html; charset=utf-8",
        include_str!("../viewer/index.html"),
    )
});
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "text/javascript; charset=utf-8",
        include_str!("../viewer/viewer.js"),
    )
});
static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    // No rule of it needs the end of a line.
    let mut source = include_str!("../viewer/viewer.css")
        .lines()
        .map(str::trim)
        .collect::<String>();
    for (spaced, tight) in [
        (": ", ":"),
        (" {", "{"),
        ("{ ", "{"),
        ("; ", ";"),
        (";}", "}"),
        (", ", ","),
    ] {
        source = source.replace(spaced, tight);
    }
    Asset::new("text/css; charset=utf-8", &source)
});

async fn answer(asset: &'static Asset, headers: HeaderMap) -> Response {
    let tag = (header::ETAG, asset.tag.as_str());
    let known = headers.get(header::IF_NONE_MATCH);
    if known.is_some_and(|known| known.as_bytes() == asset.tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, GUARDS, [tag]).into_response();
    }
    let content_type = (header::CONTENT_TYPE, asset.content_type);
    (GUARDS, [content_type, tag], asset.body.as_str()).into_response()
}

/// Only what the page is made of: no foreign, inline or evaluated script, no frame around it, no request elsewhere, no markup
/// from text. It shows the camera, so nothing injected may ever run beside it.
const GUARDS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; \
         media-src 'self' blob: mediastream:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(self), microphone=(), geolocation=(), display-capture=()",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (header::CACHE_CONTROL, "no-cache"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_for_authors_only() {
        let source = "/**\n * Why.\n */\nlet a = 1\n\t* 2;\n\n\t// how\n\tgo(\"; // x\");\n/** That. */\nb();\n";
        assert_eq!(lean(source), "let a = 1\n* 2;go(\"; // x\");b();");
    }

    #[test]
    fn the_page_weighs_at_most_60_kilobytes() {
        let weight: usize = [&PAGE, &SCRIPT, &STYLE]
            .iter()
            .map(|asset| asset.body.len())
            .sum();
        assert!(weight <= 60_000, "{weight} bytes");
    }

    #[tokio::test]
    async fn who_has_the_file_gets_its_headers_only() {
        let first = answer(&PAGE, HeaderMap::new()).await;
        assert_eq!(first.status(), StatusCode::OK);
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        let second = answer(&PAGE, headers.clone()).await;
        assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(
            second.headers()[header::CONTENT_SECURITY_POLICY],
            GUARDS[0].1
        );
        let other = answer(&SCRIPT, headers).await;
        assert_eq!(other.status(), StatusCode::OK);
    }
}
