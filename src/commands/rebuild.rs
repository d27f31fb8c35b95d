//! `baremetal rebuild`: the cluster ends and is made again on the same hosts, as one plan and one run.

use anyhow::Result;

use super::{
    confirm,
    open::Opened,
    reset,
    run::{Ending, Run},
    up,
};
use crate::{
    artifacts,
    cli::RebuildArgs,
    engine,
    failure::{Code, Failure},
    inventory::Cluster,
    lab,
    observe::Observation,
    phases::{
        preflight,
        reset::{Depth, Options},
    },
    plan::{self, Plan},
    report::Event,
};

pub async fn run(args: &RebuildArgs) -> Result<Code> {
    let cluster = super::open::cluster(&args.target)?;
    confirm::early(&cluster.name, args.yes.as_deref())?;
    if args.recreate_lab && cluster.lab.is_none() {
        return Err(Failure::new(
            Code::Usage,
            format!("{} has no `lab:` block", args.target.inventory.display()),
        )
        .hint("its hosts are machines of your own: leave --recreate-lab out")
        .into());
    }
    let run = Run::start("rebuild", &args.target.output);
    let (session, end) = match open(&run, args, &cluster).await {
        Ok(opened) => {
            let end = rebuild(&opened, args).await;
            (Some(opened.session), end)
        }
        Err(error) => (None, Err(error)),
    };
    run.finish(session, end).await
}

/// Connects, to new lab hosts where that is asked for: then the name is asked for before the old ones go.
async fn open(run: &Run, args: &RebuildArgs, cluster: &Cluster) -> Result<Opened> {
    if args.recreate_lab {
        // A bundle that is damaged must not be found when the old hosts are gone.
        let resolved = cluster.clone();
        tokio::task::spawn_blocking(move || artifacts::resolve(&resolved)).await??;
        let what = "destroy its lab hosts and make them anew";
        confirm::by_name(&cluster.name, args.yes.as_deref(), what).await?;
        lab::down(cluster, &run.reporter).await?;
    }
    Opened::new(run, &args.target).await
}

async fn rebuild(opened: &Opened, args: &RebuildArgs) -> Result<Ending> {
    let seen = opened.facts().await?;
    opened.all_reached()?;
    let findings = preflight::check(&opened.cluster, &opened.artifacts, &seen);
    super::show_findings(&opened.session, &findings);
    opened.gate(&seen, &findings)?;
    let names: Vec<String> = opened
        .cluster
        .hosts
        .iter()
        .map(|host| host.name.clone())
        .collect();
    reset::no_other_cluster(opened, &seen, &names)?;
    let whole = plan(opened, &seen, args).await?;
    if !args.recreate_lab {
        let data = opened.session.cluster_data(&seen).await?;
        let dies = data.dies(&opened.cluster.name);
        reset::show(
            opened,
            &args.target.output,
            &whole,
            &dies,
            "baremetal rebuild",
        )?;
        confirm::by_name(&opened.cluster.name, args.yes.as_deref(), "rebuild it").await?;
    }
    let command = format!("baremetal rebuild {}", args.target.inventory.display());
    let lock = opened.session.lock(&command).await?;
    // Somebody else may have been at work until we held the lock.
    let seen = opened.facts().await?;
    opened.all_reached()?;
    let whole = plan(opened, &seen, args).await?;
    opened.session.event(Event::Planned {
        steps: whole.steps.len(),
        changes: whole.changes(),
    });
    let outcome = opened.session.run(&whole).await;
    let end = up::conclude(opened, &args.target, &outcome).await;
    lock.release().await;
    end
}

/// What ends the cluster, then what `up` does on hosts without one. Nothing of the second half begins before all of the first is
/// done: no member of the old cluster may meet the new one.
async fn plan(opened: &Opened, seen: &Observation, args: &RebuildArgs) -> Result<Plan> {
    let names: Vec<String> = opened
        .cluster
        .hosts
        .iter()
        .map(|host| host.name.clone())
        .collect();
    let options = Options {
        depth: Depth::State,
        packages: false,
        longhorn_data: args.longhorn_data,
    };
    let removal = reset::plan(opened, seen, &names, options).await?;
    let mut seen = opened
        .session
        .observe(&opened.artifacts, seen.clone())
        .await?;
    if !removal.is_empty() {
        forget_cluster(&opened.cluster, &mut seen);
    }
    let up = plan::make(&opened.cluster, &opened.artifacts, &seen)?;
    Ok(removal.then(up))
}

/// What will be seen when the cluster's state is gone and everything else is as it is.
fn forget_cluster(cluster: &Cluster, seen: &mut Observation) {
    seen.api = None;
    for host in seen.hosts.values_mut() {
        let kube = &mut host.facts.kube;
        let holds_vip = kube.holds_vip;
        let patches = std::mem::take(&mut kube.patches);
        let mut shared_files = std::mem::take(&mut kube.shared_files);
        shared_files.retain(|path, _| !path.starts_with("/etc/kubernetes/pki/"));
        *kube = crate::observe::KubeFacts {
            holds_vip,
            shared_files,
            patches,
            ..Default::default()
        };
    }
    seen.elected = engine::elect(cluster, seen);
}
