"use strict";
// Lets dataverse-webapi work: a line of JSON in for each call, a line of JSON out for its answer.

const path = require("path");
const readline = require("readline");

const webApi = require(path.join(process.argv[2], "dataverse-webapi", "lib", "node.js"));

// The client takes a token: this is how an application gets one.
async function askForToken(connection) {
  const body = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: connection.client_id,
    client_secret: connection.client_secret,
    scope: `${connection.environment_url}/.default`,
  });
  const url = `${connection.authority_host}/${connection.tenant_id}/oauth2/v2.0/token`;
  const answer = await fetch(url, { method: "POST", body });
  return (await answer.json()).access_token;
}

async function answer(configOf, { call, arguments: given }) {
  try {
    // The client changes what it is given: a configuration of its own for each call.
    return { result: (await webApi[call](configOf(), ...given)) ?? null };
  } catch (error) {
    return { error: { kind: error.name ?? "Error", message: error.message, code: error.code } };
  }
}

async function main() {
  let configOf = null;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const read = JSON.parse(line);
    if (configOf === null) {
      const token = await askForToken(read);
      configOf = () => new webApi.WebApiConfig("9.2", token, read.environment_url);
    } else process.stdout.write(JSON.stringify(await answer(configOf, read)) + "\n");
  }
}

main();
