"""The version, apart from everything else so that any room can import it."""

__version__ = "0.1.0"

__all__ = ["__version__"]
