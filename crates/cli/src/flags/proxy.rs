//! The flags of the proxy through which a client reaches servers, with curl's names.

use clap::Args;
use client::{Credentials, Proxy, Target};

use crate::exit::Usage;

#[derive(Debug, Args)]
pub(crate) struct ProxyArgs {
    /// Connect through this HTTP proxy: HOST, with http://, USER:PASSWORD@ and :PORT optional; the default port is
    /// 1080. Variables such as http_proxy have no effect
    #[arg(short = 'x', long, value_name = "URL", conflicts_with = "unix_socket")]
    proxy: Option<String>,
    /// User and password of the proxy (Basic). Other users can see them in the list of processes
    #[arg(short = 'U', long, value_name = "USER:PASSWORD", requires = "proxy")]
    proxy_user: Option<String>,
    /// Open a tunnel (CONNECT) for h1c as well, in place of requests that the proxy forwards
    #[arg(short = 'p', long, requires = "proxy")]
    proxytunnel: bool,
}

impl ProxyArgs {
    /// Returns the proxy; `None` if servers are reached directly.
    ///
    /// # Errors
    /// Fails if the URL is not that of an HTTP proxy, or the user cannot be sent. No error message shows a secret.
    pub(crate) fn proxy(&self) -> Result<Option<Proxy>, Usage> {
        let Some(proxy) = &self.proxy else { return Ok(None) };
        let proxy: Proxy = proxy.parse().map_err(|error| Usage::new(format!("--proxy: {error}")))?;
        let credentials = self.proxy_user.as_deref().map(|user| {
            let (user, password) = user
                .split_once(':')
                .ok_or_else(|| Usage::new("--proxy-user has no password; use --proxy-user USER:PASSWORD"))?;
            Credentials::basic(user, password).map_err(|error| Usage::new(format!("--proxy-user: {error}")))
        });
        let proxy = proxy.with_credentials(credentials.transpose()?);
        Ok(Some(if self.proxytunnel { proxy.tunnelling() } else { proxy }))
    }

    /// Checks that a target can be reached through the proxy.
    ///
    /// # Errors
    /// Fails if its protocol runs over UDP.
    pub(crate) fn check(&self, target: &Target) -> Result<(), Usage> {
        let protocol = target.protocol();
        match self.proxy.is_some() && protocol.is_over_udp() {
            true => Err(Usage::new(format!(
                "{} runs over UDP, which an HTTP proxy does not carry; --proxy takes h1c, h2c, h1 and h2",
                protocol.name
            ))),
            false => Ok(()),
        }
    }
}
