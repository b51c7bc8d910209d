"""How long to wait before another try. `attempt` counts from 0; `u` is uniform in (0, 1)."""

from collections.abc import Mapping


def told_seconds(headers: Mapping[str, str]) -> float | None:
    """Read a refusal's own hint: the precise header wins over the one in whole seconds."""
    for name, seconds in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return float(headers[name]) * seconds
        except (KeyError, ValueError):
            # Absent, or a date: OpenAI sends none.
            continue
    return None


def patient_seconds(attempt: int, told: float | None, u: float) -> float:
    """Wait never less than told, and doubling where nothing was told.

    All waiting workers are told the same, so those refused again spread over up to four times as
    long: otherwise they would all come back at once.
    """
    if told is None:
        return min(float(2**attempt) / 4, 2.0) * (0.5 + 0.5 * u)
    return told * (1 + min(attempt + 1, 3) * u) + 0.02 * min(attempt + 1, 4) * u


def upsert_seconds(attempt: int, u: float) -> float:
    """Wait a second after a failed upsert, doubled, at most eight, less up to a quarter."""
    return min(float(2**attempt), 8.0) * (1 - 0.25 * u)
