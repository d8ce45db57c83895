//! What a token must say.

use std::time::Duration;

use super::*;

#[test]
fn each_required_claim_must_be_there_and_right() {
    for name in ["sub", "role", "iss", "aud", "exp"] {
        assert_refused(&by_secret(), &hs256(&Header::default(), &claims_without(name)), name);
        let null = claims_with(name, Value::Null);
        assert_refused(&by_secret(), &hs256(&Header::default(), &null), name);
    }
    for (name, value) in [
        ("iss", json!("other")),
        ("iss", json!(["satchel"])),
        ("aud", json!("other")),
        ("aud", json!([])),
        ("role", json!("admin")),
        ("role", json!("Operator")),
        ("sub", json!("")),
        ("sub", json!("a b")),
        ("sub", json!(7)),
        ("scope", json!(["rewards:write"])),
        ("exp", json!((now() + 60).to_string())),
        ("exp", json!(now() - 31)),
        ("exp", json!(-1)),
        ("nbf", json!(now() + 31 + 5)),
        ("nbf", json!("soon")),
    ] {
        let token = hs256(&Header::default(), &claims_with(name, value.clone()));
        assert_refused(&by_secret(), &token, &format!("{name} {value}"));
    }
}

#[test]
fn a_refusal_says_which_check_failed() {
    let check = |token: &str| Refusal::from(by_secret().take(token).unwrap_err()).check;
    let of_claim = |name: &str, value: Value| check(&hs256(&Header::default(), &claims_with(name, value)));
    assert_eq!(of_claim("exp", json!(now() - 60)), "exp");
    assert_eq!(of_claim("nbf", json!(now() + 60)), "nbf");
    assert_eq!(of_claim("iat", json!(now() + 60)), "iat");
    assert_eq!(of_claim("iss", json!("other")), "iss");
    assert_eq!(of_claim("aud", json!("other")), "aud");
    assert_eq!(of_claim("role", json!("root")), "role");
    assert_eq!(of_claim("sub", json!("a b")), "sub");
    let other = EncodingKey::from_secret(b"another secret of thirty-two byte");
    assert_eq!(check(&encode(&Header::default(), &claims(), &other).unwrap()), "signature");
    assert_eq!(check(&hs256(&Header { kid: Some("k".into()), ..Header::default() }, &claims())), "key");
    assert_eq!(check("garbage"), "form");
}

#[test]
fn iat_is_not_in_the_future_and_typ_is_that_of_a_token() {
    for (iat, good) in
        [(json!(now()), true), (json!(now() + 25), true), (json!(now() + 40), false), (json!("now"), false)]
    {
        let token = hs256(&Header::default(), &claims_with("iat", iat.clone()));
        assert_eq!(by_secret().take(&token).is_ok(), good, "{iat}");
    }
    for (typ, good) in [
        ("JWT", true),
        ("jwt", true),
        ("at+jwt", true),
        ("AT+JWT", true),
        ("application/at+jwt", true),
        ("dpop+jwt", false),
        ("logout+jwt", false),
        ("JOSE", false),
        ("", false),
    ] {
        assert_eq!(
            by_secret().take(&hs256_raw(&json!({"alg": "HS256", "typ": typ}), &claims())).is_ok(),
            good,
            "{typ}"
        );
    }
    assert_refused(&by_secret(), &hs256_raw(&json!({"alg": "HS256", "typ": 7}), &claims()), "typ 7");
}

#[test]
fn a_token_lives_no_longer_than_is_allowed() {
    let mut keys = keys();
    keys.add_secret(&SECRET.into()).unwrap();
    let verifier = TokenVerifier::new(keys, Some(Span { seconds: 100 }));
    let token = |iat: Value, exp: u64| {
        let mut claims = claims_with("exp", json!(exp));
        claims["iat"] = iat;
        hs256(&Header::default(), &claims)
    };
    assert!(verifier.take(&token(json!(now()), now() + 100)).is_ok());
    assert_refused(&verifier, &token(json!(now()), now() + 101), "too long");
    assert_refused(&verifier, &token(Value::Null, now() + 10), "no iat");
    assert!(by_secret().take(&token(json!(now()), now() + 10_000_000)).is_ok(), "without a limit");
}

#[test]
fn clocks_may_differ_by_half_a_minute() {
    let late = claims_with("exp", json!(now() - 25));
    assert!(by_secret().take(&hs256(&Header::default(), &late)).is_ok());
    let early = claims_with("nbf", json!(now() + 25));
    assert!(by_secret().take(&hs256(&Header::default(), &early)).is_ok());
}

#[tokio::test]
async fn a_remembered_token_still_ends_when_it_expires() {
    let verifier = by_secret();
    let token = hs256(&Header::default(), &claims_with("exp", json!(now() - 29)));
    assert!(verifier.take(&token).is_ok());
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_refused(&verifier, &token, "expired since");
}
