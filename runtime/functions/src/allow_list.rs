//! The hosts that a sink may send requests to.

use crate::Error;

/// A list of hosts, each `host`, `host:port` or `*.domain[:port]`. Without a port it means the scheme's own: 80 or 443.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// Any host below this domain, not the domain itself.
    below: bool,
    /// Lower case; IPv6 addresses without brackets.
    host: String,
    port: Option<u16>,
}

impl AllowList {
    /// Reads a deployment's list.
    pub fn parse<S: AsRef<str>>(entries: impl IntoIterator<Item = S>) -> Result<Self, Error> {
        entries.into_iter().map(|entry| Entry::parse(entry.as_ref())).collect::<Result<_, _>>().map(AllowList)
    }

    /// Whether a request may go to this host and port.
    pub fn allows(&self, https: bool, host: &str, port: Option<u16>) -> bool {
        let default_port = if https { 443 } else { 80 };
        let host = normal_host(host);
        let port = port.unwrap_or(default_port);
        self.0.iter().any(|entry| entry.port.unwrap_or(default_port) == port && entry.covers(&host))
    }
}

impl Entry {
    fn parse(text: &str) -> Result<Self, Error> {
        let wrong =
            |why: &str| Error::Settings(format!("`{text}` is no host[:port] to allow HTTP to: {why}"));
        if text.contains("://") {
            return Err(wrong("leave out the scheme"));
        }
        if text.contains(['/', '@', '?', '#', ' ']) {
            return Err(wrong("only a host and a port can be given"));
        }
        let (host, port) = split_port(text).map_err(|()| wrong("the port is not a number"))?;
        let (below, host) = match host.strip_prefix("*.") {
            Some(domain) => (true, domain),
            None => (false, host),
        };
        let host = normal_host(host);
        if host.is_empty() || host.contains('*') {
            return Err(wrong("a `*` stands for subdomains, at the front: *.example.com"));
        }
        Ok(Entry { below, host, port })
    }

    fn covers(&self, host: &str) -> bool {
        match self.below {
            true => host.strip_suffix(&self.host).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            false => host == self.host,
        }
    }
}

/// Takes `:port` off the end, minding IPv6 addresses in brackets.
fn split_port(text: &str) -> Result<(&str, Option<u16>), ()> {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') && (!host.contains(':') || host.starts_with('[')) => {
            port.parse().map(|port| (host, Some(port))).map_err(|_| ())
        }
        _ => Ok((text, None)),
    }
}

fn normal_host(host: &str) -> String {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> AllowList {
        AllowList::parse(entries).unwrap()
    }

    #[test]
    fn only_what_is_listed_is_allowed() {
        let list = list(&["api.example.com", "127.0.0.1:9999", "[::1]:81", "*.hooks.test:8443"]);
        assert!(list.allows(true, "API.example.com.", None));
        assert!(list.allows(false, "api.example.com", None));
        assert!(list.allows(true, "api.example.com", Some(443)));
        assert!(!list.allows(true, "api.example.com", Some(80)));
        assert!(!list.allows(true, "example.com", None));
        assert!(list.allows(false, "127.0.0.1", Some(9999)));
        assert!(!list.allows(false, "127.0.0.1", None));
        assert!(!list.allows(false, "127.0.0.1", Some(9998)));
        assert!(list.allows(false, "[::1]", Some(81)));
        assert!(list.allows(true, "a.b.hooks.test", Some(8443)));
        assert!(!list.allows(true, "hooks.test", Some(8443)));
        assert!(!list.allows(true, "evilhooks.test", Some(8443)));
        assert!(!AllowList::default().allows(true, "example.com", None));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in ["", "http://a", "a/b", "a:port", "a:70000", "*", "a.*.b", "u@h", "*."] {
            assert!(AllowList::parse([bad]).is_err(), "{bad}");
        }
    }
}
