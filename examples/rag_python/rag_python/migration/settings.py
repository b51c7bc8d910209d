"""What the environment says, with `.env` for what it leaves out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values

ENV_FILE = Path(__file__).parents[2] / ".env"
HOW_TO_SET = "start `kneepoint mocks --mysql` and export its lines"


class SettingsError(Exception):
    """A setting is missing or makes no sense: one line that names it."""


@dataclass(frozen=True)
class MysqlAddress:
    """Where the records are."""

    host: str
    port: int
    user: str
    database: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Settings:
    """Everything that can be set. Keys are left out of its text, so that none ends up in a log."""

    mysql: MysqlAddress
    mysql_pool_size: int
    openai_base_url: str
    openai_api_key: str = field(repr=False)
    openai_is_patient: bool
    embedding_model: str
    embedding_dimensions: int
    qdrant_url: str
    qdrant_api_key: str | None = field(repr=False)
    qdrant_collection: str
    qdrant_timeout_seconds: int
    max_workers: int
    batch_size: int
    claim_size: int
    chunk_bytes: int
    compute_ms: int


def whole(name: str, text: str, least: int) -> int:
    """Read a whole number, or raise a SettingsError that names it."""
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise SettingsError(f'{name}: must be a whole number of at least {least}, got "{text}"')
    return value


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read all settings; the environment wins over `.env`, and an empty value counts as missing."""
    given = {name: text for name, text in dotenv_values(ENV_FILE).items() if text}
    given |= {name: text for name, text in environment.items() if text}

    def required(name: str) -> str:
        # Without an address the clients would go to the paid services by themselves.
        if name not in given:
            raise SettingsError(f"{name}: not set; {HOW_TO_SET}")
        return given[name]

    def number(name: str, usual: int, least: int = 1) -> int:
        return whole(name, given.get(name, str(usual)), least)

    retries = given.get("OPENAI_RETRIES", "patient")
    if retries not in ("patient", "sdk"):
        raise SettingsError(f'OPENAI_RETRIES: must be patient or sdk, got "{retries}"')
    return Settings(
        mysql=read_mysql_address(given),
        mysql_pool_size=number("MYSQL_POOL_SIZE", 10),
        openai_base_url=required("OPENAI_BASE_URL"),
        openai_api_key=required("OPENAI_API_KEY"),
        openai_is_patient=retries == "patient",
        embedding_model=given.get("EMBEDDING_MODEL", "text-embedding-3-small"),
        embedding_dimensions=number("EMBEDDING_DIMENSIONS", 256),
        qdrant_url=required("QDRANT_URL"),
        qdrant_api_key=given.get("QDRANT_API_KEY"),
        qdrant_collection=given.get("QDRANT_COLLECTION", "rag_python"),
        qdrant_timeout_seconds=number("QDRANT_TIMEOUT", 5),
        max_workers=number("MAX_WORKERS", 5),
        batch_size=number("BATCH_SIZE", 50),
        claim_size=number("CLAIM_SIZE", 1),
        # No character takes more than four bytes.
        chunk_bytes=number("CHUNK_BYTES", 2_000, least=4),
        compute_ms=number("COMPUTE_MS", 80, least=0),
    )


def read_mysql_address(given: Mapping[str, str]) -> MysqlAddress:
    """Take MYSQL_URL, or MYSQL_HOST, _PORT, _USER, _PASSWORD and _DATABASE where there is none."""
    if "MYSQL_URL" not in given:
        missing = [name for name in ("MYSQL_HOST", "MYSQL_DATABASE") if name not in given]
        if len(missing) == 2:
            raise SettingsError(f"MYSQL_URL: not set; {HOW_TO_SET}")
        if missing:
            raise SettingsError(f"{missing[0]}: not set, nor is MYSQL_URL; {HOW_TO_SET}")
        return MysqlAddress(
            host=given["MYSQL_HOST"],
            port=whole("MYSQL_PORT", given.get("MYSQL_PORT", "3306"), 1),
            user=given.get("MYSQL_USER", "root"),
            password=given.get("MYSQL_PASSWORD", ""),
            database=given["MYSQL_DATABASE"],
        )
    # The text of the URL holds a password, so no message repeats it.
    shape = "MYSQL_URL: must look like mysql://user:password@127.0.0.1:3306/database"
    try:
        url = urlsplit(given["MYSQL_URL"])
        port = url.port or 3306
    except ValueError:
        raise SettingsError(shape) from None
    database = unquote(url.path.removeprefix("/"))
    if url.scheme not in ("mysql", "mariadb") or not url.hostname or not database:
        raise SettingsError(shape)
    return MysqlAddress(
        host=url.hostname,
        port=port,
        user=unquote(url.username or "root"),
        password=unquote(url.password or ""),
        database=database,
    )
