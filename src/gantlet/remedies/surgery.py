"""How a remedy changes a recipe it has never seen: other networks for a loss, terms after it, other optimizers.

Losses reach networks only through `nets.D(x)` and statistics only through `progress.report`. So a remedy hands the
loss other nets (`through`), or listens to what was asked and reported and goes on from there (`after`), without a
second pass of any network. D keeps its parameters and their names; what a remedy remembers lies in buffers of a helper.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from gantlet.draws import SampleDraws
from gantlet.errors import UserError
from gantlet.recipe import Batch, Draws, Losses, Nets, Phase, Progress, Recipe

Loss = Callable[[Nets, Batch, Progress], Losses]
Change = Callable[[Nets, Batch, Progress], Mapping[str, Any]]  # -> networks to hand to the loss, by name


@dataclass(frozen=True)
class Call:
    """What a network was asked and what it answered."""

    inputs: tuple[Any, ...]
    output: Any


@dataclass(frozen=True)
class Moment:
    """One update, as a remedy sees it when the phase's own loss is computed."""

    nets: Nets
    batch: Batch
    progress: Progress
    terms: Losses  # of the phase's own loss
    reported: Mapping[str, Tensor]
    calls: Mapping[str, list[Call]]  # of G and D, in order

    def logits(self, name: str) -> Tensor:
        """Return what the loss reported as "real_logits" or "fake_logits", with its graph, in float32."""
        if name not in self.reported:
            raise UserError(f"This remedy reads the {name} that D's loss reports, and this recipe reports none.")
        return self.reported[name].float()

    def asked(self, network: str) -> Call:
        """Return the first thing that a network was asked."""
        if not self.calls[network]:
            raise UserError(f"This remedy listens to what the loss asks of {network}, and it asks nothing.")
        return self.calls[network][0]

    def judge(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return D's logits of pictures, labels given as this loss gives them: y, or those of the batch."""
        seen, *others = self.asked("D").inputs
        if seen.shape[1:] != x.shape[1:] or any(isinstance(o, Tensor) and o.is_floating_point() for o in others):
            raise UserError("This remedy asks D about pictures alone, and this recipe's D judges something else.")
        # Beside labels [N] there may be what D is told of each clip, [N, k]: times.
        rows = (
            (old[: len(x)] if y is None or old.dim() > 1 else y) if isinstance(old, Tensor) else old for old in others
        )
        given = list(rows)
        return first(self.nets.D(x, *given)).float()


def first(output: Any) -> Tensor:
    """Return a network's answer, or the first of several: the logits, the pictures."""
    answer: Tensor = output[0] if isinstance(output, tuple) else output
    return answer


def owner(recipe: Recipe, network: str) -> str:
    """Return the player that a network belongs to. Raises ValueError if there is no such network."""
    for name, player in recipe.players.items():
        if network in player.networks:
            return name
    there = ", ".join(name for player in recipe.players.values() for name in player.networks)
    raise ValueError(f"it needs a network {network}, the recipe has {there}")


def network(recipe: Recipe, name: str) -> nn.Module:
    """Return a network by name. Raises ValueError if there is none."""
    return recipe.players[owner(recipe, name)].networks[name]


def rewrite(recipe: Recipe, player: str, around: Callable[[Loss], Loss], only_game: bool = False) -> Recipe:
    """Return the recipe with the losses of a player's phases rewritten; `only_game` leaves lazy penalties alone."""
    mine = [i for i, phase in enumerate(recipe.phases) if phase.player == player]
    if only_game:
        mine = [i for i in mine if recipe.phases[i].every == 1][:1]
    if not mine:
        raise ValueError(f"no phase of the recipe updates player {player} at every step")
    phases: list[Phase] = list(recipe.phases)
    for i in mine:
        phases[i] = replace(phases[i], loss=around(phases[i].loss))
    return replace(recipe, phases=tuple(phases))


def through(recipe: Recipe, change: Change, network: str | None = None) -> Recipe:
    """Return the recipe whose losses meet another D: those of the player with this network, or of all players."""
    owner(recipe, "D")
    for player in recipe.players if network is None else [owner(recipe, network)]:
        if any(phase.player == player for phase in recipe.phases):
            recipe = rewrite(recipe, player, lambda loss: _with_networks(loss, change))
    return recipe


def _with_networks(loss: Loss, change: Change) -> Loss:
    return lambda nets, batch, progress: loss(_Substituted(nets, change(nets, batch, progress)), batch, progress)


def after(recipe: Recipe, network: str, terms: Callable[[Moment], Losses]) -> Recipe:
    """Return the recipe in which the game of a network's player has the terms that `terms` makes of its own."""
    owner(recipe, "G"), owner(recipe, "D")

    def around(loss: Loss) -> Loss:
        def changed(nets: Nets, batch: Batch, progress: Progress) -> Losses:
            calls: dict[str, list[Call]] = {"G": [], "D": []}
            recording = _Substituted(nets, {name: _Recorded(getattr(nets, name), calls[name]) for name in calls})
            listening = _Listening(progress)
            own = loss(recording, batch, cast(Progress, listening))
            return terms(Moment(nets, batch, progress, own, listening.reported, calls))

        return changed

    return rewrite(recipe, owner(recipe, network), around, only_game=True)


def with_helper(recipe: Recipe, **helpers: nn.Module) -> Recipe:
    """Return the recipe with more helpers. Raises ValueError if it has one of this name."""
    for name in helpers:
        if name in recipe.helpers:
            raise ValueError(f"the recipe has a helper called {name} already")
    return replace(recipe, helpers={**recipe.helpers, **helpers})


def with_network(recipe: Recipe, player: str, **networks: nn.Module) -> Recipe:
    """Return the recipe in which a player has other, or more, networks."""
    return change_player(recipe, player, networks={**recipe.players[player].networks, **networks})


def change_player(recipe: Recipe, player: str, **changes: Any) -> Recipe:
    """Return the recipe with fields of a player replaced."""
    return replace(recipe, players={**recipe.players, player: replace(recipe.players[player], **changes)})


class Instead:
    """A network that answers by another function. Other doors into the network are closed: they would lead past it."""

    def __init__(self, network: Any, answer: Callable[..., Any]) -> None:
        self._network, self._answer = network, answer

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        return self._answer(*inputs, **options)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._network, name)
        if callable(value):
            raise UserError(f"A remedy changes what D(x) is, and this recipe asks D by another door, D.{name}.")
        return value


