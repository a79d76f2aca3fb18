"""``python -m fgbgnet`` and the console script."""

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

    return run()


if __name__ == "__main__":
    sys.exit(main())
