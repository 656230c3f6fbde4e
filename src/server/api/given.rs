//! Members of a body that may be left out.

use poem_openapi::types::MaybeUndefined;

use crate::errors::{Input, Result};

/// What a member says, or `None` where it is left out. `null` is neither, and refused: the document does not allow it.
pub(crate) fn given<T>(name: &str, member: MaybeUndefined<T>) -> Result<Option<T>> {
    match member {
        MaybeUndefined::Undefined => Ok(None),
        MaybeUndefined::Value(value) => Ok(Some(value)),
        MaybeUndefined::Null => {
            let message = format!("`{name}` cannot be null; leave it out to have it as it is");
            Err(Input::InvalidBody(message).into())
        }
    }
}

/// As [`given`], where `null` says that there is none.
#[expect(clippy::option_option, reason = "no value and no word about it are two things")]
pub(crate) fn cleared<T>(member: MaybeUndefined<T>) -> Option<Option<T>> {
    match member {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_not_the_same_as_nothing() {
        assert!(given::<u8>("name", MaybeUndefined::Null).is_err());
        assert_eq!(given::<u8>("name", MaybeUndefined::Undefined).unwrap(), None);
        assert_eq!(given("name", MaybeUndefined::Value(1)).unwrap(), Some(1));
        assert_eq!(cleared::<u8>(MaybeUndefined::Undefined), None);
        assert_eq!(cleared::<u8>(MaybeUndefined::Null), Some(None));
        assert_eq!(cleared(MaybeUndefined::Value(1)), Some(Some(1)));
    }
}
