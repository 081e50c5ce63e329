//! What may be kept and shown.

use std::time::Duration;

use clap::{Args, ColorChoice, FromArgMatches as _, ValueEnum, parser::ValueSource};
use url::Url;

use super::{Secret, file, values};

/// What is done with something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Treatment {
    /// Shown and stored.
    Keep,
    /// Shown, and not stored in the histories.
    MapOnly,
    /// Neither shown nor stored.
    Drop,
}

/// A place in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Degrees {
    /// North of the equator.
    pub latitude: f64,
    /// East of Greenwich.
    pub longitude: f64,
}

/// A circle in which positions are withheld.
#[derive(Clone, Debug, PartialEq)]
pub struct HomeZone {
    /// Its middle.
    pub middle: Degrees,
    /// Its radius.
    pub radius_m: f64,
    /// Whose positions; everybody's if none is named.
    pub node: Option<String>,
}

/// The corners of a polygon.
#[derive(Clone, Debug, PartialEq)]
pub struct Region(pub Vec<Degrees>);

/// So many in this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerSpan {
    /// How many.
    pub count: u16,
    /// In which time.
    pub span: Duration,
}

/// What may be kept and shown of what comes in.
#[derive(Args, Clone, Debug, PartialEq)]
#[command(next_help_heading = "What may be shown")]
pub struct Policy {
    /// Packets whose sender agrees that they go to MQTT.
    #[arg(long, value_enum, default_value = "keep", env = "GEOCAST_OK_TO_MQTT_YES")]
    pub ok_to_mqtt_yes: Treatment,

    /// Packets whose sender does not agree that they go to MQTT. If not given, they are dropped
    /// where others can reach the map (--listen beyond this machine, --public on, a
    /// --trusted-proxy), and kept where only this machine can.
    #[arg(long, value_enum, env = "GEOCAST_OK_TO_MQTT_NO")]
    pub ok_to_mqtt_no: Option<Treatment>,

    /// Packets of firmware that does not say whether its owner agrees.
    #[arg(long, value_enum, default_value = "keep", env = "GEOCAST_OK_TO_MQTT_ABSENT")]
    pub ok_to_mqtt_absent: Treatment,

    /// Texts and marked places (waypoints).
    #[arg(long, value_enum, default_value = "keep", env = "GEOCAST_TEXT_MESSAGES")]
    pub text_messages: Treatment,

    /// Positions are told no more exactly than this: finer ones become the middle of their cell
    /// before they are stored. 32 bits are exact, 16 a cell of 730 m, 14 one of 2.9 km.
    #[arg(long, value_name = "BITS", default_value_t = 32, env = "GEOCAST_FINEST_PRECISION")]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=32))]
    pub finest_precision: u8,

    /// Positions that are coarser than this are not shown.
    #[arg(long, value_name = "BITS", default_value_t = 1, env = "GEOCAST_COARSEST_PRECISION")]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=32))]
    pub coarsest_precision: u8,

    /// A node with this anywhere in its name is not shown, and what is stored of it goes; may be
    /// given several times.
    #[arg(long, value_name = "TEXT", default_value = "\u{1f6ab}", env = "GEOCAST_OPT_OUT_MARK")]
    #[arg(value_parser = values::some_text, value_delimiter = ',')]
    pub opt_out_mark: Vec<String>,

    /// The same for names that begin with this; may be given several times.
    #[arg(long, value_name = "TEXT", env = "GEOCAST_OPT_OUT_PREFIX")]
    #[arg(value_parser = values::some_text, value_delimiter = ',')]
    pub opt_out_prefix: Vec<String>,

    /// Only this node, as in !a1b2c3d4; may be given several times.
    #[arg(long, value_name = "NODE", env = "GEOCAST_ALLOW_NODE", value_delimiter = ',')]
    #[arg(value_parser = values::some_text)]
    pub allow_node: Vec<String>,

    /// Not this node; may be given several times.
    #[arg(long, value_name = "NODE", env = "GEOCAST_BLOCK_NODE", value_delimiter = ',')]
    #[arg(value_parser = values::some_text)]
    pub block_node: Vec<String>,

    /// Only packets of this channel; may be given several times.
    #[arg(long, value_name = "NAME", env = "GEOCAST_ONLY_CHANNEL", value_delimiter = ',')]
    pub only_channel: Vec<String>,

    /// Only packets of this Meshtastic port, as in 3 for positions; may be given several times.
    #[arg(long, value_name = "NUMBER", env = "GEOCAST_ONLY_PORT", value_delimiter = ',')]
    pub only_port: Vec<u16>,

    /// A circle in which positions are withheld: of every node, or of one; may be given several
    /// times.
    #[arg(long, value_name = "LATITUDE,LONGITUDE,METRES[,NODE]", env = "GEOCAST_HOME_ZONE")]
    #[arg(value_parser = values::home_zone, value_delimiter = ';', allow_hyphen_values = true)]
    #[arg(hide_env_values = true)]
    pub home_zone: Vec<HomeZone>,

    /// Only nodes in this polygon, as in "47.0,8.0 47.5,8.0 47.2,8.9"; may be given several times.
    #[arg(long, value_name = "LATITUDE,LONGITUDE ...", env = "GEOCAST_REGION")]
    #[arg(value_parser = values::region, value_delimiter = ';', allow_hyphen_values = true)]
    pub region: Vec<Region>,

