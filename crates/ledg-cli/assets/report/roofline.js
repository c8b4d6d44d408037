"use strict";
// The roofline of the chosen device, and where the nodes are under it: work per byte against work per second.

const MARGIN = { left: 60, right: 26, top: 20, bottom: 44 };

/** Rates that no node can exceed for long; the first is the roof, the others are lines in it. */
const limits = (device) => [
  { kind: "", flops: device.matmul_flops, meaning: "matrix units, as sustained" },
  { kind: "peak", flops: device.peak_flops, meaning: "the data sheet's peak" },
  { kind: "vector", flops: device.vector_flops, meaning: "arithmetic outside matrix units, as sustained" },
].filter(({ kind, flops }) => kind === "" || Math.abs(flops / device.matmul_flops - 1) > 0.05);

/** Nodes that do arithmetic and move bytes. */
const plotted = () => times.nodes.filter((node) => node.flops > 0 && node.bytes > 0 && node.time > 0);

const decades = (lo, hi) =>
  Array.from({ length: Math.round(Math.log10(hi / lo)) + 1 }, (_, k) => lo * 10 ** k);

/** A power of ten with a prefix: `0.1`, `10`, `1 k`, `100 G`. */
const tick = (value) => count(value).replace(/(\.\d*?)0+(?=\D|$)/, "$1").replace(/\.(?=\D|$)/, "");

function scale(values, from, to) {
  const lo = 10 ** Math.floor(Math.log10(Math.min(...values)));
  const hi = 10 ** Math.ceil(Math.log10(Math.max(...values)));
  const at = (value) => from + ((Math.log10(value) - Math.log10(lo)) / Math.log10(hi / lo)) * (to - from);
  return { lo, hi, at };
}

function drawRoofline() {
  const { device } = times;
  const nodes = plotted();
  describeRoofline(nodes);
  drawRoofs();
  const place = byId("roofline");
  if (nodes.length === 0) {
    place.replaceChildren();
    return;
  }
  const width = Math.max(300, place.clientWidth);
  const height = Math.round(Math.min(440, 140 + width * 0.55));
  const bandwidth = device.bandwidth_bytes_s;
  const ridge = device.matmul_flops / bandwidth;
  const x = scale([...nodes.map((n) => n.flops / n.bytes), ridge / 8, ridge * 4], MARGIN.left, width - MARGIN.right);
  const y = scale([...nodes.map((n) => n.flops / n.time), device.matmul_flops, device.peak_flops, device.vector_flops], height - MARGIN.bottom, MARGIN.top);
  const grid = [];
  const everyX = width < 520 ? 2 : 1;
  decades(x.lo, x.hi).forEach((value, k) => {
    grid.push(svg("line", { class: "grid", x1: x.at(value), x2: x.at(value), y1: MARGIN.top, y2: height - MARGIN.bottom }));
    if (k % everyX === 0) grid.push(svg("text", { x: x.at(value), y: height - MARGIN.bottom + 16, "text-anchor": "middle" }, tick(value)));
  });
  for (const value of decades(y.lo, y.hi)) {
    grid.push(svg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y.at(value), y2: y.at(value) }));
    grid.push(svg("text", { x: MARGIN.left - 6, y: y.at(value) + 4, "text-anchor": "end" }, tick(value)));
  }
  grid.push(svg("text", { x: (MARGIN.left + width - MARGIN.right) / 2, y: height - 8, "text-anchor": "middle" }, "FLOP per byte moved"));
  grid.push(svg("text", { x: 14, y: height / 2, "text-anchor": "middle", transform: `rotate(-90 14 ${height / 2})` }, "FLOP per second"));
  const roof = (flops) => {
    const start = Math.max(x.lo, y.lo / bandwidth);
    const knee = Math.min(Math.max(flops / bandwidth, start), x.hi);
    return `M${x.at(start)} ${y.at(Math.min(flops, start * bandwidth))}L${x.at(knee)} ${y.at(Math.min(flops, knee * bandwidth))}L${x.at(x.hi)} ${y.at(Math.min(flops, x.hi * bandwidth))}`;
  };
  const level = (flops) => `M${x.at(Math.min(flops / bandwidth, x.hi))} ${y.at(flops)}L${x.at(x.hi)} ${y.at(flops)}`;
  const roofs = limits(device).map(({ flops, kind }, k) =>
    svg("path", { class: `roof ${kind}`, d: k === 0 ? roof(flops) : level(flops) }));
  // Large ones first, so that small ones stay visible.
  const dots = [...nodes].sort((a, b) => b.time - a.time).map((n) =>
    svg("circle", {
      class: `fill-${n.bound}${n.index === state.node ? " selected" : ""}`,
      cx: x.at(n.flops / n.bytes).toFixed(1),
      cy: y.at(n.flops / n.time).toFixed(1),
      r: (2.5 + 14 * Math.sqrt(n.time / times.costliest) * Math.min(1, 24 / Math.sqrt(nodes.length))).toFixed(1),
      onclick: () => choose({ node: n.index }),
    }, svg("title", {}, `${n.name}: ${n.sentence}, ${duration(n.time)}, bound by ${n.bound}`)));
  place.replaceChildren(svg("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-labelledby": "h-roofline", "aria-describedby": "roofline-text" },
    ...grid, ...roofs, ...dots));
}

/** What the lines are, and what binds the dots of each colour. */
function drawRoofs() {
  const { device } = times;
  const line = (kind) => svg("svg", { width: 28, height: 8, "aria-hidden": "true" }, svg("path", { class: `roof ${kind}`, d: "M0 4H28" }));
  byId("roofs").replaceChildren(
    ...limits(device).map(({ kind, flops, meaning }) => el("li", {}, line(kind), `${count(flops, "FLOP/s")}: ${meaning}`)),
    el("li", {}, line(""), `${count(device.bandwidth_bytes_s, "B/s")}: memory, the slope`),
    ...PARTS.map((part) => el("li", {}, el("i", { class: `fill-${part}` }), part)));
}

/** The plot in words, for who cannot see it. */
function describeRoofline(nodes) {
  const bound = PARTS.map((part) => {
    const of = times.nodes.filter((n) => n.bound === part);
    return [part, of.length, of.reduce((sum, n) => sum + n.time, 0) / times.estimate.latency_s];
  }).filter(([, n]) => n > 0);
  const left = times.nodes.length - nodes.length;
  byId("roofline-text").textContent =
    `Bound by ${bound.map(([part, n, time]) => `${part}: ${n} nodes, ${share(time)} of the time`).join("; ")}. ` +
    "Dots are nodes, larger where they take longer, coloured by what binds them." +
    (left > 0 ? ` ${left} nodes that do no arithmetic are left out.` : "");
}

function startRoofline() {
  new ResizeObserver(() => drawRoofline()).observe(byId("roofline"));
  onChange((changed) => {
    if (["model", "device", "node"].some((key) => changed.has(key))) drawRoofline();
  });
}
