"""Damage for files: bytes anywhere, and the structure of JSON, safetensors, zip and gzip where one is found."""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import zipfile
from collections.abc import Sequence
from typing import Any

ODD = (0, 1, -1, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 10**9, 10**20, -(10**20), 0.5, float("nan"), float("inf"), "", "x", "../../x",
    "/etc/passwd", "a\0b", "\ud800", "9" * 5000, [], {}, [[]], {"": None}, ["x"] * 50, {"step": "x"},
)  # fmt: skip
NUMBERS = (b"0", b"-1", b"1e999", b"-1e999", b"NaN", b"Infinity", b"1e-400", b"9" * 400, b"99999999999999999999", b"")


def mutated(data: bytes, rng: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """Return damaged bytes: one to four times something of what can happen to a file; never longer than 4 MB."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        structured = by_structure(data, rng) if rng.random() < 0.5 else None
        data = in_bytes(data, rng, others) if structured is None else structured
    return data[: 4 * 2**20]


def in_bytes(data: bytes, rng: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """Return bytes with one damage at a random place, half of the time near the head."""
    raw = bytearray(data)
    if not raw:
        return rng.randbytes(rng.randrange(64))
    at = rng.randrange(min(len(raw), 64) if rng.random() < 0.5 else len(raw))
    length = min(rng.choice((1, 2, 4, 8, 32, 200)), len(raw) - at)
    way = rng.randrange(11)
    if way == 0:
        raw[at] ^= 1 << rng.randrange(8)
    elif way == 1:
        raw[at] = rng.randrange(256)
    elif way == 2:
        del raw[at:]
    elif way == 3:
        del raw[at : at + length]
    elif way == 4:
        raw[at:at] = raw[at : at + length] * rng.choice((1, 2, 50))
    elif way == 5:
        raw[at : at + length] = rng.randbytes(length)
    elif way == 6:
        raw[at : at + length] = bytes(length) if rng.random() < 0.5 else b"\xff" * length
    elif way == 7:
        size = rng.choice((1, 2, 4, 8))
        raw[at : at + size] = (rng.choice(ODD) % 256**size).to_bytes(size, rng.choice(("little", "big")))
    elif way == 8:
        raw[at:at] = rng.choice((*NUMBERS, b"[" * 3000, b'"', b"\n", b"\0", b"\xff\xfe", "\u202e".encode()))
    elif way == 9 and others:
        other = rng.choice(list(others))
        raw[at:] = other[rng.randrange(len(other) or 1) :]
    else:
        raw += rng.randbytes(rng.choice((1, 7, 300)))
    return bytes(raw)


def by_structure(data: bytes, rng: random.Random) -> bytes | None:
    """Return a file of the same kind with one part of it changed, None where no structure is known."""
    try:
        if data[:2] == b"\x1f\x8b":
            return gzip.compress(in_bytes(gzip.decompress(data), rng), 1, mtime=0)
        if data[:2] == b"PK":
            return in_zip(data, rng)
        if data[8:9] == b"{":
            return in_safetensors(data, rng)
        if data[:1] in b"{[" and data[:1]:
            lines = data.splitlines() if data[:1] == b"{" and data.count(b"\n{") else [data]
            number = rng.randrange(len(lines))
            lines[number] = json.dumps(in_json(json.loads(lines[number]), rng)).encode()
            return b"\n".join(lines)
    except Exception:  # whatever its parser says: the file is damaged already
        return None
    return None


def in_json(value: Any, rng: random.Random) -> Any:
    """Return a JSON value with one of its parts replaced, removed, doubled or nested."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        way = rng.random()
        if way < 0.1:
            return {other: part for other, part in value.items() if other != key}
        if way < 0.15:
            return {**value, rng.choice(("", "x", "__class__", "../x", key + "_")): value[key]}
        return {**value, key: in_json(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = rng.randrange(len(value))
        if rng.random() < 0.2:
            return value[:at] + value[at + 1 :]
        if rng.random() < 0.1:
            return value + value[at:]
        return [*value[:at], in_json(value[at], rng), *value[at + 1 :]]
    if rng.random() < 0.1:
        return [value] if rng.random() < 0.5 else {"x": value}
    if isinstance(value, int | float) and rng.random() < 0.4:
        return rng.choice((value + 1, -value, value * 2, value / 3, str(value)))
    return rng.choice(VALUES)


def in_safetensors(data: bytes, rng: random.Random) -> bytes:
    """Return a safetensors file with another header, whose length is right most of the time."""
    (length,) = struct.unpack("<Q", data[:8])
    head = json.dumps(in_json(json.loads(data[8 : 8 + length]), rng)).encode()
    told = len(head) if rng.random() < 0.9 else rng.choice(ODD) % 2**64
    return struct.pack("<Q", told) + head + data[8 + length :]


def in_zip(data: bytes, rng: random.Random) -> bytes:
    """Return a zip with one member changed, renamed, doubled or left out, and right sums."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        names = old.namelist()
        chosen, way = rng.choice(names), rng.random()
        for name in names:
            content = old.read(name)
            if name != chosen:
                new.writestr(name, content)
            elif way < 0.7:
                new.writestr(name, in_bytes(content, rng))
            elif way < 0.85:
                new.writestr(rng.choice(("../" + name, "/" + name, "x", name.upper(), "a" * 300, "c:\\x")), content)
            elif way < 0.93:
                new.writestr(name, content)
                new.writestr("again/" + name, content)
    return buffer.getvalue()
