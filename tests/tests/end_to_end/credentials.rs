//! Bad credentials of every kind: all answered alike, so that nobody learns which part was right.

use std::path::PathBuf;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Method;
use satchel_testkit::job::reward;
use satchel_testkit::token::{claims, now, sign, sign_with, token};
use satchel_testkit::{Answer, Satchel, Setup, scratch_dir};
use satchel_tests::invariants;
use serde_json::{Value, json};

/// The keys that the unit tests of the API use.
fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../api/fixtures").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn base64_url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        text.extend((0..=chunk.len()).map(|i| char::from(DIGITS[(bits >> (18 - 6 * i) & 63) as usize])));
    }
    text
}

/// A token with no signature.
fn unsigned(alg: &str) -> String {
    let header = base64_url(json!({"alg": alg, "typ": "JWT"}).to_string().as_bytes());
    format!("{header}.{}.", base64_url(operator().to_string().as_bytes()))
}

fn operator() -> Value {
    claims("operator", "ops", "")
}

fn with(name: &str, value: Value) -> String {
    let mut claims = operator();
    claims[name] = value;
    sign(&claims)
}

fn without(name: &str) -> String {
    let mut claims = operator();
    claims.as_object_mut().unwrap().remove(name);
    sign(&claims)
}

/// A good token under an `Authorization` scheme or a header that must not let it in.
fn attacks() -> Vec<(&'static str, String)> {
    let hs256 = || Header::new(Algorithm::HS256);
    let secret = satchel_testkit::token::SECRET.as_bytes();
    let good = token("operator", "ops", "");
    let (message, signature) = good.rsplit_once('.').unwrap();
    let edited = base64_url(claims("operator", "intruder", "").to_string().as_bytes());
    let header = good.split('.').next().unwrap();
    let public = fixture("rsa.public.pem");
    vec![
        ("alg none", unsigned("none")),
        ("alg None", unsigned("None")),
        ("signature cut off", format!("{message}.")),
        ("no third part", message.to_owned()),
        ("edited claims", format!("{header}.{edited}.{signature}")),
        ("wrong secret", sign_with(&hs256(), &operator(), b"another secret, and long enough too!")),
        ("empty secret", sign_with(&hs256(), &operator(), b"")),
        ("the public key as secret", sign_with(&hs256(), &operator(), public.as_bytes())),
        ("the trimmed public key as secret", sign_with(&hs256(), &operator(), public.trim().as_bytes())),
        ("HS512 by the right secret", sign_with(&Header::new(Algorithm::HS512), &operator(), secret)),
        ("unknown kid", sign_with(&Header { kid: Some("nobody".into()), ..hs256() }, &operator(), secret)),
        ("kid as a path", sign_with(&Header { kid: Some("../../dev/null".into()), ..hs256() }, &operator(), b"")),
        ("jku", sign_with(&Header { jku: Some("http://127.0.0.1:9/keys".into()), ..hs256() }, &operator(), secret)),
        ("wrong issuer", with("iss", json!("someone"))),
        ("list of issuers", with("iss", json!(["satchel"]))),
        ("no issuer", without("iss")),
        ("wrong audience", with("aud", json!("another"))),
        ("no audience", without("aud")),
        ("expired", with("exp", json!(now() - 120))),
        ("no expiry", without("exp")),
        ("expiry as text", with("exp", json!("2999-01-01"))),
        ("not valid yet", with("nbf", json!(now() + 600))),
        ("no subject", without("sub")),
        ("odd subject", with("sub", json!("a b"))),
        ("no role", without("role")),
        ("unknown role", with("role", json!("root"))),
        ("garbage", "garbage".to_owned()),
        ("two dots", "..".to_owned()),
        ("very long", "x".repeat(20_000)),
        ("unknown API key", format!("sk_{}", "0".repeat(64))),
        ("short API key", "sk_".to_owned()),
        ("API key with odd characters", "sk_'; DROP TABLE api_keys; --".to_owned()),
    ]
}

/// What a client can tell two refusals apart by.
fn visible(answer: &Answer) -> (u16, String, Vec<String>) {
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "x-request-id" | "date"))
        .map(|(name, value)| format!("{name}: {value:?}"))
        .collect();
    headers.sort();
    (answer.status, answer.text.clone(), headers)
}

