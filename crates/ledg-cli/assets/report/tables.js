"use strict";
// Tables of blocks, operators and nodes: sortable, searchable, the costliest first.

// Rows that are drawn before someone asks for all.
const ROWS_AT_ONCE = 100;

const partBar = (row) =>
  el("div", { class: "parts", title: PARTS.map((part, k) => `${part} ${duration(row.parts[k])}`).join(", ") },
    ...PARTS.map((part, k) => el("i", { class: `fill-${part}`, style: `width:${(row.parts[k] / times[state.tab][0].widest) * 100}%` })));

const tags = (row) => [
  row.known ? null : el("span", { class: "tag" }, " not known"),
  row.known && !row.trained ? el("span", { class: "tag" }, " not trained on") : null,
];

const MEASURES = [
  { key: "time", label: "Time", number: true, cell: (row) => duration(row.time) },
  { key: "share", label: "Share", number: true, cell: (row) => share(row.share) },
  { key: "bar", label: "Bound by", sort: "bound", cell: (row) => el("div", {}, partBar(row), el("span", { class: "sub" }, row.bound)) },
  { key: "flops", label: "FLOP", number: true, wide: true, cell: (row) => count(row.flops) },
  { key: "bytes", label: "Bytes", number: true, wide: true, cell: (row) => count(row.bytes, "B") },
];

const TABLES = {
  blocks: {
    label: "Blocks",
    columns: [
      { key: "index", label: "Block", cell: (row) => el("div", {},
        el("button", { type: "button", class: "link", onclick: () => showBlock(row.index) }, row.name), el("span", { class: "sub" }, row.range)) },
      { key: "nodes", label: "Nodes", number: true, wide: true, sort: "size", cell: (row) => String(row.nodes.length) },
      { key: "alike", label: "Alike", number: true, wide: true, cell: (row) => String(row.alike) },
      ...MEASURES,
    ],
  },
  operators: {
    label: "Operators",
    columns: [
      { key: "name", label: "Operator, as the language model reads it", cell: (row) => el("div", {},
        el("button", { type: "button", class: "link", onclick: () => choose({ tab: "nodes", search: row.name, block: null }) }, row.name), ...tags(row)) },
      { key: "nodes", label: "Nodes", number: true, wide: true, sort: "size", cell: (row) => String(row.nodes.length) },
      ...MEASURES,
    ],
  },
  nodes: {
    label: "Nodes",
    columns: [
      { key: "index", label: "#", number: true, wide: true, cell: (row) => String(row.index) },
      { key: "name", label: "Node", cell: (row) => el("div", {},
        el("button", { type: "button", class: "link", onclick: () => choose({ node: row.index }) }, row.name),
        el("span", { class: "sub" }, row.sentence, ...tags(row))) },
      { key: "block", label: "Block", wide: true, cell: (row) => row.block },
      ...MEASURES,
    ],
  },
};

const sorting = Object.fromEntries(Object.keys(TABLES).map((tab) => [tab, { key: "time", descending: true }]));
let showAll = false;

function showBlock(index) {
  choose({ block: index, tab: "nodes", search: "" });
  byId("panel").focus({ preventScroll: true });
}

const sortValue = (row, key) => (key === "size" ? row.nodes.length : row[key]);

function sortedRows(rows, { key, descending }) {
  const sign = descending ? -1 : 1;
  const compare = (a, b) => {
    const [x, y] = [sortValue(a, key), sortValue(b, key)];
    const order = typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y;
    return order !== 0 ? sign * order : a.index - b.index;
  };
  return [...rows].sort(compare);
}

/** The rows that search and block leave, in order. */
function shownRows() {
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = times[state.tab].filter((row) => words.every((word) => row.text.includes(word)));
  const inBlock = state.tab === "nodes" && state.block !== null;
  const rows = inBlock ? wanted.filter((row) => times.model.nodes[row.index].block === state.block) : wanted;
  return sortedRows(rows, sorting[state.tab]);
}

