//! Values that are serialized already, as PostgreSQL reads them: arrays in binary format, and single values.

use std::io::Write;

use diesel::pg::Pg;
use diesel::serialize::{IsNull, Output, Result, ToSql};
use diesel::sql_types::{Array, HasSqlType};

/// The name of a type that is looked up when the statement runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TypeName {
    pub(super) name: String,
    pub(super) schema: Option<String>,
}

/// How a column is bound.
#[derive(Debug)]
pub(super) enum Binding<'b> {
    /// As an array of its type.
    Array(&'b ArrayBody),
    /// Its type is an array: the elements of all of its values.
    Elements(&'b Elements),
    /// One value.
    Single(&'b Single),
}

/// An array without its header, which has the OID of the element type.
#[derive(Debug, Clone, Default)]
pub(super) struct ArrayBody {
    len: i32,
    body: Vec<u8>,
}

impl ArrayBody {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { len: 0, body: Vec::with_capacity(bytes) }
    }

    pub(super) fn of<'a>(values: impl Iterator<Item = Option<&'a [u8]>>, bytes: usize) -> Self {
        let mut array = Self::with_capacity(bytes);
        values.for_each(|value| array.push(value));
        array
    }

    #[inline]
    pub(super) fn push(&mut self, value: Option<&[u8]>) {
        self.len += 1;
        match value {
            Some(value) => {
                // A value of more than 1 GiB is more than PostgreSQL takes; it refuses the length.
                let len = i32::try_from(value.len()).unwrap_or(i32::MAX);
                self.body.extend_from_slice(&len.to_be_bytes());
                self.body.extend_from_slice(value);
            }
            None => self.body.extend_from_slice(&(-1_i32).to_be_bytes()),
        }
    }

    /// Appends elements that are in the format of an array's body already.
    pub(super) fn extend(&mut self, len: i32, body: &[u8]) {
        self.len += len;
        self.body.extend_from_slice(body);
    }

    pub(super) fn len(&self) -> i32 {
        self.len
    }

    fn write(&self, element: u32, out: &mut Output<'_, '_, Pg>) -> Result {
        // Dimensions, whether there are nulls (which PostgreSQL does not read), element type, length, lower bound.
        let mut header = [0; 20];
        header[8..12].copy_from_slice(&element.to_be_bytes());
        if self.len == 0 {
            out.write_all(&header[..12])?;
            return Ok(IsNull::No);
        }
        header[3] = 1;
        header[12..16].copy_from_slice(&self.len.to_be_bytes());
        header[19] = 1;
        out.write_all(&header)?;
        out.write_all(&self.body)?;
        Ok(IsNull::No)
    }
}

impl<ST> ToSql<Array<ST>, Pg> for ArrayBody
where
    Pg: HasSqlType<ST>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> Result {
        let element = <Pg as HasSqlType<ST>>::metadata(out.metadata_lookup()).oid()?;
        self.write(element, out)
    }
}

/// The elements of all arrays of a column, as one array of the column's type.
#[derive(Debug, Clone, Default)]
pub(super) struct Elements {
    pub(super) oid: u32,
    pub(super) custom: Option<TypeName>,
    pub(super) array: ArrayBody,
}

impl<ST> ToSql<ST, Pg> for Elements {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> Result {
        let element = match &self.custom {
            Some(custom) => out.metadata_lookup().lookup_type(&custom.name, custom.schema.as_deref()).oid()?,
            None => self.oid,
        };
        self.array.write(element, out)
    }
}

/// One value.
#[derive(Debug, Clone, Default)]
pub(super) struct Single(pub(super) Option<Vec<u8>>);

impl<ST> ToSql<ST, Pg> for Single {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> Result {
        match &self.0 {
            Some(bytes) => {
                out.write_all(bytes)?;
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        }
    }
}
