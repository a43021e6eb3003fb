"""Processes under torchrun: plain torch.distributed, one flat all-reduce per update, no wrapper around networks.

All messages but gradients and buffers are small and lie in host memory (gloo): no decision waits for a GPU.
"""

from __future__ import annotations

import importlib
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import PrefixStore, Store  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from gantlet.errors import RunFailed, UserError

JOIN = 1800.0  # seconds until every process must have opened its data and come
BEAT = 5.0  # seconds between signs of life while process 0 works and the others wait
CHUNK = 2**24  # bytes of one message: patience is per message

_alone = False


def patience() -> float:
    """Return the seconds after which a silent process counts as lost: GANTLET_PATIENCE, or 40.

    Raises UserError if that is no number of at least 10.
    """
    text = os.environ.get("GANTLET_PATIENCE", "40")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 10 <= seconds <= 86_400:
        raise UserError(f"GANTLET_PATIENCE is a number of seconds from 10 to 86400, not '{text}'.")
    return seconds


def start(device_name: str) -> None:
    """Join the group that torchrun describes in the environment; without torchrun do nothing.

    Coming may take long (data is opened before), answering later may not: hence two limits. Raises RunFailed if the
    others do not come.
    """
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ or dist.is_initialized():
        return
    on_gpu = device_name in ("auto", "cuda") and torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    seconds = patience()
    # Its functions keep the group as a default argument if they are imported later (optimizers do): the group's threads
    # then outlive `stop`, and now and then one aborts the process while Python shuts down.
    importlib.import_module("torch.distributed.nn")
    try:
        store, rank, size = next(rendezvous("env://", timeout=timedelta(seconds=JOIN)))
        store = meet(store, rank, size)
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
            store=store,
            rank=rank,
            world_size=size,
            timeout=timedelta(seconds=seconds),
        )
    except RuntimeError as error:
        raise RunFailed(
            f"The {os.environ['WORLD_SIZE']} processes did not find each other ({_first_line(error)}); see that all "
            "nodes run the same command and reach MASTER_ADDR, and name the network with GLOO_SOCKET_IFNAME."
        ) from error


def meet(store: Store, rank: int, size: int) -> Store:
    """Wait until all processes of the group are here; return a part of the store that is theirs alone.

    torchrun (2.13) keeps one store for all its restarts: in it lie the addresses of the dead, and whoever comes first
    would call them. So the first process opens a new part, and the others take the one that answers to their name.

    Raises RuntimeError if they do not all come in time.
    """
    name, deadline = secrets.token_hex(8), time.monotonic() + JOIN
    while True:
        group = store.add("gantlet/groups", int(rank == 0))
        store.set(f"gantlet/{group}/{rank}", name)
        if rank == 0:
            keys = [f"gantlet/{group}/{other}" for other in range(size)]
            store.wait(keys, timedelta(seconds=JOIN))
            store.set(f"gantlet/{group}/names", " ".join(store.get(key).decode() for key in keys))
        if store.check([f"gantlet/{group}/names"]) and name in store.get(f"gantlet/{group}/names").decode().split():
            return PrefixStore(f"gantlet/{group}", store)
        if time.monotonic() > deadline:
            raise RuntimeError(f"process {rank} waited for {JOIN:g} s")
        time.sleep(0.1)


def stop() -> None:
    """Leave the group."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """Return this process's number, 0 without a group."""
    return dist.get_rank() if dist.is_initialized() and not _alone else 0


def world_size() -> int:
    """Return the number of processes, 1 without a group."""
    return dist.get_world_size() if dist.is_initialized() and not _alone else 1


@contextmanager
def alone() -> Iterator[None]:
    """Be a group of one for a while: what one process does while the others wait must not wait for them."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


def rows(batch_size: int, accumulate: int) -> list[tuple[int, int]]:
    """Return (offset, size) of this process's parts of the global batch.

    Raises UserError if the batch does not divide evenly.
    """
    parts = world_size() * accumulate
    if batch_size % parts:
        raise UserError(
            f"A batch of {batch_size} cannot be split into {world_size()} processes x {accumulate} parts; "
            f"choose --batch-size as a multiple of {parts}."
        )
    size = batch_size // parts
    first = rank() * accumulate
    return [((first + part) * size, size) for part in range(accumulate)]


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over the processes: one flat buffer, one all-reduce.

    Gradients count as missing only where they are missing in every process, which is so because all run the same graph.
    """
    if world_size() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    with _contact():
        dist.all_reduce(flat)
    flat /= world_size()
    for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


@torch.no_grad()
def average_buffers(modules: Iterable[nn.Module]) -> None:
    """Make the state in buffers one state: means over the processes, after every step, so that no save changes a run.

    Sums and running means over rows so become those of the whole batch. Integers are equal anyway. Of buffers that hold
    rows themselves (a module names them in `holds_rows`) all take those of process 0.
    """
    if world_size() == 1:
        return
    means, first = [], []
    for module in (inner for outer in modules for inner in outer.modules()):
        held = getattr(module, "holds_rows", ())
        for name, buffer in module.named_buffers(recurse=False):
            if name in held:
                first.append(buffer)
            elif buffer.is_floating_point() and name not in module._non_persistent_buffers_set:
                means.append(buffer)
    if means:
        # In float64 the mean of equal float32 is that very number, whatever the number of processes.
        flat = torch.cat([buffer.flatten().double() for buffer in means])
        with _contact():
            dist.all_reduce(flat)
        flat /= world_size()
        for buffer, mean in zip(means, torch.split(flat, [b.numel() for b in means]), strict=True):
            buffer.copy_(mean.view_as(buffer))
    same_everywhere(first)


