"""`gantlet.train`: data, recipe and run folder brought together around the engine."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import torch

from gantlet import record as records
from gantlet.data import Clips, Excerpts, ImageData, Lines, Mixtures, Sounds, Translation
from gantlet.draws import key
from gantlet.engine import loop, parallel
from gantlet.engine.health import Watch
from gantlet.engine.hooks import SaveByClock, ShowByClock, Tick
from gantlet.engine.precision import choose_device, choose_precision, describe
from gantlet.engine.run import Run
from gantlet.engine.storage import alone_in, replace_file
from gantlet.errors import UserError
from gantlet.feeding import (
    Balance,
    Data,
    as_the_recipe_says,
    describe_data,
    feed,
    kind_of,
    longest_side,
    open_data,
    refuse_remedies,
)
from gantlet.listening import SoundPreviews, SoundSamples, write_sound_reals
from gantlet.model import Model, load, newest_weights
from gantlet.observing import Evaluations, Observer, SampleGrids, write_reals
from gantlet.pacing import find_pace
from gantlet.previewing import Previews, write_pairs
from gantlet.reading import TextSamples, write_text_reals
from gantlet.recipe import Recipe
from gantlet.recipes import catalogue
from gantlet.recipes.choose import choose
from gantlet.remedies import catalogue as remedial
from gantlet.remedies.catalogue import Asked
from gantlet.report import choose_status, write_report
from gantlet.stopping import Interrupted, stopping_on_signals
from gantlet.watching import ClipPreviews, ClipSamples, write_clip_reals


def train(
    recipe: str | None = None,
    *,
    data: str | Path,
    out: str | Path,
    seconds: float | None = None, samples: int | None = None, steps: int | None = None,
    seed: int = 0,
    quick: bool | None = None,
    resolution: int | tuple[int, int] | None = None,
    labels: str | Path | None = None,
    target: str | Path | None = None, side_by_side: str | None = None, flips: str | None = None,
    group: str | None = None,
    sample_rate: int | None = None, duration: float | None = None,
    noise: str | Path | None = None, label_pattern: str | None = None,
    level: str | None = None, window: int | None = None, symbols: int | None = None, stride: int | None = None,
    unconditional: bool = False,
    balance: float = 0.0, balance_side: str = "both", class_weights: float = 0.0,
    skip_broken: bool = False,
    batch_size: int | None = None, accumulate: int = 1,
    device: str = "auto", precision: str = "auto",
    init_from: str | Path | None = None,
    remedies: Asked = (),
    save_every: float = 60.0, sample_every: float = 30.0, evaluate_every: float = 60.0,
    tensorboard: bool = False, wandb: bool = False, quiet: bool = False,
    **options: Any,
) -> Model:  # fmt: skip
    """Train a recipe on data and return the model; the same call, made again, resumes the run in `out`.

    `recipe` is a name of `gantlet.recipes.NAMES` or "module:function"; None lets the data and the hardware choose.
    Budgets (`seconds` of training, `samples` of data, `steps`) end the run, whichever comes first. `balance` is alpha
    of class-balanced sampling: 0 takes classes as they come, 1 makes them equally likely; `balance_side` is
    discriminator (its real pictures), generator (its labels) or both. `class_weights` is beta of loss weights by
    effective number, instead of `balance`: 0 for none, else about .999. `options` are the recipe's.
    `target` names the other kind of pictures of a translation, `side_by_side` ("left", "right") the half that is the
    source where every picture holds both, `flips` is none, mirror or all; names with the same first group of the
    pattern `group` are held out together. `sample_rate` (Hz) and `duration` (s) are those of sounds, `noise` is mixed
    with clean ones, the first group of `label_pattern` in a file name is the class. Text has
    a `level` (char, word, bpe) with at most so many `symbols`, and is lines, or one long text in windows of `window`
    tokens. `stride` takes every so many frames of clips. `remedies` are names of `gantlet.remedies.NAMES`, ["ada",
    "lecam:weight=0.1"] or {"lecam": {"weight": 0.1}}.

    Raises UserError for mistakes in the arguments or the data, RunFailed if the run diverges or cannot be saved.
    """
    budget = Run(
        out=Path(out), seed=seed, batch_size=batch_size, accumulate=accumulate, seconds=seconds, samples=samples,
        steps=steps, device=device, precision=precision, save_every=save_every,
    )  # fmt: skip
    check_budget(budget)
    given = dict(labels=labels, target=target, side_by_side=side_by_side, flips=flips, group=group, noise=noise,
                 sample_rate=sample_rate, duration=duration, label_pattern=label_pattern, level=level, window=window,
                 symbols=symbols, stride=stride, unconditional=unconditional, skip_broken=skip_broken)  # fmt: skip
    limit = longest_side(choose_device(device), records.read(budget.out))
    opened = open_data(kind := kind_of(recipe, data), data, resolution, options, recipe, limit, **given)
    balancing = Balance(alpha=balance, side=balance_side, class_weights=class_weights)

    def session(run: Run, own: Mapping[str, Any], pace: Mapping[str, int] = {}) -> Session:
        return Session(recipe, quick, opened, kind, str(data), balancing, run, init_from, own, pace, remedies)

    with torch.random.fork_rng(devices=[]):  # what the caller draws next does not depend on what is trained
        pace = find_pace(recipe, options, budget, quiet, session) if recipe is not None and quick else {}
        return session(budget, options, pace).run(sample_every, evaluate_every, tensorboard, wandb, quiet)


def check_budget(run: Run) -> None:
    """Raise UserError unless there is a positive budget, with an end, and batch."""
    for name in ("seconds", "samples", "steps", "batch_size", "accumulate", "save_every"):
        value = getattr(run, name)
        if value is not None and not 0 < value < inf:
            raise UserError(f"--{name.replace('_', '-')} must be positive and finite, not {value}.")
    if run.seconds is None and run.samples is None and run.steps is None:
        raise UserError("Say how long to train: --seconds S, --samples N or --steps N.")


class Session:
    """One call of `train`: everything resolved, then run."""

    def __init__(
        self,
        recipe: str | None,
        quick: bool | None,
        data: Data,
        kind: str,
        source: str,
        balance: Balance,
        run: Run,
        init_from: str | Path | None,
        options: Mapping[str, Any],
        pace: Mapping[str, int],
        remedies: Asked,
    ) -> None:
        parallel.start(run.device)
        old = parallel.by_first(lambda: records.read(run.out))
        device = choose_device(run.device)
        if run.precision == "auto":  # the hardware may have changed or differ between nodes, the run must not
            native = "bf16" if choose_precision("auto", device) == torch.bfloat16 else "fp32"
            run = replace(run, precision=parallel.by_first(lambda: native if old is None else str(old["precision"])))
        self.data, self.options = data, run
        precision = choose_precision(run.precision, device)
        facts = data.facts()
        reason = ""
        if recipe is None and old is not None and old.get("reason"):  # a newer rule must not change the run
            recipe, reason, quick = str(old["recipe"]), str(old["reason"]), old["settings"] == "quick"
        elif recipe is None:
            choice = choose(facts, len(data), device.type != "cpu")
            recipe, reason = choice.recipe, choice.reason
            quick = choice.quick if quick is None else quick
        settings = "own" if ":" in recipe else ("quick" if quick else "faithful")
        begun_with = {**pace, **records.arguments(old, recipe, settings)}
        arguments = catalogue.resolve(recipe, facts, bool(quick), options, begun_with)
        self.data = data = as_the_recipe_says(data, arguments)
        asked = remedial.read(remedies)
        chosen = remedial.resolve(asked, len(data), records.remedies(old))
        refuse_remedies(data, chosen)
        torch.manual_seed(seed_of_weights(run.seed))
        self.recipe = remedial.apply(catalogue.build(recipe, arguments), chosen)
        parallel.rows(run.batch_size or self.recipe.batch_size, run.accumulate)
        if init_from is not None and old is None:
            parallel.by_first(lambda: initialise(self.recipe, Path(init_from)))
        balance.check(self.recipe.heeds, recipe)
        self.feed = feed(data, run.seed, balance, chosen.get("holdout"))
        self.record = records.Record(
            recipe=recipe,
            arguments=arguments,
            options=sorted([*options, *remedial.typed(asked)]),
            settings=settings,
            reason=reason,
            data=describe_data(data, kind, source, balance),
            seed=run.seed,
            batch_size=run.batch_size or self.recipe.batch_size,
            accumulate=run.accumulate,
            precision="bf16" if precision == torch.bfloat16 else "fp32",
            remedies=chosen,
            init_from=None if init_from is None else str(init_from),
            run={"seconds": run.seconds, "samples": run.samples, "steps": run.steps, "save_every": run.save_every},
            command=records.command_line(),
            device=describe(device),
        )

    def run(self, sample_every: float, evaluate_every: float, tensorboard: bool, wandb: bool, quiet: bool) -> Model:
        """Claim the run folder, train with everything that looks on, leave grids, report and model."""
        out = self.options.out
        self.check_alike()
        parallel.by_first(lambda: records.make_folder(out))
        with ExitStack() as held:
            parallel.by_first(lambda: held.enter_context(alone_in(out)))
            resuming = bool(parallel.by_first(lambda: self.claim(out)))  # alone: of two starts at once one is refused
            return self._run(resuming, sample_every, evaluate_every, tensorboard, wandb, quiet)

    def _run(
        self, resuming: bool, sample_every: float, evaluate_every: float, tensorboard: bool, wandb: bool, quiet: bool
    ) -> Model:
        out, chief = self.options.out, parallel.rank() == 0
        status = choose_status(quiet or not chief)
        training = loop.prepare(self.recipe, self.options, self.record.model(), status.note)
        observer = Observer(out, status, self.record, tensorboard, wandb) if chief else None
        closing = ExitStack()
        if observer is not None:
            closing.callback(finish, out, observer)
        closing.callback(status.stop)
        numbers = (signal.SIGINT, signal.SIGTERM)
        try:
            hooks: list[loop.Hook] = [SaveByClock(self.options.save_every)]
            hooks += self.shown(training, resuming, sample_every, observer)
            hooks += self.evaluations(evaluate_every, observer)
            before = training.counters.step
            with stopping_on_signals(training) as signals:
                loop.train(training, self.feed, hooks)
                stopped = parallel.agree([number in signals for number in numbers])
                for hook in hooks if training.counters.step > before else []:
                    if isinstance(hook, ShowByClock | Evaluations) and not any(stopped):  # who says stop does not wait
                        hook.conclude(training)
                        stopped = parallel.agree([number in signals for number in numbers])
            parallel.by_first(closing.close)
        finally:
            closing.close()  # in process 0 after an error, in the others always
        for number, received in zip(numbers, stopped):
            if received:
                raise Interrupted(number, out)
        return self.model(training)

    def evaluations(self, evaluate_every: float, observer: Observer | None) -> list[loop.Hook]:
        """Return the hook that judges the run while it trains, if it can be judged."""
        data = self.data
        least = 64 if isinstance(data, Lines) else 8 if isinstance(data, Clips) else 0
        if self.recipe.sample is None or evaluate_every <= 0 or len(data) < least:
            return []
        if isinstance(data, ImageData | Sounds | Lines | Clips):
            return [Evaluations(self.record, data, evaluate_every, observer)]
        return []

    def model(self, training: loop.Training) -> Model:
        """Return the model of the run; process 0 reads it from the run folder, which others may not see."""
        model = Model(self.recipe, training.state.nets.averaged, self.record.model(), training.device)

        def read() -> Any:
            nonlocal model
            model = load(self.options.out, recipe=self.record.recipe)
            return model.about["step"]

        model.about["step"] = parallel.by_first(read)
        parallel.same_everywhere(
            tensor for _, module in sorted(model.nets.modules.items()) for tensor in module.state_dict().values()
        )
        return model

    def shown(
        self, training: loop.Training, resuming: bool, sample_every: float, observer: Observer | None
    ) -> list[loop.Hook]:
        """Begin to show the run: what it is trained on now, and the hooks that show what it makes of it.

        All processes have the hooks; only the one with an observer shows anything.
        """
        draws: list[Callable[[loop.Training], None]] = []

        def begin() -> None:
            assert observer is not None, "process 0 has one"
            draw = self.drawing(training, resuming, observer)
            draws.extend([] if draw is None else [draw])

        parallel.by_first(begin)
        watch = Watch(self.recipe.signs)
        tick = Tick(lambda *read: None, watch, lambda *event: None)
        if observer is not None:
            tick = Tick(observer.tick, watch, observer.note)
        return [tick, ShowByClock(draws[0] if draws else lambda training: None, sample_every)]

    def drawing(
        self, training: loop.Training, resuming: bool, observer: Observer
    ) -> Callable[[loop.Training], None] | None:
        """Write what the run is trained on; return what draws what it makes of it, None if nothing does."""
        out, data = self.options.out, self.data
        if isinstance(data, ImageData):
            write_reals(out, data)
        observer.begin(training, resuming)
        draw: Callable[[loop.Training], None] | None = None
        if not resuming:
            for told in data.notes:
                observer.status.note(f"{data.name}: {told}.")
        if isinstance(data, Translation):
            write_pairs(out, data, self.options.seed)
            draw = Previews(out, data, observer).draw
        elif isinstance(data, Lines):
            write_text_reals(out, data)
            draw = TextSamples(out, self.record, data, observer).draw
        elif isinstance(data, Sounds | Excerpts | Mixtures):
            write_sound_reals(out, data, self.options.seed)
            if isinstance(data, Sounds):
                draw = SoundSamples(out, self.record, data, observer).draw
            else:
                draw = SoundPreviews(out, data, observer).draw
        elif isinstance(data, Clips):
            write_clip_reals(out, data)
            if self.recipe.sample is not None:
                draw = ClipSamples(out, self.record, data, observer).draw
            else:
                draw = ClipPreviews(out, data, observer).draw
        elif self.recipe.sample is not None:
            draw = SampleGrids(out, self.record, observer).draw
        return draw

    def check_alike(self) -> None:
        """Raise UserError, in every process, unless all were given the same command and data."""
        mine = json.loads(json.dumps(self.record.to_json()))
        changed = records.differences(parallel.by_first(lambda: mine), mine)
        if any(parallel.agree([bool(changed)])):
            what = f" ({'; '.join(changed[:3])})" if changed else ""
            raise UserError(f"The processes were given different runs{what}; all nodes need the same command and data.")

    def claim(self, out: Path) -> bool:
        """Write run.json into a new run folder, or check that an old one is this very run; tell whether it resumes.

        Raises UserError, naming the differences, if the folder holds another run or other files.
        """
        new = self.record.to_json()
        old = records.read(out)
        if old is None:
            try:
                replace_file(out / records.NAME, json.dumps(new, indent=1).encode())
            except OSError as error:
                raise UserError(f"Cannot write to {out} ({error.strerror}); choose another --out.") from error
            return False
        changed = records.differences(old, json.loads(json.dumps(new)))
        if not changed:
            told = {"run": new["run"], "command": new["command"] or old.get("command", [])}
            replace_file(out / records.NAME, json.dumps({**old, **told}, indent=1).encode())
        if changed:
            raise UserError(
                f"{out} holds another run ({'; '.join(changed[:3])}{' ...' if len(changed) > 3 else ''}); "
                "repeat its command to resume it, choose another --out, or start from its weights with --init-from."
            )
        return True


def seed_of_weights(seed: int) -> int:
    """Return the seed of the initial weights."""
    return key(seed, "weights")


def initialise(recipe: Recipe, source: Path) -> None:
    """Start from the weights of another run (transfer), not from its counters or optimizers: this is no resumption.

    Raises UserError if there is no such run, none of its networks is in this recipe, or their shapes differ.
    """
    found = newest_weights(source)
    networks = {name: network for player in recipe.players.values() for name, network in player.networks.items()}
    if not set(found) & set(networks):
        raise UserError(f"--init-from {source} has {', '.join(found)}, the recipe {', '.join(networks)}: nothing fits.")
    for name in set(found) & set(networks):
        try:
            networks[name].load_state_dict(found[name])
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip().rstrip(".")
            raise UserError(f"--init-from {source} does not fit this recipe's '{name}': {reason}.") from error


def finish(out: Path, observer: Observer) -> None:
    """Close what a run wrote and write its report."""
    observer.finish()
    try:
        write_report(out)
    except OSError as error:  # a full disk must not hide why the run ended
        observer.status.note(f"Could not write {out / 'report.html'} ({error.strerror}); `gantlet report {out}` does.")
