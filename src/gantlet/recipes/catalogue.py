"""Finding recipes by name, and reading what their arguments are: name, type, default and the comment beside it."""

from __future__ import annotations

import importlib
import inspect
import io
import tokenize
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from gantlet.errors import UserError, suggest
from gantlet.recipe import Recipe
from gantlet.recipes import NAMES
from gantlet.recipes.pacing import Pacing

SIGNED = ("black", "white", "snr_low", "snr_high", "highway_bias")  # the only numbers that may be below 0
RecipeFunction = Callable[..., Recipe]


@dataclass(frozen=True)
class Parameter:
    """One argument of a recipe: its default, the text of its annotation and the comment that explains it."""

    name: str
    default: Any
    annotation: str
    comment: str


def find(name: str) -> RecipeFunction:
    """Return the recipe function called `name`: one of ours, or any importable `package.module:function`.

    Raises UserError for a name that is not known or cannot be imported.
    """
    if ":" in name:
        module_name, _, attribute = name.partition(":")
        try:
            function = getattr(importlib.import_module(module_name), attribute)
        except (ImportError, AttributeError) as error:
            raise UserError(f"Cannot import the recipe '{name}': {error}.") from error
        if not callable(function):
            raise UserError(f"'{name}' is not a function that returns a Recipe.")
        return function  # type: ignore[no-any-return]
    if name not in NAMES:
        raise UserError(f"No recipe is called '{name}'.{suggest(name, NAMES)} `gantlet list` shows all.")
    return getattr(importlib.import_module(NAMES[name]), name)  # type: ignore[no-any-return]


def quick_settings(name: str) -> dict[str, Any]:
    """Return the keyword arguments of a recipe's quick CPU settings; empty if it has none."""
    module = inspect.getmodule(find(name))
    return dict(getattr(module, "QUICK", {}).get(name.rpartition(":")[2], {}))


def pacing(name: str) -> Pacing:
    """Return which options of a recipe's quick settings follow the budget of a run."""
    found: Pacing = getattr(inspect.getmodule(find(name)), "PACING", {}).get(name.rpartition(":")[2], Pacing())
    return found


def data_kind(recipe: str) -> str:
    """Return what a recipe is fed, as its module's DATA says.

    That is images (the default), patches, pairs, unpaired, sounds, excerpts, mixtures, lines, passages or clips.
    """
    return str(getattr(inspect.getmodule(find(recipe)), "DATA", "images"))


TAKES = {  # by data_kind
    "images": "pictures of one size",
    "patches": "pictures of any size",
    "pairs": "pairs of pictures",
    "unpaired": "two folders of pictures",
    "sounds": "recordings, whole",
    "excerpts": "recordings of any length",
    "mixtures": "recordings of speech, and of noise",
    "lines": "text",
    "passages": "one long text",
    "clips": "clips",
}


def tiny_settings(name: str) -> dict[str, Any]:
    """Return the keyword arguments of a recipe's smallest honest size, as far as it has those arguments."""
    function = find(name)
    known = {parameter.name for parameter in parameters(function)}
    return {key: value for key, value in inspect.getmodule(function).TINY.items() if key in known}  # type: ignore[union-attr]


def parameters(function: RecipeFunction) -> list[Parameter]:
    """Return a recipe's arguments in order, each with the comment that stands beside it in the source."""
    comments = _comments(function)
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        annotation = parameter.annotation if isinstance(parameter.annotation, str) else str(parameter.annotation)
        found.append(Parameter(name, parameter.default, annotation, comments.get(name, "")))
    return found


def _comments(function: RecipeFunction) -> dict[str, str]:
    """Return the comment that trails each argument of a signature, by the argument's name."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return {}
    comments, first, last = {}, "", ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and not first:
            first = token.string
        elif token.type == tokenize.COMMENT and first:
            comments[first] = token.string.lstrip("# ")
        elif token.type == tokenize.NL and last in ("(", ","):  # not in the middle of an argument
            first = ""
        if token.type == tokenize.OP and token.string == "->":
            break
        if token.type not in (tokenize.NL, tokenize.COMMENT):
            last = token.string
    return comments


def summary(function: RecipeFunction) -> str:
    """Return the first line of a recipe's docstring."""
    return (inspect.getdoc(function) or "").split("\n")[0]


def paper(function: RecipeFunction) -> str:
    """Return the first line of the docstring of a recipe's module: the paper."""
    return (inspect.getdoc(inspect.getmodule(function)) or "").split("\n")[0]


def description(function: RecipeFunction) -> str:
    """Return the docstrings of a recipe's module and of the recipe itself."""
    return f"{inspect.getdoc(inspect.getmodule(function))}\n\n{inspect.getdoc(function)}\n"


