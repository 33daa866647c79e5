//! Fuzz targets by name, and a small deterministic mutator to run them over their corpora in ordinary tests.
//! The bodies are in the crates they test; long searches are done by hand, see the README beside this crate.
#![forbid(unsafe_code)]

// Where the tests of the files in it are, this crate is not.
#[cfg(not(test))]
mod foreign;

use framewire_protocol::__fuzz;
use framewire_transport::__fuzz as transport;

/// A fuzz body: any bytes; panics when an invariant does not hold.
pub type Body = fn(&[u8]);

/// Every target; its corpus is the folder of the same name.
pub const TARGETS: &[(&str, Body)] = &[
    ("assembler", transport::assembler),
    ("chunk", __fuzz::chunk),
    ("control_json", __fuzz::control_json),
    ("ice_url", transport::ice_url),
    ("job", __fuzz::job),
    #[cfg(not(test))]
    ("mjpeg_splitter", foreign::mjpeg_splitter),
    ("pairing", __fuzz::pairing),
    ("probe", __fuzz::probe),
    ("raw_image", __fuzz::raw_image),
    ("result_json", __fuzz::result_json),
    ("rtp_payload", transport::rtp_payload),
    #[cfg(not(test))]
    ("rtsp_inspector", foreign::rtsp_inspector),
    ("sctp_cookie", sctp_proto::__fuzz::cookie),
    ("sctp_network", sctp_proto::__fuzz::network),
    ("sctp_packet", sctp_proto::__fuzz::packet),
    ("sctp_receiver", sctp_proto::__fuzz::receiver),
    ("sctp_sender", sctp_proto::__fuzz::sender),
    ("sctp_snap", sctp_proto::__fuzz::snap_token),
    ("sdp", transport::sdp),
    ("session", __fuzz::session),
    ("signalling", __fuzz::signalling),
    ("turn_stream", transport::turn_stream),
    ("upload_chunk", __fuzz::upload_chunk),
    ("upload_control", __fuzz::upload_control),
    ("sctp_association", sctp_proto::__fuzz::association),
];

/// Longest input the mutator makes.
const MAX_INPUT: usize = 4096;

/// The target of that name.
pub fn target(name: &str) -> Option<Body> {
    TARGETS
        .iter()
        .find(|(target, _)| *target == name)
        .map(|(_, body)| *body)
}

/// Runs a body; if it panics, prints what is needed to run it again.
pub fn run(name: &str, body: Body, origin: &str, input: &[u8]) {
    struct OnPanic<'a>(&'a str, &'a str, &'a [u8]);
    impl Drop for OnPanic<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let hex: String = self.2.iter().map(|byte| format!("{byte:02x}")).collect();
                eprintln!(
                    "target {} failed on {} with the input (hex) {hex}",
                    self.0, self.1
                );
            }
        }
    }
    let guard = OnPanic(name, origin, input);
    body(input);
    drop(guard);
}

/// SplitMix64: the same seed gives the same inputs everywhere.
#[derive(Debug, Clone)]
pub struct Mutator {
    state: u64,
}

impl Mutator {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Mutator { state: seed }
    }

    /// An input made from the corpus: one entry, or two spliced, with a few bytes changed, inserted, removed or repeated.
    pub fn input(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = self.pick(corpus).cloned().unwrap_or_default();
        if self.below(4) == 0 {
            let other = self.pick(corpus).cloned().unwrap_or_default();
            input.truncate(self.below(input.len() + 1));
            let from = self.below(other.len() + 1);
            input.extend_from_slice(other.get(from..).unwrap_or_default());
        }
        for _ in 0..=self.below(8) {
            self.mutate(&mut input);
        }
        input.truncate(MAX_INPUT);
        input
    }

    fn mutate(&mut self, input: &mut Vec<u8>) {
        const INTERESTING: [u8; 16] = *b"\0\x01\x7f\x80\xff\"\\{}[],:0e-";
        let at = self.below(input.len() + 1);
        let byte = match self.below(2) {
            0 => INTERESTING
                .get(self.below(INTERESTING.len()))
                .copied()
                .unwrap_or(0),
            _ => self.next().to_le_bytes()[0],
        };
        match self.below(5) {
            0 => input.insert(at, byte),
            1 if at < input.len() => drop(input.remove(at)),
            2 => {
                let end = (at + self.below(64)).min(input.len());
                let copy = input.get(at..end).unwrap_or_default().to_vec();
                input.splice(at..at, copy);
            }
            3 => {
                if let Some(slot) = input.get_mut(at) {
                    *slot ^= 1 << self.below(8);
                }
            }
            _ => {
                if let Some(slot) = input.get_mut(at) {
                    *slot = byte;
                }
            }
        }
    }

    fn pick<'a>(&mut self, corpus: &'a [Vec<u8>]) -> Option<&'a Vec<u8>> {
        corpus.get(self.below(corpus.len().max(1)))
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = limit.max(1) as u64;
        usize::try_from(self.next() % limit).unwrap_or(0)
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The corpus of a target, in order of file names.
pub fn corpus(name: &str) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let mut files: Vec<_> = std::fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    files.sort_by_key(std::fs::DirEntry::file_name);
    files
        .iter()
        .map(|file| {
            Ok((
                file.file_name().to_string_lossy().into_owned(),
                std::fs::read(file.path())?,
            ))
        })
        .collect()
}
