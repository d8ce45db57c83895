//! AMQP 0-9-1: events on an exchange.

mod exchange;

satchel_functions::functions! {
    event_any_amqp_publisher::EventAnyAmqpPublisher,
}
