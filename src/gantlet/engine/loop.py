"""The loop. Read this file second: it is all that happens while training, and it has never heard of a GAN."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from gantlet.engine import average, care, parallel, small_maps
from gantlet.engine.care import Unhealthy
from gantlet.engine.checkpoint import Checkpoints
from gantlet.engine.health import Diverged, Guard, lr_scale_after
from gantlet.engine.memory import keep_freed_memory
from gantlet.engine.precision import choose_device, choose_precision
from gantlet.engine.progress import Counters, Progress, advance, due
from gantlet.engine.run import Run
from gantlet.engine.state import NotFinite, State, create
from gantlet.engine.stats import Collector
from gantlet.errors import RunFailed
from gantlet.recipe import Batch, Phase, Recipe

Rows = Callable[[int, int], Batch]  # (start, count) -> that many rows of the endless data order, on the host


class Hook(Protocol):
    """Something that looks on: after each step it may read the state; it must not change it."""

    def after_step(self, training: Training) -> None: ...

    def note(self, event: str, message: str) -> None: ...


@runtime_checkable
class Clocked(Hook, Protocol):
    """A hook of all processes: once it is due in any of them it is called in each, after the same step."""

    def due(self, training: Training) -> bool: ...


@dataclass
class Training:
    """One run in progress: what hooks see."""

    recipe: Recipe
    run: Run
    state: State
    checkpoints: Checkpoints
    device: torch.device
    dtype: torch.dtype
    batch_size: int
    collector: Collector
    stop_requested: bool = False
    looking: bool = False  # a hook is at work that may be cut short (hooks.looking_on)
    paused: float = 0.0  # seconds that hooks took off the training clock (grids, evaluations)
    reached: int = 0  # where the rows of the furthest update began; `counters.position` is that of whole steps

    @property
    def counters(self) -> Counters:
        return self.state.counters

    def fraction(self) -> float:
        """Return the share of the budget that is used up: 1 ends the run."""
        run, now = self.run, self.counters
        budgets = ((run.seconds, now.seconds), (run.samples, now.samples), (run.steps, now.step))
        return max((used / budget if budget else 1.0 for budget, used in budgets if budget is not None), default=0.0)


def prepare(recipe: Recipe, run: Run, model: dict[str, Any], warn: Callable[[str], None]) -> Training:
    """Build a run's state, or restore it from the newest intact checkpoint: the same command, run again, resumes."""
    keep_freed_memory()
    parallel.start(run.device)
    device = choose_device(run.device)
    state = create(recipe, device)
    checkpoints = Checkpoints(run.out / "checkpoints", model, run.keep)
    batch_size = run.batch_size or recipe.batch_size
    dtype = choose_precision(run.precision, device)
    if device.type == "cpu" and dtype == torch.bfloat16:
        for network in state.nets.modules.values():
            small_maps.mend(network)
    training = Training(recipe, run, state, checkpoints, device, dtype, batch_size, Collector())
    if not go_back(training, lambda: checkpoints.newest(warn)):
        parallel.same_everywhere(tensor for file in state.tensors().values() for tensor in file.values())
    warn_of_processes(training, warn)
    warn_of_threads(training, warn)
    return training


def go_back(training: Training, find: Callable[[], Path | None]) -> bool:
    """Restore the checkpoint that process 0 finds, in every process; tell whether there was one.

    Raises RunFailed if it was made by another recipe.
    """
    files: dict[str, bytes] = {}

    def read() -> str | None:
        path = find()
        files.update({} if path is None else training.checkpoints.read(path))
        return None if path is None else str(path)

    path = parallel.by_first(read)
    if path is not None:
        training.checkpoints.fit(training.state, parallel.files_of_first(files), Path(path))
    return path is not None


def warn_of_processes(training: Training, warn: Callable[[str], None]) -> None:
    """Say so if a resumed run goes on with another number of processes than it was saved with."""
    before, now = training.state.processes, parallel.world_size()
    if before == now or training.state.threads is None or training.fraction() >= 1:
        return
    warn(
        f"Saved by {before} process{'es' if before > 1 else ''}, resumed by {now}: sums round differently, this is no "
        "longer bit for bit the uninterrupted run."
    )


def warn_of_threads(training: Training, warn: Callable[[str], None]) -> None:
    """Say so if a resumed run goes on with another number of threads than it was saved with."""
    before, now = training.state.threads, torch.get_num_threads()
    if before in (None, now) or training.device.type != "cpu" or training.fraction() >= 1:
        return
    warn(
        f"Saved with {before} threads, resumed with {now}: sums round differently, this is no longer bit for bit the "
        f"uninterrupted run; OMP_NUM_THREADS={before} makes it so."
    )


