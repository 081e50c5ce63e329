//! Who a node says that it is: node info and map reports.

use meshtastic::protobufs::{HardwareModel, MapReport, User, config::device_config::Role};

use super::text;
use crate::{
    domain::{Info, NodeId},
    ingest::Refusal,
};

/// Reads a node info packet into `info`.
pub(super) fn read_user(info: &mut Info, user: &User) -> Result<(), Refusal> {
    // The id is the sender's number once more. The number of the packet counts; one of another
    // form is no id that firmware ever sent.
    if !user.id.is_empty() && !matches!(user.id.parse(), Ok(NodeId::Radio(_))) {
        return Err(Refusal::Malformed);
    }
    info.short_name = text::name(&user.short_name);
    info.long_name = text::name(&user.long_name);
    info.hw_model = hardware(user.hw_model);
    info.role = role(user.role);
    Ok(())
}

/// Reads a map report into `info`.
pub(super) fn read_map_report(info: &mut Info, report: &MapReport) {
    info.short_name = text::name(&report.short_name);
    info.long_name = text::name(&report.long_name);
    info.hw_model = hardware(report.hw_model);
    info.role = role(report.role);
    info.firmware = text::name(&report.firmware_version);
}

fn hardware(number: i32) -> Option<Box<str>> {
    let known = HardwareModel::try_from(number).ok();
    known.map(|model| model.as_str_name().into()).or_else(|| unknown(number))
}

fn role(number: i32) -> Option<Box<str>> {
    let known = Role::try_from(number).ok();
    known.map(|role| role.as_str_name().into()).or_else(|| unknown(number))
}

/// A name for what is newer than this program. The protocol's numbers end at 255.
fn unknown(number: i32) -> Option<Box<str>> {
    let number = u8::try_from(number).ok()?;
    Some(format!("UNKNOWN_{number}").into())
}
