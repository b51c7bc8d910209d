"""The table of records, and which worker has which of them.

A claim is a row of a table of its own rather than a lock that is held: a worker then needs a
connection only while it reads or writes, so few connections serve many workers.
"""

import random
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Semaphore

import pymysql
from pymysql.connections import Connection
from pymysql.constants import ER
from pymysql.cursors import Cursor

from .settings import MysqlAddress, SettingsError

CLAIMS_TABLE = """
CREATE TABLE IF NOT EXISTS rag_python_claims (
  record_id BIGINT PRIMARY KEY,
  run_id CHAR(36) NOT NULL
)
"""
OPEN_RECORDS = """
FROM records
WHERE migrated_at IS NULL AND id NOT IN (SELECT record_id FROM rag_python_claims)
"""
# Another worker was faster, which is no error: there are more records.
LOST_RACES = (ER.DUP_ENTRY, ER.LOCK_DEADLOCK, ER.LOCK_WAIT_TIMEOUT)


@dataclass(frozen=True)
class Record:
    """A row that is to be migrated."""

    id: int
    title: str
    body: str


@dataclass(frozen=True)
class Run:
    """One start of the pilot: its claims carry its name. `locking` ends a claiming SELECT."""

    id: str
    locking: str


def connect(address: MysqlAddress, *, autocommit: bool = False) -> Connection:
    """Open a connection, or say in one line why there is none."""
    try:
        return pymysql.connect(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password,
            database=address.database,
            charset="utf8mb4",
            connect_timeout=10,
            autocommit=autocommit,
            # A claim then locks the rows that it takes, and not the gaps between them.
            init_command="SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        )
    except pymysql.err.OperationalError as error:
        raise SettingsError(f"MYSQL_URL: {error.args[-1]}") from None


@contextmanager
def open_run(address: MysqlAddress) -> Iterator[tuple[Run, Connection]]:
    """Begin a run; its claims end with it, however it ends.

    The run holds a named lock by its connection. Claims whose lock is free are those of a run that
    died, and void. So nothing has to expire, and a slow worker keeps what it has claimed.
    """
    run_id = str(uuid.uuid4())
    connection = connect(address, autocommit=True)
    with connection, connection.cursor() as cursor:
        cursor.execute(CLAIMS_TABLE)
        cursor.execute("SELECT GET_LOCK(%s, 0)", (run_id,))
        delete_claims(cursor, "IS_FREE_LOCK(run_id) = 1")
        locking = "FOR UPDATE SKIP LOCKED"
        try:
            cursor.execute(f"SELECT id FROM records WHERE id < 0 {locking}")
        except pymysql.err.ProgrammingError as error:
            if error.args[0] != ER.PARSE_ERROR:
                problem = f"records: {error.args[-1]}; `kneepoint seed` makes it"
                raise SettingsError(problem) from None
            # MySQL before 8.0 and MariaDB before 10.6: claims then wait for each other.
            locking = "FOR UPDATE"
        try:
            yield Run(run_id, locking), connection
        finally:
            delete_claims(cursor, "run_id = %s", run_id)


def delete_claims(cursor: Cursor, condition: str, *arguments: str) -> None:
    """Give claims back; another run at the same table may be in the way for a moment."""
    while True:
        try:
            cursor.execute(f"DELETE FROM rag_python_claims WHERE {condition}", arguments)
            return
        except pymysql.err.OperationalError as error:
            if error.args[0] not in LOST_RACES:
                raise


class Source:
    """One worker's way to the records; `pool` counts the connections of all workers."""

    def __init__(self, address: MysqlAddress, pool: Semaphore, *, keep_open: bool) -> None:
        self._address = address
        self._pool = pool
        self._keep_open = keep_open
        self._connection: Connection | None = None

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with self._pool:
            self._connection = self._connection or connect(self._address)
            try:
                yield self._connection
            except BaseException:
                self.close()
                raise
            if not self._keep_open:
                self.close()

    def close(self) -> None:
        """Give the connection back."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def open(self) -> None:
        """Connect before the clock starts, where each worker may keep a connection."""
        if self._keep_open:
            with self._connected():
                pass

    def claim(self, run: Run, most: int) -> list[Record]:
        """Take up to so many records that nobody has; none where all are done or taken."""
        while True:
            with self._connected() as connection, connection.cursor() as cursor:
                try:
                    columns = "SELECT id, title, body"
                    order = f"ORDER BY id LIMIT %s {run.locking}"
                    cursor.execute(f"{columns} {OPEN_RECORDS} {order}", (most,))
                    records = [Record(*row) for row in cursor.fetchall()]
                    # The primary key decides who has a record; the lock only keeps others away.
                    cursor.executemany(
                        "INSERT INTO rag_python_claims (record_id, run_id) VALUES (%s, %s)",
                        [(record.id, run.id) for record in records],
                    )
                    connection.commit()
                    if records:
                        return records
                    # Rows that were skipped may just have been looked at by another worker.
                    cursor.execute(f"SELECT EXISTS (SELECT 1 {OPEN_RECORDS})")
                    left = cursor.fetchone()
                    connection.commit()
                    if left == (0,):
                        return []
                except (pymysql.err.IntegrityError, pymysql.err.OperationalError) as error:
                    if error.args[0] not in LOST_RACES:
                        raise
                    connection.rollback()
            time.sleep(random.uniform(0.001, 0.01))

    def finish(self, records: list[Record]) -> None:
        """Mark records as migrated. A record that failed keeps its claim until the run ends."""
        ids = [record.id for record in records]
        while ids:
            with self._connected() as connection, connection.cursor() as cursor:
                try:
                    cursor.execute("UPDATE records SET migrated_at = NOW() WHERE id IN %s", (ids,))
                    cursor.execute("DELETE FROM rag_python_claims WHERE record_id IN %s", (ids,))
                    connection.commit()
                    return
                except pymysql.err.OperationalError as error:
                    if error.args[0] not in LOST_RACES:
                        raise
                    connection.rollback()
