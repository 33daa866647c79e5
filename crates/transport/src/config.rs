//! What an endpoint and a peer can be told: options with defaults, and the fixed limits.
//! Not the place where options are checked against the machine; that is binding and gathering.

use std::net::IpAddr;
use std::time::Duration;

use crate::data::DataConfig;
use crate::ice::url::shown;
use crate::video::VideoConfig;

/// Largest message `send` accepts whatever the peer allows, and the largest the peer is told to send.
pub const MAX_SEND_MESSAGE: usize = 256 * 1024;
/// Bytes one channel may hold in its send queue; a sender that ignores `buffered_amount` stops here.
pub const MAX_QUEUED_BYTES: usize = 64 * 1024 * 1024;
/// Living data channels of one peer, ours and theirs together; what a peer opens beyond is closed again.
pub const MAX_CHANNELS: usize = 32;
/// Longest label of a channel, whoever opens it.
pub const MAX_LABEL: usize = 256;
/// Default of [`PeerConfig::inbound_limit`].
pub(crate) const DEFAULT_INBOUND_LIMIT: usize = 8 * 1024 * 1024;
/// What the kernel is asked to hold for the socket in each direction.
pub(crate) const SOCKET_BUFFER: usize = 4 * 1024 * 1024;

/// Options of an [`Endpoint`](crate::Endpoint).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EndpointConfig {
    /// UDP port to bind; 0 lets the system choose.
    pub port: u16,
    /// Addresses under which this machine is reachable from outside (1:1 NAT with the same port).
    pub public_ips: Vec<IpAddr>,
    /// Offer only addresses of this network interface.
    pub interface: Option<String>,
    /// Offer loopback addresses too, so that peers on this machine connect without a network.
    pub loopback: bool,
    /// Use IPv6 beside IPv4, when the machine has it.
    pub ipv6: bool,
    /// Send many datagrams with one system call where the kernel can (GSO).
    pub segmentation: bool,
    /// Bytes asked of the kernel for the socket's receive and send buffers, each.
    pub socket_buffer: usize,
}

impl Default for EndpointConfig {
    fn default() -> EndpointConfig {
        EndpointConfig {
            port: 0,
            public_ips: Vec::new(),
            interface: None,
            loopback: true,
            ipv6: true,
            segmentation: true,
            socket_buffer: SOCKET_BUFFER,
        }
    }
}

impl EndpointConfig {
    /// Binds this UDP port.
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Adds an address under which this machine is reachable from outside.
    pub fn with_public_ip(mut self, ip: IpAddr) -> Self {
        self.public_ips.push(ip);
        self
    }

    /// Offers only addresses of this interface.
    pub fn with_interface(mut self, name: impl Into<String>) -> Self {
        self.interface = Some(name.into());
        self
    }

    /// Whether loopback addresses are offered.
    pub fn with_loopback(mut self, on: bool) -> Self {
        self.loopback = on;
        self
    }

    /// Whether IPv6 is used beside IPv4.
    pub fn with_ipv6(mut self, on: bool) -> Self {
        self.ipv6 = on;
        self
    }

    /// Whether GSO is used when the kernel has it.
    pub fn with_segmentation(mut self, on: bool) -> Self {
        self.segmentation = on;
        self
    }

    /// Asks for other socket buffers than 4 MiB.
    pub fn with_socket_buffer(mut self, bytes: usize) -> Self {
        self.socket_buffer = bytes;
        self
    }
}

/// One entry of a peer connection's `iceServers`: `stun:`, `turn:` and `turns:` URLs with their credentials.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IceServer {
    /// URLs such as `stun:host:3478`, `turn:host?transport=tcp` or `turns:host`.
    pub urls: Vec<String>,
    /// User name of a TURN server.
    pub username: Option<String>,
    /// Password of a TURN server.
    pub credential: Option<String>,
}

impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer")
            .field(
                "urls",
                &self.urls.iter().map(|u| shown(u)).collect::<Vec<_>>(),
            )
            .field("username", &self.username.as_ref().map(|_| "***"))
            .field("credential", &self.credential.as_ref().map(|_| "***"))
            .finish()
    }
}

impl IceServer {
    /// A server without credentials.
    pub fn new(urls: Vec<String>) -> IceServer {
        IceServer {
            urls,
            username: None,
            credential: None,
        }
    }

    /// The same with credentials.
    pub fn with_credentials(
        mut self,
        username: Option<String>,
        credential: Option<String>,
    ) -> Self {
        self.username = username;
        self.credential = credential;
        self
    }
}

