"""Writes an element's sources, and on request a script that builds them outside of a sandbox, to a directory."""

from __future__ import annotations

import os
import shlex
from typing import Any

from ...plugin.exceptions import ImplError
from ...storage.checkout import export_tree
from ..context import JobContext
from ..element import ElementJob

_SCRIPT = """\
#!/bin/sh
# Builds {name} from its sources below $SRCDIR and copies what it installs into the root.
set -e

rm -rf {build_root} {install_root}
mkdir -p {build_root} {install_root}
if [ -d "$SRCDIR"/{name} ]; then
    cp -a "$SRCDIR"/{name}/. {build_root}
fi
cd {build_root}

export PREFIX={install_root}
{environment}
{commands}

cd /
rm -rf {build_root}
cp -a {install_root}/. /
"""


def run(job: JobContext) -> dict[str, Any]:
    """Write.

    Raises:
        GrilseError: sources cannot be had.
        OSError: something cannot be written.
    """
    wanted = job.spec.parameters
    scripted = False
    with ElementJob(job) as mine:
        if wanted["sources"]:
            mine.sources.fetch()
            mine.host.open_run(mine.sources)
            tree = mine.host.staged_sources(mine.facts)
            os.makedirs(wanted["directory"], exist_ok=True)
            export_tree(mine.store, tree.digest(), wanted["directory"])
        if wanted["script"] is not None:
            scripted = _write_script(mine, wanted["script"])
    return {"script": scripted}


def _write_script(mine: ElementJob, path: str) -> bool:
    element = mine.element
    try:
        commands = element.generate_script()
    except ImplError:
        return False
    environment = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in element.get_environment().items())
    text = _SCRIPT.format(
        name=shlex.quote(element.normal_name),
        build_root=shlex.quote(element.get_variable("build-root") or "/buildstream-build"),
        install_root=shlex.quote(element.get_variable("install-root") or "/buildstream-install"),
        environment=environment,
        commands=commands,
    )
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o500)
    return True
