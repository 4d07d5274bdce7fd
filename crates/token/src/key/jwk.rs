//! Keys as JSON Web Keys (RFC 7517; RFC 7518, section 6; RFC 8037, section 2).

use std::borrow::Cow;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use pkcs1::der::asn1::UintRef;
use pkcs1::der::{Decode as _, Encode as _};
use pkcs1::{RsaPrivateKeyRef, RsaPublicKeyRef};
use serde::Serialize;
use zeroize::{Zeroize, Zeroizing};

use super::format::{self, PrivateDer, PublicDer};
use super::signing::{self, Pair};
use super::{Algorithm, KeyError, PublicKey};
use crate::id::KeyId;
use crate::json::Json;

/// A key, its members in the order in which Cloudflare Stream writes them.
#[derive(Serialize)]
pub(super) struct Jwk {
    r#use: &'static str,
    kty: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    alg: &'static str,
    #[serde(flatten)]
    material: Material,
}

/// What the key is made of. With its private half, or without.
#[derive(Serialize)]
#[serde(untagged)]
enum Material {
    Rsa {
        n: Bytes,
        e: Bytes,
        #[serde(flatten)]
        private: Option<RsaPrivate>,
    },
    P256 {
        crv: &'static str,
        x: Bytes,
        y: Bytes,
        #[serde(skip_serializing_if = "Option::is_none")]
        d: Option<Bytes>,
    },
    Ed25519 {
        crv: &'static str,
        x: Bytes,
        #[serde(skip_serializing_if = "Option::is_none")]
        d: Option<Bytes>,
    },
}

#[derive(Serialize)]
struct RsaPrivate {
    d: Bytes,
    p: Bytes,
    q: Bytes,
    dp: Bytes,
    dq: Bytes,
    qi: Bytes,
}

/// A number, big-endian, or the bytes of a point. Wiped when dropped.
struct Bytes(Zeroizing<Vec<u8>>);

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = Zeroizing::new(BASE64URL.encode(&*self.0));
        serializer.serialize_str(&text)
    }
}

impl Bytes {
    fn new(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    fn of(number: UintRef<'_>) -> Self {
        Self::new(number.as_bytes())
    }

    fn as_uint(&self) -> Result<UintRef<'_>, KeyError> {
        UintRef::new(&self.0).map_err(|_| KeyError::Structure)
    }
}

/// The members of a JWK that is read.
struct Members<'a>(&'a Json<'a>);

