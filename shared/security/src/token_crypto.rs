//! What tokens are signed and checked by: `ring`, which TLS uses here as well. (The backend that `jsonwebtoken` would
//! bring has an RSA whose timing leaks, RUSTSEC-2023-0071.)

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::agreement::{self, EphemeralPrivateKey};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    self as signatures, ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use ring::{hmac, rsa};

/// The bytes of an Ed25519 public key (RFC 8032 section 5.1.5).
const ED25519_BYTES: usize = 32;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| signer(*algorithm, key),
    verifier_factory: |algorithm, key| verifier(*algorithm, key),
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| unsupported(),
        rsa_pub_components_from_public_key: |_| unsupported(),
        ec_pub_components_from_private_key: |_, _| unsupported(),
        ed_pub_components_from_private_key: |_, _| unsupported(),
        compute_digest: |_, _| unsupported(),
    },
};

/// Lets `jsonwebtoken` sign and check in this process. Whoever uses it calls this first, as often as it likes.
pub fn install() {
    // An error says that a call before this one did so.
    let _ = PROVIDER.install_default();
}

/// Whether the key can be one of this algorithm at all: a point on P-256, so many bytes for Ed25519.
#[must_use]
pub fn is_usable(algorithm: Algorithm, key: &DecodingKey) -> bool {
    let bytes = key.try_get_as_bytes().unwrap_or_default();
    match algorithm {
        Algorithm::ES256 => is_on_p256(bytes),
        Algorithm::EdDSA => bytes.len() == ED25519_BYTES,
        Algorithm::HS256 | Algorithm::RS256 => true,
        _ => false,
    }
}

/// An agreement on a key with a point is possible only if it is one of the curve.
fn is_on_p256(point: &[u8]) -> bool {
    let mine = EphemeralPrivateKey::generate(&agreement::ECDH_P256, &SystemRandom::new());
    let theirs = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, point);
    mine.is_ok_and(|mine| agreement::agree_ephemeral(mine, &theirs, |_| ()).is_ok())
}

fn unsupported<T>() -> Result<T, Error> {
    Err(ErrorKind::UnsupportedAlgorithm.into())
}

fn is_of(key: AlgorithmFamily, wanted: AlgorithmFamily) -> Result<(), Error> {
    if key == wanted { Ok(()) } else { Err(ErrorKind::InvalidKeyFormat.into()) }
}

/// Checks signatures of one algorithm by one key.
struct Checker {
    algorithm: Algorithm,
    key: DecodingKey,
}

fn verifier(algorithm: Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    is_of(key.family(), algorithm.family())?;
    match algorithm {
        Algorithm::HS256 | Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA => {
            Ok(Box::new(Checker { algorithm, key: key.clone() }))
        }
        _ => unsupported(),
    }
}

impl Verifier<Vec<u8>> for Checker {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let by = |algorithm, bytes| UnparsedPublicKey::new(algorithm, bytes).verify(message, signature);
        let good = match (self.algorithm, self.key.kind()) {
            (Algorithm::HS256, DecodingKeyKind::SecretOrDer(secret)) => {
                hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), message, signature)
            }
            (Algorithm::RS256, DecodingKeyKind::SecretOrDer(der)) => by(&RSA_PKCS1_2048_8192_SHA256, der),
            (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => {
                PublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            (Algorithm::ES256, DecodingKeyKind::SecretOrDer(point)) => by(&ECDSA_P256_SHA256_FIXED, point),
            (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(key)) => by(&signatures::ED25519, key),
            _ => Err(ring::error::Unspecified),
        };
        good.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Checker {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// A private key or a secret.
enum Secret {
    Shared(hmac::Key),
    Rsa(Box<RsaKeyPair>, &'static dyn signatures::RsaEncoding),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Signs by one algorithm and one key.
struct Author {
    algorithm: Algorithm,
    secret: Secret,
}

fn signer(algorithm: Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    is_of(key.family(), algorithm.family())?;
    let bytes = key.as_bytes();
    let shared = |digest| Ok(Secret::Shared(hmac::Key::new(digest, bytes)));
    let rsa = |encoding| {
        let pair = rsa::KeyPair::from_der(bytes).map_err(|error| ErrorKind::InvalidRsaKey(error.to_string()))?;
        Ok(Secret::Rsa(Box::new(pair), encoding))
    };
    let secret = match algorithm {
        Algorithm::HS256 => shared(hmac::HMAC_SHA256),
        Algorithm::HS384 => shared(hmac::HMAC_SHA384),
        Algorithm::HS512 => shared(hmac::HMAC_SHA512),
        Algorithm::RS256 => rsa(&signatures::RSA_PKCS1_SHA256),
        Algorithm::RS384 => rsa(&signatures::RSA_PKCS1_SHA384),
        Algorithm::RS512 => rsa(&signatures::RSA_PKCS1_SHA512),
        Algorithm::PS256 => rsa(&signatures::RSA_PSS_SHA256),
        Algorithm::ES256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes, &SystemRandom::new())
            .map(Secret::P256)
            .map_err(|_| ErrorKind::InvalidEcdsaKey.into()),
        Algorithm::EdDSA => Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes)
            .map(Secret::Ed25519)
            .map_err(|_| ErrorKind::InvalidEddsaKey.into()),
        _ => unsupported(),
    };
    secret.map(|secret| Box::new(Author { algorithm, secret }) as Box<dyn JwtSigner>)
}

impl Signer<Vec<u8>> for Author {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        let random = SystemRandom::new();
        match &self.secret {
            Secret::Shared(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
            Secret::Rsa(pair, encoding) => {
                let mut signed = vec![0; pair.public().modulus_len()];
                pair.sign(*encoding, &random, message, &mut signed).map_err(|_| signature::Error::new())?;
                Ok(signed)
            }
            Secret::P256(pair) => {
                let signed = pair.sign(&random, message).map_err(|_| signature::Error::new())?;
                Ok(signed.as_ref().to_vec())
            }
            Secret::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

impl JwtSigner for Author {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
