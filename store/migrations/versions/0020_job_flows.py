"""A function: `add_job_after` adds a job in anybody's transaction, as `add_job` does, which waits for others. A
finished job keeps `let_go`, which says whether it was free to be worked on. And an index of those that wait for others,
or did: whoever drops jobs looks there for who names them.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.
"""

from alembic import op

revision = "0020"
down_revision = "0018"

STATEMENTS = (
    "ALTER TABLE jobs_done ADD COLUMN let_go bigint NOT NULL DEFAULT 0",
    """CREATE INDEX jobs_of_flows ON jobs (id) WHERE position('"waits":'::bytea IN options) > 0""",
    # As 0018's: it runs as whoever has migrated, and nobody may call it before that is said.
    """
    CREATE FUNCTION add_job_after(
        after text[], queue text, job text, arguments jsonb DEFAULT '{}', delay_s double precision DEFAULT 0,
        priority int DEFAULT 4, partition text DEFAULT '', attempts int DEFAULT 5, on_failure text DEFAULT 'fail',
        called_when text DEFAULT ''
    ) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $f$
    #variable_conflict use_column
    DECLARE
        made text;
        waits jsonb;
        wrong text := CASE
            WHEN coalesce(cardinality(add_job_after.after), 0) NOT BETWEEN 1 AND 1000 THEN 'after: 1 to 1000 ids'
            WHEN NOT (SELECT coalesce(bool_and(one IS NOT NULL AND one ~ '^[0-9a-f]{32}$'), false)
                FROM unnest(add_job_after.after) AS one) THEN 'after: ids of jobs'
            WHEN add_job_after.on_failure IS NULL OR add_job_after.on_failure NOT IN ('fail', 'ignore', 'continue')
                THEN 'on_failure: fail, ignore or continue'
            WHEN add_job_after.called_when IS NULL
                OR add_job_after.called_when NOT IN ('', 'success', 'failure', 'ended')
                THEN 'called_when: success, failure, ended, or nothing'
        END;
    BEGIN
        IF wrong IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'add_job_after: ' || wrong;
        END IF;
        SELECT jsonb_agg(jsonb_build_array(id, add_job_after.on_failure) ORDER BY first) INTO waits
        FROM (
            SELECT id, min(number) AS first FROM unnest(add_job_after.after) WITH ORDINALITY AS one (id, number)
            GROUP BY id
        ) AS of_those;
        made := add_job(add_job_after.queue, add_job_after.job, add_job_after.arguments, add_job_after.delay_s,
            add_job_after.priority, add_job_after.partition, add_job_after.attempts);
        UPDATE jobs j SET options = convert_to(jsonb_build_object('waits',
            jsonb_build_object('jobs', waits, 'when', add_job_after.called_when))::text, 'UTF8')
        WHERE j.id = made::uuid;
        RETURN made;
    END
    $f$
    """,
    "REVOKE ALL ON FUNCTION add_job_after FROM PUBLIC",
    """
    DO $f$
    BEGIN
        EXECUTE 'ALTER FUNCTION add_job_after SET search_path = ' || quote_ident(current_schema()) || ', pg_temp';
    END
    $f$
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
