//! Names for the opaque ids that history and the audit log hold: as they are known today, to members of the organisation.

use std::collections::HashMap;

use evidence::ids::OrgId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::errors::Result;

/// Beyond so many, ids are shown as they are.
const KNOWN_MAX: u32 = 500;

/// Members and API keys by id.
#[derive(Default)]
pub(super) struct People(HashMap<Uuid, String>);

impl People {
    pub(super) async fn of(conn: &mut PgConnection, org: OrgId) -> Result<Self> {
        let slice = db::Slice { limit: KNOWN_MAX, offset: 0 };
        let members = db::members::page(conn, org, slice).await?;
        let keys = db::api_keys::page(conn, org, slice).await?;
        let members = members.rows.into_iter().filter_map(|m| Some((m.user_id.0, m.email?)));
        let keys = keys.rows.into_iter().map(|key| (key.id.0, format!("API key “{}”", key.name)));
        Ok(Self(members.chain(keys).collect()))
    }

    /// Who did it, in words.
    pub(super) fn name(&self, kind: &str, id: &str) -> String {
        let known = id.parse().ok().and_then(|id: Uuid| self.0.get(&id));
        match (known, kind) {
            (Some(name), _) => name.clone(),
            (None, "system") => format!("driftpack ({id})"),
            (None, "user") => format!("person {id}"),
            (None, "operator") => format!("operator {id}"),
            (None, _) => format!("{kind} {id}"),
        }
    }
}
