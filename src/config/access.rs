//! Who may see what.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

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
