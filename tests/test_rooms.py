"""The rooms keep their rules: who imports whom, words the engine never says, calls nobody makes, sizes of files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "gantlet"
FILES = sorted(SOURCE.rglob("*.py"))
OURS = sorted(path for folder in ("src", "tests", "benchmarks", "examples") for path in (ROOT / folder).rglob("*.py"))

MAY_IMPORT = {  # room -> what of gantlet it may import; nothing below calls anything above
    "layers": {"layers"},
    "networks": {"layers", "networks"},
    "losses": {"losses"},
    "augment": {"augment"},
    "remedies": {"layers", "networks", "losses", "augment", "recipes", "remedies", "recipe", "errors", "draws"},
    "recipes": {"layers", "networks", "losses", "recipes", "recipe", "errors", "draws"},
    "engine": {"engine", "recipe", "errors", "draws"},
    "recipe.py": set(),
    "draws.py": set(),
    "errors.py": set(),
}
NEVER_IMPORTS = {  # room -> what it must not know
    "data": {"engine", "recipes", "networks", "losses", "training", "model", "cli", "recipe"},  # layers resample
    "media": {"engine", "recipes", "networks", "losses", "layers", "training", "model", "cli", "recipe", "metrics"},
    "metrics": {"engine", "recipes", "networks", "losses", "training", "model", "cli", "recipe", "report"},
    "report": {"recipes", "networks", "losses", "layers", "training", "cli"},
    "latents": {"training", "losses", "report", "cli", "judging"},
    "model.py": {"training", "losses", "metrics", "report"},  # no optimizer, no training code
}
ENGINE_WORDS = re.compile(r"\b(generator|discriminator|critic|real|fake|image)s?\b", re.IGNORECASE)
PICKLES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "shelve", "marshal", "joblib", "torchvision"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room(path: Path) -> str:
    """Return the room a source file is in: its folder, or its own name."""
    return path.relative_to(SOURCE).parts[0]


def imported(tree: ast.AST) -> set[str]:
    """Return the dotted names of everything a module imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms_imported(source: str) -> set[str]:
    """Return the rooms of gantlet that a module's source imports."""
    names = [found.split(".") for found in imported(ast.parse(source))]
    return {parts[1] if len(parts) > 1 else "" for parts in names if parts[0] == "gantlet"}


def words_of_the_domain(source: str) -> list[str]:
    """Return the lines that say what the engine has never heard of; torch.Generator is another thing."""
    exempt = re.compile(r"torch\.Generator|generator=|generator:")
    return [line for line in source.split("\n") if ENGINE_WORDS.search(exempt.sub("", line))]


def dangers(source: str) -> Iterator[str]:
    """Yield what a module does that nobody here may: unpickling, evaluating, extracting, shells, torchvision."""
    tree = ast.parse(source)
    for module in imported(tree):
        if module.split(".")[0] in PICKLES:
            yield f"imports {module}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ("extractall", "allow_pickle"):
            yield node.attr
        if not isinstance(node, ast.Call):
            continue
        call = ast.unparse(node.func)
        if call in ("eval", "exec", "compile", "torch.load", "os.system", "yaml.load", "__import__"):
            yield f"calls {call}"
        for keyword in node.keywords:
            off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            if keyword.arg in ("allow_pickle", "shell") and not off:
                yield f"{keyword.arg}={ast.unparse(keyword.value)}"


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in MAY_IMPORT], ids=name)
def test_nothing_below_calls_anything_above(path: Path) -> None:
    assert rooms_imported(path.read_text()) <= MAY_IMPORT[room(path)]


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in NEVER_IMPORTS], ids=name)
def test_rooms_beside_do_not_know_each_other(path: Path) -> None:
    assert not rooms_imported(path.read_text()) & NEVER_IMPORTS[room(path)]


def test_every_room_is_under_a_rule() -> None:
    face = {
        "applying",
        "cli.py",
        "augmenting",
        "cli_apply.py",
        "cli_augment.py",
        "cli_clips.py",
        "cli_latents.py",
        "cli_sounds.py",
        "cli_text.py",
        "cli_train.py",
        "previewing.py",
        "cli_remedies.py",
        "feeding.py",
        "judging.py",
        "judging_clips.py",
        "judging_style.py",
        "judging_text.py",
        "listening.py",
        "observing.py",
        "pacing.py",
        "parsing.py",
        "quality_diversity.py",
        "reading.py",
        "record.py",
        "sharing.py",
        "interrupts.py",
        "stopping.py",
        "tiling.py",
        "training.py",
        "watching.py",
    }
    free = face | {"__init__.py", "__main__.py"}
    assert {room(path) for path in FILES} - free == set(MAY_IMPORT) | set(NEVER_IMPORTS)


def test_the_engine_has_never_heard_of_a_gan() -> None:
    said = {name(path): words_of_the_domain(path.read_text()) for path in FILES if room(path) == "engine"}
    assert len(said) > 10
    assert {path: lines for path, lines in said.items() if lines} == {}


def test_nobody_unpickles_evaluates_extracts_or_imports_torchvision() -> None:
    found = {name(path): sorted(dangers(path.read_text())) for path in FILES}
    assert {path: what for path, what in found.items() if what} == {}


def test_networks_layers_and_losses_stay_functions_of_tensors() -> None:
    """No optimizer, no `.backward()`, no device, no latent drawn inside a network, no copy to the host in a recipe."""
    never = {
        "layers": {"backward", "optim", "cuda", "to", "item"},
        "networks": {"backward", "optim", "cuda", "to", "item", "randn", "rand", "randn_like", "rand_like"},
        "losses": {"backward", "optim", "cuda", "to", "item", "Parameter"},
        "augment": {"backward", "optim", "cuda", "item", "Parameter"},
        "remedies": {"backward", "cuda", "item", "tolist", "open", "write_text", "write_bytes"},
        "recipes": {"backward", "cuda", "to", "item", "tolist", "open", "write_text", "write_bytes"},
    }
    found = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in never.get(room(path), ()):
                found.append(f"{name(path)}:{node.lineno} .{node.attr}")
    assert [place for place in found if "losses/penalties.py" not in place or "Parameter" in place] == []


def test_the_checks_above_can_fail() -> None:
    assert rooms_imported("from gantlet.engine import loop\nimport gantlet.recipes.choose") == {"engine", "recipes"}
    assert rooms_imported("def f():\n    from gantlet import metrics") == {"metrics"}
    assert words_of_the_domain("fakes = 1\ng = torch.Generator()\nx: torch.Generator\n# an Image") == [
        "fakes = 1",
        "# an Image",
    ]
    bad = "import pickle\nfrom torchvision import ops\ntorch.load(f)\neval(s)\nz.extractall(p)\nrun(c, shell=True)\n"
    assert len(list(dangers(bad + "np.load(f, allow_pickle=True)\nmodule.eval()\nnp.load(f, allow_pickle=False)"))) == 7


def test_recipe_py_stays_a_page() -> None:
    assert len((SOURCE / "recipe.py").read_text().splitlines()) < 115


@pytest.mark.parametrize("path", OURS, ids=name)
def test_files_and_functions_stay_short(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 400
    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [f"{f.name}: {f.end_lineno - f.lineno}" for f in functions if f.end_lineno - f.lineno > 60] == []


def test_file_names_of_tests_are_unique() -> None:
    """Without packages pytest imports test files by their bare names."""
    names = [path.name for path in OURS if path.is_relative_to(ROOT / "tests") and path.name.startswith("test_")]
    assert sorted(names) == sorted(set(names))
