// Draws panels: figures, lines, bars, timelines, heat maps, tables. Text is only ever set as text.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 210, LEFT = 58, RIGHT = 8, TOP = 8, BOTTOM = 22;
const DASHES = ["", "6 3", "2 3", "8 3 2 3"];
const MOST_SERIES = 12;
// A picture is as wide as its place in pixels, so that its letters are of one size everywhere.
let WIDTH = 640;

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function shape(name, attributes = {}, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

const trimmed = (value, digits) => Number(value.toPrecision(digits)).toLocaleString("en", { maximumFractionDigits: 6 });

export function seconds(value) {
  const size = Math.abs(value);
  if (size < 0.001 && size > 0) return `${trimmed(value * 1e6, 3)} µs`;
  if (size < 1) return `${trimmed(value * 1000, 3)} ms`;
  if (size < 120) return `${trimmed(value, 3)} s`;
  if (size < 7200) return `${trimmed(value / 60, 3)} min`;
  if (size < 172800) return `${trimmed(value / 3600, 3)} h`;
  return `${trimmed(value / 86400, 3)} d`;
}

export function shown(value, panel) {
  if (value === null || value === undefined) return "unknown";
  for (const name of panel.names ?? []) if (name.value === value) return name.text;
  switch (panel.unit) {
    case "share": return `${trimmed(value * 100, Math.abs(value) >= 0.1 ? 4 : 2)} %`;
    case "percent": return `${trimmed(value, 3)} %`;
    case "seconds": return seconds(value);
    case "milliseconds": return seconds(value / 1000);
    case "per_second": return `${trimmed(value, 3)} /s`;
    default: return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : trimmed(value, 3);
  }
}

function colourOf(value, panel) {
  for (const name of panel.names ?? []) if (name.value === value) return name.colour;
  let colour = "blue";
  for (const step of panel.steps) if (step.above === null || value >= step.above) colour = step.colour;
  return colour;
}

const newest = (series) => {
  for (let at = series.points.length - 1; at >= 0; at -= 1) if (series.points[at][1] !== null) return series.points[at][1];
  return null;
};

export function draw(panel, data, width) {
  WIDTH = Math.max(240, Math.round(width));
  if (!data.series.length) return element("p", { class: "empty" }, "No data: not known.");
  const drawn = { stat: figures, gauge, ranking, table, timeline, heatmap }[panel.kind];
  return drawn ? drawn(panel, data) : lines(panel, data);
}

function figures(panel, data) {
  const all = element("div", { class: data.series.length > 1 ? "figures many" : "figures" });
  for (const series of data.series) {
    const value = newest(series);
    const figure = element("div", {}, element("div", { class: `figure ${colourOf(value, panel)}` }, shown(value, panel)));
    if (data.series.length > 1) figure.append(element("span", {}, series.name));
    all.append(figure);
  }
  return all;
}

function gauge(panel, data) {
  const value = newest(data.series[0]);
  const holder = element("div", {}, element("div", { class: `figure ${colourOf(value, panel)}` }, shown(value, panel)));
  holder.append(bar(panel, value, panel.least ?? 0, panel.most ?? 1, 16));
  return holder;
}

// A bar from least to most; marks stand where the colour changes.
function bar(panel, value, least, most, height) {
  const part = (v) => Math.max(0, Math.min(1, (v - least) / (most - least || 1))) * 400;
  const picture = shape("svg", { viewBox: `0 0 400 ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  picture.append(shape("rect", { x: 0, y: 0, width: 400, height, fill: "var(--wash-grey)" }));
  picture.append(shape("rect", { x: 0, y: 0, width: part(value), height, fill: `var(--${colourOf(value, panel)})` }));
  for (const step of panel.steps) {
    if (step.above === null || step.above <= least || step.above >= most) continue;
    picture.append(shape("rect", { x: part(step.above) - 1, y: 0, width: 2, height, fill: "var(--ink)" }));
  }
  return picture;
}

function ranking(panel, data) {
  const ranked = data.series.map((series) => [series.name, newest(series)]).filter(([, value]) => value !== null);
  ranked.sort((a, b) => b[1] - a[1]);
  const most = panel.most ?? Math.max(...ranked.map(([, value]) => value), 1e-9);
  const list = element("ul", { class: "bars" });
  for (const [name, value] of ranked.slice(0, MOST_SERIES)) {
    const line = element("div", { class: "line" }, element("span", {}, name), element("b", { class: colourOf(value, panel) }, shown(value, panel)));
    list.append(element("li", {}, line, element("div", { class: "track" }, bar(panel, value, panel.least ?? 0, most, 7))));
  }
  return list;
}

function table(panel, data) {
  const head = element("tr", {}, ...panel.columns.map((column) => element("th", { scope: "col" }, column.heading)));
  const body = element("tbody");
  for (const series of data.series) {
    const cells = panel.columns.map((column) =>
      column.label === "Value" ? element("td", { class: "number" }, shown(newest(series), panel)) : element("td", {}, series.labels[column.label] ?? ""));
    body.append(element("tr", {}, ...cells));
  }
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": panel.title }, element("table", {}, element("thead", {}, head), body));
}

const clock = (at, span) => {
  const moment = new Date(at * 1000);
  const two = (number) => String(number).padStart(2, "0");
  const day = `${two(moment.getUTCDate())}.${two(moment.getUTCMonth() + 1)}.`;
  const time = `${two(moment.getUTCHours())}:${two(moment.getUTCMinutes())}`;
  return span > 172800 ? day : span > 86400 ? `${day} ${time}` : time;
};

function frame(label, height = HEIGHT) {
  return shape("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": label });
}

function times(picture, data, across, height) {
  const span = data.until - data.from;
  const parts = WIDTH < 400 ? 2 : 4;
  for (let part = 0; part <= parts; part += 1) {
    const at = data.from + (span * part) / parts;
    const anchor = part === 0 ? "start" : part === parts ? "end" : "middle";
    picture.append(shape("text", { x: across(at), y: height - 6, "text-anchor": anchor }, clock(at, span)));
  }
}

const said = (panel, series) => `${panel.title}. ${series.slice(0, MOST_SERIES).map((one) => `${one.name || "value"}: ${shown(newest(one), panel)}`).join("; ")}`;

function scale(values, panel) {
  let low = panel.least ?? Math.min(...values), high = panel.most ?? Math.max(...values);
  if (panel.least === null && low > 0 && low < high * 0.6) low = 0;
  if (high <= low) high = low + (Math.abs(low) || 1) * 0.5;
  return [low, panel.most === null ? high + (high - low) * 0.05 : high];
}

function lines(panel, data) {
  const kept = data.series.slice(0, MOST_SERIES);
  const sums = new Map();
  const drawn = kept.map((series) => ({
    ...series,
    points: series.points.map(([at, value]) => {
      if (!panel.stacked || value === null) return [at, value, 0];
      const below = sums.get(at) ?? 0;
      sums.set(at, below + value);
      return [at, below + value, below];
    }),
  }));
  const values = drawn.flatMap((series) => series.points.map((point) => point[1])).filter((value) => value !== null);
  if (!values.length) return element("p", { class: "empty" }, "No data: not known.");
  const [low, high] = scale(values, panel);
  const across = (at) => LEFT + ((at - data.from) / (data.until - data.from)) * (WIDTH - LEFT - RIGHT);
  const up = (value) => HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const picture = frame(said(panel, kept));
  for (let part = 0; part <= 4; part += 1) {
    const value = low + ((high - low) * part) / 4;
    picture.append(shape("line", { class: "grid-line", x1: LEFT, x2: WIDTH - RIGHT, y1: up(value), y2: up(value) }));
    picture.append(shape("text", { x: LEFT - 5, y: up(value) + 4, "text-anchor": "end" }, shown(value, { ...panel, names: [] })));
  }
  times(picture, data, across, HEIGHT);
  drawn.forEach((series, place) => (panel.kind === "bars" ? sticks : path)(picture, series, place, data.step, across, up, panel.stacked));
  for (const step of panel.steps) {
    if (step.above === null || step.above <= low || step.above >= high) continue;
    picture.append(shape("line", { class: "limit", x1: LEFT, x2: WIDTH - RIGHT, y1: up(step.above), y2: up(step.above), stroke: `var(--${step.colour})` }));
  }
  return element("div", {}, picture, legend(panel, kept, data.series.length - kept.length));
}

// A gap is a time in which nothing was known: the line breaks there.
function path(picture, series, place, step, across, up, filled) {
  const runs = [];
  let last = null;
  for (const point of series.points) {
    if (point[1] === null) { last = null; continue; }
    if (last === null || point[0] - last > step * 1.5) runs.push([]);
    runs[runs.length - 1].push(point);
    last = point[0];
  }
  for (const run of runs) {
    const edge = run.map(([at, value]) => `${across(at).toFixed(1)},${up(value).toFixed(1)}`);
    if (filled && run.length > 1) {
      const floor = [...run].reverse().map(([at, , below]) => `${across(at).toFixed(1)},${up(below).toFixed(1)}`);
      picture.append(shape("polygon", { points: [...edge, ...floor].join(" "), fill: `var(--s${place % 8})`, "fill-opacity": 0.22 }));
    }
    if (run.length === 1) picture.append(shape("circle", { cx: across(run[0][0]), cy: up(run[0][1]), r: 2, fill: `var(--s${place % 8})` }));
    else picture.append(shape("polyline", { points: edge.join(" "), fill: "none", stroke: `var(--s${place % 8})`, "stroke-width": 1.6, "stroke-dasharray": DASHES[Math.floor(place / 8) % 4] }));
  }
}

function sticks(picture, series, place, step, across, up) {
  const wide = Math.max(3, across(step) - across(0) - 1);
  for (const [at, value] of series.points) {
    if (value) picture.append(shape("rect", { x: across(at) - wide / 2, y: up(value), width: wide, height: up(0) - up(value), fill: `var(--s${place % 8})` }));
  }
}

function legend(panel, series, left) {
  const list = element("ul", { class: "legend" });
  series.forEach((one, place) => {
    const sign = shape("svg", { viewBox: "0 0 22 8", "aria-hidden": "true" });
    sign.append(shape("line", { x1: 0, x2: 22, y1: 4, y2: 4, stroke: `var(--s${place % 8})`, "stroke-width": 3, "stroke-dasharray": DASHES[Math.floor(place / 8) % 4] }));
    list.append(element("li", {}, sign, `${one.name} `, element("b", {}, shown(newest(one), panel))));
  });
  if (left > 0) list.append(element("li", {}, `and ${left} more`));
  return list;
}

function timeline(panel, data) {
  const kept = data.series.slice(0, MOST_SERIES);
  const rowHeight = 24, height = kept.length * rowHeight + BOTTOM + 2, label = Math.min(215, WIDTH * 0.42);
  const across = (at) => label + ((at - data.from) / (data.until - data.from)) * (WIDTH - label - RIGHT);
  const picture = frame(said(panel, kept), height);
  const known = [...new Set(kept.flatMap((series) => series.points.map((point) => point[1])))].sort((a, b) => a - b);
  kept.forEach((series, row) => {
    const name = series.name.length > label / 6.2 ? `${series.name.slice(0, Math.floor(label / 6.2) - 1)}…` : series.name;
    picture.append(shape("text", { x: label - 6, y: row * rowHeight + 16, "text-anchor": "end" }, name));
    for (const [from, until, value] of spans(series.points, data.step)) {
      const colour = panel.names.length ? colourOf(value, panel) : known.indexOf(value) % 2 ? "blue" : "grey";
      const x = across(from), width = Math.max(1.5, across(Math.min(until, data.until)) - x);
      picture.append(shape("rect", { x, y: row * rowHeight + 3, width, height: rowHeight - 6, fill: `var(--wash-${colour})`, stroke: `var(--${colour})`, "stroke-width": 0.6 }));
      if (width > 44) picture.append(shape("text", { x: x + 5, y: row * rowHeight + 16 }, shown(value, panel)));
    }
  });
  times(picture, data, across, height);
  return picture;
}

function spans(points, step) {
  const found = [];
  for (const [at, value] of points) {
    const last = found[found.length - 1];
    if (value === null) continue;
    if (last && last[2] === value && at - last[1] < step * 0.5 + 1) last[1] = at + step;
    else found.push([at, at + step, value]);
  }
  return found;
}

// Buckets are cumulative: what is drawn is what each adds to the one below.
function heatmap(panel, data) {
  const edge = (series) => (series.labels.le === "+Inf" ? Infinity : Number(series.labels.le));
  const buckets = [...data.series].sort((a, b) => edge(a) - edge(b));
  const cells = new Map();
  let most = 0;
  buckets.forEach((series, row) => {
    const below = new Map(row ? buckets[row - 1].points : []);
    for (const [at, value] of series.points) {
      const own = Math.max(0, (value ?? 0) - (below.get(at) ?? 0));
      cells.set(`${row} ${at}`, [row, at, own]);
      most = Math.max(most, own);
    }
  });
  const high = (HEIGHT - TOP - BOTTOM) / buckets.length;
  const across = (at) => LEFT + ((at - data.from) / (data.until - data.from)) * (WIDTH - LEFT - RIGHT);
  const wide = Math.max(1, across(data.from + data.step) - across(data.from));
  const picture = frame(`${panel.title}. ${buckets.length} buckets.`);
  for (const [row, at, own] of cells.values()) {
    if (own > 0) picture.append(shape("rect", { x: across(at), y: HEIGHT - BOTTOM - (row + 1) * high, width: wide, height: high - 0.5, fill: "var(--s0)", "fill-opacity": Math.sqrt(own / most).toFixed(3) }));
  }
  buckets.forEach((series, row) => {
    if (row % Math.ceil(buckets.length / 7) === 0) picture.append(shape("text", { x: LEFT - 5, y: HEIGHT - BOTTOM - row * high - high / 2 + 4, "text-anchor": "end" }, edge(series) === Infinity ? "more" : `≤ ${shown(edge(series), panel)}`));
  });
  times(picture, data, across, HEIGHT);
  return picture;
}
