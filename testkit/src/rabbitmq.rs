//! RabbitMQ for tests: nodes that only they know, each with what it needs below a directory of its own.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use lapin::options::{BasicGetOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::port::free_port;
use crate::process::Process;
use crate::{Certificates, scratch_dir, wait};

/// Where Debian, Ubuntu and Homebrew keep the program. (Debian's one in `PATH` runs it as another user.)
const PROGRAMS: [&str; 3] = [
    "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server",
    "/usr/local/opt/rabbitmq/sbin/rabbitmq-server",
];
const USER: &str = "tests";
const PASSWORD: &str = "password-of-the-tests";
const VIRTUAL_HOST: &str = "game/one";
/// No daemon of the machine's is asked for or started, no terminal is read, only this machine may connect.
/// Its schedulers do not spin while they wait: other tests want the cores.
const ERLANG_FLAGS: &str = "-start_epmd false -noshell -noinput -kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none";
/// How many ports are tried: another process may take one just before the node does.
const MAX_PORTS_TRIED: usize = 10;
/// Beyond this an answer of the node counts as missing.
const PATIENCE: Duration = Duration::from_secs(30);

/// A RabbitMQ, gone with its test or with the process.
pub struct TestRabbit {
    // Dropped in this order: the node, then the name server of Erlang that it is registered at.
    node: Mutex<Process>,
    _names: Process,
    place: Place,
    certificates: Certificates,
}

/// Where a node lives: the same for all its processes.
struct Place {
    dir: PathBuf,
    name: String,
    amqp_port: u16,
    tls_port: u16,
    names_port: u16,
    peers_port: u16,
}

/// A message as it was taken from a queue.
#[derive(Debug, Clone)]
pub struct Message {
    /// The routing key.
    pub key: String,
    /// The properties.
    pub properties: BasicProperties,
    /// The body.
    pub body: Value,
}

impl Message {
    /// The message-id.
    pub fn id(&self) -> &str {
        self.properties.message_id().as_ref().expect("a message-id").as_str()
    }
}

impl TestRabbit {
    /// The one that this process's tests share, each with an exchange of its own: a start costs as much as several tests.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<TestRabbit> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// Starts one for a test that kills it; returns when it takes connections.
    pub async fn start() -> Self {
        let certificates = Certificates::make();
        for _ in 0..MAX_PORTS_TRIED {
            let place = Place::new(&certificates);
            let names = place.start_names();
            if let Some(node) = place.start_node().await {
                return Self { node: Mutex::new(node), _names: names, place, certificates };
            }
        }
        panic!("RabbitMQ ended at once in {MAX_PORTS_TRIED} tries");
    }

    /// Its connection URL.
    pub fn url(&self) -> String {
        self.place.url()
    }

    /// Its connection URL for TLS.
    pub fn tls_url(&self) -> String {
        Place::url_of("amqps", self.place.tls_port)
    }

    /// The certificate of who signed its own one.
    pub fn authority(&self) -> PathBuf {
        self.certificates.path("ca.crt")
    }

    /// SIGKILL.
    pub fn kill(&self) {
        self.node.lock().unwrap().kill();
    }

    /// Starts it again after [`TestRabbit::kill`], with what it had on disk; returns when it takes connections.
    pub async fn start_again(&self) {
        let node = self.place.start_node().await.expect("RabbitMQ starts again");
        *self.node.lock().unwrap() = node;
    }

    /// Makes a durable topic exchange.
    pub async fn declare(&self, exchange: &str) {
        let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let (_connection, channel) = self.channel().await;
        let declared = channel.exchange_declare(exchange.into(), ExchangeKind::Topic, options, FieldTable::default());
        answered("the exchange is made", declared).await;
    }

    /// Makes a durable queue and binds it to the exchange, which must be there.
    pub async fn bind(&self, queue: &str, exchange: &str, key: &str) {
        let (_connection, channel) = self.channel().await;
        let declared = channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), FieldTable::default());
        answered("the queue is made", declared).await;
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        let bound = channel.queue_bind(queue.into(), exchange.into(), key.into(), options, none);
        answered("the queue is bound", bound).await;
    }

    /// Takes all that is in a queue, in order.
    pub async fn take(&self, queue: &str) -> Vec<Message> {
        let (_connection, channel) = self.channel().await;
        let mut messages = Vec::new();
        let next = || channel.basic_get(queue.into(), BasicGetOptions { no_ack: true });
        while let Some(got) = answered("the queue gives a message", next()).await {
            let delivery = got.delivery;
            messages.push(Message {
                key: delivery.routing_key.to_string(),
                properties: delivery.properties,
                body: serde_json::from_slice(&delivery.data).expect("a body of JSON"),
            });
        }
        messages
    }

    /// Takes what is in a queue until `enough` says of all together that it is; in order.
    pub async fn take_until(&self, queue: &str, enough: impl Fn(&[Message]) -> bool) -> Vec<Message> {
        let messages = Mutex::new(Vec::new());
        wait::until("enough messages have arrived", || async {
            let more = self.take(queue).await;
            let mut messages = messages.lock().unwrap();
            messages.extend(more);
            enough(&messages).then_some(())
        })
        .await;
        messages.into_inner().unwrap()
    }

    async fn channel(&self) -> (Connection, Channel) {
        let connection = wait::until("RabbitMQ takes a connection", || self.place.connect()).await;
        let channel = answered("a channel", connection.create_channel()).await;
        (connection, channel)
    }
}

