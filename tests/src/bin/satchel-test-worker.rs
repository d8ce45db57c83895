//! A worker with functions that tell a test's inbox what they do.

use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use satchel_functions::{Failure, Function, KeyOf, Limits, Policy, Registry, Step, Steps, Subscription};
use satchel_model::catalogue::ItemQuantity;
use satchel_model::ids::{EventName, ItemId, Quantity};
use satchel_model::operations::Priority;
use satchel_model::operations::{Job, RewardInventoryItem};
use satchel_model::records::Event;
use satchel_settings::shutdown;
use satchel_settings::{Env, init_logging};
use satchel_worker::Config;
use serde_json::{Map, Value, json};

/// The header by which the inbox tells repetitions apart.
const KEY: &str = "Idempotency-Key";

/// Where the test's inbox is.
#[derive(Clone)]
struct Inbox {
    client: reqwest::Client,
    address: String,
}

impl Inbox {
    /// Tells of a step; the inbox may refuse: with 400 for good, otherwise for now.
    async fn tell(&self, what: &str, step: &Step, event: &Event) -> Result<Value, Failure> {
        self.post(what, &step.idempotency_key, event).await
    }

    async fn post(&self, what: &str, key: &str, event: &Event) -> Result<Value, Failure> {
        let request = self.client.post(format!("{}/{what}", self.address)).header(KEY, key).json(event);
        let answer = request.send().await?;
        match answer.status().as_u16() {
            200 => Ok(answer.json().await?),
            400 => Err(Failure::permanent(format!("{what}: refused"))),
            429 => Err(Failure::retry_after(format!("{what}: too many"), Duration::from_secs(1))),
            status => Err(Failure::retriable(format!("{what}: {status}"))),
        }
    }
}

type Handle = for<'a> fn(&'a Inbox, &'a Event, &'a mut Steps<'_>) -> Handling<'a>;
type Handling<'a> = std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

struct TestFunction {
    id: &'static str,
    subscribes_to: &'static [&'static str],
    policy: Policy,
    inbox: Inbox,
    handle: Handle,
}

#[async_trait]
impl Function for TestFunction {
    fn id(&self) -> &'static str {
        self.id
    }

    fn subscribes_to(&self) -> Subscription {
        Subscription::Named(self.subscribes_to)
    }

    fn policy(&self) -> Policy {
        self.policy
    }

    async fn handle(&self, event: &Event, steps: &mut Steps<'_>) -> Result<(), Failure> {
        (self.handle)(&self.inbox, event, steps).await
    }
}

/// Three steps, a player's runs in order.
fn trace<'a>(inbox: &'a Inbox, event: &'a Event, steps: &'a mut Steps<'_>) -> Handling<'a> {
    Box::pin(async move {
        for what in ["first", "second", "third"] {
            steps.run(what, |step| async move { inbox.tell(what, &step, event).await }).await?;
        }
        Ok(())
    })
}

/// A step that is done once, and something outside of steps that is done in each attempt.
fn flake<'a>(inbox: &'a Inbox, event: &'a Event, steps: &'a mut Steps<'_>) -> Handling<'a> {
    Box::pin(async move {
        steps.run("once", |step| async move { inbox.tell("once", &step, event).await }).await?;
        inbox.post("attempt", "", event).await?;
        Ok(())
    })
}

fn nap<'a>(inbox: &'a Inbox, event: &'a Event, steps: &'a mut Steps<'_>) -> Handling<'a> {
    Box::pin(async move {
        steps.run("before", |step| async move { inbox.tell("before", &step, event).await }).await?;
        let data: Map<String, Value> = serde_json::from_str(event.data.get())?;
        let millis = data.get("millis").and_then(Value::as_u64).unwrap_or_default();
        steps.sleep("nap", Duration::from_millis(millis)).await?;
        steps.run("after", |step| async move { inbox.tell("after", &step, event).await }).await?;
        Ok(())
    })
}

/// The same step three times, and then something that may fail.
fn repeat<'a>(inbox: &'a Inbox, event: &'a Event, steps: &'a mut Steps<'_>) -> Handling<'a> {
    Box::pin(async move {
        for _ in 0..3 {
            steps.run("same", |step| async move { inbox.tell("same", &step, event).await }).await?;
        }
        inbox.post("attempt", "", event).await?;
        Ok(())
    })
}

/// A step with the largest result, and one with a larger one: each is a text in its quotes.
fn grow<'a>(_: &'a Inbox, _: &'a Event, steps: &'a mut Steps<'_>) -> Handling<'a> {
    Box::pin(async move {
        for (id, bytes) in [("largest", 1 << 20), ("too large", (1 << 20) + 1)] {
            steps.run(id, |_| async move { Ok("x".repeat(bytes - 2)) }).await?;
        }
        Ok(())
    })
}

