//! The authors that are looked for, as texts that the database compares.

use std::collections::HashSet;
use std::sync::Arc;

use super::pool::Pool;
use super::value::{Value, column, plain, text};
use crate::error::Result;
use crate::find::Who;

/// The ids and names for those who are looked for. `looked` selects the authors of the rows that are looked at, an id and a
/// name each.
pub(super) async fn texts_of(
    pool: &Arc<Pool>,
    who: Option<&Who>,
    looked: &str,
    values: &[&dyn Value],
) -> Result<Option<Vec<String>>> {
    let Some(who) = who else { return Ok(None) };
    let mut found = HashSet::new();
    if let Who::Containing(_) = who {
        for row in pool.query(&format!("SELECT DISTINCT * FROM ({looked}) AS looked"), values).await? {
            let texts: [Option<String>; 2] = [column(&row, 0)?, column(&row, 1)?];
            found.extend(texts.into_iter().flatten().map(plain));
        }
    }
    Ok(Some(who.texts(found).iter().map(|wanted| text(wanted).into_owned()).collect()))
}
