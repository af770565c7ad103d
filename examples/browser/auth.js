// @ts-check
/**
 * A client for web pages. It refreshes the access token once for all concurrent requests and tabs, and repeats a request
 * that was rejected because of an expired token.
 *
 * @typedef {{token: string, refresh_token: string, device_token?: string}} Tokens
 * @typedef {{code?: string, message?: string, errors?: Record<string, string[]>, challenge_token?: string, passkey?: object}} ErrorBody
 */

const REFRESH_TOKEN = "flaskauth.refresh_token";
const DEVICE_TOKEN = "flaskauth.device_token";
const LOCK = "flaskauth.tokens";

/** A response that is not successful. `retryAfter` is in seconds, as in the header `Retry-After`. */
export class AuthError extends Error {
  /** @param {Response} response @param {ErrorBody} body */
  constructor(response, body) {
    super(body.message ?? `HTTP ${response.status}`);
    this.status = response.status;
    this.code = body.code;
    this.errors = body.errors ?? {};
    this.body = body;
    this.retryAfter = Number(response.headers.get("Retry-After"));
  }
}

/** Sends the event `change` when the user signs in or out, in this tab or in another one. */
export class AuthClient extends EventTarget {
  /** The access token. Only this variable holds it. @type {string | null} */
  #token = null;
  /** The refresh token that was stored when this tab received its access token. */
  #refreshToken = localStorage.getItem(REFRESH_TOKEN);
  #isSignedIn = this.#refreshToken !== null;
  /** @type {Promise<void> | null} */
  #refreshing = null;
  #channel = new BroadcastChannel("flaskauth");

  /** @param {string} baseUrl such as `https://auth.example.com` */
  constructor(baseUrl) {
    super();
    this.baseUrl = baseUrl;
    this.#channel.onmessage = ({ data }) => this.#setToken(data);
  }

  get isSignedIn() {
    return this.#isSignedIn;
  }

  /** @param {string} email @param {string} password */
  async signIn(email, password) {
    await this.signInWith("/auth/login", { email, password });
  }

  /** Sign in with another route than `/auth/login`. @param {string} path @param {object} body */
  async signInWith(path, body) {
    const device_token = localStorage.getItem(DEVICE_TOKEN) ?? undefined;
    this.#store(await this.#postPublic(path, { ...body, device_token }));
  }

  /**
   * Confirm the user before a sensitive operation. The new access token allows such operations for 10 minutes.
   *
   * @param {object} body of `POST /auth/reauthenticate`: the password, and with MFA on a factor
   */
  async reauthenticate(body) {
    const { token } = await this.post("/auth/reauthenticate", body);
    this.#channel.postMessage(token);
    this.#setToken(token);
  }

  /** Revoke the session and remove its tokens. The device stays recognised. */
  async signOut() {
    await this.#locked(async () => {
      const refresh_token = localStorage.getItem(REFRESH_TOKEN);
      this.#store(null);
      if (refresh_token) await this.#postPublic("/auth/logout", { refresh_token });
    });
  }

  /**
   * Like `fetch`, with the access token.
   *
   * @param {string} path @param {RequestInit} [init]
   */
  async fetch(path, init) {
    if (!this.#token && this.isSignedIn) await this.#refresh();
    const token = this.#token;
    const response = await this.#send(path, init);
    if (response.status !== 401 || (await readBody(response.clone())).code !== "invalid_token") return response;
    if (this.#token === token) await this.#refresh();
    return this.#send(path, init);
  }

  /**
   * Send JSON with the access token, and return the JSON of the response.
   *
   * @param {string} path @param {object} [body]
   */
  async post(path, body = {}) {
    return readResult(await this.fetch(path, jsonRequest(body)));
  }

  /** Exchange the refresh token once for all requests of this tab. */
  #refresh() {
    this.#refreshing ??= this.#refreshLocked().finally(() => (this.#refreshing = null));
    return this.#refreshing;
  }

  async #refreshLocked() {
    const expired = this.#token;
    const isFirst = await navigator.locks.request(LOCK, { ifAvailable: true }, async (lock) => {
      if (lock) await this.#exchange(expired, false);
      return lock !== null;
    });
    if (!isFirst) await this.#locked(() => this.#exchange(expired, true));
  }

  /** Send the refresh token, unless another tab did so. @param {string | null} expired @param {boolean} hasWaited */
  async #exchange(expired, hasWaited) {
    // The tokens of another tab can arrive in this tab after the other tab has released the lock.
    const isStored = localStorage.getItem(REFRESH_TOKEN) !== this.#refreshToken;
    if (this.#token === expired && (hasWaited || isStored)) await this.#nextChange(3000);
    const refresh_token = localStorage.getItem(REFRESH_TOKEN);
    if (this.#token !== expired || !refresh_token) return;
    try {
      this.#store(await this.#postPublic("/auth/refresh", { refresh_token }));
    } catch (error) {
      // After a network error, 429 or 503 the token is still valid.
      if (!(error instanceof AuthError) || error.code !== "invalid_refresh_token") throw error;
      this.#store(null);
    }
  }

  /** Wait for the event `change`. @param {number} milliseconds at most */
  #nextChange(milliseconds) {
    return new Promise((resolve) => {
      this.addEventListener("change", resolve, { once: true });
      setTimeout(resolve, milliseconds);
    });
  }

  /** Run in one tab at a time. @param {() => Promise<void>} work */
  #locked(work) {
    return navigator.locks.request(LOCK, work);
  }

  /** @param {Tokens | null} tokens */
  #store(tokens) {
    if (tokens) localStorage.setItem(REFRESH_TOKEN, tokens.refresh_token);
    else localStorage.removeItem(REFRESH_TOKEN);
    if (tokens?.device_token) localStorage.setItem(DEVICE_TOKEN, tokens.device_token);
    this.#channel.postMessage(tokens?.token ?? null);
    this.#setToken(tokens?.token ?? null);
  }

  /** @param {string | null} token */
  #setToken(token) {
    this.#token = token;
    this.#refreshToken = localStorage.getItem(REFRESH_TOKEN);
    this.#isSignedIn = token !== null;
    this.dispatchEvent(new Event("change"));
  }

  /** @param {string} path @param {RequestInit} [init] */
  #send(path, init) {
    const headers = new Headers(init?.headers);
    if (this.#token) headers.set("Authorization", `Bearer ${this.#token}`);
    return fetch(this.baseUrl + path, { ...init, headers });
  }

  /** Send JSON without the access token. @param {string} path @param {object} body @returns {Promise<Tokens>} */
  async #postPublic(path, body) {
    return readResult(await fetch(this.baseUrl + path, jsonRequest(body)));
  }
}

/** @param {object} body */
function jsonRequest(body) {
  return { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

/** Return the JSON of a response, or throw an AuthError. @param {Response} response */
async function readResult(response) {
  const data = await readBody(response);
  if (!response.ok) throw new AuthError(response, data);
  return data;
}

/** Return the JSON of a response, or `{}` if a proxy sent something else. @param {Response} response */
async function readBody(response) {
  return response.json().catch(() => ({}));
}
