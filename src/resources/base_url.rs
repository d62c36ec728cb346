//! `spec.baseUrl` of an OmniInstance, read. The schema holds it in a cluster; files pass no API server.

use url::{Host, Url};

/// An address of Omni: `https://host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    /// As requests are built on it, without a slash at the end.
    pub text: String,
    /// In lower case; an IPv6 address without brackets.
    pub host: String,
    /// Its port, also where the URL leaves it out.
    pub port: u16,
}

impl BaseUrl {
    /// Reads the field.
    ///
    /// # Errors
    /// What is wrong with it and what to write. The text does not repeat the URL, which may hold a password by mistake.
    pub fn parse(text: &str) -> Result<Self, String> {
        let like = "write it like https://acme.omniapp.co";
        let url = Url::parse(text.trim()).map_err(|error| format!("spec.baseUrl is no URL ({error}); {like}"))?;
        let host = match (url.scheme(), url.host()) {
            ("https" | "http", Some(host)) => host,
            _ => return Err(format!("spec.baseUrl must be https; {like}")),
        };
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.path() == "/";
        if !bare {
            return Err(format!(
                "spec.baseUrl holds more than a host; {like}, without path, user, query or fragment"
            ));
        }
        let (host, loopback) = match host {
            Host::Domain(name) => (name.to_lowercase(), name == "localhost"),
            Host::Ipv4(address) => (address.to_string(), address.is_loopback()),
            Host::Ipv6(address) => (address.to_string(), address.is_loopback()),
        };
        if url.scheme() == "http" && !loopback {
            return Err(format!(
                "spec.baseUrl is plain http to {host}: the API key would go over the network in clear; use https"
            ));
        }
        Ok(Self {
            text: url.as_str().trim_end_matches('/').to_owned(),
            host,
            port: url.port_or_known_default().unwrap_or(443),
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://acme.omniapp.co", "https://acme.omniapp.co", "acme.omniapp.co", 443)]
    #[case("https://ACME.omniapp.co/", "https://acme.omniapp.co", "acme.omniapp.co", 443)]
    #[case("http://127.0.0.1:4000", "http://127.0.0.1:4000", "127.0.0.1", 4000)]
    #[case("http://localhost", "http://localhost", "localhost", 80)]
    #[case("http://[::1]:4000/", "http://[::1]:4000", "::1", 4000)]
    fn https_and_this_machine_are_taken(
        #[case] given: &str,
        #[case] text: &str,
        #[case] host: &str,
        #[case] port: u16,
    ) {
        let read = BaseUrl::parse(given).unwrap();
        assert_eq!((read.text.as_str(), read.host.as_str(), read.port), (text, host, port));
    }

    #[rstest]
    #[case::plain_http("http://acme.omniapp.co", "plain http to acme.omniapp.co")]
    #[case::a_name_that_looks_local("http://localhost.evil.example", "plain http")]
    #[case::an_address_that_looks_local("http://127.0.0.1.evil.example", "plain http")]
    #[case::a_path("https://acme.omniapp.co/api", "more than a host")]
    #[case::a_password("https://me:hunter2@acme.omniapp.co", "more than a host")]
    #[case::a_query("https://acme.omniapp.co?x=1", "more than a host")]
    #[case::another_scheme("ftp://acme.omniapp.co", "must be https")]
    #[case::no_url("acme", "no URL")]
    fn all_else_is_refused_without_a_password(#[case] given: &str, #[case] told: &str) {
        let refusal = BaseUrl::parse(given).unwrap_err();
        assert!(refusal.contains(told) && refusal.contains("spec.baseUrl"), "{refusal}");
        assert!(!refusal.contains("hunter2"), "{refusal}");
    }
}
