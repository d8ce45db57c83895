//! Whose fault a failed transaction is: that decides whether it is tried again as it is, or taken apart.

use sqlx::Error;

use super::connections::is_cut;
use crate::StoreError;

/// What a failure has to do with the jobs of its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// Some job or stored row of the batch: the same batch fails again, the others of it need not.
    Job,
    /// Rows that another session holds: what else is in the batch need not wait.
    Contention,
    /// A statement took too long: perhaps the batch is too large, or some rows are slow.
    Size,
    /// Postgres, the way to it, or the schema: nothing can be applied now.
    Store,
}

impl StoreError {
    /// Whose fault it is, by the class of the SQLSTATE (Postgres manual, appendix A).
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Unreadable(_)
            | Self::Decided
            | Self::Unread
            | Self::Untrusted { .. }
            | Self::Database(Error::ColumnDecode { .. } | Error::Decode(_) | Error::Encode(_)) => Blame::Job,
            Self::Changed => Blame::Contention,
            Self::Database(Error::Database(error)) => of_sqlstate(error.code().as_deref().unwrap_or_default()),
            Self::Database(_)
            | Self::Deadline { .. }
            | Self::Lost
            | Self::NotMigrated
            | Self::OldSchema(_)
            | Self::OtherSchema(_) => Blame::Store,
        }
    }
}

impl StoreError {
    /// Whether a connection failed, and not what was asked: another one may do.
    #[must_use]
    pub fn is_of_the_connection(&self) -> bool {
        match self {
            Self::Lost => true,
            Self::Database(error) => is_cut(error),
            _ => false,
        }
    }

    /// What an operator needs to know of it: of an error of Postgres, its message, code, and what it is about.
    #[must_use]
    pub fn reason(&self) -> String {
        let Self::Database(Error::Database(error)) = self else { return self.to_string() };
        let mut reason = error.message().to_owned();
        let parts = [("SQLSTATE", error.code()), ("table", error.table().map(Into::into))];
        let constraint = ("constraint", error.constraint().map(Into::into));
        let told: Vec<_> = parts
            .into_iter()
            .chain([constraint])
            .filter_map(|(name, part)| Some(format!("{name} {}", part?)))
            .collect();
        if !told.is_empty() {
            reason = format!("{reason} ({})", told.join(", "));
        }
        reason
    }
}

fn of_sqlstate(code: &str) -> Blame {
    match code {
        // lock_not_available, serialization_failure, deadlock_detected
        "55P03" | "40001" | "40P01" => Blame::Contention,
        // query_canceled, by statement_timeout
        "57014" => Blame::Size,
        // internal_error, data_corrupted: a damaged row or page. (index_corrupted is likely to hit everybody.)
        "XX000" | "XX001" => Blame::Job,
        // Data exceptions, violated constraints, what a trigger raised.
        _ if ["22", "23", "P0"].iter().any(|class| code.starts_with(class)) => Blame::Job,
        _ => Blame::Store,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_job_or_its_rows_can_cause_is_blamed_on_a_job() {
        for code in ["22003", "23514", "23505", "P0001", "XX000", "XX001"] {
            assert_eq!(of_sqlstate(code), Blame::Job, "{code}");
        }
        for code in ["55P03", "40001", "40P01"] {
            assert_eq!(of_sqlstate(code), Blame::Contention, "{code}");
        }
        assert_eq!(of_sqlstate("57014"), Blame::Size);
        // Out of disk, shutting down, too many connections, no such table, no permission, read-only, no connection, a
        // damaged index, no code.
        for code in ["53100", "57P01", "53300", "42P01", "42501", "25006", "08006", "XX002", ""] {
            assert_eq!(of_sqlstate(code), Blame::Store, "{code}");
        }
    }
}
