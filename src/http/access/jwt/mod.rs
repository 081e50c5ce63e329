//! Tokens that an `OpenID` provider signs (JWT, RFC 7519): checked here, and nobody is asked about them.

mod fetch;
mod keys;

use std::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use thiserror::Error;
use url::Url;

use crate::{
    domain::{Role, Timestamp},
    storage::{Hash, hash_of},
};

pub use fetch::KeySource;
use keys::{Algorithm, Keys};

/// How far the provider's clock may be from ours.
const LEEWAY: Duration = Duration::from_mins(1);

/// Longest token that is looked at.
const MAX_BYTES: usize = 16 << 10;

/// Longest name that somebody is called by.
const MAX_NAME_CHARS: usize = 100;

/// Whose tokens are believed, and what in them says the role.
#[derive(Clone, Debug)]
pub struct OidcSettings {
    /// Who must have made them, to the letter.
    pub issuer: String,
    /// For whom they must be.
    pub audience: String,
    /// Where the keys are that they are signed with.
    pub keys: KeySource,
    /// The claim that names the role, with dots between the names of objects and of what is in them.
    pub role_claim: String,
}

/// Somebody of whom the provider says who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) until: Timestamp,
}

/// Why a token is not believed. None of it holds what the token says.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Unbelieved {
    #[error("it is no JWT")]
    Malformed,
    #[error("its algorithm is not RS256, ES256 or EdDSA")]
    Algorithm,
    #[error("no key is known that it names")]
    UnknownKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("it is from another issuer")]
    Issuer,
    #[error("it is for another audience")]
    Audience,
    #[error("it has expired, or says no end")]
    Expired,
    #[error("it is not valid yet")]
    TooEarly,
    #[error("its claims grant no role")]
    NoRole,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// What must be understood; nothing is.
    crit: Option<Value>,
}

/// Believes the tokens of one provider.
pub(super) struct Oidc {
    settings: OidcSettings,
    keys: Keys,
}

impl Oidc {
    pub(super) fn new(settings: OidcSettings) -> Self {
        Self { keys: Keys::new(settings.keys.clone()), settings }
    }

    /// What sessions that were opened with its tokens are told by.
    pub(super) fn hash(&self) -> Hash {
        hash_of(&format!("oidc {} {}", self.settings.issuer, self.settings.audience))
    }

    /// Whom a token is about.
    pub(super) async fn believe(&self, jwt: &str, now: Timestamp) -> Result<Subject, Unbelieved> {
        let (signed, signature) = jwt.rsplit_once('.').ok_or(Unbelieved::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Unbelieved::Malformed)?;
        if jwt.len() > MAX_BYTES || claims.contains('.') {
            return Err(Unbelieved::Malformed);
        }
        let header: Header = read(header)?;
        if header.crit.is_some() {
            return Err(Unbelieved::Malformed);
        }
        let algorithm = Algorithm::named(&header.alg).ok_or(Unbelieved::Algorithm)?;
        let signature =
            URL_SAFE_NO_PAD.decode(signature).map_err(|_invalid| Unbelieved::Malformed)?;
        let keys = self.keys.fit(algorithm, header.kid.as_deref()).await;
        if keys.is_empty() {
            return Err(Unbelieved::UnknownKey);
        }
        if !keys.iter().any(|key| key.verifies(signed.as_bytes(), &signature)) {
            return Err(Unbelieved::Signature);
        }
        self.check(&read(claims)?, now)
    }

    fn check(&self, claims: &Value, now: Timestamp) -> Result<Subject, Unbelieved> {
        if claims["iss"].as_str() != Some(&self.settings.issuer) {
            return Err(Unbelieved::Issuer);
        }
        if !texts(&claims["aud"]).any(|audience| audience == self.settings.audience) {
            return Err(Unbelieved::Audience);
        }
        let end = moment(&claims["exp"]).ok_or(Unbelieved::Expired)?.plus(LEEWAY);
        if now >= end {
            return Err(Unbelieved::Expired);
        }
        if !claims["nbf"].is_null() {
            let begin = moment(&claims["nbf"]).ok_or(Unbelieved::TooEarly)?;
            if now < begin.minus(LEEWAY) {
                return Err(Unbelieved::TooEarly);
            }
        }
        let named = self.settings.role_claim.split('.').fold(claims, |value, name| &value[name]);
        // The whole name may have dots in it, as a URL has.
        let whole = &claims[self.settings.role_claim.as_str()];
        let role = texts(named).chain(texts(whole)).filter_map(Role::named).max();
        let subject = claims["sub"].as_str().unwrap_or("unnamed");
        let name = subject.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS);
        let name = format!("subject {}", name.collect::<String>());
        Ok(Subject { name, role: role.ok_or(Unbelieved::NoRole)?, until: end })
    }
}

/// One text, or each in a list.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    value.as_str().into_iter().chain(list.iter().filter_map(Value::as_str))
}

/// A time in seconds since 1970, which may have a fraction.
fn moment(value: &Value) -> Option<Timestamp> {
    let seconds = value.as_f64().filter(|seconds| (0.0..1e12).contains(seconds))?;
    #[expect(clippy::cast_possible_truncation, reason = "checked above")]
    let millis = (seconds * 1000.0) as i64;
    Some(Timestamp::from_millis(millis))
}

fn read<T: DeserializeOwned>(part: &str) -> Result<T, Unbelieved> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_invalid| Unbelieved::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_invalid| Unbelieved::Malformed)
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => write!(f, "{}", without_userinfo(url)),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

fn without_userinfo(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}
