"""The pytest fixture `constant_memory`."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Callable, Mapping, Optional, Sequence, Union

import pytest

from longhaul import program

Command = Sequence[Union[str, os.PathLike]]

# The flags whose value is a list with commas. Any other flag with several values is repeated, such as `--header`.
_COMMA_LISTS = frozenset(["protocol", "direction", "chunk_size", "size", "expect_status"])


class ConstantMemory:
    """Proofs that the memory of a program stays constant whatever the size of its input.

    Each method runs `longhaul prove` and fails the test unless memory is constant. Keyword arguments become its flags:
    `slope_limit="1MiB"` is `--slope-limit 1MiB`. A list is joined by commas if the flag takes such a list, as
    `size=["64MiB", "1GiB"]`; otherwise it repeats the flag, as `header=["A: 1", "B: 2"]`. The report of a proof is
    returned. Its results are in a numbered folder below that of the test.
    """

    def __init__(self, folder: os.PathLike):
        self._folder = Path(folder)
        self._numbers = itertools.count(1)

    def __call__(self, subject: Union[Command, Callable[[int], object]], sizes: Sequence[str] = (), **flags) -> str:
        """Proves a command with `{n}` for the size of its input, or a function that takes this size.

        The function must be at the top level of a module, since each call has a process of its own.
        """
        series = ["--series", ",".join(sizes or ["64MiB", "256MiB", "1GiB"])]
        if callable(subject):
            return self._prove(series, _call_of(subject), flags, {"PYTHONPATH": _python_path()})
        return self._prove(series, list(subject), flags)

    def client(self, command: Command, **flags) -> str:
        """Proves a client: a command with `{url}`, and `{file}` or `{size}`."""
        return self._prove(["--client"], list(command), flags)

    def server(self, url: str, command: Command = (), **flags) -> str:
        """Proves a server that takes uploads at a URL: a command that starts it, or a running process (`watch=pid`)."""
        return self._prove(["--server", url], list(command), flags)

    def proxy(self, url: str, upstream: int, command: Command = (), **flags) -> str:
        """Proves a proxy at a URL that passes requests on to a port of 127.0.0.1."""
        return self._prove(["--proxy", url, "--upstream", str(upstream)], list(command), flags)

    def _prove(
        self, subject: list, command: list, flags: dict, variables: Optional[Mapping[str, str]] = None
    ) -> str:
        __tracebackhide__ = True
        folder = self._folder / str(next(self._numbers))
        words = [program(), "prove", *subject, "--quiet", "--out", os.fspath(folder), *_flags(flags)]
        if command:
            words += ["--", *map(os.fspath, command)]
        done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **(variables or {})})
        if done.returncode != 0:
            pytest.fail(f"longhaul prove: exit code {done.returncode}\n{done.stdout}{done.stderr}", pytrace=False)
        return done.stdout


def _call_of(function: Callable[[int], object]) -> list:
    name = getattr(function, "__qualname__", "")
    if "." in name or not name:
        raise ValueError(f"{function!r} is not at the top level of a module, so no other process can call it")
    return [sys.executable, "-m", "longhaul.call", f"{function.__module__}:{name}", "{n}"]


def _python_path() -> str:
    """Returns the PYTHONPATH with which a new process of this Python finds the modules of this process.

    It has only those folders that the new process would not search by itself.
    """
    own = _own_path()
    missing = [entry or os.getcwd() for entry in sys.path if entry not in own]
    return os.pathsep.join([*missing, *filter(None, [os.environ.get("PYTHONPATH")])])


def _own_path() -> frozenset:
    """Returns the folders in which a new process of this Python looks for modules."""
    command = [sys.executable, "-c", "import sys; print(*sys.path[1:], sep='\\n')"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return frozenset(done.stdout.splitlines())


def _flags(flags: dict) -> list:
    words = []
    for name, value in flags.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            words.append(flag)
        elif value is not None and value is not False:
            for one in _values(name, value):
                words += [flag, one]
    return words


def _values(name: str, value: object) -> list:
    """Returns the values of a flag, one for each time that it is given."""
    if not isinstance(value, (list, tuple)):
        return [str(value)]
    values = list(map(str, value))
    return [",".join(values)] if name in _COMMA_LISTS else values


@pytest.fixture
def constant_memory(tmp_path: os.PathLike) -> ConstantMemory:
    """Proves that the memory of a program, a function, a client or a server stays constant."""
    return ConstantMemory(tmp_path / "longhaul")
