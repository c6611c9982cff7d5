-- Hours, days, weeks and months as the clocks of a time zone have them.

CREATE OR REPLACE FUNCTION diesel_timescale.calendar_edges(
    unit TEXT,
    time_zone TEXT,
    lower TIMESTAMPTZ,
    upper TIMESTAMPTZ
) RETURNS TIMESTAMPTZ[]
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
DECLARE
    step CONSTANT INTERVAL := ('1 ' || unit)::INTERVAL;
BEGIN
    -- By instants, not by local times: an hour that the clock repeats is two hours. Offsets are whole quarters of an
    -- hour, and date_trunc keeps the offset of the instant.
    IF unit = 'hour' THEN
        RETURN ARRAY(
            SELECT min(instant)
            FROM generate_series(
                date_trunc('day', lower, time_zone), upper + INTERVAL '90 minutes', INTERVAL '15 minutes'
            ) AS instant
            GROUP BY date_trunc('hour', instant, time_zone)
            ORDER BY 1
        );
    END IF;
    -- By local times: a day may have 23 or 25 hours. Where the clock repeats midnight, PostgreSQL takes the second one,
    -- and the day starts at the first.
    RETURN ARRAY(
        SELECT CASE
            WHEN (edge - INTERVAL '1 hour') AT TIME ZONE time_zone = local_time THEN edge - INTERVAL '1 hour'
            ELSE edge
        END
        FROM generate_series(
            date_trunc(unit, lower AT TIME ZONE time_zone), upper AT TIME ZONE time_zone + step, step
        ) AS local_time
        CROSS JOIN LATERAL (SELECT local_time AT TIME ZONE time_zone AS edge) AS at
        ORDER BY local_time
    );
END
$$;
COMMENT ON FUNCTION diesel_timescale.calendar_edges(TEXT, TEXT, TIMESTAMPTZ, TIMESTAMPTZ) IS 'Where the hours, days, weeks or months of a time zone begin: from the last one at or before lower to one at or after upper.';
