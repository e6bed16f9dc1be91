"""The import of an older system's jobs.

Ended jobs stay as they were, with their text. Jobs that waited or ran there wait here, if their audio can be fetched:
their old workers are gone. The older table stays as it is; reports find the same columns in ours.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnClause, Connection, column, insert, inspect, select, table, text
from sqlalchemy.exc import DBAPIError

from dictograph.contract import Contract
from dictograph.job import JobStatus, Options, Source, SourceKind
from dictograph.store import events
from dictograph.store.clock import read_clock
from dictograph.store.compat.legacy_tables import OldTable, View
from dictograph.store.jobs.accept import NewJob, first_values
from dictograph.store.tables import job, window
from dictograph.transcript import Segment

log = logging.getLogger(__name__)

_COLUMNS = (
    "id", "filename", "url", "status", "result_text", "error_message", "processing_time_seconds", "description",
    "creation_date", "update_date",
)  # fmt: skip
_BATCH = 500
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_OWNER = Contract.BACKEND.value
_UNREADABLE = (
    "This job waited in the system before this one, and its audio cannot be fetched from here: send the file again."
)


def take_over(conn: Connection, old: OldTable) -> int:
    """Copy the older table's jobs into ours; returns the number. Roles that may read the old table may read ours."""
    now, count = read_clock(conn), 0
    for batch in _batches(conn, old.name):
        rows = [_row(found, now) for found in batch]
        conn.execute(insert(job), rows)
        _add_texts(conn, rows)
        for row in rows:
            if row["status"] is JobStatus.PENDING:
                events.append(conn, row["id"], 1, [("created", {})])
        count += len(rows)
    for reader in old.readers:
        conn.execute(text(f"GRANT SELECT ON {job.name} TO {reader}"))
    for view in old.views:
        _recreate(conn, view)
    log.warning("took over %d jobs of an older system; its own table is kept as %s", count, old.name)
    return count


def _batches(conn: Connection, name: str) -> Iterator[list[Mapping[str, Any]]]:
    found = {one["name"]: one["type"] for one in inspect(conn).get_columns(name)}
    known = [column for column in _COLUMNS if column in found]
    undashed = str(found["id"]).upper() == "CHAR(32)"  # SQLAlchemy's form of a UUID without a UUID type
    # Without types: the raw values of the driver are converted here, whatever types the older system declared.
    selected: list[ColumnClause[Any]] = [column(one) for one in known]
    query = select(*selected).select_from(table(name)).execution_options(yield_per=_BATCH)
    for rows in conn.execute(query).mappings().partitions():
        yield [{**dict.fromkeys(_COLUMNS), **row, "id": _id(row["id"], undashed=undashed)} for row in rows]


def _row(old: Mapping[str, Any], now: float) -> dict[str, Any]:
    url = _text(old["url"]) or ""
    new = NewJob(
        id=old["id"] if _ID.fullmatch(old["id"]) else str(uuid4()),
        owner=_OWNER,
        filename=_name(_text(old["filename"]) or "audio"),
        source=Source(SourceKind.URL, url),
        options=Options.model_validate({}),
        metadata={} if _ID.fullmatch(old["id"]) else {"old_id": old["id"]},
        contract=Contract.BACKEND,
        description=_text(old["description"]),
    )
    created = _moment(old["creation_date"]) or _moment(old["update_date"]) or datetime.fromtimestamp(now, UTC)
    values = {"creation_date": created, "update_date": _moment(old["update_date"]) or created}
    return first_values(new, now) | values | _NO_END | _end(old, values["update_date"], url)


#: Columns that only ended jobs fill: all rows of a batch must name the same columns.
_NO_END: dict[str, Any] = dict.fromkeys(
    (
        "result_text", "error_code", "error_message", "error_stage", "finished_at", "processing_seconds",
        "processing_time_seconds",
    )
)  # fmt: skip


def _end(old: Mapping[str, Any], when: datetime, url: str) -> dict[str, Any]:
    """Return the columns for the job's end in the older system; empty for a job that is still to be run."""
    state = str(old["status"]).rpartition(".")[2].lower()
    if state in ("pending", "processing"):
        if url.lower().startswith(("http://", "https://")):
            return {}
        return _failed(_UNREADABLE, "source_not_found", "DOWNLOAD", when)
    seconds = _seconds(old["processing_time_seconds"])
    spent = {"processing_time_seconds": seconds, "processing_seconds": None if seconds is None else float(seconds)}
    if state == "completed":
        result = _text(old["result_text"]) or ""
        done = {"windows_done": 1, "windows_planned": 1, "plan_complete": True, "events_pruned": True}
        return {"status": JobStatus.COMPLETED, "result_text": result, "finished_at": when} | done | spent
    if state in ("cancelled", "canceled"):
        return {"status": JobStatus.CANCELLED, "finished_at": when, "events_pruned": True} | spent
    why = _text(old["error_message"]) or f"The system before this one left this job as {old['status']}."
    return _failed(why, "transcribe_failed", "TRANSCRIBE", when) | spent | {"result_text": _text(old["result_text"])}


def _failed(why: str, code: str, stage: str, when: datetime) -> dict[str, Any]:
    error = {"error_code": code, "error_message": why, "error_stage": stage}
    return {"status": JobStatus.FAILED, "finished_at": when, "events_pruned": True} | error


def _add_texts(conn: Connection, rows: list[dict[str, Any]]) -> None:
    """Add one window for each text, since transcripts are made of windows. Times are 0: the older system kept none."""
    found = [
        {
            "job_id": row["id"],
            "number": 0,
            "start_s": 0.0,
            "end_s": 0.0,
            "sha256": "",
            "result": {"segments": [Segment(0.0, 0.0, row["result_text"]).as_dict()], "sampled": False},
        }
        for row in rows
        if row["status"] is JobStatus.COMPLETED
    ]
    if found:
        conn.execute(insert(window), found)


def _recreate(conn: Connection, view: View) -> None:
    """Recreate a report's view on our table. A view that cannot be recreated still shows the older one."""
    try:
        with conn.begin_nested():
            conn.execute(text(f"DROP VIEW {view.name}"))
            definition = view.definition.replace("%", "%%")  # the driver takes a single % for a parameter
            conn.exec_driver_sql(f"CREATE VIEW {view.name} AS {definition}")
            for reader in view.readers:
                conn.execute(text(f"GRANT SELECT ON {view.name} TO {reader}"))
    except DBAPIError as error:
        log.warning("the view %s still shows the older table and must be made anew: %s", view.name, error.orig)


def _id(given: Any, *, undashed: bool) -> str:
    if given is None:  # SQLite has keys that are NULL
        return str(uuid4())
    if isinstance(given, bytes) and len(given) == 16:
        return str(UUID(bytes=given))
    with suppress(ValueError):
        return str(UUID(str(given))) if undashed else str(given)
    return str(given)


def _moment(given: Any) -> datetime | None:
    if isinstance(given, str):
        try:
            given = datetime.fromisoformat(given)
        except ValueError:
            return None
    if not isinstance(given, datetime):
        return None
    try:
        return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
    except OverflowError:
        return None


# SQLite keeps any value in any column, whatever the column's type.


def _text(given: Any) -> str | None:
    if given is None:
        return None
    return given.decode(errors="replace") if isinstance(given, bytes) else str(given)


def _name(given: str) -> str:
    """Return the file's name without unprintable characters: it is shown in lines and headers."""
    return "".join(character if character.isprintable() else " " for character in given)


def _seconds(given: Any) -> int | None:
    """Return whole seconds that both databases can keep, else None."""
    try:
        seconds = int(float(given))
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds < 2**31 else None