/// How a channel delivers. The default is reliable and in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelOptions {
    /// Messages arrive in the order they were sent in.
    pub ordered: bool,
    /// A message older than this is not sent (again): it is lost. In whole milliseconds, 65 s at most.
    pub max_lifetime: Option<Duration>,
    /// A message is sent again this often at most. Without effect beside `max_lifetime`: the wire knows one of them.
    pub max_retransmits: Option<u16>,
}

impl Default for ChannelOptions {
    fn default() -> ChannelOptions {
        ChannelOptions {
            ordered: true,
            max_lifetime: None,
            max_retransmits: None,
        }
    }
}

impl ChannelOptions {
    /// Whether messages arrive in order.
    pub fn with_ordered(mut self, ordered: bool) -> Self {
        self.ordered = ordered;
        self
    }

    /// Loses messages older than this rather than sending them.
    pub fn with_max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = Some(lifetime);
        self
    }

    /// Loses messages that were sent again this often.
    pub fn with_max_retransmits(mut self, times: u16) -> Self {
        self.max_retransmits = Some(times);
        self
    }
}

/// Options of one peer connection.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PeerConfig {
    /// Labels of the reliable, ordered channels to create, in this order.
    pub channels: Vec<String>,
    /// Servers asked for our outside address and for relayed ones.
    pub ice_servers: Vec<IceServer>,
    /// Use nothing but relayed addresses, and tell the peer no other.
    pub relay_only: bool,
    /// Which addresses of ICE servers may be asked; `None` = all. For an end whose servers are named by somebody it does
    /// not trust: a server with an address that is not allowed is reported as such and never dialled.
    pub ice_server_filter: Option<fn(IpAddr) -> bool>,
    /// How long `offer` and `answer` may take for gathering and for resolving `*.local` names.
    pub gather_timeout: Duration,
    /// How long the connection may take to come up: ICE, DTLS and the channels created here.
    pub connect_timeout: Duration,
    /// Silence after which the peer is given up; [`Peer::set_lost_after`](crate::Peer::set_lost_after) changes it later.
    pub lost_after: Duration,
    /// Bytes of undelivered events above which no more data is read; the peer may then fill
    /// [`DataConfig::receive_window`] once more.
    pub inbound_limit: usize,
    /// How data is sent and received, all channels together.
    pub data: DataConfig,
    /// What to do with video; none offers no video section and answers an offered one inactive.
    pub video: Option<VideoConfig>,
}

impl Default for PeerConfig {
    fn default() -> PeerConfig {
        PeerConfig {
            channels: Vec::new(),
            ice_servers: Vec::new(),
            relay_only: false,
            ice_server_filter: None,
            gather_timeout: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(30),
            lost_after: Duration::from_secs(30),
            inbound_limit: DEFAULT_INBOUND_LIMIT,
            data: DataConfig::default(),
            video: None,
        }
    }
}

impl PeerConfig {
    /// Adds a channel to create.
    pub fn with_channel(mut self, label: impl Into<String>) -> Self {
        self.channels.push(label.into());
        self
    }

    /// Sets which addresses of ICE servers may be asked.
    pub fn with_ice_server_filter(mut self, allowed: fn(IpAddr) -> bool) -> Self {
        self.ice_server_filter = Some(allowed);
        self
    }

    /// Whether only relayed addresses are used and told.
    pub fn with_relay_only(mut self, on: bool) -> Self {
        self.relay_only = on;
        self
    }

    /// Replaces the servers asked for our outside address and for relayed ones.
    pub fn with_ice_servers(mut self, servers: Vec<IceServer>) -> Self {
        self.ice_servers = servers;
        self
    }

    /// Bounds gathering.
    pub fn with_gather_timeout(mut self, timeout: Duration) -> Self {
        self.gather_timeout = timeout;
        self
    }

    /// Bounds connecting.
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the silence after which the peer is given up.
    pub fn with_lost_after(mut self, silence: Duration) -> Self {
        self.lost_after = silence;
        self
    }

    /// Sets the bytes of undelivered events above which no more data is read.
    pub fn with_inbound_limit(mut self, bytes: usize) -> Self {
        self.inbound_limit = bytes;
        self
    }

    /// Sets how data is sent and received.
    pub fn with_data(mut self, data: DataConfig) -> Self {
        self.data = data;
        self
    }

    /// Sends or receives video.
    pub fn with_video(mut self, video: VideoConfig) -> Self {
        self.video = Some(video);
        self
    }
}
