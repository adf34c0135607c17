"""nginx with `deploy/nginx.conf`, adapted as its head says: names, ports, paths of certificates, where nodes are, and
nothing else."""

import datetime
import ipaddress
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.e2e.server import wait_until

PROGRAM = shutil.which("nginx") or "/usr/sbin/nginx"
CONFIG = Path(__file__).parents[2] / "deploy" / "nginx.conf"
NODES = CONFIG.with_name("nginx-nodes.conf")
NAME = "chat.example.org"
# What a distribution's nginx.conf says around the file: where it keeps things, and as whom it works.
AROUND = """
user {user};
worker_processes 1;
error_log {folder}/error.log notice;
pid {folder}/nginx.pid;
daemon off;
events {{ worker_connections 256; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/greenroom.conf;
    include {folder}/nodes.conf;
}}
"""


class Nginx:
    """On two free ports of the loopback, before the servers on `upstreams`, below `prefix`."""

    def __init__(self, *upstreams: int, prefix: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="greenroom-nginx-"))
        self.port, self.plain_port = free_ports(2)
        self._write_certificate()
        adapted = CONFIG.read_text()
        for was, now in (
            ("listen 80;", f"listen 127.0.0.1:{self.plain_port};"),
            ("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl"),
            ("/etc/ssl/greenroom/", f"{self.folder}/"),
            ("/var/log/nginx/", f"{self.folder}/"),
        ):
            assert adapted.count(was) >= 1, was
            adapted = adapted.replace(was, now)
        adapted = re.sub(r"location (= )?/", rf"location \1{prefix}/", adapted)
        (self.folder / "greenroom.conf").write_text(adapted)
        nodes, number = re.subn(r"( *server )127.0.0.1:\d+(.*\n)(?: *server .*\n)+", r"\1PLACE\2", NODES.read_text())
        assert number == 1
        (line,) = re.findall(r".*PLACE.*\n", nodes)
        places = "".join(line.replace("PLACE", f"127.0.0.1:{port}") for port in upstreams)
        (self.folder / "nodes.conf").write_text(nodes.replace(line, places))
        around = AROUND.format(folder=self.folder, user=self.folder.owner())
        (self.folder / "nginx.conf").write_text(around)
        self._process: subprocess.Popen[bytes] | None = None

    def _write_certificate(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
        now = datetime.datetime.now(datetime.UTC)
        names = [x509.DNSName(NAME), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(key, hashes.SHA256())
        )
        (self.folder / "fullchain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (self.folder / "privkey.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [PROGRAM, "-p", str(self.folder), "-e", str(self.folder / "error.log"), "-c", "nginx.conf"],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(self._listens, "nginx to listen")
        return self

    def _listens(self) -> bool:
        assert self._process is not None and self._process.poll() is None, self.log()
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5.0)
        print(self.log()[-10_000:])  # pytest shows it when the test has failed
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        log = self.folder / "error.log"
        return log.read_text(errors="replace") if log.exists() else ""


def free_ports(number: int) -> list[int]:
    socks = [socket.socket() for _ in range(number)]
    for sock in socks:
        sock.bind(("127.0.0.1", 0))
    ports = [sock.getsockname()[1] for sock in socks]
    for sock in socks:
        sock.close()
    return ports
