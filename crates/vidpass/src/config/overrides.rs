//! What the command line and the environment say, with the help that teaches it.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{DEFAULT_FILE, LogFormat, Role};

/// Which server a command works on, as the command line and the environment say.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Place {
    /// Configuration file [default: vidpass.toml, where there is one]
    #[arg(long, short, value_name = "FILE", env = "VIDPASS_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
    /// sqlite:FILE, or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "URL", env = "VIDPASS_DATABASE", hide_env_values = true)]
    pub(crate) database: Option<String>,
    /// File with the key that seals private keys; $VIDPASS_MASTER_KEY may hold the key itself, and wins
    #[arg(long, value_name = "FILE", env = "VIDPASS_MASTER_KEY_FILE", hide_env_values = true)]
    pub(crate) master_key_file: Option<PathBuf>,
    /// File descriptor with the key that seals private keys: read once to its end, and closed. It wins over both
    #[arg(long, value_name = "N", env = "VIDPASS_MASTER_KEY_FD", hide_env_values = true)]
    pub(crate) master_key_fd: Option<u16>,
}

/// What the command line and the environment say over the file.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Overrides {
    #[command(flatten)]
    pub(crate) place: Place,
    /// What this server is: issuer, gate, or both [default: issuer,gate]
    #[arg(long, value_name = "ROLES", value_delimiter = ',', env = "VIDPASS_ROLES", hide_env_values = true)]
    pub(crate) roles: Option<Vec<Role>>,
    /// Address and port for API callers and viewers
    #[arg(long, value_name = "ADDR:PORT", env = "VIDPASS_LISTEN", hide_env_values = true)]
    pub(crate) listen: Option<String>,
    /// Address and port for /metrics, or `off`
    #[arg(long, value_name = "ADDR:PORT", env = "VIDPASS_ADMIN_LISTEN", hide_env_values = true)]
    pub(crate) admin_listen: Option<String>,
    /// How clients reach this server, such as `https://video.example.com`
    #[arg(long, value_name = "URL", env = "VIDPASS_PUBLIC_URL", hide_env_values = true)]
    pub(crate) public_url: Option<String>,
    /// Folder with the videos: DIR/ACCOUNT_ID/UID/manifest/video.m3u8 and so on
    #[arg(long, value_name = "DIR", env = "VIDPASS_MEDIA", hide_env_values = true)]
    pub(crate) media: Option<PathBuf>,
    /// How a line of the log looks
    #[arg(long, value_name = "FORMAT", env = "VIDPASS_LOG_FORMAT", hide_env_values = true)]
    pub(crate) log_format: Option<LogFormat>,
    /// Least important line to log: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", env = "VIDPASS_LOG_LEVEL", hide_env_values = true)]
    pub(crate) log_level: Option<String>,
}

impl Place {
    /// The configuration file that is named, or [`DEFAULT_FILE`] where there is one.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        self.config.clone().or_else(|| Path::new(DEFAULT_FILE).exists().then(|| DEFAULT_FILE.into()))
    }
}

impl From<Place> for Overrides {
    fn from(place: Place) -> Self {
        Self { place, ..Self::default() }
    }
}
