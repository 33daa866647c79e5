//! WebRTC peer connections over sockets framewire owns: ICE gathering, data channels, liveness.
#![forbid(unsafe_code)]
