use super::*;
use actix_web::test::TestRequest;
use actix_web::web::Data;

async fn read(request: TestRequest, body: Vec<u8>) -> Result<Bytes, ApiError> {
    let request = request.app_data(Data::new(BodyBudget::new(8 * 1024 * 1024)));
    let (request, payload) = request.set_payload(body).to_http_parts();
    read_json(&request, payload, Limits::jobs(Role::Service)).await
}

fn json() -> TestRequest {
    TestRequest::post().insert_header((header::CONTENT_TYPE, "application/json; charset=utf-8"))
}

#[actix_web::test]
async fn an_object_and_an_array_have_their_own_limits() {
    let body = |first: &str, length: usize| format!("  {first}{}", "x".repeat(length)).into_bytes();
    assert!(read(json(), body("{", 60_000)).await.is_ok());
    assert!(matches!(read(json(), body("{", 65_536)).await, Err(ApiError::TooLarge { limit_bytes: 65_536 })));
    assert!(read(json(), body("[", 1_000_000)).await.is_ok());
    assert!(matches!(read(json(), body("[", 1_048_576)).await, Err(ApiError::TooLarge { limit_bytes: 1_048_576 })));
    assert!(matches!(read(json(), vec![b' '; 65_537]).await, Err(ApiError::TooLarge { .. })));
}

#[actix_web::test]
async fn another_type_or_coding_is_refused() {
    for content_type in ["text/plain", "application/jsonx", "application/xml; q=application/json", ""] {
        let request = TestRequest::post().insert_header((header::CONTENT_TYPE, content_type));
        assert!(matches!(read(request, b"{}".to_vec()).await, Err(ApiError::UnsupportedMediaType(_))));
    }
    assert!(matches!(read(TestRequest::post(), b"{}".to_vec()).await, Err(ApiError::UnsupportedMediaType(_))));
    for coding in ["br", "gzip, gzip", "deflate", ""] {
        let request = json().insert_header((header::CONTENT_ENCODING, coding));
        assert!(matches!(read(request, b"{}".to_vec()).await, Err(ApiError::UnsupportedMediaType(_))));
    }
}

#[actix_web::test]
async fn a_merge_patch_goes_with_patch_alone() {
    let typed = |request: TestRequest| {
        request.insert_header((header::CONTENT_TYPE, "application/merge-patch+json; charset=utf-8"))
    };
    assert_eq!(read(typed(TestRequest::patch()), b"{}".to_vec()).await.unwrap(), "{}");
    let posted = read(typed(TestRequest::post()), b"{}".to_vec()).await;
    assert!(matches!(posted, Err(ApiError::UnsupportedMediaType(_))));
    let json = TestRequest::patch().insert_header((header::CONTENT_TYPE, "application/json"));
    assert_eq!(read(json, b"{}".to_vec()).await.unwrap(), "{}");
    let text = TestRequest::patch().insert_header((header::CONTENT_TYPE, "text/plain"));
    assert!(matches!(read(text, b"{}".to_vec()).await, Err(ApiError::UnsupportedMediaType(_))));
}

#[actix_web::test]
async fn a_body_that_may_be_left_out_is_none_or_as_good_as_any() {
    // Setting the payload sets its length, too.
    let read = async |request: TestRequest, body: &str| {
        let request = request.app_data(Data::new(BodyBudget::new(8 * 1024 * 1024)));
        let (request, payload) = request.set_payload(body.to_owned()).to_http_parts();
        read_optional_json(&request, payload, Limits::operation(Role::Operator)).await
    };
    assert!(read(TestRequest::post(), "").await.unwrap().is_none());
    let form = || TestRequest::post().insert_header((header::CONTENT_TYPE, "application/x-www-form-urlencoded"));
    assert!(read(form(), "").await.unwrap().is_none());
    assert!(read(json().insert_header((header::TRANSFER_ENCODING, "chunked")), "").await.unwrap().is_none());
    assert_eq!(read(json(), "{}").await.unwrap().unwrap(), "{}");
    assert!(matches!(read(form(), "{}").await, Err(ApiError::UnsupportedMediaType(_))));
    let long = "x".repeat(65_537);
    assert!(matches!(read(json(), &long).await, Err(ApiError::TooLarge { limit_bytes: 65_536 })));
}

#[actix_web::test]
async fn a_gzip_body_counts_by_what_it_inflates_to() {
    let gzip = |name: &str| std::fs::read(format!("{}/fixtures/{name}.json.gz", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let request = || json().insert_header((header::CONTENT_ENCODING, "gzip"));
    assert_eq!(read(request(), gzip("small")).await.unwrap(), r#"{"type":"use_item"}"#);
    assert!(matches!(read(request(), gzip("bomb_of_8_mib")).await, Err(ApiError::TooLarge { limit_bytes: 65_536 })));
    let twice = [gzip("small"), gzip("small")].concat();
    let text = r#"{"type":"use_item"}"#;
    assert_eq!(read(request(), twice).await.unwrap(), format!("{text}{text}"));
    let mut cut = gzip("small");
    cut.truncate(12);
    assert!(matches!(read(request(), cut).await, Err(ApiError::Malformed(_))));
    assert!(matches!(read(request(), b"{}".to_vec()).await, Err(ApiError::Malformed(_))));
}

#[actix_web::test]
async fn bodies_that_do_not_end_take_so_much_memory_together_and_no_more() {
    let budget = BodyBudget::new(512 * 1024);
    let (players, services) = (budget.share(Role::Player), budget.share(Role::Service));
    let piece = |length: usize| Ok(Bytes::from([b"[".to_vec(), vec![b'1'; length - 1]].concat()));
    let read = |share, pieces: Vec<usize>, is_whole: bool| {
        let pieces = futures_util::stream::iter(pieces.into_iter().map(piece));
        let rest = futures_util::stream::pending().take(usize::from(!is_whole));
        Box::pin(collect(pieces.chain(rest), Limits::jobs(Role::Player), share))
    };
    let mut stalled: Vec<_> = (0..2).map(|_| read(&players, vec![30_000, 60_000, 30_000], false)).collect();
    for body in &mut stalled {
        assert!(futures_util::poll!(body.as_mut()).is_pending());
    }
    assert!(matches!(read(&players, vec![20_000, 1], true).await, Err(ApiError::Busy)));
    assert!(matches!(read(&players, vec![20_000], true).await, Err(ApiError::Busy)));
    assert_eq!(read(&players, vec![10_000], true).await.unwrap().len(), 10_000, "what comes at once");
    assert_eq!(read(&services, vec![30_000, 60_000], true).await.unwrap().len(), 90_000);
    stalled.clear();
    assert_eq!(read(&players, vec![30_000, 60_000], true).await.unwrap().len(), 90_000);
}
