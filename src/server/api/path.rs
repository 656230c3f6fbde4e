//! The id of a thing in a path.

use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaParamIn, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use uuid::Uuid;

use crate::errors::{Denied, Error};

/// An id from the path. A text that is no id names nothing: 404, as for an id of nobody.
///
/// poem-openapi numbers the parameters of a path: `N` is 1 for a thing inside an organisation.
pub(crate) struct Id<const N: u8 = 1>(pub(crate) Uuid);

impl<'a, const N: u8> ApiExtractor<'a> for Id<N> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
    const PARAM_IS_REQUIRED: bool = true;
    type ParamType = Uuid;
    type ParamRawType = Uuid;

    fn register(registry: &mut Registry) {
        Uuid::register(registry);
    }

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Path)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(Uuid::schema_ref())
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<Uuid>,
    ) -> poem::Result<Self> {
        let id = request.raw_path_param(&format!("param{N}")).and_then(|text| text.parse().ok());
        Ok(id.map(Self).ok_or_else(|| Error::from(Denied::NotFound("thing")))?)
    }
}
