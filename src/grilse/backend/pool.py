"""The worker pool: spawns workers, gives each one job at a time, cancels, and replaces what died or is unclean.

Knows nothing of queues or of what jobs do: a job is a `JobSpec` and three callbacks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from .. import platform
from ..platform.connection import pair
from ..protocol.channel import Channel, ChannelClosed, ProtocolError, check_hello
from ..protocol.jobs import (
    CancelJob,
    FromWorker,
    JobResult,
    Prepare,
    ReleaseJob,
    ToWorker,
)
from ..protocol.requests import Hello
from .hearing import Audience, Heard
from .loop import Deadline, Loop
from .workers import Job, Worker, WorkerState, describe

# Seconds that a cancelled job has to end by itself before its process tree is killed.
CANCEL_GRACE = 2.0
# Seconds within which a spawned worker must have said hello.
START_LIMIT = 60.0
# A worker is replaced after this many jobs, or when it has grown by this many bytes: plugins may leak.
JOBS_PER_WORKER = 500
GROWTH_LIMIT = 300 * 1024 * 1024
# Seconds for which a worker is seen not to compute before its job is taken to be one that waits, for a network or for
# what runs in a sandbox.  Only for those are there more workers than processors: others would not get anything done
# sooner, and starting one costs a tenth of a second of processor time.
WAITING = 0.05
# Seconds within which all of a message must have come that has begun to: what never becomes whole is no message.
MESSAGE_TIME = 30.0
# Seconds that a worker that was killed may take to be gone.
SHUTDOWN_LIMIT = 1.0
WORKER_SCRIPT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "worker", "__main__.py")


class Pool:
    """Workers by demand, at most `limit`: as many as there are processors, and one more for each job that waits.

    Args:
        loop: watches connections, sentinels and deadlines.
        limit: how many may exist at once.
        on_unclean: called with the pid of every worker that was killed or has died, to clean up what it left.
        grace: seconds between the polite request to stop and the kill.
        script: the worker's main.
        held: told what jobs have found the storage service of the cache to have.
        processors: how many jobs this machine can run at once that do not wait for anything.
    """

    def __init__(
        self,
        loop: Loop,
        limit: int,
        *,
        on_unclean: Callable[[int], None] | None = None,
        grace: float = CANCEL_GRACE,
        script: str = WORKER_SCRIPT,
        held: Callable[[list[str]], None] | None = None,
        processors: int | None = None,
    ) -> None:
        self._loop = loop
        self.limit = limit
        self._on_unclean = on_unclean
        self._grace = grace
        self._numbers = 0
        self.workers: dict[int, Worker] = {}
        self._idle: list[Worker] = []
        self._script = script
        self._held = held
        self._processors = processors or platform.cpu_count()
        self._look_again: Deadline | None = None
        self._audience = Audience(loop)
        self._suspended = False

    def prestart(self, count: int, tasks: tuple[str, ...]) -> None:
        """Start up to `count` workers now, so that they are warm when the first jobs are ready."""
        while len(self.workers) < min(count, self.limit):
            worker = self._spawn()
            self._send(worker, Prepare(tasks=tasks))

    def free(self) -> int:
        """How many more jobs `submit` takes now; the loop turns again when that may have become more."""
        jobless = sum(worker.job is None for worker in self.workers.values())
        room = self.limit - len(self.workers)
        if jobless or room <= 0:
            return jobless
        now = time.monotonic()
        computing = sum(not self._waits(worker, now) for worker in self.workers.values())
        if computing < self._processors:
            return min(room, self._processors - computing)
        if self._look_again is None:
            self._look_again = self._loop.after(WAITING, self._looked)
        return 0

    def _waits(self, worker: Worker, now: float) -> bool:
        if worker.state is WorkerState.STARTING or platform.is_computing(worker.process.pid):
            worker.computed = now
            return False
        return now - worker.computed >= WAITING

    def _looked(self) -> None:
        self._look_again = None

    def submit(self, job: Job) -> int:
        """Give a job to an idle worker, or to a new one; returns the worker's number.

        Raises:
            RuntimeError: all workers are busy.
        """
        if self._idle:
            worker = self._idle.pop()
        else:
            worker = (
                next((w for w in self.workers.values() if w.job is None and w.state is WorkerState.STARTING), None)
                or self._spawn_checked()
            )
        worker.job = job
        worker.computed = time.monotonic()
        self._audience.attend(worker.channel.connection)
        if worker.state is WorkerState.IDLE:
            worker.state = WorkerState.BUSY
        # A starting worker finds the job in its channel after its hello.
        self._send(worker, job.spec)
        return worker.number

    def _spawn_checked(self) -> Worker:
        if len(self.workers) >= self.limit:
            raise RuntimeError("every worker is busy")
        return self._spawn()

    def cancel(self, job_number: int) -> bool:
        """Ask a job to stop, and kill its process tree when it has not after the grace."""
        worker = self._worker_of(job_number)
        if worker is None:
            return False
        if worker.state is not WorkerState.CANCELLING:
            worker.state = WorkerState.CANCELLING
            self._send(worker, CancelJob(job=job_number))
            self._set_deadline(worker, self._grace, lambda: self._kill(worker))
        return True

    def release(self, job_number: int, status: int) -> None:
        """Let a job go on that waits since its `JobLaunch`."""
        worker = self._worker_of(job_number)
        if worker is not None:
            self._send(worker, ReleaseJob(job=job_number, status=status))

    def kill(self, job_number: int) -> bool:
        """Kill a job's process tree at once."""
        worker = self._worker_of(job_number)
        if worker is not None:
            self._kill(worker)
        return worker is not None

    def suspend(self) -> None:
        """Stop all workers and what they have started until `resume`."""
        self._suspended = True
        platform.suspend_tree([worker.process.pid for worker in self.workers.values()])

    def resume(self) -> None:
        """Let them go on."""
        self._suspended = False
        platform.resume_tree([worker.process.pid for worker in self.workers.values()])

    def busy_pids(self) -> list[int]:
        """Process ids of the workers that have a job."""
        return [worker.process.pid for worker in self.workers.values() if worker.job is not None]

    def close(self) -> None:
        """End all workers: at once, as those without a job have nothing to lose, and those with one are not wanted."""
        for worker in list(self.workers.values()):
            if worker.job is None:
                worker.process.kill()
            else:
                self._kill(worker)
        for worker in list(self.workers.values()):
            worker.process.wait(SHUTDOWN_LIMIT)
            self._bury(worker)
        self._audience.close()

    def _worker_of(self, job_number: int) -> Worker | None:
        for worker in self.workers.values():
            if worker.job is not None and worker.job.spec.job == job_number:
                return worker
        return None

    def _spawn(self) -> Worker:
        ours, theirs = pair(duplex=True)
        process = platform.spawn(self._script, ["worker"], [theirs], stderr=2)
        self._numbers += 1
        worker = Worker(self._numbers, process, Channel(ours, ToWorker, FromWorker))
        self.workers[worker.number] = worker
        self._audience.watch(ours, lambda: self._on_message(worker))
        self._loop.watch(process.sentinel, lambda: self._on_end(worker))
        self._set_deadline(worker, START_LIMIT, lambda: self._kill(worker))
        return worker

    def _set_deadline(self, worker: Worker, seconds: float, callback: Callable[[], None]) -> None:
        if worker.deadline is not None:
            worker.deadline.cancel()
        worker.deadline = self._loop.after(seconds, callback)

    def _send(self, worker: Worker, message: ToWorker) -> None:
        try:
            worker.channel.send(message)
        except ChannelClosed:
            # Its sentinel tells the rest.
            pass

    def _on_message(self, worker: Worker) -> None:
        try:
            messages, bad = worker.ear.hear()
        except ChannelClosed:
            # What it still had to say is read; its sentinel follows.
            self._audience.forget(worker.channel.connection)
            return
        try:
            for message in messages:
                self._take(worker, message)
        except ProtocolError as error:
            bad = error
        if bad is not None:
            self._distrust(worker)
            return
        self._expect_whole(worker)
        if worker.job is not None:
            self._audience.heard(worker.channel.connection)

    def _expect_whole(self, worker: Worker) -> None:
        if worker.whole_by is not None:
            worker.whole_by.cancel()
            worker.whole_by = None
        if worker.ear.interrupted and worker.state is not WorkerState.DEAD:
            worker.whole_by = self._loop.after(MESSAGE_TIME, lambda: self._give_up(worker))

    def _give_up(self, worker: Worker) -> None:
        if self._suspended:
            # It may have been stopped in the middle of a message.
            self._expect_whole(worker)
        else:
            self._distrust(worker)

    def _distrust(self, worker: Worker) -> None:
        """Kill a worker that has sent what is no message: whatever else it says is not to be trusted."""
        worker.trusted = False
        self._audience.forget(worker.channel.connection)
        self._kill(worker)

    def _take(self, worker: Worker, message: Heard) -> None:
        if worker.state is WorkerState.STARTING:
            check_hello(message, "worker")
        if isinstance(message, Hello):
            if worker.deadline is not None:
                worker.deadline.cancel()
            worker.computed = time.monotonic()
            self._settle(worker)
        elif isinstance(message, JobResult):
            self._on_result(worker, message)
        elif worker.job is not None:
            worker.job.on_message(message)

    def _settle(self, worker: Worker) -> None:
        if worker.job is not None:
            worker.state = WorkerState.BUSY
        else:
            worker.state = WorkerState.IDLE
            self._idle.append(worker)

    def _on_result(self, worker: Worker, result: JobResult) -> None:
        job = worker.job
        worker.job = None
        worker.jobs_done += 1
        if worker.deadline is not None:
            worker.deadline.cancel()
        if not worker.first_memory:
            worker.first_memory = result.memory
        grown = result.memory - worker.first_memory > GROWTH_LIMIT
        cancelled = worker.state is WorkerState.CANCELLING
        worker.unclean = cancelled or not result.reusable
        if worker.unclean or grown or worker.jobs_done >= JOBS_PER_WORKER:
            self._retire(worker)
        else:
            worker.state = WorkerState.IDLE
            self._idle.append(worker)
        if job is not None:
            self._deliver(job, result)

    def _deliver(self, job: Job, result: JobResult) -> None:
        held = result.values.get("held")
        if held and self._held is not None:
            self._held(held)
        job.on_result(result)

    def _retire(self, worker: Worker) -> None:
        self.workers.pop(worker.number, None)
        self._audience.forget(worker.channel.connection)
        self._loop.forget(worker.process.sentinel)
        platform.kill_tree(worker.process.pid)
        worker.process.wait(SHUTDOWN_LIMIT)
        self._bury(worker)

    def _kill(self, worker: Worker) -> None:
        worker.unclean = True
        platform.kill_tree(worker.process.pid)

    def _on_end(self, worker: Worker) -> None:
        job, result = worker.job, self._last_result(worker)
        status = worker.process.poll()
        worker.job = None
        worker.unclean = True
        self._bury(worker)
        if job is None:
            return
        if result is not None:
            self._deliver(job, result)
        else:
            job.on_lost(describe(status) if worker.trusted else "it sent what is no message, and was killed")

    def _last_result(self, worker: Worker) -> JobResult | None:
        """Take what a dead worker said last, which may still be in its channel: a result that was sent counts."""
        job = worker.job
        while worker.trusted and worker.state is not WorkerState.DEAD and worker.channel.poll():
            try:
                messages, bad = worker.ear.hear()
            except ChannelClosed:
                break
            worker.trusted = bad is None
            for message in messages:
                if isinstance(message, JobResult):
                    return message
                if job is not None and not isinstance(message, Hello):
                    job.on_message(message)
        return None

    def _bury(self, worker: Worker) -> None:
        if worker.state is WorkerState.DEAD:
            return
        worker.state = WorkerState.DEAD
        for deadline in (worker.deadline, worker.whole_by):
            if deadline is not None:
                deadline.cancel()
        self.workers.pop(worker.number, None)
        if worker in self._idle:
            self._idle.remove(worker)
        self._audience.forget(worker.channel.connection)
        self._loop.forget(worker.process.sentinel)
        worker.process.poll()
        worker.channel.close()
        worker.process.close()
        platform.kill_orphans([other.process.pid for other in self.workers.values()])
        if worker.unclean and self._on_unclean is not None:
            self._on_unclean(worker.process.pid)
