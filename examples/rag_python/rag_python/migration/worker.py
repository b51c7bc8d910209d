"""What one worker process does: claim, cut, embed, store, mark, until nothing is left."""

import logging
import signal
import time
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Barrier, Event, Semaphore
from threading import BrokenBarrierError

import pymysql

from .chunking import chunks_of
from .embedding import Embedder, what_happened
from .settings import Settings, SettingsError
from .source import Record, Run, Source
from .target import Chunk, Target

log = logging.getLogger(__name__)

MIB = 2**20
PAGE_BYTES = 4_096
START_SECONDS = 120


class Stopped(Exception):
    """The pilot was told to end."""


@dataclass(frozen=True)
class Job:
    """What all workers share: what to do, and what came of it."""

    settings: Settings
    run: Run
    workers: int
    claim_size: int
    resident_mb: int
    pool: Semaphore
    ready: Barrier
    stop: Event
    ended_at: "Synchronized[float]"
    unclaimed: "Synchronized[int]"
    claimed: "Synchronized[int]"
    migrated: "Synchronized[int]"
    chunks: "Synchronized[int]"
    refusals: "Synchronized[int]"


def add(counter: "Synchronized[int]", count: int) -> None:
    """Count for all workers."""
    with counter.get_lock():
        counter.value += count


def hold_memory(megabytes: int) -> bytearray:
    """Take memory for good: a page belongs to this process only once it is written."""
    block = bytearray(megabytes * MIB)
    block[::PAGE_BYTES] = b"\x01" * len(range(0, len(block), PAGE_BYTES))
    return block


def work(job: Job, number: int) -> None:
    """Run worker `number` to its end."""
    # Ctrl-C reaches the whole group; the pilot decides, so that no request is torn.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    held = hold_memory(job.resident_mb)
    worker = Worker(job)
    try:
        worker.source.open()
        job.ready.wait(START_SECONDS)
        log.info("started, holding %d MiB more", len(held) // MIB)
        while records := worker.claim():
            worker.migrate(records)
    except (Stopped, BrokenBarrierError):
        log.info("stopped")
    except SettingsError as error:
        log.error("%s", error)
        raise SystemExit(1) from None
    except pymysql.err.Error as error:
        log.error("MySQL: %s", error.args[-1])
        raise SystemExit(1) from None
    finally:
        worker.source.close()
    with job.ended_at.get_lock():
        job.ended_at.value = max(job.ended_at.value, time.monotonic())


class Worker:
    """One worker's clients, and what it does with a claim."""

    def __init__(self, job: Job) -> None:
        self._job = job
        settings = job.settings
        self.source = Source(
            settings.mysql, job.pool, keep_open=settings.mysql_pool_size >= job.workers
        )
        self._embedder = Embedder(settings, self._pause, lambda: add(job.refusals, 1))
        self._target = Target(settings, self._pause)

    def _pause(self, seconds: float) -> None:
        """Sleep, but no longer than the pilot lives."""
        parent = parent_process()
        if self._job.stop.wait(seconds) or (parent and not parent.is_alive()):
            raise Stopped

    def claim(self) -> list[Record]:
        """Take the next records, at most as many as the pilot may still do."""
        self._pause(0)
        counter = self._job.unclaimed
        with counter.get_lock():
            most = min(self._job.claim_size, counter.value)
            counter.value -= most
        if most == 0:
            return []
        records = self.source.claim(self._job.run, most)
        add(counter, most - len(records))
        add(self._job.claimed, len(records))
        return records

    def migrate(self, records: list[Record]) -> None:
        """Migrate a claim. What fails is left as it is in the table, for another run."""
        settings = self._job.settings
        # Stands in for what a real migration does itself: parsing, mapping, cleaning.
        self._pause(settings.compute_ms * len(records) / 1_000)
        chunks = [
            Chunk(record.id, record.title, number, text)
            for record in records
            for number, text in enumerate(chunks_of(record.body, settings.chunk_bytes))
        ]
        failed: set[int] = set()
        for start in range(0, len(chunks), settings.batch_size):
            batch = chunks[start : start + settings.batch_size]
            ids = sorted({chunk.record_id for chunk in batch})
            try:
                vectors = self._embedder.embed([chunk.text for chunk in batch])
                self._target.upsert(batch, vectors)
                add(self._job.chunks, len(batch))
            except Stopped:
                raise
            except Exception as error:  # whatever it is, the other records can still be migrated
                log.error("%s failed: %s", name_of(ids), what_happened(error))
                failed.update(ids)
        done = [record for record in records if record.id not in failed]
        self.source.finish(done)
        add(self._job.migrated, len(done))
        if done:
            log.info("%s migrated", name_of([record.id for record in done]))


def name_of(ids: list[int]) -> str:
    """Name records in a log line."""
    return f"record {ids[0]}" if len(ids) == 1 else f"records {ids[0]} to {ids[-1]}"