function headCell(column) {
  const by = column.sort || column.key;
  const { key, descending } = sorting[state.tab];
  const sort = () => {
    const number = column.number || by === "index";
    sorting[state.tab] = { key: by, descending: by === key ? !descending : Boolean(number && by !== "index") };
    drawTable();
    document.querySelector(`#table th[data-key="${column.key}"] button`).focus();
  };
  const order = by === key ? (descending ? "descending" : "ascending") : "none";
  const classes = [column.number ? "number" : "", column.wide ? "wide" : ""].join(" ").trim();
  return el("th", { scope: "col", "aria-sort": order, "data-key": column.key, class: classes || null },
    el("button", { type: "button", class: "sort", onclick: sort }, column.label));
}

function bodyRow(columns, row) {
  const selected = state.tab === "nodes" && row.index === state.node;
  const cells = columns.map((column) => {
    const classes = [column.number ? "number" : "", column.wide ? "wide" : ""].join(" ").trim();
    return el("td", { class: classes || null }, column.cell(row));
  });
  return el("tr", { class: selected ? "chosen" : null, "data-index": row.index }, ...cells);
}

function drawTable() {
  const { columns } = TABLES[state.tab];
  const all = times[state.tab];
  if (all.length > 0) all[0].widest = Math.max(...all.map((row) => row.time));
  const rows = shownRows();
  const drawn = showAll ? rows : rows.slice(0, ROWS_AT_ONCE);
  byId("table").replaceChildren(
    el("thead", {}, el("tr", {}, ...columns.map(headCell))),
    el("tbody", {}, ...drawn.map((row) => bodyRow(columns, row))));
  const sum = rows.reduce((sum, row) => sum + row.time, 0);
  const unit = TABLES[state.tab].label.toLowerCase();
  byId("found").textContent = all.length === 0
    ? "This bundle's model gives one figure for the whole graph, none for its nodes."
    : `${rows.length} of ${all.length} ${unit}, ${share(sum / times.estimate.latency_s)} of the time`;
  const more = byId("more");
  more.hidden = drawn.length === rows.length;
  more.textContent = `Show all ${rows.length} ${unit}`;
  const chip = byId("all-blocks");
  chip.hidden = state.tab !== "nodes" || state.block === null;
  chip.textContent = state.block === null ? "" : `Only ${times.model.blocks[state.block].name} ✕`;
}

function drawTabs() {
  const tabs = Object.entries(TABLES).map(([tab, { label }]) =>
    el("button", { type: "button", role: "tab", id: `tab-${tab}`, "aria-controls": "panel", "aria-selected": String(tab === state.tab),
      tabindex: tab === state.tab ? "0" : "-1", onclick: () => choose({ tab, search: "" }) }, label));
  byId("tabs").replaceChildren(...tabs);
  byId("panel").setAttribute("aria-labelledby", `tab-${state.tab}`);
}

function tabKeys(event) {
  const names = Object.keys(TABLES);
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  choose({ tab: names[(names.indexOf(state.tab) + step + names.length) % names.length], search: "" });
  byId(`tab-${state.tab}`).focus();
}

function startTables() {
  byId("tabs").addEventListener("keydown", tabKeys);
  byId("search").addEventListener("input", (event) => choose({ search: event.target.value }));
  byId("more").addEventListener("click", () => { showAll = true; drawTable(); });
  byId("all-blocks").addEventListener("click", () => choose({ block: null }));
  byId("legend").replaceChildren(...PARTS.map((part) =>
    el("li", {}, el("i", { class: `fill-${part}` }), `${part}: ${PART_MEANING[part]}`)));
  onChange((changed) => {
    if (["tab", "search", "block", "model", "device"].some((key) => changed.has(key))) showAll = false;
    if (changed.has("search")) byId("search").value = state.search;
    if (changed.has("tab")) drawTabs();
    drawTable();
  });
  drawTabs();
  drawTable();
}
