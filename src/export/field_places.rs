//! Where the fields of a row are in a file.

use crate::error::Error;

/// What can be read from a file.
pub(super) struct Fields {
    /// What the rows are.
    pub rows: &'static str,
    /// The names of the fields, in the order in which they are written.
    pub names: &'static [&'static str],
    /// Those that every row has.
    pub required: &'static [&'static str],
}

/// Where each field is.
pub(super) struct Places {
    fields: &'static Fields,
    /// In the order of the names.
    places: Vec<Option<usize>>,
}

impl Places {
    pub(super) fn new<'a>(fields: &'static Fields, found: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let mut places = vec![None; fields.names.len()];
        let mut names = Vec::new();
        for (place, name) in found.into_iter().enumerate() {
            match fields.names.iter().position(|known| *known == name).and_then(|known| places.get_mut(known)) {
                Some(field) => *field = Some(place),
                None => {
                    let (rows, known) = (fields.rows, fields.names.join(", "));
                    return Err(Error::UnknownField { rows, field: name.to_owned(), known });
                }
            }
            names.push(name);
        }
        let places = Self { fields, places };
        match fields.required.iter().find(|field| places.of(field).is_none()) {
            Some(field) => Err(Error::NoField { field, found: names.join(", ") }),
            None => Ok(places),
        }
    }

    pub(super) fn of(&self, field: &str) -> Option<usize> {
        let known = self.fields.names.iter().position(|known| *known == field)?;
        self.places.get(known).copied().flatten()
    }
}
