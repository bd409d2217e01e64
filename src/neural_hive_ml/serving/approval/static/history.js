// The task's recent run times as dots over time, the ticket's own marked; returns the same in words.

const SPACE = "http://www.w3.org/2000/svg";
const LEFT = 78, RIGHT = 622, TOP = 16, BOTTOM = 150;

function words(ms) {
  const units = [[86_400_000, "d"], [3_600_000, "h"], [60_000, "min"], [1_000, "s"]];
  const [size, name] = units.find(([size]) => ms >= size) ?? [1, "ms"];
  return `${(ms / size).toLocaleString("en", { maximumSignificantDigits: 3 })} ${name}`;
}

function add(chart, kind, attributes, text) {
  const made = document.createElementNS(SPACE, kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  chart.append(made);
}

export function drawHistory(chart, history) {
  chart.replaceChildren();
  const shown = history.own ? [...history.runs, history.own] : history.runs;
  const state = { ended: "took", running: "has run for", waiting: "has not started" }[history.state];
  const told = history.own ? `this ticket ${state} ${words(history.own.duration_ms)}` : `this ticket ${state}`;
  if (!history.runs.length) return `No earlier run of task ${history.task_id} in two weeks; ${told}.`;
  const times = shown.map((run) => run.at_ms), first = Math.min(...times), last = Math.max(...times);
  // Run times spread over orders of magnitude: a logarithmic scale, as the detector sees them.
  const logs = shown.map((run) => Math.log1p(run.duration_ms)), low = Math.min(...logs), high = Math.max(...logs);
  const x = (ms) => (last > first ? LEFT + 8 + ((RIGHT - LEFT - 16) * (ms - first)) / (last - first) : (LEFT + RIGHT) / 2);
  const y = (ms) => (high > low ? BOTTOM - ((BOTTOM - TOP) * (Math.log1p(ms) - low)) / (high - low) : (TOP + BOTTOM) / 2);
  for (const [kind, ms] of [["usual", history.median_ms], ["high", history.p90_ms]]) {
    add(chart, "line", { class: kind, x1: LEFT, x2: RIGHT, y1: y(ms), y2: y(ms) });
  }
  add(chart, "text", { x: LEFT - 8, y: TOP + 5, "text-anchor": "end" }, words(Math.expm1(high)));
  add(chart, "text", { x: LEFT - 8, y: BOTTOM + 5, "text-anchor": "end" }, words(Math.expm1(low)));
  add(chart, "text", { x: LEFT, y: 174 }, new Date(first).toISOString().slice(0, 16).replace("T", " "));
  add(chart, "text", { x: RIGHT, y: 174, "text-anchor": "end" }, new Date(last).toISOString().slice(0, 16).replace("T", " "));
  for (const run of history.runs) add(chart, "circle", { class: run.failed ? "run failed" : "run", cx: x(run.at_ms), cy: y(run.duration_ms), r: 4 });
  if (history.own) add(chart, "circle", { class: "own", cx: x(history.own.at_ms), cy: y(history.own.duration_ms), r: 9 });
  const failed = history.runs.filter((run) => run.failed).length;
  return `${history.runs.length} earlier runs of task ${history.task_id}: half took up to ${words(history.median_ms)} (line), 90 % up to ${words(history.p90_ms)} (dashes)${failed ? `, ${failed} failed (red)` : ""}; ${told} (ring).`;
}
