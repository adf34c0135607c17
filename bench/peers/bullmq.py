"""BullMQ on Valkey, from npm: one Node process adds jobs and works on them, as its users run it.

Valkey keeps nothing on disk, as BullMQ's own figures have it. A job that is done stays there, as it does here.
"""

import json
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.peers.started import PeerMissing, program, version
from bench.question import Answer, Say
from bench.questions.jobs import JobsParams
from bench.reporting.sides import Side
from greenroom.store.own.processes import die_with_parent
from greenroom.store.own.programs import valkey_binary

FOLDER = Path(__file__).parent / "node"
DURABILITY = "not durable: jobs are in Valkey's memory, which keeps nothing on disk"
ANSWERS = {"jobs": None}
START_S = 10.0
ANSWER_S = 600.0


def side(bench: str) -> Side:
    """Its side of a benchmark in ANSWERS. Raises: PeerMissing."""
    node = program("bullmq", "node")
    package = FOLDER / "node_modules/bullmq/package.json"
    if not package.exists():
        raise PeerMissing(f"bullmq is not installed: run `npm ci` in {FOLDER}")
    about = f"BullMQ {json.loads(package.read_text())['version']}, Node {version(node, '--version')}, Valkey in memory"

    def answer(params: JobsParams, say: Say) -> Answer:
        say("running", 0.1)
        with _valkey() as socket:
            asked = {**_given(params), "socket": str(socket)}
            ran = subprocess.run(
                [node, "bullmq.mjs", json.dumps(asked)],
                cwd=FOLDER, capture_output=True, text=True, timeout=ANSWER_S, check=False,
            )  # fmt: skip
        if ran.returncode:
            raise PeerMissing(f"bullmq failed: {ran.stderr[-1_000:]}")
        return Answer({name: round(value, 3) for name, value in json.loads(ran.stdout).items()})

    return Side("bullmq", answer, DURABILITY, about)


def _given(params: JobsParams) -> dict[str, float]:
    return {name: getattr(params, name) for name in params.__dataclass_fields__}


@contextmanager
def _valkey() -> Iterator[Path]:
    """The path of its socket, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="bullmq-bench-") as name:
        socket = Path(name) / "valkey.sock"
        command = [
            str(valkey_binary()), "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no",
            "--maxmemory-policy", "noeviction",
        ]  # fmt: skip
        process = subprocess.Popen(
            command, cwd=name, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent(signal.SIGTERM)
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if "ready to accept connections" in line.lower():
                    break
            else:
                raise PeerMissing("bullmq: Valkey did not start")
            yield socket
        finally:
            process.terminate()
            process.wait(START_S)
