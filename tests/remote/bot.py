"""A bot: takes leases from a service like BuildGrid and runs their actions in our local sandbox.

    python bot.py URL INSTANCE DIRECTORY NAME [--hold FILE]

With --hold it runs an action only once FILE exists, and says on standard output what it does, so that a test can end
it in the middle.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from typing import Any

from grilse.remote import cas, transfer
from grilse.remote.config import RemoteConfig
from grilse.remote.connection import Connection
from grilse.remote.library import grpc
from grilse.remote.local_execution import run_action
from grilse.sandbox.workshop import Workshop
from grilse.storage.proto import remote_execution_pb2 as messages
from grilse.storage.store import Store
from tests.remote import bots_api as api

POLL_SECONDS = 15.0
# How long a service may be gone, and how often a bot looks whether it is back.
GONE_SECONDS = 60.0
LOOK_SECONDS = 0.2
# While an action runs the session is renewed this often, which is also how soon its end and its cancellation are seen.
BUSY_SECONDS = 0.2


def say(line: str) -> None:
    """Tell whoever started us."""
    print(line, flush=True)


class Work:
    """One action on a thread of its own."""

    def __init__(self, bot: Bot, lease: Any) -> None:
        self.lease = lease
        self.status = 0
        self.words = ""
        self.result: Any = None
        self.pid = 0
        self._bot = bot
        self._cancelled = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def done(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def cancel(self) -> None:
        if self._cancelled:
            return
        self._cancelled = True
        say("cancelled")
        if self.pid:
            os.killpg(self.pid, signal.SIGKILL)

    def _run(self) -> None:
        try:
            self.result = self._bot.execute(self)
        except Exception as error:
            self.status, self.words = 13, f"{type(error).__name__}: {error}"

    def started(self, pid: int) -> None:
        self.pid = pid
        say(f"started {pid}")
        if self._cancelled:
            os.killpg(pid, signal.SIGKILL)


class Bot:
    def __init__(self, url: str, instance: str, directory: str, name: str, hold: str | None) -> None:
        self.connection = Connection(RemoteConfig(url=url, type="endpoint", instance_name=instance))
        self.store = Store(os.path.join(directory, "cache"))
        self.workshop = Workshop(self.store, os.path.join(directory, "work"))
        self.directory = directory
        self.hold = hold
        self.stub = api.BotsStub(self.connection.channel())
        self.introduction = api.BotSession(bot_id=name, status=api.OK)
        self.session = self.introduction
        device = self.introduction.worker.devices.add(handle="host")
        device.properties.add(key="OSFamily", value="linux")
        device.properties.add(key="ISA", value=os.environ.get("BOT_ISA", os.uname().machine.replace("_", "-")))
        self.instance = instance

    def serve(self) -> None:
        """Take leases for ever; raises when the service is gone for long."""
        self._begin()
        work: Work | None = None
        while True:
            for lease in self.session.leases:
                if lease.state == api.PENDING or (lease.state == api.ACTIVE and work is None):
                    lease.state = api.ACTIVE
                    if work is None:
                        work = Work(self, lease)
                elif lease.state == api.CANCELLED and work is not None:
                    work.cancel()
            if work is not None and work.lease.id not in [lease.id for lease in self.session.leases]:
                work.cancel()
            if work is not None and work.done(BUSY_SECONDS):
                for lease in self.session.leases:
                    if lease.id == work.lease.id and lease.state != api.CANCELLED:
                        lease.state = api.COMPLETED
                        lease.status.code = work.status
                        lease.status.message = work.words
                        if work.result is not None:
                            lease.result.Pack(work.result)
                work = None
            self._renew()

    def _begin(self) -> None:
        """Introduce ourselves, to a service that may have to be started first."""
        deadline = time.monotonic() + GONE_SECONDS
        request = api.CreateBotSessionRequest(parent=self.instance, bot_session=self.introduction)
        while True:
            try:
                self.session = self.stub.CreateBotSession(request, timeout=POLL_SECONDS)
                return
            except grpc.RpcError as error:
                if error.code().name not in ("UNAVAILABLE", "DEADLINE_EXCEEDED") or time.monotonic() > deadline:
                    raise
            time.sleep(LOOK_SECONDS)

    def _renew(self) -> None:
        """Tell how our leases are, and hear what else there is to do."""
        request = api.UpdateBotSessionRequest(name=self.session.name, bot_session=self.session)
        try:
            self.session = self.stub.UpdateBotSession(request, timeout=POLL_SECONDS)
        except grpc.RpcError as error:
            code = error.code().name
            if code == "DEADLINE_EXCEEDED":
                return
            say(f"lost {code}")
            # A service that was gone, or that has given up on us, does not know our session any more.
            self._begin()

    def execute(self, work: Work) -> Any:
        action = messages.Action()
        if not work.lease.payload.Unpack(action):
            digest = messages.Digest()
            work.lease.payload.Unpack(digest)
            action = messages.Action.FromString(self._blob(digest))
        self._blob(action.command_digest)
        say(f"taken {cas.from_message(action.command_digest).hash}")
        missing = transfer.fetch_trees(self.connection, self.store, [cas.from_message(action.input_root_digest)])
        if missing:
            raise RuntimeError(f"{len(missing)} inputs are missing")
        if self.hold is not None:
            while not os.path.exists(self.hold):
                threading.Event().wait(0.05)
        say("running")
        result, named = run_action(self.workshop, action, started=work.started)
        blobs = list(named)
        for output in result.output_directories:
            blobs += transfer.tree_digests(self.store, cas.from_message(output.root_directory_digest))
        transfer.push_blobs(self.connection, self.store, blobs)
        say(f"done {result.exit_code}")
        return result

    def _blob(self, message: Any) -> bytes:
        digest = cas.from_message(message)
        if transfer.fetch_blobs(self.connection, self.store, [digest]):
            raise RuntimeError(f"blob {digest} is missing")
        return self.store.read(digest)


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("url", "instance", "directory", "name"):
        parser.add_argument(name)
    parser.add_argument("--hold")
    given = parser.parse_args()
    # Who started us is gone when standard input ends.
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    Bot(given.url, given.instance, given.directory, given.name, given.hold).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
