//! Which keys are taken.

use super::*;

fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("{}/fixtures/{name}.public.pem", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn keys() -> TokenKeys {
    TokenKeys::new(Origin { issuer: "i".into(), audience: "a".into() })
}

fn public(text: &str) -> Result<TokenKeys, KeyFault> {
    let mut keys = keys();
    keys.add_public(text).map(|()| keys)
}

#[test]
fn a_pem_file_may_hold_one_key_of_each_kind() {
    let keys = public(&[fixture("rsa"), fixture("p256"), fixture("ed25519")].concat()).unwrap();
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        assert!(keys.find(algorithm, None).is_some(), "{algorithm:?}");
        assert!(keys.find(algorithm, Some("k")).is_none(), "{algorithm:?}");
    }
    assert!(keys.find(Algorithm::HS256, None).is_none());
    assert!(keys.find(Algorithm::PS256, None).is_none());
}

#[test]
fn weak_foreign_private_and_double_keys_are_refused() {
    assert_eq!(public(&fixture("rsa1024")).err(), Some(KeyFault::Pem(1)));
    assert_eq!(public(&fixture("secp256k1")).err(), Some(KeyFault::Pem(1)));
    let private = include_str!("../../../fixtures/p256.private.pem");
    assert_eq!(public(&[&fixture("rsa"), private].concat()).err(), Some(KeyFault::Pem(2)));
    assert_eq!(public(&fixture("rsa").repeat(2)).err(), Some(KeyFault::Ambiguous));
    assert_eq!(public("nothing").err(), Some(KeyFault::Empty));
    assert_eq!(keys().add_secret(&"short".into()).err(), Some(KeyFault::ShortSecret));
}

#[test]
fn a_jwks_key_must_be_what_it_says() {
    let ed = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
    let set = |members: &str| public(&format!(r#"{{"keys":[{{{members}}}]}}"#));
    let keys = set(&format!(r#"{ed},"kid":"k1","alg":"EdDSA","use":"sig""#)).unwrap();
    assert!(keys.find(Algorithm::EdDSA, Some("k1")).is_some());
    assert!(keys.find(Algorithm::EdDSA, None).is_some());
    assert!(keys.find(Algorithm::EdDSA, Some("k2")).is_none());
    assert!(keys.find(Algorithm::ES256, Some("k1")).is_none());
    assert_eq!(set(&format!(r#"{ed},"use":"enc""#)).err(), Some(KeyFault::Empty));
    for bad in [
        &format!(r#"{ed},"alg":"HS256""#),
        &format!(r#"{ed},"d":"x""#),
        r#""kty":"oct","k":"c2VjcmV0""#,
        r#""kty":"EC","crv":"P-384","x":"","y":"""#,
        r#""kty":"EC","crv":"P-256","x":"AA","y":"AA""#,
        r#""kty":"RSA","n":"AQAB","e":"AQAB""#,
        r#""kty":"RSA","e":"AQAB""#,
    ] {
        assert!(matches!(set(bad), Err(KeyFault::Jwk(1, _))), "{bad}");
    }
    assert!(matches!(public("{}"), Err(KeyFault::Syntax(_))));
}

#[test]
fn two_named_keys_of_one_algorithm_need_the_name() {
    let key = |kid: &str| {
        format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"{kid}"}}"#)
    };
    let keys = public(&format!(r#"{{"keys":[{},{}]}}"#, key("a"), key("b"))).unwrap();
    assert!(keys.find(Algorithm::EdDSA, None).is_none());
    assert!(keys.find(Algorithm::EdDSA, Some("b")).is_some());
}

#[test]
fn an_unknown_key_of_a_jwks_is_passed_over_and_told_of_and_the_others_work() {
    let good = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"good"}"#;
    for other in [
        r#"{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}"#,
        r#"{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}"#,
        r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#,
        r#"{"kty":"OKP","crv":"Ed448","x":"AA"}"#,
        r#"{"kty":"RSA","alg":"PS256","n":"AQAB","e":"AQAB"}"#,
        r#"{"kty":"RSA"}"#,
        r#"{"kid":"no type"}"#,
        r#"{"kty":7}"#,
        "null",
    ] {
        let keys =
            public(&format!(r#"{{"keys":[{other},{good}]}}"#)).unwrap_or_else(|fault| panic!("{other}: {fault}"));
        assert!(keys.find(Algorithm::EdDSA, Some("good")).is_some(), "{other}");
        assert_eq!(keys.skipped().len(), 1, "{other}");
        assert!(keys.skipped()[0].starts_with("key 1: "), "{other}");
    }
    for secret in [r#"{"kty":"oct","k":"c2VjcmV0"}"#, r#"{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA"}"#] {
        assert!(matches!(public(&format!(r#"{{"keys":[{good},{secret}]}}"#)), Err(KeyFault::Jwk(2, _))), "{secret}");
    }
}
