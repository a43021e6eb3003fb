"""Text as rows of tokens: vocabularies, sentences, windows, classes, splits, and odd files."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gantlet.data import NoSuchSplit, open_lines
from gantlet.data.byte_pairs import train
from gantlet.data.lines import rows_of
from gantlet.data.texts import holds_text
from gantlet.data.vocabulary import END, PAD, UNKNOWN, Vocabulary, choose_level, pieces
from gantlet.errors import UserError
from gantlet.feeding import open_text

LINES = [
    "the cat sat on the mat.",
    "a dog, it's said, barked!",
    "the dog sat.",
    "床前明月光，疑是地上霜。",
    "naïve café_bar",
]


def written(path: Path, lines: list[str] | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lines if isinstance(lines, bytes) else "".join(f"{line}\n" for line in lines).encode())
    return path


@pytest.mark.parametrize("level", ["char", "word", "bpe"])
def test_lines_come_back_as_they_were(level: str) -> None:
    vocabulary = Vocabulary.of(LINES, level, 200 if level == "bpe" else None)
    again = Vocabulary.from_json(vocabulary.to_json())
    for line in LINES:
        ids = vocabulary.encode(line)
        assert min(ids) >= 4
        assert vocabulary.decode([*ids, END, PAD, 7]) == line
        assert again.encode(line) == ids
    assert len(vocabulary) == 4 + len(vocabulary.symbols) == 4 + len(set(vocabulary.symbols))


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text.strip()))
@settings(max_examples=60, deadline=None)
def test_any_line_comes_back_with_its_blanks_as_one(line: str) -> None:
    for level in ("word", "bpe"):
        vocabulary = Vocabulary.of([line, line], level)
        assert vocabulary.decode(vocabulary.encode(line)) == " ".join(line.split())
    characters = Vocabulary.of([line], "char")
    assert characters.decode(characters.encode(line)) == line


def test_words_keep_the_blank_before_them_and_symbols_go_by_how_often_they_occur() -> None:
    assert pieces("word", "A  dog, it's (old).") == [" A", " dog", ",", " it's", " (", "old", ")", "."]
    vocabulary = Vocabulary.of(["b a a", "a c"], "word")
    assert vocabulary.symbols == (" a", " b", " c")
    assert Vocabulary.of(["b a a", "a c"], "word", 2).encode("a c b") == [4, UNKNOWN, 5]
    assert vocabulary.decode([4, UNKNOWN]) == "a \ufffd"


def test_long_texts_are_coded_as_lines_are() -> None:
    vocabulary = Vocabulary.of(LINES, "char", 40)
    text = "\n".join([*LINES, "zebra \U0001f993"])
    assert vocabulary.encode_characters(text).tolist() == vocabulary.encode(text)
    assert UNKNOWN in vocabulary.encode(text)


def test_byte_pairs_merge_the_most_frequent_pair_first() -> None:
    words = {"low": 5, "lower": 2, "newest": 6, "widest": 3}  # the example of Sennrich et al. 2016
    symbols, merges = train(words, 30)
    assert merges[:2] == (("e", "s"), ("es", "t"))
    assert {"est", "low"} <= set(symbols)
    assert train(words, 12)[0] == symbols[:12]
    vocabulary = Vocabulary("bpe", symbols, merges)
    assert vocabulary.word("lowest") == ("low", "est")


def test_the_level_is_chosen_by_what_parts_words() -> None:
    assert choose_level(["the cat sat on the mat", "the dog sat on the cat"] * 9)[0] == "word"
    assert choose_level(["床前明月光，疑是地上霜。", "举头望明月，低头思故乡。"])[0] == "char"
    assert choose_level([f"word{i} other{i} third{i}" for i in range(50)])[0] == "char"


def test_rows_are_sentence_end_and_padding(tmp_path: Path) -> None:
    data = open_lines(written(tmp_path / "a.txt", ["a b c", "", "a", "   ", "b b"]), level="word")
    assert data.tokens.tolist() == [[5, 4, 6, END], [5, END, PAD, PAD], [4, 4, END, PAD]]
    assert data.facts() == {"vocab_size": 7, "length": 4, "num_classes": 0}
    assert data.texts() == ["a b c", "a", "b b"]
    assert "2 empty lines are left out" in data.notes
    batch = data.batch([2, 0])
    assert batch["tokens"].dtype.is_floating_point is False
    assert batch["tokens"].tolist() == [data.tokens[2].tolist(), data.tokens[0].tolist()]
    assert "label" not in batch


def test_of_a_longer_line_nothing_is_lost(tmp_path: Path) -> None:
    long = " ".join(str(k % 7) for k in range(50))
    data = open_lines(written(tmp_path / "a.txt", ["1 2 3", long, "4 5"]), level="word", length=8)
    rows = [data.vocabulary.decode(row) for row in data.tokens.tolist()]
    assert rows[0] == "1 2 3"
    assert rows[-1] == "4 5"
    assert " ".join(rows[1:-1]) == long
    assert any("1 longer lines go on in rows of their own, 50 tokens" in note for note in data.notes)
    exact = open_lines(written(tmp_path / "b.txt", ["1 2 3 4", "1 2"]), level="word", length=4)
    assert exact.texts() == ["1 2 3 4", "1 2"]  # and no row of nothing but END


def test_a_line_of_a_megabyte(tmp_path: Path) -> None:
    data = open_lines(written(tmp_path / "a.txt", ["short line", "x" * 2**20, "another one"]), level="char")
    assert sum(len(text) for text in data.texts()) == len("short line") + 2**20 + len("another one")
    assert data.length <= 128


def test_a_test_part_is_read_with_the_symbols_of_the_training_part(tmp_path: Path) -> None:
    written(tmp_path / "set" / "train.txt", ["a b", "b c"])
    written(tmp_path / "set" / "test.txt", ["a d", "c"])
    data, test = open_lines(tmp_path / "set", level="word"), open_lines(tmp_path / "set", level="word", split="test")
    assert test.vocabulary.symbols == data.vocabulary.symbols == (" b", " a", " c")
    assert test.tokens[0].tolist()[:3] == [5, UNKNOWN, END]
    assert any("1 of 3 tokens (33.33%) are not in the vocabulary" in note for note in test.notes)
    assert data.classes == ()
    with pytest.raises(NoSuchSplit):
        open_lines(written(tmp_path / "one.txt", ["a", "b"]), split="test")


@pytest.mark.parametrize(
    "names", [("neg.txt", "pos.txt"), ("neg/1.txt", "pos/1.txt"), ("train.neg.txt", "train.pos.txt")]
)
def test_files_or_folders_are_classes(names: tuple[str, str], tmp_path: Path) -> None:
    written(tmp_path / names[0], ["bad food", "so bad"])
    written(tmp_path / names[1], ["good food"])
    data = open_lines(tmp_path)
    assert data.classes == ("neg", "pos")
    assert data.batch([0, 1, 2])["label"].tolist() == [0, 0, 1]
    assert data.class_counts() == [2, 1]
    assert open_lines(tmp_path, unconditional=True).labels is None


@pytest.mark.parametrize(
    "names",
    [
        ("train/neg.txt", "train/pos.txt", "README.txt"),
        ("train/neg/1.txt", "train/pos/1.txt", "README.txt"),
        ("train/neg/1.txt", "train/pos/1.txt", "notes/README.txt"),
        ("neg.train.txt", "pos.train.txt", "test.txt"),
    ],
)
def test_files_beside_the_training_part_are_no_class(names: tuple[str, str, str], tmp_path: Path) -> None:
    for name, lines in zip(names, (["bad food", "so bad"], ["good food"], ["some words", "more"])):
        written(tmp_path / name, lines)
    data = open_lines(tmp_path)
    assert (data.classes, data.class_counts()) == (("neg", "pos"), [2, 1])
    if names[2] == "test.txt":
        test = open_lines(tmp_path, split="test")
        assert (test.labels, test.classes, len(test)) == (None, (), 2)


def test_a_part_without_all_labels_is_refused(tmp_path: Path) -> None:
    for name in ("train.txt", "neg.test.txt", "pos.test.txt"):
        written(tmp_path / "set" / name, ["good food", "bad food"])
    with pytest.raises(UserError, match="the test part has labels and the training part has none; label both"):
        open_lines(tmp_path / "set")
    assert open_lines(tmp_path / "set", unconditional=True).labels is None
    table = written(tmp_path / "a.csv", ["text,label", "good food,pos", "bad food,neg", "food,"])
    with pytest.raises(UserError, match="1 of 3 lines of the train part have no label"):
        open_lines(table)


def test_no_line_is_broken(tmp_path: Path) -> None:
    options = dict(level=None, window=None, symbols=None, unconditional=False)
    place = written(tmp_path / "a.txt", ["good food", "bad food"])
    assert len(open_text("lines", place, None, {}, {**options, "skip_broken": False})) == 2
    with pytest.raises(UserError, match="--skip-broken means nothing for a recipe that is fed lines; leave it out"):
        open_text("lines", place, None, {}, {**options, "skip_broken": True})


def test_an_empty_training_part_is_not_replaced_by_the_test_part(tmp_path: Path) -> None:
    written(tmp_path / "train.txt", b"")
    written(tmp_path / "test.txt", ["good food", "bad food"])
    for split in ("train", "test"):
        with pytest.raises(UserError, match="the training part has no line"):
            open_lines(tmp_path, split=split)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'text,label\n"good, cheap",pos\nbad food,neg\n'),
        ("a.tsv", "neg\tbad food\npos\tgood, cheap\npos\tnice\n"),
        ("a.tsv.gz", "label\ttext\nneg\tbad food\npos\tgood, cheap\n"),
    ],
)
def test_tables_hold_text_and_labels(name: str, content: str, tmp_path: Path) -> None:
    data = content.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    lines = open_lines(tmp_path / name)
    assert lines.classes == ("neg", "pos")
    assert {"good, cheap", "bad food"} <= set(lines.texts())
    assert lines.labels is not None
    assert dict(zip(lines.texts(), lines.labels.tolist()))["bad food"] == 0


def test_one_long_text_is_read_in_windows_that_move(tmp_path: Path) -> None:
    letters = np.random.default_rng(0).integers(97, 123, (10, 30))
    text = ["".join(map(chr, row)) for row in letters.tolist()]
    data = open_lines(written(tmp_path / "a.txt", text), level="char", window=16)
    assert data.stream is not None
    assert data.vocabulary.decode(data.stream.tolist()) == "".join(f"{line}\n" for line in text)
    windows = data.windows(3)
    count = (len(data.stream) - 16) // 16
    first, second = windows.rows(0, count)["tokens"].numpy(), windows.rows(count, count)["tokens"].numpy()
    assert len({tuple(row) for row in first.tolist()}) == count  # an epoch has every window once
    assert not np.array_equal(np.sort(first, 0), np.sort(second, 0))  # cut elsewhere in the next
    parts = [windows.rows(at, 3)["tokens"].numpy() for at in range(0, 2 * count - 2, 3)]
    whole = np.concatenate([first, second])
    assert np.array_equal(np.concatenate(parts), whole[: 3 * len(parts)])
    words = open_lines(written(tmp_path / "b.txt", ["a b", "", "c d"] * 9), level="word", window=8)
    assert words.texts()[0].startswith("a b\n\nc d\na")


def test_a_text_of_long_lines_is_one_long_text(tmp_path: Path) -> None:
    assert open_lines(written(tmp_path / "a.txt", ["lorem ipsum dolor " * 200] * 3)).stream is not None
    assert open_lines(written(tmp_path / "b.txt", ["lorem ipsum"] * 30)).stream is None


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (b"", {}, "the file is empty"),
        (b"\n \n\r\n", {}, "no line that is not empty"),
        (b"one sentence only\n", {}, "one line of"),
        (b"\x00\x01\x02binary\x00", {}, "is no text"),
        (b"a b\nc d\n", {"level": "wrod"}, "Did you mean 'word'"),
        (b"a b\nc d\n", {"window": 64}, "too few for windows of 64"),
        (b"a b\nc d\n", {"length": 1}, "--length is a number of tokens"),
        (b"a b\nc d\n", {"symbols": 1}, "--symbols"),
        (b"\x1f\x8b\x08broken", {}, "damaged or incomplete"),
    ],
)
def test_odd_files_are_refused_in_one_sentence(
    content: bytes, options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=words) as error:
        open_lines(written(tmp_path / "a.txt", content), **options)
    assert "\n" not in str(error.value)


def test_mixed_encodings_lose_no_line(tmp_path: Path) -> None:
    content = "caf\u00e9 one\n".encode() + "caf\u00e9 two\n".encode("cp1252") + b"plain\r\n"
    data = open_lines(written(tmp_path / "a.txt", content))
    assert sorted(data.texts()) == ["caf\u00e9 one", "caf\u00e9 two", "plain"]
    assert any("1 lines of a.txt are not UTF-8" in note for note in data.notes)
    utf16 = open_lines(written(tmp_path / "b.txt", "\u5e8a\u524d\n\u660e\u6708\n".encode("utf-16")))
    assert utf16.texts() == ["\u5e8a\u524d", "\u660e\u6708"]


def test_which_sources_hold_text(tmp_path: Path) -> None:
    written(tmp_path / "text" / "a.txt", ["a"])
    written(tmp_path / "pictures" / "labels.csv", ["a.png,1"])
    written(tmp_path / "pictures" / "a.png", b"png")
    written(tmp_path / "pictures" / "readme.txt", ["pictures"])
    assert holds_text(tmp_path / "text")
    assert holds_text(tmp_path / "text" / "a.txt")
    assert not holds_text(tmp_path / "pictures")
    assert not holds_text("digits")


def test_rows_for_a_model_are_cut_and_counted() -> None:
    vocabulary = Vocabulary.of(["a b c"], "word")
    rows, cut = rows_of(vocabulary, ["a", "a b c a", "z"], 3)
    assert rows.tolist() == [[4, END, PAD], [4, 5, 6], [UNKNOWN, END, PAD]]
    assert cut == 1
