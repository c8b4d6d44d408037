"use strict";
// Numbers for people: three significant digits and a unit that fits, as the command prints them.

function digits(x) {
  if (x >= 99.95) return x.toFixed(0);
  return x >= 9.995 ? x.toFixed(1) : x.toFixed(2);
}

function duration(seconds) {
  const units = [["s", 1], ["ms", 1e-3], ["µs", 1e-6], ["ns", 1e-9]];
  const [unit, length] = units.find(([, length]) => seconds >= 0.9995 * length) || units[3];
  return `${digits(seconds / length)} ${unit}`;
}

function count(n, unit = "") {
  const prefixes = [["P", 1e15], ["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3]];
  const found = prefixes.find(([, size]) => n >= 0.9995 * size);
  const text = found ? `${digits(n / found[1])} ${found[0]}` : `${Number.isInteger(n) || n >= 99.95 ? n.toFixed(0) : digits(n)}${unit ? " " : ""}`;
  return text + unit;
}

const share = (x) => `${(x * 100).toFixed(1)} %`;
