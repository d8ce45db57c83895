//! What a token must be signed with.

use super::*;

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
