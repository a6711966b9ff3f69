"""The fixture, by its known answers."""

import os
import sys
import sysconfig
import zlib

import pytest

from longhaul import pytest_plugin

pytest_plugins = "pytester"
SIZES = ["8MiB", "32MiB", "64MiB"]


def stream(size):
    """Reads so many bytes chunk by chunk. Their checksum takes time, so that the work is longer than the start."""
    with open("/dev/zero", "rb") as zeroes:
        for _ in range(0, size, 1 << 16):
            zlib.crc32(zeroes.read(1 << 16))


def hoard(size):
    """Holds so many bytes in memory."""
    with open("/dev/zero", "rb") as zeroes:
        return zeroes.read(size)


def test_a_function_that_streams_passes(constant_memory):
    assert "CONSTANT" in constant_memory(stream, sizes=["1GiB", "2GiB", "4GiB"])


def test_a_function_that_hoards_fails_with_figures(constant_memory):
    with pytest.raises(pytest.fail.Exception, match="GROWING"):
        constant_memory(hoard, sizes=SIZES)


def test_each_proof_of_a_test_has_a_folder_of_its_own(constant_memory, tmp_path):
    hoards = [sys.executable, "-c", "import sys; x = b'x' * int(sys.argv[1])", "{n}"]
    for _ in range(2):
        with pytest.raises(pytest.fail.Exception, match="GROWING"):
            constant_memory(hoards, sizes=SIZES)
    assert {path.parent.name for path in tmp_path.glob("longhaul/*/records.jsonl")} == {"1", "2"}


def test_a_command_has_the_environment_of_the_test(constant_memory):
    is_changed = f"os.environ.get('PYTHONPATH') != {os.environ.get('PYTHONPATH')!r}"
    command = [sys.executable, "-c", f"import os, sys; sys.exit({is_changed} or len(b'x' * int(sys.argv[1])) == 0)", "{n}"]
    with pytest.raises(pytest.fail.Exception, match="GROWING"):
        constant_memory(command, sizes=SIZES)


def test_a_function_gets_only_the_folders_that_another_process_does_not_search():
    path = pytest_plugin._python_path().split(os.pathsep)
    assert os.path.dirname(os.path.dirname(pytest_plugin.__file__)) in [*path, *pytest_plugin._own_path()]
    assert not {sysconfig.get_path(name) for name in ("stdlib", "purelib")} & set(path)


def test_a_command_has_its_flags(constant_memory):
    command = [sys.executable, "-c", "import sys; x = b'x' * int(sys.argv[1])", "{n}"]
    with pytest.raises(pytest.fail.Exception, match="exit code 4"):
        constant_memory(command, sizes=SIZES, rounds=2)
    with pytest.raises(pytest.fail.Exception, match="--size: not with --series"):
        constant_memory(command, sizes=SIZES, size="1GiB")


def test_a_list_is_joined_by_commas_only_for_a_flag_that_takes_such_a_list():
    flags = {
        "size": ["1MiB", "2MiB"],
        "header": ["A: 1", "B: 2,3"],
        "connect_to": ("::127.0.0.1:1",),
        "resolve": "a:1:127.0.0.1,127.0.0.2",
        "rounds": 2,
        "content_length": True,
        "stall": None,
    }
    expected = ["--size", "1MiB,2MiB", "--header", "A: 1", "--header", "B: 2,3", "--connect-to", "::127.0.0.1:1"]
    expected += ["--resolve", "a:1:127.0.0.1,127.0.0.2", "--rounds", "2", "--content-length"]
    assert pytest_plugin._flags(flags) == expected


def test_a_client_is_proven(constant_memory):
    curl = ["curl", "-sSf", "-T", "{file}", "{url}"]
    assert "client" in constant_memory.client(curl, slope_limit="16MiB")


def test_a_function_that_no_process_can_call_is_refused(constant_memory):
    with pytest.raises(ValueError, match="top level"):
        constant_memory(lambda size: None)
