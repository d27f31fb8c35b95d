//! Artifacts to a host: streamed from here or fetched there, and verified by checksum on the host either way.

use std::{path::Path, time::Duration};

use tokio::io::AsyncReadExt as _;

use super::{Connection, RunError, Said, Secrets};
use crate::{
    remote::{Output, Script},
    templates,
};

const CHUNK: usize = 256 * 1024;
/// One chunk must pass within this time; a stream that stands still longer is given up.
const STALLED: Duration = Duration::from_mins(1);
/// For the host to hash what is there, or what has arrived.
const HASHING: Duration = Duration::from_mins(5);

/// Hears how much of a file has been sent: bytes so far, bytes in all.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Send + Sync);

impl Connection {
    /// Streams `file` to the path `to` on the host unless it is there with checksum `sha256` already.
    ///
    /// The output's status says whether the host has it now; a file that arrives damaged or cut short is thrown away.
    pub async fn transfer(
        &self,
        file: &Path,
        sha256: &str,
        to: &str,
        progress: Progress<'_>,
    ) -> Result<Output, RunError> {
        let broken =
            |error: std::io::Error| RunError::Broken(format!("{}: {error}", file.display()));
        let _slot = self.slot().await;
        let mut source = tokio::fs::File::open(file).await.map_err(broken)?;
        let total = source.metadata().await.map_err(broken)?.len();
        let script = Script::change("transfer", templates::text("remote/transfer.sh"))
            .arg(to)
            .arg(total.to_string())
            .arg(sha256)
            .timeout(Duration::ZERO);
        let secrets = Secrets::default();
        let mut stream = self.stream(&script, &secrets).await?;
        let said = tokio::time::timeout(HASHING, stream.next()).await;
        if matches!(&said, Ok(Some(Said::Say(word))) if word == "send") {
            let mut chunk = vec![0; CHUNK];
            let mut sent = 0;
            progress(sent, total);
            loop {
                let length = source.read(&mut chunk).await.map_err(broken)?;
                if length == 0 {
                    break;
                }
                let passed = tokio::time::timeout(STALLED, stream.send(&chunk[..length])).await;
                if passed != Ok(true) {
                    break;
                }
                sent += length as u64;
                progress(sent, total);
            }
            stream.end_input();
        } else if matches!(&said, Ok(Some(Said::Output(line))) if line == b"\n") {
            // The newline before the loader's last word: the script has ended.
        } else if !matches!(said, Ok(Some(Said::Say(_)))) {
            return Err(self.lost());
        }
        match stream.finish(HASHING, &secrets, &|_| ()).await {
            Err(RunError::Lost { .. }) => Err(self.lost()),
            end => end,
        }
    }
}

/// The script by which a host fetches an artifact itself; it says what it does and verifies the checksum.
pub fn fetch_script(url: &str, sha256: &str, to: &str, size: Option<u64>) -> Script {
    Script::change("fetch", templates::text("remote/fetch.sh"))
        .arg(to)
        .arg(url)
        .arg(sha256)
        .arg(size.map(|size| size.to_string()).unwrap_or_default())
        .timeout(Duration::from_mins(30))
}
