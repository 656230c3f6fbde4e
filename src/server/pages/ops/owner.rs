//! Whose runs are: the key of a run is the id of an organisation, where it is one's.

use std::collections::HashMap;

use db::orgs::Org;
use evidence::ids::OrgId;

use crate::errors::Result;
use crate::state::State;

/// The organisations behind the keys of a page.
#[derive(Default)]
pub(super) struct Owners(HashMap<OrgId, Org>);

impl Owners {
    pub(super) async fn of<'k>(
        state: &State,
        keys: impl IntoIterator<Item = &'k str>,
    ) -> Result<Self> {
        let mut ids: Vec<OrgId> = keys.into_iter().filter_map(|key| key.parse().ok()).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(Self::default());
        }
        let mut conn = state.pool.acquire().await?;
        let orgs = db::orgs::find_all(&mut conn, &ids).await?;
        Ok(Self(orgs.into_iter().map(|org| (org.id, org)).collect()))
    }

    /// The organisation of a key.
    pub(super) fn find(&self, key: &str) -> Option<&Org> {
        self.0.get(&key.parse().ok()?)
    }

    /// The name of the organisation, or the key as it is.
    pub(super) fn name<'a>(&'a self, key: &'a str) -> &'a str {
        self.find(key).map_or(key, |org| org.name.as_str())
    }
}
