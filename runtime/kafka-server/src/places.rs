//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::options::Options;

/// How many connections there may be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    total: usize,
    per_ip: usize,
    of_some: HashMap<IpAddr, usize>,
}

impl Limits {
    /// Hosts that are named are looked up now, as Kafka does.
    pub(crate) async fn of(options: &Options) -> Limits {
        let mut of_some = HashMap::new();
        for (host, count) in &options.max_connections_per_ip_overrides {
            match tokio::net::lookup_host((host.as_str(), 0)).await {
                Ok(found) => of_some.extend(found.map(|address| (address.ip().to_canonical(), *count))),
                Err(error) => tracing::warn!(
                    host,
                    %error,
                    "a host of max.connections.per.ip.overrides is not known: it has no bound of its own"
                ),
            }
        }
        Limits { total: options.max_connections, per_ip: options.max_connections_per_ip, of_some }
    }
}

/// Who is connected, counted per address.
#[derive(Debug, Default)]
pub(crate) struct Places {
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    by_ip: HashMap<IpAddr, usize>,
    total: usize,
}

/// A connection's place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    ip: IpAddr,
}

impl Places {
    pub(crate) fn take(self: &Arc<Self>, ip: IpAddr, limits: &Limits) -> Option<Place> {
        // A socket for both protocols shows addresses of IPv4 in those of IPv6.
        let ip = ip.to_canonical();
        let mut taken = self.taken.lock();
        let here = taken.by_ip.get(&ip).copied().unwrap_or(0);
        let most_here = limits.of_some.get(&ip).copied().unwrap_or(limits.per_ip);
        if taken.total >= limits.total || here >= most_here {
            return None;
        }
        taken.by_ip.insert(ip, here + 1);
        taken.total += 1;
        Some(Place { places: self.clone(), ip })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.total -= 1;
        if let Some(count) = taken.by_ip.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                taken.by_ip.remove(&self.ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_are_limited_and_given_back() {
        let overrides = [("10.0.0.3", 0), ("10.0.0.4", 3)].map(|(ip, count)| (ip.to_owned(), count));
        let options = Options {
            max_connections: 3,
            max_connections_per_ip: 2,
            max_connections_per_ip_overrides: overrides.to_vec(),
            ..Options::default()
        };
        let limits = Limits::of(&options).await;
        let places = Arc::new(Places::default());
        let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
        let (a, b) = (ip("10.0.0.1"), ip("10.0.0.2"));
        let held = [places.take(a, &limits).unwrap(), places.take(ip("::ffff:10.0.0.1"), &limits).unwrap()];
        assert!(places.take(a, &limits).is_none());
        assert!(places.take(ip("10.0.0.3"), &limits).is_none());
        let other = places.take(b, &limits).unwrap();
        assert!(places.take(b, &limits).is_none());
        drop(held);
        assert!(places.take(b, &limits).is_some());
        drop(other);
        let _more = [0; 3].map(|_| places.take(ip("10.0.0.4"), &limits).unwrap());
        assert!(places.take(a, &limits).is_none());
    }
}
