//! Access to a server: tokens, the names of the server, and web pages of other origins.

mod authority;
mod cors;
mod gate;
mod origin;
mod token;

pub use authority::{HostName, InvalidHost};
pub(crate) use cors::preflight;
pub(crate) use gate::{Admitted, Gate};
pub use origin::{InvalidOrigin, Origins};
pub use token::{InvalidToken, Token};

/// The rules by which a server admits requests. The default admits programs of this machine, which reach it by an IP
/// address or as `localhost`, and no web page of another origin.
///
/// ```
/// use longhaul_serve::{Options, Token};
///
/// let mut options = Options::default();
/// options.access.token = Some(Token::new("correct-horse")?);
/// options.access.hosts.push("files.example.org".parse()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Access {
    /// The token that every request must carry, except requests for the server's health. `None` requires no token.
    pub token: Option<Token>,
    /// True if the server may run without a token although other machines can reach it.
    pub open: bool,
    /// The names of the server, besides IP addresses, `localhost` and the names in its certificate. A request for another
    /// name is refused: a web page may have made its own name resolve to this server (DNS rebinding).
    pub hosts: Vec<HostName>,
    /// The origins whose web pages may use the server.
    pub origins: Origins,
    /// True if saved files can be uploaded but not downloaded.
    pub upload_only: bool,
    /// True if an upload may not replace a file.
    pub no_overwrite: bool,
}
