use std::hint::black_box;
use std::time::Instant;

use vidpass_token::{Algorithm, Claims, RevocationExtent, SigningKey, UnverifiedToken};

use super::*;

const NOW: UnixTime = UnixTime(1_800_000_000);

/// What is measured, and not asserted: how long it takes to find out that a token was not taken back.
#[test]
#[ignore = "make cluster-test"]
fn large_look_up_among_a_million_revocations() {
    let key = SigningKey::generate(Algorithm::Es256, "k".parse().unwrap()).unwrap();
    let account = "ours".parse().unwrap();
    // So many that their marks are in no cache of the processor's.
    let tokens: Vec<(SignedClaims, TokenMarks)> = (0..20_000)
        .map(|number| {
            let viewer = format!("viewer-{number}").parse().unwrap();
            let claims = Claims { viewer: Some(viewer), ..Claims::new("v".parse().unwrap(), UnixTime(NOW.0 + 60)) };
            let token = key.sign(&claims).unwrap();
            let claims = UnverifiedToken::parse(token.as_str()).unwrap().verify(key.public()).unwrap();
            let marks = TokenMarks::of(&account, &claims);
            (claims, marks)
        })
        .collect();
    for revocations in [0, 1_000_000_u128] {
        let mut catalogue = Catalogue::default();
        for number in 0..revocations {
            // As evenly spread as the hashes that they stand for.
            let mark = number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            let mark = RevocationMark::from_hex(&format!("{mark:032x}")).unwrap();
            catalogue.set_revocations(mark, Box::from([Taken { extent: RevocationExtent::All, until: None }]));
        }
        let started = Instant::now();
        for (claims, marks) in &tokens {
            assert_eq!(black_box(&catalogue).standing(marks, claims, NOW), Standing::Good);
        }
        let each = started.elapsed() / u32::try_from(tokens.len()).unwrap();
        println!("cluster: {each:?} to look all subjects of a token up among {revocations} revocations");
    }
}