#[tokio::test]
async fn every_bad_credential_is_answered_with_the_same_401() {
    let keys = scratch_dir("keys").join("keys.pem");
    std::fs::write(&keys, fixture("rsa.public.pem")).unwrap();
    let satchel = Setup::new().api_env("SATCHEL_JWT_KEYS_FILE", keys.to_str().unwrap()).start().await;
    let path = "/api/v1/users/u1/inventory";
    satchel.anyone().with(&token("operator", "ops", "")).get(path).await.expect(200);

    let none = satchel.anyone().get(path).await;
    none.problem(401);
    assert!(none.header("WWW-Authenticate").starts_with("Bearer"), "{none:?}");
    for (attack, credential) in attacks() {
        let answer = satchel.anyone().with(&credential).get(path).await;
        assert_eq!(visible(&answer), visible(&none), "{attack}");
    }
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_credential_elsewhere_than_in_the_one_header_does_not_count() {
    let satchel = Satchel::start().await;
    let good = token("operator", "ops", "");
    let anyone = satchel.anyone();
    let get = |path: &str| anyone.request(Method::GET, path);
    let inventory = "/api/v1/users/u1/inventory";
    let requests = [
        get(&format!("{inventory}?access_token={good}")),
        get(&format!("{inventory}?token={good}")),
        get(&format!("{inventory}?key={good}")),
        get(inventory).header("Authorization", &good),
        get(inventory).header("Authorization", format!("Basic {good}")),
        get(inventory).header("Authorization", "Bearer"),
        get(inventory).header("Authorization", "Bearer "),
        get(inventory).header("X-Api-Key", &good),
        get(inventory).header("Cookie", format!("token={good}")),
        get(inventory).header("Authorization", format!("Bearer {good}")).header("Authorization", "Bearer other"),
    ];
    let none = anyone.get(inventory).await;
    for (i, request) in requests.into_iter().enumerate() {
        assert_eq!(visible(&anyone.send(request).await), visible(&none), "request {i}");
    }
    let lower_case = get(inventory).header("Authorization", format!("bearer {good}"));
    anyone.send(lower_case).await.expect(200);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn tokens_by_public_keys_are_accepted_each_by_its_own_algorithm() {
    let keys = scratch_dir("keys").join("keys.pem");
    let public = ["rsa.public.pem", "p256.public.pem", "ed25519.public.pem"].map(fixture);
    std::fs::write(&keys, public.concat()).unwrap();
    let satchel = Setup::new().api_env("SATCHEL_JWT_KEYS_FILE", keys.to_str().unwrap()).start().await;

    let rsa = EncodingKey::from_rsa_pem(fixture("rsa.private.pem").as_bytes()).unwrap();
    let p256 = EncodingKey::from_ec_pem(fixture("p256.private.pem").as_bytes()).unwrap();
    let ed25519 = EncodingKey::from_ed_pem(fixture("ed25519.private.pem").as_bytes()).unwrap();
    let get = async |algorithm, key: &EncodingKey| {
        let token = jsonwebtoken::encode(&Header::new(algorithm), &operator(), key).unwrap();
        satchel.anyone().with(&token).get("/api/v1/users/u1/inventory").await.status
    };
    assert_eq!(get(Algorithm::RS256, &rsa).await, 200);
    assert_eq!(get(Algorithm::ES256, &p256).await, 200);
    assert_eq!(get(Algorithm::EdDSA, &ed25519).await, 200);
    assert_eq!(get(Algorithm::RS512, &rsa).await, 401);
    assert_eq!(get(Algorithm::PS256, &rsa).await, 401);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_bad_credential_is_refused_before_the_body_is_looked_at() {
    let satchel = Satchel::start().await;
    satchel.anyone().post_text("/api/v1/jobs", "{").await.problem(401);
    satchel.anyone().with("garbage").submit(&reward("u1", json!(["key"]))).await.problem(401);
    invariants::check(&satchel).await;
    assert_eq!(satchel.database.owner.number("SELECT count(*) FROM jobs"), 0);
}
