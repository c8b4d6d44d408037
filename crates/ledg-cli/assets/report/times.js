"use strict";
// Where the time of the chosen estimate goes: by node, by block, by operator.

const PARTS = ["compute", "issue", "memory", "launch"];
const PART_MEANING = {
  compute: "arithmetic",
  issue: "cores busy moving elements",
  memory: "memory traffic",
  launch: "starting operators",
};
// Shares of the costliest node from which the next colour begins.
const HEAT_STEPS = [0.02, 0.1, 0.25, 0.5, 0.8];

const heat = (relative) => HEAT_STEPS.filter((step) => relative >= step).length;

/** Sums of several nodes, or of one. */
function summed(nodes) {
  const { model, device, estimate } = times;
  const parts = [0, 0, 0, 0];
  let flops = 0, bytes = 0;
  for (const i of nodes) {
    estimate.nodes[i].forEach((seconds, k) => { parts[k] += seconds; });
    flops += model.nodes[i].flops;
    bytes += (model.nodes[i].activations + model.nodes[i].weights) * device.bytes_per_element;
  }
  const time = parts.reduce((a, b) => a + b, 0);
  return { parts, time, share: time / estimate.latency_s, flops, bytes, bound: PARTS[parts.indexOf(Math.max(...parts))] };
}

function grouped(keyOf) {
  const groups = new Map();
  times.model.nodes.forEach((node, i) => {
    const key = keyOf(node);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(i);
  });
  return groups;
}

/** Of the chosen estimate; made anew when another is chosen. */
let times = {};

function computeTimes() {
  const model = currentModel();
  times = { model, device: currentDevice(), estimate: currentEstimate(), nodes: [], blocks: [], operators: [] };
  if (times.estimate.nodes.length === 0) return;
  const sentence = (node) => model.sentences[node.sentence];
  times.nodes = model.nodes.map((node, i) => ({
    ...summed([i]),
    index: i,
    name: node.name,
    op: node.op,
    sentence: sentence(node).text,
    block: model.blocks[node.block].name,
    known: node.known,
    trained: sentence(node).trained,
    text: [node.name, node.op, sentence(node).text, ...(node.origins || [])].join("\n").toLowerCase(),
  }));
  times.costliest = Math.max(...times.nodes.map((node) => node.time));
  const alike = new Map();
  model.blocks.forEach((block) => alike.set(block.kind, (alike.get(block.kind) || 0) + 1));
  times.blocks = [...grouped((node) => node.block)].map(([index, nodes]) => {
    const names = [model.nodes[nodes[0]].name, model.nodes[nodes[nodes.length - 1]].name];
    const words = nodes.map((i) => sentence(model.nodes[i]).text);
    return {
      ...summed(nodes),
      index,
      nodes,
      name: model.blocks[index].name,
      range: nodes.length > 1 ? names.join(" … ") : names[0],
      alike: alike.get(model.blocks[index].kind),
      text: [model.blocks[index].name, ...nodes.map((i) => model.nodes[i].name), ...words].join("\n").toLowerCase(),
    };
  });
  times.operators = [...grouped((node) => node.sentence)].map(([index, nodes]) => ({
    ...summed(nodes),
    index,
    nodes,
    name: model.sentences[index].text,
    trained: model.sentences[index].trained,
    known: nodes.every((i) => model.nodes[i].known),
    text: [model.sentences[index].text, ...new Set(nodes.map((i) => model.nodes[i].op))].join("\n").toLowerCase(),
  }));
}
