"""How the command line reads words: mistakes are one sentence with a suggestion."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any, NoReturn

from gantlet.errors import UserError, suggest


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are one sentence with a suggestion."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message[:1].upper()}{message[1:].rstrip('.')}. `{self.prog} --help` explains.")


def parser(verb: str, usage: str, description: str) -> Parser:
    """Return the parser of one verb."""
    return Parser(
        prog=f"gantlet {verb}",
        usage=f"gantlet {verb} {usage}",
        description=description,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def parse(verb: Parser, words: list[str]) -> dict[str, Any]:
    """Return what was given; unknown options get a suggestion."""
    known, rest = verb.parse_known_args(words)
    if rest:
        options = [name for action in verb._actions for name in action.option_strings]
        raise UserError(
            f"Unknown argument '{rest[0]}'.{suggest(rest[0].split('=')[0], options)} `{verb.prog} --help` explains."
        )
    given = vars(known)
    look_here(given.get("recipe"))
    return given


def look_here(recipe: str | None) -> None:
    """Let a recipe of the person's own, module:function, lie in the working folder, as `python -m` does.

    Only for one that was typed: what a file names must never decide where code is imported from.
    """
    if recipe is not None and ":" in recipe and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def split_options(verb: Parser, words: list[str]) -> tuple[list[str], dict[str, str], str | None]:
    """Take the `--name value` pairs that the verb does not know out of the words.

    Returns the other words, the pairs by name as it was typed, and the first word that is no option.
    """
    own = {name: action.nargs != 0 for action in verb._actions for name in action.option_strings}
    rest: list[str] = []
    options: dict[str, str] = {}
    first = None
    queue = list(words)
    while queue:
        word = queue.pop(0)
        name, equals, value = word.partition("=")
        if not word.startswith("--"):
            first = first if word.startswith("-") else first or word
            rest.append(word)
        elif name in own:
            rest.append(word)
            if own[name] and not equals and queue:
                rest.append(queue.pop(0))
        else:
            if not equals and not queue:
                raise UserError(f"Option {name} needs a value.{suggest(name, own)}")
            options[name] = value if equals else queue.pop(0)
    return rest, options, first


def split_recipe_options(verb: Parser, words: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Take the recipe's own `--name value` pairs out of the words; their types are read from its signature later.

    Raises UserError, with a suggestion, for an option that neither the verb nor the named recipe has.
    """
    own = [name for action in verb._actions for name in action.option_strings]
    rest, options, recipe = split_options(verb, words)
    if options and recipe is not None:
        from gantlet.recipes import catalogue

        look_here(recipe)
        known = [f"--{p.name.replace('_', '-')}" for p in catalogue.parameters(catalogue.find(recipe))]
        for name in options:
            if name.replace("_", "-") not in known:
                hint = suggest(name, [*known, *own])
                raise UserError(
                    f"Neither train nor {recipe} has an option {name}.{hint} `gantlet show {recipe}` lists them."
                )
    return rest, keywords(options)


def keywords(options: dict[str, str]) -> dict[str, str]:
    """Return options under the names of the arguments they stand for."""
    return {name[2:].replace("-", "_"): value for name, value in options.items()}


def whole(text: str) -> int:
    """Read a whole number; 5e6 and 5_000_000 are fine."""
    number = float(text)
    if not number.is_integer():  # nor are infinity and NaN
        raise ValueError(text)
    return int(number)


def resolution(text: str) -> int | tuple[int, int]:
    """Read 64 or 48x64 (height x width)."""
    height, cross, width = text.lower().partition("x")
    return (int(height), int(width)) if cross else int(height)
