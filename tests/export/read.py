"""Reads the files of tests/export as pyarrow and polars read them, and prints what each has, as JSON.

    read.py FOLDER
"""

import json
import sys

import polars
import pyarrow.csv
import pyarrow.parquet

folder = sys.argv[1]


def summary(table):
    """The types, the rows, and a sum over what has one."""
    numbers = [value for value in table.column("numeric_value").to_pylist() if value is not None]
    at = table.column("timestamp").cast("int64").to_pylist()
    return {
        "rows": table.num_rows,
        "sum": sum(numbers),
        "timestamps": sum(at),
        "sensors": sorted(set(table.column("sensor_id").to_pylist())),
        "states": sorted(set(table.column("state").to_pylist())),
        "without_previous": table.column("previous_state").null_count,
    }


events = pyarrow.parquet.read_table(f"{folder}/events.parquet")
frame = polars.read_parquet(f"{folder}/events.parquet")
text = polars.read_csv(f"{folder}/events.csv", schema_overrides={"state": polars.String, "previous_state": polars.String})
numbers = frame["numeric_value"].drop_nulls()
matrix = pyarrow.parquet.read_table(f"{folder}/matrix.parquet")
predictions = polars.read_parquet(f"{folder}/predictions.parquet")
triggered = pyarrow.parquet.read_table(f"{folder}/predictions.parquet")
predictions_text = polars.read_csv(f"{folder}/predictions.csv", try_parse_dates=True)

# What polars writes is read back by the test.
frame.with_columns(polars.col("room_id", "sensor_id", "sensor_type", "state", "previous_state", "attributes").cast(polars.String)).drop(
    "id", "created_at"
).write_parquet(f"{folder}/polars.parquet", compression="snappy")
labels = [name for name, type in predictions.schema.items() if type in (polars.Categorical, polars.String)]
predictions.with_columns(polars.col(labels).cast(polars.String)).drop("id", "created_at", "triggering_event_id").write_parquet(
    f"{folder}/polars-predictions.parquet", compression="snappy"
)

print(json.dumps({
    "types": {field.name: str(field.type) for field in events.schema},
    "pyarrow": summary(events),
    "polars": {
        "rows": frame.height,
        "sum": numbers.sum(),
        "timestamp": str(frame.schema["timestamp"]),
        "first": frame["timestamp"].min().isoformat(),
        "csv_rows": text.height,
        "csv_sum": text["numeric_value"].sum(),
    },
    "matrix": {"rows": matrix.num_rows, "columns": matrix.column_names, "unknown": matrix.column(1).null_count},
    "predictions": {
        "rows": predictions.height,
        "confidence": predictions["confidence_score"].sum(),
        "sensors": predictions["triggering_sensor_id"].cast(polars.String).to_list(),
        "timestamp": str(predictions.schema["triggering_timestamp"]),
        "csv_sensors": predictions_text["triggering_sensor_id"].to_list(),
        "csv_confidence": predictions_text["confidence_score"].sum(),
    },
    "triggered": {
        "types": [str(triggered.schema.field(name).type) for name in ("triggering_sensor_id", "triggering_timestamp")],
        "sensors": triggered.column("triggering_sensor_id").to_pylist(),
        "timestamps": triggered.column("triggering_timestamp").cast("int64").to_pylist(),
    },
}))
