//! Changing a connector: read it, make the next revision, commit it if nobody else did meanwhile, and start over
//! otherwise.

use std::sync::Arc;

use connectory_model::{Connector, ScriptName};
use connectory_store::{Change, Edit, Refusal};

use crate::app::App;
use crate::auth::Caller;
use crate::catalog::{Entry, Source};
use crate::error::ApiError;

/// What came of a change.
pub enum Edited {
    /// The connector, and where it is now.
    Changed(Source, Arc<Connector>),
    /// There was nothing to change; it is still there.
    Unchanged(Source),
}

/// The next revision, and the members or files that it changes.
pub type Next = (Connector, Vec<String>);

/// The entry of a connector that the caller's tenant has.
pub fn find(caller: &Caller, script_name: &ScriptName) -> Result<Arc<Entry>, ApiError> {
    caller.tenant().entry(script_name).ok_or_else(|| ApiError::no_connector(script_name.as_str()))
}

/// The same, if it can be changed.
pub fn find_custom(caller: &Caller, script_name: &ScriptName) -> Result<Arc<Entry>, ApiError> {
    let entry = find(caller, script_name)?;
    match entry.source {
        Source::Stored(_) => Ok(entry),
        Source::BuiltIn(_) => Err(ApiError::bad_request(format!(
            "`{script_name}` is a built-in connector, which cannot be changed or deleted; create a custom connector"
        ))),
    }
}

/// What a change is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The connector as it is then, which has to be possible before it is changed.
    Detail,
    /// Something short.
    Short,
    /// The same, to a change that makes the connector what it was at an earlier revision.
    ShortToRestore,
}

/// Makes the next revision with `next` and commits it; `next` returns none where nothing changes. It brings so many bytes
/// along, and is answered so.
pub async fn edit<F>(
    app: &App,
    caller: &Caller,
    script_name: &ScriptName,
    (bytes, answer): (usize, Answer),
    next: F,
) -> Result<Edited, ApiError>
where
    F: Fn(&Connector) -> Result<Option<Next>, ApiError> + Send + Sync + 'static,
{
    let next = Arc::new(next);
    loop {
        let entry = find_custom(caller, script_name)?;
        let connector = app.catalog.connector(entry.source).await?;
        let size = connector.size() + bytes;
        if answer == Answer::Detail {
            app.catalog.reserve_detail(size)?;
        }
        let Source::Stored(read) = entry.source else { return Ok(Edited::Unchanged(entry.source)) };
        let holders = app.catalog.holders(read, &connector).await?;
        let made = {
            let next = Arc::clone(&next);
            let max_connector = app.options.max_connector;
            // What is written is made here, too: of a large connector it takes as long as the change.
            let make = move |_: &_| -> Result<Option<Edit>, ApiError> {
                let Some((changed, parts)) = next(&connector)? else { return Ok(None) };
                changed.check_growth(&connector, max_connector).map_err(|error| ApiError::out_of_bounds(&error))?;
                let change = Change::Update { expected: read.number };
                Ok(Some(Edit::new(change, Arc::new(changed), &parts, Some((&connector, &holders)))))
            };
            app.work.run(size, make).await??
        };
        let Some(edit) = made else { return Ok(Edited::Unchanged(entry.source)) };
        let edit = if answer == Answer::ShortToRestore { edit.restoring() } else { edit };
        let changed = Arc::clone(edit.connector());
        match app.catalog.commit(caller.tenant(), edit, caller.origin()).await {
            Ok(source) => return Ok(Edited::Changed(source, changed)),
            // Someone was faster. Their change is published by now, so every round builds on a newer revision.
            Err(Refusal::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Deletes a connector, whatever it is by then.
pub async fn delete(app: &App, caller: &Caller, script_name: &ScriptName) -> Result<(), ApiError> {
    loop {
        let entry = find_custom(caller, script_name)?;
        let connector = app.catalog.connector(entry.source).await?;
        let size = connector.size();
        let Source::Stored(read) = entry.source else { continue };
        let holders = app.catalog.holders(read, &connector).await?;
        let make = move |_: &_| {
            let deleted = Arc::clone(&connector);
            Edit::new(Change::Delete { expected: read.number }, deleted, &[], Some((&connector, &holders)))
        };
        let edit = app.work.run(size, make).await?;
        match app.catalog.commit(caller.tenant(), edit, caller.origin()).await {
            Ok(_) => return Ok(()),
            Err(Refusal::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
