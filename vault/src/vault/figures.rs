//! Takes the figures of a vault.

use std::path::Path;

use prometheus_client::metrics::histogram::Histogram;

use super::Vault;
use crate::data_dir::DataFile;
use crate::figures::Figures;
use crate::memory::Answers;

/// A database file with what was written ahead of it.
fn bytes(file: &Path) -> u64 {
    let ahead = || {
        let mut name = file.as_os_str().to_owned();
        name.push("-wal");
        Path::new(&name).metadata().map_or(0, |found| found.len())
    };
    file.metadata().map_or(0, |found| found.len() + ahead())
}

impl Vault {
    /// The memory of answers: whoever answers by something else than a read takes room of the same.
    pub fn answers(&self) -> &Answers {
        self.0.reading.answers()
    }

    /// The vault at this moment. Looks at the files of what is open.
    pub fn figures(&self) -> Figures {
        let inner = &self.0;
        let open: Vec<_> = inner.spaces.lock().keys().copied().collect();
        let [short_reads, long_reads, answers] = inner.reading.usage();
        Figures {
            writing: self.is_writing(),
            writes_waiting: inner.writer.waiting(),
            short_reads,
            long_reads,
            answers,
            views: open.len(),
            view_bytes: open.iter().map(|id| bytes(&inner.views.join(format!("{id}.view")))).sum(),
            log_bytes: bytes(&inner.views.with_file_name(DataFile::Log.name())),
        }
    }

    /// How long each transaction of the log took until it was on disk, in seconds.
    pub fn commit_times(&self) -> Histogram {
        self.0.admission.log().commits().clone()
    }
}
