"""Named settings that come with the package: YAML files with the options of ``fgbgnet train``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fgbgnet.errors import InvalidArgumentError, MissingFileError, UnknownNameError

FOLDER = Path(__file__).parents[1] / "recipes"


@dataclass(frozen=True)
class Recipe:
    """A file of options.

    Attributes:
        name: What it is called by.
        summary: The first line of the file.
        path: The file.
    """

    name: str
    summary: str
    path: Path


def list_recipes() -> list[Recipe]:
    """The recipes of the package.

    >>> "classic" in [recipe.name for recipe in list_recipes()]
    True
    """
    return [_read(path) for path in sorted(FOLDER.glob("*.yaml"))]


def find_recipe(name: str) -> Recipe:
    """A recipe of the package by its name.

    Raises:
        UnknownNameError: If there is none of that name.
    """
    path = FOLDER / f"{name}.yaml"
    names = [recipe.name for recipe in list_recipes()]
    if name not in names:
        raise UnknownNameError("recipe", name, names, "`fgbgnet recipes` lists them.")
    return _read(path)


def load_recipe(name: str) -> dict[str, Any]:
    """The options of a recipe: those of the model, and those of `FitConfig`.

    Args:
        name: A name of `list_recipes`, or the path of a YAML file.

    Raises:
        UnknownNameError: If there is no such recipe.
        MissingFileError: If there is no such file.
        InvalidArgumentError: If the file holds no mapping.

    Example:
        >>> load_recipe("classic")["optimizer"]
        'sgd'
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else find_recipe(name).path
    if not path.is_file():
        raise MissingFileError(f"there is no recipe at {path}")
    import yaml  # type: ignore[import-untyped]  # with jsonargparse, of the extra train

    options = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(options, dict):
        raise InvalidArgumentError(f"{path} holds {type(options).__name__}; expected options as a mapping")
    return options


def dump_options(options: Mapping[str, Any]) -> str:
    """Options as YAML, in the order in which they came.

    >>> print(dump_options({"data": "manifest.csv", "sizes": [[64, 128, 2]], "ema": 0.99}), end="")
    data: manifest.csv
    sizes: [[64, 128, 2]]
    ema: 0.99
    """
    import yaml

    lines = []
    for name, value in options.items():
        text = yaml.safe_dump(value, default_flow_style=True, width=1000).strip()
        lines.append(f"{name}: {text.removesuffix('...').strip()}")  # dots end a document that is a bare value
    return "\n".join(lines) + "\n"


def _read(path: Path) -> Recipe:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    return Recipe(path.stem, first.lstrip("# ").strip(), path)


__all__ = ["Recipe", "dump_options", "find_recipe", "list_recipes", "load_recipe"]
