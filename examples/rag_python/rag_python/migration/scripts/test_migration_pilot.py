"""Migrates a few records, to see how long so many workers take.

    uv run python -m rag_python.migration.scripts.test_migration_pilot --max-records 100 --workers 5

Exit codes: 0 fine, 1 records failed or MySQL is gone, 2 wrong settings, 130 interrupted.
"""

import argparse
import logging
import os
import sys

import pymysql

from ..pilot import Options, run_pilot
from ..settings import Settings, SettingsError, read_settings, whole

log = logging.getLogger(__name__)


def parse(arguments: list[str], settings: Settings) -> Options:
    """Read the command line; what it does not say is taken from the settings."""
    parser = argparse.ArgumentParser(prog="test_migration_pilot")
    parser.add_argument("--max-records", default="100", help="records over all workers (100)")
    parser.add_argument("--workers", help="worker processes (MAX_WORKERS)")
    parser.add_argument("--claim-size", help="records that a worker takes at a time (CLAIM_SIZE)")
    parser.add_argument("--resident-mb", default="0", help="MiB that each worker holds more (0)")
    given = parser.parse_args(arguments)
    return Options(
        max_records=whole("--max-records", given.max_records, 1),
        workers=whole("--workers", given.workers or str(settings.max_workers), 1),
        claim_size=whole("--claim-size", given.claim_size or str(settings.claim_size), 1),
        resident_mb=whole("--resident-mb", given.resident_mb, 0),
    )


def main() -> int:
    """Run the pilot and print its summary."""
    logging.basicConfig(
        level=logging.WARNING,
        stream=sys.stderr,
        format="%(asctime)s %(processName)s %(message)s",
    )
    logging.getLogger("rag_python").setLevel(logging.INFO)
    try:
        settings = read_settings(os.environ)
        options = parse(sys.argv[1:], settings)
        summary = run_pilot(settings, options)
    except SettingsError as error:
        print(f"test_migration_pilot: {error}", file=sys.stderr)
        return 2
    except pymysql.err.Error as error:
        print(f"test_migration_pilot: MySQL: {error.args[-1]}", file=sys.stderr)
        return 1
    print(summary)
    if summary.interrupted:
        return 130
    if summary.migrated + summary.failed + summary.crashed_workers == 0:
        log.warning("no record was left to migrate: UPDATE records SET migrated_at = NULL")
    return 1 if summary.failed or summary.crashed_workers else 0


if __name__ == "__main__":
    sys.exit(main())
