// The page: what the data says, as elements. Text only ever becomes text.

/** An element with properties and children; strings among the children are text. */
function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === false || value === undefined || value === null) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

const shows = (source) => (source ? `${source.path}:${source.line}` : "");

// --- the rows of each pane ---

function withParts(row, environment) {
  return { ...partsOf(row.resource), ...row, environment };
}

function byImpact(rows) {
  // The schema of an API can be longer than everything else together: it comes last.
  const rank = (row) => 2 * IMPACTS.indexOf(row.impact) + (row.kind === "CustomResourceDefinition");
  return rows.sort((a, b) => rank(a) - rank(b));
}

function panesOf(data) {
  const each = (rowsOf) => data.plans.flatMap((plan) => rowsOf(plan).map((row) => withParts(row, plan.environment ?? plan.name)));
  const places = new Set(data.plans.map((plan) => plan.place));
  const place = places.size === 1 ? [...places][0] : "destination";
  const committed = data.plans.filter((plan) => plan.commit);
  const panes = [
    { id: "outcome", title: "What became of it", rows: data.outcomes.map((one) => ({ ...one, resource: "" })), draw: outcomeRow },
    { id: "conflicts", title: "Conflicts", rows: each((plan) => plan.conflicts), draw: conflictRow, alarm: true },
    { id: "findings", title: "Policy findings", rows: each((plan) => plan.findings), draw: findingRow, aside: true },
    {
      id: "changes", title: `What the ${place} would see`, rows: byImpact(each((plan) => plan.changes)), draw: changeRow,
      group: (row) => row.impact, always: data.plans.length > 0, empty: "Nothing would change.",
    },
    {
      id: "commit", title: "What the commit changes", rows: each((plan) => plan.commit?.changes ?? []), draw: intendedRow,
      always: committed.length > 0, empty: "The commit changes no object.",
      lead: committed.map((plan) => [plan.environment ?? plan.name, `The commit ${plan.commit.heading}.`]),
    },
    { id: "drift", title: "Drift", rows: each((plan) => plan.drift), draw: driftRow, group: (row) => row.heading },
    { id: "hooks", title: "Hooks", rows: each((plan) => (plan.changes.length || plan.hooks.some((hook) => hook.changed) ? plan.hooks : [])), draw: hookRow },
  ];
  return panes.filter((pane) => pane.rows.length || pane.always);
}

// --- one row ---

const label = (text, kind = "") => el("span", { class: `label ${kind}` }, text);

function nameOf(row) {
  const where = row.namespace ? `${row.kind}/${row.namespace}/` : `${row.kind}/`;
  return el("span", { class: "resource" }, el("span", { class: "where" }, where), el("wbr"), el("b", {}, row.name));
}

/** A row that opens; what is inside is only made then. */
function opening(row, summary, inside, kind = "") {
  const details = el("details", { class: `row ${kind}` }, el("summary", {}, summary));
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(el("div", { class: "inside" }, inside()));
  });
  return details;
}

const environmentLabel = (row) => (several ? label(row.environment, "environment") : null);

function changeHead(row, ...labels) {
  return [
    el("span", { class: `symbol ${row.type}`, title: row.type, role: "img", "aria-label": row.type }, SYMBOLS[row.type]),
    nameOf(row),
    el("span", { class: "brief" }, row.brief, " ", ...labels, environmentLabel(row)),
    el("code", { class: "source" }, shows(row.source)),
  ];
}

const DANGEROUS = new Set(["high", "critical"]);

function changeRow(row) {
  const labels = [row.undo ? label(row.undo, row.reversible === "no" ? "bad" : "warn") : null];
  if (!row.in_commit) labels.push(label("not in the commit", "warn"));
  // What is dangerous says why before anybody opens it.
  if (DANGEROUS.has(row.impact) && row.reasons.length) labels.push(el("span", { class: "why" }, row.reasons.join("; ")));
  return opening(row, changeHead(row, ...labels), () => changeInside(row), row.impact);
}

function changeInside(row) {
  return [
    el("p", { class: "reasons" }, el("span", { class: `impact ${row.impact}` }, row.impact), ` ${row.reasons.join("; ")}`),
    list("Needed by", row.dependents, "warn"),
    list("", row.notes),
    views(row),
    el("p", { class: "quiet" }, `${row.group ? `${row.group}/` : ""}${row.version} ${row.kind}`, row.source ? ` · ${shows(row.source)}` : ""),
  ];
}

function intendedRow(row) {
  const told = row.same ? label("the same") : label(row.seen ? "seen differently" : "no change there", "warn");
  return opening(row, changeHead(row, told), () => {
    const same = row.same && panes.find((pane) => pane.id === "changes").rows.find(
      (change) => change.resource === row.resource && change.environment === row.environment);
    return same ? changeInside(same) : [views(row)];
  }, row.impact);
}

