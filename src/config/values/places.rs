//! Places on Earth.

use crate::config::{Degrees, HomeZone, Region};

fn degrees(text: &str) -> Option<Degrees> {
    let (latitude, longitude) = text.split_once(',')?;
    let (latitude, longitude): (f64, f64) =
        (latitude.trim().parse().ok()?, longitude.trim().parse().ok()?);
    let on_earth = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
    on_earth.then_some(Degrees { latitude, longitude })
}

/// The middle, the radius in metres, and whose it is.
pub(in crate::config) fn home_zone(text: &str) -> Result<HomeZone, String> {
    let zone = || {
        let mut parts = text.splitn(4, ',');
        let (latitude, longitude) = (parts.next()?, parts.next()?);
        let middle = degrees(&format!("{latitude},{longitude}"))?;
        let radius_m = parts.next()?.trim().parse::<f64>().ok()?;
        let node = parts.next().map(|node| node.trim().to_owned());
        let is_fit = radius_m > 0.0 && radius_m.is_finite() && node.as_deref() != Some("");
        is_fit.then_some(HomeZone { middle, radius_m, node })
    };
    zone().ok_or_else(|| {
        "latitude, longitude, metres and perhaps a node are needed, as in 47.37,8.54,500".to_owned()
    })
}

/// Corners, with blanks between them.
pub(in crate::config) fn region(text: &str) -> Result<Region, String> {
    let corners: Option<Vec<_>> = text.split_whitespace().map(degrees).collect();
    corners.filter(|corners| corners.len() >= 3).map(Region).ok_or_else(|| {
        "three corners or more are needed, as in \"47.0,8.0 47.5,8.0 47.2,8.9\"".to_owned()
    })
}
