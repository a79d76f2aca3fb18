"""``python -m fgbgnet`` and the console script."""

import os
import sys


def main() -> int:
    """Runs the command line; the exit code is 0, 1 after a failure, 2 after bad input."""
    try:
        import jsonargparse  # noqa: F401 - the command line's only own dependency
    except ImportError:
        from fgbgnet.errors import MissingExtraError

        print(f"fgbgnet: error: {MissingExtraError('The command line', 'train')}", file=sys.stderr)
        return 2
    from fgbgnet.cli import run

    try:
        code = run()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads our output has seen enough, such as `head`
        # What is still in the buffer must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
