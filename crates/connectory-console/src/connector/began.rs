//! What a form began with, as it sends it. If someone else changed the connector meanwhile, only what differs from it is put over
//! what is stored by then, so that nobody takes back what they did not change.

use connectory_model::limits::METADATA_CHARS;
use maud::{Markup, html};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::frame::error::PageError;
use crate::frame::form::PostedForm;

/// The most characters that it has as JSON: more than any text of a form.
const CHARS: usize = 8 * METADATA_CHARS;

/// What a form began with, as JSON.
pub fn json(began: &impl Serialize) -> String {
    serde_json::to_string(began).unwrap_or_default()
}

/// The field that sends it.
pub fn field(json: &str) -> Markup {
    html! { input type="hidden" name="began" value=(json); }
}

/// What a form began with. None if it does not say so.
pub fn sent<T: DeserializeOwned>(form: &PostedForm) -> Result<Option<T>, PageError> {
    Ok(serde_json::from_str(form.get_up_to("began", CHARS)?).ok())
}

/// What was typed in a field, if it differs from what its form began with, and else what is stored.
pub fn over<T: PartialEq + Clone>(typed: T, began: &T, stored: &T) -> T {
    if typed == *began { stored.clone() } else { typed }
}
