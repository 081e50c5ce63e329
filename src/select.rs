//! `select!`, for every room.

/// Waits for the first of several: tokio's `select!`, which takes any of those that are ready.
#[cfg(not(test))]
macro_rules! select {
    ($($branches:tt)*) => { tokio::select! { $($branches)* } };
}

/// In the tests inside this crate it takes the first that is ready: no chance but that of a seed,
/// so that a simulation goes the same way every time.
#[cfg(test)]
macro_rules! select {
    ($($branches:tt)*) => { tokio::select! { biased; $($branches)* } };
}