async fn answered<T>(what: &str, answer: impl Future<Output = lapin::Result<T>>) -> T {
    let answer = timeout(PATIENCE, answer).await.unwrap_or_else(|_| panic!("RabbitMQ does not answer in time: {what}"));
    answer.unwrap_or_else(|error| panic!("{what}: {error}"))
}

impl Place {
    fn new(certificates: &Certificates) -> Self {
        let dir = scratch_dir("rabbitmq");
        let random = uuid::Uuid::now_v7().simple().to_string();
        // The last characters of a version 7 UUID are random.
        let name = format!("tests{}@localhost", &random[20..]);
        let [amqp_port, tls_port, names_port, peers_port] = [(); 4].map(|()| free_port());
        let place = Self { dir, name, amqp_port, tls_port, names_port, peers_port };
        let [authority, certificate, key] =
            ["ca.crt", "server.crt", "server.key"].map(|name| certificates.path(name).display().to_string());
        let settings = format!(
            "listeners.tcp.1 = 127.0.0.1:{amqp_port}\nlisteners.ssl.1 = 127.0.0.1:{tls_port}\n\
             ssl_options.cacertfile = {authority}\nssl_options.certfile = {certificate}\nssl_options.keyfile = {key}\n\
             default_user = {USER}\ndefault_pass = {PASSWORD}\ndefault_vhost = {VIRTUAL_HOST}\n\
             log.console.level = warning\n"
        );
        for (file, text) in [("rabbitmq.conf", settings.as_str()), ("environment", ""), ("plugins", "[].\n")] {
            std::fs::write(place.path(file), text).expect("a file of RabbitMQ's");
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn url(&self) -> String {
        Self::url_of("amqp", self.amqp_port)
    }

    fn url_of(scheme: &str, port: u16) -> String {
        format!("{scheme}://{USER}:{PASSWORD}@127.0.0.1:{port}/{}", VIRTUAL_HOST.replace('/', "%2F"))
    }

    /// A connection; `None` if there is none in time.
    async fn connect(&self) -> Option<Connection> {
        let url = self.url();
        timeout(PATIENCE, Connection::connect(&url, ConnectionProperties::default())).await.ok()?.ok()
    }

    /// Starts a name server of Erlang for this node alone, and waits until it listens. (The node would start one that
    /// outlives it.)
    fn start_names(&self) -> Process {
        let mut command = self.command(Path::new("epmd"));
        let names =
            Process::spawn("epmd", command.args(["-port", &self.names_port.to_string(), "-address", "127.0.0.1"]));
        wait::blocking_until("epmd listens", || {
            assert!(names.exited().is_none(), "epmd ended at once:\n{}", names.output());
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.names_port)).ok()
        });
        names
    }

    /// Starts the node; `None` if it ended at once.
    async fn start_node(&self) -> Option<Process> {
        let installed = PROGRAMS.iter().map(Path::new).find(|program| program.is_file());
        let mut command = self.command(installed.unwrap_or(Path::new("rabbitmq-server")));
        let settings = [
            ("RABBITMQ_CONF_ENV_FILE", "environment"),
            ("RABBITMQ_CONFIG_FILE", "rabbitmq.conf"),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", "plugins"),
            ("RABBITMQ_BASE", "base"),
            ("RABBITMQ_MNESIA_BASE", "mnesia"),
            ("RABBITMQ_LOG_BASE", "log"),
            ("RABBITMQ_PID_FILE", "pid"),
        ];
        command
            .envs(settings.map(|(name, file)| (name, self.path(file))))
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_NODENAME", &self.name)
            .env("RABBITMQ_DIST_PORT", self.peers_port.to_string())
            // The script then becomes the node, instead of waiting for it: signals reach the node.
            .env("RABBITMQ_ALLOW_INPUT", "true")
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", ERLANG_FLAGS);
        let node = Process::spawn("rabbitmq-server", &mut command);
        let is_ready = wait::until("RabbitMQ takes connections or has ended", || async {
            // Asked in this order, so that no other process's answer is taken for this one's.
            let ready = self.connect().await.is_some();
            if node.exited().is_some() { Some(false) } else { ready.then_some(true) }
        });
        is_ready.await.then_some(node)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("LC_ALL", "C.UTF-8")
            // The cookie lies there.
            .env("HOME", &self.dir)
            .env("ERL_EPMD_PORT", self.names_port.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .current_dir(&self.dir);
        command
    }
}
