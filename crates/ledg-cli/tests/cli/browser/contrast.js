// Texts whose contrast with the colour below them is under 4.5 : 1.
(() => {
  const pen = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const over = (colour, ground) => {
    pen.fillStyle = `rgb(${ground.join()})`; pen.fillRect(0, 0, 1, 1);
    pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const ground = (e) => {
    const chain = []; for (let at = e; at; at = at.parentElement) chain.unshift(getComputedStyle(at).backgroundColor);
    return chain.reduce((below, colour) => over(colour, below), [255, 255, 255]);
  };
  const light = (rgb) => { const [r, g, b] = rgb.map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const faint = [];
  for (const e of document.querySelectorAll("h1, h2, p, th, td, li, dt, dd, a, button, label, output, .sub, .tag, .of")) {
    if (!e.offsetParent || !e.textContent.trim() || e.matches(".skip")) continue;
    const on = ground(e);
    const ratio = contrast(over(getComputedStyle(e).color, on), on);
    if (ratio < 4.5) faint.push(`${e.tagName} ${e.className} ${e.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  for (const e of document.querySelectorAll("#graph .node")) {
    const text = e.querySelector("text"), rect = e.querySelector("rect");
    if (!text) continue;
    const on = over(getComputedStyle(rect).fill, [255, 255, 255]);
    const ratio = contrast(over(getComputedStyle(text).fill, on), on);
    if (ratio < 4.5) faint.push(`node ${rect.getAttribute("class")}: ${ratio.toFixed(2)}`);
  }
  return [...new Set(faint)];
})()
