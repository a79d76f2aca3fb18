"""The command line: parsing, help, and exit codes around the commands."""

import inspect
import re
import sys
from collections.abc import Sequence
from dataclasses import fields
from typing import NoReturn

from jsonargparse import ArgumentParser, set_parsing_settings

from fgbgnet.commands import COMMANDS
from fgbgnet.errors import FgBgError, OutputError, TrainingError
from fgbgnet.training.config import FitConfig
from fgbgnet.training.recipes import find_recipe

SETTINGS = "fit"
"""The parameter of commands whose options are those of `FitConfig`."""
_FILES, _LISTS = ("--config", "--recipe"), ("--tasks", "--freeze")


class _Parser(ArgumentParser):
    """Bad arguments are one line on the terminal and exit code 2."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        text = " ".join(str(message).split())
        text = re.sub(rf'"?\b(?:{"|".join(COMMANDS)})\.(\w+)"?', r"--\1", text)  # "train.data" is --data to the user
        text = re.sub(r'Parser key "(\w+)"', lambda key: "--" + key[1].replace("_", "-"), text)
        text = re.sub(r"Does not validate against any .*? Subtypes: \[(.*?)\] Errors: .* Given value: ", _types, text)
        text = re.sub(r"Expected a <class '(\w+)'>\. Got value: ", r"expected \1, got ", text)
        _fail(f"{text} (see {self.prog.replace(' [options]', '')} --help)")


def run(argv: Sequence[str] | None = None) -> int:
    """Parses the arguments and runs the command.

    Args:
        argv: The arguments; those of the process by default.

    Returns:
        The exit code: what the command returned, 0 if that is nothing. Bad input exits with 2, an interruption with
        130; a failure raises, which exits with 1.
    """
    set_parsing_settings(docstring_parse_attribute_docstrings=False)
    try:
        arguments = _normalized(sys.argv[1:] if argv is None else argv)
    except FgBgError as error:  # a recipe that does not exist
        _fail(str(error))
    parser = _build_parser()
    if not arguments:
        parser.print_help()
        return 2
    parsed = parser.parse_args(arguments)
    options = parsed[parsed.subcommand].as_dict()
    options.pop("config", None)
    try:
        if _has_settings(parsed.subcommand):
            settings = {field.name: options.pop(field.name) for field in fields(FitConfig)}
            options[SETTINGS] = FitConfig(**settings)
        return COMMANDS[parsed.subcommand](**options) or 0
    except (TrainingError, OutputError) as error:
        print(f"fgbgnet: failed: {error}", file=sys.stderr)
        return 1
    except FgBgError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        print("\nfgbgnet: interrupted", file=sys.stderr)
        return 130


def _build_parser() -> ArgumentParser:
    parser = _Parser(
        prog="fgbgnet",
        description="A clean background and the same scene with something new in it -> foreground mask and depth map.",
    )
    commands = parser.add_subcommands(metavar="command", help="one of the following; each has its own --help")
    for name, function in COMMANDS.items():
        summary, _, rest = (function.__doc__ or "").partition("\n\n")
        details = rest.split("Args:")[0].strip()
        first = _first_parameter(name)
        short = f"The first option can stand bare: `fgbgnet {name} {first.upper()}`." if first else ""
        command = _Parser(description=" ".join(f"{summary} {details} {short}".split()))
        command.add_argument("--config", action="config", help="YAML file with any of the options below")
        command.add_function_arguments(function, as_group=False, fail_untyped=True, skip={SETTINGS})
        if _has_settings(name):
            command.add_class_arguments(FitConfig, as_group=False, fail_untyped=True)
        commands.add_subcommand(name, command, help=summary.split(":")[0])
    return parser


def _normalized(arguments: Sequence[str]) -> list[str]:
    """Spells options as the parser wants them: ``--fg-bg`` as ``--fg_bg``, a bare ``--resume`` as ``--resume true``.

    >>> _normalized(["predict", "--fg-bg=a-b.png"])
    ['predict', '--fg_bg=a-b.png']
    >>> _normalized(["train", "--resume", "--size", "64"])
    ['train', '--resume', 'true', '--size', '64']
    >>> _normalized(["compose", "--no-flip"])
    ['compose', '--flip', 'false']
    >>> _normalized(["train", "data.csv", "--out", "runs/x"])
    ['train', '--data', 'data.csv', '--out', 'runs/x']
    """
    arguments = _with_first_named(arguments)
    annotated = [f.__annotations__ for f in COMMANDS.values()] + [FitConfig.__annotations__]
    switches = {f"--{name}" for names in annotated for name, kind in names.items() if kind is bool}
    spelled: list[str] = []
    for argument in arguments:
        if spelled and spelled[-1] in switches and argument.startswith("--"):
            spelled.append("true")
        argument = re.sub(r"^--[a-z][a-z-]*", lambda flag: "--" + flag[0][2:].replace("-", "_"), argument)
        off = argument.replace("--no_", "--", 1)
        spelled += [off, "false"] if argument != off and off in switches else [argument]
    if spelled and spelled[-1] in switches:
        spelled.append("true")
    return _with_settings(spelled) if spelled and _has_settings(spelled[0]) else spelled


def _with_settings(arguments: list[str]) -> list[str]:
    """Recipes as files, files before the options that change them, and lists in brackets.

    >>> _with_settings(["train", "--tasks", "mask,depth", "--config=a.yaml", "--freeze", ""])
    ['train', '--config', 'a.yaml', '--tasks', '[mask,depth]', '--freeze', '[]']
    """
    files: list[str] = []
    others: list[str] = []
    rest = iter([part for argument in arguments[1:] for part in _split_assignment(argument)])
    for argument in rest:
        value = next(rest, None) if argument in _FILES + _LISTS else None
        if value is None:
            others.append(argument)
        elif argument in _LISTS:
            others += [argument, value if value.startswith("[") else f"[{value}]"]
        else:
            files += ["--config", str(find_recipe(value).path) if argument == "--recipe" else value]
    return [arguments[0], *files, *others]


def _split_assignment(argument: str) -> list[str]:
    name, equals, value = argument.partition("=")
    return [name, value] if equals and name in _FILES + _LISTS else [argument]


def _has_settings(command: str) -> bool:
    """Whether a command takes the settings of a training as options."""
    return command in COMMANDS and SETTINGS in inspect.signature(COMMANDS[command]).parameters


def _with_first_named(arguments: Sequence[str]) -> list[str]:
    """A bare argument right behind the command is the command's first option."""
    command, *rest = arguments or [""]
    first = _first_parameter(command)
    if not rest or rest[0].startswith("-") or first is None:
        return list(arguments)
    flag = f"--{first.replace('_', '-')}"
    for argument in rest[1:]:
        if argument.split("=")[0].replace("_", "-") == flag:
            _fail(f"{flag} came twice, first as the bare {rest[0]!r}; give it once")
    return [command, flag, *rest]


def _first_parameter(command: str) -> str | None:
    """Name of the first parameter of a command; None if there is no such command, or it has none."""
    return next(iter(inspect.signature(COMMANDS[command]).parameters), None) if command in COMMANDS else None


def _types(union: re.Match[str]) -> str:
    """Which of several types was expected, in words; as it stands if they are not plain types."""
    names = [kind or repr(word) for kind, word in re.findall(r"<class '(\w+)'>|'(\w+)'", union[1])]
    return f"expected {' or '.join(n for n in names if n != 'NoneType')}, got " if len(names) > 1 else union[0]


def _fail(message: str) -> NoReturn:
    print(f"fgbgnet: error: {message}", file=sys.stderr)
    sys.exit(2)


__all__ = ["run"]
