//! The country of an address: cargo bench -p vidpass-gate

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use criterion::Criterion;
use vidpass_gate::CountrySource;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let countries = CountrySource::embedded();
    // Steps of a prime through all addresses, so that no look-up finds the way of the one before it in the cache.
    let mut number = 0_u32;
    criterion.bench_function("country of an IPv4 address", |bencher| {
        bencher.iter(|| {
            number = number.wrapping_add(2_654_435_761);
            countries.country(black_box(IpAddr::V4(Ipv4Addr::from_bits(number))))
        });
    });
    criterion.bench_function("country of an IPv6 address", |bencher| {
        bencher.iter(|| {
            number = number.wrapping_add(2_654_435_761);
            let address = Ipv6Addr::from_bits(0x2001 << 112 | u128::from(number) << 84);
            countries.country(black_box(IpAddr::V6(address)))
        });
    });
    criterion.final_summary();
}
