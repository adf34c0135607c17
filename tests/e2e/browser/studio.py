"""A queue with jobs in all states, and a saga, for the admin pages."""

from typing import Any

from tests.e2e.server import Server, wait_until

SECRET = "sweeney"


class Studio:
    """On a server that has tests/supervisors/admin/jobs/studio.py, and works on its queue."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.admin = {"Authorization": f"Bearer {self.server.token('root', roles=['admin'])}"}
        self.failed = self.add(film=SECRET, fails=True)
        self.active = self.add(film="long", seconds=600)
        self.delayed = self.add(600.0, film="late", licence="L-2")
        self.server.command("premiere:a", "open", {"hall": "big"}, user="ann")
        wait_until(lambda: self.state(self.failed) == "failed", "a job to fail")

    def add(self, delay_s: float = 0.0, **arguments: Any) -> str:
        fields = {"job": "job.cut", "arguments": arguments, "delay_s": delay_s}
        return str(self.server.command("queue:studio", "add", fields, user=None, headers=self.admin)["id"])

    def read(self, path: str) -> Any:
        return self.server.request("GET", path, user=None, headers=self.admin)

    def state(self, job: str) -> str:
        return str(self.read(f"/admin/api/job?name={job}").body["state"])

    def stored(self) -> Any:
        return self.read(f"/api/job/{self.delayed}").body["view"]["arguments"]

    def is_paused(self) -> bool:
        return bool(self.read("/admin/api/queue?name=studio").body["paused"])

    def wait_until_gone(self) -> None:
        wait_until(lambda: self.read(f"/admin/api/job?name={self.failed}").status == 404, "it to be forgotten")

    def given(self, role: str, user: str) -> dict[str, Any]:
        return {
            "url": self.server.url,
            "token": self.server.token(user, roles=[role]),
            "failed": self.failed,
            "active": self.active,
            "delayed": self.delayed,
            "saga": "premiere:a",
            "secret": SECRET,
        }
