//! The pairing of frames and results, driven by bytes.
//! It knows what was put in, so that nothing comes out twice, late or with another frame's result.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::FrameId;
use crate::pairing::{MAX_PENDING, Match, PairMode, Pairing, REALTIME_MAX_WAIT, ResultKey};

/// Pairs of bytes: what happens, and to which frame near the current one. Frames go out once each, within their time, by name
/// with their own result only; the books agree after every step.
pub fn pairing(data: &[u8]) {
    let Some((&config, commands)) = data.split_first() else {
        return;
    };
    let exact = config & 1 == 0;
    let mode = if exact {
        PairMode::Exact
    } else {
        PairMode::Nearest
    };
    let wait = (config & 2 == 0).then_some(REALTIME_MAX_WAIT);
    let mut pairing = Pairing::new(mode, wait);
    if config & 4 != 0 {
        pairing = pairing.with_unordered_results();
    }
    let origin = u32::from(config) << 24;
    let start = Instant::now();
    let (mut now, mut current, mut serial) = (start, 0_u32, 0_u64);
    let (mut frames_out, mut results_out) = (BTreeSet::new(), BTreeSet::new());
    for command in commands.chunks_exact(2) {
        let (what, near) = (command[0], u32::from(command[1]));
        let at = (current + near).saturating_sub(128);
        let rtp = origin.wrapping_add(at.wrapping_mul(3000));
        serial += 1;
        match what >> 5 {
            0 | 1 => {
                current += 1;
                let rtp = origin.wrapping_add(current.wrapping_mul(3000));
                pairing.frame(now, rtp, (serial, rtp, now));
            }
            2 => pairing.frame(now, rtp, (serial, rtp, now)),
            3 if what & 1 == 0 => pairing.frame(now, None, (serial, rtp, now)),
            7 => {
                now += Duration::from_millis(u64::from(near));
                pairing.tick(now);
            }
            3 => pairing.tick(now),
            _ => {
                let mut key = ResultKey::new(FrameId(u64::from(at)));
                key.rtp_ts = (what & 1 == 0).then_some(rtp);
                key.pts = (what & 2 == 0).then(|| i64::from(at) * 100 + i64::from(what >> 4));
                key.time_base = Some(if what & 4 == 0 { 1.0 / 3000.0 } else { 1e300 });
                pairing.result(now, key, (serial, rtp));
            }
        }
        if wait.is_some() {
            assert!(
                pairing.deadline().is_none_or(|at| at > now),
                "what is due went out"
            );
        }
        assert!(pairing.waiting() <= MAX_PENDING);
        drain(&mut pairing, now, wait, &mut frames_out, &mut results_out);
        let c = pairing.counters();
        assert_eq!(c.frames, c.paired() + c.unpaired + pairing.waiting() as u64);
        assert!(c.results >= c.paired() + c.results_without_frame && c.evicted <= c.unpaired);
    }
    pairing.finish();
    drain(&mut pairing, now, None, &mut frames_out, &mut results_out);
    let c = pairing.counters();
    assert_eq!((pairing.waiting(), pairing.deadline()), (0, None));
    assert_eq!(c.frames, frames_out.len() as u64);
    assert_eq!(c.results, c.paired() + c.results_without_frame);
    assert_eq!(c.paired(), results_out.len() as u64);
}

type Frame = (u64, u32, Instant);

fn drain(
    pairing: &mut Pairing<Frame, (u64, u32)>,
    now: Instant,
    wait: Option<Duration>,
    frames: &mut BTreeSet<u64>,
    results: &mut BTreeSet<u64>,
) {
    while let Some(pair) = pairing.poll() {
        let (serial, rtp, since) = pair.frame;
        assert!(frames.insert(serial), "a frame goes out once");
        // A wait ends with the step in which it is due, and steps are at most 255 ms apart.
        let longest = wait.map(|wait| wait + Duration::from_millis(255));
        assert!(longest.is_none_or(|longest| now.duration_since(since) <= longest));
        match (pair.matched, pair.result) {
            (Match::Unpaired, None) => {}
            (Match::Exact, Some((serial, named))) => {
                assert!(named == rtp && results.insert(serial));
            }
            (Match::Nearest, Some((serial, _))) => {
                assert!(results.insert(serial), "a result goes out once");
            }
            other => panic!("a pair that cannot be: {other:?}"),
        }
    }
}
