"""A small language of reviews whose style (their verdict) and content (what they are about) can be checked exactly.

Every sentence follows one of six templates. Nouns, places and times are its content; adjectives and verbs its style,
negative (0) or positive (1). Lists of both styles are as long as each other, so that nothing but the words tells them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SLOTS: dict[str, tuple[str, ...]] = {
    "noun": ("soup", "pizza", "coffee", "salad", "steak", "bread", "service", "waiter", "music", "room", "bill", "tea"),
    "place": ("bar", "hotel", "station", "museum", "harbour", "market", "cinema", "airport"),
    "time": ("today", "yesterday", "tonight", "again", "on monday", "on sunday"),
    "adverb": ("really", "very", "so", "truly"),
}
STYLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "adjective": (
        ("awful", "cold", "terrible", "bland", "dirty", "rude", "slow", "sad"),
        ("great", "warm", "wonderful", "tasty", "clean", "kind", "quick", "happy"),
    ),
    "verb": (("hated", "regretted", "avoided", "disliked"), ("loved", "enjoyed", "praised", "liked")),
}
TEMPLATES = (
    "the {noun} at the {place} was {adverb} {adjective}",
    "i {verb} the {noun} at the {place} {time}",
    "the {noun} and the {noun} were {adjective} {time}",
    "we {verb} the {adjective} {noun} at the {place}",
    "what a {adjective} {noun} and {adverb} {adjective} {noun}",
    "{time} the {noun} was {adjective} and we {verb} the {noun}",
)
NAMES = ("negative", "positive")


def generate(seed: int, count: int, style: int) -> list[str]:
    """Return sentences of a style, each choice uniform."""
    rng = np.random.Generator(np.random.PCG64([seed, style]))
    return [sentence(rng, style) for _ in range(count)]


def sentence(rng: np.random.Generator, style: int) -> str:
    """Return one sentence; a noun does not come twice."""
    words, nouns = [], list(rng.permutation(SLOTS["noun"]))
    for part in TEMPLATES[rng.integers(len(TEMPLATES))].split():
        name = part.strip("{}")
        if part == name:
            words.append(part)
        elif name == "noun":
            words.append(str(nouns.pop()))
        else:
            choices = SLOTS.get(name) or STYLES[name][style]
            words.append(choices[rng.integers(len(choices))])
    return " ".join(words)


@dataclass(frozen=True)
class Parsed:
    """What a grammatical sentence is made of, in order: (slot, word), the style of each word that has one."""

    template: int
    content: tuple[tuple[str, str], ...]
    styles: tuple[int, ...]


def parse(line: str) -> Parsed | None:
    """Return how a sentence is made; None for what is no sentence of the grammar. Styles may be mixed."""
    for number, template in enumerate(TEMPLATES):
        content, styles, rest = list[tuple[str, str]](), list[int](), f"{line.strip()} "
        for part in template.split():
            name = part.strip("{}")
            choices = (part,) if part == name else SLOTS.get(name) or (*STYLES[name][0], *STYLES[name][1])
            word = next((each for each in choices if rest.startswith(f"{each} ")), None)
            if word is None:
                break
            rest = rest[len(word) + 1 :]
            if name in STYLES:
                styles.append(int(word in STYLES[name][1]))
            elif part != name:
                content.append((name, word))
        else:
            if not rest:
                return Parsed(number, tuple(content), tuple(styles))
    return None


def style_of(line: str) -> int | None:
    """Return the style that all words of style agree on, grammatical or not; None where they do not or are none."""
    words = line.split()
    found = {style for lists in STYLES.values() for style in (0, 1) if set(lists[style]) & set(words)}
    return found.pop() if len(found) == 1 else None


def content_words(line: str) -> Counter[str]:
    """Return the words of content (nouns, places, times; not adverbs, which carry none), grammatical or not."""
    known = {word for slot in ("noun", "place", "time") for text in SLOTS[slot] for word in text.split()}
    return Counter(word for word in line.split() if word in known - {"on"})


def check(sources: list[str], written: list[str], target: int) -> dict[str, float]:
    """Return how many sentences have the style, how many words of content are kept, and how many are grammatical.

    `exact` are those that are grammatical, of the style, and say the same in the same template.
    """
    kept = whole = exact = 0
    for source, line in zip(sources, written, strict=True):
        before, after = content_words(source), content_words(line)
        kept, whole = kept + (before & after).total(), whole + before.total()
        one, two = parse(source), parse(line)
        same = one is not None and two is not None and (one.template, one.content) == (two.template, two.content)
        exact += same and style_of(line) == target
    count = len(sources)
    return {
        "style": sum(style_of(line) == target for line in written) / count,
        "content": kept / max(whole, 1),
        "grammatical": sum(parse(line) is not None for line in written) / count,
        "exact": exact / count,
    }


def write(folder: Path, count: int, seed: int = 0) -> Path:
    """Write `count` training and a tenth as many test sentences of each style below a folder; return it."""
    for split, number, share in (("train", 2 * seed, count), ("test", 2 * seed + 1, count // 10)):
        for style, name in enumerate(NAMES):
            (folder / split).mkdir(parents=True, exist_ok=True)
            (folder / split / f"{name}.txt").write_text("\n".join(generate(number, share, style)) + "\n")
    return folder
