import assert from "node:assert/strict";
import { test } from "node:test";

import { Api, ApiError } from "../../../dashboard/static/api.js";

const answer = (status, body) => ({ ok: status < 400, status, json: async () => body });

function api(...answers) {
  const calls = [];
  const send = async (url, options) => {
    calls.push({ url, ...options });
    const next = answers.shift();
    if (next instanceof Error) throw next;
    return next;
  };
  return { calls, client: new Api({ send, newKey: () => "key" }) };
}

test("queries leave out what is not set; only posts carry an idempotency key", async () => {
  const { client, calls } = api(answer(200, { items: [] }), answer(201, { id: "r" }));
  await client.get("/events", { after: 0, kind: "", cursor: null, limit: 5 });
  await client.post("/runs", { name: "x" });
  assert.equal(calls[0].url, "api/v1/events?after=0&limit=5");
  assert.equal(calls[0].headers["Idempotency-Key"], undefined);
  assert.equal(calls[1].headers["Idempotency-Key"], "key");
  assert.equal(calls[1].body, '{"name":"x"}');
});

test("a problem becomes an error in its words, with the fields it names", async () => {
  const { client } = api(answer(422, { title: "Wrong", detail: "replay.capcity is not a setting", errors: [{ path: "replay.capcity", message: "unknown" }] }));
  await assert.rejects(client.post("/runs", {}), (error) => {
    assert.ok(error instanceof ApiError);
    assert.equal(error.message, "replay.capcity is not a setting");
    assert.equal(error.fields[0].path, "replay.capcity");
    return true;
  });
});

test("no daemon and no body", async () => {
  const { client } = api(new TypeError("failed"), answer(204, null));
  await assert.rejects(client.get("/runs"), { status: 0 });
  assert.equal(await client.delete("/checkpoints/x"), null);
});

test("an operation is waited for; a failed one throws its own line", async () => {
  const pending = { id: "op-1", action: "stop", state: "pending" };
  const { client, calls } = api(answer(202, pending), answer(200, pending), answer(200, { ...pending, state: "done", result: { step: 3 } }));
  assert.equal((await client.act("r/1", "stop")).result.step, 3);
  assert.equal(calls[0].url, "api/v1/runs/r%2F1/actions");
  assert.equal(calls[2].url, "api/v1/operations/op-1?wait=25");
  await assert.rejects(client.settle({ ...pending, state: "failed", error: "the run is paused already" }), { message: "the run is paused already" });
});