impl Jwk {
    fn new(kid: &KeyId, algorithm: Algorithm, material: Material) -> Self {
        let kty = match material {
            Material::Rsa { .. } => "RSA",
            Material::P256 { .. } => "EC",
            Material::Ed25519 { .. } => "OKP",
        };
        Self { r#use: "sig", kty, kid: Some(kid.to_string()), alg: algorithm.name(), material }
    }

    pub(super) fn public(kid: &KeyId, key: &PublicKey) -> Self {
        Self::new(kid, key.algorithm(), Material::public(key))
    }

    /// The private key; `key` is its public half.
    pub(super) fn private(kid: &KeyId, key: &PublicKey, pair: &Pair) -> Self {
        let mut material = Material::public(key);
        material.add_private(pair);
        Self::new(kid, key.algorithm(), material)
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

    fn from_json(json: &Json<'_>) -> Result<Self, KeyError> {
        let members = Members(json);
        let (algorithm, kty, material) = match members.text("kty") {
            Some("RSA") => (Algorithm::Rs256, "RSA", members.rsa()?),
            Some("EC") => (Algorithm::Es256, "EC", members.p256()?),
            Some("OKP") => (Algorithm::EdDsa, "OKP", members.ed25519()?),
            Some(_) => return Err(KeyError::Kind),
            None => return Err(KeyError::Jwk("it has no `kty`")),
        };
        if json.get("alg").is_some() && members.text("alg") != Some(algorithm.name()) {
            return Err(KeyError::Jwk("its `alg` is not the one that is used with its kind: RS256, ES256 or EdDSA"));
        }
        if json.get("use").is_some() && members.text("use") != Some("sig") {
            return Err(KeyError::Jwk("its `use` is not `sig`"));
        }
        let kid = members.text("kid").map(str::to_owned);
        Ok(Self { r#use: "sig", kty, kid, alg: algorithm.name(), material })
    }

    /// The `kid`, where there is one: one that is no id here is the `kid` of its tokens all the same.
    pub(super) fn named(&self) -> Result<Option<KeyId>, KeyError> {
        self.kid.as_ref().map(|kid| kid.parse().map_err(|_| KeyError::KeyId)).transpose()
    }

    pub(super) fn kid(&self) -> Option<KeyId> {
        self.kid.as_ref()?.parse().ok()
    }

    /// The public half. A private one beside it must fit.
    pub(super) fn public_key(&self) -> Result<PublicKey, KeyError> {
        if self.material.is_private() {
            return self.pair()?.public();
        }
        match &self.material {
            Material::Rsa { n, e, .. } => {
                let rsa = RsaPublicKeyRef { modulus: n.as_uint()?, public_exponent: e.as_uint()? };
                PublicKey::rsa(&rsa.to_der().map_err(|_| KeyError::Structure)?)
            }
            Material::P256 { x, y, .. } => PublicKey::p256(&point(x, y)),
            Material::Ed25519 { x, .. } => PublicKey::ed25519(&x.0),
        }
    }

    pub(super) fn pair(&self) -> Result<Pair, KeyError> {
        const PUBLIC: KeyError = KeyError::Jwk("it is a public key; a private one is needed");
        match &self.material {
            Material::Rsa { n, e, private } => {
                let private = private.as_ref().ok_or(PUBLIC)?;
                Pair::read(&PrivateDer::Rsa(private.to_pkcs1(n, e)?))
            }
            Material::P256 { x, y, d, .. } => {
                let d = d.as_ref().ok_or(PUBLIC)?;
                let pair =
                    EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &d.0, &point(x, y));
                pair.map(Pair::P256).map_err(|_| KeyError::Inconsistent)
            }
            Material::Ed25519 { x, d, .. } => {
                let d = d.as_ref().ok_or(PUBLIC)?;
                let pair = Ed25519KeyPair::from_seed_and_public_key(&d.0, &x.0);
                pair.map(Pair::Ed25519).map_err(|_| KeyError::Inconsistent)
            }
        }
    }

    pub(super) fn to_base64(&self) -> Zeroizing<String> {
        let json = Zeroizing::new(serde_json::to_vec(self).expect("a JWK has only text keys"));
        format::wrap_base64(&json)
    }
}

impl Material {
    fn public(key: &PublicKey) -> Self {
        match format::public_in_spki(key.spki_der()).expect("a key that was parsed can be parsed again") {
            PublicDer::Rsa(der) => {
                let rsa = RsaPublicKeyRef::from_der(&der).expect("a key that was parsed can be parsed again");
                Self::Rsa { n: Bytes::of(rsa.modulus), e: Bytes::of(rsa.public_exponent), private: None }
            }
            PublicDer::P256(point) => {
                // After the byte that says that both are there.
                let (x, y) = point[1..].split_at(32);
                Self::P256 { crv: "P-256", x: Bytes::new(x), y: Bytes::new(y), d: None }
            }
            PublicDer::Ed25519(x) => Self::Ed25519 { crv: "Ed25519", x: Bytes::new(&x), d: None },
        }
    }

    fn is_private(&self) -> bool {
        match self {
            Self::Rsa { private, .. } => private.is_some(),
            Self::P256 { d, .. } | Self::Ed25519 { d, .. } => d.is_some(),
        }
    }

    fn add_private(&mut self, pair: &Pair) {
        match (self, pair) {
            (Self::Rsa { private, .. }, Pair::Rsa(pair)) => *private = Some(RsaPrivate::of(&signing::pkcs1_of(pair))),
            (Self::P256 { d, .. }, Pair::P256(pair)) => *d = Some(Bytes(signing::scalar_of(pair))),
            (Self::Ed25519 { d, .. }, Pair::Ed25519(pair)) => *d = Some(Bytes(signing::seed_of(pair))),
            (Self::Rsa { .. } | Self::P256 { .. } | Self::Ed25519 { .. }, _) => {
                unreachable!("a pair and its public half are of one kind")
            }
        }
    }
}

impl RsaPrivate {
    /// `der` is an `RSAPrivateKey` that was parsed before.
    fn of(der: &[u8]) -> Self {
        let rsa = RsaPrivateKeyRef::from_der(der).expect("a key that was parsed can be parsed again");
        Self {
            d: Bytes::of(rsa.private_exponent),
            p: Bytes::of(rsa.prime1),
            q: Bytes::of(rsa.prime2),
            dp: Bytes::of(rsa.exponent1),
            dq: Bytes::of(rsa.exponent2),
            qi: Bytes::of(rsa.coefficient),
        }
    }

    fn to_pkcs1(&self, n: &Bytes, e: &Bytes) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let rsa = RsaPrivateKeyRef {
            modulus: n.as_uint()?,
            public_exponent: e.as_uint()?,
            private_exponent: self.d.as_uint()?,
            prime1: self.p.as_uint()?,
            prime2: self.q.as_uint()?,
            exponent1: self.dp.as_uint()?,
            exponent2: self.dq.as_uint()?,
            coefficient: self.qi.as_uint()?,
            other_prime_infos: None,
        };
        rsa.to_der().map(Zeroizing::new).map_err(|_| KeyError::Structure)
    }
}

impl<'a> Members<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(Json::as_text)
    }

