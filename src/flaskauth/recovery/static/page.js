"use strict";

// The token stands after #: the browser sends it nowhere until the button is pressed.
const at = (id) => document.getElementById(id);
const token = location.hash.slice(1);
history.replaceState(null, "", location.pathname);

function tell(what) {
  for (const id of ["question", "done", "over", "later"]) at(id).hidden = id !== what;
  at(what).focus();
}

async function takeBack() {
  at("button").disabled = true;
  try {
    const answer = await fetch(location.pathname, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token }),
    });
    tell(answer.ok ? "done" : answer.status === 429 || answer.status >= 500 ? "later" : "over");
  } catch {
    tell("later");
  }
  at("button").disabled = false;
}

at("button").addEventListener("click", takeBack);
at("again").addEventListener("click", () => tell("question"));
tell(token ? "question" : "over");
