// Create the tables, and users who share one password hash.

import { randomUUID } from "node:crypto";
import { getMigrations } from "better-auth/db/migration";
import { auth, pool } from "./auth.js";

const { EMAIL, PASSWORD, USER_COUNT } = process.env;

const { runMigrations } = await getMigrations(auth.options);
await runMigrations();

const { password } = await auth.$context;
const hash = await password.hash(PASSWORD);
const now = new Date();
const users = Array.from({ length: Number(USER_COUNT) }, (_, number) => ({
  id: randomUUID(),
  email: EMAIL.replace("{}", number),
}));
await pool.query("INSERT INTO user (id, name, email, emailVerified, createdAt, updatedAt) VALUES ?", [
  users.map(({ id, email }) => [id, "Grace Hopper", email, true, now, now]),
]);
await pool.query("INSERT INTO account (id, accountId, providerId, userId, password, createdAt, updatedAt) VALUES ?", [
  users.map(({ id }) => [randomUUID(), id, "credential", id, hash, now, now]),
]);
await pool.end();
