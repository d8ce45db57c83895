//! What every scenario is given.

use std::path::Path;

use anyhow::Result;

use crate::report::Report;
use crate::stand::contender::Kind;
use crate::stand::scratch::Scratch;

/// Where to measure, whom, and where to say it.
#[derive(Debug)]
pub(crate) struct Bench {
    /// Where figures and faults go.
    pub(crate) report: Report,
    /// Whether the peers are measured, too.
    has_peers: bool,
    scratch: Scratch,
}

impl Bench {
    /// Data of the servers go below `dir`, else to the system's place for temporary files.
    pub(crate) fn new(report: Report, has_peers: bool, dir: Option<&Path>) -> Result<Self> {
        let scratch = match dir {
            Some(dir) => Scratch::new(&satchel_private::data_dir(dir)?)?,
            None => Scratch::new(&std::env::temp_dir())?,
        };
        Ok(Self { report, has_peers, scratch })
    }

    /// Where servers may keep their data.
    pub(crate) fn dir(&self) -> &Path {
        self.scratch.path()
    }

    /// Who is measured.
    pub(crate) fn contenders(&self) -> Vec<Kind> {
        if self.has_peers { vec![Kind::Satchel, Kind::Bullmq, Kind::Graphile] } else { vec![Kind::Satchel] }
    }
}