function list(title, items, kind = "") {
  if (!items.length) return null;
  const told = (some) => el("ul", {}, ...some.map((item) => el("li", {}, item)));
  const rest = items.length > 12 ? el("details", {}, el("summary", {}, `${items.length - 8} more`), told(items.slice(8))) : null;
  return el("div", { class: `list ${kind}` }, title ? el("h3", {}, title) : null, told(rest ? items.slice(0, 8) : items), rest);
}

/** Fields and the diff, one of them at a time; only the diff where there are no fields. */
function views(row) {
  const diff = () => (row.diff === null ? el("p", { class: "quiet" }, "The diff is left out, as this report would be too large with it.") : diffOf(row.diff));
  if (!row.fields?.length) return row.diff ? diff() : null;
  const box = el("div", {});
  const buttons = [["Fields", () => fieldsOf(row.fields, row.more_fields)], ["Diff", diff]].map(([title, make]) => {
    const button = el("button", { type: "button", "aria-pressed": "false", onclick: () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      box.replaceChildren(make());
    } }, title);
    return button;
  });
  buttons[row.fields.some((field) => field.text) ? 1 : 0].click();
  return el("div", { class: "views" }, el("div", { class: "switch", role: "group", "aria-label": "View" }, ...buttons), box);
}

function diffOf(text) {
  return el("pre", { class: "diff", tabindex: "0", "aria-label": "diff" }, ...linesOf(text).map(([kind, line]) => el("span", { class: kind }, `${line}\n`)));
}

function fieldsOf(fields, more = 0, heads = ["field", "before", "after"]) {
  const rows = fields.map((field) => {
    const both = field.before !== null && field.after !== null && !field.masked;
    const [old, now] = both ? contrast(field.before, field.after) : [["", field.before, ""], ["", field.after, ""]];
    return el("tr", {}, el("th", { scope: "row" }, el("code", {}, ...breakable(field.path))), sideOf(field, field.before, old, "old", both), sideOf(field, field.after, now, "new", both));
  });
  if (more) rows.push(el("tr", {}, el("td", { colspan: 3, class: "quiet" }, `… ${plural(more, "more field")}`)));
  const head = el("tr", {}, ...heads.map((text) => el("th", { scope: "col" }, text)));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Fields" }, el("table", { class: "fields" }, el("thead", {}, head), el("tbody", {}, ...rows)));
}

