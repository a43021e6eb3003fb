"""What a person uses after training: `load(path).sample(16)`. No optimizer, no data, no training code."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from gantlet import record as records
from gantlet.data import Intensity
from gantlet.data.vocabulary import Vocabulary
from gantlet.draws import SampleDraws
from gantlet.engine import nets as networks
from gantlet.engine.checkpoint import Checkpoints
from gantlet.engine.memory import allocating_at_most, keep_freed_memory
from gantlet.engine.precision import choose_device
from gantlet.engine.storage import Damaged, sweep, verify
from gantlet.errors import UserError
from gantlet.media.foreign import shown
from gantlet.recipe import Recipe
from gantlet.recipes import NAMES, catalogue
from gantlet.remedies.catalogue import apply as apply_remedies

if TYPE_CHECKING:
    import numpy as np

CHECKPOINTS = ("auto", "best", "last")
CLIPS_AT_ONCE = 32  # samples: a clip is many pictures


class Model:
    """A trained recipe: its averaged networks in evaluation mode, and what it needs to know of its data."""

    def __init__(self, recipe: Recipe, nets: networks.Networks, about: Mapping[str, Any], device: torch.device) -> None:
        self.recipe, self.nets, self.about, self.device = recipe, nets, dict(about), device
        stored = about["data"].get("intensity")  # text has none
        self.intensity = Intensity(-1.0, 1.0, "float32") if stored is None else Intensity.from_json(stored)
        self.classes: tuple[str, ...] = tuple(about["data"]["classes"])
        for module in nets.modules.values():
            module.eval().requires_grad_(False)

    @property
    def sample_rate(self) -> int | None:
        """Samples per second of the sounds the model was trained on; None for a model of pictures."""
        rate = self.about["data"]["facts"].get("sample_rate")
        return None if rate is None else int(rate)

    @property
    def frame_rate(self) -> float | None:
        """Frames a second of the clips the model was trained on; None for a model of anything else."""
        rate = self.about["data"]["facts"].get("frame_rate")
        return None if rate is None else float(rate)

    @cached_property
    def vocabulary(self) -> Vocabulary | None:
        """The symbols of the text the model was trained on; None for a model of pictures or sounds."""
        stored = self.about["data"].get("vocabulary")
        return None if stored is None else Vocabulary.from_json(stored)

    @property
    def conditional(self) -> bool:
        """Tell whether samples are drawn for a label."""
        return bool(self.about["arguments"].get("num_classes"))

    @torch.inference_mode()
    def batches(
        self, num: int, *, seed: int = 0, label: int | str | Sequence[int] | None = None, first: int = 0,
        batch_size: int = 256, **options: Any,
    ) -> Iterator[tuple[Tensor, Tensor | None]]:  # fmt: skip
        """Yield samples `first` to `first + num` in batches: (pictures [n, C, H, W] in [-1, 1], labels [n] or None).

        A model of sounds yields them as [n, C, T], of clips as [n, C, T, H, W], one of text tokens [n, T] int64.

        Sample i depends on (seed, i) alone. Without `label` a conditional model draws labels as often as its data has.

        Raises UserError if the recipe has nothing to sample, the label is unknown or an option does not exist.
        """
        if self.recipe.sample is None:
            raise UserError(f"Recipe '{self.about['recipe']}' is not generative: it has nothing to sample.")
        if num < 1 or batch_size < 1:
            raise UserError(f"The number of samples and the batch size must be positive, not {min(num, batch_size)}.")
        if self.vocabulary is not None:
            from gantlet.applying.sentences import checked

            options = checked(self, options)
        known = set(inspect.signature(self.recipe.sample).parameters) - {"nets", "draws", "label"} if options else ()
        for option in options:
            if option not in known:
                flag = option.replace("_", "-")
                raise UserError(f"Recipe '{self.about['recipe']}' has no {option} to sample with; leave --{flag} out.")
        if self.frame_rate is not None:
            batch_size = min(batch_size, CLIPS_AT_ONCE)
        for start in range(first, first + num, batch_size):
            numbers = range(start, min(start + batch_size, first + num))
            draws = SampleDraws(seed, numbers, self.device)
            y = self.labels(draws, label, numbers, first)
            keywords = dict(options) if y is None else {"label": y, **options}
            pictures = self.recipe.sample(self.nets, draws, **keywords)
            yield pictures if self.vocabulary is not None else pictures.float(), y

    def sample(self, num: int = 1, **options: Any) -> Tensor:
        """Return `num` samples [num, C, H, W], float32 in [-1, 1]; as `batches` says of other kinds.

        See `batches` for seed, label, first, batch_size.
        """
        return torch.cat([pictures for pictures, _ in self.batches(num, **options)])

    def roll(self, num: int, frames: int, **options: Any) -> Iterator[Tensor]:
        """Yield frames [num, C, H, W] of clips of any length one by one; see `batches` for seed, label and first."""
        from gantlet.applying.rolling import rolled

        return rolled(self, num, frames, **options)

    def lines(self, num: int = 1, **options: Any) -> list[str]:
        """Return `num` samples of a model of text as strings; `temperature` and `prefix` as the recipe has them.

        See `batches` for seed, label, first, batch_size. Raises UserError if it is no model of text.
        """
        from gantlet.applying.sentences import sampled

        return sampled(self, num, **options)

    def rewrite(self, lines: Sequence[str], *, to: int | str, **options: Any) -> list[str]:
        """Return sentences in the style of the class `to`. Raises UserError if the recipe rewrites no text."""
        from gantlet.applying.sentences import rewritten

        return rewritten(self, lines, to, **options)

    def score(self, lines: Sequence[str]) -> Tensor:
        """Return the log-likelihood [N] of sentences in nats. Raises UserError if the recipe has no likelihood."""
        from gantlet.applying.sentences import scored

        return scored(self, lines)

    def labels(
        self, draws: SampleDraws, label: int | str | Sequence[int] | None, numbers: range, first: int
    ) -> Tensor | None:
        """Return the labels [n] of samples: those asked for, or drawn as often as the data has them; or None."""
        if not self.conditional:
            if label is not None:
                raise UserError(f"Recipe '{self.about['recipe']}' was trained without labels; leave --label out.")
            return None
        if label is None:
            counts = torch.tensor(self.about["data"]["class_counts"], dtype=torch.float64)
            edges = (counts.cumsum(0) / counts.sum()).float().to(self.device)
            return torch.bucketize(draws.uniform("label"), edges[:-1], right=True)
        if isinstance(label, (int, str)):
            return torch.full((len(numbers),), self.class_number(label), device=self.device)
        rows = [int(label[number - first]) for number in numbers]
        for row in set(rows):
            self.class_number(row)
        return torch.tensor(rows, device=self.device)

    def class_number(self, label: int | str) -> int:
        """Return the number of a class given by number or name. Raises UserError if there is no such class."""
        if isinstance(label, str) and label in self.classes:
            return self.classes.index(label)
        try:
            number = int(label)
        except ValueError:
            number = -1
        if not 0 <= number < int(self.about["arguments"]["num_classes"]):
            names = ", ".join(self.classes[:12])
            raise UserError(
                f"No class is called '{label}'; the model knows {names}{' ...' if len(self.classes) > 12 else ''}."
            )
        return number

    @torch.inference_mode()
    def interpolate(
        self, rows: int = 8, steps: int = 8, *, seed: int = 0, label: int | str | None = None, straight: bool = False,
        **options: Any,
    ) -> Tensor:  # fmt: skip
        """Return [rows, steps, C, H, W]: row r goes from sample 2r to sample 2r + 1 along a great circle of z (slerp).

        With `straight` it goes along a straight line (lerp), which in many dimensions passes where no sample lies. The
        label, if any, stays that of the row's first sample.
        """
        if self.recipe.sample is None:
            raise UserError(f"Recipe '{self.about['recipe']}' is not generative: it has nothing to interpolate.")
        if self.vocabulary is not None:
            raise UserError(
                "Between two sentences there is no third: text is sampled, with --temperature and --prefix."
            )
        if rows < 1 or steps < 2:
            raise UserError(f"An interpolation needs at least 1 row and 2 steps, not {rows} and {steps}.")
        pictures = []
        for row in range(rows):
            ends = SampleDraws(seed, [2 * row, 2 * row + 1], self.device)
            y = self.labels(SampleDraws(seed, [2 * row], self.device), label, range(1), 0)
            keywords = dict(options) if y is None else {"label": y.expand(steps), **options}
            pictures.append(self.recipe.sample(self.nets, Between(ends, steps, straight), **keywords).float())
        return torch.stack(pictures)

    @torch.inference_mode()
    def encode(self, pictures: Tensor, batch_size: int = 256) -> Tensor:
        """Return z [N, latent_dim] of pictures [N, C, H, W] in [-1, 1], by the recipe's own encoder.

        Raises UserError if the recipe has none, or the pictures are not of the model's size.
        """
        if self.recipe.encode is None:
            raise UserError(
                f"Recipe '{self.about['recipe']}' has no encoder; `gantlet project` finds latents without one."
            )
        parts = torch.split(self.fitting(pictures), batch_size)
        return torch.cat([self.recipe.encode(self.nets, part).float() for part in parts])

    @torch.inference_mode()
    def reconstruct(self, pictures: Tensor, batch_size: int = 256) -> Tensor:
        """Return what G makes of the latents of pictures [N, C, H, W], in that shape; raises as `encode` does."""
        parts = torch.split(self.encode(pictures, batch_size), batch_size)
        return torch.cat([self.nets.G(z).float() for z in parts])

    def fitting(self, pictures: Tensor) -> Tensor:
        """Return pictures on the model's device. Raises UserError unless they are [N, C, H, W] of the model's size."""
        facts = self.about["data"]["facts"]
        if "resolution" not in facts:
            raise UserError(f"Recipe '{self.about['recipe']}' was not trained on pictures.")
        size = facts["resolution"]
        height, width = (size, size) if isinstance(size, int) else size
        if pictures.ndim != 4 or not len(pictures) or list(pictures.shape[1:]) != [facts["channels"], height, width]:
            raise UserError(
                f"The model takes pictures [N, {facts['channels']}, {height}, {width}], not {list(pictures.shape)}."
            )
        return pictures.to(self.device, torch.float32)

    @torch.inference_mode()
    def apply(
        self, pictures: Tensor, *, mask: Tensor | None = None, strength: float | None = None, tile: int | None = None,
        **options: Any,
    ) -> Tensor:  # fmt: skip
        """Return what the model makes of a picture [C, H, W] or pictures [N, C, H, W] in [-1, 1], of any size.

        Large ones go through the networks in tiles held in host memory (tiling.py); `tile` is their side. `mask`
        [H, W], [1, H, W] or [N, 1, H, W] is 1 in holes. The result lies on the device of `pictures`.

        A model of sounds takes waves [T], [C, T] or [N, C, T] and gives such waves; `sample_rate` says what rate they
        have if it is not the model's. Clips [N, C, T, H, W] go through a model of pictures frame by frame.

        Raises UserError if the recipe applies to no pictures, or does not know an option.
        """
        if pictures.ndim == 5:
            return self._clips(pictures, strength=strength, tile=tile, **options)
        if self.recipe.hearing is not None:
            from gantlet.applying.hearer import hearer

            if mask is not None or tile is not None:
                raise UserError(f"Recipe '{self.about['recipe']}' takes sounds: leave mask and tile out.")
            rate = options.pop("sample_rate", None)
            return hearer(self, strength=strength, **options).waves(pictures, rate)
        from gantlet.applying.translator import check_mask, translator

        if pictures.ndim not in (3, 4):
            raise UserError(f"The model takes [C, H, W] or [N, C, H, W], not {list(pictures.shape)}.")
        run = translator(self, strength=strength, tile=tile, **options)
        check_mask(run, mask)
        batch = pictures if pictures.ndim == 4 else pictures[None]
        if mask is not None:
            if mask.shape[-2:] != batch.shape[-2:]:
                raise UserError(f"The mask is {list(mask.shape[-2:])} and the pictures are {list(batch.shape[-2:])}.")
            mask = mask.float().reshape(-1, 1, *mask.shape[-2:]).expand(len(batch), -1, -1, -1)
        made = run.whole(batch, mask)
        return made if pictures.ndim == 4 else made[0]

    def _clips(self, clips: Tensor, **options: Any) -> Tensor:
        """Return what becomes of the frames of clips [N, C, T, H, W]."""
        made = self.apply(clips.transpose(1, 2).flatten(0, 1), **options)
        return made.view(clips.shape[0], clips.shape[2], *made.shape[1:]).transpose(1, 2)

    def to_raw(self, pictures: Tensor) -> np.ndarray[Any, Any]:
        """Return pictures as an array [N, H, W, C] in the type and range of the training data; clips with T first."""
        return self.intensity.to_raw(pictures.movedim(1, -1))


class Between:
    """Draws on the way between two samples: slerp for normal numbers, a straight line for uniform ones or if asked."""

    def __init__(self, ends: SampleDraws, steps: int, straight: bool = False) -> None:
        self._ends, self._t, self._straight = ends, torch.linspace(0, 1, steps), straight

    def normal(self, stream: str, *shape: int) -> Tensor:
        """Return [steps, *shape] along the great circle, lengths interpolated as well."""
        a, b = self._ends.normal(stream, *shape).flatten(1).double()
        cosine = (a @ b / (a.norm() * b.norm())).clamp(-1, 1)
        angle = cosine.acos()
        t = self._t.to(a)[:, None]
        if self._straight or angle.sin().abs() < 1e-6:
            path = (1 - t) * a + t * b
        else:
            direction = ((1 - t) * angle).sin() / angle.sin() * (a / a.norm()) + (t * angle).sin() / angle.sin() * (
                b / b.norm()
            )
            path = direction * ((1 - t) * a.norm() + t * b.norm())
        walk: Tensor = path.float().view(-1, *shape)
        return walk

    def uniform(self, stream: str, *shape: int) -> Tensor:
        """Return [steps, *shape] along the straight line."""
        a, b = self._ends.uniform(stream, *shape)
        t = self._t.to(a).view(-1, *[1] * len(shape))
        walk: Tensor = (1 - t) * a + t * b
        return walk


def load(path: str | Path, *, checkpoint: str = "auto", device: str = "auto", recipe: str | None = None) -> Model:
    """Load a model from a run folder or from one checkpoint folder, after verifying its SHA-256 manifest.

    `checkpoint` is "best" (by the metric measured while training), "last", or "auto": the best if one is marked.
    A model of somebody's own recipe ("module:function") is code: it loads only if that very name is given as `recipe`.

    Raises UserError if there is no model, it is damaged, or its recipe was not named.
    """
    keep_freed_memory()
    folder = choose_checkpoint(Path(path), checkpoint)
    try:
        verify(folder)
    except Damaged as error:
        raise UserError(f"{error}; choose another checkpoint of the run.") from error
    about = records.read_model(folder)
    check_recipe(folder, about["recipe"], recipe)
    where = choose_device(device)
    with records.understanding(folder, about["recipe"]), allocating_at_most(records.most_bytes(folder)):
        built = apply_remedies(catalogue.build(about["recipe"], about["arguments"]), about.get("remedies", {}))
        live = networks.build(built, where)
        tensors = read_weights(folder)
        for name, module in live.averaged.modules.items():
            module.load_state_dict(tensors[name])
        return Model(built, live.averaged, about, where)


def check_recipe(folder: Path, found: str, named: str | None) -> None:
    """Raise UserError unless the recipe a file names is one of ours, or the one the person named.

    A file must never decide which code is imported: "os:system" would be a recipe's name, too.
    """
    if found not in NAMES and found != named:
        raise UserError(
            f"{folder} was made by a recipe from elsewhere, '{shown(found)}', whose code would run; if you trust it, "
            f"name it yourself: --recipe {shown(found)} (in Python: recipe='{shown(found)}')."
        )


def choose_checkpoint(path: Path, which: str = "auto") -> Path:
    """Return the checkpoint folder meant by a run folder (best or last intact one) or by a checkpoint folder itself."""
    if which not in CHECKPOINTS:
        raise UserError(f"Unknown checkpoint '{which}'; choose one of {', '.join(CHECKPOINTS)}.")
    if (path / "model.json").is_file():
        return path
    if not path.is_dir() or records.read(path) is None:
        raise UserError(f"{path} is not a run folder of Gantlet: it has no run.json. Name the folder given to --out.")
    checkpoints = Checkpoints(path / "checkpoints", {})
    best = checkpoints.best()
    if which == "best" and best is None:
        raise UserError(
            f"{path} has no best checkpoint yet: none was evaluated while training; take --checkpoint last."
        )
    if best is not None and which in ("auto", "best"):
        return checkpoints.path(best["step"])
    if not checkpoints.steps():
        with contextlib.suppress(OSError):
            sweep(checkpoints.folder)  # puts a checkpoint back that was being replaced when its process was killed
    for step in checkpoints.steps():
        try:
            verify(checkpoints.path(step))
        except Damaged:
            continue
        return checkpoints.path(step)
    raise UserError(f"{path} has no intact checkpoint; train it first: the same train command starts it.")


def read_weights(folder: Path) -> dict[str, dict[str, Tensor]]:
    """Return the averaged weights of a checkpoint (live ones where no average is kept), by network."""
    by_network: dict[str, dict[str, Tensor]] = {}
    averages = load_file(folder / "averages.safetensors")
    averaged = {key.partition(".")[0] for key in averages}
    live = load_file(folder / "weights.safetensors")
    alone = {key: value for key, value in live.items() if key.partition(".")[0] not in averaged}
    for key, value in {**alone, **averages}.items():
        name, _, rest = key.partition(".")
        by_network.setdefault(name, {})[rest] = value
    return by_network


def newest_weights(path: Path) -> dict[str, dict[str, Tensor]]:
    """Return the weights to start another run from: those of the best or last checkpoint of `path`."""
    folder = choose_checkpoint(path)
    try:
        verify(folder)
    except Damaged as error:
        raise UserError(f"{error}; --init-from needs an intact checkpoint.") from error
    with records.understanding(folder):
        return read_weights(folder)