    fn bytes(&self, name: &str) -> Result<Bytes, KeyError> {
        match self.text(name).map(|text| BASE64URL.decode(text)) {
            Some(Ok(bytes)) => Ok(Bytes(Zeroizing::new(bytes))),
            Some(Err(_)) | None => Err(KeyError::Jwk("one of its numbers is missing or is not base64url")),
        }
    }

    /// 32 bytes exactly (RFC 7518, section 6.2.1.2; RFC 8032, section 5.1.2).
    fn coordinate(&self, name: &str) -> Result<Bytes, KeyError> {
        let bytes = self.bytes(name)?;
        if bytes.0.len() == 32 { Ok(bytes) } else { Err(KeyError::Jwk("one of its coordinates has not 32 bytes")) }
    }

    /// The private half, where there is one.
    fn d(&self) -> Result<Option<Bytes>, KeyError> {
        self.0.get("d").map(|_| self.bytes("d")).transpose()
    }

    fn rsa(&self) -> Result<Material, KeyError> {
        let private = |d| {
            let [p, q, dp, dq, qi] = ["p", "q", "dp", "dq", "qi"].map(|name| self.bytes(name));
            Ok(RsaPrivate { d, p: p?, q: q?, dp: dp?, dq: dq?, qi: qi? })
        };
        let private = self.d()?.map(private).transpose()?;
        Ok(Material::Rsa { n: self.bytes("n")?, e: self.bytes("e")?, private })
    }

    fn p256(&self) -> Result<Material, KeyError> {
        self.require_curve("P-256")?;
        Ok(Material::P256 { crv: "P-256", x: self.coordinate("x")?, y: self.coordinate("y")?, d: self.d()? })
    }

    fn ed25519(&self) -> Result<Material, KeyError> {
        self.require_curve("Ed25519")?;
        Ok(Material::Ed25519 { crv: "Ed25519", x: self.coordinate("x")?, d: self.d()? })
    }

    fn require_curve(&self, curve: &str) -> Result<(), KeyError> {
        if self.text("crv") == Some(curve) { Ok(()) } else { Err(KeyError::Curve) }
    }
}

/// An uncompressed point (SEC 1, section 2.3.3).
fn point(x: &Bytes, y: &Bytes) -> Vec<u8> {
    [&[4], &x.0[..], &y.0[..]].concat()
}

/// What is not where it was read.
fn wipe(json: &mut Json<'_>) {
    if let Json::Object(members) = json {
        for (_, value) in members {
            if let Json::Text(Cow::Owned(text)) = value {
                text.zeroize();
            }
        }
    }
}