def convert(recipe: str, parameter: Parameter, text: str, kind: str = "recipe") -> Any:
    """Read an option's value from text by the type its signature states; `kind` says what has the option.

    Raises UserError, naming the option and the type, if the text is none.
    """
    kinds = parameter.annotation
    try:
        if text.lower() == "none" and "None" in kinds:
            return None
        if "Sequence" in kinds and "x" in text:
            return [int(part) for part in text.split("x")]
        if "bool" in kinds:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
        if "int" in kinds:
            number = float(text)
            if number != int(number):
                raise ValueError(text)
            return int(number)
        if "float" not in kinds:
            return text
        if not isfinite(number := float(text)):
            raise ValueError(text)
        return number
    except (ValueError, KeyError, OverflowError) as error:
        name, why = parameter.name.replace("_", "-"), f" ({parameter.comment})" if parameter.comment else ""
        raise UserError(f"--{name} of {kind} '{recipe}' takes {kinds}, not '{text}'{why}.") from error


def own_options(
    verb: str, recipe: str, known: Mapping[str, Parameter], given: Mapping[str, Any], of_verb: Iterable[str]
) -> dict[str, Any]:
    """Return the options given of those that a recipe has for a verb, text read as the type that each states.

    `of_verb` are the options that the verb has itself, for suggestions. Raises UserError, with a suggestion, for an
    option that the recipe does not have, or for a text that is none of its type.
    """
    flags = sorted(name.replace("_", "-") for name in known)
    read = {}
    for name, value in given.items():
        if name not in known:
            flag = name.replace("_", "-")
            raise UserError(
                f"Neither {verb} nor {recipe} has an option --{flag}.{suggest(flag, [*flags, *of_verb])} "
                f"{recipe} takes {', '.join(f'--{each}' for each in flags) or 'none of its own'}."
            )
        text = isinstance(value, str) and known[name].annotation != "str"
        read[name] = convert(recipe, known[name], value) if text else value
    return read


def check_options(name: str, options: Iterable[str]) -> dict[str, Parameter]:
    """Return a recipe's arguments by name. Raises UserError, with a suggestion, for an option that is none of them."""
    known = {parameter.name: parameter for parameter in parameters(find(name))}
    for option in options:
        if option not in known:
            raise UserError(
                f"Recipe '{name}' has no option '{option}'.{suggest(option, known)} `gantlet show {name}` lists them."
            )
    return known


def resolve(
    name: str,
    facts: Mapping[str, Any],
    quick: bool,
    options: Mapping[str, Any],
    begun_with: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return all keyword arguments of a recipe: defaults, quick settings, facts of the data, options, in that order.

    `begun_with` are the arguments of a run that is resumed; they come before the facts and the options.

    Raises UserError for an unknown option (with a suggestion) and for a recipe that needs labels the data lacks.
    """
    known = check_options(name, options)
    resolved = {
        key: parameter.default for key, parameter in known.items() if parameter.default is not inspect.Parameter.empty
    }
    resolved.update(quick_settings(name) if quick else {})
    resolved.update({key: value for key, value in (begun_with or {}).items() if key in known})
    if "num_classes" in known and known["num_classes"].default != 0 and not facts.get("num_classes"):
        raise UserError(
            f"Recipe '{name}' needs labels and the data has none: put the files into one folder per class, give "
            "--labels labels.csv, or choose an unconditional recipe such as dcgan."
        )
    resolved.update({key: value for key, value in facts.items() if key in known})
    for key, value in options.items():
        text = isinstance(value, str) and known[key].annotation != "str"
        resolved[key] = convert(name, known[key], value) if text else value
    return resolved


def build(name: str, arguments: Mapping[str, Any]) -> Recipe:
    """Build a recipe from its name and keyword arguments.

    Raises UserError, naming the recipe, if it refuses them, a number is below 0 or a layer has no units.
    """
    if name in NAMES:  # what numbers of others' recipes mean is not known here
        refuse_below_zero(name, arguments)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Initializing zero-element tensors")  # said below, in one sentence
            recipe = find(name)(**arguments)
        for player in recipe.players.values():
            for network, module in player.networks.items():
                for parameter, value in module.named_parameters():
                    if not value.numel():  # PyTorch builds it and fails in the first step
                        raise ValueError(f"a layer of {network} has no units ({parameter} is {list(value.shape)})")
        return recipe
    except (TypeError, ValueError, AssertionError, RuntimeError, ZeroDivisionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"Recipe '{name}' does not accept these settings: {reason}.") from error


def refuse_below_zero(name: str, arguments: Mapping[str, Any]) -> None:
    """Raise UserError for the first number below 0, alone or in a list: counts, rates and weights all."""
    for option, value in arguments.items():
        for number in value if isinstance(value, list | tuple) else (value,):
            if isinstance(number, int | float) and number < 0 and option not in SIGNED:
                flag = option.replace("_", "-")
                raise UserError(f"--{flag} of recipe '{name}' cannot be below 0, as {number} is.")
