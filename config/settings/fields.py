"""The node's own settings, each with its default, what is allowed, and what it means."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from greenroom.config.limits import MIB, DrainConfig, KafkaConfig, NoticesConfig, SinkConfig
from greenroom.config.settings.forms import (
    addresses_by_name,
    arms_by_name,
    below,
    database_address,
    existing_file,
    existing_folder,
    host_and_port,
    import_path,
    job_keys,
    mail_address,
    model_file,
    objects_address,
    origin,
    public_key,
    redis_address,
    slots_by_queue,
    split,
    split_unless_none,
    topics_by_name,
    vapid_contact,
    vapid_key,
    web_address,
    webhook_secrets,
)
from greenroom.config.settings.sections import SectionSettings

WORK_CANCEL_S = 4.0  # what jobs that are cancelled then, and saying so, may take


def _setting(default: Any, meaning: str, *, allowed: str | None = None, **bounds: Any) -> Any:
    """A field with what the table says of it. `allowed` is worked out from type and bounds unless given."""
    return Field(default, description=meaning, json_schema_extra={"allowed": allowed} if allowed else None, **bounds)


class NodeSettings(SectionSettings):
    """The settings of one node, each valid by itself. `Settings` are those that are valid together."""

    env: Literal["local", "staging", "production"] = _setting(
        "local",
        "how strict the start is: staging needs a secret or key; production a secret or key, a database, Redis and "
        "named origins as well",
    )
    host: str = _setting("127.0.0.1", "address to listen on", allowed="an address or host name", min_length=1)
    port: int = _setting(8000, "port to listen on; 0 takes a free one", ge=0, le=65_535)
    nodes: int = _setting(
        1,
        "1: this node is alone, and refuses to serve a database that another one serves; 0: any number of nodes serve "
        "it, on any hosts, and share out its entities; from 2 on: so many of those are started here, on one port",
        ge=0,
        le=256,
    )
    capacity: int = _setting(
        100, "this node's part of the entities, in proportion to what the others have here", ge=1, le=1_000_000
    )
    local_on_network: bool = _setting(
        False,
        "with ENV=local whoever reaches the port may be anybody: true says that this is meant on a HOST that is not "
        "loopback, where others reach it",
    )
    database_url: Annotated[SecretStr, AfterValidator(database_address)] | None = _setting(
        None,
        "Postgres; unset: a server of our own in DATA_DIR",
        allowed="postgresql://user:password@host:port/database; several host:port separated by commas; behind a "
        "pooler that gives sessions away by transaction, with ?pool_mode=transaction",
    )
    redis_url: Annotated[SecretStr, AfterValidator(redis_address)] | None = _setting(
        None,
        "Redis or Valkey, its sentinels, or nodes of its cluster; unset: a server of our own in DATA_DIR",
        allowed="redis://user:password@host:port/database, rediss://…, unix://…, redis+sentinel://host:port/name; "
        "several host:port separated by commas",
    )
    path_prefix: Annotated[str, AfterValidator(below)] = _setting(
        "",
        "path below which a proxy serves us; taken off every request that begins with it",
        allowed="a path such as /chat, not below an address of ours",
    )
    data_dir: Path = _setting(
        Path(".greenroom"), "folder of our own servers and of the secret made for ENV=local", allowed="a folder"
    )
    auth_secret: SecretStr | None = _setting(
        None,
        "shared secret of HS256 tokens; unset with ENV=local: one is made and kept in DATA_DIR",
        allowed="any text, of at least 32 bytes unless ENV=local; random ones are advised",
    )
    auth_public_key: Annotated[str, AfterValidator(public_key)] | None = _setting(
        None, "public key of EdDSA or RS256 tokens", allowed="PEM text that begins -----BEGIN PUBLIC KEY-----"
    )
    auth_jwks_file: Annotated[Path, AfterValidator(existing_file)] | None = _setting(
        None,
        "public keys of EdDSA or RS256 tokens, by key id; read again when it has changed, and at SIGHUP",
        allowed="an existing JWKS file",
    )
    auth_algorithm: Literal["HS256", "EdDSA", "RS256"] | None = _setting(
        None,
        "the one algorithm accepted in tokens; unset: HS256 with a secret, else that of the key",
        allowed="HS256 | EdDSA | RS256",
    )
    token_issuer: str | None = _setting(
        None,
        "what `iss` of a token must be; needed with AUTH_JWKS_FILE unless ENV=local, since others may share the keys",
        allowed="the issuer's name, as its tokens have it",
        min_length=1,
    )
    token_audience: str | None = _setting(
        None,
        "what `aud` of a token must be or contain; needed with AUTH_JWKS_FILE unless ENV=local: tokens for other "
        "applications of the issuer are not for us",
        allowed="our name at the issuer, as its tokens have it",
        min_length=1,
    )
    token_roles_claim: str = _setting(
        "roles",
        "the claim that holds the list of a user's roles; `realm_access.roles` is inside an object",
        allowed="a claim's name, or names with dots between",
        min_length=1,
    )
    anonymous: Literal["refuse", "watch"] = _setting(
        "refuse",
        "who brings no token is refused, or may watch what entities show to the anonymous, and send nothing; with "
        "ENV=local they may act as well, and name themselves",
    )
    details: Literal["auto", "anybody", "staff"] = _setting(
        "auto",
        "who may read /docs and the figures in /health: anybody, or tokens with the role service or admin; auto: "
        "anybody with ENV=local, else staff",
    )
    allowed_origins: Annotated[tuple[Annotated[str, AfterValidator(origin)], ...], NoDecode, BeforeValidator(split)] = (
        _setting(
            (),
            "pages that may connect besides our own; * for any page (not in production)",
            allowed="https://host[:port], https://*.example.org for its subdomains, an app's as capacitor://localhost, "
            "several separated by commas, or *",
        )
    )
    entities: Annotated[tuple[Annotated[str, AfterValidator(import_path)], ...], NoDecode, BeforeValidator(split)] = (
        _setting(
            (), "entities of your own to serve", allowed="package.module:Class or package.module, separated by commas"
        )
    )
    built_in_views: Annotated[
        tuple[Literal["conversations", "entities", "messages", "rooms", "sagas"], ...],
        NoDecode,
        BeforeValidator(split_unless_none),
    ] = _setting(
        (),
        "Greenroom's own views that are kept up; each costs time for what it folds, `entities` for every event",
        allowed="conversations, entities, messages, rooms and sagas, separated by commas, or none",
    )
    work: Annotated[dict[str, int], NoDecode, BeforeValidator(slots_by_queue)] = _setting(
        {},
        "queues whose jobs this node works on, and how many of each run at once",
        allowed="queue:number, several separated by commas; the number is 1 to 10000",
    )
    work_token: SecretStr | None = _setting(
        None,
        "what `greenroom work` shows the server whose jobs it works on; unset: a token signed with AUTH_SECRET",
        allowed="a token with the role service",
    )
    work_stop_s: float = _setting(
        10.0,
        "longest a stopping node waits for the jobs that it works on, before it drains, seconds; those that are left "
        "are cancelled, and go back to their queue",
        ge=0,
        le=86_400,
    )
    jobs_kept_days: int = _setting(
        7,
        "days for which jobs are kept that have ended, unless more is said by how they have; older ones go a day at a "
        "time",
        ge=1,
        le=366,
    )
    jobs_kept_completed_days: int | None = _setting(None, "of those that have succeeded", ge=1, le=366)
    jobs_kept_failed_days: int | None = _setting(None, "of those that have failed", ge=1, le=366)
    jobs_kept_cancelled_days: int | None = _setting(None, "of those that were cancelled", ge=1, le=366)
    jobs_kept_most: int | None = _setting(
        None,
        "finished jobs that are kept, about; of more the oldest days go before their time, what has failed last, "
        "and never those of today; unset: as many as there are",
        ge=1_000,
        le=10**12,
    )
    jobs_keys: Annotated[SecretStr, AfterValidator(job_keys)] | None = _setting(
        None,
        "what arguments and results of jobs are encrypted with whose class says so: the first key encrypts, all of "
        "them decrypt",
        allowed="32 bytes in base64, as `openssl rand -base64 32` makes them; several with spaces between",
    )
    static: Annotated[Path, AfterValidator(existing_folder)] | None = _setting(
        None,
        "folder of pages of your own, served from / on; its index.html takes the place of the chat page",
        allowed="a folder that can be read, without names that are addresses of ours, and not around DATA_DIR",
    )
    media: Annotated[str, AfterValidator(objects_address)] | None = _setting(
        None,
        "where uploads below /media are kept; unset: there are none. Takes Greenroom's extra `media`; a bucket's "
        "credentials are read from the environment, as its own tools read them",
        allowed="file:///folder, s3://bucket/prefix, gs://bucket/prefix, az://account/container/prefix",
    )
    media_secret: SecretStr | None = _setting(
        None,
        "what links to media are signed with; unset: a key made of AUTH_SECRET",
        allowed="any text of at least 32 bytes",
        min_length=32,
    )
    media_ffmpeg: str = _setting(
        "ffmpeg",
        "the program that videos are worked on with, by its name or path, its ffprobe beside it; `none`: videos are "
        "refused",
        allowed="a name or a path, or none",
        min_length=1,
    )
    shards: int = _setting(
        4096, "shards that entities hash onto; never change it for a database in use", ge=1, le=65_536
    )
    lease_s: float = _setting(
        5.0,
        "a node that can't renew its lease for this long may be taken for dead by another one, seconds",
        ge=1,
        le=60,
    )
    drain_s: float = _setting(DrainConfig().deadline_s, "longest a stopping node may drain, seconds", gt=0)
    drain_connects_per_s: int = _setting(
        DrainConfig().connects_per_s,
        "clients that a stopping node lets go each second for each other node, which they come to; more, where there "
        "would not be the time",
        ge=1,
        le=100_000,
    )

    webhook_urls: Annotated[dict[str, str], NoDecode, BeforeValidator(addresses_by_name)] = _setting(
        {},
        "where webhook sinks deliver to",
        allowed="name=https://host/path, several separated by commas; the name is a sink's",
    )
    webhook_secret: Annotated[SecretStr, AfterValidator(webhook_secrets)] | None = _setting(
        None,
        "what webhook sinks sign with; with two, both sign, so that receivers can change from one to the other",
        allowed="whsec_ and 24 to 64 bytes in base64; two with a space between",
    )
    webhook_private_addresses: bool = _setting(
        False, "may webhook sinks deliver to private networks and to this host, and by http://?"
    )
    webhook_timeout_s: float = _setting(
        15.0, "longest that a webhook's receiver may take to answer, seconds", gt=0, le=300
    )

    kafka_servers: Annotated[
        tuple[Annotated[str, AfterValidator(host_and_port)], ...], NoDecode, BeforeValidator(split)
    ] = _setting(
        (), "brokers that Kafka sinks ask first for all others", allowed="host:port, several separated by commas"
    )
    kafka_topics: Annotated[dict[str, str], NoDecode, BeforeValidator(topics_by_name)] = _setting(
        {},
        "where Kafka sinks deliver to, if not to a topic of the sink's own name",
        allowed="name=topic, several separated by commas; the name is a sink's",
    )
    kafka_security: Literal["ssl", "plaintext", "sasl_ssl", "sasl_plaintext"] = _setting(
        "ssl",
        "how brokers are spoken to: ssl is TLS, which always verifies their certificates; sasl_… shows a user and a "
        "password as well",
    )
    kafka_sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = _setting(
        "SCRAM-SHA-512", "how the password is shown to brokers, with KAFKA_SECURITY=sasl_…"
    )
    kafka_sasl_user: str = _setting(
        "", "user of Kafka sinks", allowed="a name of at most 255 characters", max_length=255
    )
    kafka_sasl_password: SecretStr | None = _setting(
        None, "password of that user", allowed="any text of at most 1,024 characters", max_length=1024
    )
    kafka_ca_file: Annotated[Path, AfterValidator(existing_file)] | None = _setting(
        None,
        "certificates of those who may sign the brokers'; unset: those that the system trusts",
        allowed="an existing file of PEM certificates",
    )
    kafka_message_bytes_max: int = _setting(
        1_000_000,
        "bytes of an event that a Kafka sink hands on, with its key; of a longer one the entity is parked. Brokers and "
        "topic must take it (max.message.bytes)",
        ge=1_000,
        le=16 * MIB,
    )
    kafka_timeout_s: float = _setting(
        15.0, "longest that brokers may take to acknowledge a batch of a Kafka sink, seconds", gt=0, le=300
    )

    ranking_model: Annotated[Path, AfterValidator(model_file)] | None = _setting(
        None,
        "the model that feeds are ranked by, read again when it has changed; unset: the light score alone",
        allowed="an existing file that ends in .txt, of LightGBM, or in .json, of weights",
    )
    ranking_experiment: str = _setting(
        "experiment",
        "name of the experiment whose arms RANKING_ARMS are; another one splits users anew",
        allowed="a name of letters, digits, - and _",
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
    )
    ranking_arms: Annotated[dict[str, tuple[float, Path | None]], NoDecode, BeforeValidator(arms_by_name)] = _setting(
        {},
        "parts of the users whose feeds are ranked otherwise, by a hash of the user; all others are the control",
        allowed="name=percent:file, or name=percent:light for the light score, several separated by commas; at most "
        "100 percent together",
    )
    ranking_exposures: Path | None = _setting(
        None, "where the sink of exposures writes what was shown, and what came of it", allowed="a folder"
    )

    smtp_server: Annotated[str, AfterValidator(host_and_port)] | None = _setting(
        None, "what notices are handed to as mail; unset: none are", allowed="host:port"
    )
    smtp_security: Literal["starttls", "tls", "plain"] = _setting(
        "starttls",
        "starttls: TLS from the second command on, or nothing is sent; tls: from the first byte, as on port 465; "
        "plain: none, for a server on this host",
    )
    smtp_user: str = _setting(
        "", "user of that server; unset: none is named", allowed="a name of at most 255 characters", max_length=255
    )
    smtp_password: SecretStr | None = _setting(
        None, "password of that user", allowed="any text of at most 1,024 characters", max_length=1024
    )
    smtp_from: Annotated[str, AfterValidator(mail_address)] | None = _setting(
        None, "whom notices are from", allowed="name@example.org"
    )
    smtp_ca_file: Annotated[Path, AfterValidator(existing_file)] | None = _setting(
        None,
        "certificates of those who may sign the mail server's; unset: those that the system trusts",
        allowed="an existing file of PEM certificates",
    )
    smtp_timeout_s: float = _setting(30.0, "longest that the mail server may take to answer, seconds", gt=0, le=60)
    vapid_private_key: Annotated[SecretStr, AfterValidator(vapid_key)] | None = _setting(
        None,
        "what messages to browsers are signed with; unset: none are sent. Browsers subscribe with its public half, and "
        "are lost with another",
        allowed="the 32 bytes of a private key on P-256, in base64url",
    )
    vapid_subject: Annotated[str, AfterValidator(vapid_contact)] | None = _setting(
        None, "whom services of push may write to about us", allowed="mailto:name@example.org or https://host/path"
    )
    notices_url: Annotated[str, AfterValidator(web_address)] | None = _setting(
        None, "where mails lead to, to read what they tell of", allowed="https://host/path"
    )
    unsubscribe_url: Annotated[str, AfterValidator(web_address)] | None = _setting(
        None,
        "where this server's /unsubscribe is: mails then have a link that ends such mails, at one click and without "
        "signing in",
        allowed="https://host/unsubscribe",
    )
    unsubscribe_secret: SecretStr | None = _setting(
        None,
        "what these links are signed with, on workers and servers alike; unset: a key made of AUTH_SECRET. With "
        "another one, links in mails that were sent hold no more",
        allowed="any text of at least 32 bytes",
        min_length=32,
    )

    @property
    def notices(self) -> NoticesConfig:
        return NoticesConfig(
            smtp_server=self.smtp_server or "",
            smtp_security=self.smtp_security,
            smtp_user=self.smtp_user,
            smtp_password=self.smtp_password,
            smtp_from=self.smtp_from or "",
            smtp_ca_file=self.smtp_ca_file,
            smtp_timeout_s=self.smtp_timeout_s,
            vapid_private_key=self.vapid_private_key,
            vapid_subject=self.vapid_subject or "",
            notices_url=self.notices_url or "",
            unsubscribe_url=self.unsubscribe_url or "",
            secret=self.unsubscribe_secret or self.auth_secret,
        )

    @property
    def sink(self) -> SinkConfig:
        return SinkConfig(
            webhook_urls=self.webhook_urls,
            webhook_secret=self.webhook_secret,
            webhook_private_addresses=self.webhook_private_addresses,
            webhook_timeout_s=self.webhook_timeout_s,
            kafka=KafkaConfig(
                servers=self.kafka_servers,
                topics=self.kafka_topics,
                security=self.kafka_security,
                sasl_mechanism=self.kafka_sasl_mechanism,
                sasl_user=self.kafka_sasl_user,
                sasl_password=self.kafka_sasl_password,
                ca_file=self.kafka_ca_file,
                message_bytes_max=self.kafka_message_bytes_max,
                timeout_s=self.kafka_timeout_s,
            ),
            exposures=self.ranking_exposures,
        )

    @property
    def details_for_staff(self) -> bool:
        """Are /docs and the figures in /health for tokens with a role alone?"""
        return self.details == "staff" or (self.details == "auto" and self.env != "local")

    @property
    def stopping_s(self) -> float:
        """Longest that a node may take from a signal until it has drained."""
        return self.drain_s + (self.work_stop_s + WORK_CANCEL_S if self.work else 0.0)

    @property
    def drain(self) -> DrainConfig:
        return DrainConfig(deadline_s=self.drain_s, connects_per_s=self.drain_connects_per_s)
