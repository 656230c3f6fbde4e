//! How soon a finding of each risk level should be closed.
//!
//! The clock starts at the scan that first saw the drift (`open_since`), not at the change itself,
//! which nobody saw; the true start lies between the last clean scan and that one.

use crate::risk::RiskLevel;

/// The targets in hours: a day, three days, a week, 30 days. They are part of the product's version, the same for every
/// organisation and period; a pack says so, beside the version.
pub const fn target_hours(level: RiskLevel) -> u32 {
    match level {
        RiskLevel::Critical => 24,
        RiskLevel::High => 72,
        RiskLevel::Medium => 168,
        RiskLevel::Low => 720,
    }
}
