//! The phases of one run, and what is measured in each.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::Result;
use crate::kube_requests::{self, KubeRequests};
use crate::measure::{Measure, Reached, Run, Value, percentile};
use crate::plugin;
use crate::process::{Controller, Kind, Program};
use crate::ready::ReadyWatch;
use crate::scenario::{Scenario, TRANSITION};
use crate::world::{World, name};

/// Two sync intervals of the objects.
const SETTLED: Duration = Duration::from_secs(60);

/// The number of edits, and the time from one to the next. At the default hub rate, the edits and
/// the polls together stay below it.
const EDITS: usize = 120;
const BETWEEN_EDITS: Duration = Duration::from_millis(150);

/// How long the cluster has to be without a write until it counts as settled.
const QUIET: Duration = Duration::from_secs(3);

/// Runs one scenario with one controller.
pub(crate) async fn run(scenario: Scenario, program: &Program) -> Result<Run> {
    let mut run = Run::new(scenario, program.kind);
    say(&run, "starts a control plane and creates the objects");
    let world = World::new(scenario).await?;
    world.create_objects().await?;
    let (controller, all_ready) = activation(&world, program, &mut run).await?;
    if all_ready && scenario.measures_settled() {
        // The least controller has no rules, so how it settles says nothing.
        if program.kind == Kind::Operator {
            settled(&world, &controller, &mut run).await?;
        }
        edits(&world, &mut run).await?;
    }
    if all_ready && scenario.measures_plugin() && program.kind == Kind::Operator {
        say(&run, "measures the kubectl plugin");
        plugin::measure(&world, program, &mut run).await?;
    }
    run.set(Measure::PeakMemoryMib, controller.peak_memory()?);
    controller.stop().await?;
    if all_ready && scenario.measures_restart() {
        restart(&world, program, &mut run).await?;
    }
    Ok(run)
}

/// Starts the controller, and measures until all models are active and all objects are Ready.
/// Returns false if that was not reached in time.
async fn activation(world: &World, program: &Program, run: &mut Run) -> Result<(Controller, bool)> {
    say(run, "waits until all models are active");
    let ready = ReadyWatch::start(world).await;
    let before = KubeRequests::read(&world.client).await?;
    let control_plane = world.control_plane_cpu()?;
    let started = Instant::now();
    let controller = Controller::start(program, world, "controller").await?;
    let (active, is_ready) = tokio::join!(
        until_active(world, started),
        until_ready(world, &ready, started)
    );
    run.set(Measure::CpuSeconds, controller.cpu()?);
    let control_plane = world.control_plane_cpu()? - control_plane;
    run.set(Measure::ControlPlaneCpuSeconds, control_plane);
    let (all, posts) = world.requests.totals();
    let requests = KubeRequests::read(&world.client).await? - before;
    run.set_reached(Measure::AllActiveSeconds, active);
    run.set_reached(Measure::AllReadySeconds, is_ready);
    run.set(Measure::ReadyButNotActive, ready.untruthful() as f64);
    run.set_per_model(Measure::HubRequestsPerModel, all);
    run.set_per_model(Measure::HubPostsPerModel, posts);
    run.set_per_model(Measure::StatusWritesPerModel, requests.status_writes);
    run.set_per_model(Measure::FinalizerWritesPerModel, requests.object_writes);
    run.set_per_model(Measure::EventRequestsPerModel, requests.events);
    Ok((controller, matches!(is_ready, Reached::After(_))))
}

async fn until_active(world: &World, started: Instant) -> Reached {
    let objects = world.scenario.objects();
    let reached = async {
        while world.hub.count_live("active") < objects {
            // The count takes time in proportion to the number of models.
            sleep(Duration::from_millis(20) + Duration::from_micros(5) * objects as u32).await;
        }
    };
    within(world, started, reached, || world.hub.count_live("active")).await
}

async fn until_ready(world: &World, ready: &ReadyWatch, started: Instant) -> Reached {
    let reached = ready.until_ready(world.scenario.objects());
    within(world, started, reached, || ready.count()).await
}

/// Waits for a state of all objects until the time limit of the scenario.
async fn within(
    world: &World,
    started: Instant,
    reached: impl Future<Output = ()>,
    count: impl FnOnce() -> usize,
) -> Reached {
    let limit = world.scenario.deadline();
    match timeout(limit, reached).await {
        Ok(()) => Reached::After(started.elapsed()),
        Err(_) => Reached::Not {
            limit,
            reached: count(),
        },
    }
}

