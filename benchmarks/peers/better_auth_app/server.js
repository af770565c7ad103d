// Two worker processes that share a port.

import cluster from "node:cluster";
import { createServer } from "node:http";
import { toNodeHandler } from "better-auth/node";
import { auth } from "./auth.js";

if (cluster.isPrimary) {
  cluster.fork();
  cluster.fork();
} else {
  createServer(toNodeHandler(auth)).listen(Number(process.env.PORT), "127.0.0.1");
}
