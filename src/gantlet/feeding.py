"""What training is fed: rows of the data in the order of the run, and of pictures held out beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantlet.data import (
    Clips,
    Excerpts,
    ImageData,
    Lines,
    Mixtures,
    Opening,
    Order,
    Sounds,
    Translation,
    balanced_weights,
    open_clips,
    open_excerpts,
    open_images,
    open_lines,
    open_mixtures,
    open_sounds,
    open_translation,
)
from gantlet.data.cache import cache_folder
from gantlet.data.order import effective_number_weights
from gantlet.data.recordings import holds_sounds
from gantlet.data.remembered import remembered_kind
from gantlet.data.shots import holds_clips
from gantlet.data.texts import holds_text
from gantlet.draws import key
from gantlet.errors import UserError, suggest
from gantlet.recipes import catalogue
from gantlet.remedies.holdout import split

Data = ImageData | Translation | Sounds | Excerpts | Mixtures | Lines | Clips
Rows = Callable[[int, int], Mapping[str, Tensor]]

OF_IMAGES = ("labels", "unconditional")  # options that mean something only for one kind of pictures with labels
OF_TWO = ("target", "side_by_side")  # and those for two kinds of pictures
# Options of `train` that recipes have too, with another meaning, and the kinds of data that they are options of.
SHARED = {"noise": ("mixtures",), "target": ("pairs", "unpaired"), "stride": ("clips",)}
OF_SOUND = ("sample_rate", "duration", "noise", "label_pattern")  # and those for sounds
OF_CLIPS = ("resolution", "labels", "stride", "unconditional", "skip_broken")  # all that clips know
OF_TEXT = ("level", "window", "symbols")  # and those for text
TEXT = ("lines", "passages")  # kinds of data of recipes that read
FOR_TEXT = (  # remedies that need no pictures
    "holdout", "label_smoothing", "lecam", "top_k", "historical_averaging", "gradient_clipping", "sgd",
)  # fmt: skip
FOR_CLIPS = (*FOR_TEXT, "apa", "diffaugment", "little_data", "ada", "auto", "instance_noise")  # alike in all frames
SOUND = {  # kind of data of a recipe that hears -> the options it knows
    "sounds": ("sample_rate", "duration", "labels", "label_pattern", "unconditional"),
    "excerpts": ("sample_rate", "duration", "group"),
    "mixtures": ("sample_rate", "duration", "noise", "target", "group"),
}


def kind_of(recipe: str | None, source: str | Path) -> str:
    """Return what a recipe is fed; without a recipe "lines", "sounds", "clips" or "images", as the source holds."""
    if recipe is not None:
        return catalogue.data_kind(recipe)
    return remembered_kind(cache_folder(None), source, lambda: found_kind(source))


def found_kind(source: str | Path) -> str:
    """Return the kind of data that a source turns out to hold when it is opened."""
    if holds_clips(source):
        return "clips"
    return "lines" if holds_text(source) else "sounds" if holds_sounds(source) else "images"


LONGEST = (64, 256)  # pixels of the longer side without a GPU and with one, where nobody names a resolution


def longest_side(device: torch.device, old: Mapping[str, Any] | None) -> int:
    """Return the pixels of the longer side that pictures are scaled down to when nobody names a resolution.

    On two busy cores a step of quick `r1gan` at 491 pixels took eight minutes and 13 GiB. A run that is resumed,
    perhaps elsewhere, keeps the side it was begun with.
    """
    if old is None:
        return LONGEST[0] if device.type == "cpu" else LONGEST[1]
    size = old["data"].get("facts", {}).get("resolution", 0)
    longest = max(size) if isinstance(size, list) else int(size)
    return next((limit for limit in LONGEST if longest <= limit), longest)


def open_data(
    kind: str,
    source: str | Path,
    resolution: int | tuple[int, int] | None,
    options: dict[str, Any],
    recipe: str | None = None,
    at_most: int | None = None,
    **given: Any,
) -> Data:
    """Open what a recipe is fed. `given` are options of `train`, `options` those of the recipe; pictures to learn from
    whole are `at_most` pixels wide and high without a `resolution`.

    An option of other kinds of data that the recipe has itself (SHARED) becomes one of the recipe's.

    Raises UserError for options that mean nothing for this kind, and whatever is wrong with the data.
    """
    own = [] if recipe is None else [parameter.name for parameter in catalogue.parameters(catalogue.find(recipe))]
    for name, kinds in SHARED.items():
        if given[name] is not None and name in own and kind not in kinds:
            options[name], given[name] = given[name], None
    if kind == "clips":
        return open_clip_data(source, resolution, options, given)
    if given["stride"] is not None:
        raise UserError("--stride is for recipes of clips; leave it out.")
    if kind in TEXT:
        return open_text(kind, source, resolution, options, given)
    for name in OF_TEXT:
        if given[name] is not None:
            raise UserError(f"--{name} is for recipes of text; leave it out.")
    if kind in SOUND:
        return open_sound_data(kind, source, resolution, options, given)
    for name in OF_SOUND:
        if given[name] is not None:
            raise UserError(f"--{name.replace('_', '-')} is for recipes of sounds; leave it out.")
    for name in (*(OF_TWO if kind in ("images", "patches") else ()), *(() if kind == "images" else OF_IMAGES)):
        if given[name]:
            raise UserError(f"--{name.replace('_', '-')} means nothing for a recipe that is fed {kind}; leave it out.")
    if kind == "images":
        for name in ("flips", "group"):
            if given[name]:
                raise UserError(f"--{name} is for recipes that are fed patches or two kinds of pictures; leave it out.")
        how = {name: given[name] for name in ("labels", "skip_broken")}
        images = open_images(source, resolution=resolution, at_most=at_most, **how)
        return replace(images, labels=None, classes=()) if given["unconditional"] else images
    return open_translation(
        kind, source, given["target"], resolution=resolution, flips=given["flips"], side_by_side=given["side_by_side"],
        how=Opening(skip_broken=given["skip_broken"], group=given["group"]),
    )  # fmt: skip


def open_sound_data(
    kind: str,
    source: str | Path,
    resolution: int | tuple[int, int] | None,
    options: Mapping[str, Any],
    given: Mapping[str, Any],
) -> Sounds | Excerpts | Mixtures:
    """Open "sounds", "excerpts" or "mixtures"; raises UserError as `open_data` does."""
    everything = {**given, "resolution": resolution}
    for name, value in everything.items():
        if value and name != "skip_broken" and name not in SOUND[kind]:
            raise UserError(f"--{name.replace('_', '-')} means nothing for a recipe that is fed {kind}; leave it out.")
    how = {name: given[name] for name in SOUND[kind]}
    try:
        channels = None if "channels" not in options else int(options["channels"])
    except ValueError as error:
        raise UserError(f"--channels is a whole number, not '{options['channels']}'.") from error
    how.update(channels=channels, skip_broken=given["skip_broken"])
    if kind == "sounds":
        return open_sounds(source, **how)
    return open_excerpts(source, **how) if kind == "excerpts" else open_mixtures(source, **how)


def open_clip_data(
    source: str | Path, resolution: int | tuple[int, int] | None, options: Mapping[str, Any], given: Mapping[str, Any]
) -> Clips:
    """Open "clips"; raises UserError as `open_data` does."""
    for name, value in given.items():
        if value and name not in OF_CLIPS:
            raise UserError(f"--{name.replace('_', '-')} means nothing for a recipe that is fed clips; leave it out.")
    numbers = {name: whole(name, options.get(name)) for name in ("num_frames", "channels")}
    how: dict[str, Any] = {name: given[name] for name in OF_CLIPS if name != "resolution"}
    return open_clips(source, resolution=resolution, **{**how, **numbers})


def whole(name: str, value: Any) -> int | None:
    """Return a whole number that an option was given; None where it was not. Raises UserError for other text."""
    try:
        return None if value is None else int(value)
    except ValueError as error:
        raise UserError(f"--{name.replace('_', '-')} is a whole number, not '{value}'.") from error


def open_text(
    kind: str,
    source: str | Path,
    resolution: int | tuple[int, int] | None,
    options: Mapping[str, Any],
    given: Mapping[str, Any],
) -> Lines:
    """Open "lines" or "passages"; raises UserError as `open_data` does."""
    for name, value in {**given, "resolution": resolution}.items():
        if value and name not in (*OF_TEXT, "unconditional"):
            raise UserError(f"--{name.replace('_', '-')} means nothing for a recipe that is fed {kind}; leave it out.")
    try:
        length = None if "length" not in options else int(options["length"])
    except ValueError as error:
        raise UserError(f"--length is a whole number of tokens, not '{options['length']}'.") from error
    how = {name: given[name] for name in (*OF_TEXT, "unconditional")}
    if how["window"] is not None and length is not None:
        raise UserError("--window is the length of windows of one long text; leave --length out.")
    return open_lines(source, length=length, windows=True if kind == "passages" else None, **how)


def refuse_remedies(data: Data, names: Iterable[str]) -> None:
    """Raise UserError for remedies that look at pictures, where there are tokens or clips."""
    for kind, what, able in ((Lines, "text", FOR_TEXT), (Clips, "clips", FOR_CLIPS)):
        odd = [name for name in names if name not in able] if isinstance(data, kind) else []
        if odd:
            raise UserError(f"Remedy '{odd[0]}' works on pictures; for {what} there are {', '.join(able)}.")


def as_the_recipe_says(data: Data, arguments: Mapping[str, Any]) -> Data:
    """Return the data with excerpts as long as the recipe's arguments say.

    Raises UserError for arguments that contradict the sounds.
    """
    if isinstance(data, Excerpts | Mixtures):
        data = data.of_length(arguments.get("length"))
        data = replace(data, notes=(*data.notes, data.cutting()))
    if isinstance(data, Sounds | Excerpts | Mixtures):
        for name, there in (("length", data.length), ("sample_rate", data.sample_rate), ("channels", data.channels)):
            if arguments.get(name, there) != there:
                rule = "give --duration in seconds instead" if name == "length" else f"give --{name.replace('_', '-')}"
                raise UserError(f"The recipe is told {name} {arguments[name]} and the sounds have {there}; {rule}.")
    if isinstance(data, Clips):
        for name, there in data.facts().items():
            told = arguments.get(name, there)
            told = list(told) if isinstance(told, tuple) else told
            if name != "num_classes" and told != there:
                rule = "give --stride instead" if name == "frame_rate" else "leave it out"
                raise UserError(f"The recipe is told {name} {told} and the clips have {there}; {rule}.")
    if isinstance(data, Lines):
        for name, there in data.facts().items():
            if name != "num_classes" and arguments.get(name, there) != there:
                hint = "give --symbols" if name == "vocab_size" else "leave it out"
                raise UserError(f"The recipe is told {name} {arguments[name]} and the text has {there}; {hint}.")
    return data


SIDES = ("both", "discriminator", "generator")


@dataclass(frozen=True, kw_only=True)
class Balance:
    """What is done about classes of unequal size: drawing rare ones more often, or weighting the loss; never both."""

    alpha: float = 0.0  # of class-balanced sampling: 0 as they come, 1 every class as often
    side: str = "both"  # whose classes are balanced: those of D's real pictures, those G is asked for, or both
    class_weights: float = 0.0  # beta of the loss weights by effective number; 0 for none

    def __bool__(self) -> bool:
        return bool(self.alpha or self.class_weights)

    def check(self, heeds: Sequence[str], recipe: str) -> None:
        """Raise UserError for what contradicts itself or is not heeded by the recipe's losses."""
        if self.side not in SIDES:
            raise UserError(f"--balance-side is {', '.join(SIDES)}, not '{self.side}'.{suggest(self.side, SIDES)}")
        if not 0 <= self.alpha <= 1:
            raise UserError(f"--balance is 0 (as they come) to 1 (all classes equally likely), not {self.alpha}.")
        if self.alpha and self.class_weights:
            raise UserError("--balance and --class-weights do the same twice; give one of them.")
        if not 0 <= self.class_weights < 1:
            raise UserError(f"--class-weights is a beta from 0 up to, and not including, 1, not {self.class_weights}.")
        sided = bool(self.alpha) and self.side != "both"
        for name, asked, rows in (
            ("--class-weights", bool(self.class_weights), "weight"), ("--balance-side", sided, "fake_label"),
        ):  # fmt: skip
            if asked and rows not in heeds:
                raise UserError(f"The losses of recipe '{recipe}' do not heed {name}; use --balance alone.")

    def describe(self) -> dict[str, Any]:
        """Return what a record keeps; only what was asked for, so that older records read the same."""
        side = {"balance_side": self.side} if self.alpha and self.side != "both" else {}
        weights = {"class_weights": self.class_weights} if self.class_weights else {}
        return {"balance": self.alpha, **side, **weights}


