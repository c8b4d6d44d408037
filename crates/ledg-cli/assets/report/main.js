"use strict";
// Puts the parts together: what is chosen above shows in all of them.

function drawChoice() {
  const { model, estimate } = times;
  byId("chosen").textContent = `${duration(estimate.latency_s)} for batch ${model.batch}, ${model.nodes.length} nodes`;
  byId("model").value = String(state.model);
  byId("device").value = String(state.device);
  document.querySelectorAll("#estimates tbody tr").forEach((row) => {
    row.classList.toggle("chosen", Number(row.dataset.estimate) === state.model * report.devices.length + state.device);
  });
}

function startChoice() {
  const options = (items) => items.map((item, k) => el("option", { value: String(k) }, item.label));
  byId("model").replaceChildren(...options(report.models));
  byId("device").replaceChildren(...options(report.devices));
  byId("model").closest("label").hidden = report.models.length === 1;
  byId("choice").addEventListener("submit", (event) => event.preventDefault());
  byId("model").addEventListener("change", (event) => choose({ model: Number(event.target.value) }));
  byId("device").addEventListener("change", (event) => choose({ device: Number(event.target.value) }));
  byId("estimates").addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-estimate]");
    if (!row || event.target.closest("a")) return;
    const at = Number(row.dataset.estimate);
    choose({ model: Math.floor(at / report.devices.length), device: at % report.devices.length });
  });
}

function startTheme() {
  const button = byId("theme");
  const dark = () => {
    const set = document.documentElement.dataset.theme;
    return set ? set === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const draw = () => { button.textContent = dark() ? "Light" : "Dark"; };
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = dark() ? "light" : "dark";
    draw();
    drawStrip();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { draw(); drawStrip(); });
  draw();
}

document.querySelectorAll(".scripted").forEach((element) => { element.hidden = false; });
computeTimes();
// First of the listeners: the others show what it computes.
onChange((changed) => {
  if (changed.has("model") || changed.has("device")) computeTimes();
  drawChoice();
});
startChoice();
startTables();
startRoofline();
startGraph();
startTheme();
drawChoice();
document.documentElement.dataset.ready = "true";
