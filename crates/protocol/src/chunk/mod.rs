//! Result framing on the `inference` channel: a 12-byte header in front of each slice of a message body.
//! It does not look into the body.

mod framing;
mod reassembler;

pub use framing::{CHUNK_SIZE, RESULT_HEADER_LEN, ResultChunks, SplitError, split_result};
pub use reassembler::{
    ChunkError, ChunkReassembler, MAX_CHUNKS, MAX_HELD_BYTES, MAX_INCOMPLETE_FRAMES,
    ReassemblerLimits,
};
