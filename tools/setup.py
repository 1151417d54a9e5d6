"""Sets up a clone: environment, package, bubblewrap where it is missing, and an example built with the result.

Knows how to get things onto this machine, and nothing of how grilse works: it runs it as a user would. Standard library
only, as it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
READY = ENVIRONMENT / ".ready"
SCRATCH = ROOT / ".cache" / "setup"
OLDEST_PYTHON = (3, 11)
# An installation from a slow mirror is allowed to take its time; a command that hangs is not.
INSTALL_LIMIT_SECONDS = 900
RUN_LIMIT_SECONDS = 600
PROBE_LIMIT_SECONDS = 20


class SetupFailed(Exception):
    """What could not be done, and what the reader can do about it."""


def say(text: str) -> None:
    print(f"setup: {text}", flush=True)


def run(
    command: Sequence[str | Path],
    *,
    limit: float = RUN_LIMIT_SECONDS,
    quiet: bool = False,
    environment: dict[str, str] | None = None,
) -> str:
    """Run `command` and return what it printed; SetupFailed with its words when it fails or takes over `limit` seconds.

    What it prints is passed on to the terminal unless `quiet`, in which case it is shown only when it fails.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.STDOUT if quiet else None,
            text=True,
            errors="replace",
            timeout=limit,
            env={**os.environ, **(environment or {})},
        )
    except OSError as error:
        raise SetupFailed(f"'{words[0]}' does not start: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise SetupFailed(f"'{' '.join(words)}' did not end within {limit:.0f} s") from error
    if done.returncode != 0:
        raise SetupFailed(f"'{' '.join(words)}' ended with status {done.returncode}\n{done.stdout or ''}".rstrip())
    return done.stdout or ""


def works(command: Sequence[str | Path]) -> bool:
    """Whether `command` can be run and succeeds."""
    try:
        run(command, limit=PROBE_LIMIT_SECONDS, quiet=True)
    except SetupFailed:
        return False
    return True


def executable(name: str) -> Path:
    """The path of a program of the environment, on any system."""
    if os.name == "nt":
        return ENVIRONMENT / "Scripts" / f"{name}.exe"
    return ENVIRONMENT / "bin" / name


def apt_prefix() -> list[str] | None:
    """The words that come before `apt-get install` here, or None where packages cannot be installed."""
    if os.name != "posix" or shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is not None and works(["sudo", "-n", "true"]):
        return ["sudo", "-n"]
    return None


def update_package_lists() -> bool:
    """Fetch the lists of Debian packages; False where this user or this system cannot."""
    prefix = apt_prefix()
    if prefix is None:
        return False
    say("fetching the lists of Debian packages")
    run([*prefix, "apt-get", "update"], limit=INSTALL_LIMIT_SECONDS, quiet=True)
    return True


def install_packages(names: Sequence[str]) -> bool:
    """Install Debian packages; False where this user or this system cannot."""
    prefix = apt_prefix()
    if prefix is None:
        return False
    settings = {"DEBIAN_FRONTEND": "noninteractive"}
    say(f"installing the Debian packages {' '.join(names)}")
    install = [*prefix, "apt-get", "install", "-y", "--no-install-recommends", *names]
    try:
        run(install, limit=INSTALL_LIMIT_SECONDS, quiet=True, environment=settings)
    except SetupFailed:
        update_package_lists()
        run(install, limit=INSTALL_LIMIT_SECONDS, quiet=True, environment=settings)
    return True


def make_environment() -> None:
    """Make `.venv` with the package (editable) and its development tools, unless it is there and current."""
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if READY.exists() and READY.read_text() == wanted and works([executable("python"), "-c", "import grilse"]):
        say("the environment .venv is current")
        return
    READY.unlink(missing_ok=True)
    if not works([executable("python"), "-m", "pip", "--version"]):
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        create: list[str | Path] = [sys.executable, "-m", "venv", ENVIRONMENT]
        try:
            run(create, limit=INSTALL_LIMIT_SECONDS, quiet=True)
        except SetupFailed as error:
            # Debian keeps a part of the venv module in a package of its own
            package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
            shutil.rmtree(ENVIRONMENT, ignore_errors=True)
            if not install_packages([package]):
                raise SetupFailed(
                    f"{error}\nInstall the package {package} (or python3-venv), then try again"
                ) from error
            run(create, limit=INSTALL_LIMIT_SECONDS, quiet=True)
    say("installing grilse and its development tools into .venv")
    pip: list[str | Path] = [executable("python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run([*pip, "--editable", f"{ROOT}[dev]"], limit=INSTALL_LIMIT_SECONDS, quiet=True)
    READY.write_text(wanted)


def sandbox_ready() -> bool:
    """Whether commands can run in a sandbox here; installs bubblewrap first where that is possible."""
    if not sys.platform.startswith("linux"):
        say("no sandbox on this system")
        return False
    if shutil.which("bwrap") is None:
        try:
            installed = install_packages(["bubblewrap"])
        except SetupFailed as error:
            say(str(error))
            installed = False
        if not installed:
            say("bubblewrap is missing and cannot be installed here; install it to build in a sandbox")
            return False
    try:
        run(["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"], limit=PROBE_LIMIT_SECONDS, quiet=True)
    except SetupFailed as error:
        say(f"bubblewrap cannot make a sandbox here: {error}")
        say(
            "It needs unprivileged user namespaces; look at the sysctls kernel.unprivileged_userns_clone and"
            " kernel.apparmor_restrict_unprivileged_userns, and at what a container allows"
        )
        return False
    return True


def grilse(project: Path, *words: str | Path) -> None:
    """Run the installed grilse on `project`, with its cache inside this clone."""
    homes = {name: str(SCRATCH / place) for name, place in (("XDG_CACHE_HOME", "cache"), ("XDG_CONFIG_HOME", "config"))}
    run([executable("grilse"), "--directory", project, *words], environment=homes)


def build_compile() -> None:
    """Build `examples/compile` in a sandbox on a base system made of Debian packages, check it out and run it."""
    project = ROOT / "examples" / "compile"
    say("making the base system of Debian packages")
    make = [executable("python"), ROOT / "tools" / "make-base-system"]
    try:
        run(make)
    except SetupFailed:
        # A fresh machine has no package lists yet
        if not update_package_lists():
            raise
        run(make)
    say("building examples/compile")
    grilse(project, "build", "hello.bst")
    output = SCRATCH / "compile"
    shutil.rmtree(output, ignore_errors=True)
    grilse(project, "artifact", "checkout", "hello.bst", "--deps", "none", "--directory", output)
    say(f"running {output / 'usr' / 'bin' / 'hello'}")
    run([output / "usr" / "bin" / "hello"])


def build_hello() -> None:
    """Build `examples/hello`, which needs no sandbox, and check it out."""
    project = ROOT / "examples" / "hello"
    say("building examples/hello")
    grilse(project, "build", "hello.bst")
    output = SCRATCH / "hello"
    shutil.rmtree(output, ignore_errors=True)
    grilse(project, "artifact", "checkout", "hello.bst", "--directory", output)
    say(f"the result is in {output}")


def build_example() -> None:
    """Build the largest example that this machine can."""
    if shutil.which("apt-get") is None:
        say("no apt-get here, and the base system of examples/compile comes from Debian packages: a smaller example")
        build_hello()
    elif not sandbox_ready():
        build_hello()
    else:
        build_compile()


def timed(what: str, step: Callable[[], object]) -> None:
    start = time.monotonic()
    step()
    say(f"{what}: {time.monotonic() - start:.0f} s")


def main() -> int:
    parser = argparse.ArgumentParser(prog="setup", description="Set up this clone of grilse and build an example.")
    parser.add_argument("--environment-only", action="store_true", help="make .venv and stop there")
    options = parser.parse_args()
    if sys.version_info < OLDEST_PYTHON:
        print("setup: grilse needs Python 3.11 or newer", file=sys.stderr)
        return 1
    try:
        timed("environment", make_environment)
        if not options.environment_only:
            timed("example", build_example)
    except SetupFailed as error:
        print(f"setup: failed: {error}", file=sys.stderr)
        return 1
    if not options.environment_only:
        say(f"done; grilse is {executable('grilse').relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
