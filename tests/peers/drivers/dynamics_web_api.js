"use strict";
// Lets DynamicsWebApi work: a line of JSON in for each call, a line of JSON out for its answer.

const https = require("https");
const path = require("path");
const readline = require("readline");

const { DynamicsWebApi } = require(path.join(process.argv[2], "dynamics-web-api"));

function askForToken(connection) {
  const body = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: connection.client_id,
    client_secret: connection.client_secret,
    scope: `${connection.environment_url}/.default`,
  }).toString();
  const url = `${connection.authority_host}/${connection.tenant_id}/oauth2/v2.0/token`;
  const headers = { "Content-Type": "application/x-www-form-urlencoded" };
  return new Promise((resolve, reject) => {
    const request = https.request(url, { method: "POST", headers }, (answer) => {
      let text = "";
      answer.on("data", (part) => (text += part));
      answer.on("end", () => resolve(JSON.parse(text).access_token));
    });
    request.on("error", reject);
    request.end(body);
  });
}

function clientOf(connection) {
  let token = null;
  return new DynamicsWebApi({
    serverUrl: connection.environment_url,
    dataApi: { version: "9.2" },
    onTokenRefresh: async () => (token ??= await askForToken(connection)),
  });
}

async function batch(client, calls, options) {
  client.startBatch();
  // The answers come from executeBatch, not from the calls.
  for (const [method, request] of calls) client[method](request);
  return client.executeBatch(options);
}

async function answer(client, question) {
  try {
    const { call, arguments: given, options } = question;
    const result =
      call === "batch" ? await batch(client, given, options) : await client[call](...given);
    if (result && result.data instanceof Uint8Array) {
      result.data = Buffer.from(result.data).toString("base64");
    }
    return { result };
  } catch (error) {
    // A batch fails with all of its answers; an error's words are then one level further down.
    const first = Array.isArray(error) ? error.find((each) => each instanceof Error) : error;
    const { message, code } = first.error ?? first;
    return { error: { kind: first.name, message, status: first.status, code } };
  }
}

async function main() {
  let client = null;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const read = JSON.parse(line);
    if (client === null) client = clientOf(read);
    else process.stdout.write(JSON.stringify(await answer(client, read)) + "\n");
  }
}

main();
