"""Calls a function with a number: python -m longhaul.call MODULE:FUNCTION NUMBER."""

import importlib
import sys


def main() -> None:
    """Imports the function that the command line names, and calls it."""
    place, number = sys.argv[1:3]
    module, _, name = place.partition(":")
    getattr(importlib.import_module(module), name)(int(number))


if __name__ == "__main__":
    main()
