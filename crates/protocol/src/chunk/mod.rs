//! Result framing on the `inference` channel: a 12-byte header in front of each slice of a message body.
//! It does not look into the body.

mod framing;
mod limits;
mod reassembler;

pub use framing::{CHUNK_SIZE, RESULT_HEADER_LEN, ResultChunks, SplitError, split_result};
pub use limits::{
    ChunkError, MAX_CHUNKS, MAX_HELD_BYTES, MAX_INCOMPLETE_FRAMES, ReassemblerLimits,
};
pub use reassembler::ChunkReassembler;
