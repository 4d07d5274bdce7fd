//! Signatures and keys of Project Wycheproof, which nobody here wrote. They lie beside the checkout; where they do
//! not, these tests say so and check nothing.

use std::io::Write as _;

use serde_json::Value;

use super::{Algorithm, KeyError, Message, PublicKey, SigningKey, Weakness};

#[test]
fn signatures_are_judged_as_wycheproof_does() {
    for (file, algorithm, least) in [
        ("rsa_signature_2048_sha256_test.json", Algorithm::Rs256, (5, 240)),
        ("rsa_signature_3072_sha256_test.json", Algorithm::Rs256, (5, 240)),
        ("rsa_signature_4096_sha256_test.json", Algorithm::Rs256, (5, 240)),
        ("rsa_signature_8192_sha256_test.json", Algorithm::Rs256, (5, 240)),
        ("ecdsa_secp256r1_sha256_p1363_test.json", Algorithm::Es256, (170, 80)),
        ("ed25519_test.json", Algorithm::EdDsa, (80, 50)),
    ] {
        let Some(vectors) = load(file) else { return };
        let mut counts = (0_u64, 0_u64);
        for group in groups(&vectors) {
            let key = match PublicKey::from_spki_der(&bytes(&group["publicKeyDer"])) {
                Ok(key) => Some(key),
                Err(KeyError::Exponent) => None,
                Err(error) => panic!("{file}: {error}"),
            };
            assert!(key.as_ref().is_none_or(|key| key.algorithm() == algorithm));
            for test in group["tests"].as_array().unwrap() {
                let good = key
                    .as_ref()
                    .is_some_and(|key| key.verifies(&Message::new(&bytes(&test["msg"])), &bytes(&test["sig"])));
                // "acceptable" is a DigestInfo without its NULL: refused. So is all that a key with another exponent
                // than 65537 signed.
                assert_eq!(good, key.is_some() && test["result"] == "valid", "{file} {}", test["tcId"]);
                if good { counts.0 += 1 } else { counts.1 += 1 }
            }
        }
        assert_eq!(counts.0 + counts.1, vectors["numberOfTests"], "{file}");
        assert!(counts.0 >= least.0 && counts.1 >= least.1, "{file}: {counts:?}");
    }
}

#[test]
fn signing_gives_the_bytes_that_wycheproof_expects() {
    let mut signed = 0;
    for file in
        ["rsa_pkcs1_2048_sig_gen_test.json", "rsa_pkcs1_3072_sig_gen_test.json", "rsa_pkcs1_4096_sig_gen_test.json"]
    {
        let Some(vectors) = load(file) else { return };
        for group in groups(&vectors).iter().filter(|group| group["sha"] == "SHA-256") {
            let id = "wycheproof".parse().unwrap();
            let key = match SigningKey::from_pkcs8(id, &bytes(&group["privateKeyPkcs8"])) {
                Ok(key) => key,
                Err(KeyError::Exponent) => continue,
                Err(error) => panic!("{file}: {error}"),
            };
            for test in group["tests"].as_array().unwrap() {
                assert_eq!(key.sign_message(&bytes(&test["msg"])), Ok(bytes(&test["sig"])), "{file} {}", test["tcId"]);
                signed += 1;
            }
        }
    }
    assert!(signed >= 20, "{signed}");
}

#[test]
fn jwks_that_are_no_keys_of_ours_are_refused() {
    let Some(vectors) = load("json_web_key_test.json") else { return };
    let mut seen = 0;
    for group in groups(&vectors) {
        let comment = group["comment"].as_str().unwrap_or_default();
        // The rest are about sets of keys, or are good keys that the tests use in wrong ways.
        let ours = [
            "keysize_too_small",
            "exponentOne",
            "wrong_algorithm",
            "invalid_algorithm",
            "invalid_use",
            "invalid_point",
            "wrong_curve",
            "wrong_kty",
        ];
        let secret = ["HS256", "HS384", "HS512", "invalid_aes_gcm_key", "invalid_aes_kw_key"];
        if ours.contains(&comment) || secret.contains(&comment) {
            let key = if group["public"].is_object() { &group["public"] } else { &group["private"] };
            let key = key.get("keys").map_or(key, |keys| &keys[0]);
            let read = PublicKey::from_jwk(&key.to_string());
            assert!(read.is_err(), "{comment}: {key}");
            seen += 1;
        }
    }
    assert!(seen >= 12, "{seen}");
}

#[test]
fn a_key_of_a_flawed_chip_is_weak() {
    let Some(vectors) = load("json_web_key_test.json") else { return };
    let group = groups(&vectors).iter().find(|group| group["comment"] == "jws_rsa_roca_key").unwrap();
    let key = group["public"].get("keys").map_or(&group["public"], |keys| &keys[0]);
    assert_eq!(PublicKey::from_jwk(&key.to_string()).unwrap().weakness(), Some(Weakness::Roca));
}

fn load(file: &str) -> Option<Value> {
    let path = format!("{}/../../../shared/vectors/wycheproof/{file}", env!("CARGO_MANIFEST_DIR"));
    let Ok(text) = std::fs::read(&path) else {
        // Past the capture of `eprintln!`, which nobody reads of a test that passes.
        writeln!(
            std::io::stderr(),
            "\nSKIPPED: {file} of Project Wycheproof is not in ../shared/vectors; nothing was checked"
        )
        .unwrap();
        return None;
    };
    Some(serde_json::from_slice(&text).unwrap())
}

fn groups(vectors: &Value) -> &Vec<Value> {
    vectors["testGroups"].as_array().unwrap()
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
