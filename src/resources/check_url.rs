//! The address of what a check of a rollout asks, read. The schema holds it in a cluster; files pass no API server.

use url::{Host, Url};

/// The address of a check, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckUrl {
    /// As requests are built on it.
    pub url: Url,
    /// In lower case; an IPv6 address without brackets.
    pub host: String,
    /// Its port, also where the URL leaves it out.
    pub port: u16,
    /// It is plain http, to this machine or to a Service of the cluster.
    pub is_plain: bool,
}

impl CheckUrl {
    /// Reads the field.
    ///
    /// # Errors
    /// What is wrong with it and what to write. The text does not repeat the URL, which may hold a password by mistake.
    pub fn parse(text: &str) -> Result<Self, String> {
        let like = "write it like https://checks.example/wave";
        let url = Url::parse(text.trim()).map_err(|error| format!("is no URL ({error}); {like}"))?;
        let (host, is_near) = match (url.scheme(), url.host()) {
            ("https" | "http", Some(Host::Domain(name))) => {
                let name = name.to_lowercase();
                let is_near = name == "localhost" || name.ends_with(".svc") || name.ends_with(".svc.cluster.local");
                (name, is_near)
            }
            ("https" | "http", Some(Host::Ipv4(address))) => (address.to_string(), address.is_loopback()),
            ("https" | "http", Some(Host::Ipv6(address))) => (address.to_string(), address.is_loopback()),
            _ => return Err(format!("must be https; {like}")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("holds a user or a password, which everybody would read who may read the rollout; put it into a Secret and name that in secretRef".to_owned());
        }
        let is_plain = url.scheme() == "http";
        if is_plain && !is_near {
            return Err(format!(
                "is plain http to {host}: anybody on the way could answer for it; use https, or a Service of the cluster by its name with .svc at the end"
            ));
        }
        Ok(Self {
            port: url.port_or_known_default().unwrap_or(443),
            host,
            is_plain,
            url,
        })
    }

    /// Where an instant query is asked of the Prometheus at this address.
    ///
    /// # Errors
    /// The address holds more than a path.
    pub fn instant_query(&self) -> Result<Url, String> {
        if self.url.query().is_some() || self.url.fragment().is_some() {
            return Err("holds a query or a fragment; write the address of Prometheus alone".to_owned());
        }
        let mut url = self.url.clone();
        let path = format!("{}/api/v1/query", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://checks.example/wave?team=a", "checks.example", 443)]
    #[case("http://127.0.0.1:4000", "127.0.0.1", 4000)]
    #[case("http://[::1]:4000/x", "::1", 4000)]
    #[case("http://prometheus.monitoring.svc:9090", "prometheus.monitoring.svc", 9090)]
    #[case(
        "http://prometheus.monitoring.svc.cluster.local",
        "prometheus.monitoring.svc.cluster.local",
        80
    )]
    fn https_this_machine_and_services_are_taken(#[case] given: &str, #[case] host: &str, #[case] port: u16) {
        let read = CheckUrl::parse(given).unwrap();
        assert_eq!((read.host.as_str(), read.port), (host, port));
    }

    #[rstest]
    #[case::plain_http("http://checks.example/", "plain http to checks.example")]
    #[case::a_name_that_looks_near("http://checks.svc.evil.example/", "plain http")]
    #[case::an_address_of_the_cloud("http://169.254.169.254/latest", "plain http")]
    #[case::a_password("https://me:hunter2@checks.example/", "user or a password")]
    #[case::another_scheme("ftp://checks.example", "must be https")]
    #[case::no_url("checks", "no URL")]
    fn other_addresses_are_refused_without_a_password(#[case] given: &str, #[case] told: &str) {
        let refusal = CheckUrl::parse(given).unwrap_err();
        assert!(refusal.contains(told), "{refusal}");
        assert!(!refusal.contains("hunter2"), "{refusal}");
    }
}
