//! The address of a database.

use std::fmt;
use std::pin::Pin;

use futures_util::Stream;
use futures_util::stream::poll_fn;
use tokio_postgres::{AsyncMessage, Client, Config, Error, NoTls};

/// The messages of a connection that answer no statement. The connection works while they are read.
pub(super) type Messages = Pin<Box<dyn Stream<Item = Result<AsyncMessage, Error>> + Send>>;

/// An address of a database.
#[derive(Clone)]
pub struct Address(Config);

impl Address {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, Error> {
        text.parse().map(Self)
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<(Client, Messages), Error> {
        let (client, mut connection) = self.0.connect(NoTls).await?;
        Ok((client, Box::pin(poll_fn(move |context| connection.poll_message(context)))))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://{}", self.0.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
