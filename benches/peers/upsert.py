"""Upserts the rows of benches/bulk by sensor and instant, 5,000 a batch, and prints the seconds.

    upsert.py sqlalchemy_upsert|psycopg_upsert|asyncpg_upsert URL ROWS
"""

import asyncio
import json
import sys
import time
from datetime import datetime, timedelta, timezone

START = datetime(2026, 1, 5, tzinfo=timezone.utc)
COLUMNS = [
    "timestamp", "room_id", "sensor_id", "sensor_type", "state", "numeric_value", "previous_state",
    "attributes", "is_human_triggered", "confidence_score",
]
KEY = ["sensor_id", "timestamp"]
BATCH = 5_000


TYPES = ["motion", "door", "temperature", "humidity", "light"]


def state(n):
    is_on = n // 50 % 2 == 0
    if n % 5 == 0:
        return "on" if is_on else "off"
    if n % 5 == 1:
        return "open" if is_on else "closed"
    return f"{18 + (n % 97) / 10:.1f}"


def row(n):
    sensor = n % 50
    return (
        START + timedelta(minutes=n // 50), f"room_{sensor // 5}", f"sensor_{sensor:04}", TYPES[n % 5], state(n),
        float(state(n)) if n % 5 > 1 else None, state(n - 50) if n >= 50 else None,
        {"unit": "°C", "battery": n % 100}, False, 0.9,
    )


def statement(placeholder):
    values = ", ".join(placeholder(i) for i in range(len(COLUMNS)))
    updates = ", ".join(f"{c} = EXCLUDED.{c}" for c in COLUMNS if c not in KEY)
    return (
        f"INSERT INTO sensor_events ({', '.join(COLUMNS)}) VALUES ({values}) "
        f"ON CONFLICT (sensor_id, timestamp) DO UPDATE SET {updates}"
    )


def batches(rows):
    return [rows[i : i + BATCH] for i in range(0, len(rows), BATCH)]


def sqlalchemy_upsert(url, rows):
    import sqlalchemy as sa
    from sqlalchemy.dialects import postgresql as pg

    types = [sa.DateTime(timezone=True), sa.Text, sa.Text, sa.Text, sa.Text, sa.Float, sa.Text, pg.JSONB, sa.Boolean, sa.Float]
    table = sa.Table("sensor_events", sa.MetaData(), *(sa.Column(c, t) for c, t in zip(COLUMNS, types)))
    engine = sa.create_engine(url.replace("postgres://", "postgresql+psycopg://"))
    dicts = [dict(zip(COLUMNS, r)) for r in rows]
    insert = pg.insert(table)
    updates = {c: insert.excluded[c] for c in COLUMNS if c not in KEY}
    upsert = insert.on_conflict_do_update(index_elements=KEY, set_=updates)
    with engine.connect() as conn:
        start = time.perf_counter()
        for batch in batches(dicts):
            # Several times as fast as values(batch), which builds one statement with a parameter for each value.
            conn.execute(upsert, batch)
            conn.commit()
        return time.perf_counter() - start


def psycopg_upsert(url, rows):
    import psycopg
    from psycopg.types.json import Jsonb

    rows = [r[:7] + (Jsonb(r[7]),) + r[8:] for r in rows]
    with psycopg.connect(url) as conn, conn.cursor() as cursor:
        start = time.perf_counter()
        for batch in batches(rows):
            cursor.executemany(statement(lambda _: "%s"), batch)
            conn.commit()
        return time.perf_counter() - start


def asyncpg_upsert(url, rows):
    import asyncpg

    rows = [r[:7] + (json.dumps(r[7]),) + r[8:] for r in rows]

    async def run():
        conn = await asyncpg.connect(url)
        start = time.perf_counter()
        for batch in batches(rows):
            await conn.executemany(statement(lambda i: f"${i + 1}"), batch)
        seconds = time.perf_counter() - start
        await conn.close()
        return seconds

    return asyncio.run(run())


if __name__ == "__main__":
    _, peer, url, rows = sys.argv
    print(globals()[peer](url, [row(n) for n in range(int(rows))]))
