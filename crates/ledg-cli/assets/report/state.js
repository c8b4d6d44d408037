"use strict";
// What the page is about, what is chosen, and who wants to know when that changes. All text from the report is set as text,
// never as markup.

const report = JSON.parse(document.getElementById("data").textContent);

const state = { model: 0, device: 0, node: null, block: null, tab: "blocks", search: "" };
const listeners = [];

function onChange(listener) {
  listeners.push(listener);
}

/** Changes what is chosen; listeners get the names of what really changed. */
function choose(changes) {
  const changed = new Set();
  for (const [key, value] of Object.entries(changes)) {
    if (state[key] !== value) {
      state[key] = value;
      changed.add(key);
    }
  }
  if (changed.has("model")) {
    state.node = null;
    state.block = null;
    changed.add("node").add("block");
  }
  if (changed.size > 0) listeners.forEach((listener) => listener(changed));
}

const currentModel = () => report.models[state.model];
const currentDevice = () => report.devices[state.device];
const estimateOf = (model, device) => report.estimates[model * report.devices.length + device];
const currentEstimate = () => estimateOf(state.model, state.device);

const byId = (id) => document.getElementById(id);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** An element with attributes and children; strings become text. */
const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
