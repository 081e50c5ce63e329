//! Why somebody may not.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use thiserror::Error;

/// How to be known (RFC 6750).
const CHALLENGE: &str = "Bearer realm=\"geocast\"";
const INVALID_TOKEN: &str = "Bearer realm=\"geocast\", error=\"invalid_token\"";

/// Why a request is not served to whom it comes from. The texts say what would help, and nothing
/// of what was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(in crate::http) enum Denied {
    /// Nobody is known, and somebody must be.
    #[error("sign in first, or send a token as `Authorization: Bearer ...`")]
    SignIn,
    /// What they said to be known is void.
    #[error("the token is not valid: it may be mistyped, expired or revoked")]
    BadToken,
    /// The ticket is void.
    #[error("the ticket is not valid: it may be used already, or too old")]
    BadTicket,
    /// The share link is void.
    #[error("the share link is not valid: it may be damaged, expired or revoked")]
    BadShare,
    /// A share link shows a view, and nothing else.
    #[error("a share link does not open this")]
    BeyondShare,
    /// Their role is too low.
    #[error("your role does not allow this")]
    RoleTooLow,
    /// Messages are not for everybody.
    #[error("text messages are not public here: sign in to read them")]
    NoMessages,
    /// URLs end in logs.
    #[error(
        "a token does not belong in a URL: send it as `Authorization: Bearer ...`, or fetch a \
         one-time ticket with `POST /api/ticket`"
    )]
    TokenInUrl,
    /// The request was made by a page of another site.
    #[error("this may only be asked for by the page of this server")]
    ForeignPage,
    /// A browser sends the cookie by itself; a page of another site cannot add a header.
    #[error("with a session's cookie this needs the header `X-Geocast-Request: 1`")]
    NoRequestHeader,
    /// Too many attempts failed.
    #[error("too many attempts failed, try again later")]
    TooManyAttempts(Duration),
    /// This address asks for more than it may.
    #[error("there are too many requests from your address, try again later")]
    TooManyRequests(Duration),
    /// There is no room for more.
    #[error("there are too many tickets, try again in a minute")]
    NoRoom,
}

impl Denied {
    /// Each of them, as it is counted.
    pub(in crate::http) const REASONS: [&'static str; 13] = [
        "sign_in",
        "bad_token",
        "bad_ticket",
        "bad_share",
        "beyond_share",
        "role_too_low",
        "no_messages",
        "token_in_url",
        "foreign_page",
        "no_request_header",
        "too_many_attempts",
        "too_many_requests",
        "no_room",
    ];

    /// How it is counted.
    pub(in crate::http) const fn reason(self) -> &'static str {
        let [
            sign_in,
            bad_token,
            bad_ticket,
            bad_share,
            beyond_share,
            role_too_low,
            no_messages,
            token_in_url,
            foreign_page,
            no_request_header,
            too_many_attempts,
            too_many_requests,
            no_room,
        ] = Self::REASONS;
        match self {
            Self::SignIn => sign_in,
            Self::BadToken => bad_token,
            Self::BadTicket => bad_ticket,
            Self::BadShare => bad_share,
            Self::BeyondShare => beyond_share,
            Self::RoleTooLow => role_too_low,
            Self::NoMessages => no_messages,
            Self::TokenInUrl => token_in_url,
            Self::ForeignPage => foreign_page,
            Self::NoRequestHeader => no_request_header,
            Self::TooManyAttempts(_) => too_many_attempts,
            Self::TooManyRequests(_) => too_many_requests,
            Self::NoRoom => no_room,
        }
    }

    /// What the client is told.
    pub(in crate::http) const fn status(self) -> StatusCode {
        match self {
            Self::SignIn | Self::BadToken | Self::BadTicket | Self::NoMessages => {
                StatusCode::UNAUTHORIZED
            }
            Self::BadShare
            | Self::BeyondShare
            | Self::RoleTooLow
            | Self::ForeignPage
            | Self::NoRequestHeader => StatusCode::FORBIDDEN,
            Self::TokenInUrl => StatusCode::BAD_REQUEST,
            Self::TooManyAttempts(_) | Self::TooManyRequests(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Says in the headers of the answer what would help.
    pub(in crate::http) fn advise(self, headers: &mut HeaderMap) {
        let challenge = match self {
            Self::SignIn | Self::BadTicket | Self::NoMessages => Some(CHALLENGE),
            Self::BadToken => Some(INVALID_TOKEN),
            _ => None,
        };
        if let Some(challenge) = challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        let wait = match self {
            Self::TooManyAttempts(wait) | Self::TooManyRequests(wait) => Some(wait),
            Self::NoRoom => Some(Duration::from_mins(1)),
            _ => None,
        };
        if let Some(wait) = wait {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        }
    }
}
