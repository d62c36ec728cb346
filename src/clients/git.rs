//! What opens the Git repositories of an instance's models, and where it may be sent.

use secrecy::{ExposeSecret, SecretString};

use super::destination::Place;
use super::{ClientRegistry, invalid};
use crate::model_repository::{GitCredential, destination};
use crate::ports::{ConnectError, Object};
use crate::resources::conditions::Reason;
use crate::resources::{BaseUrl, GitAccess, OmniInstanceSpec, SecretKeyRef};

const FIELD: &str = "spec.git.secretRef";

fn key_of(access: &GitAccess, key: &str) -> SecretKeyRef {
    SecretKeyRef {
        name: access.secret_ref.name.clone(),
        key: key.to_owned(),
    }
}

fn access(instance: &Object<OmniInstanceSpec>) -> Result<&GitAccess, ConnectError> {
    instance.spec.git.as_ref().ok_or_else(|| ConnectError::Refused {
        reason: Reason::GitRefused,
        message: format!(
            "OmniInstance {} does not say what opens the repositories of its models; give it spec.git, with urlPrefix and secretRef",
            instance.name
        ),
    })
}

/// Whether an address is below a prefix: one that leads back up is below nothing.
fn is_below(address: &str, prefix: &str) -> bool {
    let climbs = |it: &str| it.split(['/', '\\']).any(|part| part == "..") || it.to_ascii_lowercase().contains("%2e");
    let ends = prefix.ends_with(['/', ':']);
    ends && address.starts_with(prefix) && !climbs(&address[prefix.len()..])
}

impl ClientRegistry {
    /// The credential for an address, by the address's kind: a token for https, a key for ssh.
    pub(super) async fn git_credential(
        &self,
        instance: &Object<OmniInstanceSpec>,
        address: &str,
    ) -> Result<GitCredential, ConnectError> {
        let access = access(instance)?;
        if !is_below(address, &access.url_prefix) {
            return Err(ConnectError::Refused {
                reason: Reason::GitRefused,
                message: format!(
                    "Omni keeps the model in the repository {address:?}, which is not below spec.git.urlPrefix {:?} of OmniInstance {}, so that it is not opened; correct one of the two",
                    access.url_prefix, instance.name
                ),
            });
        }
        let (host, port) = destination(address).map_err(|source| ConnectError::Repository { source })?;
        let place = Place { host, port };
        let namespace = &instance.namespace;
        if address.starts_with("https://") {
            let reference = key_of(access, "token");
            let token = self.credentials.credential(namespace, &reference, FIELD).await?;
            self.check_host(&token, &place, "the repository in Omni")?;
            let beside = |key| self.credentials.beside(namespace, &reference, key);
            let text = |value: Option<SecretString>| value.map(|it| it.expose_secret().to_owned());
            return Ok(GitCredential::Token {
                user: text(beside("username").await?),
                authorities: text(beside("ca.crt").await?),
                token: token.value,
            });
        }
        let key = self
            .credentials
            .credential(namespace, &key_of(access, "identity"), FIELD)
            .await?;
        self.check_host(&key, &place, "the repository in Omni")?;
        let hosts = self
            .credentials
            .credential(namespace, &key_of(access, "known_hosts"), FIELD)
            .await?;
        Ok(GitCredential::Key {
            // A key file ends with its line.
            private_key: format!("{}\n", key.value.expose_secret()).into(),
            known_hosts: hosts.value.expose_secret().to_owned(),
        })
    }

    /// The token, where it may be sent to Omni.
    pub(super) async fn token_for_omni(
        &self,
        instance: &Object<OmniInstanceSpec>,
    ) -> Result<SecretString, ConnectError> {
        let access = access(instance)?;
        let base_url = BaseUrl::parse(&instance.spec.base_url)
            .map_err(|why| invalid(format!("OmniInstance {}: {why}", instance.key())))?;
        let token = self
            .credentials
            .credential(&instance.namespace, &key_of(access, "token"), FIELD)
            .await?;
        self.check_host(&token, &Place::of(&base_url), "spec.baseUrl")?;
        Ok(token.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://git.example/acme/models.git", "https://git.example/acme/", true)]
    #[case("git@git.example:acme/models.git", "git@git.example:", true)]
    #[case("https://git.example.evil/acme/models.git", "https://git.example", false)]
    #[case("https://git.example/acme/../evil/models.git", "https://git.example/acme/", false)]
    #[case("https://git.example/acme/%2E%2e/evil.git", "https://git.example/acme/", false)]
    #[case("https://git.example/other/models.git", "https://git.example/acme/", false)]
    fn only_what_is_below_the_prefix_is_opened(#[case] address: &str, #[case] prefix: &str, #[case] below: bool) {
        assert_eq!(is_below(address, prefix), below);
    }
}
