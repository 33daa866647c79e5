//! Sans-IO wire protocol of framewire: framings, messages, signalling bodies, state machines.
#![forbid(unsafe_code)]
