//! The connectors of an answer: one odd connector costs no other.

use connectory_model::json::without_mark;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::http::Answer;
use crate::unreadable::Unreadable;

/// Reads a connector.
pub(crate) fn one<T: DeserializeOwned>(answer: &Answer) -> Result<T, Error> {
    let error = match serde_json::from_slice(without_mark(&answer.body)) {
        Ok(connector) => return Ok(connector),
        Err(error) => error,
    };
    let text = String::from_utf8_lossy(without_mark(&answer.body));
    if serde_json::from_str::<Map<String, Value>>(&text).is_ok() {
        return Err(Error::Unreadable(Box::new(Unreadable::of::<T>(&text, &error))));
    }
    answer.json()
}

/// Reads the items of an array, each on its own.
pub(crate) fn items<T: DeserializeOwned>(answer: &Answer) -> Result<(Vec<T>, Vec<Unreadable>), Error> {
    if let Ok(items) = serde_json::from_slice(without_mark(&answer.body)) {
        return Ok((items, Vec::new()));
    }
    // Bytes that are not UTF-8 are in one item, too.
    let text = String::from_utf8_lossy(without_mark(&answer.body));
    let Ok(raw) = serde_json::from_str::<Vec<&RawValue>>(&text) else {
        // Its error says what is wrong with the whole.
        return answer.json().map(|items| (items, Vec::new()));
    };
    let (mut items, mut unreadable) = (Vec::new(), Vec::new());
    for raw in raw {
        match serde_json::from_str(raw.get()) {
            Ok(item) => items.push(item),
            Err(error) => unreadable.push(Unreadable::of::<T>(raw.get(), &error)),
        }
    }
    Ok((items, unreadable))
}