def train(training: Training, rows: Rows, hooks: Sequence[Hook] = ()) -> State:
    """Train until the budget is used up or a stop is requested; return the final state, which is saved.

    Raises RunFailed if the run keeps diverging or cannot be saved.
    """
    if training.counters.step == 0:
        save_first(training)
    guard, clocked = Guard(training.device), [hook for hook in hooks if isinstance(hook, Clocked)]
    began, before = time.perf_counter(), training.counters.seconds
    over = look_on(training, (), ())
    while True:
        try:
            if over:
                guard.check()
                save(training)
                return training.state
            iterate(training, rows, guard)
            seconds = before + time.perf_counter() - began - training.paused
            training.state.counters = advance(training.counters, seconds=seconds)
            treated = look(training, guard, hooks)
            over = look_on(training, () if treated else hooks, () if treated else clocked)
        except (Diverged, NotFinite) as where:
            roll_back(training, str(where), guard, hooks)
            over = look_on(training, (), ())


def look_on(training: Training, hooks: Sequence[Hook], clocked: Sequence[Clocked]) -> bool:
    """Call the hooks after a step, in order; tell whether the run is over.

    All processes agree on that and on what is due in one message, just before the first hook that needs it.
    """
    agreed: list[bool] = []
    for hook in [*hooks, None]:
        if not agreed and (hook is None or hook in clocked):
            over = [training.fraction() >= 1, training.stop_requested]
            agreed = parallel.agree([*over, *(other.due(training) for other in clocked)])
        if hook is not None and (hook not in clocked or agreed[2 + clocked.index(hook)]):
            hook.after_step(training)
    return any(agreed[:2])


def iterate(training: Training, rows: Rows, guard: Guard) -> None:
    """One step: every phase that is due, then the averages and the counters."""
    recipe, state, size = training.recipe, training.state, training.batch_size
    training.collector.begin_step()
    progress = Progress(state.counters, training.run.seed, training.device, training.collector)
    position = state.counters.position
    first = position
    for number, phase in enumerate(recipe.phases):
        if not due(phase, state.counters):
            continue
        updates = phase.updates(progress) if callable(phase.updates) else phase.updates
        for update in range(updates):
            # The first update of each phase works on the step's batch, further ones each on the next.
            start = first if update == 0 else position
            training.reached = max(training.reached, start)
            step_phase(training, phase, f"{number}.{update}", rows, start, progress, guard)
            position = max(position, start + size)
    parallel.average_buffers(state.nets.modules.values())
    for player in recipe.players.values():
        if player.average_halflife is not None:
            keep = average.decay(size, player.average_halflife, state.counters.samples)
            for name in player.networks:
                average.update(state.nets.averaged.modules[name], state.nets.modules[name], keep)
    state.counters = advance(
        state.counters, step=state.counters.step + 1, samples=state.counters.samples + size, position=position
    )


def step_phase(
    training: Training, phase: Phase, place: str, rows: Rows, start: int, progress: Progress, guard: Guard
) -> None:
    """Update one player once. Every other parameter is a constant while this runs.

    Raises Diverged, before anything is changed where looking is free, if the gradient is not finite.
    """
    state, player = training.state, training.recipe.players[phase.player]
    optimizer, parameters = state.optimizers[phase.player], state.trainable.of[phase.player]
    set_hyperparameters(training, phase.player, progress)
    optimizer.zero_grad(set_to_none=True)
    parts = parallel.rows(training.batch_size, training.run.accumulate)
    with state.trainable.only(phase.player):
        for offset, size in parts:
            batch = to_device(rows(start + offset, size), training.device)
            moment = progress.at(phase.player, place, (offset, size, training.batch_size))
            seed_networks(training.device, moment.network_seed())
            with autocast(training.device, training.dtype):
                if training.recipe.view is not None:
                    batch = training.recipe.view(state.nets, batch, moment)
                terms = phase.loss(state.nets, batch, moment)
            total = sum(term.float() for term in terms.values()) * (phase.every / len(parts))
            assert isinstance(total, Tensor)
            total.backward()  # type: ignore[no-untyped-call]
            for name, term in terms.items():
                moment.report(name, term)
    parallel.average_gradients(parameters)
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    training.collector.add(f"{phase.player}/gradient_norm", norm)
    guard.look(f"{phase.player}'s gradient", norm)
    if player.clip_norm is not None:
        torch.nn.utils.clip_grads_with_norm_(parameters, player.clip_norm, norm)
    optimizer.step()
    if player.constrain is not None:
        for network in player.networks.values():
            player.constrain(network)


