"use strict";
// What needs no page: how rows are found, counted and compared.

const IMPACTS = ["critical", "high", "medium", "low"];
const TYPES = ["create", "update", "recreate", "delete"];
const SYMBOLS = { create: "+", update: "~", recreate: "!", delete: "\u2212" };

/** `Kind/namespace/name` in its parts; `Kind/name` has no namespace. */
function partsOf(resource) {
  const [kind, ...rest] = resource.split("/");
  return rest.length > 1
    ? { kind, namespace: rest[0], name: rest.slice(1).join("/") }
    : { kind, namespace: "", name: rest[0] ?? "" };
}

/** All that a row can be found by, in lower case. */
function haystack(row) {
  if (row.haystack === undefined) {
    const fields = (row.fields ?? []).flatMap((field) => [field.path, field.before, field.after]);
    const source = row.source ? `${row.source.path}:${row.source.line}` : "";
    row.haystack = [
      row.resource, row.environment, row.type, row.impact, row.brief, row.description, row.manager, row.phase, source,
      row.undo, ...(row.reasons ?? []), ...(row.notes ?? []), ...(row.dependents ?? []), ...(row.suggestions ?? []), ...fields,
    ].filter(Boolean).join("\n").toLowerCase();
  }
  return row.haystack;
}

function emptyState() {
  return { query: "", environment: "", kind: "", namespace: "", types: new Set(), impacts: new Set() };
}

/** Whether a row has every word of the query, and is of what was chosen. A choice of nothing is a choice of all. */
function matches(row, state) {
  return (
    (!state.environment || row.environment === state.environment) &&
    (!state.kind || row.kind === state.kind) &&
    (!state.namespace || (row.namespace || "(none)") === state.namespace) &&
    (state.types.size === 0 || state.types.has(row.type)) &&
    (state.impacts.size === 0 || state.impacts.has(row.impact)) &&
    state.query.toLowerCase().split(/\s+/).every((word) => haystack(row).includes(word))
  );
}

/** The values that rows have of one property, with how many have each: in a given order, else by name. */
function tally(rows, property, order) {
  const counts = new Map();
  for (const row of rows) {
    const value = row[property] || (property === "namespace" ? "(none)" : "");
    if (value) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  const rank = (value) => (order ? order.indexOf(value) : 0);
  return [...counts].sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0));
}

/** What two values begin and end with alike, so that what differs can be seen: [before, after], each in three parts. */
function contrast(before, after) {
  const [x, y] = [[...before], [...after]];
  let start = 0;
  while (start < x.length && start < y.length && x[start] === y[start]) start += 1;
  let end = 0;
  while (end < x.length - start && end < y.length - start && x[x.length - 1 - end] === y[y.length - 1 - end]) end += 1;
  const cut = (list) => [
    list.slice(0, start).join(""), list.slice(start, list.length - end).join(""), list.slice(list.length - end).join(""),
  ];
  return [cut(x), cut(y)];
}

/** Lines of a diff with what each of them is. */
function linesOf(diff) {
  return diff.split("\n").map((text) => {
    if (text.startsWith("@@")) return ["where", text.replace(/^@@ | @@$/g, "")];
    return [text.startsWith("+") ? "added" : text.startsWith("-") ? "removed" : "kept", text];
  });
}

/** `1 change`, `3 changes`, `1,204 changes`. */
function plural(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

if (typeof module !== "undefined") {
  module.exports = { partsOf, haystack, emptyState, matches, tally, contrast, linesOf, plural, IMPACTS, TYPES };
}
