"use strict";
// The network as a graph: layers downwards, values that live longer on rails at the right. Only what is in view is drawn,
// so thousands of nodes cost no more than a screenful.

const NODE = { width: 184, height: 28, column: 204, layer: 46 };
const GUTTER = 34;
const RAIL = 9;
const ZOOMS = [0.12, 0.2, 0.3, 0.45, 0.6, 0.8, 1, 1.25, 1.6];
// Below this there is no room for words.
const WORDS_FROM = 0.45;

const view = { zoom: 1, width: 0, layers: [], matches: [], layout: null };

const nodeX = (i) => GUTTER + view.layout.column[i] * NODE.column;
const nodeY = (i) => 12 + view.layout.layer[i] * NODE.layer;
const railX = (i) => GUTTER + view.layout.passes[i] * NODE.column + view.layout.rail[i] * RAIL + 4;
const fullWidth = () => view.width;
const fullHeight = () => 24 + view.layout.layers * NODE.layer;

function prepareGraph() {
  const { model } = times;
  view.layout = model.layout;
  const ends = model.nodes.map((_, i) => Math.max(nodeX(i) + NODE.width, view.layout.rail[i] === null ? 0 : railX(i)));
  view.width = Math.max(0, ...ends) + 12;
  view.layers = Array.from({ length: view.layout.layers }, () => []);
  view.layout.layer.forEach((layer, i) => view.layers[layer].push(i));
  view.bands = model.blocks.map(() => ({ from: Infinity, to: -1 }));
  model.nodes.forEach((node, i) => {
    const band = view.bands[node.block];
    band.from = Math.min(band.from, view.layout.layer[i]);
    band.to = Math.max(band.to, view.layout.layer[i]);
  });
  // Blocks that run side by side have no place in one gutter.
  const order = view.bands.map((_, k) => k).sort((a, b) => view.bands[a].from - view.bands[b].from);
  view.bandsFit = order.every((k, i) => i === 0 || view.bands[order[i - 1]].to < view.bands[k].from);
}

function edgePath(father, son) {
  const [x1, y1, x2, y2] = [nodeX(father), nodeY(father), nodeX(son), nodeY(son)];
  if (view.layout.layer[son] === view.layout.layer[father] + 1) {
    const [from, to] = [x1 + NODE.width / 2, x2 + NODE.width / 2];
    const middle = (y1 + NODE.height + y2) / 2;
    return `M${from} ${y1 + NODE.height}C${from} ${middle} ${to} ${middle} ${to} ${y2}`;
  }
  const rail = railX(father);
  const [start, end] = [y1 + NODE.height / 2, y2 + NODE.height / 2 - 4];
  return `M${x1 + NODE.width} ${start}H${rail - 5}Q${rail} ${start} ${rail} ${start + 5}V${end - 5}Q${rail} ${end} ${rail - 5} ${end}H${x2 + NODE.width}`;
}

const clipped = (text) => (text.length > 23 ? `${text.slice(0, 22)}…` : text);

function nodeShape(i) {
  const node = times.nodes[i];
  const step = node ? heat(node.time / times.costliest) : 0;
  const known = times.model.nodes[i].known;
  const classes = ["node", step >= 4 ? "hot" : "", known ? "" : "unknown", i === state.node ? "selected" : "", view.matches.includes(i) ? "match" : ""];
  const words = view.zoom >= WORDS_FROM
    ? [svg("text", { x: nodeX(i) + 8, y: nodeY(i) + 18 }, clipped(times.model.sentences[times.model.nodes[i].sentence].text))]
    : [];
  return svg("g", { class: classes.filter(Boolean).join(" "), "data-node": i, onclick: () => choose({ node: i }) },
    svg("rect", { class: `heat-${step}`, x: nodeX(i), y: nodeY(i), width: NODE.width, height: NODE.height, rx: 5 }),
    ...words,
    svg("title", {}, node ? `${node.name}: ${duration(node.time)}, ${share(node.share)}` : times.model.nodes[i].name));
}

function bandShape(k) {
  const { from, to } = view.bands[k];
  const block = times.blocks.find((row) => row.index === k);
  const [y, height] = [12 + from * NODE.layer - 4, (to - from) * NODE.layer + NODE.height + 8];
  const name = times.model.blocks[k].name;
  const step = block ? heat(block.time / Math.max(...times.blocks.map((row) => row.time))) : 0;
  const fits = name.length * 6.5 < height && view.zoom >= WORDS_FROM;
  return svg("g", { class: "block", onclick: () => showBlock(k) },
    svg("rect", { class: `heat-${step}`, x: 18, y, width: 8, height, rx: 2 }),
    fits ? svg("text", { transform: `translate(13 ${y + height / 2}) rotate(-90)`, "text-anchor": "middle" }, name) : null,
    svg("title", {}, block ? `${name}: ${duration(block.time)}, ${share(block.share)}` : name));
}

