//! Who may come in: permits for connections, and what each address has used up.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, StatusCode};
use prometheus_client::metrics::gauge::Gauge;
use thiserror::Error;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{
    bucket::Bucket,
    client::{Who, is_trusted, network_of, who},
    io::Traffic,
    limits::Limits,
};

/// Why somebody may not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Refusal {
    /// There are as many connections as there may be.
    #[error("there are too many connections, try again later")]
    Full,
    /// This address has as many as it may have.
    #[error("there are too many connections from your address, try again later")]
    AddressFull,
    /// This address asks for more than it may.
    #[error("there are too many requests from your address, try again later")]
    AddressBusy,
    /// A page of a site that is not allowed to.
    #[error("pages of this origin may not connect")]
    ForeignOrigin,
}

impl Refusal {
    pub(super) const ALL: [Self; 4] =
        [Self::Full, Self::AddressFull, Self::AddressBusy, Self::ForeignOrigin];

    /// The reason as metrics name it.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::AddressFull => "address_full",
            Self::AddressBusy => "address_busy",
            Self::ForeignOrigin => "foreign_origin",
        }
    }

    /// When another attempt may succeed, in seconds.
    pub(super) const fn retry_after_s(self) -> Option<u16> {
        match self {
            Self::Full | Self::AddressFull => Some(10),
            Self::AddressBusy => Some(1),
            Self::ForeignOrigin => None,
        }
    }

    /// What the client is told.
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Full => StatusCode::SERVICE_UNAVAILABLE,
            Self::AddressFull | Self::AddressBusy => StatusCode::TOO_MANY_REQUESTS,
            Self::ForeignOrigin => StatusCode::FORBIDDEN,
        }
    }
}

/// What the connections of one address share.
#[derive(Debug)]
struct Address {
    messages: Mutex<Bucket>,
    subscriptions: Mutex<Bucket>,
    questions: Mutex<Bucket>,
}

impl Address {
    fn is_rested(&self, now: Instant) -> bool {
        [&self.messages, &self.subscriptions, &self.questions]
            .into_iter()
            .all(|bucket| lock(bucket).is_full(now))
    }
}

/// One connection of an address. Dropping it makes room for another.
#[derive(Debug)]
pub(super) struct Share(Arc<Address>);

impl Share {
    /// Counts a message of the address, or says how long to wait.
    pub(super) fn message(&self, now: Instant) -> Result<(), Duration> {
        lock(&self.0.messages).take(now)
    }

    /// Counts a subscription of the address, or says how long to wait.
    pub(super) fn subscription(&self, now: Instant) -> Result<(), Duration> {
        lock(&self.0.subscriptions).take(now)
    }

    /// Counts a question of the address, or says how long to wait; and what is left.
    pub(super) fn question(&self, now: Instant) -> (Result<(), Duration>, (u32, Duration)) {
        let mut questions = lock(&self.0.questions);
        (questions.take(now), questions.left(now))
    }
}

/// A place for one connection. Dropping it makes room for another.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    open: Gauge,
    /// None when no limits by address hold for the peer.
    share: Option<Arc<Share>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// Who sent a request. It counts as a connection of its address for as long as this is held.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// The other end of the connection, or whom a trusted proxy speaks for.
    pub(super) ip: IpAddr,
    /// Whether a trusted proxy passed the request on.
    pub(super) is_proxied: bool,
    /// Whether its connection to this server is encrypted.
    pub(super) is_tls: bool,
    /// None when no limits by address hold.
    pub(super) share: Option<Arc<Share>>,
    /// What is written over its connection.
    pub(super) traffic: Arc<Traffic>,
}

/// Gives out places.
#[derive(Debug)]
pub(super) struct Gate {
    limits: Limits,
    permits: Arc<Semaphore>,
    open: Gauge,
    /// An address has one reference here and one in each of its shares.
    addresses: Mutex<HashMap<IpAddr, Arc<Address>>>,
}

impl Gate {
    /// Counts the open connections in `open`.
    pub(super) fn new(limits: Limits, open: Gauge) -> Self {
        let permits = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
        Self { limits, permits, open, addresses: Mutex::default() }
    }

    /// A place for a connection with `peer`.
    pub(super) fn admit(&self, peer: SocketAddr, now: Instant) -> Result<Place, Refusal> {
        let permit =
            Arc::clone(&self.permits).try_acquire_owned().map_err(|_full| Refusal::Full)?;
        let ip = peer.ip().to_canonical();
        let is_exempt = ip.is_loopback() || is_trusted(ip, &self.limits.trusted_proxies);
        let share = if is_exempt { None } else { Some(self.share(ip, now)?) };
        self.open.inc();
        Ok(Place { _permit: permit, open: self.open.clone(), share })
    }

    /// Who sent a request with these headers over the connection that has this place. A request
    /// counts as a message of its address.
    pub(super) fn recognise(
        &self,
        place: &Place,
        peer: SocketAddr,
        traffic: &Arc<Traffic>,
        headers: &HeaderMap,
        now: Instant,
    ) -> Result<Client, Refusal> {
        let (ip, is_proxied, share) = match who(peer, headers, &self.limits.trusted_proxies) {
            Who::Peer => (peer.ip().to_canonical(), false, place.share.clone()),
            Who::Proxy => (peer.ip().to_canonical(), true, None),
            Who::Named(ip) => (ip, true, Some(self.share(ip, now)?)),
        };
        if let Some(share) = &share {
            share.message(now).map_err(|_wait| Refusal::AddressBusy)?;
        }
        Ok(Client { ip, is_proxied, is_tls: false, share, traffic: Arc::clone(traffic) })
    }

