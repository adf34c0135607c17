"""A function: `job_with` says of a job that the same transaction has added by `add_job` or `add_job_after` until when
it is to be begun, and as how many jobs it counts in its queue's limits. Of any other job it says nothing.

Expand, then contract: the code of the release before must be able to run on this schema. Plain SQL; no `%` in it.
"""

from alembic import op

revision = "0024"
down_revision = "0023"

STATEMENTS = (
    # As 0018's: it runs as whoever has migrated, and nobody may call it before that is said.
    """
    CREATE FUNCTION job_with(
        job text, expires_s double precision DEFAULT NULL, weight int DEFAULT NULL
    ) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $f$
    #variable_conflict use_column
    DECLARE
        wrong text := CASE
            WHEN job_with.job IS NULL OR job_with.job !~ '^[0-9a-f]{32}$' THEN 'job: the id of one'
            WHEN job_with.expires_s <= 0 OR job_with.expires_s > 31622400 OR job_with.expires_s = 'NaN'
                THEN 'expires_s: above 0, to 31622400'
            WHEN job_with.weight NOT BETWEEN 1 AND 1000 THEN 'weight: 1 to 1000'
        END;
    BEGIN
        IF wrong IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'job_with: ' || wrong;
        END IF;
        UPDATE jobs j SET options = convert_to((coalesce(convert_from(j.options, 'UTF8')::jsonb, '{}')
            || jsonb_strip_nulls(jsonb_build_object('weight', job_with.weight, 'expires_ms',
                j.added_ms + ceil(job_with.expires_s * 1000)::bigint)))::text, 'UTF8')
        WHERE j.id = job_with.job::uuid AND j.xid = pg_current_xact_id();
        RETURN job_with.job;
    END
    $f$
    """,
    "REVOKE ALL ON FUNCTION job_with FROM PUBLIC",
    # Whoever may add jobs, one way or the other, may say so of them. By name: there may be others' functions of it.
    """
    DO $f$
    DECLARE
        grantee regrole;
    BEGIN
        EXECUTE 'ALTER FUNCTION job_with SET search_path = ' || quote_ident(current_schema()) || ', pg_temp';
        FOR grantee IN
            SELECT DISTINCT a.grantee FROM pg_proc p, aclexplode(p.proacl) a
            WHERE p.proname IN ('add_job', 'add_job_after')
                AND p.pronamespace = quote_ident(current_schema())::regnamespace
                AND a.privilege_type = 'EXECUTE' AND a.grantee NOT IN (0, p.proowner)
        LOOP
            EXECUTE 'GRANT EXECUTE ON FUNCTION job_with TO ' || grantee;
        END LOOP;
    END
    $f$
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
