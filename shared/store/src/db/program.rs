//! The programs that log in, and what with.

use secrecy::SecretString;

/// Whose login it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `satchel-api`, and the tools of operators.
    Api,
    /// `satchel-worker`.
    Worker,
}

impl Program {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Api, Self::Worker];

    /// Its role.
    #[must_use]
    pub const fn role(self) -> &'static str {
        match self {
            Self::Api => "satchel_api",
            Self::Worker => "satchel_worker",
        }
    }

    /// The setting of `satchel migrate` that lets the role log in.
    #[must_use]
    pub const fn password_setting(self) -> &'static str {
        match self {
            Self::Api => "SATCHEL_API_PASSWORD",
            Self::Worker => "SATCHEL_WORKER_PASSWORD",
        }
    }
}

/// What the roles log in with.
#[derive(Debug, Clone, Default)]
pub struct RolePasswords {
    /// `SATCHEL_API_PASSWORD`: of `satchel_api`.
    pub api: Option<SecretString>,
    /// `SATCHEL_WORKER_PASSWORD`: of `satchel_worker`.
    pub worker: Option<SecretString>,
}

impl RolePasswords {
    pub(crate) fn of(&self, program: Program) -> Option<&SecretString> {
        match program {
            Program::Api => self.api.as_ref(),
            Program::Worker => self.worker.as_ref(),
        }
    }
}
