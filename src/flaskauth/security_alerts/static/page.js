"use strict";

// The token is in the URL fragment, which browsers do not send. It is posted only when the button is pressed.
const element = (id) => document.getElementById(id);
const token = location.hash.slice(1);
history.replaceState(null, "", location.pathname);

function showSection(visibleId) {
  for (const id of ["question", "success", "invalid", "error"]) element(id).hidden = id !== visibleId;
  element(visibleId).focus();
}

async function submitToken() {
  element("confirm").disabled = true;
  try {
    const response = await fetch(location.pathname, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token }),
    });
    const isTemporary = response.status === 429 || response.status >= 500;
    showSection(response.ok ? "success" : isTemporary ? "error" : "invalid");
  } catch {
    showSection("error");
  }
  element("confirm").disabled = false;
}

element("confirm").addEventListener("click", submitToken);
element("retry").addEventListener("click", () => showSection("question"));
showSection(token ? "question" : "invalid");
