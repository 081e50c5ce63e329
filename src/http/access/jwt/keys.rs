//! The keys of a provider (JWKS, RFC 7517): fetched when first needed, and again when they may have
//! changed.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};
use tracing::{debug, warn};

use super::fetch::{KeySource, fetch};

/// Keys are asked for no more often than this, whatever tokens name.
const AT_MOST_EVERY: Duration = Duration::from_secs(30);

/// And at least this often, while there is anybody to look at: a key that is gone is not trusted for
/// longer.
const AT_LEAST_EVERY: Duration = Duration::from_mins(10);

/// Most keys that are kept.
const MOST: usize = 100;

/// How tokens may be signed: by somebody whose key does not make tokens. Nothing else is looked at,
/// and least of all what needs no key, or the same key to sign and to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// A key, which checks signatures of one algorithm and no other.
#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    public: Public,
}

#[derive(Debug)]
enum Public {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// A key as it is written.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Key {
    fn read(jwk: Jwk) -> Option<Self> {
        let bytes = |part: Option<String>| URL_SAFE_NO_PAD.decode(part?).ok();
        let public = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => Public::Rsa { n: bytes(jwk.n)?, e: bytes(jwk.e)? },
            ("EC", Some("P-256")) => Public::P256([vec![4], bytes(jwk.x)?, bytes(jwk.y)?].concat()),
            ("OKP", Some("Ed25519")) => Public::Ed25519(bytes(jwk.x)?),
            _ => return None,
        };
        let key = Self { id: jwk.kid, public };
        let is_for_signatures = jwk.purpose.is_none_or(|purpose| purpose == "sig");
        let fits = jwk.alg.is_none_or(|alg| Algorithm::named(&alg) == Some(key.algorithm()));
        (is_for_signatures && fits).then_some(key)
    }

    fn algorithm(&self) -> Algorithm {
        match self.public {
            Public::Rsa { .. } => Algorithm::Rs256,
            Public::P256(_) => Algorithm::Es256,
            Public::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    pub(super) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match &self.public {
            Public::Rsa { n, e } => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
                .is_ok(),
            Public::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(signed, signature)
                .is_ok(),
            Public::Ed25519(key) => {
                UnparsedPublicKey::new(&ED25519, key).verify(signed, signature).is_ok()
            }
        }
    }
}

/// The keys in a key set; those that cannot be used here are passed over.
fn read(text: &[u8]) -> Option<Vec<Arc<Key>>> {
    #[derive(Deserialize)]
    struct KeySet {
        keys: Vec<serde_json::Value>,
    }
    let set: KeySet = serde_json::from_slice(text).ok()?;
    let keys = set.keys.into_iter().take(MOST);
    let keys = keys.filter_map(|key| Key::read(serde_json::from_value(key).ok()?));
    Some(keys.map(Arc::new).collect())
}

/// The keys as they were a while ago.
pub(super) struct Keys {
    source: KeySource,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    keys: Vec<Arc<Key>>,
    /// When they were asked for last, whatever came of it.
    asked: Option<Instant>,
}

impl Keys {
    pub(super) fn new(source: KeySource) -> Self {
        Self { source, held: Mutex::default() }
    }

    /// The keys that a token can be signed with: the one it names, or any if it names none.
    pub(super) async fn fit(&self, algorithm: Algorithm, id: Option<&str>) -> Vec<Arc<Key>> {
        // Whoever comes while keys are fetched waits for them, and asks nobody else.
        let mut held = self.held.lock().await;
        let age = held.asked.map(|asked| asked.elapsed());
        let fitting = |held: &Held| -> Vec<_> {
            let fits = |key: &&Arc<Key>| {
                key.algorithm() == algorithm && (id.is_none() || key.id.as_deref() == id)
            };
            held.keys.iter().filter(fits).map(Arc::clone).collect()
        };
        let known = fitting(&held);
        let is_due = match age {
            None => true,
            Some(age) if known.is_empty() => age >= AT_MOST_EVERY,
            Some(age) => age >= AT_LEAST_EVERY,
        };
        if !is_due {
            return known;
        }
        held.asked = Some(Instant::now());
        let fetched = fetch(&self.source).await;
        match fetched.and_then(|text| read(&text).ok_or_else(|| "it is no key set".to_owned())) {
            Ok(keys) => {
                debug!(keys = keys.len(), "keys came from {}", self.source);
                held.keys = keys;
            }
            Err(reason) => warn!("the keys cannot be had from {}: {reason}", self.source),
        }
        fitting(&held)
    }
}
