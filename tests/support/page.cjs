// Runs the script of an HTML report on the few parts of a page that it uses: `node page.cjs REPORT.html 'return ...' [#HASH]`.
// The second argument is the body of a function of `page`; what it returns is printed as JSON.
"use strict";
const { readFileSync } = require("node:fs");
const vm = require("node:vm");

class Element {
  constructor(tag) {
    Object.assign(this, { tag, tagName: tag.toUpperCase(), children: [], attributes: {}, listeners: {}, dataset: {}, parent: null, hidden: false });
  }
  set id(value) { this.attributes.id = value; }
  get id() { return this.attributes.id ?? ""; }
  set className(value) { this.attributes.class = value; }
  get childElementCount() { return this.children.filter((child) => child instanceof Element).length; }
  get textContent() { return this.children.map((child) => (child instanceof Element ? child.textContent : child)).join(""); }
  set textContent(text) { this.children = [text]; }
  set open(value) { this.opened = value; for (const hear of this.listeners.toggle ?? []) hear({ target: this }); }
  get open() { return Boolean(this.opened); }
  setAttribute(name, value) { this.attributes[name] = String(value); }
  addEventListener(name, hear) { (this.listeners[name] ??= []).push(hear); }
  #adopt(items) {
    const flat = items.flatMap((item) => (item instanceof Element && item.tag === "#fragment" ? item.children : [item]));
    return flat.map((item) => { if (item instanceof Element) { item.parent = this; return item; } return String(item); });
  }
  append(...items) { this.children.push(...this.#adopt(items)); }
  replaceChildren(...items) { this.children = this.#adopt(items); }
  insertBefore(item, before) { this.children.splice(this.children.indexOf(before), 0, ...this.#adopt([item])); }
  fire(name, event = {}) { for (const hear of this.listeners[name] ?? []) hear({ target: this, preventDefault() {}, ...event }); }
  click() { this.fire("click"); }
  focus() { page.focused = this; }
  blur() {}
  scrollIntoView() { page.scrolled = this; }
  all(test) { return this.children.filter((child) => child instanceof Element).flatMap((child) => [...(test(child) ? [child] : []), ...child.all(test)]); }
  tags(tag) { return this.all((child) => child.tag === tag); }
  has(name) { return this.all((child) => (child.attributes.class ?? "").split(" ").includes(name)); }
}

const html = readFileSync(process.argv[2], "utf8");
const body = new Element("body");
for (const [, tag, id] of html.matchAll(/<(\w+)[^>]* id="([\w-]+)"/g)) {
  const element = new Element(tag);
  element.id = id;
  body.append(element);
}
const find = (id) => body.all((element) => element.id === id)[0] ?? null;
const inside = (start) => { const at = html.indexOf(start) + start.length; return html.slice(at, html.indexOf("</script>", at)); };
find("data").textContent = inside('id="data">');
const document = Object.assign(new Element("document"), {
  createElement: (tag) => new Element(tag),
  createDocumentFragment: () => new Element("#fragment"),
  documentElement: new Element("html"),
  getElementById: find,
  querySelectorAll: (selector) => {
    const rows = find("list").has("row");
    return selector.endsWith("summary") ? rows.filter((row) => row.tag === "details").map((row) => row.children[0]) : rows;
  },
});
Object.defineProperty(document, "activeElement", { get: () => page.focused });
let watching = null;
class IntersectionObserver {
  constructor(call) { watching = () => call([{ isIntersecting: true }]); }
  observe() {} unobserve() {} disconnect() {}
}
const window = new Element("window");
const page = { find, body, document, window, scroll: () => watching(), focused: null, scrolled: null, rows: () => find("list").has("row"), tab: (id) => find(`tab-${id}`).click() };
vm.runInNewContext(inside("</script>\n<script>"), { document, window, IntersectionObserver, location: { hash: process.argv[4] ?? "" }, localStorage: { getItem: () => null, setItem() {} } });
process.stdout.write(JSON.stringify(new Function("page", process.argv[3])(page) ?? null));