/// Two sync intervals in which nobody changes anything.
async fn settled(world: &World, controller: &Controller, run: &mut Run) -> Result<()> {
    say(run, "measures the settled cluster for 60 s");
    until_quiet(world).await?;
    let (all, _) = world.requests.totals();
    let before = KubeRequests::read(&world.client).await?;
    let cpu = controller.cpu()?;
    sleep(SETTLED).await;
    let cpu = controller.cpu()? - cpu;
    let all = world.requests.totals().0 - all;
    let writes = KubeRequests::read(&world.client).await? - before;
    run.set(Measure::SettledCpuSeconds, cpu);
    run.set_per_model(Measure::SettledHubRequestsPerModel, all);
    run.set(Measure::SettledStatusWrites, writes.status_writes as f64);
    let others = writes.object_writes + writes.events;
    run.set(Measure::SettledOtherWrites, others as f64);
    Ok(())
}

/// Waits until the API server gets no writes, or until the time limit of the scenario.
async fn until_quiet(world: &World) -> Result<()> {
    let started = Instant::now();
    let mut last = KubeRequests::read(&world.client).await?;
    while started.elapsed() < world.scenario.deadline() {
        sleep(QUIET).await;
        let now = KubeRequests::read(&world.client).await?;
        if now == last {
            break;
        }
        last = now;
    }
    Ok(())
}

/// Edits of single objects, one after the other.
async fn edits(world: &World, run: &mut Run) -> Result<()> {
    say(run, "edits single objects");
    world.requests.reset();
    let limit = world.scenario.deadline();
    let step = world.scenario.objects() / EDITS;
    let mut times = Vec::new();
    for number in 0..EDITS {
        let next = Instant::now() + BETWEEN_EDITS;
        let name = name(number * step);
        let sent = world.declare_inactive(&name).await?;
        let Ok(Some(arrived)) = timeout(limit, world.requests.until_post(&name)).await else {
            let reached = times.len();
            let of = EDITS;
            let value = Value::NotReached { limit, reached, of };
            run.measures.insert(Measure::EditToPostWorstMs, value);
            return Ok(());
        };
        times.push(arrived.saturating_duration_since(sent));
        sleep_until(next).await;
    }
    times.sort();
    for (measure, share) in [
        (Measure::EditToPostP50Ms, 0.5),
        (Measure::EditToPostP99Ms, 0.99),
        (Measure::EditToPostWorstMs, 1.0),
    ] {
        let time = percentile(&times, share).unwrap_or_default();
        run.set(measure, time.as_secs_f64() * 1000.0);
    }
    // The next phase begins when no model is on its way.
    sleep(TRANSITION).await;
    until_quiet(world).await
}

/// A new process of the controller, until it has retrieved every model.
async fn restart(world: &World, program: &Program, run: &mut Run) -> Result<()> {
    say(run, "starts again with all objects");
    world.requests.reset();
    let started = Instant::now();
    let controller = Controller::start(program, world, "controller-again").await?;
    let objects = world.scenario.objects();
    let observed = world.requests.until_observed(objects);
    let observed = within(world, started, observed, || world.requests.observed()).await;
    run.set_reached(Measure::RestartToAllObservedSeconds, observed);
    run.set(Measure::RestartCpuSeconds, controller.cpu()?);
    run.set(Measure::RestartPeakMemoryMib, controller.peak_memory()?);
    relist(world, &controller, run).await?;
    controller.stop().await
}

/// A new start of the API server, which has no history of changes then, so that the controller
/// lists all objects again while it holds those of the first list.
async fn relist(world: &World, controller: &Controller, run: &mut Run) -> Result<()> {
    world.cluster.stop_apiserver().await?;
    world.cluster.start_apiserver().await?;
    let listed = async {
        while !kube_requests::is_listed(&world.client).await? {
            sleep(Duration::from_secs(1)).await;
        }
        Ok::<(), crate::Error>(())
    };
    // A controller that can resume its watch doesn't list, so this limit is shorter than others.
    let limit = Duration::from_secs(60) + Duration::from_millis(3) * run.objects as u32;
    if let Ok(listed) = timeout(limit, listed).await {
        listed?;
        run.set(Measure::RelistPeakMemoryMib, controller.peak_memory()?);
    }
    Ok(())
}

/// Reports the progress, apart from the results.
fn say(run: &Run, phase: &str) {
    eprintln!("{} with {:?}: {phase}", run.scenario, run.controller);
}
