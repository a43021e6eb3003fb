"""The state of a run: networks, optimizers, averages and counters, and how they become bytes and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn
from torch.optim import Optimizer

from gantlet.engine.care import Chart
from gantlet.engine.nets import Networks, Trainable, build
from gantlet.engine.progress import Counters
from gantlet.recipe import Recipe


class NotFinite(Exception):
    """A weight is NaN or infinite; such a state is never saved."""


@dataclass
class State:
    """Everything that must survive an interruption."""

    nets: Networks
    trainable: Trainable
    optimizers: dict[str, Optimizer]
    settings: dict[str, list[dict[str, Any]]]  # each optimizer's own lr, betas, ... per group, before schedules
    counters: Counters = field(default_factory=Counters)
    lr_scale: float = 1.0  # lowered by the guard after repeated rollbacks
    rollbacks: list[int] = field(default_factory=list)  # steps at which the run was rolled back
    chart: Chart = field(default_factory=Chart)  # what was seen and done about signs of trouble
    threads: int | None = None  # of the process that saved what was restored
    processes: int = 1  # that trained what was restored

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Return the tensors to save, by file."""
        averaged = self.nets.averaged.modules
        files = {
            "weights": _flat(self.nets.modules),
            "averages": _flat({name: m for name, m in averaged.items() if m is not self.nets.modules[name]}),
        }
        for name, optimizer in self.optimizers.items():
            state = optimizer.state_dict()["state"]
            files[f"optimizer-{name}"] = {
                f"{index}.{key}": value
                for index, entry in state.items()
                for key, value in entry.items()
                if isinstance(value, Tensor)
            }
        return files

    def scalars(self, processes: int = 1) -> dict[str, Any]:
        """Return what is not a tensor, ready for JSON."""
        numbers = {}
        for name, optimizer in self.optimizers.items():
            state = optimizer.state_dict()["state"]
            numbers[name] = {
                str(index): {key: value for key, value in entry.items() if not isinstance(value, Tensor)}
                for index, entry in state.items()
            }
        return {
            "counters": self.counters.to_json(),
            "lr_scale": self.lr_scale,
            "rollbacks": self.rollbacks,
            **({} if self.chart == Chart() else {"chart": self.chart.to_json()}),
            "optimizers": numbers,
            "threads": torch.get_num_threads(),
            **({} if processes == 1 else {"processes": processes}),
        }


def _flat(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    return {f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}


def create(recipe: Recipe, device: torch.device) -> State:
    """Build the state of a run that has not begun."""
    nets = build(recipe, device)
    trainable = Trainable(recipe)
    optimizers = {name: player.optimizer(trainable.of[name]) for name, player in recipe.players.items()}
    settings = {
        name: [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
        for name, optimizer in optimizers.items()
    }
    return State(nets, trainable, optimizers, settings)


def to_files(state: State, processes: int = 1) -> dict[str, bytes]:
    """Return the state of a run of so many processes as the bytes of its files: safetensors and JSON.

    Raises NotFinite if a tensor holds NaN or infinity.
    """
    files = {}
    for name, tensors in state.tensors().items():
        for key, value in tensors.items():
            if value.is_floating_point() and not torch.isfinite(value).all():
                raise NotFinite(f"{name}/{key}")
        files[f"{name}.safetensors"] = save_tensors(_apart(tensors))
    files["state.json"] = json.dumps(state.scalars(processes), indent=1, allow_nan=False).encode()
    return files


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors on the host, none in the memory of another: safetensors refuses weights that are tied."""
    taken: set[int] = set()
    alone = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        memory = tensor.untyped_storage().data_ptr()
        alone[name] = tensor.clone() if memory in taken else tensor
        taken.add(memory)
    return alone


def from_files(state: State, files: Mapping[str, bytes]) -> None:
    """Put saved files back into a state built from the same recipe.

    Raises LookupError, ValueError or RuntimeError if they belong to another recipe: nothing is skipped in silence.
    """
    _restore(state.nets.modules, load_tensors(files["weights.safetensors"]))
    averaged = {n: m for n, m in state.nets.averaged.modules.items() if m is not state.nets.modules[n]}
    _restore(averaged, load_tensors(files["averages.safetensors"]))
    scalars = json.loads(files["state.json"])
    for name, optimizer in state.optimizers.items():
        entries: dict[int, dict[str, Any]] = {
            int(index): dict(entry) for index, entry in scalars["optimizers"][name].items()
        }
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        for key, value in load_tensors(files[f"optimizer-{name}.safetensors"]).items():
            index, _, field_name = key.partition(".")
            parameter = parameters[int(index)]
            if value.shape == parameter.shape:  # fused optimizers walk memory: layouts (channels-last) must agree
                value = torch.empty_like(parameter, dtype=value.dtype, device=value.device).copy_(value)
            entries.setdefault(int(index), {})[field_name] = value
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": entries, "param_groups": groups})
    state.counters = Counters(**scalars["counters"])
    state.threads, state.processes = int(scalars["threads"]), int(scalars.get("processes", 1))
    state.lr_scale = float(scalars["lr_scale"])
    state.rollbacks = list(scalars["rollbacks"])
    state.chart = Chart.from_json(scalars.get("chart", {}))  # checkpoints from before there were treatments have none


def _restore(modules: Mapping[str, nn.Module], tensors: Mapping[str, Tensor]) -> None:
    by_module: dict[str, dict[str, Tensor]] = {name: {} for name in modules}
    for key, value in tensors.items():
        name, _, rest = key.partition(".")
        by_module[name][rest] = value
    for name, module in modules.items():
        module.load_state_dict(by_module[name])
