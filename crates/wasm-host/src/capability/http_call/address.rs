use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// The addresses that calls may connect to. The default is the public ones.
///
/// An IPv6 address that carries an IPv4 one (mapped, compatible, translated, 6to4, NAT64) counts as that one. Addresses that no server has,
/// such as 0.0.0.0, multicast, broadcast and those kept for documentation, need a network that names them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AddressPolicy {
    /// This machine: 127.0.0.0/8, ::1.
    pub loopback: bool,
    /// Private networks: 10/8, 172.16/12, 192.168/16, the shared space 100.64/10, fc00::/7, fec0::/10.
    pub private: bool,
    /// This link: 169.254/16, fe80::/10.
    pub link_local: bool,
    /// Where clouds tell a machine its credentials: 169.254.169.254, fd00:ec2::254 and their like. No other field grants
    /// them.
    pub metadata: bool,
    /// Networks besides.
    pub networks: Vec<Network>,
}

impl AddressPolicy {
    /// Whether this address may be connected to.
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = canonical(address);
        let in_network = || self.networks.iter().any(|network| network.contains(address));
        match Class::of(address) {
            Class::Public => true,
            Class::Loopback => self.loopback || in_network(),
            Class::Private => self.private || in_network(),
            Class::LinkLocal => self.link_local || in_network(),
            Class::Reserved => in_network(),
            Class::Metadata => self.metadata,
        }
    }
}

/// A network in CIDR notation, such as `10.1.0.0/16`; an address alone is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.prefix);
                u32::from(own).checked_shr(shift) == u32::from(other).checked_shr(shift)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.prefix);
                u128::from(own).checked_shr(shift) == u128::from(other).checked_shr(shift)
            }
            _ => false,
        }
    }
}

/// Not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a network is an address with a prefix, such as `10.1.0.0/16`")]
pub struct InvalidNetwork;

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), str::parse).map_err(|_| InvalidNetwork)?;
        if prefix > longest || canonical(address) != address {
            return Err(InvalidNetwork);
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Public,
    Loopback,
    Private,
    LinkLocal,
    Metadata,
    /// No server has it.
    Reserved,
}

impl Class {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            // AWS, Azure, Google and others; ECS; Azure's wire server; Alibaba.
            [169, 254, 169, 254] | [169, 254, 170, 2 | 23] | [168, 63, 129, 16] | [100, 100, 100, 200] => {
                Self::Metadata
            }
            // Oracle's older one.
            [192, 0, 0, 192] => Self::Metadata,
            [127, ..] => Self::Loopback,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Self::Private,
            [169, 254, ..] => Self::LinkLocal,
            // This network, protocol assignments, documentation, 6to4 relays, benchmarks, multicast, future use, broadcast.
            [0, ..] | [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] => Self::Reserved,
            [198, 18 | 19, ..] | [224..=255, ..] => Self::Reserved,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
            // AWS; Google.
            [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254 | 0x0023] | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254] => {
                Self::Metadata
            }
            [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Self::Private,
            [0xfe80..=0xfebf, ..] => Self::LinkLocal,
            // Protocol assignments with Teredo and ORCHID; documentation.
            [0x2001, 0..=0x01ff, ..] | [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Self::Reserved,
            // All that is given out for servers. What is left: unspecified, discard, local NAT64, multicast, not given out.
            [0x2000..=0x3fff, ..] => Self::Public,
            _ => Self::Reserved,
        }
    }
}

/// The address that is meant: of an IPv6 address that carries an IPv4 address, that one.
fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let v4 = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        // Compatible; mapped; translated; NAT64; 6to4.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => v4(high, low),
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn class(address: &str) -> Class {
        Class::of(canonical(address.parse().unwrap()))
    }

    #[test]
    fn knows_what_addresses_are_for() {
        let table = [
            (Class::Public, &["1.1.1.1", "93.184.216.34", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1"][..]),
            (
                Class::Public,
                &["2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"],
            ),
            (Class::Loopback, &["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::127.0.0.1"]),
            (Class::Loopback, &["64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:0:127.0.0.1"]),
            (Class::Private, &["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.1.1"]),
            (Class::Private, &["fc00::1", "fdff::1", "fec0::1", "::ffff:10.0.0.1", "2002:a00:1::", "64:ff9b::c0a8:1"]),
            (Class::LinkLocal, &["169.254.0.1", "fe80::1", "febf::1", "::ffff:169.254.1.1"]),
            (Class::Metadata, &["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "169.254.170.2"]),
            (Class::Metadata, &["100.100.100.200", "168.63.129.16", "2002:a9fe:a9fe::", "64:ff9b::a9fe:a9fe"]),
            (Class::Reserved, &["0.0.0.0", "0.1.2.3", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"]),
            (
                Class::Reserved,
                &["192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "192.0.0.1", "::ffff:0.0.0.0"],
            ),
            (Class::Reserved, &["::", "ff02::1", "2001:db8::1", "2001::1", "100::1", "64:ff9b:1::1", "4000::1"]),
        ];
        for (expected, addresses) in table {
            for address in addresses {
                assert_eq!(class(address), expected, "{address}");
            }
        }
    }

    #[test]
    fn allows_what_is_public_and_what_is_named() {
        let allows = |policy: &AddressPolicy, address: &str| policy.allows(address.parse().unwrap());
        let none = AddressPolicy::default();
        assert!(allows(&none, "1.1.1.1"));
        for address in ["127.0.0.1", "10.0.0.1", "169.254.0.1", "169.254.169.254", "0.0.0.0", "::1", "fd00:ec2::254"] {
            assert!(!allows(&none, address), "{address}");
        }
        let all = AddressPolicy { loopback: true, private: true, link_local: true, ..AddressPolicy::default() };
        for address in ["127.0.0.1", "::ffff:10.0.0.1", "fd00::1", "fe80::1"] {
            assert!(allows(&all, address), "{address}");
        }
        for address in ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "224.0.0.1", "0.0.0.0"] {
            assert!(!allows(&all, address), "{address}");
        }
        assert!(allows(&AddressPolicy { metadata: true, ..none }, "::ffff:169.254.169.254"));
    }

    #[test]
    fn networks_hold_their_addresses_and_no_metadata() {
        let networks = ["10.1.0.0/16", "127.0.0.2", "fd00:1::/32", "169.254.0.0/16", "0.0.0.0/32"];
        let networks = networks.map(|network| network.parse().unwrap()).to_vec();
        let policy = AddressPolicy { networks, ..AddressPolicy::default() };
        for (address, allowed) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("10.2.0.1", false),
            ("127.0.0.2", true),
            ("127.0.0.1", false),
            ("fd00:1::5", true),
            ("fd00:2::5", false),
            ("169.254.1.1", true),
            ("169.254.169.254", false),
            ("0.0.0.0", true),
        ] {
            assert_eq!(policy.allows(address.parse().unwrap()), allowed, "{address}");
        }
        let all: Network = "::/0".parse().unwrap();
        assert!(all.contains("fe80::1".parse().unwrap()));
        for text in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "::ffff:10.0.0.0/104", "host", "10.0.0.0/-1"] {
            assert_eq!(text.parse::<Network>(), Err(InvalidNetwork), "{text}");
        }
    }
}
