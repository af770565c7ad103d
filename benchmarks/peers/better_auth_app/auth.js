// better-auth with email and password on MariaDB, as its installation pages describe.

import { betterAuth } from "better-auth";
import { createPool } from "mysql2/promise";

export const pool = createPool({ uri: process.env.DATABASE_URL, timezone: "Z" });

export const auth = betterAuth({
  baseURL: `http://127.0.0.1:${process.env.PORT}`,
  secret: process.env.SECRET_KEY,
  database: pool,
  emailAndPassword: { enabled: true },
  session: { deferSessionRefresh: true, updateAge: 0 },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  advanced: { database: { joins: true } },
});