function drawGraph() {
  const frame = byId("graph");
  const { zoom } = view;
  // A margin, so that what scrolls into view is there already.
  const first = Math.floor((frame.scrollTop / zoom - 300) / NODE.layer);
  const last = Math.ceil(((frame.scrollTop + frame.clientHeight) / zoom + 300) / NODE.layer);
  const { layer } = view.layout;
  const edges = times.model.edges.filter(([father, son]) => layer[father] <= last && layer[son] >= first);
  const near = ([father, son]) => father === state.node || son === state.node;
  const nodes = view.layers.slice(Math.max(0, first), last + 1).flat();
  const bands = view.bandsFit ? view.bands.map((_, k) => k).filter((k) => view.bands[k].from <= last && view.bands[k].to >= first) : [];
  // Edges of the selected node above the others.
  edges.sort((a, b) => near(a) - near(b));
  frame.replaceChildren(svg("svg", {
    width: Math.ceil(fullWidth() * zoom), height: Math.ceil(fullHeight() * zoom), viewBox: `0 0 ${fullWidth()} ${fullHeight()}`,
  },
    ...bands.map(bandShape),
    ...edges.map((edge) => svg("path", { class: near(edge) ? "edge near" : "edge", d: edgePath(...edge) })),
    ...nodes.map(nodeShape)));
  drawStrip();
}

let scheduled = false;
function drawSoon() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    drawGraph();
  });
}

/** The whole network in one strip: the costliest node of each layer, and what is in view. */
function drawStrip() {
  const strip = byId("strip");
  const [width, height] = [strip.clientWidth, strip.clientHeight];
  if (width === 0 || height === 0) return;
  const ratio = window.devicePixelRatio || 1;
  strip.width = Math.round(width * ratio);
  strip.height = Math.round(height * ratio);
  const pen = strip.getContext("2d");
  pen.scale(ratio, ratio);
  const style = getComputedStyle(document.documentElement);
  const probe = byId("heat").querySelectorAll("i");
  const colour = (step) => getComputedStyle(probe[step]).backgroundColor;
  const colours = Array.from(probe, (_, step) => colour(step));
  const rows = new Float64Array(Math.max(1, Math.floor(height)));
  view.layers.forEach((nodes, k) => {
    const most = Math.max(0, ...nodes.map((i) => (times.nodes[i] ? times.nodes[i].time : 0)));
    const from = Math.floor((k / view.layers.length) * rows.length);
    const to = Math.max(from + 1, Math.ceil(((k + 1) / view.layers.length) * rows.length));
    for (let y = from; y < to && y < rows.length; y += 1) rows[y] = Math.max(rows[y], most);
  });
  rows.forEach((time, y) => {
    pen.fillStyle = colours[heat(time / times.costliest)] || colours[0];
    pen.fillRect(0, y, width, 1.5);
  });
  const frame = byId("graph");
  const top = (frame.scrollTop / frame.scrollHeight) * height;
  const seen = Math.max(4, (frame.clientHeight / frame.scrollHeight) * height);
  pen.strokeStyle = getComputedStyle(document.body).color || style.color;
  pen.lineWidth = 2;
  pen.strokeRect(1, Math.min(top + 1, height - 5), width - 2, Math.max(2, Math.min(seen, height) - 2));
}

function zoomTo(zoom) {
  const frame = byId("graph");
  const centre = (frame.scrollTop + frame.clientHeight / 2) / view.zoom;
  view.zoom = zoom;
  drawGraph();
  frame.scrollTop = centre * zoom - frame.clientHeight / 2;
  drawGraph();
}

const zoomStep = (step) => {
  const nearest = ZOOMS.reduce((best, z, k) => (Math.abs(z - view.zoom) < Math.abs(ZOOMS[best] - view.zoom) ? k : best), 0);
  zoomTo(ZOOMS[Math.min(ZOOMS.length - 1, Math.max(0, nearest + step))]);
};

const fit = () => Math.min(1, Math.max(ZOOMS[0], byId("graph").clientWidth / (fullWidth() + 4)));

function showNode(i) {
  const frame = byId("graph");
  if (view.zoom < WORDS_FROM) view.zoom = 0.8;
  drawGraph();
  frame.scrollTop = (nodeY(i) + NODE.height / 2) * view.zoom - frame.clientHeight / 2;
  frame.scrollLeft = (nodeX(i) + NODE.width / 2) * view.zoom - frame.clientWidth / 2;
  drawGraph();
}

