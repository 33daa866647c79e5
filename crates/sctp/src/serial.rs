//! Sequence numbers that wrap around: of chunks, of messages in a stream, of reconfiguration requests.
//! Not plain integers on purpose: all comparison and arithmetic on them is here.
use std::fmt;
use std::ops::{Add, Sub};

macro_rules! serial {
    ($(#[$doc:meta])* $name:ident, $int:ty, $half:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub(crate) struct $name(pub(crate) $int);

        #[allow(dead_code, reason = "not every number needs every step")]
        impl $name {
            /// Whether this one comes later than `other`: by less than half of the number space.
            #[inline]
            pub(crate) fn after(self, other: Self) -> bool {
                self != other && self.0.wrapping_sub(other.0) < $half
            }

            /// How many steps lead from `other` to this one, going up and wrapping.
            #[inline]
            pub(crate) fn since(self, other: Self) -> $int {
                self.0.wrapping_sub(other.0)
            }

            /// The following number.
            #[inline]
            pub(crate) fn next(self) -> Self {
                $name(self.0.wrapping_add(1))
            }

            /// The number before.
            #[inline]
            pub(crate) fn prev(self) -> Self {
                $name(self.0.wrapping_sub(1))
            }
        }

        impl Add<$int> for $name {
            type Output = Self;
            #[inline]
            fn add(self, steps: $int) -> Self {
                $name(self.0.wrapping_add(steps))
            }
        }

        impl Sub<$int> for $name {
            type Output = Self;
            #[inline]
            fn sub(self, steps: $int) -> Self {
                $name(self.0.wrapping_sub(steps))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}#{}", stringify!($name), self.0)
            }
        }
    };
}

serial!(
    /// Transmission sequence number: one for each DATA chunk of an association.
    Tsn, u32, 1 << 31
);
serial!(
    /// Stream sequence number: one for each ordered message of a stream.
    Ssn, u16, 1 << 15
);
serial!(
    /// Number of a reconfiguration request.
    Rsn, u32, 1 << 31
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_distance_hold_across_the_wrap() {
        let last = Tsn(u32::MAX);
        assert!(last.next().after(last));
        assert!(!last.after(last.next()));
        assert!(!last.after(last));
        assert_eq!(last.next(), Tsn(0));
        assert_eq!(Tsn(0).prev(), last);
        assert_eq!((last + 5).since(last), 5);
        assert_eq!(Tsn(4) - 5, last);
        assert!(Ssn(3).after(Ssn(65_530)));
        assert!(!Ssn(65_530).after(Ssn(3)));
        assert_eq!(Ssn(3).since(Ssn(65_530)), 9);
        assert!(Rsn(0).after(Rsn(u32::MAX)));
    }

    #[test]
    fn numbers_half_the_space_apart_are_not_ordered_either_way() {
        assert!(!Tsn(1 << 31).after(Tsn(0)));
        assert!(!Tsn(0).after(Tsn(1 << 31)));
        assert!(Tsn((1 << 31) - 1).after(Tsn(0)));
        assert!(!Ssn(1 << 15).after(Ssn(0)));
    }
}
