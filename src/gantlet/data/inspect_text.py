"""What a source of text holds, what is odd about it, and what training would make of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gantlet.data.lines import one_long_text, open_lines
from gantlet.data.oddities import uneven
from gantlet.data.splits import choose_split, listing
from gantlet.data.texts import part_of, read_texts
from gantlet.data.vocabulary import choose_level, pieces
from gantlet.errors import UserError
from gantlet.media.foreign import shown


@dataclass
class TextInspection:
    """What was found; `odd` holds plain sentences, the other fields what they rest on."""

    name: str
    split: str
    splits: list[str]
    count: int = 0  # lines that are not empty
    empty: int = 0
    letters: dict[str, int] = field(default_factory=dict)  # of a line: shortest, median, longest, total
    characters: int = 0  # different ones
    rare: list[str] = field(default_factory=list)  # characters that occur once
    words: int = 0  # different ones
    repeated: int = 0  # lines that are the same as one before
    in_test: int = 0  # different training lines that are in the test part as well
    classes: dict[str, int] = field(default_factory=dict)  # class -> lines
    level: str = ""  # what is chosen, and why
    odd: list[str] = field(default_factory=list)
    training: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain dicts and lists."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return a report for people, one plain line each."""
        parts = f"{self.split} part of {', '.join(self.splits)}" if len(self.splits) > 1 else "one part"
        size = self.letters
        kinds = listing([f"{name}: {count:,}" for name, count in self.classes.items()], 12)
        return [
            f"{self.name}: text, {self.count:,} lines ({parts})",
            f"lengths: {size['shortest']:,} to {size['longest']:,} characters, median {size['median']:,}, "
            f"{size['total']:,} in all",
            f"symbols: {self.characters:,} different characters, {self.words:,} different words",
            f"classes: {kinds}" if self.classes else "classes: no labels",
            *([f"odd: {sentence}" for sentence in self.odd] or ["odd: nothing"]),
            *(f"training sees: {sentence}" for sentence in self.training),
        ]


def inspect_text(source: str | Path, split: str = "train") -> TextInspection:
    """Read every line of one part: what is there, what is odd, what training would do.

    Raises UserError as `open_lines` does, unless it is only that nothing can be learned.
    """
    found, where = read_texts(source), shown(source)
    splits = [name for name in found.parts if name != "unused"]
    split, part = part_of(found, choose_split(where, split, splits), where)
    lines = [line for line in part.lines if line.strip()]
    sizes = sorted(map(len, lines))
    characters = Counter(letter for line in lines for letter in line)
    once = sorted(letter for letter, count in characters.items() if count == 1)
    out = TextInspection(
        found.name, split, splits, len(lines), len(part.lines) - len(lines),
        {"shortest": sizes[0], "median": sizes[len(sizes) // 2], "longest": sizes[-1], "total": sum(sizes)},
        len(characters), once, len({word for line in lines for word in pieces("word", line)}),
        len(lines) - len(set(lines)),
    )  # fmt: skip
    if found.classes:
        counts = Counter(label for line, label in zip(part.lines, part.labels) if line.strip())
        out.classes = {name: counts[name] for name in found.classes}
    if split == "train" and "test" in found.parts:
        out.in_test = len(set(lines) & {line for line in found.parts["test"].lines if line.strip()})
    level, why = choose_level(lines)
    out.level = level if one_long_text(lines) else why
    out.odd = [*found.notes, *oddities(out)]
    try:
        data = open_lines(source, split=split)
        out.training = list(data.notes)
        out.training.append(f"{len(data):,} rows of {data.length} tokens")
    except UserError as error:
        out.odd.append(str(error))
    return out


def oddities(out: TextInspection) -> list[str]:
    """Return one sentence for each thing that a person should know before training."""
    odd = []
    if out.empty:
        odd.append(f"{out.empty:,} lines are empty and left out (in one long text they are kept)")
    if out.repeated > 0.01 * out.count:
        odd.append(f"{out.repeated:,} lines repeat another one: a model will copy those")
    if out.in_test:
        odd.append(f"{out.in_test:,} different lines of the training part are in the test part as well")
    if out.letters["longest"] > 20 * max(out.letters["median"], 10):
        odd.append(
            f"the longest line has {out.letters['longest']:,} characters, the middle one {out.letters['median']:,}"
        )
    if out.rare:
        odd.append(f"{len(out.rare):,} characters occur once ({listing(out.rare, 8)})")
    odd += uneven([count for count in out.classes.values() if count], "lines")
    if out.letters["total"] < 2000:
        odd.append("this is little text: expect a model that repeats it")
    return odd
