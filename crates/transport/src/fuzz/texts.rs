//! Fuzz bodies of the texts a peer or a configuration brings: descriptions and the URLs of ICE servers.

use crate::ice::url::{IceUrl, shown};
use crate::sdp::{RemoteDescription, Role, is_reachable, narrow, outline, renew};
use crate::video::Direction;

/// A description behind a byte that says whose it is and what we are willing to do: what is left of it is within
/// bounds, cleaning or narrowing it again changes nothing, and an ICE restart of it changes nothing but ICE.
pub fn sdp(data: &[u8]) {
    let Some((&how, text)) = data.split_first() else {
        return;
    };
    let role = if how & 1 == 0 {
        Role::Offer
    } else {
        Role::Answer
    };
    let willing = match how >> 1 & 3 {
        0 => Direction::SendRecv,
        1 => Direction::SendOnly,
        2 => Direction::RecvOnly,
        _ => Direction::Inactive,
    };
    let text = String::from_utf8_lossy(text);
    let Ok(parsed) = RemoteDescription::parse(&text, role) else {
        return;
    };
    assert!(parsed.text.len() <= 2 * text.len() + 2);
    assert!(parsed.candidates.len() <= 64 && parsed.names.len() <= 8);
    assert!(parsed.candidates.iter().all(|c| is_reachable(c.ip())));
    assert!(!parsed.ice_pwd.is_empty() && parsed.max_message > 0);
    assert!(
        parsed.text.split("\r\n").all(|l| !l.contains(['\r', '\n'])),
        "a line holds another one"
    );
    let again = RemoteDescription::parse(&parsed.text, role).expect("clean");
    assert_eq!(again.text, parsed.text);
    assert_eq!(again.candidates, parsed.candidates);
    assert!(again.names.is_empty());

    let renewed = renew(&parsed.text, "new", "credentials", &[]);
    assert_eq!(outline(&renewed), outline(&parsed.text));
    let restart = RemoteDescription::parse(&renewed, role).expect("still a description");
    assert_eq!(
        (&*restart.ice_ufrag, &*restart.ice_pwd),
        ("new", "credentials")
    );
    assert!(restart.candidates.is_empty());

    let narrowed = narrow(&parsed.text, willing);
    assert_eq!(narrow(&narrowed.text, willing), narrowed);
    let sections = |text: &str| text.lines().filter(|l| l.starts_with("m=")).count();
    assert_eq!(sections(&narrowed.text), sections(&parsed.text));
    RemoteDescription::parse(&narrowed.text, role).expect("still what the engine needs");
    let active = narrowed
        .text
        .split("\nm=")
        .skip(1)
        .filter(|s| s.starts_with("video ") || s.starts_with("audio "))
        .filter(|s| !s.lines().any(|l| l.trim_end() == "a=inactive"))
        .count();
    assert!(active <= 1, "{active} sections are in use");
}

/// The URL of an ICE server: what is read is usable and reads the same again, and what is shown gives nothing away.
pub fn ice_url(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let shown = shown(&text);
    assert!(shown.chars().count() <= 120 && !shown.contains(char::is_control));
    if let Some((before, after)) = shown.split_once('@') {
        assert!(before.ends_with("***"), "shown: {shown}");
        assert!(!after.contains('@'), "shown: {shown}");
    }
    let Ok(url) = IceUrl::parse(&text) else {
        return;
    };
    assert!(!url.host.is_empty() && url.host.len() <= 253 && url.port > 0);
    assert!(
        !url.host
            .contains(|c: char| c.is_whitespace() || "@/[]".contains(c))
    );
    assert!(text.contains(&url.host));
    assert_eq!(IceUrl::parse(&text), Ok(url));
}