    fn share(&self, ip: IpAddr, now: Instant) -> Result<Arc<Share>, Refusal> {
        let network = network_of(ip);
        let mut addresses = lock(&self.addresses);
        if !addresses.contains_key(&network) {
            self.forget_the_rested(&mut addresses, now);
        }
        let address = addresses.entry(network).or_insert_with(|| {
            Arc::new(Address {
                messages: Mutex::new(Bucket::new(self.limits.messages_per_address, now)),
                subscriptions: Mutex::new(Bucket::new(self.limits.subscriptions_per_address, now)),
                questions: Mutex::new(Bucket::new(self.limits.questions_per_address, now)),
            })
        });
        if connections(address) >= self.limits.connections_per_address {
            return Err(Refusal::AddressFull);
        }
        Ok(Arc::new(Share(Arc::clone(address))))
    }

    /// Keeps the addresses fewer than twice the connections there may be. Those without a
    /// connection go: first who used up nothing, and if there are still too many, all.
    fn forget_the_rested(&self, addresses: &mut HashMap<IpAddr, Arc<Address>>, now: Instant) {
        let room = self.limits.connections.saturating_mul(2).max(1);
        if addresses.len() >= room {
            addresses.retain(|_, address| connections(address) > 0 || !address.is_rested(now));
        }
        if addresses.len() >= room {
            addresses.retain(|_, address| connections(address) > 0);
        }
    }
}

/// How many shares of this address there are.
fn connections(address: &Arc<Address>) -> usize {
    Arc::strong_count(address) - 1
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is done under these locks panics; if it did, what they hold is still whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn gate(connections: usize, connections_per_address: usize) -> Gate {
        let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        let limits =
            Limits { connections, connections_per_address, trusted_proxies, ..Limits::default() };
        Gate::new(limits, Gauge::default())
    }

    fn peer(ip: &str) -> SocketAddr {
        SocketAddr::new(ip.parse().unwrap(), 1)
    }

    fn behind_proxy(gate: &Gate, place: &Place, ip: &str) -> Result<Client, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", ip.parse().unwrap());
        gate.recognise(place, peer(PROXY), &Arc::default(), &headers, Instant::now())
    }

    #[test]
    fn a_place_that_is_left_can_be_taken_again() {
        let gate = gate(2, 9);
        let now = Instant::now();
        let _first = gate.admit(peer("192.0.2.1"), now).unwrap();
        let second = gate.admit(peer("127.0.0.1"), now).unwrap();
        assert_eq!(gate.admit(peer("192.0.2.3"), now).unwrap_err(), Refusal::Full);
        drop(second);
        assert!(gate.admit(peer("192.0.2.3"), now).is_ok());
    }

    #[test]
    fn an_address_has_its_share_and_a_network_of_version_6_is_one_address() {
        let gate = gate(100, 2);
        let now = Instant::now();
        for (first, second, other) in [
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
            ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"),
        ] {
            let _first = gate.admit(peer(first), now).unwrap();
            let kept = gate.admit(peer(second), now).unwrap();
            assert_eq!(gate.admit(peer(first), now).unwrap_err(), Refusal::AddressFull);
            assert!(gate.admit(peer(other), now).is_ok());
            drop(kept);
            assert!(gate.admit(peer(first), now).is_ok());
        }
    }

    #[test]
    fn loopback_and_proxies_are_exempt_but_not_whom_a_proxy_names() {
        let gate = gate(100, 1);
        let now = Instant::now();
        let _one = gate.admit(peer("127.0.0.1"), now).unwrap();
        let _two = gate.admit(peer("127.0.0.1"), now).unwrap();
        let place = gate.admit(peer(PROXY), now).unwrap();
        let another = gate.admit(peer(PROXY), now).unwrap();
        let client = behind_proxy(&gate, &place, "127.0.0.1").unwrap();
        assert_eq!(behind_proxy(&gate, &another, "127.0.0.1").unwrap_err(), Refusal::AddressFull);
        assert!(behind_proxy(&gate, &another, "192.0.2.1").is_ok());
        drop(client);
        assert!(behind_proxy(&gate, &another, "127.0.0.1").is_ok());
        let none = HeaderMap::new();
        let unnamed = gate.recognise(&place, peer(PROXY), &Arc::default(), &none, now).unwrap();
        assert!(unnamed.share.is_none());
    }

    #[test]
    fn who_comes_back_finds_what_it_used_up() {
        let gate = gate(100, 9);
        let now = Instant::now();
        let message = |now| {
            let place = gate.admit(peer("192.0.2.1"), now).unwrap();
            place.share.as_ref().unwrap().message(now)
        };
        assert_eq!((0..9999).filter(|_| message(now).is_ok()).count(), 2000);
        assert!(message(now + Duration::from_secs(1)).is_ok());
    }

    #[test]
    fn addresses_that_are_gone_are_forgotten() {
        let gate = gate(10, 9);
        let now = Instant::now();
        let _stays = gate.admit(peer("203.0.113.1"), now).unwrap();
        for number in 0..=255 {
            let place = gate.admit(peer(&format!("192.0.2.{number}")), now).unwrap();
            place.share.as_ref().unwrap().message(now).unwrap();
        }
        let addresses = lock(&gate.addresses);
        assert!(addresses.len() <= 20, "{}", addresses.len());
        assert!(addresses.contains_key(&"203.0.113.1".parse::<IpAddr>().unwrap()));
    }
}
