"""Finding remedies by name, reading what was asked for, and applying them to a recipe."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gantlet.errors import UserError, suggest
from gantlet.recipe import Recipe
from gantlet.recipes import catalogue
from gantlet.recipes.catalogue import Parameter
from gantlet.remedies import NAMES

Asked = Mapping[str, Mapping[str, Any]] | Sequence[str]  # {"lecam": {"weight": 0.3}} or ["lecam:weight=0.3"]
LITTLE_DATA = ("ada", "apa", "auto", "diffaugment", "little_data")  # these bring a holdout with them


def find(name: str) -> Callable[..., Recipe]:
    """Return the remedy called `name`; only names of `gantlet.remedies.NAMES` exist.

    Raises UserError for any other.
    """
    if name not in NAMES:
        raise UserError(f"No remedy is called '{name}'.{suggest(name, NAMES)} `gantlet list --remedies` shows all.")
    return getattr(importlib.import_module(NAMES[name]), name)  # type: ignore[no-any-return]


def parameters(name: str) -> list[Parameter]:
    """Return a remedy's own arguments, each with the comment that stands beside it."""
    return [parameter for parameter in catalogue.parameters(find(name)) if parameter.name != "recipe"]


def symptom(name: str) -> str:
    """Return what a remedy is good for, as its docstring says it."""
    text = inspect.getdoc(find(name)) or ""
    return text.partition("Symptom: ")[2].split(". ")[0].split(".\n")[0].replace("\n", " ").rstrip(".")


def read(asked: Asked) -> dict[str, dict[str, Any]]:
    """Return the remedies that were asked for, with the arguments that were given (values may still be text).

    Raises UserError for an unknown remedy or argument, or the same remedy twice.
    """
    if isinstance(asked, str):
        asked = [asked]
    pairs = list(asked.items()) if isinstance(asked, Mapping) else [_words(word) for word in asked]
    found: dict[str, dict[str, Any]] = {}
    for name, given in pairs:
        known = {parameter.name: parameter for parameter in parameters(name)}
        if name in found:
            raise UserError(f"Remedy '{name}' is asked for twice; give all its options at once: {name}:a=1,b=2.")
        for key in given:
            if key not in known:
                raise UserError(
                    f"Remedy '{name}' has no option '{key}'.{suggest(key, known)} `gantlet show {name}` lists them."
                )
        found[name] = dict(given)
    return found


def _words(word: str) -> tuple[str, dict[str, str]]:
    """Read "name" or "name:key=value,key=value"; a value may hold commas where no key follows."""
    name, _, rest = word.partition(":")
    find(name)
    given: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if equals:
            given[key.replace("-", "_")] = value
        elif given:
            given[list(given)[-1]] += f",{part}"
        else:
            raise UserError(f"'{word}' is no remedy with options; write {name}:name=value,name=value.")
    return name, given


def resolve(
    asked: Mapping[str, Mapping[str, Any]],
    num_pictures: int | None = None,
    begun_with: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, dict[str, Any]]:
    """Return all arguments of all remedies, in the order they are applied in: defaults, facts of the data, those given.

    `begun_with` are arguments of a run that is resumed; they come before the facts.
    """
    names = set(asked) | ({"holdout"} if set(asked) & set(LITTLE_DATA) else set())
    resolved: dict[str, dict[str, Any]] = {}
    for name in NAMES:
        if name not in names:
            continue
        known = {parameter.name: parameter for parameter in parameters(name)}
        values = {key: parameter.default for key, parameter in known.items()}
        values.update({key: value for key, value in (begun_with or {}).get(name, {}).items() if key in known})
        if "num_pictures" in known and num_pictures is not None:
            values["num_pictures"] = num_pictures
        for key, value in asked.get(name, {}).items():
            text = isinstance(value, str) and known[key].annotation != "str"
            values[key] = catalogue.convert(name, known[key], value, "remedy") if text else value
        resolved[name] = values
    return resolved


def typed(asked: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return which arguments were given, as a record's `options` lists them."""
    return [f"{name}:{key}" for name, given in asked.items() for key in given]


def apply(recipe: Recipe, remedies: Mapping[str, Mapping[str, Any]]) -> Recipe:
    """Return the recipe with remedies applied, in the order of NAMES; without any it is the recipe itself.

    Networks are changed in place where layers are exchanged. Raises UserError if one does not fit the recipe.
    """
    for name in sorted(remedies, key=lambda name: list(NAMES).index(name) if name in NAMES else -1):
        try:
            recipe = find(name)(recipe, **remedies[name])
        except (TypeError, ValueError) as error:
            raise UserError(f"Remedy '{name}' does not fit this recipe: {error}.") from error
    return recipe
