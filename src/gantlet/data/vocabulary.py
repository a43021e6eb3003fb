"""Vocabularies: text into symbols and back. Characters, words, or pairs of bytes merged by how often they occur.

A symbol is a piece of text, its blank before it included (" wheel", "."), so that decoding is joining and exact. Words
and byte pairs see every line with one blank before it and runs of blanks as one; characters see it as it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import UserError, suggest

PAD, END, BEGIN, UNKNOWN = range(4)  # after a sentence, at its end, before it, and in place of what is not known
SPECIAL = 4  # ids of real symbols begin here
LEVELS = ("char", "word", "bpe")
MOST = {"char": 20_000, "word": 10_000, "bpe": 1_000}  # symbols, where no number is asked for
REPLACEMENT = "\ufffd"  # how an unknown symbol is written
WORD = re.compile(r"\s?(?:[^\W_]+(?:['’][^\W_]+)*|_+[^\W_]*_*|[^\w\s])")  # "don't" is a word, each "." another
BLANKS = re.compile(r"\s+")


@dataclass(frozen=True)
class Vocabulary:
    """Symbols by id, from SPECIAL on; `merges` are the pairs of byte-pair encoding in the order they were found."""

    level: str
    symbols: tuple[str, ...]
    merges: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return SPECIAL + len(self.symbols)

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each symbol."""
        return {symbol: SPECIAL + number for number, symbol in enumerate(self.symbols)}

    @cached_property
    def ranks(self) -> dict[tuple[str, str], int]:
        """The place of each merge."""
        return {pair: place for place, pair in enumerate(self.merges)}

    def split(self, line: str) -> list[str]:
        """Return the pieces of a line, known or not."""
        if self.level == "bpe":
            return [piece for word in pieces("word", line) for piece in self.word(word)]
        return pieces(self.level, line)

    def encode(self, line: str) -> list[int]:
        """Return the ids of a line, without END; UNKNOWN for what is not known."""
        return [self.ids.get(piece, UNKNOWN) for piece in self.split(line)]

    def encode_characters(self, text: str) -> NDArray[np.int32]:
        """Return the ids of a text of any size, for a vocabulary of characters."""
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
        table = np.full(max(int(points.max(initial=0)), *map(ord, self.symbols)) + 1, UNKNOWN, np.int32)
        table[[ord(symbol) for symbol in self.symbols]] = np.arange(SPECIAL, len(self), dtype=np.int32)
        return np.asarray(table[points])

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of ids up to END; what is no symbol of text is left out, unknown ones are written as such."""
        out = []
        for token in tokens:
            if token == END:
                break
            if SPECIAL <= token < len(self):
                out.append(self.symbols[token - SPECIAL])
            elif token == UNKNOWN:
                out.append(REPLACEMENT if self.level == "char" else f" {REPLACEMENT}")
        text = "".join(out)
        return text if self.level == "char" else text.removeprefix(" ").replace("\n ", "\n")

    def word(self, text: str) -> tuple[str, ...]:
        """Return the pieces of one word after all merges that apply, in their order."""
        return _merged(text, self)

    def __hash__(self) -> int:
        return id(self)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` takes."""
        stored = {"level": self.level, "symbols": list(self.symbols)}
        return {**stored, "merges": [list(pair) for pair in self.merges]} if self.merges else stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Vocabulary:
        """Return the vocabulary that `to_json` gave."""
        merges = tuple((str(left), str(right)) for left, right in stored.get("merges", ()))
        return cls(str(stored["level"]), tuple(map(str, stored["symbols"])), merges)

    @classmethod
    def of(cls, lines: Sequence[str], level: str, most: int | None = None, breaks: bool = False) -> Vocabulary:
        """Return the vocabulary of training lines: at most `most` symbols, the most frequent ones.

        Symbols are in the order of how often they occur, equal ones in that of their code points. With `breaks` the
        end of a line within a text is the first of them.

        Raises UserError for a level that is none, or fewer symbols than can be.
        """
        check_level(level)
        if most is not None and most < 2:
            raise UserError(f"--symbols is a number of symbols, at least 2, not {most}.")
        most, first = (most or MOST[level]) - breaks, ("\n",) if breaks else ()
        if level != "bpe":
            counts = Counter(piece for line in lines for piece in pieces(level, line))
            return cls(level, (*first, *(piece for piece, _ in _by_count(counts)[:most])))
        from gantlet.data.byte_pairs import train

        symbols, merges = train(Counter(word for line in lines for word in pieces("word", line)), most)
        return cls(level, (*first, *symbols), merges)


def check_level(level: str) -> None:
    """Raise UserError unless the level is char, word or bpe."""
    if level not in LEVELS:
        raise UserError(f"--level is one of {', '.join(LEVELS)}, not '{level}'.{suggest(level, LEVELS)}")


def pieces(level: str, line: str) -> list[str]:
    """Return the characters of a line, or its words with the blank before each."""
    if level == "char":
        return list(line)
    return WORD.findall(" " + BLANKS.sub(" ", line).strip())


def choose_level(lines: Sequence[str]) -> tuple[str, str]:
    """Return the level that suits lines, and why: words where blanks part them into few enough words, or characters."""
    some = lines[:: max(len(lines) // 5000, 1)]
    letters, blanks = sum(map(len, some)), sum(line.count(" ") for line in some)
    if blanks < 0.06 * letters:  # European languages have 0.15 and more, Chinese and Japanese next to none
        return "char", "by characters, as blanks part no words here"
    counts = Counter(piece for line in some for piece in pieces("word", line))
    total = sum(counts.values())
    if total and sum(1 for count in counts.values() if count == 1) > 0.2 * total:
        return "char", "by characters, as most words occur once"
    return "word", "by words"


def _by_count(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


@lru_cache(maxsize=65536)
def _merged(text: str, vocabulary: Vocabulary) -> tuple[str, ...]:
    parts, ranks = list(text), vocabulary.ranks
    while len(parts) > 1:
        places = [(ranks.get(pair, len(ranks)), at) for at, pair in enumerate(pairwise(parts))]
        rank, at = min(places)
        if rank == len(ranks):
            break
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return tuple(parts)
