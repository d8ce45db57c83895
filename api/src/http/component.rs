//! The parts of the service, as requests find them.

use actix_web::{HttpRequest, web};

use crate::http::problem::ApiError;

/// A part of the service.
///
/// # Errors
/// 500 if this address has none.
pub(crate) fn component<T: ?Sized + 'static>(request: &HttpRequest) -> Result<&web::Data<T>, ApiError> {
    request.app_data().ok_or(ApiError::Internal)
}
