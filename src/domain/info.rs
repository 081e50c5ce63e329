//! Who nodes say that they are.

/// Whether a statement is newer than what is held: for the names, and for the channel.
#[derive(Clone, Copy)]
pub(super) struct Newer {
    pub(super) names: bool,
    pub(super) channel: bool,
}

impl Newer {
    /// In the order of [`Info::fields`].
    fn fields(self) -> [bool; 6] {
        let Self { names, channel } = self;
        [names, names, names, names, names, channel]
    }
}

/// Who a node says that it is. In a patch, absent means "not mentioned".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are their documentation")]
pub struct Info {
    pub short_name: Option<Box<str>>,
    pub long_name: Option<Box<str>>,
    /// Hardware model as Meshtastic names it: `HELTEC_V3`.
    pub hw_model: Option<Box<str>>,
    /// Role as Meshtastic names it: `ROUTER`.
    pub role: Option<Box<str>>,
    pub firmware: Option<Box<str>>,
    /// Name of the channel that the node was last heard on.
    pub channel: Option<Box<str>>,
}

impl Info {
    fn fields(&self) -> [&Option<Box<str>>; 6] {
        [
            &self.short_name,
            &self.long_name,
            &self.hw_model,
            &self.role,
            &self.firmware,
            &self.channel,
        ]
    }

    fn fields_mut(&mut self) -> [&mut Option<Box<str>>; 6] {
        [
            &mut self.short_name,
            &mut self.long_name,
            &mut self.hw_model,
            &mut self.role,
            &mut self.firmware,
            &mut self.channel,
        ]
    }

    /// Whether it says who the node is. The channel it was heard on does not, and nearly every
    /// packet states that.
    pub(super) fn says_who(&self) -> bool {
        let [names @ .., _channel] = self.fields();
        names.iter().any(|field| field.is_some())
    }

    /// Whether `self` says something that `held` does not; an older statement only fills gaps.
    pub(super) fn adds_to(&self, held: &Self, newer: Newer) -> bool {
        let pairs = self.fields().into_iter().zip(held.fields());
        pairs.zip(newer.fields()).any(|((said, held), newer)| {
            said.is_some() && (held.is_none() || newer && said != held)
        })
    }

    pub(super) fn take(&mut self, said: &Self, newer: Newer) {
        let pairs = self.fields_mut().into_iter().zip(said.fields());
        for ((held, said), newer) in pairs.zip(newer.fields()) {
            if said.is_some() && (held.is_none() || newer) {
                held.clone_from(said);
            }
        }
    }
}
