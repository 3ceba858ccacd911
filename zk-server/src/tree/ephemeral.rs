//! What `ephemeralOwner` means besides a session id: container and TTL marks (Java:
//! `EphemeralType`, `EphemeralTypeEmulate353`).

/// The owner of a container node.
pub const CONTAINER_OWNER: i64 = i64::MIN;
/// The longest TTL in milliseconds: five bytes.
pub const MAX_TTL: i64 = 0xff_ffff_ffff;

const EXTENDED: u64 = 0xff00_0000_0000_0000;
const FEATURE: u64 = 0x00ff_ff00_0000_0000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EphemeralType {
    /// not ephemeral
    Void,
    /// owned by the session whose id it is
    Normal,
    Container,
    Ttl,
}

/// Which marks this server understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EphemeralTypes {
    /// `extendedTypesEnabled`
    pub extended: bool,
    /// `emulate353TTLNodes`: a set sign bit alone marks a TTL, as 3.5.3 wrote it
    pub emulate_353: bool,
}

impl EphemeralTypes {
    pub fn of(self, owner: i64) -> EphemeralType {
        if self.extended {
            if self.emulate_353 && owner < 0 && owner != CONTAINER_OWNER {
                return EphemeralType::Ttl;
            }
            // Java fails on a feature other than 0 (TTL), which nothing can have written.
            if owner as u64 & EXTENDED == EXTENDED && owner as u64 & FEATURE == 0 {
                return EphemeralType::Ttl;
            }
        }
        match owner {
            CONTAINER_OWNER => EphemeralType::Container,
            0 => EphemeralType::Void,
            _ => EphemeralType::Normal,
        }
    }
}

/// The mark of a TTL node; `None` where Java throws.
pub fn ttl_owner(ttl_ms: i64) -> Option<i64> {
    (1..=MAX_TTL)
        .contains(&ttl_ms)
        .then_some((EXTENDED | ttl_ms as u64) as i64)
}

/// The TTL in milliseconds of such a mark.
pub fn ttl_of(owner: i64) -> i64 {
    owner & MAX_TTL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks() {
        let plain = EphemeralTypes::default();
        let extended = EphemeralTypes {
            extended: true,
            emulate_353: false,
        };
        let old = EphemeralTypes {
            extended: true,
            emulate_353: true,
        };
        let ttl = ttl_owner(5000).unwrap();
        assert_eq!(ttl as u64, 0xff00_0000_0000_1388);
        assert_eq!(ttl_of(ttl), 5000);
        assert_eq!(plain.of(ttl), EphemeralType::Normal);
        assert_eq!(extended.of(ttl), EphemeralType::Ttl);
        assert_eq!(extended.of(CONTAINER_OWNER), EphemeralType::Container);
        assert_eq!(old.of(CONTAINER_OWNER), EphemeralType::Container);
        assert_eq!(old.of(i64::MIN | 77), EphemeralType::Ttl);
        assert_eq!(extended.of(i64::MIN | 77), EphemeralType::Normal);
        assert_eq!(plain.of(0), EphemeralType::Void);
        assert_eq!(
            (ttl_owner(0), ttl_owner(-1), ttl_owner(MAX_TTL + 1)),
            (None, None, None)
        );
    }
}
