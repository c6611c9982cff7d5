"""The feature matrix of benches/reads in pandas: ten sensors on a grid of five minutes. Prints the seconds, reading included.

    matrix.py URL FROM TO SENSOR,SENSOR...
"""

import sys
import time

import pandas
import psycopg

STEP = pandas.Timedelta(minutes=5)
CARRY = pandas.Timedelta(days=1)


def read(url, start, end, sensors):
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT timestamp, sensor_id, state, numeric_value FROM sensor_events "
            "WHERE sensor_id = ANY (%s) AND timestamp >= %s AND timestamp < %s ORDER BY timestamp",
            (sensors, start - CARRY - STEP, end),
        ).fetchall()
    events = pandas.DataFrame(rows, columns=["at", "sensor", "state", "value"])
    events["at"] = pandas.to_datetime(events["at"], utc=True)
    return events


def features(events, grid):
    """Of one sensor."""
    events = events.set_index("at")
    columns = pandas.DataFrame(index=grid)
    columns["last"] = events["value"].dropna().reindex(grid, method="ffill", tolerance=CARRY)
    steps = events["value"].resample(STEP, closed="right", label="right", origin=grid[0])
    columns["mean"] = steps.mean().reindex(grid)
    counts = events["state"].resample(STEP, closed="right", label="right", origin=grid[0]).count()
    columns["count"] = counts.reindex(grid, fill_value=0)
    changes = events.index[events["state"].ne(events["state"].shift()) & events["state"].shift().notna()]
    changed = pandas.Series(changes, index=changes).reindex(grid, method="ffill")
    columns["minutes_since_change"] = (grid.to_series() - changed).dt.total_seconds() / 60
    edges = events.index.union(grid).unique()
    is_on = events["state"].eq("on").reindex(edges, method="ffill", tolerance=CARRY).astype(float)
    seconds = edges.to_series().diff().shift(-1).dt.total_seconds() * is_on
    on = seconds.resample(STEP, closed="left", label="right", origin=grid[0]).sum()
    columns["seconds.on"] = on.reindex(grid)
    return columns


def main():
    url, start, end, sensors = sys.argv[1:]
    start, end = pandas.Timestamp(start), pandas.Timestamp(end)
    began = time.perf_counter()
    grid = pandas.date_range(start, end, freq=STEP, inclusive="left")
    events = read(url, start, end, sensors.split(","))
    parts = {sensor: features(own, grid) for sensor, own in events.groupby("sensor")}
    matrix = pandas.concat(parts, axis=1)
    assert matrix.shape == (len(grid), 5 * len(parts))
    print(time.perf_counter() - began)


main()
