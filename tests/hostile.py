"""Files that run code when they are unpickled, and checkpoints of models that nobody trained."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from gantlet.engine.checkpoint import Checkpoints
from gantlet.engine.state import create
from gantlet.recipes import catalogue

FACTS = ("channels", "resolution", "num_classes", "length", "vocab_size")


class Reduced:
    """What pickles as a call of a function."""

    def __init__(self, call: Callable[..., Any], *args: Any) -> None:
        self._call, self._args = call, args

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._call, self._args


def by_hand(module: str, name: str, text: str) -> bytes:
    """Return a pickle that calls module.name(text), written by hand: the name need not be importable here."""
    return f"c{module}\n{name}\n(S{text!r}\ntR.".encode()


def payloads(canary: Path) -> dict[str, bytes]:
    """Return pickles that create the file `canary` when they are loaded, each in another way."""
    import importlib
    import os

    touch = f"touch {canary}"
    code = f"open({str(canary)!r}, 'w').close()"
    return {
        "os.system": pickle.dumps(Reduced(os.system, touch), 2),
        "eval": pickle.dumps(Reduced(eval, code), 2),
        "exec": pickle.dumps(Reduced(exec, code), 4),
        "touch": pickle.dumps(Reduced(Path.touch, canary), 3),
        "importlib": pickle.dumps([Reduced(importlib.import_module, "os"), Reduced(os.mkdir, str(canary))], 2),
        "pkgutil": f"cpkgutil\nresolve_name\n(S'os:system'\ntR(S{touch!r}\ntR.".encode(),
        "by hand": by_hand("builtins", "exec", code),
        "subprocess": by_hand("subprocess", "getoutput", touch),
        "in a state dict": pickle.dumps({"G.weight": Reduced(os.system, touch)}, 2),
    }  # fmt: skip


def npy_of_objects(payload: bytes) -> bytes:
    head = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    head += b" " * (117 - len(head)) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + payload


def packed(payload: bytes, name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, payload)
        if name.endswith("data.pkl"):
            archive.writestr(name.replace("data.pkl", "version"), "3\n")
    return buffer.getvalue()


def disguises(payload: bytes) -> dict[str, bytes]:
    """Return files that hold a pickle, by their names."""
    safetensors = b'{"x":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (len(payload), len(payload))
    return {
        "plain.pkl": payload, "weights.bin": payload, "renamed.safetensors": payload, "renamed.png": payload,
        "renamed.wav": payload, "renamed.txt": payload, "torch.pt": packed(payload, "archive/data.pkl"),
        "torch.pth": packed(payload, "torch/data.pkl"), "model.ckpt": packed(payload, "model/data.pkl"),
        "objects.npy": npy_of_objects(payload), "objects.npz": packed(npy_of_objects(payload), "images.npy"),
        "inside.safetensors": struct.pack("<Q", len(safetensors)) + safetensors + payload,
    }  # fmt: skip


def everything(canary: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every payload in every disguise."""
    for number, payload in enumerate(payloads(canary).values()):
        for name, content in disguises(payload).items():
            yield f"{number}-{name}", content


def untrained(name: str, folder: Path, **facts: Any) -> Path:
    """Write a checkpoint of a recipe at its tiny size, as `gantlet train` would, and return its folder."""
    torch.manual_seed(0)
    sizes = catalogue.tiny_settings(name)
    arguments = json.loads(json.dumps(catalogue.resolve(name, sizes, False, sizes)))
    classes = int(arguments.get("num_classes") or 0)
    data: dict[str, Any] = {
        "name": "toy", "source": "digits", "windows": False, "count": 10,
        "classes": [f"class {i}" for i in range(classes)], "class_counts": [10] * classes,
        "intensity": {"low": 0.0, "high": 255.0, "dtype": "uint8"}, "fingerprint": "0" * 64,
        "facts": {key: arguments[key] for key in FACTS if key in arguments} | facts,
    }  # fmt: skip
    if "vocab_size" in arguments:
        data["vocabulary"] = {"level": "char", "symbols": [chr(97 + i) for i in range(arguments["vocab_size"] - 4)]}
    about = {"format": 1, "recipe": name, "arguments": arguments, "settings": "own", "remedies": {}, "data": data}
    state = create(catalogue.build(name, arguments), torch.device("cpu"))
    return Checkpoints(folder / name, about).save(state)
