"""The commands: thin functions over the library, whose docstrings are the help of the command line.

A command returns its exit code, or nothing for 0. What stands first in its signature can be given without a name.
"""

from collections.abc import Callable

from fgbgnet.commands.annotate import depth
from fgbgnet.commands.check import check
from fgbgnet.commands.export import export
from fgbgnet.commands.index import index
from fgbgnet.commands.judge import evaluate
from fgbgnet.commands.learn import demo, recipes, train
from fgbgnet.commands.make import compose, synth
from fgbgnet.commands.pack import pack
from fgbgnet.commands.predict import predict
from fgbgnet.commands.recordings import recordings
from fgbgnet.commands.show import encoders, models
from fgbgnet.commands.split import split
from fgbgnet.commands.tune import lr_range, profile

COMMANDS: dict[str, Callable[..., int | None]] = {
    function.__name__: function
    for function in (
        demo,
        synth,
        compose,
        recordings,
        index,
        depth,
        check,
        split,
        pack,
        train,
        recipes,
        lr_range,
        profile,
        evaluate,
        predict,
        export,
        models,
        encoders,
    )
}

__all__ = ["COMMANDS", *COMMANDS]
