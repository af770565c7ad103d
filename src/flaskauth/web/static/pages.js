"use strict";
// Local times, copy and download buttons, tokens of links, and passkeys. Without this script, all but passkeys works.
(() => {
  const RENEWAL = 240_000; // milliseconds; the options of a passkey request are valid for 5 minutes
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const language = document.documentElement.lang;

  for (const time of all("time[datetime]")) {
    const date = new Date(time.dateTime);
    time.title = time.textContent;
    time.textContent = date.toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
  }

  const shownText = (button) => all("li, code", document.getElementById(button.dataset.source))
    .map((item) => item.textContent.trim()).join("\n");

  for (const button of all("[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(shownText(button));
      button.textContent = button.dataset.copy;
    });
  }

  for (const button of all("[data-download]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([`${shownText(button)}\n`], { type: "text/plain" }));
      link.download = button.dataset.download;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    });
  }

  for (const form of all("form")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault(); // a double click
      form.dataset.sent = "1";
      setTimeout(() => delete form.dataset.sent, 5000);
    });
  }

  const tokenField = document.querySelector("[data-link-token]");

  // The token of a link from a mail is in the fragment, which browsers do not send. The form sends it.
  function takeToken() {
    const [token] = location.hash.match(/[\w-]{40,}/) ?? [];
    if (!token) return;
    tokenField.querySelector("input").value = token;
    tokenField.hidden = true;
    for (const link of all("footer a[hreflang]")) link.hash = token; // the same page in another language
    history.replaceState(null, "", location.pathname + location.search);
  }

  if (tokenField) {
    takeToken();
    addEventListener("hashchange", takeToken);
  }

  // --- Passkeys ---

  const decode = (text) => {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(binary, (character) => character.charCodeAt(0)).buffer;
  };
  const encode = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  const decodeIds = (list) => (list ?? []).map((item) => ({ ...item, id: decode(item.id) }));

  function parseOptions(json, isCreation) {
    const native = isCreation
      ? PublicKeyCredential.parseCreationOptionsFromJSON : PublicKeyCredential.parseRequestOptionsFromJSON;
    if (native) return native.call(PublicKeyCredential, json);
    const options = { ...json, challenge: decode(json.challenge) };
    if (isCreation) {
      options.user = { ...json.user, id: decode(json.user.id) };
      options.excludeCredentials = decodeIds(json.excludeCredentials);
    } else {
      options.allowCredentials = decodeIds(json.allowCredentials);
    }
    return options;
  }

  function toJson(credential) {
    if (credential.toJSON) {
      try {
        return credential.toJSON();
      } catch { /* some password managers replace the object and leave a toJSON that throws */ }
    }
    const { response } = credential;
    const names = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
    const encoded = names.filter((name) => response[name]).map((name) => [name, encode(response[name])]);
    return {
      id: credential.id,
      rawId: encode(credential.rawId),
      type: credential.type,
      authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
      clientExtensionResults: credential.getClientExtensionResults(),
      response: { ...Object.fromEntries(encoded), transports: response.getTransports?.() ?? undefined },
    };
  }

  async function loadOptions({ options, optionsUrl, kind }) {
    if (options) return JSON.parse(options);
    const body = new URLSearchParams(kind ? { kind } : {});
    const response = await fetch(optionsUrl, { method: "POST", ...(kind ? { body } : {}) });
    if (response.redirected) location.reload(); // the factors must be confirmed first
    if (!response.ok || response.redirected) throw new Error("no options");
    return (await response.json()).options;
  }

  let current = null; // the AbortController of the only ceremony

  async function runCeremony(button, mediation) {
    current?.abort();
    const controller = new AbortController();
    current = controller;
    const isCreation = button.dataset.passkey === "create";
    const publicKey = parseOptions(await loadOptions(button.dataset), isCreation);
    controller.signal.throwIfAborted();
    const request = { publicKey, signal: controller.signal, ...(mediation ? { mediation } : {}) };
    const credential = await navigator.credentials[isCreation ? "create" : "get"](request);
    const form = button.form;
    form.querySelector(`input[name="${button.dataset.field}"]`).value = JSON.stringify(toJson(credential));
    form.action = button.formAction;
    form.submit();
    button.dataset.busy = "1"; // a click before the next page would begin another ceremony
    setTimeout(release, 5000, button);
  }

  function release(button) {
    delete button.dataset.busy;
    button.removeAttribute("aria-disabled");
  }

  function showMessage(button, text) {
    const message = document.getElementById(button.getAttribute("aria-describedby"));
    message.textContent = text;
    message.hidden = !text;
  }

  const errorText = ({ name }, { cancelled, exists, failed }) =>
    name === "NotAllowedError" || name === "AbortError" ? cancelled : name === "InvalidStateError" ? exists : failed;

  let renewal;

  async function startAutofill(button) {
    clearTimeout(renewal);
    if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
    renewal = setTimeout(() => button.dataset.busy || startAutofill(button), RENEWAL);
    try {
      await runCeremony(button, "conditional");
    } catch { /* the user has not asked for it, so no error is shown; a ceremony of the button aborts this one */ }
  }

  const passkeyButtons = window.PublicKeyCredential ? all("[data-passkey]") : [];
  for (const button of passkeyButtons) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      if (button.dataset.busy || (button.dataset.passkey === "create" && !button.form.reportValidity())) return;
      button.dataset.busy = "1";
      button.setAttribute("aria-disabled", "true");
      showMessage(button, "");
      try {
        await runCeremony(button);
      } catch (error) {
        release(button);
        showMessage(button, errorText(error, button.dataset));
        if ("autofill" in button.dataset) startAutofill(button);
      }
    });
    if ("autofill" in button.dataset) startAutofill(button);
  }
  for (const element of all("[data-with-passkeys]")) element.hidden = !passkeyButtons.length;
  for (const element of all("[data-without-passkeys]")) element.hidden = passkeyButtons.length > 0;

  const accepted = document.querySelector("[data-accepted]")?.dataset.accepted;
  if (accepted) window.PublicKeyCredential?.signalAllAcceptedCredentials?.(JSON.parse(accepted)).catch(() => {});
})();
