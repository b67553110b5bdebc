"""Makes a virtual environment with what the files in the working folder ask for.

Usage: python3 install.py FOLDER. What is made can be moved: its scripts find their Python beside
themselves.
"""

import importlib.util
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

SERVERS = Path(__file__).with_name("requirements.txt")


def main():
    folder = Path(sys.argv[1])
    # Into the new environment from outside it: a pip of its own takes seconds to be put there.
    has_pip = importlib.util.find_spec("pip") is not None
    venv.create(folder, with_pip=not has_pip, symlinks=True)
    python = str(folder / "bin" / "python3")
    pip = [sys.executable, "-m", "pip", "--python", python] if has_pip else [python, "-m", "pip"]
    install = [*pip, "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    wanted = requirements()
    if wanted:
        subprocess.run([*install, *wanted], check=True)
    servers = missing_servers(folder)
    if servers:
        subprocess.run([*install, *servers], check=True)
    for script in (folder / "bin").iterdir():
        make_movable(script, python)


def requirements():
    """Arguments of `pip install`; none when nothing is asked for."""
    wanted = []
    if os.path.exists("requirements.txt"):
        wanted += ["--requirement", "requirements.txt"]
    elif os.path.exists("pyproject.toml"):
        wanted += dependencies("pyproject.toml")
    if wanted and os.path.exists("constraints.txt"):
        wanted += ["--constraint", "constraints.txt"]
    return wanted


def dependencies(path):
    """The dependencies of a project: it is run from its sources, so that it is not installed."""
    try:
        import tomllib
    except ImportError:
        sys.exit(f"{path} needs Python 3.11 or newer; write a requirements.txt")
    with open(path, "rb") as file:
        return tomllib.load(file).get("project", {}).get("dependencies", [])


def missing_servers(folder):
    """What the function has brought in a version of its own stays."""
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    lines = SERVERS.read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    return [pin for pin in pins if not (packages / pin.partition("==")[0]).is_dir()]


def make_movable(script, python):
    """Instead of the path of the Python that it was made with: the one beside the script."""
    if script.is_symlink() or not script.is_file():
        return
    text = script.read_text(encoding="utf-8", errors="surrogateescape")
    for head in (f"#!{python}\n", through_shell(python)):
        if text.startswith(head):
            moved = through_shell('"$(dirname "$0")/python3"') + text[len(head) :]
            script.write_text(moved, encoding="utf-8", errors="surrogateescape")


def through_shell(python):
    """The first lines of a script whose Python has too long a path for one line, as pip writes them."""
    return f"#!/bin/sh\n'''exec' {python} \"$0\" \"$@\"\n' '''\n"


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        # pip has said why.
        sys.exit(error.returncode)
