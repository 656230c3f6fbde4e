//! A bucket of the GCS emulator that `./dev test` starts.

use crate::line::{Line, client};

/// The way to the emulator, and a bucket that nobody else uses.
pub struct Gcs {
    pub line: Line,
    bucket: String,
}

impl Gcs {
    /// Makes the bucket `bucket` in the emulator at `url`.
    ///
    /// # Panics
    /// When the emulator does not answer.
    pub async fn start(url: &str, bucket: &str) -> Self {
        let made = client()
            .post(format!("{url}/storage/v1/b?project=test"))
            .header("content-type", "application/json")
            .body(format!("{{\"name\":\"{bucket}\"}}"))
            .send()
            .await
            .expect("the GCS emulator answers");
        assert!(made.status().is_success(), "{made:?}");
        Self { line: Line::to(url), bucket: bucket.to_owned() }
    }

    pub fn bucket(&self) -> &str {
        &self.bucket
    }
}
