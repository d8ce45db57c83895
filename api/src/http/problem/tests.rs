use super::document::PROBLEM_JSON;
use super::*;
use actix_web::body::to_bytes;
use actix_web::{HttpResponse, ResponseError as _};

async fn body_of(response: HttpResponse) -> serde_json::Value {
    serde_json::from_slice(&to_bytes(response.into_body()).await.unwrap()).unwrap()
}

#[actix_web::test]
async fn a_validation_problem_lists_every_fault_with_its_pointer() {
    let mut faults = Faults::one(Pointer::root().field("items").index(0).field("quantity"), "must be an integer");
    faults.add(Pointer::root().field("x"), "is not a known field");
    let response = ApiError::Invalid(faults).error_response();
    assert_eq!(response.status(), 422);
    assert_eq!(response.headers().get("content-type").unwrap(), PROBLEM_JSON);
    assert_eq!(
        body_of(response).await,
        serde_json::json!({
            "type": "/problems/invalid",
            "title": "Invalid document",
            "status": 422,
            "detail": "the document has 2 faults that must be corrected",
            "errors": [
                {"pointer": "/items/0/quantity", "detail": "must be an integer"},
                {"pointer": "/x", "detail": "is not a known field"},
            ],
        })
    );
}

#[actix_web::test]
async fn a_query_problem_names_each_parameter_by_pointer_as_well() {
    let limit = ParameterFault {
        pointer: Pointer::root().field("limit"),
        parameter: "limit".to_owned(),
        detail: "must be from 1 to 500".to_owned(),
    };
    let response = ApiError::InvalidParameters(vec![limit]).error_response();
    assert_eq!(response.status(), 400);
    assert_eq!(
        body_of(response).await["errors"],
        serde_json::json!([{"pointer": "/limit", "parameter": "limit", "detail": "must be from 1 to 500"}])
    );
}

#[actix_web::test]
async fn statuses_come_with_the_headers_that_their_rfcs_ask_for() {
    let header = |error: ApiError, name: &str| {
        error.error_response().headers().get(name).map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(header(ApiError::Unauthenticated, "www-authenticate").unwrap(), "Bearer");
    assert_eq!(header(ApiError::MethodNotAllowed { allow: "GET, HEAD".into() }, "allow").unwrap(), "GET, HEAD");
    assert_eq!(header(ApiError::Unavailable(Store::Queue), "retry-after").unwrap(), "1");
    let plain = body_of(ApiError::NotFound.error_response()).await;
    assert!(plain.get("errors").is_none());
    assert_eq!(plain["status"], 404);
}
