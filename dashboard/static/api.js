// REST client of the daemon: turns RFC 9457 problems into ApiError and waits for operations.

/** A refusal by the daemon, with a message for a person. `fields` holds the validation messages by path. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `The daemon answered ${status}`);
    this.name = "ApiError";
    this.status = status;
    this.requestId = problem.request_id ?? null;
    this.fields = problem.errors ?? [];
  }
}

/** A unique key; `crypto.randomUUID` exists in a secure context only, random bytes everywhere. */
export function randomKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Client of `api/v1`, relative to the path of the page. The session cookie is sent by the browser; the page never sees a token. */
export class Api {
  constructor({ base = "api/v1", send = (...call) => fetch(...call), newKey = randomKey } = {}) {
    this.base = base;
    this.send = send;
    this.newKey = newKey;
  }

  get(path, query = {}) {
    return this.request("GET", path, { query });
  }

  post(path, body = null) {
    return this.request("POST", path, { body });
  }

  patch(path, body) {
    return this.request("PATCH", path, { body });
  }

  delete(path, query = {}) {
    return this.request("DELETE", path, { query });
  }

  /** One request; resolves to the parsed body, or null for 204. Throws ApiError; status 0 means that no daemon answered. */
  async request(method, path, { query = {}, body = null } = {}) {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== null && value !== undefined && value !== "") search.set(name, String(value));
    }
    const headers = { Accept: "application/json" };
    if (body !== null) headers["Content-Type"] = "application/json";
    if (method === "POST") headers["Idempotency-Key"] = this.newKey();
    let response;
    try {
      const tail = search.size ? `?${search}` : "";
      const content = body === null ? undefined : JSON.stringify(body);
      response = await this.send(this.base + path + tail, {
        method,
        headers,
        body: content,
        credentials: "same-origin",
        cache: "no-store",
      });
    } catch {
      throw new ApiError(0, { detail: "The daemon does not answer. Is synapsed still running?" });
    }
    if (response.status === 204) return null;
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new ApiError(response.status, answer);
    return answer;
  }

  /** Wait until an operation is done or failed; resolves to it, throws ApiError with its error when it failed. */
  async settle(operation) {
    let current = operation;
    while (current.state === "pending") {
      current = await this.get(`/operations/${encodeURIComponent(operation.id)}`, { wait: 25 });
    }
    if (current.state === "failed") throw new ApiError(409, { detail: current.error || `${current.action} failed` });
    return current;
  }

  /** Send an action to a run and wait for its outcome. */
  async act(run, action) {
    return this.settle(await this.post(`/runs/${encodeURIComponent(run)}/actions`, { action }));
  }
}
