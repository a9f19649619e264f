/**
 * The dashboard's script: plain JavaScript for the browser, so no build step is needed to serve it.
 *
 * XSS: the events' values are only inserted as text, as a close reason is the peer's.
 */
export const script = String.raw`"use strict";
const byId = (id) => document.getElementById(id);
const signs = { ready: "", resuming: "↻", identifying: "i", queued: "q", connecting: "…", greeting: "…", waiting: "z", stopped: "✕" };
const meanings = {
  ready: "ready", resuming: "resuming", identifying: "identifying", queued: "in the queue to identify",
  connecting: "connecting", greeting: "greeting", waiting: "waiting to reconnect", stopped: "stopped"
};
const number = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const oneDigit = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const rateText = (rate) => (rate < 10 ? oneDigit : number).format(rate);
const latencyText = (latency) => (latency === null ? "–" : (latency < 10 ? oneDigit : number).format(latency) + " ms");
const count = (n, one, many) => number.format(n) + " " + (n === 1 ? one : many);

const formatTime = (seconds) => {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const parts = [];
  let rest = Math.max(0, Math.round(seconds));
  for (const [unit, size] of units) {
    if (rest >= size || (unit === "s" && parts.length === 0)) parts.push(Math.floor(rest / size) + " " + unit);
    rest %= size;
  }
  return parts.slice(0, 2).join(" ");
};

// Rendering ----------------------------------------------------------------------------------------------------------

const state = { moments: [], shards: [], states: [], cells: new Map(), picked: undefined, changes: 0 };
const setText = (element, text) => { if (element.textContent !== text) element.textContent = text; };

const plot = (svg, pick, most) => {
  const seconds = 300, width = 300, height = 60;
  const now = state.moments.length === 0 ? 0 : state.moments[state.moments.length - 1][0];
  const points = state.moments.filter(([at]) => now - at <= seconds * 1000)
    .map((moment) => [width - (now - moment[0]) / (seconds * 1000) * width, pick(moment)])
    .filter(([, value]) => value !== null);
  const top = Math.max(most, ...points.map(([, value]) => value)) * 1.08;
  const path = points.map(([x, value], i) => (i === 0 ? "M" : "L") + x.toFixed(1) + " " + (height - value / top * height).toFixed(1)).join("");
  const paths = svg.children.length === 2 ? [...svg.children] : ["area", "line"].map((name) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", "path");
    made.setAttribute("class", name);
    svg.append(made);
    return made;
  });
  paths[1].setAttribute("d", path);
  paths[0].setAttribute("d", points.length === 0 ? "" : path + "L" + points[points.length - 1][0].toFixed(1) + " " + height + "L" + points[0][0].toFixed(1) + " " + height + "Z");
  return points.length === 0 ? null : Math.max(...points.map(([, value]) => value));
};

const showFigures = ({ moment, budget }) => {
  setText(byId("rate"), rateText(moment[1]));
  setText(byId("latency"), latencyText(moment[2]));
  const fastest = plot(byId("rate-plot"), (moment) => moment[1], 1);
  const slowest = plot(byId("latency-plot"), (moment) => moment[2], 1);
  setText(byId("rate-most"), fastest === null ? "" : "at most " + rateText(fastest));
  setText(byId("latency-most"), slowest === null ? "" : "at most " + latencyText(slowest));
  if (budget === null) {
    setText(byId("budget"), "–");
    setText(byId("budget-note"), "Discord was not asked");
    return;
  }
  const share = budget.total === 0 ? 0 : budget.remaining / budget.total;
  setText(byId("budget"), number.format(budget.remaining) + " of " + number.format(budget.total));
  byId("budget-bar").style.width = (share * 100).toFixed(1) + "%";
  byId("budget-bar").className = share < 0.2 ? "low" : "";
  setText(byId("budget-note"), "new ones in " + formatTime((budget.resetAt - moment[0]) / 1000));
};

const showSummary = ({ moment, queue, relay, shards }) => {
  const total = shards.length, ready = moment[3];
  const stopped = shards.filter((shard) => state.states[shard[1]] === "stopped").length;
  const headline = byId("headline");
  const held = relay !== null && relay.held !== null;
  headline.className = ready === total && total > 0 ? (held ? "fair" : "good") : stopped > 0 || (ready === 0 && total > 0) ? "bad" : "fair";
  setText(headline, total === 0 ? "No shards yet"
    : ready === total ? (total === 1 ? "The shard is ready" : "All " + number.format(total) + " shards are ready")
    : number.format(ready) + " of " + count(total, "shard", "shards") + " ready");
  setText(byId("detail"), queue.waiting === 0 ? (held ? "the relay waits for the broker" : "")
    : count(queue.waiting, "shard waits", "shards wait") + " to identify, " + formatTime(queue.seconds) + " more at least");
};

const showRelay = (relay) => {
  byId("relay").hidden = relay === null;
  if (relay === null) return;
  const { broker, held } = relay;
  setText(byId("relay-title"), "Relay " + relay.name);
  byId("held").hidden = held === null;
  setText(byId("held"), held ?? "");
  setText(byId("published"), number.format(relay.published));
  setText(byId("depth"), broker === null ? "–" : number.format(broker.depth));
  setText(byId("age"), broker === null ? "the broker does not answer"
    : broker.depth === 0 ? "nothing waits in the broker" : "the oldest for " + formatTime(broker.seconds));
  setText(byId("consumers"), broker === null ? "–" : number.format(broker.consumers));
  const unread = broker !== null && broker.consumers === 0 && broker.depth > 0;
  byId("consumers-note").classList.toggle("alert", unread);
  setText(byId("consumers-note"), broker === null ? "" : unread ? "nobody handles what waits" : "heard of lately");
  setText(byId("dead"), broker === null ? "–" : number.format(broker.deadLetters));
  byId("dead-note").classList.toggle("alert", broker !== null && broker.deadLetters > 0);
  setText(byId("dead-note"), broker === null ? "" : broker.deadLetters === 0 ? "none was set aside" : "set aside, with their causes");
};

const showLegend = ({ shards }) => {
  const counts = state.states.map((name, index) => [name, shards.filter((shard) => shard[1] === index).length]);
  const legend = byId("legend");
  if (legend.children.length === 0) {
    for (const [name] of counts) {
      const item = document.createElement("li"), sign = document.createElement("span"), text = document.createElement("span");
      sign.className = "sign";
      sign.dataset.state = name;
      sign.textContent = signs[name] ?? "?";
      item.append(sign, text);
      legend.append(item);
    }
  }
  counts.forEach(([name, n], index) => {
    const item = legend.children[index];
    item.hidden = n === 0;
    item.style.display = n === 0 ? "none" : "";
    setText(item.lastChild, number.format(n) + " " + (meanings[name] ?? name));
  });
};

const describe = ([id, index, since, latency, rate, reconnects, waiting, reason]) => {
  const name = state.states[index];
  return "Shard " + id + ": " + (meanings[name] ?? name) + " for " + formatTime(since) +
    (latency === null ? "" : ", latency " + latencyText(latency)) +
    ", " + rateText(rate) + " events/s, " + count(reconnects, "reconnect", "reconnects") +
    (waiting === 0 ? "" : ", " + number.format(waiting) + " waiting to be sent") +
    (reason === null ? "" : ". Last: " + reason);
};

const showGrid = ({ shards }) => {
  const grid = byId("grid");
  const few = shards.length <= 64;
  grid.className = few ? "few" : shards.length > 1200 ? "many" : "";
  grid.style.setProperty("--cell", few ? (shards.length === 1 ? "12rem" : "6.5rem") : shards.length > 1200 ? "15px" : "24px");
  const known = new Set(shards.map(([id]) => id));
  for (const [id, cell] of state.cells) if (!known.has(id)) { cell.button.remove(); state.cells.delete(id); }
  for (const shard of shards) {
    const [id, index, , latency] = shard;
    let cell = state.cells.get(id);
    if (cell === undefined) {
      const button = document.createElement("button");
      button.type = "button";
      button.tabIndex = state.cells.size === 0 ? 0 : -1;
      button.dataset.shard = id;
      cell = { button, key: "" };
      state.cells.set(id, cell);
      grid.append(button);
    }
    const name = state.states[index];
    const key = few + name + (few ? latencyText(latency) : "");
    if (cell.key === key) continue;
    cell.key = key;
    cell.button.dataset.state = name;
    cell.button.setAttribute("aria-label", "Shard " + id + ", " + (meanings[name] ?? name));
    if (!few) { cell.button.textContent = signs[name] ?? "?"; continue; }
    const title = document.createElement("b"), below = document.createElement("span");
    title.textContent = id;
    below.textContent = name === "ready" ? latencyText(latency) : name;
    cell.button.replaceChildren(title, below);
  }
  showPicked();
};

const showPicked = () => {
  const shard = state.shards.find(([id]) => id === state.picked);
  for (const marked of document.querySelectorAll(".picked")) marked.classList.remove("picked");
  if (shard !== undefined) state.cells.get(shard[0])?.button.classList.add("picked");
  setText(byId("shard"), shard === undefined ? "Point at a shard to see how it is doing." : describe(shard));
};

const pick = (event) => {
  const button = event.target.closest("#grid button");
  if (button === null) return;
  state.picked = Number(button.dataset.shard);
  showPicked();
};
for (const name of ["mouseover", "focusin", "click"]) byId("grid").addEventListener(name, pick);

byId("grid").addEventListener("keydown", (event) => {
  const buttons = [...byId("grid").children];
  const at = buttons.indexOf(document.activeElement);
  if (at < 0) return;
  const columns = buttons.filter(({ offsetTop }) => offsetTop === buttons[0].offsetTop).length;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -at, End: buttons.length - 1 - at };
  const next = buttons[at + (steps[event.key] ?? NaN)];
  if (next === undefined) return;
  event.preventDefault();
  buttons[at].tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const showChanges = (changes) => {
  const list = byId("changes");
  for (const change of changes) {
    if (change.number <= state.changes) continue;
    state.changes = change.number;
    const item = document.createElement("li"), at = document.createElement("time"), of = document.createElement("span"), text = document.createElement("span");
    at.dateTime = new Date(change.at).toISOString();
    at.textContent = time.format(change.at);
    of.className = "of";
    of.textContent = "shard " + change.shard;
    text.className = change.level;
    text.textContent = change.text;
    item.append(at, of, text);
    list.prepend(item);
  }
  while (list.children.length > 200) list.lastChild.remove();
};

// Events --------------------------------------------------------------------------------------------------------------

const events = new EventSource("events");
events.addEventListener("open", () => { byId("connection").hidden = true; });
events.addEventListener("error", () => {
  byId("connection").hidden = false;
  // A browser does not reconnect after an answer of another content type, such as a proxy's 502.
  if (events.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000);
});
events.addEventListener("history", ({ data }) => {
  const { moments, since, version } = JSON.parse(data);
  state.moments = moments;
  state.changes = 0;
  byId("changes").replaceChildren();
  setText(byId("footer"), "disruption-gateway " + version + ", watched since " + new Date(since).toLocaleString());
});
events.addEventListener("update", ({ data }) => {
  const update = JSON.parse(data);
  const last = state.moments[state.moments.length - 1];
  if (last === undefined || last[0] < update.moment[0]) state.moments.push(update.moment);
  while (state.moments.length > 300) state.moments.shift();
  state.states = update.states;
  state.shards = update.shards;
  showSummary(update);
  showFigures(update);
  showRelay(update.relay);
  showLegend(update);
  showGrid(update);
});
events.addEventListener("changes", ({ data }) => showChanges(JSON.parse(data)));

// Dark and light ------------------------------------------------------------------------------------------------------

const remembered = (() => { try { return localStorage.getItem("theme"); } catch { return null; } })();
if (remembered === "dark" || remembered === "light") document.documentElement.dataset.theme = remembered;
byId("theme").addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark" ||
    (document.documentElement.dataset.theme === undefined && matchMedia("(prefers-color-scheme: dark)").matches);
  const theme = dark ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try { localStorage.setItem("theme", theme); } catch {}
});
`