/// Puts itself off once, after a step.
fn defer<'a>(inbox: &'a Inbox, event: &'a Event, steps: &'a mut Steps<'_>) -> Handling<'a> {
    Box::pin(async move {
        let is_first = !steps.is_done("before");
        steps.run("before", |step| async move { inbox.tell("before", &step, event).await }).await?;
        if is_first {
            return Err(Failure::not_before(steps.now() + TimeDelta::milliseconds(50)));
        }
        steps.run("after", |step| async move { inbox.tell("after", &step, event).await }).await?;
        Ok(())
    })
}

/// Rewards by a job, and tells what came of it; then tells of an event.
fn reward<'a>(inbox: &'a Inbox, event: &'a Event, steps: &'a mut Steps<'_>) -> Handling<'a> {
    Box::pin(async move {
        let quantity = Quantity::parse(5).map_err(|error| Failure::permanent(error.to_string()))?;
        let items = vec![ItemQuantity { item_id: ItemId::parse("arrow")?, quantity }];
        let job = Job {
            user_id: event.user_id.clone(),
            reason: None,
            priority: Priority::default(),
            not_before: None,
            quiet: false,
            work: RewardInventoryItem { items }.into(),
        };
        let outcome = steps.submit_job("reward", job).await?;
        let data = Map::from_iter([("jobId".to_owned(), json!(outcome.job_id))]);
        let name = EventName::parse("quest/rewarded")?;
        steps.send_event("announce", event.user_id.clone(), name, data).await?;
        steps.run("rewarded", |step| async move { inbox.tell("rewarded", &step, event).await }).await?;
        Ok(())
    })
}

fn panic<'a>(_: &'a Inbox, _: &'a Event, _: &'a mut Steps<'_>) -> Handling<'a> {
    Box::pin(async move {
        #[expect(clippy::panic, reason = "it is what is tested")]
        {
            panic!("on purpose")
        }
    })
}

fn hang<'a>(_: &'a Inbox, _: &'a Event, _: &'a mut Steps<'_>) -> Handling<'a> {
    Box::pin(std::future::pending())
}

fn report<'a>(inbox: &'a Inbox, event: &'a Event, steps: &'a mut Steps<'_>) -> Handling<'a> {
    Box::pin(async move {
        steps.run("failed", |step| async move { inbox.tell("failed", &step, event).await }).await?;
        Ok(())
    })
}

fn nothing<'a>(_: &'a Inbox, _: &'a Event, _: &'a mut Steps<'_>) -> Handling<'a> {
    Box::pin(async move { Ok(()) })
}

fn functions(inbox: &Inbox) -> Vec<TestFunction> {
    let swift = Policy {
        retries: 2,
        first_delay: Duration::from_millis(50),
        timeout: Duration::from_secs(5),
        ..Policy::default()
    };
    // However often its worker or its receiver dies, it goes on.
    let tireless = Policy {
        retries: 1_000,
        max_delay: Duration::from_millis(200),
        limits: Limits { ordered: true, key: KeyOf::User, ..swift.limits },
        ..swift
    };
    let narrow =
        Policy { limits: Limits { concurrency: 4, key: KeyOf::User, key_concurrency: 2, ..swift.limits }, ..swift };
    let wide = Policy { limits: Limits { concurrency: 200, ..swift.limits }, ..swift };
    let function = |id, subscribes_to, policy, handle: Handle| TestFunction {
        id,
        subscribes_to,
        policy,
        inbox: inbox.clone(),
        handle,
    };
    vec![
        function("test-begun-tracer", &["test/begun"], tireless, trace),
        function("test-flaked-caller", &["test/flaked"], swift, flake),
        function("test-slept-sleeper", &["test/slept"], swift, nap),
        function("test-deferred-caller", &["test/deferred"], swift, defer),
        function("test-repeated-caller", &["test/repeated"], swift, repeat),
        function("test-grown-maker", &["test/grown"], swift, grow),
        function("test-narrowed-caller", &["test/narrowed"], narrow, flake),
        function("quest-done-rewarder", &["quest/done"], swift, reward),
        function("test-broken-panicker", &["test/broken"], swift, panic),
        function(
            "test-hung-hanger",
            &["test/hung"],
            Policy { retries: 0, timeout: Duration::from_millis(200), ..swift },
            hang,
        ),
        function("function-failed-reporter", &["function/failed"], swift, report),
        function("item-rewarded-first", &["item/rewarded"], wide, nothing),
        function("item-rewarded-second", &["item/rewarded"], wide, nothing),
        function("item-rewarded-third", &["item/rewarded"], wide, nothing),
    ]
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut env = Env::process();
    init_logging(&mut env, "info");
    let config = Config::from_env(&mut env);
    let address: String = env.or("TEST_INBOX", String::new());
    env.finish()?;
    // The client wants one, though the inbox has no TLS. Another may be there already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let inbox = Inbox { client: reqwest::Client::builder().no_proxy().build()?, address };
    let mut registry = Registry::default();
    for function in functions(&inbox) {
        registry.add(Box::new(function))?;
    }
    satchel_worker::run(config, registry, shutdown::on_signal()?).await?;
    Ok(())
}
