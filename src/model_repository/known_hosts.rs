//! Which keys a server may show (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").

use hmac::{Hmac, KeyInit as _, Mac as _};
use russh::keys::ssh_key::known_hosts::{Entry, HostPatterns, Marker};
use russh::keys::{Algorithm, HashAlg, PublicKey};
use sha1::Sha1;

use super::answer::Kind;

/// The keys that are known of one host.
#[derive(Debug, Clone)]
pub(super) struct KnownHost {
    /// As known hosts write it: `host`, or `[host]:port`.
    name: String,
    keys: Vec<PublicKey>,
    revoked: Vec<PublicKey>,
}

impl KnownHost {
    /// What a list of known hosts says of this one. Lines of kinds that are not known are passed over, as OpenSSH does.
    pub(super) fn find(known_hosts: &str, host: &str, port: u16) -> Self {
        let name = if port == 22 {
            host.to_owned()
        } else {
            format!("[{host}]:{port}")
        };
        let mut found = Self {
            name,
            keys: Vec::new(),
            revoked: Vec::new(),
        };
        let lines = known_hosts.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        for entry in lines.filter_map(|line| line.parse::<Entry>().ok()) {
            if !names(entry.host_patterns(), &found.name) {
                continue;
            }
            let key = entry.public_key().clone();
            match entry.marker() {
                // The library is built without RSA, so that a server is never asked for such a key.
                None if matches!(key.algorithm(), Algorithm::Rsa { .. }) => {}
                None => found.keys.push(key),
                Some(Marker::Revoked) => found.revoked.push(key),
                // It vouches for certificates, which are not asked for.
                Some(Marker::CertAuthority) => {}
            }
        }
        found
    }

    /// The kinds of key to ask the server for: known ones first, since it shows only one.
    pub(super) fn preferred(&self, all: &[Algorithm]) -> Vec<Algorithm> {
        let known = |algorithm: &&Algorithm| self.keys.iter().any(|key| key.algorithm() == **algorithm);
        let usable = all
            .iter()
            .filter(|algorithm| !matches!(algorithm, Algorithm::Rsa { .. }));
        let (known, others): (Vec<_>, Vec<_>) = usable.partition(known);
        known.into_iter().chain(others).cloned().collect()
    }

    /// Whether this is the host's key.
    pub(super) fn check(&self, offered: &PublicKey) -> Result<(), Kind> {
        let is = |key: &PublicKey| key.key_data() == offered.key_data();
        let revoked = self.revoked.iter().any(is);
        if !revoked && self.keys.iter().any(is) {
            return Ok(());
        }
        if !revoked && self.keys.is_empty() {
            return Err(Kind::HostUnknown {
                host: self.name.clone(),
                offered: described(offered),
                line: line(&self.name, offered),
            });
        }
        let known = if revoked {
            "it as revoked".to_owned()
        } else {
            self.keys.iter().map(described).collect::<Vec<_>>().join(", ")
        };
        Err(Kind::HostKeyChanged {
            host: self.name.clone(),
            offered: described(offered),
            known,
        })
    }
}

/// Its kind and fingerprint, as `ssh-keygen -l` and the hosts' own pages write them.
fn described(key: &PublicKey) -> String {
    format!("the {} key {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}

fn line(name: &str, key: &PublicKey) -> String {
    let mut key = key.clone();
    key.set_comment("");
    format!("{name} {}", key.to_openssh().unwrap_or_default())
}

/// Whether the patterns of a line name this host.
fn names(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::HashedName { salt, hash } => {
            Hmac::<Sha1>::new_from_slice(salt).is_ok_and(|hmac| hmac.chain_update(name).verify_slice(hash).is_ok())
        }
        HostPatterns::Patterns(patterns) => {
            let denied = patterns.iter().filter_map(|pattern| pattern.strip_prefix('!'));
            let mut denied = denied.filter(|pattern| matches(pattern.as_bytes(), name.as_bytes()));
            let named = patterns
                .iter()
                .any(|pattern| matches(pattern.as_bytes(), name.as_bytes()));
            named && denied.next().is_none()
        }
    }
}

/// Whether a pattern with `*` and `?` fits a name, whose letters count the same in either case.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => matches(rest, name) || !name.is_empty() && matches(pattern, &name[1..]),
        (Some((b'?', rest)), Some((_, name))) => matches(rest, name),
        (Some((one, rest)), Some((other, name))) => one.eq_ignore_ascii_case(other) && matches(rest, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";

    fn check(known_hosts: &str, host: &str, port: u16, shown: &str) -> Result<(), Kind> {
        KnownHost::find(known_hosts, host, port).check(&shown.parse().unwrap())
    }

    #[test]
    fn a_key_counts_for_the_hosts_of_its_line() {
        let list =
            format!("# ours\nh.example,*.h.example,!x.h.example {ONE} comment\n[h.example]:2222 {OTHER}\nnonsense\n");
        for (host, port, key) in [
            ("h.example", 22, ONE),
            ("H.example", 22, ONE),
            ("a.h.example", 22, ONE),
            ("h.example", 2222, OTHER),
        ] {
            check(&list, host, port, key).unwrap();
        }
        for (host, port) in [("x.h.example", 22), ("other.example", 22), ("h.example", 23)] {
            let told = check(&list, host, port, ONE).unwrap_err();
            assert!(
                matches!(&told, Kind::HostUnknown { line, .. } if line.ends_with(ONE)),
                "{told}"
            );
        }
        let told = check(&list, "h.example", 22, OTHER).unwrap_err();
        assert!(
            matches!(told, Kind::HostKeyChanged { .. }) && told.to_string().contains("SHA256:"),
            "{told}"
        );
    }

    #[test]
    fn a_hashed_name_is_found() {
        // By OpenSSH, of `example.com`; the line stands in russh's own tests.
        let list = "|1|O33ESRMWPVkMYIwJ1Uw+n877jTo=|nuuC5vEqXlEZ/8BXQR7m619W6Ak= ssh-ed25519 \
                    AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF";
        let key = list.split_once(' ').unwrap().1;
        check(list, "example.com", 22, key).unwrap();
        assert!(matches!(
            check(list, "example.org", 22, key),
            Err(Kind::HostUnknown { .. })
        ));
    }

    #[test]
    fn a_revoked_key_is_no_key() {
        let list = format!("h {ONE}\n@revoked * {ONE}\n@cert-authority * {OTHER}");
        let told = check(&list, "h", 22, ONE).unwrap_err();
        assert!(
            matches!(&told, Kind::HostKeyChanged { known, .. } if known.contains("revoked")),
            "{told}"
        );
        assert!(matches!(
            check(&list, "elsewhere", 22, OTHER),
            Err(Kind::HostUnknown { .. })
        ));
    }
}
