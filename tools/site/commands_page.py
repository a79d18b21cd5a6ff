# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page of the command line, made of the parsers that the commands really use."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Sequence
from unittest import mock

from interface_pages import plain_markdown

from spatialgeo_ros import cli
from spatialgeo_ros.training.command import TRAININGS

PAGE = "commands.md"
#: The words before the options, of a command that chooses a parser by words of its own.
PROGRAMS = {
    "train": (
        ("train", "nano"),
        ("train", "nano_detector"),
        *(("train", model, name) for model, names in TRAININGS.items() for name in names),
    ),
}


class Parsed(Exception):
    """The command line was understood; nothing was run."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        """Carry the parser that understood it."""
        super().__init__(parser.prog)
        self.parser = parser


def parse(main: Callable[[Sequence[str]], object], words: Sequence[str]) -> argparse.ArgumentParser:
    """Let a command read its command line, and stop before it does anything.

    Args:
        main: entry of the command: takes the words, and parses them with argparse.
        words: the command line without the program's name.

    Raises:
        SystemExit: The words are not understood (status 2), or ask for help (0).
        ValueError: The command did not use argparse.
    """
    understand = argparse.ArgumentParser.parse_args

    def stop(parser: argparse.ArgumentParser, *args: object, **named: object) -> None:
        understand(parser, *args, **named)  # type: ignore[arg-type]
        raise Parsed(parser)

    with mock.patch.object(argparse.ArgumentParser, "parse_args", stop):
        try:
            main(words)
        except Parsed as parsed:
            return parsed.parser
    raise ValueError(f"'{' '.join(words)}' was not read by argparse")


def parser_of(
    main: Callable[[Sequence[str]], object], words: Sequence[str]
) -> argparse.ArgumentParser:
    """Return the parser that ``main`` would read further ``words`` with, without reading them."""

    def stop(parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        raise Parsed(parser)

    with mock.patch.object(argparse.ArgumentParser, "parse_args", stop):
        try:
            main(words)
        except Parsed as parsed:
            return parsed.parser
    raise ValueError(f"'{' '.join(words)}' was not read by argparse")


def parsers() -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    """Yield every command: its words, its parser and what it is for."""
    top = parser_of(cli.main, ["models", "list"])
    texts = {a.dest: a.help or "" for a in _subcommands(top)._choices_actions}
    for name, parser in _subcommands(top).choices.items():
        if name not in cli._DELEGATES:
            yield from _below(name, parser, texts[name])
            continue
        for words in PROGRAMS.get(name, ((name,),)):
            own = parser_of(cli.main, words)
            yield " ".join(words), own, own.description or texts[name]


def _below(name: str, parser: argparse.ArgumentParser, text: str) -> Iterator[tuple]:
    yield name, parser, parser.description or text
    if actions := _subcommands(parser):
        texts = {a.dest: a.help or "" for a in actions._choices_actions}
        for word, own in actions.choices.items():
            yield from _below(f"{name} {word}", own, texts.get(word, ""))


def _subcommands(parser: argparse.ArgumentParser) -> argparse._SubParsersAction:
    return next((a for a in parser._actions if isinstance(a, argparse._SubParsersAction)), None)


def commands_page() -> str:
    """Return the page."""
    found = list(parsers())
    lines = [
        "# Commands",
        "",
        "Made of the commands' own parsers. `spatialgeo COMMAND --help` prints the same. Every "
        "command ends with status 0 where it did what it was asked, 1 where that was not possible, "
        "with one line that says why and what to do, and 2 where the command line is not "
        "understood; `doctor` has statuses for warnings and errors beside these.",
        "",
        "| command | |",
        "|---|---|",
    ]
    lines += [f"| [`{name}`](#{_anchor(name)}) | {_prose(text)} |" for name, _, text in found]
    for name, parser, text in found:
        level = "##" if " " not in name or name.startswith("train ") else "###"
        lines += ["", f"{level} spatialgeo {name} {{ #{_anchor(name)} }}", "", _prose(text), ""]
        lines += ["```text", _usage(name, parser), "```", "", *_options(parser)]
    return "\n".join([*lines, ""])


def _anchor(name: str) -> str:
    return "spatialgeo-" + name.replace(" ", "-").replace("_", "-")


def _usage(name: str, parser: argparse.ArgumentParser) -> str:
    # one width for every terminal
    formatter = argparse.HelpFormatter(prog=f"spatialgeo {name}", width=100)
    formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups, prefix="")
    return re.sub(r"\n{2,}", "\n", formatter.format_help()).strip()


def _options(parser: argparse.ArgumentParser) -> list[str]:
    rows = []
    for action in parser._actions:
        if isinstance(action, (argparse._HelpAction, argparse._SubParsersAction)):
            continue
        if action.help == argparse.SUPPRESS:
            continue
        formatter = parser._get_formatter()
        shown = formatter._format_action_invocation(action)
        text = formatter._expand_help(action) if action.help else ""
        default = action.default
        if (
            action.nargs == 0
            or default in (None, argparse.SUPPRESS, False, [], "")
            or "default" in text
        ):
            said = ""
        else:
            said = f"`{default}`"
        need = "required" if action.required and action.option_strings else said
        rows.append(f"| <code>{_prose(shown)}</code> | {need} | {_prose(text)} |")
    return ["| option | default | meaning |", "|---|---|---|", *rows, ""] if rows else []


def _prose(text: str) -> str:
    # docstrings mark code as reStructuredText does
    return plain_markdown(" ".join(text.split()).replace("``", ""))
