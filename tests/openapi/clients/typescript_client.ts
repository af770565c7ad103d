// Register, verify, sign in and refresh with the generated TypeScript client: `typescript_client.js URL`.
import createClient from "openapi-fetch";
import type { paths } from "./api.js";

const baseUrl = process.argv[2];
const email = "typescript@example.com";
const password = "seven green kettles";

function assert(condition: unknown, detail: unknown): asserts condition {
  if (!condition) throw new Error(JSON.stringify(detail));
}

async function readCode(): Promise<string> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const { mails } = (await (await fetch(`${baseUrl}/dev/mailbox.json`)).json()) as {
      mails: { to: string; text: string }[];
    };
    const code = mails.find((mail) => mail.to === email)?.text.match(/[B-Z2-9]{4}-[B-Z2-9]{4}/)?.[0];
    if (code) return code;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("no mail");
}

const client = createClient<paths>({ baseUrl });
const names = { first_name: "Grace", last_name: "Hopper" };
const registration = await client.POST("/auth/register", { body: { email, password, ...names } });
assert(registration.data, registration.error);
const otp = await readCode();
const verification_id = registration.data.verification_id;
const verification = await client.POST("/auth/verify", { body: { otp, verification_id } });
assert(verification.data?.success, verification.error);

// Other messages than those of the document.
const headers = { "Accept-Language": "sw" };
const login = await client.POST("/auth/login", { body: { email, password }, headers });
assert(login.data, login.error);
const { refresh_token } = login.data;
const refreshed = await client.POST("/auth/refresh", { body: { refresh_token }, headers });
assert(refreshed.data, refreshed.error);
const failed = await client.POST("/auth/login", { body: { email, password: "wrong" }, headers });
assert(failed.error?.code === "invalid_credentials", failed);

// An error that the document does not list.
const unknown = await client.POST("/auth/login", { body: { email, password }, headers: { "X-Maintenance": "1" } });
assert(unknown.response.status === 403 && unknown.error?.code === "maintenance", unknown);
