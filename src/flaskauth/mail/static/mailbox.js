"use strict";

// Looks for mails every second while somebody is looking, and shows them. A mail's HTML goes into a sandboxed frame
// only; everything else goes in as text.

const EVERY = 1000;
const CODE = /^[A-Z0-9]{4}-[A-Z0-9]{4}$/m;

const at = (id) => document.getElementById(id);
const seen = new Set(JSON.parse(sessionStorage.getItem("seen") ?? "[]"));

let mails = null; // null until the first answer
let shown = null; // the id of the mail that is looked at
let tag = "";
let timer = null;

async function look() {
  clearTimeout(timer);
  try {
    const answer = await fetch(document.body.dataset.mails, { headers: { "If-None-Match": tag } });
    if (answer.status !== 304 && !answer.ok) throw new Error(answer.statusText);
    if (answer.status !== 304) {
      tag = answer.headers.get("ETag") ?? "";
      arrived((await answer.json()).mails);
    }
    say("good", mails.length === 1 ? "1 mail" : `${mails.length} mails`);
  } catch {
    say("bad", "Server does not answer");
  }
  if (!document.hidden) timer = setTimeout(look, EVERY);
}

function say(kind, text) {
  const status = at("status");
  status.className = `status ${kind}`;
  if (status.textContent !== text) status.textContent = text;
}

function arrived(found) {
  mails = found;
  at("empty").hidden = mails.length > 0;
  at("rooms").classList.toggle("is-empty", mails.length === 0);
  list();
  if (mails.some((mail) => mail.id === shown)) return;
  if (mails.length && wide()) show(mails[0].id);
  else leave();
}

function list() {
  const focused = document.activeElement?.dataset?.id;
  at("list").replaceChildren(...mails.map(row));
  if (focused) rowOf(focused)?.focus();
}

function row(mail) {
  const item = document.createElement("li");
  item.role = "option";
  item.dataset.id = mail.id;
  item.tabIndex = mail.id === (shown ?? mails[0].id) ? 0 : -1;
  item.ariaSelected = String(mail.id === shown);
  item.classList.toggle("new", !seen.has(mail.id));
  const line = document.createElement("div");
  const subject = element("p", mail.subject);
  subject.dir = "auto";
  line.append(element("b", mail.to), time(mail.sent_at));
  item.append(line, subject);
  item.addEventListener("click", () => show(mail.id));
  return item;
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function time(stamp) {
  const moment = new Date(stamp);
  const today = moment.toDateString() === new Date().toDateString();
  const words = today
    ? moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })
    : moment.toLocaleDateString([], { month: "short", day: "numeric" });
  const made = element("time", words);
  made.dateTime = stamp;
  return made;
}

const rowOf = (id) => at("list").querySelector(`[data-id="${id}"]`);
const wide = () => matchMedia("(min-width: 721px)").matches;

function show(id) {
  const mail = mails.find((one) => one.id === id);
  shown = id;
  seen.add(id);
  sessionStorage.setItem("seen", JSON.stringify([...seen]));
  at("subject").textContent = mail.subject;
  at("from").textContent = mail.from;
  at("to").textContent = mail.to;
  at("sent").textContent = new Date(mail.sent_at).toLocaleString();
  at("text").textContent = mail.text;
  offer(mail.text.match(CODE)?.[0]);
  at("mail").hidden = false;
  at("rooms").classList.add("is-open");
  frame(mail.html);
  list();
}

// A new frame for each mail: the old one would make every mail a step of the browser's history.
function frame(html) {
  const fresh = at("html").cloneNode();
  fresh.srcdoc = html;
  at("html").replaceWith(fresh);
}

function leave() {
  shown = null;
  at("mail").hidden = true;
  at("rooms").classList.remove("is-open");
  list();
}

function offer(code) {
  at("copy").hidden = !code;
  at("code").textContent = code ?? "";
  at("copied").textContent = "Copy";
}

async function copy(text, label) {
  await navigator.clipboard.writeText(text);
  label.textContent = "Copied";
  setTimeout(() => { label.textContent = "Copy"; }, 1500);
}

function choose(tab) {
  for (const name of ["html", "text"]) {
    const chosen = name === tab;
    at(`tab-${name}`).ariaSelected = String(chosen);
    at(`tab-${name}`).tabIndex = chosen ? 0 : -1;
    at(name).hidden = !chosen;
  }
}

function step(by) {
  const now = mails.findIndex((mail) => mail.id === shown);
  const next = mails[Math.min(Math.max(now + by, 0), mails.length - 1)];
  show(next.id);
  rowOf(next.id).focus();
}

const keys = {
  ArrowDown: () => step(1),
  ArrowUp: () => step(-1),
  Home: () => step(-mails.length),
  End: () => step(mails.length),
};

at("list").addEventListener("keydown", (event) => {
  const id = Number(event.target.dataset.id);
  if (event.key === "Enter" || event.key === " ") keep(event, () => show(id));
  if (wide() && keys[event.key]) keep(event, keys[event.key]);
});

function keep(event, act) {
  event.preventDefault();
  act();
}

for (const [name, other] of [["html", "text"], ["text", "html"]]) {
  at(`tab-${name}`).addEventListener("click", () => choose(name));
  at(`tab-${name}`).addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    choose(other);
    at(`tab-${other}`).focus();
  });
}

at("back").addEventListener("click", () => {
  const last = shown;
  leave();
  rowOf(last)?.focus();
});
at("copy").addEventListener("click", () => copy(at("code").textContent, at("copied")));
at("copy-curl").addEventListener("click", () => copy(at("curl").textContent, at("copy-curl")));
at("curl").textContent = at("curl").textContent.replace(/http\S+(?=\/auth)/, location.origin + document.body.dataset.root);
document.addEventListener("visibilitychange", () => document.hidden ? clearTimeout(timer) : look());

look();
