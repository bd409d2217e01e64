// The console: pages of panels from Prometheus, and one page of what the stores say. It only ever reads.

import { draw, element, seconds } from "/static/draw.js";

const REFRESH_MS = 30000;
const main = document.getElementById("main");
const spanChoice = document.getElementById("span");
const asOf = document.getElementById("asof");
let described = null, key = "", watched = new Map(), observer = null, turn = 0;

async function read(path) {
  const answer = await fetch(path, { headers: key ? { Authorization: `Bearer ${key}` } : {} });
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({ title: answer.statusText }));
  const error = new Error([problem.title, problem.detail, problem.remedy && `Next: ${problem.remedy}`].filter(Boolean).join(". "));
  error.status = answer.status;
  throw error;
}

const failed = (error) => element("p", { class: "error" }, error.message);
const when = (ms) => (ms ? `${new Date(ms).toISOString().slice(0, 16).replace("T", " ")} UTC` : "never");
const badge = (text, colour) => element("span", { class: `badge ${colour}` }, text);
const cell = (...content) => element("td", {}, ...content);

function grid(title, headings, rows) {
  const head = element("tr", {}, ...headings.map((heading) => element("th", { scope: "col" }, heading)));
  const made = element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, made);
}

function card(title, width, ...content) {
  return element("section", { class: `card w${width}`, "aria-label": title }, element("h4", {}, title), ...content);
}

// A part of the stores: its rows, why it could not be read, or that there is nothing yet.
function part(section, empty, show) {
  if (section.error) return failed(new Error(section.error));
  return section.rows.length ? show(section.rows) : element("p", { class: "empty" }, empty);
}

async function overview() {
  const [stores, objectives] = await Promise.all([read("/api/v1/console/stores"), read("/api/v1/console/objectives").catch((error) => ({ error: error.message }))]);
  return [
    element("h2", {}, "Overview"), element("p", { class: "about" }, "From the registry and the stores; only the objectives need Prometheus."),
    element("h3", {}, "Now"),
    element("div", { class: "grid" },
      card("Objectives", 12, objectives.error ? failed(new Error(objectives.error)) : grid("Objectives", ["objective", "standing", "now", "promise", "budget left", "burn 1 h", "window held"], objectives.map(objective))),
      card("Models that serve", 12, part(stores.models, "No model is registered yet.", (rows) => grid("Models that serve", ["model", "version", "stage", "algorithm", "gate", "made", "digest"], rows.flatMap(versions)))),
      card("Live quality", 12, part(stores.quality, "", (rows) => grid("Live quality", ["model", "quality", "labels", "overdue", "measured"], rows.map(quality)))),
      card("Jobs", 12, part(stores.jobs, "No job has run yet.", (rows) => grid("Jobs", ["job", "last run", "outcome"], rows.map((job) => element("tr", {}, cell(job.job), cell(when(job.at_ms)), cell(badge(job.outcome ?? "unknown", job.outcome === "failed" ? "red" : "green")))))))),
    element("h3", {}, "Drift by feature over time"), drifts(stores.drift),
    element("h3", {}, "Retraining"),
    element("div", { class: "grid" },
      card("Retraining history", 24, part(stores.retrainings, "Nothing was retrained automatically yet.", (rows) => grid("Retraining history", ["when", "model", "trigger", "score", "result", "why"], rows.map(retraining)))),
      card("Newest decisions", 24, part(stores.decisions, "The ledger is empty.", (rows) => grid("Newest decisions", ["number", "what and why"], rows.map((line) => element("tr", {}, cell(String(line.sequence)), cell(line.text))))))),
  ];
}

function objective(one) {
  const colour = { kept: "green", broken: "red", unknown: "yellow" }[one.standing];
  const burn = one.burn["1h"];
  return element("tr", {}, cell(one.title), cell(badge(one.standing, colour)), cell(one.shown), cell(one.promise),
    cell(one.remaining === null ? "unknown" : `${one.remaining.toFixed(0)} %`),
    cell(burn === undefined ? "unknown" : burn.toFixed(2) + (one.exhausted_in_hours !== null && burn > 1 ? `, lasts ${seconds(one.exhausted_in_hours * 3600)}` : "")),
    cell(one.held === null ? "unknown" : `${(one.held * 100).toFixed(0)} % of ${one.window}`));
}

function versions(model) {
  return model.versions.map((one) => element("tr", {}, cell(model.name), cell(`${one.version} `, ...one.aliases.map((alias) => badge(alias, alias === "champion" ? "green" : "grey"))),
    cell(one.stage), cell(one.algorithm), cell(one.verdict), cell(when(one.created_at_ms)), cell(element("code", {}, one.digest))));
}

function quality(one) {
  const figures = Object.entries(one.metrics).filter(([, value]) => value !== null).map(([name, value]) => `${name} ${Number(value.toPrecision(3))}`).join(", ");
  return element("tr", {}, cell(one.name), cell(one.enough ? figures : badge(one.at_ms ? "too few labels" : "not measured yet", "yellow")), cell(String(one.labels ?? "-")), cell(String(one.overdue ?? "-")), cell(when(one.at_ms)));
}

function retraining(one) {
  const result = one.success ? badge(one.promoted ? "promoted" : one.verdict || "trained", one.promoted ? "green" : "grey") : badge("failed", "red");
  const why = element("ul", { class: "why" }, ...[...(one.reasons ?? []), one.error].filter(Boolean).map((reason) => element("li", {}, reason)));
  return element("tr", {}, cell(when(one.at_ms)), cell(one.model_name ?? ""), cell(one.trigger ?? ""), cell(one.drift_score === null ? "-" : one.drift_score.toFixed(3)), cell(result), cell(why));
}

