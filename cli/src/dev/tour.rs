//! What the person at the terminal sees: that it is ready, and lines to try it with.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use satchel_model::access::{Actor, Role, Scopes};

use crate::environment::Environment;
use crate::http;
use crate::token::{Minter, Ttl};

const READY_PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);

/// Where the API is reached from this machine.
pub(super) fn url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

/// Waits until `/readyz` answers 200.
pub(super) async fn wait_ready(url: &str) -> Result<()> {
    let end = Instant::now() + READY_PATIENCE;
    loop {
        let readyz = format!("{url}/readyz");
        let why = match tokio::task::spawn_blocking(move || http::get(&readyz)).await? {
            Ok(answer) if answer.status == 200 => return Ok(()),
            Ok(answer) => format!("/readyz answers {}: {}", answer.status, answer.body.trim()),
            Err(error) => format!("{error:#}"),
        };
        if Instant::now() >= end {
            bail!("not ready after {} s: {why}", READY_PATIENCE.as_secs());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Prints the `ready` line and the lines to try. Whoever reads them may be gone: that stops nothing.
pub(super) fn print(url: &str, environment: &Environment) -> Result<()> {
    let text = lines(url, &player()?, environment)?;
    let mut output = io::stdout().lock();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    Ok(())
}

/// A user who has nothing yet, so that the lines show something at each start.
fn player() -> Result<String> {
    let mut bytes = [0_u8; 3];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system has no randomness to give: {error}"))?;
    Ok(format!("player-{}", hex::encode(bytes)))
}

fn lines(url: &str, player: &str, environment: &Environment) -> Result<String> {
    let mut env = environment.reader();
    let minter = Minter::from_env(&mut env);
    env.finish()?;
    let token = |role, sub: &str, scopes| minter.mint(&Actor::new(role, sub, scopes)?, Ttl::HALF_A_DAY);
    let service = token(Role::Service, "game", Scopes::all())?;
    let user = token(Role::Player, player, Scopes::default())?;
    let operator = token(Role::Operator, "operator", Scopes::default())?;
    let submit = |token: &str, job: &str| {
        format!(
            "curl -sS -w '\\n' {url}/api/v1/jobs -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \
             -H 'Prefer: wait=10' -d '{job}'"
        )
    };
    let query = |token: &str, what: &str| {
        format!("curl -sS -w '\\n' {url}/api/v1/users/{player}/{what} -H 'Authorization: Bearer {token}'")
    };
    let reward = format!(
        r#"{{"type":"reward_inventory_item","userId":"{player}","items":["welcome_chest","key"],"reason":"welcome"}}"#
    );
    let use_item = format!(r#"{{"type":"use_item","userId":"{player}","itemId":"welcome_chest"}}"#);
    Ok(format!(
        "ready {url}\n\n\
         # the game rewards {player}\n{}\n\n\
         # {player} opens the chest\n{}\n\n\
         # what {player} has now\n{}\n\n\
         # how it came about, for support\n{}\n\n",
        submit(&service, &reward),
        submit(&user, &use_item),
        query(&user, "inventory"),
        query(&operator, "history"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_one_that_this_machine_reaches() {
        assert_eq!(url("0.0.0.0:8080".parse().unwrap()), "http://127.0.0.1:8080");
        assert_eq!(url("[::]:8080".parse().unwrap()), "http://[::1]:8080");
        assert_eq!(url("192.0.2.1:80".parse().unwrap()), "http://192.0.2.1:80");
    }
}