def feed(data: Data, seed: int, balance: Balance, holdout: Mapping[str, Any] | None) -> Rows:
    """Return the rows of training by position. Raises UserError for options the data cannot follow."""
    if isinstance(data, Lines) and data.stream is not None:
        if balance or holdout:
            raise UserError("One long text has no classes to balance and no rows to hold out; leave that out.")
        return data.windows(seed).rows
    if isinstance(data, ImageData | Sounds | Lines | Clips):
        if balance and data.labels is None:
            name = "--balance" if balance.alpha else "--class-weights"
            raise UserError(f"{name} needs labels and the data has none; leave it out.")
        return Feed(data, seed, balance, holdout).rows
    if balance or holdout:
        name = "--balance" if balance else "--remedy holdout (or one that brings it)"
        raise UserError(f"{name} is for recipes of images, sounds or clips with or without labels; leave it out.")
    return data.feed(seed)


def describe_data(data: Data, kind: str, source: str, balance: Balance) -> dict[str, Any]:
    """Return what a record keeps of the data."""
    about = {"name": data.name, "source": source, "split": data.split, "facts": data.facts()} | balance.describe()
    return {**about, **data.describe()} if kind == "images" else {**about, "kind": kind, **data.describe()}


class Feed:
    """Batches by position; with `holdout`, the arguments of that remedy, a part of the data is never trained on."""

    def __init__(
        self, images: ImageData | Sounds | Lines | Clips, seed: int, balance: Balance, holdout: Mapping[str, Any] | None
    ) -> None:
        self._seed = seed
        share, most = (0.0, 0) if holdout is None else (float(holdout["share"]), int(holdout["most"]))
        kept, held = (part.numpy() for part in split(len(images), share, most))
        self._images, self._kept, self._held = images, kept, held
        labels = None if images.labels is None else images.labels[kept]
        drawn = balanced_weights(labels, balance.alpha) if balance.alpha and labels is not None else None
        self._order = Order(len(kept), seed, None if balance.side == "generator" else drawn)
        self._asked: Order | None = None  # whose labels G is asked for, where they are not those of D's pictures
        if drawn is not None and balance.side != "both":
            self._asked = Order(len(kept), key(seed, "asked"), drawn if balance.side == "generator" else None)
        self._weights: Tensor | None = None
        if balance.class_weights and labels is not None:
            self._weights = torch.from_numpy(effective_number_weights(labels, balance.class_weights)).float()
        self._held_order = Order(max(len(held), 1), seed)

    def rows(self, start: int, count: int) -> dict[str, Tensor]:
        """Return `count` rows from a position on: "image", "label", and "holdout_image", "holdout_label" if any."""
        chosen = self._order.indices(start, count)
        batch = self._batch(self._kept[chosen], start)
        if self._weights is not None:
            batch["weight"] = self._weights[torch.from_numpy(chosen)]
        if self._asked is not None and self._images.labels is not None:
            batch["fake_label"] = torch.from_numpy(self._images.labels[self._kept[self._asked.indices(start, count)]])
        if len(self._held):
            held = self._batch(self._held[self._held_order.indices(start, count)], start)
            batch.update({f"holdout_{name}": rows for name, rows in held.items()})
        return batch

    def _batch(self, chosen: NDArray[Any], start: int) -> dict[str, Tensor]:
        """Return rows of the data; clips begin at a moment that seed and position decide."""
        if isinstance(self._images, Clips):
            return self._images.batch(chosen, key(self._seed, "moments") // 2 + np.arange(start, start + len(chosen)))
        return self._images.batch(chosen)
