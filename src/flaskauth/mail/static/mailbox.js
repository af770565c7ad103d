"use strict";

// Polls for mails every second while the page is visible. A mail's HTML is shown only in a sandboxed frame;
// everything else is inserted as text.

const POLL_INTERVAL = 1000; // milliseconds
const CODE_PATTERN = /^[A-Z0-9]{4}-[A-Z0-9]{4}$/m;

const element = (id) => document.getElementById(id);
const readIds = new Set(JSON.parse(sessionStorage.getItem("readIds") ?? "[]"));

const TABS = ["html", "text", "source"];

let mails = null; // null until the first response
let shown = []; // the mails that match the search
let openId = null; // the id of the open mail
let etag = "";
let pollTimer = null;

async function poll() {
  clearTimeout(pollTimer);
  try {
    const response = await fetch(document.body.dataset.mails, { headers: { "If-None-Match": etag } });
    if (response.status !== 304 && !response.ok) throw new Error(response.statusText);
    if (response.status !== 304) {
      etag = response.headers.get("ETag") ?? "";
      updateMails((await response.json()).mails);
    }
    showStatus("ok", mails.length === 1 ? "1 mail" : `${mails.length} mails`);
  } catch {
    showStatus("error", "Server not reachable");
  }
  if (!document.hidden) pollTimer = setTimeout(poll, POLL_INTERVAL);
}

function showStatus(level, text) {
  const status = element("status");
  status.className = `status ${level}`;
  if (status.textContent !== text) status.textContent = text;
}

function updateMails(received) {
  mails = received;
  element("empty").hidden = mails.length > 0;
  element("delete-all").hidden = mails.length === 0;
  element("layout").classList.toggle("is-empty", mails.length === 0);
  applySearch();
}

// Shows the mails that contain every word of the search, and opens the first one if the open mail is not among them.
function applySearch() {
  const words = element("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  shown = (mails ?? []).filter((mail) => {
    const content = [mail.to, mail.from, mail.subject, mail.text].join("\n").toLowerCase();
    return words.every((word) => content.includes(word));
  });
  element("no-match").hidden = shown.length > 0 || !mails?.length;
  renderList();
  if (shown.some((mail) => mail.id === openId)) return;
  if (shown.length && isWideScreen()) openMail(shown[0].id);
  else closeMail();
}

function renderList() {
  const focusedId = document.activeElement?.dataset?.id;
  element("list").replaceChildren(...shown.map(createListItem));
  if (focusedId) findListItem(focusedId)?.focus();
}

function createListItem(mail) {
  const item = document.createElement("li");
  item.role = "option";
  item.dataset.id = mail.id;
  item.tabIndex = mail.id === (openId ?? shown[0].id) ? 0 : -1;
  item.ariaSelected = String(mail.id === openId);
  item.classList.toggle("unread", !readIds.has(mail.id));
  const firstLine = document.createElement("div");
  const subject = createElement("p", mail.subject);
  subject.dir = "auto";
  firstLine.append(createElement("b", mail.to), createTime(mail.sent_at));
  item.append(firstLine, subject);
  item.addEventListener("click", () => openMail(mail.id));
  return item;
}

function createElement(name, text) {
  const created = document.createElement(name);
  created.textContent = text;
  return created;
}

function createTime(timestamp) {
  const date = new Date(timestamp);
  const isToday = date.toDateString() === new Date().toDateString();
  const text = isToday
    ? date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })
    : date.toLocaleDateString([], { month: "short", day: "numeric" });
  const time = createElement("time", text);
  time.dateTime = timestamp;
  return time;
}

const findListItem = (id) => element("list").querySelector(`[data-id="${id}"]`);
const isWideScreen = () => matchMedia("(min-width: 721px)").matches;

