//! Reading a part of a body that nobody needs.

use axum::body::{Body, BodyDataStream};
use connectory_model::limits::{DRAIN_PAUSE, DRAIN_TIMEOUT, DRAINED_BYTES};
use futures_util::StreamExt;

/// Reads a body up to a limit and drops it.
pub async fn drain(body: Body) {
    drain_stream(&mut body.into_data_stream()).await;
}

/// Reads a rest of a body up to a limit and drops it.
pub async fn drain_stream(stream: &mut BodyDataStream) {
    let mut left = DRAINED_BYTES;
    let reading = async {
        // A client that pauses has probably sent everything and waits for the response.
        while let Ok(Some(Ok(chunk))) = tokio::time::timeout(DRAIN_PAUSE, stream.next()).await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                break;
            }
        }
    };
    // If the time is over, the connection handles the rest.
    let _late = tokio::time::timeout(DRAIN_TIMEOUT, reading).await;
}
