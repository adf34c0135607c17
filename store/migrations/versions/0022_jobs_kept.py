"""A function: `keep_jobs` makes and drops days of finished jobs as `keep_job_days` does, and keeps what has succeeded,
failed and was cancelled for days of their own, and so many in all.

Where one state is kept for longer than another, or only so many jobs are, days to come are partitioned by state as
well, and of a day it is the part of one state that is emptied: an empty part stays, for a clock that is behind may have
something for it. Else days are one table each, as before.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.
"""

from alembic import op

revision = "0022"
down_revision = "0021"

STATEMENTS = (
    # As 0018's: it runs as whoever has migrated, one does it at a time, and whoever must wait for a lock leaves it.
    """
    CREATE FUNCTION keep_jobs(
        completed int, failed int, cancelled int, most bigint DEFAULT NULL, ahead int DEFAULT 3
    ) RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $f$
    #variable_conflict use_column
    DECLARE
        today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
        longest int := greatest(keep_jobs.completed, keep_jobs.failed, keep_jobs.cancelled);
        apart boolean := keep_jobs.most IS NOT NULL
            OR least(keep_jobs.completed, keep_jobs.failed, keep_jobs.cancelled) < longest;
        day date;
        part text;
        state text;
        is_used boolean;
        old record;
        left_over bigint;
        gone int := 0;
    BEGIN
        IF NOT pg_try_advisory_xact_lock(hashtext('greenroom.keep_job_days')) THEN
            RETURN 0;
        END IF;
        PERFORM set_config('lock_timeout', '100ms', true);
        FOR day IN SELECT today + n FROM generate_series(0, keep_jobs.ahead) n LOOP
            part := 'jobs_done_' || to_char(day, 'YYYYMMDD');
            BEGIN
                IF to_regclass(part) IS NOT NULL THEN
                    -- One that is to come is made anew where it is of the other kind, and nothing is in it.
                    CONTINUE WHEN day = today
                        OR (SELECT (c.relkind = 'p') = apart FROM pg_class c WHERE c.oid = to_regclass(part));
                    EXECUTE 'LOCK TABLE ' || part || ' IN ACCESS EXCLUSIVE MODE';
                    EXECUTE 'SELECT EXISTS (SELECT FROM ' || part || ')' INTO is_used;
                    CONTINUE WHEN is_used;
                    EXECUTE 'DROP TABLE ' || part;
                END IF;
                IF apart THEN
                    EXECUTE 'CREATE TABLE ' || part || ' (LIKE jobs_done INCLUDING DEFAULTS) PARTITION BY LIST (state)';
                    FOREACH state IN ARRAY ARRAY['completed', 'failed', 'cancelled'] LOOP
                        EXECUTE 'CREATE TABLE ' || part || '_' || state || ' PARTITION OF ' || part
                            || ' FOR VALUES IN (' || quote_literal(state) || ')';
                    END LOOP;
                ELSE
                    EXECUTE 'CREATE TABLE ' || part || ' (LIKE jobs_done INCLUDING DEFAULTS)';
                END IF;
                EXECUTE 'ALTER TABLE jobs_done ATTACH PARTITION ' || part || ' FOR VALUES FROM ('
                    || (day - date '1970-01-01') * 86400000::bigint || ') TO ('
                    || (day + 1 - date '1970-01-01') * 86400000::bigint || ')';
            EXCEPTION WHEN lock_not_available OR check_violation OR invalid_object_definition THEN
                EXIT; -- or the rest has some of that day: there they stay until they are too old
            END;
        END LOOP;
        -- Days of which nothing is kept any more.
        FOR part IN
            SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'jobs_done'::regclass AND c.relname ~ '^jobs_done_[0-9]{8}$'
                AND to_date(right(c.relname, 8), 'YYYYMMDD') < today - longest
            ORDER BY 1
        LOOP
            BEGIN
                EXECUTE 'DROP TABLE ' || part;
                gone := gone + 1;
            EXCEPTION WHEN lock_not_available THEN
                EXIT;
            END;
        END LOOP;
        -- Parts of days: what is too old, and then what is too much, those that have failed last. How many jobs a
        -- table has is known as well as its statistics are.
        SELECT sum(t.rows) INTO left_over FROM (
            SELECT greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0) AS rows
            FROM pg_partition_tree('jobs_done'::regclass) p JOIN pg_class c ON c.oid = p.relid WHERE p.isleaf
        ) t;
        FOR old IN
            SELECT c.relname, c.relname ~ '^jobs_done_[0-9]{8}$' AS is_day, d.day < today - CASE d.state
                    WHEN 'completed' THEN keep_jobs.completed
                    WHEN 'failed' THEN keep_jobs.failed
                    WHEN 'cancelled' THEN keep_jobs.cancelled
                    ELSE longest END AS is_old,
                greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0) AS rows
            FROM pg_partition_tree('jobs_done'::regclass) p JOIN pg_class c ON c.oid = p.relid,
                LATERAL (SELECT to_date(substr(c.relname, 11, 8), 'YYYYMMDD') AS day, substr(c.relname, 20) AS state) d
            WHERE p.isleaf AND c.relname ~ '^jobs_done_[0-9]{8}' AND d.day < today AND pg_relation_size(c.oid) > 0
            ORDER BY is_old DESC, d.state = 'failed', d.day, c.relname
        LOOP
            EXIT WHEN NOT old.is_old AND (keep_jobs.most IS NULL OR left_over <= keep_jobs.most);
            BEGIN
                EXECUTE CASE WHEN old.is_day THEN 'DROP TABLE ' ELSE 'TRUNCATE ' END || old.relname;
                left_over := left_over - old.rows;
                gone := gone + 1;
            EXCEPTION WHEN lock_not_available THEN
                EXIT;
            END;
        END LOOP;
        DELETE FROM job_windows WHERE until_ms < floor(extract(epoch FROM clock_timestamp()) * 1000);
        RETURN gone;
    END
    $f$
    """,
    "REVOKE ALL ON FUNCTION keep_jobs FROM PUBLIC",
    # Whoever might call the one before may call this one: the role that serves, where it is not the one that migrates.
    """
    DO $f$
    DECLARE
        grantee regrole;
    BEGIN
        EXECUTE 'ALTER FUNCTION keep_jobs SET search_path = ' || quote_ident(current_schema()) || ', pg_temp';
        FOR grantee IN
            SELECT a.grantee FROM pg_proc p, aclexplode(p.proacl) a
            WHERE p.oid = 'keep_job_days'::regproc AND a.privilege_type = 'EXECUTE' AND a.grantee NOT IN (0, p.proowner)
        LOOP
            EXECUTE 'GRANT EXECUTE ON FUNCTION keep_jobs TO ' || grantee;
        END LOOP;
    END
    $f$
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
