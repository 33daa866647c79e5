//! INIT and INIT ACK: what the two sides tell each other about themselves.
//! Not the cookie's contents, which only its maker reads.
use bytes::Bytes;

use super::{Malformed, TLV, Unrecognized, items, kind, padded, u16_at, u32_at};
use crate::serial::Tsn;

/// Parameter types.
pub(super) mod parameter {
    pub(in crate::wire) const COOKIE: u16 = 7;
    pub(in crate::wire) const UNRECOGNIZED: u16 = 8;
    pub(in crate::wire) const EXTENSIONS: u16 = 0x8008;
    pub(in crate::wire) const FORWARD_TSN: u16 = 0xC000;
    /// Types that are known and mean nothing here: addresses, cookie lifetime, host name, address families, ECN, zero checksum, authentication.
    pub(in crate::wire) const WITHOUT_EFFECT: [u16; 10] =
        [5, 6, 9, 11, 12, 0x8000, 0x8001, 0x8002, 0x8003, 0x8004];
}

/// Bytes of the fixed fields.
const FIXED: usize = 16;
/// Unrecognized parameters that are kept for the report.
const MAX_REPORTED: usize = 16;

/// The contents of INIT and INIT ACK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Init {
    /// Tag that packets to the sender of this must carry; not 0.
    pub(crate) tag: u32,
    /// Its receive window.
    pub(crate) a_rwnd: u32,
    /// Streams it wants to send on; not 0.
    pub(crate) outbound: u16,
    /// Streams it accepts; not 0.
    pub(crate) inbound: u16,
    /// Number of its first DATA chunk.
    pub(crate) initial_tsn: Tsn,
    /// It understands FORWARD-TSN.
    pub(crate) forward_tsn: bool,
    /// It understands RE-CONFIG.
    pub(crate) reconfig: bool,
    /// Whole parameters that it wants to be told about: of types unknown here when read, to be reported when written into INIT ACK.
    pub(crate) unrecognized: Vec<Bytes>,
}

impl Init {
    /// Reads the value of an INIT or INIT ACK chunk; the cookie apart.
    pub(super) fn parse(value: Bytes) -> Result<(Init, Option<Bytes>), Malformed> {
        if value.len() < FIXED {
            return Err(Malformed::Length);
        }
        let mut init = Init {
            tag: u32_at(&value, 0),
            a_rwnd: u32_at(&value, 4),
            outbound: u16_at(&value, 8),
            inbound: u16_at(&value, 10),
            initial_tsn: Tsn(u32_at(&value, 12)),
            forward_tsn: false,
            reconfig: false,
            unrecognized: Vec::new(),
        };
        if init.tag == 0 {
            return Err(Malformed::ZeroTag);
        }
        if init.outbound == 0 || init.inbound == 0 {
            return Err(Malformed::ZeroStreams);
        }
        let mut cookie = None;
        for item in items(value.slice(FIXED..)) {
            let (kind, item) = item?;
            match kind {
                parameter::COOKIE => cookie = Some(item.slice(TLV..)),
                parameter::FORWARD_TSN => init.forward_tsn = true,
                parameter::EXTENSIONS => {
                    init.forward_tsn |= item[TLV..].contains(&kind::FORWARD_TSN);
                    init.reconfig |= item[TLV..].contains(&kind::RECONFIG);
                }
                // What the peer did not know of ours: nothing that cannot be done without.
                parameter::UNRECOGNIZED => {}
                kind if parameter::WITHOUT_EFFECT.contains(&kind) => {}
                kind => {
                    let rule = Unrecognized::parameter(kind);
                    if rule.report && init.unrecognized.len() < MAX_REPORTED {
                        init.unrecognized.push(item);
                    }
                    if rule.stop {
                        break;
                    }
                }
            }
        }
        Ok((init, cookie))
    }

    /// Writes the value of an INIT chunk, or with a cookie of an INIT ACK chunk. Unrecognized parameters go only into the latter.
    pub(super) fn write(&self, cookie: Option<&[u8]>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.tag.to_be_bytes());
        out.extend_from_slice(&self.a_rwnd.to_be_bytes());
        out.extend_from_slice(&self.outbound.to_be_bytes());
        out.extend_from_slice(&self.inbound.to_be_bytes());
        out.extend_from_slice(&self.initial_tsn.0.to_be_bytes());
        if let Some(cookie) = cookie {
            write_parameter(parameter::COOKIE, cookie, out);
        }
        if self.forward_tsn {
            write_parameter(parameter::FORWARD_TSN, &[], out);
        }
        let extensions = [
            self.reconfig.then_some(kind::RECONFIG),
            self.forward_tsn.then_some(kind::FORWARD_TSN),
        ];
        if extensions.iter().any(Option::is_some) {
            let list: Vec<u8> = extensions.into_iter().flatten().collect();
            write_parameter(parameter::EXTENSIONS, &list, out);
        }
        if cookie.is_some() {
            for item in &self.unrecognized {
                write_parameter(parameter::UNRECOGNIZED, item, out);
            }
        }
    }
}

/// Appends a parameter; the padding goes before it, because that of the last one does not count as part of the chunk.
/// A value longer than a length field can say is cut: no packet would take it anyway.
pub(super) fn write_parameter(kind: u16, value: &[u8], out: &mut Vec<u8>) {
    let value = &value[..value.len().min(usize::from(u16::MAX) - TLV)];
    out.resize(padded(out.len()), 0);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&((TLV + value.len()) as u16).to_be_bytes());
    out.extend_from_slice(value);
}
