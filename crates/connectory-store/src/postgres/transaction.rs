//! A transaction that changes access.

use tokio_postgres::Row;

use super::connection::Lock;
use super::limits::{BEGIN, QUERY};
use super::pool::Lease;
use super::schema;
use super::value::Value;
use crate::error::Result;

/// A transaction. If it is dropped before its end, its connection is closed.
pub(super) struct Transaction(Lease);

impl Transaction {
    pub async fn begin(lease: Lease, lock: Lock) -> Result<Self> {
        lease.begin(lock, BEGIN).await?;
        Ok(Self(lease))
    }

    pub async fn begin_without_lock(lease: Lease) -> Result<Self> {
        lease.begin_without_lock(BEGIN).await?;
        Ok(Self(lease))
    }

    /// Ends without a change.
    pub async fn roll_back(self) {
        self.0.roll_back().await;
    }

    /// Takes one more lock.
    pub async fn lock(&self, lock: Lock) -> Result<()> {
        Ok(self.0.run(&lock.statement(), BEGIN).await?)
    }

    /// Refuses a database that has a part of another one only.
    pub async fn expect_whole(&self) -> Result<()> {
        schema::expect_whole(&self.0, &self.0.database()).await
    }

    pub async fn query(&self, sql: &str, values: &[&dyn Value]) -> Result<Vec<Row>> {
        Ok(self.0.query(sql, values, QUERY).await?)
    }

    pub async fn query_one(&self, sql: &str, values: &[&dyn Value]) -> Result<Option<Row>> {
        Ok(self.query(sql, values).await?.pop())
    }

    /// Commits what a change wrote, or rolls it back if it was refused.
    pub async fn end<T>(self, changed: Result<T>) -> Result<T> {
        let changed = match changed {
            Ok(changed) => changed,
            Err(error) => {
                self.0.roll_back().await;
                return Err(error);
            }
        };
        self.0.commit().await.map_err(|failed| failed.of_commit())?;
        Ok(changed)
    }
}
