//! Background tasks beside the lanes.

mod feeder;
mod housekeeping;
mod stuck_sessions;

pub(crate) use feeder::Feeder;
pub(crate) use housekeeping::Housekeeping;
pub(crate) use stuck_sessions::StuckSessions;
