"""A thief with the database file: changes rows behind the server's back.

What the tables are called is the server's own business; they are found by the columns that any ledger must have.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path


def _tables(connection: sqlite3.Connection) -> dict[str, list[tuple[str, str]]]:
    """Table -> its columns and their declared types."""
    found = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    return {
        table: [(row[1], row[2].upper()) for row in connection.execute(f'PRAGMA table_info("{table}")')]
        for (table,) in found
    }


def _rows(connection: sqlite3.Connection, table: str) -> int:
    count: int = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]
    return count


def _pick(connection: sqlite3.Connection, fits: Callable[[str, list[str]], bool]) -> str:
    tables = _tables(connection)
    fitting = [
        table
        for table, columns in tables.items()
        if fits(table, [name for name, _ in columns]) and _rows(connection, table)
    ]
    assert fitting, f"no such table among {tables}"
    return max(fitting, key=lambda table: _rows(connection, table))


def _column(columns: list[str], pattern: str) -> str:
    return next(name for name in columns if re.search(pattern, name))


def _open(database: Path) -> sqlite3.Connection:
    assert database.exists(), sorted(path.name for path in database.parent.iterdir())
    connection = sqlite3.connect(database)
    for (trigger,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        connection.execute(f'DROP TRIGGER "{trigger}"')
    return connection


def _is_transfers(table: str, columns: list[str]) -> bool:
    has = [any(re.search(word, name) for name in columns) for word in ("debit", "credit", "amount")]
    return all(has)


def change_a_transfer(database: Path) -> None:
    """One transfer in the middle gets another amount."""
    with closing(_open(database)) as connection:
        table = _pick(connection, _is_transfers)
        amount = _column([name for name, _ in _tables(connection)[table]], "amount")
        _change_middle(connection, table, f'"{amount}" = "{amount}" + 1')


def remove_a_transfer(database: Path) -> None:
    with closing(_open(database)) as connection:
        table = _pick(connection, _is_transfers)
        middle = _rows(connection, table) // 2
        key = _key(connection, table)
        connection.execute(
            f'DELETE FROM "{table}" WHERE ({key}) ='
            f' (SELECT {key} FROM "{table}" ORDER BY {key} LIMIT 1 OFFSET {middle})'
        )
        connection.commit()


def change_a_balance(database: Path) -> None:
    """One wallet gets richer without an entry."""
    with closing(_open(database)) as connection:
        table = _pick(
            connection,
            lambda name, columns: any("balance" in c for c in columns) and not _is_transfers(name, columns),
        )
        balance = _column([name for name, _ in _tables(connection)[table]], "balance")
        _change_middle(connection, table, f'"{balance}" = "{balance}" + 1')


def change_an_event(database: Path) -> None:
    """An audit record says that something happened a millisecond later."""
    with closing(_open(database)) as connection:
        table = _pick(connection, lambda name, columns: "event" in name)
        columns = _tables(connection)[table]
        key = set(_key(connection, table).replace('"', "").split(", "))
        free = [(name, kind) for name, kind in columns if name not in key]
        wanted = [name for name, kind in free if "INT" in kind and re.search("type|at|time|version", name)]
        wanted += [name for name, kind in free if "INT" in kind]
        assert wanted, columns
        _change_middle(connection, table, f'"{wanted[0]}" = "{wanted[0]}" + 1')


def _key(connection: sqlite3.Connection, table: str) -> str:
    rows = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
    key = [row[1] for row in sorted(rows, key=lambda row: row[5]) if row[5]]
    return ", ".join(f'"{name}"' for name in key) or "rowid"


def _change_middle(connection: sqlite3.Connection, table: str, assignment: str) -> None:
    key = _key(connection, table)
    middle = _rows(connection, table) // 2
    cursor = connection.execute(
        f'UPDATE "{table}" SET {assignment} WHERE ({key}) ='
        f' (SELECT {key} FROM "{table}" ORDER BY {key} LIMIT 1 OFFSET {middle})'
    )
    assert cursor.rowcount == 1, (table, key)
    connection.commit()