def agree(flags: Sequence[bool]) -> list[bool]:
    """Return in every process which flags are set in any (clocks and signals differ, decisions must not)."""
    if world_size() == 1:
        return list(flags)
    tensor = torch.tensor([float(flag) for flag in flags])
    with _contact():
        dist.all_reduce(tensor, dist.ReduceOp.MAX)
    return [value > 0 for value in tensor.tolist()]


def mean_of(values: Mapping[str, float]) -> dict[str, float]:
    """Return the means of named values over the processes; the names are the same in all, because the graph is."""
    if world_size() == 1 or not values:
        return dict(values)
    tensor = torch.tensor(list(values.values()), dtype=torch.float64)
    with _contact():
        dist.all_reduce(tensor)
    return dict(zip(values, (tensor / world_size()).tolist(), strict=True))


def by_first(work: Callable[[], Any]) -> Any:
    """Let process 0 work alone, however long it takes; return what JSON keeps of its result in every process.

    While it works it gives signs of life, so the others neither lose patience nor wait for a dead one. Its UserError or
    RunFailed is raised in all.
    """
    if world_size() == 1:
        return work()
    if rank() != 0:
        while not _json_of_first(None)["done"]:
            pass
        answer = _json_of_first(None)
        if "error" in answer:
            raise (UserError if answer["kind"] == "UserError" else RunFailed)(answer["error"])
        return answer["result"]
    done = threading.Event()
    beats = threading.Thread(target=_beat, args=(done,), daemon=True)
    beats.start()
    try:
        with alone():
            answer = {"result": work()}
    except (UserError, RunFailed) as error:
        answer = {"error": str(error), "kind": type(error).__name__}
        raise
    except BaseException as error:
        answer = {"error": f"Process 0 stopped ({type(error).__name__}); see what it said.", "kind": "RunFailed"}
        raise
    finally:
        done.set()
        beats.join()
        _json_of_first({"done": True})
        _json_of_first(answer)
    return answer["result"]


def _beat(done: threading.Event) -> None:
    """Say now and then that process 0 lives. A lost process is found at the next message of the main thread."""
    while not done.wait(min(BEAT, patience() / 4)):
        try:
            _json_of_first({"done": False})
        except RunFailed:
            return


def _json_of_first(value: Any) -> Any:
    """Return process 0's value in every process."""
    return json.loads(_bytes_of_first(json.dumps(value).encode() if dist.get_rank() == 0 else b""))


def _bytes_of_first(content: bytes) -> bytes:
    """Return process 0's bytes in every process, in messages of at most 16 MiB."""
    size = torch.tensor([len(content)])
    with _contact():
        dist.broadcast(size, 0)
        whole = bytearray(content) if dist.get_rank() == 0 else bytearray(int(size))
        for start in range(0, len(whole), CHUNK):
            part = memoryview(whole)[start : start + CHUNK]
            dist.broadcast(torch.frombuffer(part, dtype=torch.uint8), 0)
    return bytes(whole)


def files_of_first(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return process 0's files by name in every process: the others need not see its folders."""
    if world_size() == 1:
        return dict(files)
    names = _json_of_first(list(files))
    return {name: _bytes_of_first(files.get(name, b"")) for name in names}


@torch.no_grad()
def same_everywhere(tensors: Iterable[Tensor]) -> None:
    """Copy process 0's tensors to every process, through host memory: layouts and devices may differ."""
    if world_size() == 1:
        return
    for tensor in tensors:
        plain = tensor.detach().cpu().contiguous().clone()
        with _contact():
            dist.broadcast(plain.flatten().view(torch.uint8), 0)
        if rank() != 0:
            tensor.copy_(plain)


def in_turns(count: int, size: int, make: Callable[[int, int], dict[str, Tensor]]) -> Iterator[dict[str, Tensor]]:
    """Yield make(start, n) for all parts of `count` rows in order, at process 0; each part is made by one process.

    Parts have `size` rows, the last one the rest: those a single process would make. Tensors are [n, ...], on the CPU,
    of the same names and types in every part. Other processes yield nothing, but must be run through.
    """
    world, number = world_size(), rank()
    for first in range(0, count, size * world):
        starts = range(first, min(first + size * world, count), size)
        mine = make(starts[number], min(size, count - starts[number])) if number < len(starts) else {}
        if number == 0:
            yield mine
        for other, start_row in enumerate(starts):
            if other and number in (0, other):
                yield from _passed(other, mine, min(size, count - start_row))


def _passed(sender: int, mine: Mapping[str, Tensor], rows_there: int) -> Iterator[dict[str, Tensor]]:
    """Send this process's tensors to process 0, or there receive and yield the sender's."""
    found = {}
    for name, tensor in sorted(mine.items()):
        with _contact():
            if rank() == sender:
                dist.send(tensor.contiguous().flatten().view(torch.uint8), 0)
                continue
            found[name] = torch.empty((rows_there, *tensor.shape[1:]), dtype=tensor.dtype)
            dist.recv(found[name].flatten().view(torch.uint8), sender)
    if found:
        yield found


@contextmanager
def _contact() -> Iterator[None]:
    """Turn a failed message into one sentence. Raises RunFailed."""
    try:
        yield
    except RuntimeError as error:
        silent = "imed out" in str(error) or "imeout" in str(error)
        why = f"no answer within {patience():g} s" if silent else "its connection closed"
        raise RunFailed(
            f"Lost another process of this run ({why}); the last checkpoint is whole: once all nodes reach each other, "
            "run the same command on each and the run goes on from there."
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
