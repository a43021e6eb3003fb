"""Every test has a cache of its own and a function that writes files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_files import Put, encoded


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every test out of the person's cache and data folders."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("GANTLET_CACHE", str(cache))
    monkeypatch.delenv("GANTLET_DATA", raising=False)
    return cache


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Return a function that writes {name: bytes or pixels} below a new folder and returns the folder."""

    def write(files: dict[str, bytes | np.ndarray], folder: str = "set") -> Path:
        for name, content in files.items():
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else encoded(content))
        return tmp_path / folder

    return write
