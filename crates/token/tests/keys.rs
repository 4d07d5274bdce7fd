//! Signing keys in every format that they are written in, and what is none.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use vidpass_token::{Algorithm, Claims, KeyError, PublicKey, SigningKey, UnixTime, UnverifiedToken};

static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Rs256, "k1".parse().unwrap()).unwrap());

#[test]
fn keys_survive_every_format() {
    let id = || "k1".parse().unwrap();
    let pem = unwrapped(&KEY.to_pem_base64());
    assert!(pem.starts_with("-----BEGIN RSA PRIVATE KEY-----\n") && pem.ends_with("-----END RSA PRIVATE KEY-----\n"));
    let jwk = unwrapped(&KEY.to_jwk_base64());
    assert!(jwk.starts_with(r#"{"use":"sig","kty":"RSA","kid":"k1","alg":"RS256","n":""#), "member order");
    for key in [
        SigningKey::from_pem(id(), &KEY.to_pem_base64()),
        SigningKey::from_pem(id(), &pem),
        SigningKey::from_pem(id(), &pem.replace('\n', "\r\n")),
        SigningKey::from_jwk(None, &KEY.to_jwk_base64()),
        SigningKey::from_jwk(None, &jwk),
        SigningKey::from_pkcs8(id(), &KEY.to_pkcs8()),
    ] {
        let key = key.unwrap();
        assert_eq!((key.id(), key.public()), (KEY.id(), KEY.public()));
        assert_eq!(key.sign(&claims()).unwrap().as_str(), KEY.sign(&claims()).unwrap().as_str());
    }
    assert_eq!(&PublicKey::from_pem(&pem).unwrap(), KEY.public());
    assert_eq!(&PublicKey::from_jwk(&jwk).unwrap(), KEY.public());
    assert_eq!(&PublicKey::from_spki_der(KEY.public().spki_der()).unwrap(), KEY.public());
}

#[test]
fn keys_of_every_algorithm_are_read_as_they_are_written() {
    for algorithm in Algorithm::ALL {
        let id = || "k1".parse().unwrap();
        let key = SigningKey::generate(algorithm, id()).unwrap();
        let (pem, jwk) = (unwrapped(&key.to_pem_base64()), unwrapped(&key.to_jwk_base64()));
        assert_eq!((key.algorithm(), key.public().weakness()), (algorithm, None));
        for read in [
            SigningKey::from_pem(id(), &key.to_pem_base64()),
            SigningKey::from_pem(id(), &pem),
            SigningKey::from_jwk(None, &key.to_jwk_base64()),
            SigningKey::from_jwk(None, &jwk),
            SigningKey::from_pkcs8(id(), &key.to_pkcs8()),
        ] {
            let read = read.unwrap();
            assert_eq!((read.id(), read.public()), (key.id(), key.public()), "{algorithm}");
            let token = read.sign(&claims()).unwrap();
            let unverified = UnverifiedToken::parse(token.as_str()).unwrap();
            assert_eq!(unverified.verify(key.public()).unwrap().video().as_str(), "v1", "{algorithm}");
        }
        for public in [
            PublicKey::from_pem(&pem),
            PublicKey::from_pem(&key.public().to_pem()),
            PublicKey::from_jwk(&jwk),
            PublicKey::from_jwk(&key.public().to_jwk(key.id()).to_string()),
            PublicKey::from_spki_der(key.public().spki_der()),
        ] {
            assert_eq!(&public.unwrap(), key.public(), "{algorithm}");
        }
        assert!(!key.public().to_jwk(key.id()).to_string().contains("\"d\""), "{algorithm}");
    }
}

#[test]
fn what_openssl_writes_is_read() {
    let openssl = |arguments: &str, input: &str| {
        let mut openssl = std::process::Command::new("openssl");
        openssl.args(arguments.split(' ')).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = openssl.stderr(std::process::Stdio::null()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    let id = || "k1".parse().unwrap();
    for (make, convert, algorithm) in [
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048", "rsa -traditional", Algorithm::Rs256),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", "ec", Algorithm::Es256),
        ("genpkey -algorithm ED25519", "pkey", Algorithm::EdDsa),
    ] {
        let pem = openssl(make, "");
        let key = SigningKey::from_pem(id(), &pem).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        assert_eq!(SigningKey::from_pem(id(), &openssl(convert, &pem)).unwrap().public(), key.public(), "{convert}");
        let public = PublicKey::from_pem(&openssl("pkey -pubout", &pem)).unwrap();
        assert_eq!((&public, PublicKey::from_pem(&pem).as_ref()), (key.public(), Ok(key.public())));
    }
    let compressed = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256";
    let pem = openssl(compressed, "");
    let public = PublicKey::from_pem(&openssl("ec -pubout -conv_form compressed", &pem)).unwrap();
    assert_eq!(Ok(public), PublicKey::from_pem(&pem), "a compressed point is the same one");
    for (make, error) in [
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384", KeyError::Curve),
        ("genpkey -algorithm ED448", KeyError::Curve),
        ("genpkey -algorithm X25519", KeyError::Curve),
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024", KeyError::ModulusSize { bits: 1024 }),
    ] {
        let pem = openssl(make, "");
        assert_eq!(SigningKey::from_pem(id(), &pem).map(|_| ()), Err(error.clone()), "{make}");
        assert_eq!(PublicKey::from_pem(&openssl("pkey -pubout", &pem)).map(|_| ()), Err(error), "{make}");
    }
}

#[test]
fn what_is_no_private_key_is_refused_without_repeating_it() {
    let id = || "k1".parse().unwrap();
    let pem = unwrapped(&KEY.to_pem_base64());
    let half = &pem[..pem.len() / 2];
    for (text, expected) in [
        ("", KeyError::NotPem),
        ("not a key", KeyError::NotPem),
        (half, KeyError::NotPem),
        ("-----BEGIN RSA PRIVATE KEY-----\nMAA=\n-----END RSA PRIVATE KEY-----\n", KeyError::Structure),
    ] {
        assert_eq!(SigningKey::from_pem(id(), text).unwrap_err(), expected, "{text}");
    }
    let public = KEY.public().to_pem();
    assert!(matches!(SigningKey::from_pem(id(), &public), Err(KeyError::UnexpectedPem { label: "PUBLIC KEY", .. })));
    assert_eq!(PublicKey::from_spki_der(&[0; 8]).unwrap_err(), KeyError::Structure);
    assert_eq!(format!("{:?}", *KEY), "SigningKey(k1, RS256)");
}

#[test]
fn a_key_is_neither_weak_nor_unusual_nor_damaged() {
    let public = |bits: usize, e: &[u8]| {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        modulus[0] >>= bits.div_ceil(8) * 8 - bits;
        let (n, e) = (BASE64URL.encode(modulus), BASE64URL.encode(e));
        PublicKey::from_jwk(&format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#)).map(|_| ())
    };
    for bits in [512, 1024, 2047, 8193, 16384] {
        assert_eq!(public(bits, &[1, 0, 1]), Err(KeyError::ModulusSize { bits }));
    }
    for bits in [2048, 3072, 8192] {
        assert_eq!(public(bits, &[1, 0, 1]), Ok(()), "{bits}");
    }
    for exponent in [&[1][..], &[3], &[1, 0, 0], &[1, 0, 0, 0, 1]] {
        assert_eq!(public(2048, exponent), Err(KeyError::Exponent), "{exponent:?}");
    }
    let mut jwk: serde_json::Value = serde_json::from_str(&unwrapped(&KEY.to_jwk_base64())).unwrap();
    let other = SigningKey::generate(Algorithm::Rs256, "k2".parse().unwrap()).unwrap();
    let other: serde_json::Value = serde_json::from_str(&unwrapped(&other.to_jwk_base64())).unwrap();
    jwk["p"] = other["p"].clone();
    assert_eq!(SigningKey::from_jwk(None, &jwk.to_string()).unwrap_err(), KeyError::Inconsistent);
}

fn claims() -> Claims {
    Claims::new("v1".parse().unwrap(), UnixTime(1_800_000_060))
}

/// The text inside the base64 that the API gives out.
fn unwrapped(base64: &str) -> String {
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(base64).unwrap()).unwrap()
}
