"""Make the database from nothing, and forget how often `flaky` has tried: each start of the project begins anew."""

import sqlite3
import sys
from pathlib import Path

ITEMS = [("apple", 3), ("pear", 5), ("plum", 8)]

database = Path(sys.argv[1])
database.parent.mkdir(exist_ok=True)
database.unlink(missing_ok=True)
(database.parent / "flaky-attempts").unlink(missing_ok=True)

with sqlite3.connect(database) as connection:
    connection.execute("create table items (name text primary key, stock integer not null)")
    connection.executemany("insert into items values (?, ?)", ITEMS)
connection.close()
print(f"{len(ITEMS)} items in {database}")
