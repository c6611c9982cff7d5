//! What is to be there, or not.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// What is to be there, or, as `false`, is not to be there.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wanted<T> {
    Present(T),
    Absent,
}

impl<T: Serialize> Serialize for Wanted<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Present(value) => value.serialize(serializer),
            Self::Absent => serializer.serialize_bool(false),
        }
    }
}

// Not `untagged`, which would lose the name of a key that is unknown.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Wanted<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MapOrFalse<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for MapOrFalse<T> {
            type Value = Wanted<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of settings, or false where there must be none")
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
                if value {
                    return Err(E::custom("true is not enough: give a table of settings"));
                }
                Ok(Wanted::Absent)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Wanted::Present)
            }
        }

        deserializer.deserialize_any(MapOrFalse(PhantomData))
    }
}
