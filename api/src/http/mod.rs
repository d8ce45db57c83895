//! Requests and answers: reading within bounds, problems, headers. It knows no route, and nothing of jobs.

pub(crate) mod address;
pub(crate) mod answer;
pub(crate) mod answer_headers;
pub(crate) mod body;
pub(crate) mod component;
pub(crate) mod connections;
pub(crate) mod cors;
pub(crate) mod cursor;
pub(crate) mod deadline;
pub(crate) mod document;
pub(crate) mod etag;
pub(crate) mod extract;
pub(crate) mod meters;
pub(crate) mod offload;
mod outage_log;
pub(crate) mod pace;
pub(crate) mod parameters;
pub(crate) mod pipelining;
pub(crate) mod prefer;
pub(crate) mod problem;
pub(crate) mod request_id;