/** A path that a narrow column breaks where a part of it begins. */
const breakable = (path) => path.split(/(?=[.[])/).flatMap((part) => [el("wbr"), part]);

function sideOf(field, value, [start, middle, end], side, both) {
  if (value === null) return el("td", { class: "quiet" }, side === "old" ? "not there" : "removed");
  const content = both ? [start, middle ? el("mark", {}, middle) : null, end] : [value];
  return el("td", { class: side }, el("code", {}, ...content), field.masked ? label("secret") : null);
}

function remarkRow(row, symbol, kind, ...labels) {
  const head = [symbol, nameOf(row), el("span", { class: "brief" }, row.description, " ", ...labels, environmentLabel(row)),
    el("code", { class: "source" }, shows(row.source))];
  return opening(row, head, () => [
    row.fields.length ? fieldsOf(row.fields, 0, ["field", "is", "should be"]) : null,
    list("Ways out", row.suggestions, "good"),
  ], kind);
}

function conflictRow(row) {
  const symbol = el("span", { class: "symbol conflict", role: "img", "aria-label": "conflict" }, "×");
  const details = remarkRow(row, symbol, "critical", label(row.type.replaceAll("_", " "), "bad"));
  details.open = true;
  return details;
}

/** What the policy warns of. */
function findingRow(row) {
  return remarkRow(row, el("span", { class: "symbol finding", role: "img", "aria-label": "policy finding" }, "▲"), "medium");
}

function driftRow(row) {
  const head = [el("span", { class: "symbol" }, "±"), nameOf(row), el("span", { class: "brief" }, plural(row.fields.length, "field"), row.manager ? ` by ${row.manager} ` : " ", environmentLabel(row))];
  const kind = { blocks: "critical", overwritten: "medium", left: "low" }[row.outcome];
  return opening(row, head, () => fieldsOf(row.fields, 0, ["field", "now", "in Git"]), kind);
}

function hookRow(row) {
  return el("div", { class: "row flat" }, el("span", { class: "symbol" }, "▸"), nameOf(row), el("span", { class: "brief" }, `${row.phase} `, row.changed ? label("changed", "warn") : "", " ", environmentLabel(row)),
    el("code", { class: "source" }, shows(row.source)));
}

function outcomeRow(row) {
  const kinds = { succeeded: "good", failed: "bad", cancelled: "warn", nothing: "" };
  const told = row.items.filter((item) => item.status !== "applied" || item.message);
  const applied = row.items.filter((item) => item.status === "applied" && !item.message);
  const item = (one) => el("li", {}, label(one.status, one.status === "failed" ? "bad" : one.status === "applied" ? "good" : ""), " ", el("code", {}, one.resource),
    one.message.includes("\n") ? el("pre", { tabindex: "0" }, one.message) : one.message ? el("span", { class: "quiet" }, ` ${one.message}`) : null);
  const [first, ...further] = row.message.split("\n");
  return el("section", { class: `outcome ${kinds[row.status]}` },
    el("h2", {}, `${row.environment ?? row.name}: ${row.headline}`),
    el("p", { class: "quiet" }, [row.destination, row.counts, row.status === "nothing" || row.dry_run ? "" : row.health, row.took].filter(Boolean).join(" · ")),
    first ? el("p", {}, first) : null,
    further.length ? el("pre", { tabindex: "0" }, further.join("\n")) : null,
    el("dl", { class: "facts" }, ...row.facts.map(([word, text]) => el("div", {}, el("dt", {}, word), el("dd", {}, text)))),
    el("ul", { class: "items" }, ...told.map(item)),
    applied.length ? el("details", {}, el("summary", {}, `${plural(applied.length, "object")} applied`), el("ul", { class: "items" }, ...applied.map(item))) : null);
}

// --- what is said of the whole run ---

function messages(data) {
  const found = data.failed.map((one) => el("section", { class: "outcome bad" }, el("h2", {}, `${one.name}: no plan`), el("pre", { tabindex: "0" }, one.message),
    one.hint ? el("p", {}, `→ ${one.hint}`) : null));
  for (const plan of data.plans) {
    const name = plan.environment ?? plan.name;
    const said = [...plan.notes, ...plan.warnings];
    if (said.length) found.push(list(several ? name : "", said, "warn"));
    if (plan.gate && plan.gate.missing.length) found.push(list(`${name} waits for`, plan.gate.missing, "warn"));
  }
  const overlaps = data.overlaps.map((one) => `${one.name} ${one.title}: ${one.files.slice(0, 3).join(", ")}`);
  found.push(list("Also open, and about the same objects", overlaps));
  return found.filter(Boolean);
}

// --- the list ---

const CHUNK = 120;
let several = false;
let panes = [];
let pane = null;
let state = null;
let pending = [];
let lastGroup;

const $ = (id) => document.getElementById(id);

/** Draws the next rows; the others wait until somebody scrolls there. */
function more(count = CHUNK) {
  const sentinel = $("more");
  const fragment = document.createDocumentFragment();
  for (const row of pending.splice(0, count)) {
    const group = pane.group?.(row);
    if (group !== undefined && group !== lastGroup) {
      const size = pane.shown.filter((other) => pane.group(other) === group).length;
      fragment.append(el("h2", { class: `group ${group}` }, group, el("span", { class: "quiet" }, ` ${size.toLocaleString("en")}`)));
      lastGroup = group;
    }
    fragment.append(pane.draw(row));
  }
  $("list").insertBefore(fragment, sentinel);
  sentinel.hidden = pending.length === 0;
}

function show() {
  pane.shown = pane.rows.filter((row) => matches(row, state));
  pending = [...pane.shown];
  lastGroup = undefined;
  const sentinel = el("div", { id: "more" });
  const lead = (pane.lead ?? []).map(([name, text]) => el("p", { class: "lead" }, several ? `${name}: ${text}` : text));
  const none = pane.rows.length ? "Nothing here is like that." : pane.empty;
  $("list").replaceChildren(...lead, ...(pane.shown.length ? [] : [el("p", { class: "quiet none" }, none)]), sentinel);
  more(watcher ? CHUNK : Infinity);
  watcher?.disconnect();
  watcher?.observe(sentinel);
  $("count").textContent = pane.shown.length === pane.rows.length ? "" : `${pane.shown.length.toLocaleString("en")} of ${pane.rows.length.toLocaleString("en")}`;
}

const watcher = typeof IntersectionObserver === "undefined" ? null : new IntersectionObserver(
  (entries) => { if (pending.length && entries.some((entry) => entry.isIntersecting)) { more(); watcher.unobserve($("more")); watcher.observe($("more")); } },
  { rootMargin: "1200px" });

// --- filters ---

function chips(title, property, set, order) {
  const found = tally(pane.rows, property, order);
  if (found.length < 2) return null;
  return el("div", { class: "chips", role: "group", "aria-label": title }, ...found.map(([value, count]) => {
    const chip = el("button", { type: "button", class: `chip ${value}`, "aria-pressed": String(set.has(value)), onclick: () => {
      if (!set.delete(value)) set.add(value);
      chip.setAttribute("aria-pressed", String(set.has(value)));
      show();
    } }, value, el("span", { class: "quiet" }, ` ${count.toLocaleString("en")}`));
    return chip;
  }));
}

function choice(title, property) {
  const found = tally(pane.rows, property);
  if (found.length < 2) return null;
  const options = found.map(([value, count]) => el("option", { value, selected: state[property] === value }, `${value} (${count.toLocaleString("en")})`));
  const select = el("select", { "aria-label": title, onchange: () => { state[property] = select.value; show(); } }, el("option", { value: "" }, `every ${title}`), ...options);
  return select;
}

function filters() {
  const search = el("input", { type: "search", id: "search", placeholder: "Search names, fields, values, files", "aria-label": "Search", autocomplete: "off", spellcheck: "false",
    oninput: () => { state.query = search.value; show(); } });
  const parts = [search, chips("Impact", "impact", state.impacts, IMPACTS), chips("Type of change", "type", state.types, TYPES),
    choice("environment", "environment"), choice("kind", "kind"), choice("namespace", "namespace")];
  $("filters").replaceChildren(...parts.filter(Boolean));
  $("filters").hidden = pane.id === "outcome" || pane.rows.length < 2;
}

function select(chosen, focus = false) {
  pane = chosen;
  state = emptyState();
  for (const tab of $("panes").children) {
    const on = tab.id === `tab-${pane.id}`;
    tab.setAttribute("aria-selected", String(on));
    tab.tabIndex = on ? 0 : -1;
    if (on && focus) tab.focus();
  }
  $("list").setAttribute("aria-labelledby", `tab-${pane.id}`);
  filters();
  show();
}

function tabs() {
  const found = panes.map((one) => el("button", { type: "button", role: "tab", id: `tab-${one.id}`, "aria-controls": "list", class: one.alarm ? "alarm" : "",
    onclick: () => select(one) }, one.title, el("span", { class: "quiet" }, ` ${one.rows.length.toLocaleString("en")}`)));
  $("panes").replaceChildren(...found);
  $("panes").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) select(panes[(panes.indexOf(pane) + step + panes.length) % panes.length], true);
  });
}