def on(network: Any, change: Callable[[Tensor], Tensor]) -> Instead:
    """Return a network that is handed changed pictures or clips: `on(D, augment)(x, y)` is D(augment(x), y)."""
    return Instead(network, lambda x, *rest, **options: network(change(seen(x)), *rest, **options))


def in_parts(network: Any, rows: int) -> Instead:
    """Return a network that is asked `rows` rows at a time: reals apart from fakes, for a D that compares rows."""

    def answer(x: Tensor, *rest: Any) -> Any:
        if len(x) <= rows or len(x) % rows:
            return network(x, *rest)
        split = [[None] * (len(x) // rows) if part is None else part.split(rows) for part in (x, *rest)]
        answers = [network(*part) for part in zip(*split, strict=True)]
        if isinstance(answers[0], tuple):
            return tuple(torch.cat(parts) for parts in zip(*answers, strict=True))
        return torch.cat(answers)

    return Instead(network, answer)


def seen(x: Tensor) -> Tensor:
    """Return x if it is a batch of pictures or of clips."""
    return x if x.dim() == 5 else pictures(x)


def key(batch: Batch) -> str:
    """Return under which name a batch holds what D judges: "clip", "tokens", else "image"."""
    return next((name for name in ("clip", "tokens") if name in batch), "image")


def reals(batch: Batch) -> Tensor:
    """Return what D judges of a batch."""
    if key(batch) not in batch:
        raise UserError("This remedy needs batches of pictures, and this recipe is fed something else.")
    return batch[key(batch)]


def without_weights(recipe: Recipe) -> Recipe:
    """Return the recipe as one that heeds no weights: for a D that answers with another number of logits than rows."""
    return replace(recipe, heeds=tuple(name for name in recipe.heeds if name != "weight"))


def pictures(x: Tensor) -> Tensor:
    """Return x if it is a batch of pictures."""
    if x.dim() != 4:
        raise UserError(f"This remedy needs a D that looks at pictures; here it is given {x.dim()} dimensions, not 4.")
    return x


class _Substituted:
    """Nets with some networks exchanged."""

    def __init__(self, nets: Nets, changes: Mapping[str, Any]) -> None:
        self._nets, self._changes = nets, dict(changes)

    def __getattr__(self, name: str) -> Any:
        return self._changes[name] if name in self._changes else getattr(self._nets, name)


class _Recorded:
    """A network that writes down what it is asked."""

    def __init__(self, network: Any, calls: list[Call]) -> None:
        self._network, self._calls = network, calls

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        output = self._network(*inputs, **options)
        self._calls.append(Call(inputs, output))
        return output

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)


class _Listening:
    """Progress that remembers what is reported, with its graph."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.reported: dict[str, Tensor] = {}

    def report(self, name: str, value: Tensor) -> None:
        self.reported[name] = value
        self._progress.report(name, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._progress, name)


class Streams:
    """The same draws under other stream names: a remedy's z must not be the loss's own."""

    def __init__(self, draws: Draws, prefix: str) -> None:
        self._draws, self._prefix = draws, prefix

    def normal(self, stream: str, *shape: int) -> Tensor:
        return self._draws.normal(f"{self._prefix}/{stream}", *shape)

    def uniform(self, stream: str, *shape: int) -> Tensor:
        return self._draws.uniform(f"{self._prefix}/{stream}", *shape)


@contextmanager
def unremembered(network: nn.Module) -> Iterator[None]:
    """Let batch norms of a network use the batch's statistics and not remember them: for a pass that only looks."""
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


class _Asked(Exception):
    """What G was asked for a sample."""

    def __init__(self, inputs: tuple[Any, ...]) -> None:
        self.inputs = inputs


def latents(recipe: Recipe, count: int, classes: int) -> tuple[Any, ...]:
    """Return what `recipe.sample` asks of G for `count` samples: z, and labels 0, 1, ... in turn if there are any."""
    label = torch.arange(count) % classes if classes else None

    def spy(*inputs: Any, **options: Any) -> Any:
        raise _Asked((*inputs, *options.values()))

    try:
        sampled(recipe, cast(Nets, _Substituted(cast(Nets, None), {"G": spy})), SampleDraws(0, range(count)), label)
    except _Asked as asked:
        return asked.inputs
    except AttributeError as error:
        raise ValueError("its samples do not come straight from G") from error
    raise ValueError("its samples do not come straight from G")


def sampled(recipe: Recipe, nets: Nets, draws: Draws, label: Tensor | None) -> Tensor:
    """Return samples, the labels given if there are any and the recipe takes them."""
    if recipe.sample is None:
        raise ValueError("it needs a recipe that samples")
    takes = label is not None and "label" in inspect.signature(recipe.sample).parameters
    return recipe.sample(nets, draws, **({"label": label} if takes else {}))


def num_classes(network: nn.Module) -> int:
    """Return how many classes a network knows, 0 if none: the rows of its embeddings, or its own word."""
    rows = [module.num_embeddings for module in network.modules() if isinstance(module, nn.Embedding)]
    return min(rows, default=int(getattr(network, "num_classes", 0)))
