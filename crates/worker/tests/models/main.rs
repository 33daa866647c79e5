//! Models through the public interface: real ones on real frames, tiny ones whose answers are known exactly.

mod real;
mod refused;
mod support;
mod tiny;
