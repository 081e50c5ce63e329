//! Who asks, and what they may see.

use std::{net::IpAddr, sync::Arc};

use crate::{
    domain::{Filter, MessageTypes, Node, Role, Timestamp, View},
    storage::Hash,
};

/// Who asks. Every handler behind a rule is given one.
#[derive(Clone, Debug)]
pub(in crate::http) struct Caller {
    pub(in crate::http) role: Role,
    /// What the audit calls them. No secret.
    pub(in crate::http) name: Arc<str>,
    /// Where they ask from.
    pub(in crate::http) address: IpAddr,
    /// Whether they may read what is said on the channels.
    pub(in crate::http) messages: bool,
    /// What they see of the map; none for all of it.
    pub(in crate::http) view: Option<Arc<View>>,
    /// By what they are known.
    pub(super) by: By,
    /// What they lose their place with.
    pub(super) standing: Standing,
}

/// By what somebody is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// Nothing.
    Nothing,
    /// Asking from this machine, where nobody has a token.
    Local,
    /// A token in a header.
    Bearer,
    /// The cookie of a session.
    Cookie,
    /// A ticket.
    Ticket,
    /// A share link.
    Share,
}

/// What must go on being true for somebody to keep the place they have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Standing {
    /// Nothing.
    Free,
    /// Nobody has a token.
    Local,
    /// The token of this hash is valid.
    Token(Hash),
    /// The session of this hash is valid.
    Session(Hash),
    /// It is not this late.
    Until(Timestamp),
    /// It is not this late, share links are signed with the key of this hash, and the one of this id
    /// is not void.
    Share(Timestamp, Hash, Option<Arc<str>>),
}

impl Caller {
    /// What of a filter they may see.
    pub(in crate::http) fn narrow(&self, filter: Filter) -> Filter {
        let mut filter = match &self.view {
            Some(view) => view.narrow(filter),
            None => filter,
        };
        if !self.messages {
            filter.types = filter.types.without_messages();
        }
        filter
    }

    /// What they may know of a node that they see.
    pub(in crate::http) fn types(&self) -> MessageTypes {
        self.narrow(Filter::default()).types
    }

    /// Whether they may see a node now.
    pub(in crate::http) fn sees(&self, node: &Node) -> bool {
        self.view.as_ref().is_none_or(|view| view.shows(node))
    }
}