def set_hyperparameters(training: Training, player: str, progress: Progress) -> None:
    """Set the optimizer as its own settings, the player's schedule and the guard's factor say."""
    schedule = training.recipe.players[player].schedule
    changes = dict(schedule(progress)) if schedule is not None else {}
    for group, settings in zip(
        training.state.optimizers[player].param_groups, training.state.settings[player], strict=True
    ):
        group.update(settings)
        group.update(changes)
        group["lr"] = group["lr"] * training.state.lr_scale


def seed_networks(device: torch.device, seed: int) -> None:
    """Key what networks draw themselves (dropout, noise) like all the rest.

    `torch.manual_seed` asks every kind of device torch knows: 0.18 ms against 1 us, at every update.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Return the autocast context of a precision; float32 means off."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """Move a batch to the device."""
    if device.type == "cpu":
        return batch
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}


def save(training: Training) -> None:
    """Save a checkpoint from process 0: all of the state is the same in every process, after every step.

    Raises RunFailed if the disk does not take it, NotFinite if the state must not be kept; in every process.
    """
    processes = parallel.world_size()

    def write() -> str | None:
        try:
            training.checkpoints.save(training.state, processes)
        except NotFinite as tensor:
            return str(tensor)
        return None

    refused = parallel.by_first(write)
    if refused is not None:
        raise NotFinite(refused)


def save_first(training: Training) -> None:
    """Save the state before the first step, so that there is always one to go back to.

    Raises RunFailed if it is not finite or cannot be saved.
    """
    try:
        save(training)
    except NotFinite as tensor:
        raise RunFailed(f"{tensor} is not finite before the first step; look at the initial weights.") from tensor


def roll_back(training: Training, where: str, guard: Guard, hooks: Sequence[Hook]) -> None:
    """Go back to the last good checkpoint, with new random streams and past the data that was in flight.

    Raises RunFailed when this happens too often (health.py).
    """
    guard.forget()
    training.collector.read()
    bad = training.counters
    rollbacks = training.state.rollbacks
    scale = lr_scale_after(rollbacks, bad.step, training.state.lr_scale, where)
    found = go_back(training, lambda: training.checkpoints.newest(lambda message: None))
    assert found, "a run saves a checkpoint before its first step"
    good = training.counters
    training.state.rollbacks = [*rollbacks, bad.step]
    training.state.lr_scale = scale
    position = max(bad.position, training.reached) + training.batch_size
    training.state.counters = advance(good, attempt=bad.attempt + 1, position=position)
    message = f"{where} was not finite at step {bad.step}: went back to step {good.step}" + (
        f" with {scale:g} of the learning rate." if scale < 1 else "."
    )
    for hook in hooks:
        hook.note("rollback", message)


def look(training: Training, guard: Guard, hooks: Sequence[Hook]) -> bool:
    """Look for signs that the recipe has treatments for, at fixed steps; treat one that has lasted, and tell whether.

    Raises Diverged or NotFinite: what is not finite is no sign to be treated.
    """
    if not care.due(training.recipe, training.counters.step):
        return False
    guard.check()
    statistics = parallel.mean_of(training.collector.latest())
    try:
        care.look(training.state.chart, training.recipe, training.counters.step, statistics, lambda: save(training))
    except Unhealthy as trouble:
        treat(training, trouble, hooks)
        return True
    return False


def treat(training: Training, trouble: Unhealthy, hooks: Sequence[Hook]) -> None:
    """Go back to the last checkpoint without the sign, change one thing, and save that as where the run goes on.

    What earlier treatments changed since that checkpoint is changed again.
    """
    training.collector.read()
    state, checkpoints, bad, chart = training.state, training.checkpoints, training.counters, training.state.chart
    treatment = care.next_treatment(chart, training.recipe, trouble.sign)
    assert treatment is not None, "a sign without a treatment left is not raised"
    scale, rollbacks = state.lr_scale, state.rollbacks
    good = treatment.back and go_back(training, lambda: checkpoints.newest_until(chart.healthy))
    if good:
        parallel.by_first(lambda: checkpoints.discard_after(state.counters.step))
    for each in (*care.given_so_far(chart, training.recipe), treatment) if good else (treatment,):
        if each.change is not None:
            each.change(state.nets)
    state.lr_scale, state.rollbacks = scale * treatment.lr, rollbacks
    healthy = state.counters.step if good else chart.healthy
    state.chart = care.Chart({}, healthy, [*chart.given, (bad.step, trouble.sign)])
    state.counters = advance(
        state.counters, attempt=bad.attempt + 1, position=bad.position + training.batch_size, seconds=bad.seconds
    )
    try:
        save(training)
    except NotFinite:  # the run goes back as if nothing had been given
        state.lr_scale = scale
        raise
    place = f" Went back to step {state.counters.step}." if good else ""
    for hook in hooks:
        hook.note("treatment", f"Step {bad.step}: {str(trouble).split('. ')[0]}. {treatment.words}{place}")
