"""The program longhaul, and a pytest fixture for proofs of constant memory."""

import shutil
import sysconfig
from pathlib import Path


def program() -> str:
    """Returns the path of the program: that of this installation, or else one on the search path.

    Raises FileNotFoundError if there is none.
    """
    own = Path(sysconfig.get_path("scripts"), "longhaul")
    found = str(own) if own.exists() else shutil.which("longhaul")
    if found is None:
        raise FileNotFoundError("longhaul is not installed: pip install longhaul")
    return found