// --- keys and the theme ---

function step(by) {
  const rows = [...document.querySelectorAll("#list details.row > summary")];
  const at = rows.indexOf(document.activeElement);
  const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1)];
  next?.focus();
}

function keys(event) {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "Escape" && event.target.id === "search") {
    event.target.value = "";
    state.query = "";
    show();
    event.target.blur();
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") { event.preventDefault(); $("search")?.focus(); }
  if (event.key === "j") step(1);
  if (event.key === "k") step(-1);
}

function theme() {
  const themes = ["auto", "light", "dark"];
  const button = $("theme");
  // A page from a file may have no storage.
  const stored = (value) => { try { return value ? localStorage.setItem("sloth-ci-theme", value) : localStorage.getItem("sloth-ci-theme"); } catch { return null; } };
  let now = themes.includes(stored()) ? stored() : "auto";
  const apply = () => { document.documentElement.dataset.theme = now; button.textContent = `Theme: ${now}`; };
  button.addEventListener("click", () => { now = themes[(themes.indexOf(now) + 1) % 3]; stored(now); apply(); });
  button.hidden = false;
  apply();
}

function start() {
  const data = JSON.parse($("data").textContent);
  several = data.plans.length > 1;
  panes = panesOf(data);
  theme();
  $("messages").replaceChildren(...messages(data));
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", keys);
  window.addEventListener("beforeprint", () => more(Infinity));
  if (!panes.length) return;
  tabs();
  const [asked, ...resource] = addressed(location.hash);
  select(panes.find((one) => one.id === asked) ?? panes.find((one) => !one.aside) ?? panes[0]);
  if (resource.length) open(resource.join("/"));
}

/** The pane and the object that an address ends with: `#changes/Deployment/shop/web`. */
function addressed(hash) {
  try { return decodeURIComponent(hash.slice(1)).split("/"); } catch { return []; }
}

function open(resource) {
  const index = pane.shown.findIndex((row) => row.resource === resource);
  if (index < 0) return;
  more(Math.max(index + CHUNK - (pane.shown.length - pending.length), 0));
  const row = document.querySelectorAll("#list > .row")[index];
  row.open = true;
  row.scrollIntoView({ block: "nearest" });
}

if (typeof document !== "undefined") start();
