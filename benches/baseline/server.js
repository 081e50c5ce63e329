// The classical live map server: every 100 ms one loop over all clients, and JSON for each.

import { createServer } from "node:http";
import { parseArgs } from "node:util";
import mqtt from "mqtt";
import { Clients } from "./clients.js";
import { Store } from "./store.js";
import { World } from "./world.js";

const TICK_MS = 100;

const { values } = parseArgs({
  options: {
    listen: { type: "string", default: "127.0.0.1:8090" },
    "mqtt-url": { type: "string", default: "mqtt://127.0.0.1:1883" },
    topic: { type: "string", default: "msh/#" },
    database: { type: "string", default: ":memory:" },
  },
});

const world = new World();
const store = new Store(values.database);

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://localhost");
  const answer = (status, body) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  };
  if (url.pathname === "/api/nodes") {
    const [west, south, east, north] = url.searchParams.get("bbox")?.split(",").map(Number) ?? [];
    const bounds = north === undefined ? undefined : { north, south, east, west };
    const limit = Number(url.searchParams.get("limit") ?? 1000);
    const after = url.searchParams.get("cursor") ?? "";
    const nodes = world.within(bounds).filter(({ id }) => id > after);
    nodes.sort((a, b) => (a.id < b.id ? -1 : 1));
    const next = nodes.length > limit ? nodes[limit - 1].id : null;
    answer(200, { nodes: nodes.slice(0, limit), next });
  } else if (url.pathname === "/api/health") {
    answer(broker.connected ? 200 : 503, { status: broker.connected ? "ok" : "degraded" });
  } else if (url.pathname === "/api/stats") {
    const { received, refused, revision } = world;
    answer(200, { received, refused, revision, nodes: world.nodes.size, clients: clients.all.size });
  } else {
    answer(404, { title: "Not Found", status: 404 });
  }
});

const clients = new Clients(server, world, Date.now().toString(36), TICK_MS);

const broker = mqtt.connect(values["mqtt-url"], {
  clientId: `geocast-baseline-${process.pid}`,
  clean: true,
  reconnectPeriod: 1000,
});
broker.on("connect", () => broker.subscribe(values.topic, { qos: 1 }));
broker.on("message", (_topic, payload) => world.take(payload));
broker.on("error", (error) => console.error(`broker: ${error.message}`));

const tick = setInterval(() => clients.broadcast(world.seal(store)), TICK_MS);

const [host, port] = values.listen.split(":");
server.listen(Number(port), host, 1024, () => {
  console.log(`the baseline is on http://${host}:${server.address().port}`);
});

function stop() {
  clearInterval(tick);
  world.seal(store);
  store.close();
  clients.close();
  broker.end(true);
  server.close();
  server.closeAllConnections();
}
process.once("SIGINT", stop);
process.once("SIGTERM", stop);
