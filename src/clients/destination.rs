//! Where a credential may be sent.

use percent_encoding::percent_decode_str;
use url::Url;

use crate::resources::BaseUrl;

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// In lower case; an IPv6 address without brackets.
    pub(super) host: String,
    /// Its port, also where the URL leaves it out.
    pub(super) port: u16,
}

impl Place {
    /// Where an instance's key goes.
    pub(super) fn of(base_url: &BaseUrl) -> Self {
        Self {
            host: base_url.host.clone(),
            port: base_url.port,
        }
    }

    /// Whether a list of hosts, each with or without a port, names this place.
    pub(super) fn is_named_in(&self, hosts: &[String]) -> bool {
        let named = |entry: &String| {
            let entry = entry.trim().to_lowercase();
            let bare = entry.trim_start_matches('[').trim_end_matches(']');
            let with_port = [
                format!("{}:{}", self.host, self.port),
                format!("[{}]:{}", self.host, self.port),
            ];
            bare == self.host || with_port.contains(&entry)
        };
        hosts.iter().any(named)
    }
}

/// Where a database URL leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Database {
    /// To a file of this machine, or to a socket in its file system: the password does not leave it.
    Local,
    /// To these places; any of them may be used.
    Remote(Vec<Place>),
    /// To wherever the surroundings of the process say.
    Unnamed,
}

/// Reads a database URL as far as its hosts go; `None` if it is none. The password is not looked at.
pub(super) fn database(text: &str) -> Option<Database> {
    if text.starts_with("sqlite:") {
        return Some(Database::Local);
    }
    let url = Url::parse(text).ok()?;
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return None;
    }
    // The parameters win over the host before the path, in the driver's own order; all of them have to be allowed.
    let before_path = url
        .host_str()
        .map(|host| percent_decode_str(host).decode_utf8_lossy().into_owned());
    let parameters = url
        .query_pairs()
        .filter(|(name, _)| matches!(name.as_ref(), "host" | "hostaddr"));
    let hosts: Vec<String> = before_path
        .into_iter()
        .chain(parameters.map(|(_, value)| value.into_owned()))
        .filter(|host| !host.is_empty())
        .collect();
    if hosts.is_empty() {
        return Some(Database::Unnamed);
    }
    let port_parameter = url.query_pairs().find(|(name, _)| name == "port");
    let port_parameter = port_parameter.and_then(|(_, value)| value.parse().ok());
    let port = port_parameter.or(url.port()).unwrap_or(5432);
    let places: Vec<Place> = hosts
        .iter()
        .filter(|host| !host.starts_with('/'))
        .map(|host| Place {
            host: host.trim_matches(['[', ']']).to_lowercase(),
            port,
        })
        .collect();
    Some(if places.is_empty() {
        Database::Local
    } else {
        Database::Remote(places)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn a_host_is_named_with_or_without_its_port_and_never_by_a_part() {
        let place = Place::of(&BaseUrl::parse("https://acme.omniapp.co").unwrap());
        let named = |entry: &str| place.is_named_in(&["other.example".to_owned(), entry.to_owned()]);
        assert!(named("acme.omniapp.co") && named(" ACME.omniapp.co ") && named("acme.omniapp.co:443"));
        assert!(!named("acme.omniapp.co:8443") && !named("omniapp.co") && !named("") && !named("*"));
        let place = Place::of(&BaseUrl::parse("http://[::1]:4000").unwrap());
        assert!(place.is_named_in(&["[::1]:4000".to_owned()]) && place.is_named_in(&["::1".to_owned()]));
    }

    fn remote(host: &str, port: u16) -> Place {
        Place {
            host: host.to_owned(),
            port,
        }
    }

    #[rstest]
    #[case("sqlite:/var/lib/wavepin.db", Database::Local)]
    #[case("sqlite::memory:", Database::Local)]
    #[case("postgres://u:p@DB.example/app", Database::Remote(vec![remote("db.example", 5432)]))]
    #[case("postgresql://u:p@[::1]:6000/app", Database::Remote(vec![remote("::1", 6000)]))]
    #[case(
        "postgres://u:p@good.example/app?host=evil.example&hostaddr=10.0.0.1&port=7000",
        Database::Remote(vec![remote("good.example", 7000), remote("evil.example", 7000), remote("10.0.0.1", 7000)])
    )]
    #[case("postgres://u:p@%2Fvar%2Frun/app", Database::Local)]
    #[case("postgres:///app?host=/var/run", Database::Local)]
    #[case("postgres:///app", Database::Unnamed)]
    fn a_database_url_is_read_for_every_host_in_it(#[case] url: &str, #[case] expected: Database) {
        assert_eq!(database(url), Some(expected));
    }

    #[test]
    fn what_is_no_database_url_is_none() {
        assert_eq!(database("mysql://u:p@db.example/app"), None);
        assert_eq!(database("db.example"), None);
    }
}
