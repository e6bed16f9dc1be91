"""The tables of the older system that this one replaces: found, and renamed.

The older job table has the name of ours, and there may be a table of the older system's migrations. Only the names
change, so an operator can restore them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection, inspect, text

from dictograph.errors import DatabaseUnavailable
from dictograph.store.tables import job, metadata

_VERSIONS = "alembic_version"
_STATUS = "job_status"

#: The columns that an older table has at least; and a column that only our tables have.
_THEIRS = frozenset({"id", "filename", "status"})
_OURS = "owner"


@dataclass(frozen=True, slots=True)
class View:
    """A view of reports: its name as SQL writes it, its definition, the roles that may read it."""

    name: str
    definition: str
    readers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OldTable:
    """The older system's job table, under its new name, and the roles that may read it."""

    name: str
    readers: tuple[str, ...] = ()
    views: tuple[View, ...] = field(default_factory=tuple)


def set_aside(conn: Connection) -> OldTable | None:
    """Rename the tables of an older system; None when there are none.

    Raises DatabaseUnavailable when a table of that name belongs to neither the older system nor this one.
    """
    inspector = inspect(conn)
    if not inspector.has_table(job.name):
        return None
    columns = {column["name"] for column in inspector.get_columns(job.name)}
    if _OURS in columns:
        return None
    if not columns >= _THEIRS:
        raise DatabaseUnavailable(
            f"The database has a table {job.name} that this service does not know; give it a database of its own."
        )
    postgres = conn.dialect.name == "postgresql"
    readers = _readers(conn, job.name) if postgres else ()
    views = _views(conn) if postgres else ()
    if inspector.has_table(_VERSIONS):
        _rename(conn, _VERSIONS)
    name = _rename(conn, job.name)
    if _has_type(conn, _STATUS):
        conn.execute(text(f"ALTER TYPE {_STATUS} RENAME TO {_free_name(conn, _STATUS)}"))
    return OldTable(name, readers, views)


def _rename(conn: Connection, table: str) -> str:
    _free_index_names(conn, table)
    name = _free_name(conn, table)
    conn.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))
    return name


def _free_name(conn: Connection, name: str) -> str:
    tables, number = set(inspect(conn).get_table_names()), 1
    free = f"{name}_old"
    while free in tables or _has_type(conn, free):
        number += 1
        free = f"{name}_old{number}"
    return free


def _free_index_names(conn: Connection, table: str) -> None:
    """Free the index names that our tables need: all tables share one set of index names.

    SQLite cannot rename an index. There it is dropped; the table has all of its data.
    """
    needed = {f"{_VERSIONS}_pkc"}
    for one in metadata.tables.values():
        needed |= {str(index.name) for index in one.indexes} | {str(rule.name) for rule in one.constraints}
    if conn.dialect.name == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = :table"
        change = "DROP INDEX {0}"
    else:
        query = "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() AND tablename = :table"
        change = "ALTER INDEX {0} RENAME TO {0}_old"
    for name in conn.execute(text(query), {"table": table}).scalars().all():
        if name in needed:
            conn.execute(text(change.format(name)))


def _has_type(conn: Connection, name: str) -> bool:
    if conn.dialect.name != "postgresql":
        return False
    query = (
        "SELECT count(*) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace "
        "WHERE t.typname = :name AND n.nspname = current_schema()"
    )
    return bool(conn.execute(text(query), {"name": name}).scalar_one())


def _readers(conn: Connection, relation: str) -> tuple[str, ...]:
    """Return the roles that may read a table or view beside its owner, as GRANT writes them."""
    query = (
        "SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END "
        "FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee "
        "WHERE c.oid = CAST(:relation AS regclass) AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner"
    )
    return tuple(conn.execute(text(query), {"relation": relation}).scalars())


def _views(conn: Connection) -> tuple[View, ...]:
    """Return the views of the table. They follow it to its new name unless they are recreated."""
    query = (
        "SELECT DISTINCT v.oid::regclass::text AS name, pg_get_viewdef(v.oid) AS definition FROM pg_depend d "
        "JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass "
        "JOIN pg_class v ON v.oid = r.ev_class "
        "WHERE d.refobjid = CAST(:name AS regclass) AND v.relkind = 'v' ORDER BY 1"
    )
    rows = conn.execute(text(query), {"name": job.name}).all()
    return tuple(View(row.name, row.definition, _readers(conn, row.name)) for row in rows)
