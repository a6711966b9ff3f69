"""The pytest fixture `constant_memory`."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Callable, Sequence, Union

import pytest

from longhaul import program

Command = Sequence[Union[str, os.PathLike]]


class ConstantMemory:
    """Proofs that the memory of a program stays constant whatever the size of its input.

    Each method runs `longhaul prove` and fails the test unless memory is constant. Keyword arguments become its flags:
    `slope_limit="1MiB"` is `--slope-limit 1MiB`, and a list is joined by commas. The report of a proof is returned.
    """

    def __init__(self, folder: os.PathLike):
        self._folder = folder

    def __call__(self, subject: Union[Command, Callable[[int], object]], sizes: Sequence[str] = (), **flags) -> str:
        """Proves a command with `{n}` for the size of its input, or a function that takes this size.

        The function must be at the top level of a module, since each call has a process of its own.
        """
        command = _call_of(subject) if callable(subject) else list(subject)
        return self._prove(["--series", ",".join(sizes or ["64MiB", "256MiB", "1GiB"])], command, flags)

    def client(self, command: Command, **flags) -> str:
        """Proves a client: a command with `{url}`, and `{file}` or `{size}`."""
        return self._prove(["--client"], list(command), flags)

    def server(self, url: str, command: Command = (), **flags) -> str:
        """Proves a server that takes uploads at a URL: a command that starts it, or a running process (`watch=pid`)."""
        return self._prove(["--server", url], list(command), flags)

    def proxy(self, url: str, upstream: int, command: Command = (), **flags) -> str:
        """Proves a proxy at a URL that passes requests on to a port of 127.0.0.1."""
        return self._prove(["--proxy", url, "--upstream", str(upstream)], list(command), flags)

    def _prove(self, subject: list, command: list, flags: dict) -> str:
        __tracebackhide__ = True
        words = [program(), "prove", *subject, "--quiet", "--out", os.fspath(self._folder), *_flags(flags)]
        if command:
            words += ["--", *map(os.fspath, command)]
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
        if done.returncode != 0:
            pytest.fail(f"longhaul prove: exit code {done.returncode}\n{done.stdout}{done.stderr}", pytrace=False)
        return done.stdout


def _call_of(function: Callable[[int], object]) -> list:
    name = getattr(function, "__qualname__", "")
    if "." in name or not name:
        raise ValueError(f"{function!r} is not at the top level of a module, so no other process can call it")
    return [sys.executable, "-m", "longhaul.call", f"{function.__module__}:{name}", "{n}"]


def _flags(flags: dict) -> list:
    words = []
    for name, value in flags.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            words.append(flag)
        elif value is not None and value is not False:
            many = isinstance(value, (list, tuple))
            words += [flag, ",".join(map(str, value)) if many else str(value)]
    return words


@pytest.fixture
def constant_memory(tmp_path: os.PathLike) -> ConstantMemory:
    """Proves that the memory of a program, a function, a client or a server stays constant."""
    return ConstantMemory(tmp_path / "longhaul")
