//! Attacks on tokens; each test says what must not get through.

use std::time::Duration;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, encode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::keys::Origin;
use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const RSA_PUBLIC: &str = include_str!("../../../fixtures/rsa.public.pem");
const RSA_PRIVATE: &str = include_str!("../../../fixtures/rsa.private.pem");
const P256_PUBLIC: &str = include_str!("../../../fixtures/p256.public.pem");
const P256_PRIVATE: &str = include_str!("../../../fixtures/p256.private.pem");
const ED_PUBLIC: &str = include_str!("../../../fixtures/ed25519.public.pem");
const ED_PRIVATE: &str = include_str!("../../../fixtures/ed25519.private.pem");

fn keys() -> TokenKeys {
    TokenKeys::new(Origin { issuer: "satchel".into(), audience: "satchel".into() })
}

fn by_secret() -> TokenVerifier {
    let mut keys = keys();
    keys.add_secret(&SECRET.into()).unwrap();
    TokenVerifier::new(keys, None)
}

fn by_public_keys() -> TokenVerifier {
    let mut keys = keys();
    keys.add_public(&[RSA_PUBLIC, P256_PUBLIC, ED_PUBLIC].concat()).unwrap();
    TokenVerifier::new(keys, None)
}

fn now() -> u64 {
    satchel_security::token_crypto::install();
    get_current_timestamp()
}

fn claims() -> Value {
    json!({"sub": "game", "role": "service", "scope": "rewards:write other:scope",
           "iss": "satchel", "aud": "satchel", "exp": now() + 60})
}

/// Good claims but for one.
fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn claims_without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn hs256(header: &Header, claims: &Value) -> String {
    encode(header, claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

/// A token with a header that the library would not write, properly signed with the secret.
fn hs256_raw(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| base64_url(value.to_string().as_bytes());
    let message = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

fn base64_url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = bytes.chunks(3).flat_map(|chunk| {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        (0..=chunk.len()).map(move |i| ALPHABET[(word >> (18 - 6 * i) & 63) as usize] as char)
    });
    digits.collect()
}

impl TokenVerifier {
    fn take(&self, token: &str) -> Result<Arc<Actor>, Refused> {
        let digest = Sha256::digest(token).into();
        self.remembered(&digest).map_or_else(|| self.verify(token, digest), Ok)
    }
}

fn assert_refused(verifier: &TokenVerifier, token: &str, why: &str) {
    assert!(verifier.take(token).is_err(), "{why}");
}

#[test]
fn a_good_token_names_its_actor_and_unknown_scopes_grant_nothing() {
    let actor = by_secret().take(&hs256(&Header::default(), &claims())).unwrap();
    assert_eq!(actor.to_string(), "service:game");
    assert_eq!(actor.scopes.to_string(), "rewards:write");
    let many = claims_with("aud", json!(["other", "satchel"]));
    assert!(by_secret().take(&hs256(&Header::default(), &many)).is_ok());
}

#[test]
fn each_kind_of_public_key_verifies_its_own_algorithm() {
    let verifier = by_public_keys();
    for (algorithm, key) in [
        (Algorithm::RS256, EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes())),
        (Algorithm::ES256, EncodingKey::from_ec_pem(P256_PRIVATE.as_bytes())),
        (Algorithm::EdDSA, EncodingKey::from_ed_pem(ED_PRIVATE.as_bytes())),
    ] {
        let token = encode(&Header::new(algorithm), &claims(), &key.unwrap()).unwrap();
        assert!(verifier.take(&token).is_ok(), "{algorithm:?}");
        let (message, _) = token.rsplit_once('.').unwrap();
        assert_refused(&verifier, &format!("{message}."), "a signature taken away");
    }
}

#[test]
fn alg_none_is_refused_in_every_spelling() {
    let payload = base64_url(claims().to_string().as_bytes());
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = base64_url(json!({"alg": alg, "typ": "JWT"}).to_string().as_bytes());
        assert_refused(&by_secret(), &format!("{header}.{payload}."), alg);
        assert_refused(&by_public_keys(), &format!("{header}.{payload}."), alg);
    }
    assert_refused(&by_secret(), &hs256_raw(&json!({"typ": "JWT"}), &claims()), "no alg");
}

