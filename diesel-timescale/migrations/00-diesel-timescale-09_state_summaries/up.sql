-- The states of a day in one value, so that a continuous aggregate can keep them: what comes before and after the day is
-- added when it is read.

DO $$
BEGIN
    IF to_regtype('diesel_timescale.state_summary') IS NULL THEN
        CREATE TYPE diesel_timescale.state_summary AS (
            first_at TIMESTAMPTZ,
            first_state TEXT,
            last_at TIMESTAMPTZ,
            last_state TEXT,
            silence_limit INTERVAL,
            states TEXT[],
            held INTERVAL[],
            changes BIGINT[]
        );
    END IF;
END
$$;
COMMENT ON TYPE diesel_timescale.state_summary IS 'The states of a series in a bucket: the first and the last reading, and in between for how long each state held, and how often the series changed to it. The null state is silence beyond the limit.';

CREATE OR REPLACE FUNCTION diesel_timescale.state_summary(
    times TIMESTAMPTZ[],
    states TEXT[],
    silence_limit INTERVAL
) RETURNS diesel_timescale.state_summary
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
    SELECT
        times[1], states[1], times[cardinality(times)], states[cardinality(states)], silence_limit,
        coalesce(array_agg(t.state ORDER BY t.state), '{}'),
        coalesce(array_agg(t.held ORDER BY t.state), '{}'),
        coalesce(array_agg(t.changes ORDER BY t.state), '{}')
    FROM (
        SELECT part.state, sum(part.held) AS held, count(*) FILTER (WHERE part.is_change) AS changes
        FROM (
            SELECT
                r.at, r.state, r.state <> lag(r.state) OVER by_place AS is_change, lead(r.at) OVER by_place AS next
            FROM unnest(times, states) WITH ORDINALITY AS r (at, state, place)
            WINDOW by_place AS (ORDER BY r.place)
        ) AS r
        CROSS JOIN LATERAL (
            VALUES
                -- The last reading holds to an instant that is not known here. LEAST leaves nulls out.
                (r.state, CASE WHEN r.next IS NULL THEN INTERVAL '0' ELSE least(r.next - r.at, silence_limit) END, r.is_change),
                (NULL, CASE WHEN r.next - r.at > silence_limit THEN r.next - r.at - silence_limit END, false)
        ) AS part (state, held, is_change)
        WHERE part.held IS NOT NULL
        GROUP BY part.state
    ) AS t
$$;
COMMENT ON FUNCTION diesel_timescale.state_summary(TIMESTAMPTZ[], TEXT[], INTERVAL) IS 'Summarizes the states of a series in a bucket: its readings in the order of time. A state holds for silence_limit at most; null is no limit.';

CREATE OR REPLACE FUNCTION diesel_timescale.refuse_bucket(bucket TIMESTAMPTZ, time_zone TEXT) RETURNS TIMESTAMPTZ
LANGUAGE plpgsql STABLE
SET search_path TO pg_catalog, diesel_timescale, pg_temp
AS $$
BEGIN
    PERFORM refuse(
        'diesel_timescale:other_time_zone', 'invalid_parameter_value',
        format('the bucket %s does not begin at midnight of %s', bucket, time_zone),
        'Ask for days, weeks or months of the time zone that the continuous aggregate was created with.'
    );
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION diesel_timescale.refuse_bucket(TIMESTAMPTZ, TEXT) IS 'Raises an error: the buckets of an aggregate are days of another time zone.';
