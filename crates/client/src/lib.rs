//! Stream video to an inference worker over WebRTC and get frames and predictions back.
#![forbid(unsafe_code)]