#[test]
fn a_public_key_is_never_taken_for_an_hmac_secret() {
    let verifier = by_public_keys();
    for public in [RSA_PUBLIC, P256_PUBLIC, ED_PUBLIC] {
        for secret in [public, public.trim_end()] {
            let key = EncodingKey::from_secret(secret.as_bytes());
            let token = encode(&Header::new(Algorithm::HS256), &claims(), &key).unwrap();
            assert_refused(&verifier, &token, "HS256 by a public key");
        }
    }
}

#[test]
fn a_key_verifies_no_other_algorithm_of_its_family() {
    let rsa = EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).unwrap();
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        let token = encode(&Header::new(algorithm), &claims(), &rsa).unwrap();
        assert_refused(&by_public_keys(), &token, "another RSA algorithm");
    }
    let secret = EncodingKey::from_secret(SECRET.as_bytes());
    let token = encode(&Header::new(Algorithm::HS512), &claims(), &secret).unwrap();
    assert_refused(&by_secret(), &token, "another HMAC algorithm");
}

#[test]
fn an_unknown_kid_is_refused() {
    let header = Header { kid: Some("nobody".into()), ..Header::default() };
    assert_refused(&by_secret(), &hs256(&header, &claims()), "unknown kid");
}

#[test]
fn a_header_that_brings_or_points_at_keys_is_refused_though_the_signature_is_good() {
    let jwk = Jwk::from_encoding_key(&EncodingKey::from_secret(SECRET.as_bytes()), Algorithm::HS256).unwrap();
    for (name, value) in [
        ("jku", json!("https://attacker.example/keys")),
        ("x5u", json!("https://attacker.example/cert")),
        ("x5c", json!(["MII="])),
        ("jwk", json!(jwk)),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("zip", json!("DEF")),
    ] {
        let header = json!({"alg": "HS256", name: value});
        assert_refused(&by_secret(), &hs256_raw(&header, &claims()), name);
    }
    assert!(by_secret().take(&hs256_raw(&json!({"alg": "HS256"}), &claims())).is_ok());
}

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
fn the_previous_secret_is_accepted_beside_the_current_one() {
    const OLD: &str = "fedcba9876543210fedcba9876543210";
    let old = encode(&Header::default(), &claims(), &EncodingKey::from_secret(OLD.as_bytes())).unwrap();
    assert_refused(&by_secret(), &old, "another secret");
    let mut keys = keys();
    keys.add_secret(&SECRET.into()).unwrap();
    keys.add_previous_secret(&OLD.into()).unwrap();
    let verifier = TokenVerifier::new(keys, None);
    assert!(verifier.take(&old).is_ok());
    assert!(verifier.take(&hs256(&Header::default(), &claims())).is_ok());
    let third = EncodingKey::from_secret(b"another secret of thirty-two byte");
    assert_refused(&verifier, &encode(&Header::default(), &claims(), &third).unwrap(), "a third one");
}

#[test]
fn clocks_may_differ_by_half_a_minute() {
    let late = claims_with("exp", json!(now() - 25));
    assert!(by_secret().take(&hs256(&Header::default(), &late)).is_ok());
    let early = claims_with("nbf", json!(now() + 25));
    assert!(by_secret().take(&hs256(&Header::default(), &early)).is_ok());
}

#[test]
fn a_wrong_secret_an_edited_claim_and_garbage_are_refused() {
    let other = EncodingKey::from_secret(b"another secret of thirty-two byte");
    let token = encode(&Header::default(), &claims(), &other).unwrap();
    assert_refused(&by_secret(), &token, "wrong secret");

    let good = hs256(&Header::default(), &claims());
    let [header, _, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let payload = base64_url(claims_with("role", json!("operator")).to_string().as_bytes());
    assert_refused(&by_secret(), &format!("{header}.{payload}.{signature}"), "edited claim");

    for garbage in ["", ".", "..", "a.b.c", "a.b.c.d", &"x".repeat(MAX_TOKEN_BYTES + 1)] {
        assert_refused(&by_secret(), garbage, garbage);
    }
    let long = hs256(&Header::default(), &claims_with("pad", json!("x".repeat(MAX_TOKEN_BYTES))));
    assert!(matches!(by_secret().take(&long), Err(Refused::TooLong)));
}

#[tokio::test]
async fn a_remembered_token_still_ends_when_it_expires() {
    let verifier = by_secret();
    let token = hs256(&Header::default(), &claims_with("exp", json!(now() - 29)));
    assert!(verifier.take(&token).is_ok());
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_refused(&verifier, &token, "expired since");
}