/** The next node in an order, after the selected one. */
function next(order, step = 1) {
  if (order.length === 0) return;
  const at = order.indexOf(state.node);
  choose({ node: order[at < 0 ? 0 : (at + step + order.length) % order.length] });
}

const byCost = () => sortedRows(times.nodes, { key: "time", descending: true }).map((node) => node.index);

function graphKeys(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || times.model.nodes.length === 0) return;
  event.preventDefault();
  next(times.model.nodes.map((_, i) => i), step);
}

function drawDetails() {
  const aside = byId("details");
  if (state.node === null) {
    aside.replaceChildren(el("p", { class: "note" }, "Select a node here, in the tables or in the roofline to see what it costs and why."));
    return;
  }
  const node = times.model.nodes[state.node];
  const sentence = times.model.sentences[node.sentence];
  const line = (name, ...value) => [el("dt", {}, name), el("dd", {}, ...value)];
  const of = times.nodes[state.node];
  const notes = node.known ? (sentence.trained ? "" : " (not in the training data)") : " (no template covers it)";
  const rows = report.devices.map((device, k) => {
    const estimate = estimateOf(state.model, k);
    const seconds = (estimate.nodes[state.node] || []).reduce((a, b) => a + b, 0);
    return el("tr", { class: k === state.device ? "chosen" : null }, el("th", { scope: "row", class: "name" }, device.label),
      el("td", { class: "number" }, duration(seconds)), el("td", { class: "number" }, share(seconds / estimate.latency_s)));
  });
  aside.replaceChildren(
    el("h3", {}, node.name),
    el("dl", {},
      ...line("Operator", node.op),
      ...line("Reads as", sentence.text + notes),
      ...line("Block", times.model.blocks[node.block].name),
      ...line("Work", count(node.flops, "FLOP")),
      ...line("Weights", `${count(node.weights)} elements`),
      ...line("Activations", `${count(node.activations)} elements`),
      ...(of ? line("Time", `${duration(of.time)}: ${PARTS.map((part, k) => `${part} ${duration(of.parts[k])}`).join(", ")}`) : []),
      ...(node.origins ? line("Fused from", node.origins.join(", ")) : [])),
    el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Hardware"), el("th", { scope: "col", class: "number" }, "Time"), el("th", { scope: "col", class: "number" }, "Share"))),
      el("tbody", {}, ...rows)));
}

function find(event) {
  const words = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = words.length === 0 ? [] : times.nodes.filter((node) => words.every((word) => node.text.includes(word))).map((node) => node.index);
  view.matches = matches;
  if (event.key === "Enter" && matches.length > 0) next(matches, event.shiftKey ? -1 : 1);
  drawSoon();
}

function startGraph() {
  const frame = byId("graph");
  byId("heat").replaceChildren(...[0, ...HEAT_STEPS].map((from, step) =>
    el("li", {}, el("i", { class: `heat-${step}` }), step === 0 ? `under ${HEAT_STEPS[0] * 100} % of the costliest node` : `from ${Math.round(from * 100)} %`)));
  prepareGraph();
  view.zoom = Math.max(WORDS_FROM, fit());
  drawGraph();
  drawDetails();
  frame.addEventListener("scroll", drawSoon, { passive: true });
  frame.addEventListener("keydown", graphKeys);
  new ResizeObserver(drawSoon).observe(frame);
  byId("zoom-in").addEventListener("click", () => zoomStep(1));
  byId("zoom-out").addEventListener("click", () => zoomStep(-1));
  byId("zoom-fit").addEventListener("click", () => zoomTo(fit()));
  byId("costliest").addEventListener("click", () => choose({ node: byCost()[0] ?? null }));
  byId("next-costliest").addEventListener("click", () => next(byCost()));
  byId("find").addEventListener("input", find);
  byId("find").addEventListener("keydown", (event) => { if (event.key === "Enter") find(event); });
  const jump = (event) => {
    if (event.buttons !== 1 && event.type !== "pointerdown") return;
    const box = byId("strip").getBoundingClientRect();
    frame.scrollTop = ((event.clientY - box.top) / box.height) * frame.scrollHeight - frame.clientHeight / 2;
  };
  byId("strip").addEventListener("pointerdown", jump);
  byId("strip").addEventListener("pointermove", jump);
  onChange((changed) => {
    if (changed.has("model")) {
      prepareGraph();
      view.matches = [];
      view.zoom = Math.max(WORDS_FROM, fit());
      frame.scrollTop = 0;
    }
    if (changed.has("node") && state.node !== null) showNode(state.node);
    else drawSoon();
    drawDetails();
  });
}
