//! The database that commands are given.

use clap::Args;
use secrecy::SecretString;

/// The mapping database, by its URL.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct DatabaseUrl {
    /// The mapping database: postgres://… or sqlite:FILE. Where manifests are given, that of instances that name none.
    #[arg(
        long = "database-url",
        value_name = "URL",
        env = "WAVEPIN_DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite:wavepin.sqlite",
        value_parser = |text: &str| Ok::<_, std::convert::Infallible>(SecretString::from(text))
    )]
    pub(super) database_url: SecretString,
}
