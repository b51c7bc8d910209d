"""Starts the workers, waits for them and says what they did."""

import gc
import logging
import multiprocessing
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import Synchronized

from pymysql.connections import Connection

from .settings import Settings
from .source import open_run
from .target import Target
from .worker import Job, work

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
KEEP_ALIVE_SECONDS = 30
# A worker that is told to stop first ends the request that it is in.
STOP_SECONDS = 10


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    max_records: int
    workers: int
    claim_size: int
    resident_mb: int


@dataclass(frozen=True)
class Summary:
    """What a run did. `seconds` begin when all workers are ready and end with the last record."""

    migrated: int
    chunks: int
    seconds: float
    refusals: int
    failed: int
    crashed_workers: int
    interrupted: bool

    def __str__(self) -> str:
        return (
            f"{self.migrated} records ({self.chunks} chunks) in {self.seconds:.2f} s; "
            f"429s: {self.refusals}; failed records: {self.failed}"
        )


def run_pilot(settings: Settings, options: Options) -> Summary:
    """Migrate at most so many records with so many workers."""
    # Forked workers share what is imported already; the freeze keeps it shared.
    gc.freeze()
    context = start_context()
    with open_run(settings.mysql) as (run, connection), interrupts() as caught:
        Target(settings, time.sleep).ensure_collection()
        started_at = context.Value("d", 0.0)
        job = Job(
            settings=settings,
            run=run,
            workers=options.workers,
            claim_size=options.claim_size,
            resident_mb=options.resident_mb,
            pool=context.Semaphore(settings.mysql_pool_size),
            ready=context.Barrier(options.workers, action=partial(set_now, started_at)),
            stop=context.Event(),
            ended_at=context.Value("d", 0.0),
            unclaimed=context.Value("q", options.max_records),
            claimed=context.Value("q", 0),
            migrated=context.Value("q", 0),
            chunks=context.Value("q", 0),
            refusals=context.Value("q", 0),
        )
        crew = [
            context.Process(target=work, args=(job, number), name=f"worker-{number}", daemon=True)
            for number in range(1, options.workers + 1)
        ]
        for process in crew:
            process.start()
        supervise(crew, job, caught, connection)

    interrupted = bool(caught)
    return Summary(
        migrated=job.migrated.value,
        chunks=job.chunks.value,
        seconds=max(0.0, job.ended_at.value - started_at.value) if started_at.value else 0.0,
        refusals=job.refusals.value,
        # The records of a worker that died count: nobody migrated them.
        failed=0 if interrupted else job.claimed.value - job.migrated.value,
        crashed_workers=sum(1 for process in crew if process.exitcode != 0),
        interrupted=interrupted,
    )


def start_context() -> ForkContext | SpawnContext:
    """Fork where the system can."""
    if "fork" in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("spawn")


def set_now(clock: "Synchronized[float]") -> None:
    """Set a clock that all processes read."""
    clock.value = time.monotonic()


@contextmanager
def interrupts() -> Iterator[list[int]]:
    """Collect the signals that ask for an end, instead of being torn out of whatever goes on."""
    caught: list[int] = []
    asked = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, _: caught.append(number)) for number in asked]
    try:
        yield caught
    finally:
        for number, handler in zip(asked, before, strict=True):
            signal.signal(number, handler)


def supervise(
    crew: Sequence[BaseProcess], job: Job, caught: list[int], connection: Connection
) -> None:
    """Wait for all workers, and end them where the pilot is interrupted."""
    running = list(crew)
    ping_at = time.monotonic() + KEEP_ALIVE_SECONDS
    while running and not caught:
        wait([process.sentinel for process in running], timeout=POLL_SECONDS)
        running = [process for process in running if process.is_alive()]
        if any(process.exitcode for process in crew):
            # The others would wait for it for ever; once all have begun, this changes nothing.
            job.ready.abort()
        if time.monotonic() > ping_at:
            # The claims are good for as long as this connection lives.
            connection.ping(reconnect=False)
            ping_at += KEEP_ALIVE_SECONDS
    if not running:
        return
    log.info("interrupted: the workers end what they are at")
    job.stop.set()
    job.ready.abort()
    deadline = time.monotonic() + STOP_SECONDS
    for process in running:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()
