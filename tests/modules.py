"""For tests in Python that need modules which may not be here."""

import os
import pathlib
import subprocess
import sys


def skip(why):
    """Ends the test as one for which something is not there (exit code 77)."""
    print(f"skipped: {why}")
    sys.exit(77)


def restart_with(folder, name, *packages):
    """To be called where an import has failed: starts the script again, with the Python of a virtual environment,
    ~/.cache/troupe/<folder>, in which the packages are. `name` is what the line calls them where they cannot be had, and the
    script is skipped. Raises what was raised where that Python lacks something, too."""
    environment = pathlib.Path.home() / ".cache/troupe" / folder
    python = environment / "bin/python"
    if sys.executable == str(python):
        raise
    if not python.exists():
        made = subprocess.run([sys.executable, "-m", "venv", environment], capture_output=True, check=False)
        if made.returncode != 0:
            skip(f"{name} is not here, and no virtual environment can be made (Debian: python3-venv)")
    installed = subprocess.run([python, "-m", "pip", "install", "-q", *packages], capture_output=True, check=False)
    if installed.returncode != 0:
        skip(f"{name} is not here and cannot be installed (no network?)")
    os.execv(python, [python, *sys.argv])
