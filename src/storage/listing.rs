//! What lies in storage, for those who clean up.
//!
//! Listing tells what is there, never what it is worth: whether a run has ended or a pack is still wanted is a question to the database.

use futures_util::{Stream, StreamExt as _, TryStreamExt as _, future};
use uuid::Uuid;

use crate::{Error, Key, Operation, Storage, keys};

/// A published pack as storage sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    pub org: Uuid,
    pub export: Uuid,
    pub key: Key,
}

impl Storage {
    /// The runs that have something staged, in no order. Folders that are not ours are passed over.
    pub async fn staged_runs(
        &self,
    ) -> Result<impl Stream<Item = Result<Uuid, Error>> + Send + Unpin + use<>, Error> {
        let paths = self.list(keys::staging_root(), false).await?;
        Ok(paths.try_filter_map(|path| future::ok(keys::run_of(&path))))
    }

    /// The published packs, in no order.
    pub async fn artifacts(
        &self,
    ) -> Result<impl Stream<Item = Result<Artifact, Error>> + Send + Unpin + use<>, Error> {
        let paths = self.list(keys::artifacts_root(), true).await?;
        Ok(paths.try_filter_map(|path| {
            let artifact = path.parse::<Key>().ok().and_then(|key| {
                let (org, export) = keys::export_of(&key)?;
                Some(Artifact { org, export, key })
            });
            future::ok(artifact)
        }))
    }

    async fn list(
        &self,
        prefix: &'static str,
        recursive: bool,
    ) -> Result<impl Stream<Item = Result<String, Error>> + Send + Unpin + use<>, Error> {
        let place = self.place.clone();
        let error = move |e| Error::new(Operation::List, prefix.to_owned(), &place, e);
        let lister = self.operator.lister_with(prefix).recursive(recursive).await;
        let lister = lister.map_err(&error)?;
        Ok(lister.map(move |entry| entry.map(|entry| entry.path().to_owned()).map_err(&error)))
    }
}
