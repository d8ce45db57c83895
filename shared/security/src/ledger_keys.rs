//! The keys that sign where users' ledgers end, from the environment.

use ring::rand::{SecureRandom as _, SystemRandom};
use satchel_model::ledger::{LedgerKey, LedgerKeys};
use satchel_settings::Env;
use secrecy::{ExposeSecret, SecretString};

const CURRENT: &str = "SATCHEL_LEDGER_KEY";
const PREVIOUS: &str = "SATCHEL_LEDGER_KEY_PREVIOUS";

/// Reads `SATCHEL_LEDGER_KEY`, which must be given, and `SATCHEL_LEDGER_KEY_PREVIOUS`: at least 32 bytes each, the bytes of the
/// setting's text. A fault ends the start; the current key is then one that nobody knows.
pub fn from_env(env: &mut Env) -> LedgerKeys {
    // An empty one is noted as missing already.
    let current = Some(env.secret(CURRENT)).filter(|secret| !secret.expose_secret().is_empty());
    let previous = env.optional_secret(PREVIOUS);
    let mut read = |name: &str, secret: SecretString| {
        LedgerKey::new(secret.expose_secret().as_bytes()).map_err(|error| env.fault(name, error)).ok()
    };
    LedgerKeys {
        current: current.and_then(|secret| read(CURRENT, secret)).unwrap_or_else(useless),
        previous: previous.and_then(|secret| read(PREVIOUS, secret)),
    }
}

fn useless() -> LedgerKey {
    let mut block = [0; 64];
    // Without randomness it is no worse: nothing is signed by it.
    let _ = SystemRandom::new().fill(&mut block);
    LedgerKey::of_block(block)
}

#[cfg(test)]
mod tests {
    use satchel_model::ids::Uid;
    use satchel_model::ledger::{Head, MacFault};

    use super::*;

    const NEW: &str = "new-key-new-key-new-key-new-key-1";
    const OLD: &str = "old-key-old-key-old-key-old-key-1";

    fn env(variables: &[(&str, &str)]) -> Env {
        Env::of(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn the_current_key_signs_and_the_previous_one_is_trusted() {
        let mut env = env(&[(CURRENT, NEW), (PREVIOUS, OLD)]);
        let keys = from_env(&mut env);
        env.finish().unwrap();
        let (uid, head) = (Uid::new(7), Head { version: 1, ..Head::GENESIS });
        let by = |text: &str| LedgerKey::new(text.as_bytes()).unwrap().sign_head(uid, &head);
        assert_eq!(keys.current.sign_head(uid, &head), by(NEW));
        assert_eq!(keys.check_head(uid, &head, Some(by(OLD).as_bytes())), Ok(()));
        let other = by("another-key-another-key-another-key");
        assert_eq!(keys.check_head(uid, &head, Some(other.as_bytes())), Err(MacFault::OtherKey));
    }

    #[test]
    fn a_missing_and_a_short_key_are_faults_that_do_not_say_the_key() {
        for (variables, fault) in [
            (&[][..], "SATCHEL_LEDGER_KEY: is required"),
            (&[(CURRENT, "short")], "SATCHEL_LEDGER_KEY: a ledger key must have at least 32 bytes"),
            (
                &[(CURRENT, NEW), (PREVIOUS, "short")],
                "SATCHEL_LEDGER_KEY_PREVIOUS: a ledger key must have at least 32 bytes",
            ),
            (&[(PREVIOUS, OLD)], "SATCHEL_LEDGER_KEY: is required"),
            (&[(CURRENT, NEW), ("SATCHEL_LEDGER_KEY_FILE", "/nowhere")], "SATCHEL_LEDGER_KEY: give either"),
        ] {
            let mut env = env(variables);
            from_env(&mut env);
            let said = env.finish().unwrap_err().to_string();
            assert!(said.contains(fault) && said.lines().count() == 2, "{said}");
            assert!(!said.contains("short"), "{said}");
        }
    }
}
