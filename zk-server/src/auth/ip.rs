//! The scheme `ip`: `address` or `address/bits` (Java: `IPAuthenticationProvider`).

use std::net::IpAddr;

/// An address as Java reads it: four decimal numbers, or eight hexadecimal groups with one `::`.
enum Bytes {
    V4([u8; 4]),
    V6([u8; 16]),
}

impl Bytes {
    fn as_mut(&mut self) -> &mut [u8] {
        match self {
            Self::V4(b) => b,
            Self::V6(b) => b,
        }
    }
}

fn parse(address: &str) -> Option<Bytes> {
    if address.contains(':') {
        v6(address).map(Bytes::V6)
    } else {
        v4(address).map(Bytes::V4)
    }
}

fn v4(address: &str) -> Option<[u8; 4]> {
    let mut bytes = [0; 4];
    let mut parts = address.split('.');
    for byte in &mut bytes {
        *byte = u8::try_from(parts.next()?.parse::<i32>().ok()?).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

fn groups(part: &str, out: &mut [u8]) -> Option<()> {
    if part.is_empty() {
        return Some(());
    }
    for (i, group) in part.split(':').enumerate() {
        if group.is_empty() || group.len() > 4 {
            return None;
        }
        let value = u16::from_str_radix(group, 16).ok()?;
        out.get_mut(2 * i..2 * i + 2)?
            .copy_from_slice(&value.to_be_bytes());
    }
    Some(())
}

fn v6(address: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    let count = |part: &str| match part {
        "" => 0,
        _ => part.split(':').count(),
    };
    let mut parts = address.split("::");
    let (head, tail) = (parts.next()?, parts.next());
    if parts.next().is_some() {
        return None;
    }
    match tail {
        None if count(head) != 8 => return None,
        Some(tail) if count(head) + count(tail) >= 8 => return None,
        _ => {}
    }
    groups(head, &mut bytes)?;
    let tail = tail.unwrap_or_default();
    groups(tail, &mut bytes[16 - 2 * count(tail)..])?;
    Some(bytes)
}

/// Address and number of bits that must be equal.
fn expression(text: &str) -> Option<(Bytes, usize)> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let mut address = parse(address)?;
    let all = address.as_mut().len() * 8;
    let bits = match bits {
        None => all,
        Some(bits) => usize::try_from(bits.parse::<i32>().ok()?).ok()?,
    };
    (bits <= all).then_some((address, bits))
}

fn mask(bytes: &mut [u8], bits: usize) {
    for (i, byte) in bytes.iter_mut().enumerate() {
        let keep = bits.saturating_sub(i * 8).min(8);
        *byte &= (0xff00u16 >> keep) as u8;
    }
}

pub fn is_valid(text: &str) -> bool {
    expression(text).is_some()
}

pub fn matches(id: &str, text: &str) -> bool {
    let (Some((mut wanted, bits)), Some(mut address)) = (expression(text), parse(id)) else {
        return false;
    };
    mask(wanted.as_mut(), bits);
    mask(address.as_mut(), bits);
    wanted.as_mut() == address.as_mut()
}

/// An address as Java's `getHostAddress` prints it: all eight groups, none shortened.
pub fn host_address(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            // Java's InetAddress makes an IPv4 address of it.
            Some(v4) => v4.to_string(),
            None => {
                let groups: Vec<String> = v6.segments().iter().map(|g| format!("{g:x}")).collect();
                groups.join(":")
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_bits() {
        for text in [
            "1.2.3.4",
            "1.2.3.4/0",
            "1.2.3.4/32",
            "::1",
            "1::/64",
            "1:2:3:4:5:6:7:8",
        ] {
            assert!(is_valid(text), "{text}");
        }
        for text in [
            "",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.256",
            "1.2.3.4/33",
            "1.2.3.4/-1",
            "1.2.3.4/x",
            "1:2",
            "1::2::3",
            "12345::",
            "host",
            "1:2:3:4:5:6:7::8",
        ] {
            assert!(!is_valid(text), "{text}");
        }
        assert!(matches("10.1.2.3", "10.1.0.0/16") && matches("10.1.2.3", "10.1.2.3"));
        assert!(matches("10.1.2.3", "10.1.2.0/30") && !matches("10.1.2.4", "10.1.2.0/30"));
        assert!(!matches("::1", "1.2.3.4/0") && matches("0:0:0:0:0:0:0:1", "::1"));
    }

    #[test]
    fn printed_as_java_does() {
        let print = |a: &str| host_address(a.parse().unwrap());
        assert_eq!(print("::1"), "0:0:0:0:0:0:0:1");
        assert_eq!(print("::ffff:1.2.3.4"), "1.2.3.4");
        assert_eq!(print("127.0.0.1"), "127.0.0.1");
    }
}
