//! What can go wrong in a request.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use diesel_async::pooled_connection::bb8::RunError;
use occupancy_models::bulk::BulkError;
use serde_json::json;

/// What can go wrong in a request. Answers are JSON: `{"error": "..."}`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// 400: the request is not understood; says what to do.
    #[error("{0}")]
    BadRequest(String),
    /// 503: no connection to the database became free in time.
    #[error("no connection to the database: {0}")]
    Pool(#[from] RunError),
    /// 400 for a row that the database would refuse, else 500.
    #[error(transparent)]
    OccupancyModels(#[from] occupancy_models::Error),
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        Self::OccupancyModels(error.into())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, message) = match &self {
            Self::BadRequest(_) | Self::OccupancyModels(occupancy_models::Error::Bulk(BulkError::InvalidRows(_))) => {
                (StatusCode::BAD_REQUEST, self.to_string())
            }
            // The rest is for the log and not for whoever asks.
            Self::Pool(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database is busy, try again".to_owned()),
            Self::OccupancyModels(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the database reports an error".to_owned()),
        };
        if !status.is_client_error() {
            eprintln!("{self}");
        }
        (status, Json(json!({ "error": message }))).into_response()
    }
}
