// The hub's front door: JupyterHub's own configurable-http-proxy, and what its command line does not do.
// - headers by which a client could lie about where it comes from are taken away before anybody reads them;
// - every answer has Strict-Transport-Security;
// - a renewed certificate is taken on SIGHUP, without a word to open connections;
// - routes outlive a restart, so that sessions are reachable at once, whether or not the hub runs.
import fs from "node:fs";
import http from "node:http";
import { ConfigurableProxy, parseListenOptions } from "configurable-http-proxy";

const settings = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));

// RFC 7239, its forerunners, and what Tornado's xheaders=True believes (HTTPServer, "xheaders").
const FORGEABLE = /^(forwarded|x-forwarded-.*|x-real-ip|x-scheme|x-proxy-.*|x-original-.*|x-rewrite-url)$/;

function readTls() {
  return { cert: fs.readFileSync(settings.certificate), key: fs.readFileSync(settings.key) };
}

function dropForged(request) {
  for (const name of Object.keys(request.headers)) {
    if (FORGEABLE.test(name)) delete request.headers[name];
  }
}

// Only what adds or removes a route is written; when a route was last used is asked for by the hub all the time.
function keepRoutes(store) {
  const write = () => {
    const fresh = settings.routes + ".new";
    fs.writeFileSync(fresh, JSON.stringify(store.routes), { mode: 0o600 });
    fs.renameSync(fresh, settings.routes);
  };
  const { add, remove } = store;
  store.add = (path, data) => add.call(store, path, data).then(write);
  store.remove = (path) => remove.call(store, path).then((route) => (write(), route));
}

async function readRoutes(store) {
  let kept = {};
  try {
    kept = JSON.parse(fs.readFileSync(settings.routes, "utf8"));
  } catch (error) {
    // Not there after a boot. A damaged one is no more than that: the hub knows all routes and brings them.
    if (error.code !== "ENOENT") console.error(`routes that cannot be read: ${error.message}`);
  }
  for (const [path, data] of Object.entries(kept)) {
    await store.add(path, { ...data, last_activity: new Date(data.last_activity) });
  }
}

const proxy = new ConfigurableProxy({
  authToken: fs.readFileSync(settings.token, "utf8").trim(),
  enableMetrics: settings.metrics_port > 0,
  errorTarget: settings.error_target,
  ssl: { ...readTls(), minVersion: "TLSv1.2" },
  xfwd: true,
});
if (!proxy.authToken) throw new Error(`${settings.token} is empty: the proxy's API would be open to every user`);
await readRoutes(proxy._routes);
keepRoutes(proxy._routes);

proxy.proxyServer.prependListener("request", (request, response) => {
  dropForged(request);
  if (settings.hsts_seconds > 0) {
    response.setHeader("Strict-Transport-Security", `max-age=${settings.hsts_seconds}`);
  }
});
proxy.proxyServer.prependListener("upgrade", dropForged);
// What a user runs must not decide for how long, or for which hosts, browsers insist on TLS.
proxy.proxy.on("proxyRes", (answer) => delete answer.headers["strict-transport-security"]);

const listen = parseListenOptions({
  ip: settings.address,
  port: settings.port,
  apiIp: "127.0.0.1",
  apiPort: settings.api_port,
  metricsIp: "127.0.0.1",
  metricsPort: settings.metrics_port,
});
const listening = [
  [proxy.proxyServer, listen.proxyTarget],
  [proxy.apiServer, listen.apiTarget],
];
if (listen.metricsTarget) listening.push([proxy.metricsServer, listen.metricsTarget]);
if (settings.redirect_port > 0) {
  // To the site's own address, never to what a client says the host is.
  const redirect = http.createServer((request, response) => {
    const path = request.url.startsWith("/") ? request.url : "/";
    response.writeHead(301, { Location: settings.url + path, "Content-Length": 0 });
    response.end();
  });
  listening.push([redirect, [settings.redirect_port, settings.address]]);
}
await Promise.all(
  listening.map(
    ([server, target]) =>
      new Promise((resolve, reject) => server.once("error", reject).listen(...target, resolve)),
  ),
);

// As the proxy's own command does: one broken connection must not end all others.
process.on("uncaughtException", (error) => console.error(error.stack || error.message));

process.on("SIGHUP", () => {
  try {
    proxy.proxyServer.setSecureContext({ ...readTls(), minVersion: "TLSv1.2" });
    console.log("read the certificate anew");
  } catch (error) {
    console.error(`the certificate cannot be used, the one before is kept: ${error.message}`);
  }
});
process.on("SIGTERM", () => process.exit(0));