    /// Positions that one node may send, as in 30/1m. Of more in that time, the newest is shown
    /// and stored when it is over.
    #[arg(long, value_name = "COUNT/SPAN", env = "GEOCAST_MAX_POSITIONS_PER_NODE")]
    #[arg(value_parser = values::per_span)]
    pub max_positions_per_node: Option<PerSpan>,

    /// Nodes that are kept out at a time because of their name or where they are, of all sources
    /// together. When there are so many, a further one is not remembered.
    #[arg(long, value_name = "COUNT", default_value_t = 100_000, env = "GEOCAST_MAX_KEPT_OUT")]
    pub max_kept_out: usize,
}

/// What differs for one source.
#[derive(Clone, Debug)]
pub struct SourcePolicy {
    /// Only of this broker; of any if none is named.
    pub mqtt_url: Option<Secret<Url>>,
    /// Only of topics that begin with these levels, of which `+` is any.
    pub topic: Option<String>,
    /// What may be kept and shown.
    pub policy: Policy,
}

impl Policy {
    /// Checks what one value cannot know of another.
    pub(super) fn check(&self) -> Result<(), clap::Error> {
        if self.coarsest_precision > self.finest_precision {
            return Err(wrong(
                "--coarsest-precision must not be above --finest-precision: nothing would be left",
            ));
        }
        Ok(())
    }

    /// The policy of every `[[source]]` in the file. What a source does not say is as in `self`.
    pub(super) fn of_sources(
        &self,
        sources: Vec<toml::Table>,
    ) -> Result<Vec<SourcePolicy>, clap::Error> {
        sources.into_iter().map(|source| self.of_source(source)).collect()
    }

    fn of_source(&self, mut source: toml::Table) -> Result<SourcePolicy, clap::Error> {
        let mut text = |name: &str| match source.remove(name) {
            None => Ok(None),
            Some(toml::Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(&format!("`{name}` of a [[source]] must be a text"))),
        };
        let mqtt_url = text("mqtt-url")?.map(|url| values::mqtt_url(&url)).transpose();
        let mqtt_url = mqtt_url.map_err(|_may_hold_a_password| {
            wrong("`mqtt-url` of a [[source]] must be as in --mqtt-url")
        })?;
        let topic = text("topic")?.map(|topic| first_levels(&topic)).transpose()?;
        if mqtt_url.is_none() && topic.is_none() {
            return Err(wrong("a [[source]] needs `mqtt-url`, `topic` or both"));
        }
        let command = Self::augment_args(clap::Command::new("a [[source]]").no_binary_name(true))
            .color(ColorChoice::Never);
        let mut arguments = Vec::new();
        for (setting, value) in &source {
            let is_known =
                command.get_arguments().any(|argument| argument.get_long() == Some(setting));
            if !is_known {
                return Err(wrong(&format!("unknown setting `{setting}` in a [[source]]")));
            }
            let values = file::written(value);
            let values = values.ok_or_else(|| {
                wrong(&format!("`{setting}` must be a text, a number, or a list of them"))
            })?;
            arguments.extend(values.into_iter().map(|value| format!("--{setting}={value}")));
        }
        let matches = command.try_get_matches_from(arguments)?;
        let own = Self::from_arg_matches(&matches)?;
        let policy =
            self.with(own, |name| matches.value_source(name) == Some(ValueSource::CommandLine));
        policy.check()?;
        Ok(SourcePolicy { mqtt_url, topic, policy })
    }
}

/// Takes over what was given.
macro_rules! inherit {
    ($($field:ident),+ $(,)?) => {
        impl Policy {
            fn with(&self, own: Self, is_given: impl Fn(&str) -> bool) -> Self {
                Self {
                    $($field: if is_given(stringify!($field)) {
                        own.$field
                    } else {
                        self.$field.clone()
                    }),+
                }
            }
        }
    };
}

inherit!(
    ok_to_mqtt_yes,
    ok_to_mqtt_no,
    ok_to_mqtt_absent,
    text_messages,
    finest_precision,
    coarsest_precision,
    opt_out_mark,
    opt_out_prefix,
    allow_node,
    block_node,
    only_channel,
    only_port,
    home_zone,
    region,
    max_positions_per_node,
    max_kept_out,
);

/// The levels that a topic begins with. Everything below them is meant, also where that is written
/// down as in a subscription.
fn first_levels(topic: &str) -> Result<String, clap::Error> {
    let levels = topic.strip_suffix("/#").unwrap_or(topic).trim_end_matches('/');
    let is_level = |level: &str| level == "+" || !level.contains(['+', '#']);
    if levels.is_empty() || !levels.split('/').all(is_level) {
        return Err(wrong(
            "`topic` of a [[source]] must be the levels that a topic begins with, as in msh/EU_868 \
             or msh/+/2/e/club",
        ));
    }
    Ok(levels.to_owned())
}

fn wrong(message: &str) -> clap::Error {
    clap::Error::raw(clap::error::ErrorKind::ValueValidation, format!("{message}\n"))
}
