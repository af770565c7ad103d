// The tables, and people who share one password and its one hash.

import { randomUUID } from "node:crypto";
import { getMigrations } from "better-auth/db/migration";
import { auth, pool } from "./auth.js";

const { EMAIL, PASSWORD, PEOPLE } = process.env;

const { runMigrations } = await getMigrations(auth.options);
await runMigrations();

const { password } = await auth.$context;
const hash = await password.hash(PASSWORD);
const now = new Date();
const people = Array.from({ length: Number(PEOPLE) }, (_, number) => ({
  id: randomUUID(),
  email: EMAIL.replace("{}", number),
}));
await pool.query("INSERT INTO user (id, name, email, emailVerified, createdAt, updatedAt) VALUES ?", [
  people.map(({ id, email }) => [id, "Grace Hopper", email, true, now, now]),
]);
await pool.query("INSERT INTO account (id, accountId, providerId, userId, password, createdAt, updatedAt) VALUES ?", [
  people.map(({ id }) => [randomUUID(), id, "credential", id, hash, now, now]),
]);
await pool.end();
