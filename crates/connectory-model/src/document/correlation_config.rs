//! The correlation config: the rules by which accounts find their identity.

use serde::{Deserialize, Serialize};

use super::error::{DocumentError, expect_root};
use super::kind::DocumentKind;
use super::text::DocumentText;
use super::xml;

/// A checked correlation config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CorrelationConfig(pub(super) DocumentText);

impl CorrelationConfig {
    /// Checks a correlation config.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let (document, text) = DocumentText::read(bytes)?;
        expect_root(&xml::parse(&text)?, DocumentKind::CorrelationConfig)?;
        Ok(Self(document))
    }
}
