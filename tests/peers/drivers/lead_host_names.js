"use strict";
// Leads host names to a port of this machine, as a hosts file would: for clients on a Node.js that
// knows no proxy. TLS goes on between the client and the sandbox, under the name that was asked for.

const net = require("net");

const [names, port] = process.env.LED_HOST_NAMES.split("=");
const led = new Set(names.split(","));
const connect = net.Socket.prototype.connect;

function leading(options) {
  if (options === null || typeof options !== "object" || !led.has(options.host)) return options;
  return { ...options, host: "127.0.0.1", port: Number(port) };
}

net.Socket.prototype.connect = function (...given) {
  // Node.js itself passes its arguments as one list.
  if (Array.isArray(given[0])) given[0][0] = leading(given[0][0]);
  else given[0] = leading(given[0]);
  return connect.apply(this, given);
};
