//! How to reach Redis.

use std::time::Duration;

use redis::cluster::ClusterClient;
use redis::io::tcp::TcpSettings;
use redis::{ClientTlsConfig, ConnectionInfo, IntoConnectionInfo, RedisResult, TlsCertificates};
use satchel_settings::Env;
use secrecy::{ExposeSecret, SecretString};

use super::client::Servers;

/// How often a call to a cluster follows a redirection or tries another node. The call's deadline comes first.
const MAX_CLUSTER_RETRIES: u32 = 3;

/// How to reach Redis, one server or a cluster.
#[derive(Debug, Clone)]
pub struct Config {
    /// `redis://[user]:password@host:port/db`, `rediss://…` for TLS; of a cluster any of its nodes, comma separated.
    url: SecretString,
    /// Whether it is a cluster.
    is_cluster: bool,
    /// A private authority, a client certificate.
    certificates: Option<TlsCertificates>,
    /// Longest wait for an answer, in milliseconds.
    pub deadline_ms: u32,
}

impl Config {
    /// Reads `REDIS_URL` and `SATCHEL_REDIS_CLUSTER` (default false); for TLS, the PEM files that `REDIS_CA_FILE`,
    /// `REDIS_CERT_FILE` and `REDIS_KEY_FILE` name.
    pub fn from_env(env: &mut Env) -> Self {
        let config = Self {
            url: env.secret("REDIS_URL"),
            is_cluster: env.or("SATCHEL_REDIS_CLUSTER", false),
            certificates: certificates(env),
            deadline_ms: 2_000,
        };
        // An empty one was noted as missing.
        if !config.url.expose_secret().is_empty()
            && let Err(error) = config.servers()
        {
            env.fault("REDIS_URL", error);
        }
        config
    }

    pub(super) fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms.into())
    }

    /// What makes connections.
    pub(super) fn servers(&self) -> RedisResult<Servers> {
        if !self.is_cluster {
            return Ok(Servers::One(Box::new(self.server(self.url.expose_secret())?)));
        }
        let nodes = self.url.expose_secret().split(',').map(|url| self.server(url.trim()));
        let nodes = nodes.collect::<RedisResult<Vec<_>>>()?;
        let infos = nodes.iter().map(|node| node.get_connection_info().clone());
        let builder = ClusterClient::builder(infos)
            .retries(MAX_CLUSTER_RETRIES)
            .connection_timeout(self.deadline())
            .response_timeout(self.deadline())
            .overall_response_timeout(Some(self.deadline()))
            .tcp_settings(self.tcp_settings());
        let builder = match &self.certificates {
            Some(certificates) => builder.certs(certificates.clone()),
            None => builder,
        };
        Ok(Servers::Cluster { cluster: Box::new(builder.build()?), nodes: nodes.into() })
    }

    fn server(&self, url: &str) -> RedisResult<redis::Client> {
        let info: ConnectionInfo = url.into_connection_info()?.set_tcp_settings(self.tcp_settings());
        // A user with the least rights may not say which library it uses.
        let settings = info.redis_settings().clone().set_skip_set_lib_name();
        let info = info.set_redis_settings(settings);
        match &self.certificates {
            Some(certificates) => redis::Client::build_with_tls(info, certificates.clone()),
            None => redis::Client::open(info),
        }
    }

    /// Without delay for small commands, and with an end for a connection whose other side is gone without a word: the
    /// system would keep it for a quarter of an hour.
    fn tcp_settings(&self) -> TcpSettings {
        let settings = TcpSettings::default().set_nodelay(true);
        #[cfg(target_os = "linux")]
        let settings = settings.set_user_timeout(2 * self.deadline());
        settings
    }
}

fn certificates(env: &mut Env) -> Option<TlsCertificates> {
    let mut file = |name: &str| {
        let path: String = env.optional(name)?;
        std::fs::read(&path).map_err(|error| env.fault(name, format!("cannot read {path}: {error}"))).ok()
    };
    let (root_cert, client_cert, client_key) = (file("REDIS_CA_FILE"), file("REDIS_CERT_FILE"), file("REDIS_KEY_FILE"));
    if client_cert.is_some() != client_key.is_some() {
        env.fault("REDIS_CERT_FILE", "give it together with REDIS_KEY_FILE");
    }
    let client_tls =
        client_cert.zip(client_key).map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
    (root_cert.is_some() || client_tls.is_some()).then_some(TlsCertificates { client_tls, root_cert })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(variables: &[(&str, &str)]) -> String {
        let mut env = Env::of(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Config::from_env(&mut env);
        env.finish().err().map(|faults| faults.to_string()).unwrap_or_default()
    }

    #[test]
    fn one_url_several_nodes_and_tls_can_be_given() {
        assert_eq!(faults(&[("REDIS_URL", "redis://:p@h:1/0")]), "");
        assert_eq!(faults(&[("REDIS_URL", "rediss://u:p@h:1")]), "");
        let nodes = "redis://:p@h:1, redis://:p@h:2";
        assert_eq!(faults(&[("REDIS_URL", nodes), ("SATCHEL_REDIS_CLUSTER", "true")]), "");
    }

    #[test]
    fn what_cannot_be_used_is_said_at_start() {
        assert!(faults(&[("REDIS_URL", "http://h")]).contains("REDIS_URL: "));
        let nodes = "redis://:p@h:1,redis://:q@h:2";
        assert!(faults(&[("REDIS_URL", nodes), ("SATCHEL_REDIS_CLUSTER", "true")]).contains("password"));
        let half = [("REDIS_URL", "rediss://h"), ("REDIS_KEY_FILE", "/dev/null")];
        assert!(faults(&half).contains("REDIS_CERT_FILE: give it together"));
        let absent = [("REDIS_URL", "rediss://h"), ("REDIS_CA_FILE", "/nowhere/ca.pem")];
        assert!(faults(&absent).contains("REDIS_CA_FILE: cannot read /nowhere/ca.pem"));
    }
}
