//! RSA keys as JSON Web Keys (RFC 7517, and RFC 7518, section 6.3).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use pkcs1::der::asn1::UintRef;
use pkcs1::der::{Decode as _, Encode as _};
use pkcs1::{RsaPrivateKeyRef, RsaPublicKeyRef};
use serde::Serialize;
use zeroize::{Zeroize, Zeroizing};

use super::{ALGORITHM, KeyError, format};
use crate::id::KeyId;
use crate::json::Json;

/// An RSA key, its members in the order in which Cloudflare Stream writes them.
#[derive(Serialize)]
pub(super) struct Jwk {
    r#use: &'static str,
    kty: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    alg: &'static str,
    n: Number,
    e: Number,
    #[serde(flatten)]
    private: Option<Private>,
}

#[derive(Serialize)]
struct Private {
    d: Number,
    p: Number,
    q: Number,
    dp: Number,
    dq: Number,
    qi: Number,
}

/// A big-endian number without leading zeros, wiped when dropped.
struct Number(Zeroizing<Vec<u8>>);

impl Serialize for Number {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = Zeroizing::new(BASE64URL.encode(&*self.0));
        serializer.serialize_str(&text)
    }
}

impl Number {
    fn of(number: UintRef<'_>) -> Self {
        Self(Zeroizing::new(number.as_bytes().to_vec()))
    }

    fn as_uint(&self) -> Result<UintRef<'_>, KeyError> {
        UintRef::new(&self.0).map_err(|_| KeyError::Structure)
    }
}

impl Jwk {
    /// The private key in an `RSAPrivateKey` that was parsed before.
    pub(super) fn private(kid: &KeyId, der: &[u8]) -> Self {
        let rsa = RsaPrivateKeyRef::from_der(der).expect("a key that was parsed can be parsed again");
        Self {
            r#use: "sig",
            kty: "RSA",
            kid: Some(kid.to_string()),
            alg: ALGORITHM,
            n: Number::of(rsa.modulus),
            e: Number::of(rsa.public_exponent),
            private: Some(Private {
                d: Number::of(rsa.private_exponent),
                p: Number::of(rsa.prime1),
                q: Number::of(rsa.prime2),
                dp: Number::of(rsa.exponent1),
                dq: Number::of(rsa.exponent2),
                qi: Number::of(rsa.coefficient),
            }),
        }
    }

    /// Reads JSON, or base64 of it.
    pub(super) fn read(text: &str) -> Result<Self, KeyError> {
        let unwrapped = format::unwrap_base64(text);
        let json = Json::parse(unwrapped.as_deref().map_or(text, String::as_str).trim().as_bytes());
        let mut json = json.map_err(|_| KeyError::Jwk("it is not JSON"))?;
        let jwk = Self::from_json(&json);
        wipe(&mut json);
        jwk
    }

    fn from_json(json: &Json) -> Result<Self, KeyError> {
        let is = |name, expected| json.get(name).is_some_and(|value| value.as_text() == Some(expected));
        let absent_or = |name, expected| json.get(name).is_none() || is(name, expected);
        if !is("kty", "RSA") {
            return Err(KeyError::NotRsa);
        }
        if !absent_or("alg", ALGORITHM) {
            return Err(KeyError::Jwk("its `alg` is not RS256"));
        }
        if !absent_or("use", "sig") {
            return Err(KeyError::Jwk("its `use` is not `sig`"));
        }
        let number = |name| match json.get(name).and_then(Json::as_text).map(|text| BASE64URL.decode(text)) {
            Some(Ok(bytes)) => Ok(Number(Zeroizing::new(bytes))),
            Some(Err(_)) | None => Err(KeyError::Jwk("one of its numbers is missing or is not base64url")),
        };
        let private = match json.get("d") {
            None => None,
            Some(_) => Some(Private {
                d: number("d")?,
                p: number("p")?,
                q: number("q")?,
                dp: number("dp")?,
                dq: number("dq")?,
                qi: number("qi")?,
            }),
        };
        let kid = json.get("kid").and_then(Json::as_text).map(str::to_owned);
        Ok(Self { r#use: "sig", kty: "RSA", kid, alg: ALGORITHM, n: number("n")?, e: number("e")?, private })
    }

    pub(super) fn kid(&self) -> Option<KeyId> {
        self.kid.as_ref()?.parse().ok()
    }

    /// The public half as an `RSAPublicKey`.
    pub(super) fn public_der(&self) -> Result<Vec<u8>, KeyError> {
        let rsa = RsaPublicKeyRef { modulus: self.n.as_uint()?, public_exponent: self.e.as_uint()? };
        rsa.to_der().map_err(|_| KeyError::Structure)
    }

    /// The key pair as an `RSAPrivateKey`.
    pub(super) fn private_der(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let private = self.private.as_ref().ok_or(KeyError::Jwk("it is a public key; a private one is needed"))?;
        let rsa = RsaPrivateKeyRef {
            modulus: self.n.as_uint()?,
            public_exponent: self.e.as_uint()?,
            private_exponent: private.d.as_uint()?,
            prime1: private.p.as_uint()?,
            prime2: private.q.as_uint()?,
            exponent1: private.dp.as_uint()?,
            exponent2: private.dq.as_uint()?,
            coefficient: private.qi.as_uint()?,
            other_prime_infos: None,
        };
        rsa.to_der().map(Zeroizing::new).map_err(|_| KeyError::Structure)
    }

    pub(super) fn to_base64(&self) -> Zeroizing<String> {
        let json = Zeroizing::new(serde_json::to_vec(self).expect("a JWK has only text keys"));
        format::wrap_base64(&json)
    }
}

fn wipe(json: &mut Json) {
    if let Json::Object(members) = json {
        for (_, value) in members {
            if let Json::Text(text) = value {
                text.zeroize();
            }
        }
    }
}
