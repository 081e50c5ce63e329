//! Who may see what.

use std::{path::PathBuf, time::Duration};

use clap::{Args, CommandFactory, Subcommand, ValueEnum, error::ErrorKind};
use url::{Host, Url};

use super::{Database, Secret, values};

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnOff {
    /// Yes.
    On,
    /// No.
    Off,
}

impl OnOff {
    /// Whether it is yes.
    pub fn is_on(self) -> bool {
        self == Self::On
    }
}

/// Settings of who may see what.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Access")]
pub struct Access {
    /// Whether everybody may look at the map without signing in. If not given: on where --listen is
    /// an address of this machine only, as 127.0.0.1, and off elsewhere.
    #[arg(long, value_name = "on|off", env = "GEOCAST_PUBLIC", num_args = 0..=1)]
    #[arg(default_missing_value = "on", value_enum, hide_possible_values = true)]
    pub public: Option<OnOff>,

    /// Whether everybody who may look at the map may read text messages. Viewers who signed in may.
    #[arg(long, value_name = "on|off", env = "GEOCAST_PUBLIC_MESSAGES", num_args = 0..=1)]
    #[arg(default_missing_value = "on", default_value = "off", value_enum)]
    #[arg(hide_possible_values = true)]
    pub public_messages: OnOff,

    /// A token that administrators may say (Authorization: Bearer ...) beside those that `geocast
    /// token create` makes. Without it and without those, who asks from this machine is one.
    #[arg(long, value_name = "TOKEN", env = "GEOCAST_ADMIN_TOKEN", hide_env_values = true)]
    #[arg(value_parser = values::token)]
    pub admin_token: Option<Secret<String>>,

    /// Whose signed tokens (JWT) are believed: the `iss` that they must have, to the letter.
    #[arg(long, value_name = "URL", env = "GEOCAST_OIDC_ISSUER")]
    pub oidc_issuer: Option<String>,

    /// For whom they must be: an `aud` of theirs.
    #[arg(long, value_name = "TEXT", env = "GEOCAST_OIDC_AUDIENCE")]
    pub oidc_audience: Option<String>,

    /// Where the keys are that they are signed with (JWKS): https://..., or a file.
    #[arg(long, value_name = "URL|FILE", env = "GEOCAST_OIDC_JWKS")]
    pub oidc_jwks: Option<String>,

    /// The claim that names the role, or several: viewer, operator or administrator. Dots lead into
    /// objects, as in realm_access.roles.
    #[arg(long, value_name = "NAME", default_value = "roles", env = "GEOCAST_OIDC_ROLE_CLAIM")]
    pub oidc_role_claim: String,

    /// Serve over TLS with the certificate in this file (PEM), and those between it and its
    /// authority. It is read again when it changes, and at SIGHUP.
    #[arg(long, value_name = "FILE", env = "GEOCAST_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,

    /// The key of --tls-cert (PEM).
    #[arg(long, value_name = "FILE", env = "GEOCAST_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
}

impl Access {
    /// Whether they go together.
    pub(super) fn check(&self) -> Result<(), clap::Error> {
        let oidc = [&self.oidc_issuer, &self.oidc_audience, &self.oidc_jwks];
        let given = oidc.iter().filter(|setting| setting.is_some()).count();
        let message = if self.tls_cert.is_some() != self.tls_key.is_some() {
            "--tls-cert and --tls-key need each other"
        } else if given != 0 && given != oidc.len() {
            "--oidc-issuer, --oidc-audience and --oidc-jwks need each other"
        } else if self.oidc_jwks.as_deref().is_some_and(|keys| !is_safe(keys)) {
            "--oidc-jwks must be https://..., http://... on this machine, or a file"
        } else {
            return Ok(());
        };
        Err(super::Cli::command().error(ErrorKind::ValueValidation, message))
    }
}

/// Keys that come from elsewhere unencrypted could be anybody's.
fn is_safe(keys: &str) -> bool {
    if !keys.contains("://") {
        return !keys.is_empty();
    }
    let Ok(url) = Url::parse(keys) else { return false };
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return false,
    };
    url.scheme() == "https" || url.scheme() == "http" && is_here
}

/// Tokens that people and programs are known by.
#[derive(Args, Clone, Debug)]
#[command(subcommand_required = true)]
pub struct Token {
    #[command(subcommand)]
    #[expect(missing_docs, reason = "the commands are documented there")]
    pub action: TokenAction,
}

/// What to do about tokens. A running server takes it in within seconds.
#[derive(Clone, Debug, Subcommand)]
pub enum TokenAction {
    /// Make a token, and show it this once.
    Create(CreateToken),
    /// List the tokens, without what they say.
    List(Database),
    /// Make a token void.
    Revoke(RevokeToken),
    /// Make every share link void.
    RevokeShares(Database),
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Look at the map and read messages.
    Viewer,
    /// Also share views of the map.
    Operator,
    /// Everything.
    #[value(alias = "admin")]
    Administrator,
}

/// Settings of a new token.
#[derive(Args, Clone, Debug)]
pub struct CreateToken {
    /// What its holder may do: viewer, operator or administrator (or admin).
    #[arg(long, value_enum, hide_possible_values = true)]
    pub role: Role,

    /// What it is for, in words.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub name: String,

    /// How long it is valid, as in 30d. If not given, until it is revoked.
    #[arg(long, value_name = "SPAN", value_parser = values::span)]
    pub expires: Option<Duration>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the flags are documented there")]
    pub database: Database,
}

/// Which token.
#[derive(Args, Clone, Debug)]
pub struct RevokeToken {
    /// Its id, as `geocast token list` shows it.
    #[arg(value_name = "ID")]
    pub id: String,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the flags are documented there")]
    pub database: Database,
}
