"""Text to train on: sentences, one a line, or windows of one long text; the policy is said in `notes`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantlet.data.arrays import as_indices
from gantlet.data.order import Order
from gantlet.data.splits import check_split, classes_for
from gantlet.data.texts import Found, Part, part_of, read_texts
from gantlet.data.vocabulary import END, PAD, UNKNOWN, Vocabulary, check_level, choose_level
from gantlet.errors import UserError
from gantlet.media.foreign import shown

COVERED = 0.99  # share of the lines that the length holds whole
MOST = 128  # tokens of a line, where no length is asked for
WINDOW = 64  # tokens of a window, where none is asked for
LONG = 1000  # characters of the middle line from which a text is one long text
MAX_TOKENS = 2**30

Rows = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Lines:
    """Rows of tokens [N, T] (sentence, END, PAD; or whole windows of `stream`), their labels, and what they are."""

    name: str
    split: str
    tokens: Rows
    vocabulary: Vocabulary
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]
    fingerprint: str  # SHA-256 of tokens, labels and vocabulary
    notes: tuple[str, ...] = ()  # the policy and what was guessed, in plain words
    stream: Rows | None = None  # one long text [L]; `tokens` are then its windows side by side

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def length(self) -> int:
        """Tokens of a row."""
        return int(self.tokens.shape[1])

    def facts(self) -> dict[str, Any]:
        """Return what a recipe asks of its data: vocab_size, length, num_classes."""
        return {"vocab_size": len(self.vocabulary), "length": self.length, "num_classes": len(self.classes)}

    def class_counts(self) -> list[int]:
        """Return how many rows each class has."""
        if self.labels is None:
            return []
        return [int(count) for count in np.bincount(self.labels, minlength=len(self.classes))]

    def describe(self) -> dict[str, Any]:
        """Return what a run keeps of its data: the vocabulary, too."""
        return {
            "count": len(self),
            "classes": list(self.classes),
            "class_counts": self.class_counts(),
            "windows": self.stream is not None,
            "fingerprint": self.fingerprint,
            "notes": list(self.notes),
            "vocabulary": self.vocabulary.to_json(),
        }

    def batch(self, indices: Sequence[int] | NDArray[Any]) -> dict[str, Tensor]:
        """Return {"tokens": [n, T] int64} of these rows, and "label" [n] int64 if they have classes."""
        chosen = np.asarray(indices)
        batch = {"tokens": torch.from_numpy(self.tokens[chosen].astype(np.int64))}
        if self.labels is not None:
            batch["label"] = torch.from_numpy(self.labels[chosen])
        return batch

    def windows(self, seed: int) -> Windows:
        """Return what training on one long text is fed."""
        assert self.stream is not None
        return Windows(self.stream, self.length, seed)

    def texts(self, indices: Sequence[int] | NDArray[Any] | None = None) -> list[str]:
        """Return the rows, or those at these positions, as strings."""
        rows = self.tokens if indices is None else self.tokens[np.asarray(indices)]
        return [self.vocabulary.decode(row) for row in rows.tolist()]

    def subset(self, indices: Sequence[int] | NDArray[Any]) -> Lines:
        """Return the rows at these positions, with the same classes and vocabulary."""
        chosen = np.asarray(indices)
        labels = None if self.labels is None else self.labels[chosen]
        tokens = self.tokens[chosen]
        return replace(self, tokens=tokens, labels=labels, fingerprint=mark(tokens, labels, self.vocabulary))


class Windows:
    """Windows of one long text by position: all of it once an epoch, cut at places that differ from epoch to epoch."""

    def __init__(self, stream: Rows, length: int, seed: int) -> None:
        self._stream, self._length, self._seed = stream, length, seed
        self._count = max((len(stream) - length) // length, 1)  # room for a shift of up to one window
        self._order = Order(self._count, seed)
        self._slack = len(stream) - self._count * length

    def rows(self, start: int, count: int) -> dict[str, Tensor]:
        """Return {"tokens": [count, T] int64} of windows from a position on."""
        positions = np.arange(start, start + count)
        shift = self.shifts(positions // self._count)
        begins = self._order.indices(start, count) * self._length + shift
        windows = self._stream[begins[:, None] + np.arange(self._length)]
        return {"tokens": torch.from_numpy(windows.astype(np.int64))}

    def shifts(self, epochs: NDArray[Any]) -> NDArray[np.int64]:
        """Return how far the cuts of each epoch are moved: a keyed number from 0 to a window."""
        most = min(self._slack, self._length - 1)
        found = {
            int(epoch): int(np.random.Philox(key=(self._seed % 2**64) | (int(epoch) << 64)).random_raw(2)[1])
            for epoch in set(epochs.tolist())
        }
        return np.asarray([found[int(epoch)] % (most + 1) for epoch in epochs], np.int64)


def mark(tokens: Rows, labels: NDArray[np.int64] | None, vocabulary: Vocabulary) -> str:
    """Return the SHA-256 of tokens, labels and vocabulary."""
    digest = hashlib.sha256(f"{list(tokens.shape)}\n".encode())
    digest.update(np.ascontiguousarray(tokens).astype("<i4").tobytes())
    digest.update("\0".join(vocabulary.symbols).encode("utf-8", "surrogatepass"))
    if labels is not None:
        digest.update(b"labels\n" + labels.astype("<i8").tobytes())
    return digest.hexdigest()


def open_lines(
    source: str | Path,
    *,
    level: str | None = None,
    window: int | None = None,
    symbols: int | None = None,
    length: int | None = None,
    unconditional: bool = False,
    split: str = "train",
    vocabulary: Vocabulary | None = None,
    windows: bool | None = None,
) -> Lines:
    """Open text as rows of tokens.

    Args:
        source: a file (.txt, .csv, .tsv, perhaps .gz), or a folder, zip or tar of such; see `data.texts`.
        level: "char", "word" or "bpe"; by default words where blanks part few enough of them, else characters.
        window: read all lines as one long text, in windows of so many tokens.
        symbols: at most so many symbols, the most frequent; by default 20,000 characters, 10,000 words or 1,000 pieces.
        length: tokens of a row; by default what holds 99 % of the lines whole with END, at most 128. A longer line goes
            on in the next rows, so that nothing is lost.
        unconditional: leave classes aside.
        split: "train", "test" (falls back to "val") or "val".
        vocabulary: of a model; the training part's own if not given.
        windows: read one long text, or lines; by default what the text looks like.

    Raises:
        NoSuchSplit: the source has no such part of its own.
        UserError: whatever else is wrong, in one sentence.
    """
    check_split(split)
    if level is not None:
        check_level(level)
    for name, value in (("window", window), ("length", length)):
        if value is not None and not 2 <= value <= 65_536:
            raise UserError(f"--{name} is a number of tokens, 2 to 65,536, not {value}.")
    found, where = read_texts(source), shown(source)
    split, part = part_of(found, split, where)
    train = [line for line in found.parts["train"].lines if line.strip()]
    as_windows = windows if windows is not None else window is not None or one_long_text(train)
    notes = [*found.notes]
    if vocabulary is None:
        chosen, why = (level, "") if level is not None else choose_level(train)
        vocabulary = Vocabulary.of(train, chosen, symbols, breaks=as_windows)
        notes.append(f"{len(vocabulary):,} symbols{f', {why}' if why else f' ({chosen})'}, 4 of them marks")
    if as_windows:
        size = window or length or WINDOW
        return passages(found.name, split, part, vocabulary, size, notes, where)
    return sentences(found, split, part, vocabulary, length, unconditional, notes, where)


def one_long_text(lines: Sequence[str]) -> bool:
    """Tell whether a text has no short lines, or is but one line that is no sentence."""
    return sorted(map(len, lines))[len(lines) // 2] >= LONG


def passages(
    name: str, split: str, part: Part, vocabulary: Vocabulary, window: int, notes: list[str], where: str
) -> Lines:
    """Return one long text as windows; the ends of its lines are part of it."""
    if vocabulary.level == "char":
        stream = vocabulary.encode_characters("".join(f"{line}\n" for line in part.lines))
    else:
        line_end = vocabulary.ids.get("\n", UNKNOWN)
        stream = np.asarray([token for line in part.lines for token in (*vocabulary.encode(line), line_end)], np.int32)
    if len(stream) < 2 * window:
        raise UserError(
            f"{where}: the text has {len(stream):,} tokens, too few for windows of {window}; give more text, a "
            f"--window of at most {len(stream) // 2}, or one sentence a line."
        )
    notes = [*notes, f"one long text of {len(stream):,} tokens in windows of {window}", *_unknown(stream)]
    rows = stream[: len(stream) // window * window].reshape(-1, window)
    return Lines(name, split, rows, vocabulary, None, (), mark(stream, None, vocabulary), tuple(notes), stream)


def sentences(
    found: Found, split: str, part: Part, vocabulary: Vocabulary, length: int | None, unconditional: bool,
    notes: list[str], where: str,
) -> Lines:  # fmt: skip
    """Return lines as rows: tokens, END, PAD. A line that is longer than the rows goes on in the next ones."""
    kept = [(line.strip("\r\n"), label) for line, label in zip(part.lines, part.labels) if line.strip()]
    empty = len(part.lines) - len(kept)
    coded = [vocabulary.encode(line) for line, _ in kept]
    if split == "train" and len(kept) < 2:
        raise UserError(
            f"{where}: one line of {len(coded[0]):,} tokens is nothing to learn from; give at least 2 lines, or one "
            "long text with --window."
        )
    sizes = np.asarray([len(row) + 1 for row in coded])
    if length is None:
        length = int(min(max(np.quantile(sizes, COVERED, method="higher"), 4), MOST))
    pieces = -(-sizes // length)
    if int(pieces.sum()) * length > MAX_TOKENS:
        raise UserError(f"{where}: {int(pieces.sum()):,} rows of {length} tokens are too many; give less text.")
    rows = np.full((int(pieces.sum()), length), PAD, np.int32)
    at = np.concatenate([[0], np.cumsum(pieces)])
    for place, row in zip(at, coded):
        flat = rows[place : place + -(-(len(row) + 1) // length)].reshape(-1)
        flat[: len(row)] = row
        flat[len(row)] = END
    classes = () if unconditional or not found.classes else classes_for(split, labels_of(found), "lines", where)
    labels = as_indices(tuple(np.repeat([label for _, label in kept], pieces).tolist()), classes) if classes else None
    rows, labels = _without_lone_ends(rows, labels)
    notes = [*notes, f"rows of {length} tokens (they hold {float((pieces == 1).mean()):.1%} of the lines whole)"]
    if empty:
        notes.append(f"{empty:,} empty lines are left out")
    if int((pieces > 1).sum()):
        notes.append(f"{int((pieces > 1).sum()):,} longer lines go on in rows of their own, {int(sizes.max()) - 1:,} "
                     "tokens at most")  # fmt: skip
    notes += _unknown(rows)
    return Lines(found.name, split, rows, vocabulary, labels, classes, mark(rows, labels, vocabulary), tuple(notes))


def labels_of(found: Found) -> dict[str, list[str | None]]:
    """Return the class of each line that is not empty, None for none, by part."""
    return {
        split: [label or None for line, label in zip(part.lines, part.labels) if line.strip()]
        for split, part in found.parts.items()
        if split != "unused"
    }


def _without_lone_ends(rows: Rows, labels: NDArray[np.int64] | None) -> tuple[Rows, NDArray[np.int64] | None]:
    """Leave out rows of nothing but END: what is left of a line as long as the rows."""
    keep = rows[:, 0] != END
    return (rows, labels) if keep.all() else (rows[keep], None if labels is None else labels[keep])


def _unknown(tokens: Rows) -> list[str]:
    unknown, real = int((tokens == UNKNOWN).sum()), int((tokens >= UNKNOWN).sum())
    return [f"{unknown:,} of {real:,} tokens ({unknown / real:.2%}) are not in the vocabulary"] if unknown else []


def rows_of(vocabulary: Vocabulary, lines: Sequence[str], length: int) -> tuple[Tensor, int]:
    """Return lines as rows [N, length] int64 for a model, cut at `length`, and how many were cut."""
    rows = np.full((len(lines), length), PAD, np.int64)
    cut = 0
    for row, line in zip(rows, lines):
        ids = [*vocabulary.encode(line), END]
        cut += len(ids) > length
        row[: len(ids)] = ids[:length]
    return torch.from_numpy(rows), cut
