//! What texts in queries look like, as descriptions have it: regular expressions that JavaScript,
//! Python and Rust read alike.

macro_rules! lon {
    () => {
        r"-?(180(\.0{1,15})?|(1[0-7][0-9]|[0-9]{1,2})(\.[0-9]{1,15})?)"
    };
}

macro_rules! lat {
    () => {
        r"-?(90(\.0{1,15})?|[0-8]?[0-9](\.[0-9]{1,15})?)"
    };
}

macro_rules! metres {
    () => {
        r"-?[0-9]{1,6}(\.[0-9]{1,3})?"
    };
}

macro_rules! moment {
    () => {
        concat!(
            "([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)",
            "|02-(0[1-9]|1[0-9]|2[0-8]))|[0-9]{2}(0[48]|[2468][048]|[13579][26])-02-29)",
            r"[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?",
            "([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
        )
    };
}

/// A rectangle. Only that south is not above north it cannot say.
pub(super) const BBOX: &str = concat!("^", lon!(), ",", lat!(), ",", lon!(), ",", lat!(), "$");

/// A rectangle, with heights or without. Only which is the greater it cannot say.
pub(super) const BBOX_OR_BOX: &str = concat!(
    "^",
    lon!(),
    ",",
    lat!(),
    ",(",
    lon!(),
    ",",
    lat!(),
    "|",
    metres!(),
    ",",
    lon!(),
    ",",
    lat!(),
    ",",
    metres!(),
    ")$"
);

/// A moment, or an interval. Only that it does not end before it begins it cannot say.
pub(super) const DATETIME: &str =
    concat!("^(", moment!(), r"(/(\.\.)?|/", moment!(), r")?|(\.\.)?/", moment!(), ")$");

/// What every cursor of a history looks like: a time, and which record of that time. Where records
/// are taken together by time, it is the time and 0.
pub(super) const CURSOR: &str = r"^(0|-?[1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,17})$";

/// A span of one second to 366 days, as buckets are wide.
pub(super) const BUCKET: &str =
    r"^([1-9][0-9]{0,3}[sm]|[1-9][0-9]{0,2}h|([1-9][0-9]?|[12][0-9]{2}|3[0-5][0-9]|36[0-6])d)$";
