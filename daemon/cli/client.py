"""The CLI's way to a running daemon: its address and token from the home, its errors as one clear line."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from daemon.errors import ConflictError, DaemonError, NotFoundError, NotRunningError, UsageError
from daemon.home import Home
from daemon.missing_run import no_run
from daemon.system.escaping import one_line
from daemon.trainer_protocol import RunState

BASE = "/api/v1"
TIMEOUT_SECONDS = 30.0
OPERATION_TIMEOUT_SECONDS = 600.0
PAGE_LIMIT = 500

ERRORS: dict[int, type[DaemonError]] = {
    400: UsageError,
    404: NotFoundError,
    405: UsageError,
    409: ConflictError,
    413: UsageError,
    422: UsageError,
}


class DaemonClient:
    """Talks to one daemon over HTTP."""

    def __init__(
        self, url: str, token: str, *, home_flag: str = "", transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._home_flag = home_flag
        self._http = httpx.Client(
            base_url=self.url + BASE,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_SECONDS,
            transport=transport,
            trust_env=False,  # a proxy has no business between this machine and itself
        )

    @classmethod
    def connect(cls, home: Home) -> DaemonClient:
        """The daemon of a home.

        Raises:
            NotRunningError: when none lives there; with how to start one.
        """
        info = home.read_daemon_file()
        if info is None:
            raise NotRunningError(f"no daemon runs in {home.root}; start one: synapsed start{home.flag}")
        return cls(info.url, home.token(), home_flag=home.flag)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """Body of a GET; parameters that are None are left out."""
        return self._ask(
            "GET", path, params={key: value for key, value in query.items() if value is not None}
        )

    def post(self, path: str, body: Any = None) -> Any:
        """Body of a POST; with its Idempotency-Key it is safe to repeat."""
        return self._ask("POST", path, json=body or {}, headers={"Idempotency-Key": uuid.uuid4().hex})

    def patch(self, path: str, body: Any) -> Any:
        """Body of a PATCH."""
        return self._ask("PATCH", path, json=body)

    def delete(self, path: str, **query: Any) -> Any:
        """Body of a DELETE, None as a rule; it may take as long as an operation."""
        return self._ask("DELETE", path, params=query, timeout=OPERATION_TIMEOUT_SECONDS)

    def items(self, path: str, *, limit: int, **query: Any) -> Iterator[dict[str, Any]]:
        """The newest `limit` items of a list, over as many pages as it takes."""
        cursor = None
        while limit > 0:
            page = self.get(path, cursor=cursor, limit=min(limit, PAGE_LIMIT), **query)
            yield from page["items"][:limit]
            limit -= len(page["items"])
            cursor = page["next"]
            if cursor is None or not page["items"]:
                return

    def run(self, run_id: str | None = None) -> dict[str, Any]:
        """The run with this id; else the one that learns, else the newest.

        Raises:
            NotFoundError: when there is none.
        """
        if run_id is not None:
            if not run_id.strip():
                raise no_run(run_id, ())
            found: dict[str, Any] = self.get(f"/runs/{quote(run_id, safe='')}")
            return found
        runs = list(self.items("/runs", limit=PAGE_LIMIT))
        if not runs:
            raise NotFoundError("no run has been started here yet; start one: synapsed start, or on the page")
        waiting = {state for state in RunState if state.ended} | {RunState.QUEUED}
        return next((run for run in runs if RunState(run["state"]) not in waiting), runs[0])

    def act(self, run_id: str, action: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        """Order an action and wait until it is done.

        Raises:
            ConflictError: when it failed or does not fit the run's state.
        """
        body = {"action": action} | ({"arguments": arguments} if arguments else {})
        return self.finished(self.post(f"/runs/{run_id}/actions", body))

    def finished(self, operation: dict[str, Any]) -> dict[str, Any]:
        """The operation once it is no longer pending.

        Raises:
            ConflictError: when it failed, with its reason.
            DaemonError: when it takes longer than ten minutes.
        """
        deadline = time.monotonic() + OPERATION_TIMEOUT_SECONDS
        while operation["state"] == "pending":
            if time.monotonic() > deadline:
                raise DaemonError(f"{operation['action']} is still not done; see synapsed events")
            operation = self.get(f"/operations/{operation['id']}", wait=20)
        if operation["state"] == "failed":
            raise ConflictError(f"{operation['action']} failed: {operation['error']}")
        return operation

    def feed_url(self) -> str:
        """Address of the live feed."""
        return self.url.replace("http", "ws", 1) + BASE + "/stream"

    def feed_headers(self) -> dict[str, str]:
        """Headers that authorise the live feed."""
        return {"Authorization": f"Bearer {self._token}"}

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        try:
            answer = self._http.request(method, path, **request)
        except UnicodeEncodeError as error:
            given = one_line(error.object[max(0, error.start - 20) : error.start + 1])
            raise UsageError(f"an argument is not valid UTF-8 (at …{given}); type it in UTF-8") from None
        except httpx.ConnectError as error:
            raise NotRunningError(
                f"nothing answers at {self.url}; start a daemon: synapsed start{self._home_flag}"
            ) from error
        except httpx.TimeoutException as error:
            raise DaemonError(
                f"{self.url} did not answer within {TIMEOUT_SECONDS:.0f} s; see synapsed logs{self._home_flag}"
            ) from error
        except httpx.LocalProtocolError:  # its message has the header in it, with the token
            raise UsageError(
                "the token has characters that no HTTP header can hold; check SYNAPSED_TOKEN"
            ) from None
        except httpx.HTTPError as error:
            raise NotRunningError(
                f"the daemon at {self.url} ended before it answered: what was asked may be done, or not. Start it "
                f"again (synapsed resume latest{self._home_flag}), then look (synapsed events{self._home_flag}); "
                f"why it ended is in synapsed logs{self._home_flag}"
            ) from error
        if answer.is_success:
            return answer.json() if answer.content else None
        raise _error(answer)


def _error(answer: httpx.Response) -> DaemonError:
    """The exception for a problem document (RFC 9457), message in one line."""
    if answer.status_code in (401, 403):
        return UsageError(
            f"the daemon at {answer.url.host}:{answer.url.port} does not accept this home's token; "
            "is SYNAPSED_TOKEN set differently there?"
        )
    try:
        problem = answer.json()
        detail = problem.get("detail") or problem.get("title") or answer.reason_phrase
        faults = [
            f"{field['path']}: {field['message']}".removeprefix(": ") for field in problem.get("errors", [])
        ]
        fields = "; ".join(fault for fault in faults if fault not in detail and detail not in fault)
    except (ValueError, AttributeError, KeyError, TypeError):
        detail, fields, problem = f"HTTP {answer.status_code} {answer.reason_phrase}", "", {}
    message = " ".join(f"{detail}: {fields}".split()) if fields else " ".join(str(detail).split())
    kind = ERRORS.get(answer.status_code, DaemonError)
    if answer.status_code >= 500 and (request_id := problem.get("request_id")):
        message += f" (request {request_id}; see logs/problems.log in the home)"
    return kind(message)
