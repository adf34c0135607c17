"""Jobs: those that are not finished, what workers have taken of them, and those that are finished. And functions:
`add_job` to add one in anybody's transaction, `keep_job_days` to make and drop the days of those that are finished.

Both functions run as whoever has migrated, so that a role may add jobs that may do nothing else here: it must be
granted EXECUTE. They live where all our tables do, in the schema that was the current one.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.
"""

from alembic import op

revision = "0018"
down_revision = "0017"

STATEMENTS = (
    """
    CREATE TABLE jobs (
        id uuid PRIMARY KEY,
        queue text NOT NULL,
        job text NOT NULL,
        arguments bytea NOT NULL,
        added_ms bigint NOT NULL,
        due_ms bigint NOT NULL,
        partition text NOT NULL DEFAULT '',
        priority smallint NOT NULL DEFAULT 4,
        attempts smallint NOT NULL DEFAULT 0,
        attempts_max smallint NOT NULL DEFAULT 5,
        lost smallint NOT NULL DEFAULT 0,
        options bytea,
        let_go bigint NOT NULL DEFAULT 0,
        errors jsonb,
        cancel text,
        unique_key text,
        xid xid8
    )
    """,
    # A queue reads all that are its own when it wakes, page by page.
    "CREATE INDEX jobs_of_queue ON jobs (queue, id)",
    # And then what transactions of others have added that it has not seen yet. What its owner writes has no number of
    # a transaction: it knows of it.
    "CREATE INDEX jobs_of_others ON jobs (queue, xid, id) WHERE xid IS NOT NULL",
    # Not unique: who inserts would wait for whoever has the same key in an open transaction. The queue's owner decides.
    "CREATE INDEX jobs_by_key ON jobs (queue, unique_key) WHERE unique_key IS NOT NULL",
    # Until when a key keeps others out, whatever becomes of its job.
    """
    CREATE TABLE job_windows (
        queue text NOT NULL,
        unique_key text NOT NULL,
        id uuid NOT NULL,
        until_ms bigint NOT NULL,
        PRIMARY KEY (queue, unique_key)
    )
    """,
    """
    CREATE TABLE job_takes (
        queue text NOT NULL,
        token bigint NOT NULL,
        worker text NOT NULL,
        at_ms bigint NOT NULL,
        ids uuid[] NOT NULL,
        process text NOT NULL DEFAULT '',
        PRIMARY KEY (queue, token)
    )
    """,
    # Of jobs that are not finished: what is through of them.
    """
    CREATE TABLE job_steps (
        id uuid NOT NULL,
        name text NOT NULL,
        result bytea NOT NULL,
        PRIMARY KEY (id, name)
    )
    """,
    """
    CREATE TABLE jobs_done (
        id uuid NOT NULL,
        queue text NOT NULL,
        job text NOT NULL,
        arguments bytea NOT NULL,
        added_ms bigint NOT NULL,
        due_ms bigint NOT NULL,
        partition text NOT NULL,
        priority smallint NOT NULL,
        attempts smallint NOT NULL,
        attempts_max smallint NOT NULL,
        lost smallint NOT NULL,
        options bytea,
        state text NOT NULL,
        ended_ms bigint NOT NULL,
        worker text NOT NULL,
        started_ms bigint,
        result bytea,
        errors jsonb
    ) PARTITION BY RANGE (ended_ms)
    """,
    "CREATE TABLE jobs_done_rest PARTITION OF jobs_done DEFAULT",
    "CREATE INDEX jobs_done_by_id ON jobs_done (id)",
    # The names of the arguments are columns' too: what is meant stands before them.
    """
    CREATE FUNCTION add_job(
        queue text, job text, arguments jsonb DEFAULT '{}', delay_s double precision DEFAULT 0, priority int DEFAULT 4,
        partition text DEFAULT '', attempts int DEFAULT 5, unique_key text DEFAULT NULL,
        unique_mode text DEFAULT 'simple', unique_ttl_s double precision DEFAULT 0
    ) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $f$
    #variable_conflict use_column
    DECLARE
        now_ms bigint := floor(extract(epoch FROM clock_timestamp()) * 1000);
        body bytea := convert_to(add_job.arguments::text, 'UTF8');
        options jsonb;
        first uuid;
        made uuid;
        controls text := '[\\u0001-\\u001f\\u007f]';
        wrong text := CASE
            WHEN add_job.queue IS NULL OR length(add_job.queue) NOT BETWEEN 1 AND 255 THEN 'queue: 1 to 255 characters'
            WHEN add_job.job IS NULL OR length(add_job.job) NOT BETWEEN 1 AND 255 THEN 'job: 1 to 255 characters'
            WHEN add_job.queue ~ controls THEN 'queue: no control characters'
            WHEN add_job.job ~ controls THEN 'job: no control characters'
            WHEN add_job.partition ~ controls THEN 'partition: no control characters'
            WHEN add_job.unique_key ~ controls THEN 'unique_key: no control characters'
            WHEN jsonb_typeof(add_job.arguments) IS DISTINCT FROM 'object' THEN 'arguments: a JSON object'
            WHEN length(body) > 262144 THEN 'arguments: at most 262144 bytes'
            WHEN add_job.delay_s IS NULL OR add_job.delay_s NOT BETWEEN 0 AND 31622400
                THEN 'delay_s: 0 to 31622400'
            WHEN add_job.priority IS NULL OR add_job.priority NOT BETWEEN 0 AND 9 THEN 'priority: 0 to 9'
            WHEN add_job.partition IS NULL OR length(add_job.partition) > 255 THEN 'partition: at most 255 characters'
            WHEN add_job.attempts IS NULL OR add_job.attempts NOT BETWEEN 1 AND 1000 THEN 'attempts: 1 to 1000'
            WHEN length(add_job.unique_key) NOT BETWEEN 1 AND 255 THEN 'unique_key: 1 to 255 characters'
            WHEN add_job.unique_mode IS NULL
                OR add_job.unique_mode NOT IN ('simple', 'throttle', 'debounce', 'keep_last')
                THEN 'unique_mode: simple, throttle, debounce or keep_last'
            WHEN add_job.unique_ttl_s IS NULL OR add_job.unique_ttl_s NOT BETWEEN 0 AND 604800
                OR (add_job.unique_key IS NOT NULL AND add_job.unique_ttl_s = 0
                    AND add_job.unique_mode IN ('throttle', 'debounce'))
                THEN 'unique_ttl_s: 0 to 604800, above 0 for throttle and debounce'
        END;
    BEGIN
        IF wrong IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'add_job: ' || wrong;
        END IF;
        IF EXISTS (
            SELECT FROM erasures e WHERE e.digest = sha256(convert_to('queue:' || add_job.queue, 'UTF8'))
        ) THEN
            RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = 'add_job: the queue was forgotten, and takes no more jobs';
        END IF;
        IF add_job.unique_key IS NOT NULL THEN
            -- What is there already; of what comes at the same time the queue keeps the first.
            IF add_job.unique_mode = 'simple' THEN
                SELECT j.id INTO first FROM jobs j
                WHERE j.queue = add_job.queue AND j.unique_key = add_job.unique_key ORDER BY j.id LIMIT 1;
            ELSIF add_job.unique_mode = 'throttle' THEN
                SELECT w.id INTO first FROM job_windows w
                WHERE w.queue = add_job.queue AND w.unique_key = add_job.unique_key AND w.until_ms > now_ms;
            END IF;
            IF first IS NOT NULL THEN
                RETURN replace(first::text, '-', '');
            END IF;
            options := jsonb_build_object('unique', jsonb_build_object('key', add_job.unique_key,
                'mode', add_job.unique_mode, 'ttl_s', add_job.unique_ttl_s));
        END IF;
        -- A UUID of version 7: the time, and all else by chance.
        made := encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
            placing substring(int8send(now_ms) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid;
        INSERT INTO jobs (id, queue, job, arguments, added_ms, due_ms, partition, priority, attempts_max, options,
            unique_key, xid)
        VALUES (made, add_job.queue, add_job.job, body, now_ms, now_ms + floor(1000 * CASE
                WHEN add_job.unique_key IS NOT NULL AND add_job.unique_mode = 'debounce'
                THEN greatest(add_job.delay_s, add_job.unique_ttl_s) ELSE add_job.delay_s END)::bigint,
            add_job.partition, add_job.priority, add_job.attempts, convert_to(options::text, 'UTF8'),
            add_job.unique_key, pg_current_xact_id());
        RETURN replace(made::text, '-', '');
    END
    $f$
    """,
    "REVOKE ALL ON FUNCTION add_job FROM PUBLIC",
    # One does it at a time, and whoever must wait for a lock leaves it for the next time: appends wait behind that.
    """
    CREATE FUNCTION keep_job_days(kept int, ahead int DEFAULT 3) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER AS $f$
    DECLARE
        today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
        day date;
        part text;
        dropped int := 0;
    BEGIN
        IF NOT pg_try_advisory_xact_lock(hashtext('greenroom.keep_job_days')) THEN
            RETURN 0;
        END IF;
        PERFORM set_config('lock_timeout', '100ms', true);
        FOR day IN SELECT today + n FROM generate_series(0, keep_job_days.ahead) n LOOP
            part := 'jobs_done_' || to_char(day, 'YYYYMMDD');
            CONTINUE WHEN to_regclass(part) IS NOT NULL;
            BEGIN
                EXECUTE 'CREATE TABLE ' || part || ' (LIKE jobs_done INCLUDING DEFAULTS)';
                EXECUTE 'ALTER TABLE jobs_done ATTACH PARTITION ' || part || ' FOR VALUES FROM ('
                    || (day - date '1970-01-01') * 86400000::bigint || ') TO ('
                    || (day + 1 - date '1970-01-01') * 86400000::bigint || ')';
            EXCEPTION WHEN lock_not_available OR check_violation OR invalid_object_definition THEN
                EXIT; -- or the rest has some of that day: there they stay until they are too old
            END;
        END LOOP;
        FOR part IN
            SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'jobs_done'::regclass AND c.relname ~ '^jobs_done_[0-9]{8}$'
                AND to_date(right(c.relname, 8), 'YYYYMMDD') < today - keep_job_days.kept
            ORDER BY 1
        LOOP
            BEGIN
                EXECUTE 'DROP TABLE ' || part;
                dropped := dropped + 1;
            EXCEPTION WHEN lock_not_available THEN
                EXIT;
            END;
        END LOOP;
        DELETE FROM job_windows WHERE until_ms < floor(extract(epoch FROM clock_timestamp()) * 1000);
        RETURN dropped;
    END
    $f$
    """,
    "REVOKE ALL ON FUNCTION keep_job_days FROM PUBLIC",
    # Whoever calls them must not say whose tables are meant, not by temporary ones either.
    """
    DO $f$
    BEGIN
        EXECUTE 'ALTER FUNCTION add_job SET search_path = ' || quote_ident(current_schema()) || ', pg_temp';
        EXECUTE 'ALTER FUNCTION keep_job_days SET search_path = ' || quote_ident(current_schema()) || ', pg_temp';
    END
    $f$
    """,
    "SELECT keep_job_days(7)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
