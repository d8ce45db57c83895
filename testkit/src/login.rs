//! A login to a database.

/// One way into one database.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Psql {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Login role.
    pub user: String,
    /// Its password.
    pub password: String,
    /// Database name.
    pub database: String,
}

/// Why a statement was refused, as `psql` tells it.
#[derive(Debug, Clone)]
pub struct PsqlError(pub String);

impl Psql {
    /// Reads `postgres://user:password@host:port/database`.
    pub(crate) fn of_url(url: &str) -> Self {
        let read = || {
            let (login, place) = url.strip_prefix("postgres://")?.split_once('@')?;
            let (user, password) = login.split_once(':')?;
            let (address, database) = place.split_once('/')?;
            let (host, port) = address.split_once(':')?;
            Some((user, password, host, port.parse().ok()?, database))
        };
        let (user, password, host, port, database) = read().expect("a complete URL");
        let (user, password) = (user.to_owned(), password.to_owned());
        Self { host: host.to_owned(), port, user, password, database: database.to_owned() }
    }

    /// This login as a connection URL.
    pub fn url(&self) -> String {
        let Self { host, port, user, password, database } = self;
        format!("postgres://{user}:{password}@{host}:{port}/{database}")
    }
}
