"""One thread and a cache of its own for every test: small tensors are slower with more; a person's cache is theirs."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings

# Property tests draw new cases at every run; where a red run must speak of the change alone (.ci/run), the same ones.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(autouse=True, scope="session")
def quiet_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep torch on one thread, and caches and subprocesses' threads out of the way."""
    names = {
        "GANTLET_CACHE": str(tmp_path_factory.mktemp("cache")),
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
