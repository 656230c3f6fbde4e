//! `Idempotency-Key`: the same request twice is one request, and has one answer.
//!
//! A handler takes an [`IdempotencyKey`], and in its transaction asks whether the request was [`Asked::answered`] before it does
//! anything, and lets its answer be kept ([`Asked::keep`]) before it commits. So an answer is kept if and only if what it speaks of
//! took place, and a process that dies after the commit leaves an answer to be found. Of two requests with one key at once, the
//! second waits for the first.
//!
//! Invariant: an answer that holds a secret is not kept; that it was given is.

use db::idempotency::{self, Owner};
use evidence::time::Time;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaParamIn, MetaSchemaRef, Registry};
use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;

use super::page::parameter;
use crate::auth::{OrgScope, PlatformAdmin, Right};
use crate::errors::{Error, Input, Result};

const NAME: &str = "Idempotency-Key";
const BYTES_MAX: usize = 255;

/// The caller's key, if there is one, and the address that it came to.
pub(crate) struct IdempotencyKey {
    key: Option<String>,
    /// Path and query: the same key for another thing is a mistake.
    address: String,
}

/// What can be given again.
pub(crate) trait Answer: ToJSON + ParseFromJSON {
    /// Whether it holds a secret that nobody may read twice.
    const IS_SHOWN_ONCE: bool = false;

    /// The HTTP status that it goes with.
    fn status(&self) -> u16;
}

/// Who may ask.
pub(crate) trait Asker {
    /// Whose keys the caller uses.
    fn owner(&self) -> Owner;
    /// The caller, as the audit log names them.
    fn who(&self) -> String;
    fn now(&self) -> Time;
}

impl<R: Right> Asker for OrgScope<R> {
    fn owner(&self) -> Owner {
        Owner::Org(self.org.id)
    }

    fn who(&self) -> String {
        let actor = self.caller.actor();
        format!("{}:{}", actor.kind, actor.id)
    }

    fn now(&self) -> Time {
        self.context.now
    }
}

impl Asker for PlatformAdmin {
    fn owner(&self) -> Owner {
        Owner::Platform
    }

    fn who(&self) -> String {
        format!("operator:{}", self.id())
    }

    fn now(&self) -> Time {
        self.context.now
    }
}

/// A request that may come twice.
pub(crate) struct Asked {
    owner: Owner,
    key: Option<String>,
    /// What the lock is called; without a key, and without need for a lock, `None`.
    lock: Option<String>,
    hash: [u8; 32],
    now: Time,
}

impl IdempotencyKey {
    /// The key of a form that may be sent twice; `address`: where it is sent to.
    pub(crate) fn of_form(key: String, address: &str) -> Result<Self> {
        if is_plain(&key) {
            Ok(Self { key: Some(key), address: address.to_owned() })
        } else {
            Err(parameter("the form's key is not its own; load the page again"))
        }
    }

    /// No key, of a form that changes nothing.
    pub(crate) fn absent() -> Self {
        Self { key: None, address: String::new() }
    }

    /// What `asker` asks for: `body` tells it from other requests to the same address.
    pub(crate) fn asked(self, asker: &impl Asker, body: &str) -> Asked {
        let Self { key, address } = self;
        let mut hash = Sha256::new();
        for part in [&asker.who(), &address, body] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        let lock = key.clone();
        Asked { owner: asker.owner(), key, lock, hash: hash.finalize().into(), now: asker.now() }
    }
}

impl Asked {
    /// Locks `name` where there is no key: a later look tells when the transaction is over.
    pub(crate) fn or_lock(mut self, name: &str) -> Self {
        self.lock.get_or_insert_with(|| name.to_owned());
        self
    }

    pub(crate) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The answer of the first time, if this is not the first time. Nothing was done yet in the transaction of `conn`.
    pub(crate) async fn answered<T: Answer>(&self, conn: &mut PgConnection) -> Result<Option<T>> {
        let Some(lock) = &self.lock else { return Ok(None) };
        let kept = idempotency::find(conn, self.owner, lock, self.now).await?;
        let Some(kept) = kept else { return Ok(None) };
        if kept.request_hash != self.hash {
            return Err(Input::IdempotencyKeyReused.into());
        }
        let body = kept.body.ok_or(Input::AnswerShownOnce)?;
        let answer = T::parse_from_json_string(&body).map_err(|error| {
            Error::internal(format!("a kept answer cannot be read: {}", error.into_message()))
        })?;
        Ok(Some(answer))
    }

    /// Keeps the answer, in the transaction of what it speaks of.
    pub(crate) async fn keep<T: Answer>(&self, conn: &mut PgConnection, answer: &T) -> Result<()> {
        let Some(key) = &self.key else { return Ok(()) };
        let kept = idempotency::Answer {
            request_hash: self.hash,
            status: i32::from(answer.status()),
            body: (!T::IS_SHOWN_ONCE).then(|| answer.to_json_string()),
        };
        Ok(idempotency::store(conn, self.owner, key, &kept, self.now).await?)
    }

    /// Waits until whoever holds the lock has ended.
    pub(crate) async fn wait(&self, conn: &mut PgConnection) -> Result<()> {
        if let Some(lock) = &self.lock {
            idempotency::find(conn, self.owner, lock, self.now).await?;
        }
        Ok(())
    }
}

impl<'a> ApiExtractor<'a> for IdempotencyKey {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
    const PARAM_IS_REQUIRED: bool = false;
    type ParamType = Option<String>;
    type ParamRawType = String;

    fn register(registry: &mut Registry) {
        <String as Type>::register(registry);
    }

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Header)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(String::schema_ref())
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<Option<String>>,
    ) -> poem::Result<Self> {
        let key = request.headers().get(NAME).map(|value| value.to_str().map(str::to_owned));
        let key = match key {
            None => None,
            Some(Ok(key)) if is_plain(&key) => Some(key),
            Some(_) => {
                let fault = "`Idempotency-Key` must be 1 to 255 printable ASCII characters";
                return Err(parameter(fault).into());
            }
        };
        let address = request.original_uri().path_and_query().map(ToString::to_string);
        Ok(Self { key, address: address.unwrap_or_default() })
    }
}

fn is_plain(key: &str) -> bool {
    (1..=BYTES_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
impl Asked {
    /// A request of nobody in particular.
    pub(crate) fn of_org(org: evidence::ids::OrgId, key: &str, body: &str) -> Self {
        let key = Some(key.to_owned());
        let now = engine::Clock::System.now();
        let hash = Sha256::digest(body).into();
        Self { owner: Owner::Org(org), lock: key.clone(), key, hash, now }
    }
}
