"""A daemon that is only its HTTP side: answers as docs/reference/api.md says, remembers what it was asked."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.home import Home

RUN = {
    "id": "r-1",
    "name": "first",
    "preset": "tiny",
    "brain": "synapse",
    "device": "cpu",
    "state": "running",
    "degraded": None,
    "reason": None,
    "step": 1234,
    "samples": 39488,
    "training_seconds": 154.2,
    "created_at": "2026-02-19T14:30:56+00:00",
    "started_at": "2026-02-19T14:30:57+00:00",
    "ended_at": None,
    "session": 1,
    "latest": {"bpc": 2.914, "phi": None},
    "sample": "once upon",
    "checkpoint": "continuous_1706123456",
}
EVENT = {
    "seq": 7,
    "run": "r-1",
    "session": 1,
    "kind": "checkpoint_saved",
    "severity": "info",
    "step": 1234,
    "time": "2026-02-19T14:35:56+00:00",
    "message": "[Checkpoint] Saved",
    "data": {
        "checkpoint": "continuous_1706123456",
        "path": "checkpoints/continuous_1706123456",
        "reason": "auto",
    },
}
JOB = {
    "id": "backup",
    "summary": "Copy the database",
    "trigger": "every 24 h",
    "next_run": "2026-02-20T03:00:00+00:00",
    "paused": False,
    "last_run": None,
    "last_outcome": None,
}


class FakeDaemon:
    """Serves one run in a home; `problems` maps (method, path) to (status, problem document)."""

    def __init__(self, home: Home, runs: list[dict[str, Any]] | None = None) -> None:
        self.home = home
        self.runs = [dict(RUN)] if runs is None else runs
        self.asked: list[tuple[str, str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.problems: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}
        self.lists: dict[str, list[dict[str, Any]]] = {"/events": [EVENT], "/runs/r-1/events": [EVENT]}
        daemon = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                return

            def do_GET(self) -> None:
                self._serve()

            def do_POST(self) -> None:
                self._serve()

            def do_PATCH(self) -> None:
                self._serve()

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                daemon.headers.append(dict(self.headers))
                status, answer = daemon.answer(self.command, self.path, body)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self.home.write_daemon_file(port=self.port, url=self.url)
        return self

    def __exit__(self, *_: object) -> None:
        self.home.remove_daemon_file()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        """Status and document for one request."""
        split = urlsplit(target)
        path = split.path.removeprefix("/api/v1")
        query = {key: values[0] for key, values in parse_qs(split.query).items()}
        self.asked.append((method, path, body if method != "GET" else query))
        if (method, path) in self.problems:
            return self.problems[method, path]
        lists = {"/runs": self.runs, "/schedule": [JOB], **self.lists}
        if method == "GET" and path in lists:
            return 200, self._page(lists[path], query)
        run = next((run for run in self.runs if path.startswith(f"/runs/{run['id']}")), None)
        found = (
            self._of_run(run, path.removeprefix(f"/runs/{run['id']}"), body)
            if run
            else self._other(path, body)
        )
        return found or (404, {"title": "Not Found", "status": 404, "detail": f"there is no {path}"})

    def _of_run(self, run: dict[str, Any], path: str, body: Any) -> tuple[int, Any] | None:
        if path == "/actions" and body["action"] == "stop":
            run["state"] = "stopped"
        answers: dict[str, Callable[[], tuple[int, Any]]] = {
            "": lambda: (200, run),
            "/actions": lambda: (202, self._operation(body["action"], "pending")),
            "/experience": lambda: (202, self._operation("feed", "done")),
            "/generate": lambda: (200, {"text": " there", "bytes_generated": 6, "step": run["step"]}),
        }
        return answers[path]() if path in answers else None

    def _other(self, path: str, body: Any) -> tuple[int, Any] | None:
        if path == "/shutdown":
            self.home.remove_daemon_file()
        answers: dict[str, Callable[[], tuple[int, Any]]] = {
            "/operations/o-1": lambda: (200, self._operation("checkpoint", "done")),
            "/schedule/backup": lambda: (200, {**JOB, **body}),
            "/schedule/backup/run": lambda: (202, self._operation("backup", "pending")),
            "/one-time-urls": lambda: (201, {"url": f"{self.url}/?token=once"}),
            "/shutdown": lambda: (202, {"status": "stopping"}),
            "/health": lambda: (200, {"status": "ok"}),
        }
        return answers[path]() if path in answers else None

    def _page(self, items: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
        begin, limit = int(query.get("cursor", 0)), int(query.get("limit", 50))
        end = begin + limit
        return {"items": items[begin:end], "next": str(end) if end < len(items) else None}

    def _operation(self, action: str, state: str) -> dict[str, Any]:
        result = {"checkpoint": "continuous_1706123999"} if action == "checkpoint" else {}
        return {"id": "o-1", "run": "r-1", "action": action, "state": state, "result": result, "error": None}