function openMail(id) {
  const mail = mails.find((candidate) => candidate.id === id);
  openId = id;
  readIds.add(id);
  sessionStorage.setItem("readIds", JSON.stringify([...readIds]));
  element("subject").textContent = mail.subject;
  element("from").textContent = mail.from;
  element("to").textContent = mail.to;
  element("sent").textContent = new Date(mail.sent_at).toLocaleString();
  element("text").textContent = mail.text;
  element("source").textContent = "";
  element("download").href = sourceUrl(id);
  if (!element("source").hidden) loadSource();
  showCode(mail.text.match(CODE_PATTERN)?.[0]);
  element("mail").hidden = false;
  element("layout").classList.add("is-open");
  replaceFrame(mail.html);
  renderList();
}

const mailUrl = (id) => `${document.body.dataset.mailbox}/${id}`;
const sourceUrl = (id) => `${mailUrl(id)}.eml`;

async function loadSource() {
  const id = openId;
  const response = await fetch(sourceUrl(id));
  const source = response.ok ? await response.text() : "The source cannot be loaded.";
  if (id === openId) element("source").textContent = source;
}

async function deleteMails(url) {
  const response = await fetch(url, { method: "DELETE" });
  if (!response.ok && response.status !== 404) showStatus("error", "Not deleted");
  await poll();
}

// Each mail gets a new frame: reusing one would add an entry to the browser history for every mail.
function replaceFrame(html) {
  const frame = element("html").cloneNode();
  frame.srcdoc = html;
  element("html").replaceWith(frame);
}

function closeMail() {
  openId = null;
  element("mail").hidden = true;
  element("layout").classList.remove("is-open");
  renderList();
}

function showCode(code) {
  element("copy-code").hidden = !code;
  element("code").textContent = code ?? "";
  element("copy-code-label").textContent = "Copy";
}

async function copyText(text, label) {
  await navigator.clipboard.writeText(text);
  label.textContent = "Copied";
  setTimeout(() => { label.textContent = "Copy"; }, 1500);
}

function selectTab(selected) {
  for (const name of TABS) {
    const isSelected = name === selected;
    element(`tab-${name}`).ariaSelected = String(isSelected);
    element(`tab-${name}`).tabIndex = isSelected ? 0 : -1;
    element(name).hidden = !isSelected;
  }
  if (selected === "source") loadSource();
}

function moveSelection(offset) {
  const index = shown.findIndex((mail) => mail.id === openId);
  const next = shown[Math.min(Math.max(index + offset, 0), shown.length - 1)];
  openMail(next.id);
  findListItem(next.id).focus();
}

const KEY_ACTIONS = {
  ArrowDown: () => moveSelection(1),
  ArrowUp: () => moveSelection(-1),
  Home: () => moveSelection(-shown.length),
  End: () => moveSelection(shown.length),
};

element("list").addEventListener("keydown", (event) => {
  const id = Number(event.target.dataset.id);
  if (event.key === "Enter" || event.key === " ") handleKey(event, () => openMail(id));
  if (isWideScreen() && KEY_ACTIONS[event.key]) handleKey(event, KEY_ACTIONS[event.key]);
});

function handleKey(event, action) {
  event.preventDefault();
  action();
}

for (const [index, name] of TABS.entries()) {
  element(`tab-${name}`).addEventListener("click", () => selectTab(name));
  element(`tab-${name}`).addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const other = TABS.at((index + step) % TABS.length);
    selectTab(other);
    element(`tab-${other}`).focus();
  });
}

element("back").addEventListener("click", () => {
  const lastId = openId;
  closeMail();
  findListItem(lastId)?.focus();
});
element("search").addEventListener("input", applySearch);
element("delete").addEventListener("click", () => deleteMails(mailUrl(openId)));
element("delete-all").addEventListener("click", () => {
  if (confirm("Delete all mails?")) deleteMails(document.body.dataset.mailbox);
});
element("copy-code").addEventListener("click", () => copyText(element("code").textContent, element("copy-code-label")));
element("copy-curl").addEventListener("click", () => copyText(element("curl").textContent, element("copy-curl")));
element("curl").textContent = element("curl").textContent.replace(/http\S+(?=\/auth)/, location.origin + document.body.dataset.root);
document.addEventListener("visibilitychange", () => document.hidden ? clearTimeout(pollTimer) : poll());

poll();
