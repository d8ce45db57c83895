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
    contenders: Vec<Kind>,
    scratch: Scratch,
}

impl Bench {
    /// `contenders` are who is measured, where others than Satchel can be. Data of the servers go below `dir`, else to the system's place for temporary files.
    pub(crate) fn new(report: Report, contenders: Vec<Kind>, dir: Option<&Path>) -> Result<Self> {
        let scratch = match dir {
            Some(dir) => Scratch::new(&satchel_private::data_dir(dir)?)?,
            None => Scratch::new(&std::env::temp_dir())?,
        };
        Ok(Self { report, contenders, scratch })
    }

    /// Where servers may keep their data.
    pub(crate) fn dir(&self) -> &Path {
        self.scratch.path()
    }

    /// Who is measured in a round, counted from 0: everybody, each time in the opposite order, so that nobody is always
    /// the one whose turn comes after the heaviest.
    pub(crate) fn turns(&self, round: u16) -> Vec<Kind> {
        let mut turns = self.contenders();
        if !round.is_multiple_of(2) {
            turns.reverse();
        }
        turns
    }

    /// Who is measured.
    pub(crate) fn contenders(&self) -> Vec<Kind> {
        self.contenders.clone()
    }
}
