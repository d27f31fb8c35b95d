//! What became of a volume whose pod moved.

use serde_json::Value;

use super::{
    claims::{broken, holds, unknown},
    said::Said,
    trial::Storage,
};
use crate::{
    observe::{TrialPod, section, trial_pods},
    phases::preflight::{Finding, Level},
};

/// What became of a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// The first pod runs, or why not.
    pub begun: Option<Result<(), String>>,
    pub written: Option<Said>,
    /// The second pod runs, or why not.
    pub moved: Option<Result<(), String>>,
    pub read: Option<Said>,
}

/// Whether the volume kept what was written.
pub fn stored(storage: &Storage, stored: &Stored) -> Vec<Finding> {
    const FIX: &str = "`kubectl -n longhorn-system get volumes,replicas,nodes.longhorn.io,pods` shows what Longhorn waits for";
    let first = storage.first.as_str();
    let second = storage.second.as_deref();
    let one = match (&stored.begun, &stored.written) {
        (Some(Err(why)), _) => broken(
            "storage",
            first,
            format!("a pod with a volume does not run: {why}"),
            FIX,
        ),
        (_, Some(Said::Failed(why) | Said::Skipped(why))) => broken("storage", first, why, FIX),
        (Some(Ok(())), Some(Said::Ok)) => holds(
            "storage",
            first,
            "a claim of class longhorn is bound, mounted and written",
        ),
        _ => unknown("storage", first, "it was not come to"),
    };
    let whole = one.level == Level::Passed;
    let place = second.unwrap_or(first);
    let other = match (&stored.moved, &stored.read, second) {
        _ if !whole => unknown("storage-move", place, "there is no volume that could move"),
        (_, _, None) => unknown(
            "storage-move",
            place,
            "no second node that stores is Ready and can be worked on",
        ),
        (Some(Err(why)), _, _) => broken(
            "storage-move",
            place,
            format!("the pod does not run here after {first}: {why}"),
            FIX,
        ),
        (_, Some(Said::Failed(why) | Said::Skipped(why)), _) => {
            broken("storage-move", place, why, FIX)
        }
        (Some(Ok(())), Some(Said::Ok), _) => holds(
            "storage-move",
            place,
            format!("what was written on {first} is there"),
        ),
        _ => unknown("storage-move", place, "it was not come to"),
    };
    vec![one, other]
}

/// The pod in what `verify-pod-wait.sh` printed, or why it does not run: the claim's and the last event's words.
pub fn volume_pod(stdout: &str) -> Result<TrialPod, String> {
    let pod = section(stdout, "pod")?;
    let pod = trial_pods(&pod).into_iter().next().unwrap_or_default();
    if pod.ready {
        return Ok(pod);
    }
    let claim = section(stdout, "claim").unwrap_or_default();
    let phase = claim["status"]["phase"].as_str().unwrap_or("not there");
    let events = section(stdout, "events").unwrap_or_default();
    let warning = events["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|event| event["type"] == "Warning")
        .max_by_key(|event| time(event))
        .and_then(|event| event["message"].as_str());
    let why = warning.map_or(pod.why, str::to_owned);
    Err(match phase {
        "Bound" => why,
        phase => format!("its claim is {phase}: {why}"),
    })
}

fn time(event: &Value) -> &str {
    let times = [&event["lastTimestamp"], &event["eventTime"]];
    times.iter().find_map(|time| time.as_str()).unwrap_or("")
}