function drifts(section) {
  if (section.error) return failed(new Error(section.error));
  const cards = section.rows.map((model) => {
    if (!model.checks.length) return card(model.name, 12, element("p", { class: "empty" }, "Not checked yet."));
    const checks = model.checks.slice(-12), skipped = model.checks.length - checks.length;
    const last = checks[checks.length - 1];
    const colour = { ok: "green", drift: "red" }[last.status] ?? "yellow";
    const head = element("tr", {}, element("th", { scope: "col" }, "feature"), ...checks.map((check) => element("th", { scope: "col" }, ...when(check.at_ms).slice(5, 16).split(" ").flatMap((text, at) => (at ? [element("br"), text] : [text])))));
    const rows = [["score of all", checks.map((check) => check.score)], ...model.features.map((feature) => [feature.name, feature.scores.slice(skipped)])];
    const body = rows.map(([name, scores]) => element("tr", {}, element("th", { scope: "row" }, name), ...scores.map(heat)));
    const made = element("table", { class: "heat" }, element("thead", {}, head), element("tbody", {}, ...body));
    return card(model.name, 12, element("p", { class: "quiet" }, badge(last.status ?? "unknown", colour), ` version ${last.version}, checked ${when(last.at_ms)}`),
      element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Drift of ${model.name}` }, made));
  });
  return element("div", { class: "grid" }, ...cards);
}

function heat(score) {
  if (score === null || score === undefined) return element("td", { class: "h0" }, "-");
  const level = score > 0.5 ? "h3" : score > 0.2 ? "h2" : score > 0.1 ? "h1" : "h0";
  return element("td", { class: level }, score.toFixed(2));
}

function dashboard(page) {
  const content = [element("h2", {}, page.title), element("p", { class: "about" }, page.about)];
  for (const row of page.rows) {
    const cards = row.panels.map((panel) => {
      const body = element("div", { class: "loading" }, "Reading.");
      const about = element("details", {}, element("summary", {}, "About"), element("p", { class: "quiet" }, panel.about), ...panel.queries.map((query) => element("pre", {}, query)));
      const made = card(panel.title, panel.width, body, about);
      made.panel = { page, panel, body };
      return made;
    });
    content.push(element("h3", {}, row.title), element("div", { class: "grid" }, ...cards));
  }
  return content;
}

async function fill({ page, panel, body }) {
  const mine = turn;
  let made;
  try {
    made = draw(panel, await read(`/api/v1/console/${page.uid}/${panel.number}?span=${spanChoice.value}`), body.clientWidth);
  } catch (error) {
    made = failed(error);
  }
  if (mine === turn) { body.className = ""; body.replaceChildren(made); }
}

// Panels are read when they come into sight, and again every half minute while they are.
function watch() {
  observer?.disconnect();
  watched = new Map();
  observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting && !watched.has(entry.target)) fill(entry.target.panel);
      entry.isIntersecting ? watched.set(entry.target, true) : watched.delete(entry.target);
    }
  }, { rootMargin: "300px" });
  for (const made of main.querySelectorAll(".card")) if (made.panel) observer.observe(made);
}

const current = () => location.hash.slice(1) || "overview";

async function show() {
  turn += 1;
  const mine = turn, page = described.dashboards.find((one) => one.uid === current());
  for (const link of document.querySelectorAll("nav a")) {
    link.hash === `#${page ? page.uid : "overview"}` ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
  document.title = `${page ? page.title : "Overview"} - Neural Hive ML console`;
  spanChoice.disabled = !page;
  const content = page ? dashboard(page) : await overview().catch((error) => [element("h2", {}, "Overview"), failed(error)]);
  if (mine !== turn) return;
  main.replaceChildren(...content);
  watch();
  told();
}

function told() { asOf.textContent = `as of ${new Date().toISOString().slice(11, 19)} UTC`; }

async function again() {
  if (document.hidden || !described) return;
  if (described.dashboards.some((one) => one.uid === current())) for (const made of watched.keys()) fill(made.panel);
  else { const mine = turn, content = await overview().catch((error) => [failed(error)]); if (mine === turn) main.replaceChildren(...content); }
  told();
}

function askForKey(error) {
  const field = element("input", { id: "key", type: "password", autocomplete: "off" });
  const form = element("form", {}, element("h2", {}, "A key is needed"), failed(error), element("label", { for: "key" }, "API key "), field, " ", element("button", {}, "Read"));
  form.addEventListener("submit", (event) => { event.preventDefault(); key = field.value; start(); });
  main.replaceChildren(form);
  field.focus();
}

async function start() {
  try {
    described = await read("/api/v1/console");
  } catch (error) {
    return error.status === 401 ? askForKey(error) : main.replaceChildren(failed(error));
  }
  const links = [["overview", "Overview"], ...described.dashboards.map((one) => [one.uid, one.title])];
  document.getElementById("pages").replaceChildren(...links.map(([uid, title]) => element("li", {}, element("a", { href: `#${uid}` }, title))));
  spanChoice.replaceChildren(...described.spans.map((span) => element("option", { value: span, selected: span === "24h" ? "" : null }, span)));
  return turnTo();
}

// Each page begins with the span that it is made for.
function turnTo() {
  const page = described?.dashboards.find((one) => one.uid === current());
  if (page) spanChoice.value = page.span;
  return show();
}

addEventListener("hashchange", () => turnTo().then(() => main.focus()));
spanChoice.addEventListener("change", show);
document.getElementById("controls").addEventListener("submit", (event) => event.preventDefault());
setInterval(again, REFRESH_MS);
start();
