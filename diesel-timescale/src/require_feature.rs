//! A feature that the server must have.

use crate::error::Error;
use crate::feature::Feature;
use crate::server::Server;

impl Server {
    /// Makes sure that the server has a feature.
    ///
    /// # Errors
    /// [`Error::Unsupported`], which names the feature, what was found and what is needed.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/doctest_setup.rs"));
    /// use diesel_timescale::{Feature, Server};
    ///
    /// # fn main() { run(|conn| {
    /// let server = Server::query().call(conn)?;
    /// if let Err(unsupported) = server.require(Feature::Columnstore) {
    ///     println!("{unsupported}");
    /// }
    /// # Ok(()) }) }
    /// ```
    pub fn require(&self, feature: Feature) -> Result<(), Error> {
        if self.has(feature) {
            Ok(())
        } else {
            Err(Error::Unsupported {
                feature,
                message: format!("the server has no {feature}: found {self}, needed {}", feature.needs()),
                remedy: "Run a server that has it.".to_owned(),
            })
        }
    }
}
