//! A server's connection that begins before its handshake is complete, if the client's early data is accepted (RFC 9001
//! section 4.6).

use quinn::{Connecting, Connection, ConnectionError};

use super::agreed::Agreed;
use crate::carriers::early_session::Confirmation;

/// A connection that may carry requests.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) connection: Connection,
    /// The state of the handshake, if the connection began with early data; `None` if the handshake was complete
    /// before.
    pub(super) confirmation: Option<Confirmation>,
}

/// Waits for the end of the handshake or, if `takes_early_data`, until early data is accepted.
///
/// # Errors
/// Fails if the handshake fails before.
pub(super) async fn open(
    mut connecting: Connecting,
    takes_early_data: bool,
) -> Result<Opened, ConnectionError> {
    if takes_early_data && has_early_data(&mut connecting).await? {
        match connecting.into_0rtt() {
            Ok((connection, completion)) => {
                let confirmation = Confirmation::default();
                let confirmed = confirmation.clone();
                tokio::spawn(async move {
                    if completion.await {
                        confirmed.confirm();
                    }
                });
                return Ok(Opened { connection, confirmation: Some(confirmation) });
            }
            Err(unchanged) => connecting = unchanged,
        }
    }
    Ok(Opened { connection: connecting.await?, confirmation: None })
}

/// Waits for the ClientHello, and returns whether early data follows it and is accepted.
async fn has_early_data(connecting: &mut Connecting) -> Result<bool, ConnectionError> {
    let agreed = connecting.handshake_data().await?.downcast::<Agreed>();
    Ok(agreed.is_ok_and(|agreed| agreed.takes_early_data))
}
