// The queue of tickets that wait for a person. What a ticket says is only ever set as text.

import { drawHistory } from "/static/history.js";

const at = (id) => document.getElementById(id);
const KEYS = { a: "anomaly", n: "normal", u: "unsure" };
const MOST = 200;
let key = "", queue = [], last = null, busy = false;
const later = new Set(), done = new Set();

class Refused extends Error {
  constructor(status, text) { super(text); this.status = status; }
}

async function ask(path, body) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  const content = await answer.json();
  if (!answer.ok) throw new Refused(answer.status, [content.title, content.detail, content.remedy && `Next: ${content.remedy}`].filter(Boolean).join(". "));
  return content;
}

function tell(text, error = false) {
  at("told").textContent = text;
  at("told").className = error ? "error" : "";
}

function showRate(rate) {
  const percent = (share) => `${(100 * share).toLocaleString("en", { maximumFractionDigits: 1 })} %`;
  at("progress").value = rate.value === null ? 0 : Math.min(rate.value / rate.target, 1);
  at("rate").textContent = rate.value === null
    ? `Nothing was up for review in ${rate.window_days} days; target ${percent(rate.target)}`
    : `${rate.answered} of ${rate.asked} judged in ${rate.window_days} days: ${percent(rate.value)}, target ${percent(rate.target)} ${rate.met ? "met" : "not met"}`;
}

function show() {
  const item = queue[0];
  at("item").hidden = !item;
  if (!item) { tell(`${at("told").textContent} Nothing else waits for a verdict.`.trim()); return; }
  at("ticket").textContent = item.ticket_id;
  at("about").textContent = `${item.disputed ? "Judged differently by two people: one more is needed. " : ""}${item.review === "audit" ? "Random audit of what was not flagged" : "Flagged"} by ${item.model_name} version ${item.model_version ?? "unknown"}, ${item.at}`;
  at("explanation").textContent = item.explanation;
  at("reasons").replaceChildren(...item.contributions.map((words) => {
    const made = document.createElement("li");
    made.textContent = words;
    return made;
  }));
  const number = (value) => (value === null ? "unknown" : value.toFixed(3));
  const facts = [["Score", `${number(item.score)} (flagged from ${number(item.threshold)})`], ["Type", item.anomaly_type], ["Severity", item.severity], ["Seen when", item.stage]];
  at("facts").replaceChildren(...facts.filter(([, value]) => value).flatMap(([name, value]) => {
    const term = document.createElement("dt"), told = document.createElement("dd");
    term.textContent = name;
    told.textContent = value;
    return [term, told];
  }));
  at("history").hidden = true;
  showHistory(item);
  at("note").value = "";
  at("back").disabled = !last;
}

async function showHistory(item) {
  try {
    const found = await ask(`/api/v1/reviews/history?ticket_id=${encodeURIComponent(item.ticket_id)}`);
    if (queue[0] !== item) return; // judged meanwhile
    at("caption").textContent = drawHistory(at("chart"), found);
  } catch (error) {
    if (queue[0] !== item) return;
    at("chart").replaceChildren();
    at("caption").textContent = `No history of this task: ${error.message}`;
  }
  at("chart").classList.toggle("empty", !at("chart").firstChild);
  at("history").hidden = false;
}

async function refresh() {
  const found = await ask(`/api/v1/reviews?limit=${MOST}`);
  showRate(found.rate);
  const waiting = found.items.filter((item) => !done.has(item.prediction_id));
  queue = [...waiting.filter((item) => !later.has(item.prediction_id)), ...waiting.filter((item) => later.has(item.prediction_id))];
  at("access").hidden = true;
}

async function start() {
  try {
    await refresh();
    show();
  } catch (error) {
    at("access").hidden = !(error.status === 401 || error.status === 403);
    at("item").hidden = true;
    at("rate").textContent = "";
    tell(error.message, true);
  }
}

async function judge(verdict) {
  const item = queue[0];
  if (!item || busy) return; // a key held down judges one ticket
  busy = true;
  for (const button of document.querySelectorAll("button")) button.disabled = true;
  try {
    const sent = { verdict, prediction_id: item.prediction_id, note: at("note").value, author: at("author").value };
    const taken = await ask("/api/v1/feedback", sent);
    last = item;
    done.add(item.prediction_id);
    queue = queue.filter((one) => one !== item);
    tell(`${item.ticket_id}: ${verdict}. Its label: ${taken.resolution.label}.`);
    await refresh();
  } catch (error) {
    at("access").hidden = error.status !== 401;
    tell(error.message, true); // the ticket stays, so that nothing is lost
    if (last !== item) { busy = false; for (const button of document.querySelectorAll("button")) button.disabled = false; at("back").disabled = !last; return; }
  }
  busy = false;
  for (const button of document.querySelectorAll("button")) button.disabled = false;
  show();
}

function skip() {
  if (busy || queue.length < 2) return;
  later.add(queue[0].prediction_id);
  queue.push(queue.shift());
  show();
}

function back() {
  if (busy || !last) return;
  done.delete(last.prediction_id);
  queue.unshift(last);
  last = null;
  show();
}

for (const button of document.querySelectorAll("[data-verdict]")) button.addEventListener("click", () => judge(button.dataset.verdict));
at("skip").addEventListener("click", skip);
at("back").addEventListener("click", back);
at("access").addEventListener("submit", (event) => { event.preventDefault(); key = at("key").value; tell(""); start(); });
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.closest("input")) return;
  const pressed = event.key.toLowerCase();
  if (KEYS[pressed]) judge(KEYS[pressed]);
  else if (pressed === "s") skip();
  else if (pressed === "z") back();
});
start();
