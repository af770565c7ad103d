// @ts-check
/** Passkeys and security keys, with the client of auth.js. */

import { AuthClient, AuthError } from "./auth.js";

/**
 * Sign in with a passkey. With `mediation: "conditional"`, the browser offers passkeys in the list of saved accounts
 * and the promise waits; abort it with `signal` before another ceremony begins.
 *
 * @param {AuthClient} auth
 * @param {{mediation?: CredentialMediationRequirement, signal?: AbortSignal}} [init]
 */
export async function signInWithPasskey(auth, init) {
  const { options } = await auth.post("/auth/passkeys/options");
  await auth.signInWith("/auth/passkeys", { credential: await get(options, init) });
}

/**
 * Finish a sign-in with a passkey or a security key.
 *
 * @param {AuthClient} auth
 * @param {AuthError} error with the code `second_factor_required`
 */
export async function confirmWithPasskey(auth, error) {
  const { challenge_token, passkey: options } = error.body;
  await auth.signInWith("/auth/second-factor", { challenge_token, passkey: await get(options) });
}

/**
 * Create a passkey. The user must have signed in or reauthenticated in the last 10 minutes. Show the `recovery_codes` of
 * the result, if it has some: they are not shown again.
 *
 * @param {AuthClient} auth
 * @param {string} name shown in the list of passkeys
 * @param {{kind?: "passkey" | "security_key", enable_mfa?: boolean}} [options]
 */
export async function addPasskey(auth, name, { kind = "passkey", enable_mfa = false } = {}) {
  const { options } = await auth.post("/users/factors/passkeys/options", { kind });
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  const credential = toJSON(await navigator.credentials.create({ publicKey }));
  return auth.post("/users/factors/passkeys", { credential, name, enable_mfa });
}

/**
 * Confirm the user with a passkey before a sensitive operation. A security key also needs the password.
 *
 * @param {AuthClient} auth @param {string} [password]
 */
export async function reauthenticateWithPasskey(auth, password) {
  const { passkey: options } = await auth.post("/auth/reauthenticate/options");
  await auth.reauthenticate({ password, passkey: await get(options) });
}

/** @param {any} options @param {{mediation?: CredentialMediationRequirement, signal?: AbortSignal}} [init] */
async function get(options, init) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return toJSON(await navigator.credentials.get({ ...init, publicKey }));
}

/** @param {Credential | null} credential */
function toJSON(credential) {
  return /** @type {PublicKeyCredential} */ (credential).toJSON();
}
